//! The record of a run: everything that a report shows, as data.
//!
//! [`Run`] is what `--json` writes and what `loadgen compare` reads. Its field names are the
//! format: seconds end in `_s`, bytes in `_bytes`, rates in `_bytes_per_s`. [`FORMAT`] grows when
//! a field changes its meaning or goes away; new fields may appear without that.

use serde::{Deserialize, Serialize};

pub use self::distribution::{Distribution, Rates, Steps, Times};
pub use self::recorder::{Closing, Counts, Member, Plan, Recorder, Sample, ServerSample};

mod cohorts;
mod distribution;
mod recorder;
mod tally;
mod timeline;

#[cfg(test)]
mod tests;

/// The version of the record's format.
pub const FORMAT: u32 = 1;

/// All that is known about a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of this format: [`FORMAT`].
    pub format: u32,
    /// Who wrote it: `loadgen`.
    pub tool: String,
    /// The version of the tool.
    pub version: String,
    /// What was run, for people.
    pub title: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// From the beginning to the end of the run, in seconds.
    pub wall_s: f64,
    /// Every option of the run, the seed included, in the order of the command line.
    pub scenario: Vec<Setting>,
    /// Where it ran.
    pub host: Host,
    /// What became of the machines.
    pub machines: Machines,
    /// From power-on to up, over all machines that came up.
    pub boots: Boots,
    /// From a DHCP message to its answer, as seen on the wire, over all machines. Unlike the
    /// stage, it has no part in which firmware waits on purpose.
    pub dhcp_answer_s: Distribution,
    /// The stages of a boot, in their order; those that no machine reached are left out.
    pub stages: Vec<StageRecord>,
    /// The stages in which files were fetched, in their order.
    pub transfers: Vec<TransferRecord>,
    /// Why machines failed, the most frequent first.
    pub failures: Vec<Failure>,
    /// What went on, over time.
    pub timeline: Timeline,
    /// What the server used, where its process was watched.
    pub server: Option<Server>,
    /// What the load generator itself used.
    pub generator: Generator,
}

/// An option of the run and its value, as a person would type it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The option's name, without dashes in front: `clients`, `ramp`.
    pub name: String,
    /// Its value: `10000`, `all`.
    pub value: String,
}

/// The machine that the run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The processor's name; empty if unknown.
    pub cpu: String,
    /// Processors online.
    pub cores: u32,
    /// The kernel's release; empty if unknown.
    pub kernel: String,
    /// Memory, in bytes; 0 if unknown.
    pub memory_bytes: u64,
}

/// What became of the machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machines {
    /// All of them together.
    pub all: Outcomes,
    /// The same for each firmware model.
    pub models: Vec<ModelRecord>,
}

/// Machines by what became of them: `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// All that were part of the run.
    pub total: u32,
    /// Came up.
    pub up: u32,
    /// Gave up, as their firmware would.
    pub failed: u32,
    /// Vanished on purpose, because the scenario said so.
    pub vanished: u32,
    /// Were still under way, or never switched on, when the run ended.
    pub unfinished: u32,
}

/// The machines of one firmware model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// The model's name.
    pub model: String,
    /// What became of them.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Messages and requests that were sent again.
    pub resent: u64,
    /// From power-on to up.
    pub boot_s: Distribution,
}

/// How long boots took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boots {
    /// From power-on to up.
    pub took_s: Distribution,
    /// The values at 0 %, 1 % … 100 %; empty if no machine came up.
    pub percentiles_s: Vec<f64>,
    /// Boots by their length.
    pub histogram: Option<Steps>,
    /// When the last machine came up, in seconds since the run began.
    pub last_up_at_s: Option<f64>,
}

/// One stage of a boot, over all machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage's name.
    pub stage: String,
    /// How often it began.
    pub began: u64,
    /// How often it ended well.
    pub ended: u64,
    /// Machines that failed in it.
    pub failed: u64,
    /// Messages and requests that were sent again in it.
    pub resent: u64,
    /// How often the server asked to come back later (503 with `Retry-After`).
    pub told_to_wait: u64,
    /// Bytes of the files that were fetched completely in it.
    pub bytes: u64,
    /// How long it took where it ended well.
    pub took_s: Distribution,
}

/// The transfers of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// The stage's name.
    pub stage: String,
    /// Transfers that were completed.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The rate of each.
    pub rate_bytes_per_s: Distribution,
    /// How even the rates were among transfers that began together.
    pub fairness: Option<Fairness>,
}

/// How even transfers of the same model were that began within the same `window_s` seconds.
/// Groups of fewer than ten transfers and files of less than 64 KiB are not counted, and stragglers
/// are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// The length of a window in which transfers count as having begun together.
    pub window_s: f64,
    /// How many groups there were.
    pub groups: u32,
    /// In the worst group: the slowest rate as a part of the median.
    pub worst_slowest_of_median: f64,
    /// In the largest group: the slowest rate as a part of the median.
    pub largest_slowest_of_median: f64,
    /// The size of the largest group.
    pub largest_count: u64,
}

/// Machines that failed in the same stage for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage's name.
    pub stage: String,
    /// The reason, for people.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// A machine that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The machine's number in the run.
    pub number: u32,
    /// Its MAC address, with colons.
    pub mac: String,
    /// Its model.
    pub model: String,
    /// When it failed, in seconds since the run began.
    pub at_s: f64,
}

/// What went on, over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The names of the stages that `Tick::machines` counts, in its order.
    pub stages: Vec<String>,
    /// The moments, from the beginning to the end of the run.
    pub ticks: Vec<Tick>,
}

/// The state of the run at one moment. Counters count from the run's beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// When, in seconds since the run began.
    pub at_s: f64,
    /// Machines in each stage of [`Timeline::stages`].
    pub machines: Vec<u32>,
    /// Machines that are up.
    pub up: u32,
    /// Machines that failed.
    pub failed: u32,
    /// Machines that vanished.
    pub vanished: u32,
    /// Bytes of payload received so far.
    pub received_bytes: u64,
    /// Messages and requests sent again so far.
    pub resent: u64,
    /// Processor time that the server used so far, in seconds.
    pub server_cpu_s: Option<f64>,
    /// Resident memory of the server.
    pub server_rss_bytes: Option<u64>,
    /// Processor time that the load generator used so far, in seconds.
    pub generator_cpu_s: f64,
}

/// What the server used during the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Resident memory when the run began.
    pub rss_start_bytes: u64,
    /// The most resident memory seen.
    pub rss_peak_bytes: u64,
}

/// What the load generator itself used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// System calls, as far as they are counted.
    pub syscalls: u64,
    /// The most resident memory seen; 0 if unknown.
    pub rss_peak_bytes: u64,
}

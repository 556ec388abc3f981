//! Collects a run while it happens.

use core::time::Duration;

use super::tally::{
    FailureTally, ModelTally, ServerTally, StageTally, millis, model_record, seconds, stage_record,
    transfer_record,
};
use super::timeline::Ticks;
use super::{
    Boots, Example, FORMAT, Generator, Host, Machines, Outcomes, Run, Setting, Tick, Timeline,
    Times,
};
use crate::client::{Note, Reason, Stage};
use crate::time::Instant;

/// Kinds of failures that are told apart; a server may invent error codes without end.
const FAILURES_MAX: usize = 64;

/// Machines that are named for each kind of failure.
const EXAMPLES_MAX: usize = 5;

/// The bars of a picture of boots.
const BOOT_STEPS_MAX: usize = 60;

/// What is known about a run before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is run, for people.
    pub title: String,
    /// When it begins, RFC 3339.
    pub started: String,
    /// Every option, the seed included.
    pub scenario: Vec<Setting>,
    /// Where it runs.
    pub host: Host,
    /// The machines, by their numbers.
    pub machines: Vec<Member>,
    /// The names of the models.
    pub models: Vec<String>,
}

/// A machine of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its link-layer address.
    pub mac: [u8; 6],
    /// Its model, as an index into [`Plan::models`].
    pub model: u8,
    /// Whether it is meant to be slow: then nobody is compared with it.
    pub is_straggler: bool,
}

/// Figures read off the outside while the run goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Bytes of payload that all machines received so far.
    pub received_bytes: u64,
    /// Processor time that the load generator used so far.
    pub generator_cpu: Duration,
    /// What the server used, if its process is watched.
    pub server: Option<ServerSample>,
}

/// What the server's processes use.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerSample {
    /// Processor time since the process began.
    pub cpu: Duration,
    /// Resident memory now.
    pub rss_bytes: u64,
}

/// What is known only at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Closing {
    /// The last figures.
    pub sample: Sample,
    /// System calls that the load generator made, as far as it counts them.
    pub generator_syscalls: u64,
    /// The most resident memory that it used; 0 if unknown.
    pub generator_rss_peak_bytes: u64,
}

/// How many machines are where, now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not switched on yet.
    pub off: u32,
    /// In each stage of [`Stage::ALL`], in its order.
    pub stages: [u32; Stage::ALL.len()],
    /// Came up.
    pub up: u32,
    /// Failed.
    pub failed: u32,
    /// Vanished on purpose.
    pub vanished: u32,
}

/// Collects what the machines of a run note. Memory: 32 bytes a machine, and at most 2 MiB
/// for each stage and model in which files are fetched; a note allocates nothing, but for the first
/// of its kind.
#[derive(Debug)]
pub struct Recorder {
    plan: Plan,
    seats: Vec<Seat>,
    counts: Counts,
    stages: Vec<StageTally>,
    models: Vec<ModelTally>,
    boots: Times,
    dhcp_answers: Times,
    last_up: Option<Instant>,
    resent: u64,
    failures: Vec<FailureTally>,
    ticks: Ticks,
    server: Option<ServerTally>,
}

/// What has to be remembered about a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) member: Member,
    place: Place,
    powered_on: Instant,
    pub(super) stage_began: Instant,
}

const _: () = assert!(size_of::<Seat>() <= 32);

/// Where a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Off,
    In(Stage),
    Up,
    Failed,
    Vanished,
}

impl Recorder {
    /// Nothing has happened yet.
    ///
    /// # Panics
    /// If a machine's model has no name.
    pub fn new(mut plan: Plan) -> Self {
        let mut models: Vec<ModelTally> = plan.models.iter().map(|_| ModelTally::new()).collect();
        for member in &plan.machines {
            models[usize::from(member.model)].outcomes.total += 1;
        }
        let total = u32::try_from(plan.machines.len()).expect("machines have 32-bit numbers");
        Self {
            seats: core::mem::take(&mut plan.machines).into_iter().map(Seat::new).collect(),
            counts: Counts { off: total, ..Counts::default() },
            stages: Stage::ALL.iter().map(|_| StageTally::new(models.len())).collect(),
            models,
            boots: Times::new(),
            dhcp_answers: Times::new(),
            last_up: None,
            resent: 0,
            failures: Vec::with_capacity(FAILURES_MAX + 1),
            ticks: Ticks::new(),
            server: None,
            plan,
        }
    }

    /// How many machines are where, now: for a progress bar.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Machines whose run is over.
    pub fn over(&self) -> u32 {
        self.counts.up + self.counts.failed + self.counts.vanished
    }

    /// Takes what machine `number` noted at `now`.
    ///
    /// # Panics
    /// If there is no such machine.
    pub fn note(&mut self, number: u32, note: Note, now: Instant) {
        match note {
            Note::StageBegan(stage) => self.stage_began(number, stage, now),
            Note::StageEnded { stage, took, bytes, .. } => {
                self.stages[stage as usize].end(&self.seats[number as usize], bytes, took);
            }
            Note::Resent(stage) => {
                self.resent += 1;
                self.stages[stage as usize].resent += 1;
                self.model(number).resent += 1;
            }
            Note::ToldToWait(stage) => self.stages[stage as usize].told_to_wait += 1,
            Note::Failed { stage, reason } => self.failed(number, stage, reason, now),
            Note::Vanished(_) => self.vanished(number),
            Note::Up => self.up(number, now),
        }
    }

    /// Takes how long a DHCP message of any machine waited for its answer, on the wire.
    pub fn dhcp_answered(&mut self, took: Duration) {
        self.dhcp_answers.record(took);
    }

    /// Takes figures at `now`. To be called in equal steps, ten times a second or so.
    pub fn tick(&mut self, now: Instant, sample: Sample) {
        self.watch(sample);
        let Self { ticks, counts, resent, server, .. } = self;
        ticks.add(|| tick(now, sample, counts, *resent, server.as_ref()));
    }

    /// The record of the run, which ended at `now`.
    pub fn finish(mut self, now: Instant, closing: Closing) -> Run {
        self.watch(closing.sample);
        let last = tick(now, closing.sample, &self.counts, self.resent, self.server.as_ref());
        let all = self.models.iter().fold(Outcomes::default(), |all, model| {
            let more = model.outcomes.closed();
            Outcomes {
                total: all.total + more.total,
                up: all.up + more.up,
                failed: all.failed + more.failed,
                vanished: all.vanished + more.vanished,
                unfinished: all.unfinished + more.unfinished,
            }
        });
        assert_eq!(all.up, self.counts.up, "every machine that came up has a model");
        self.failures.sort_by_key(|failure| core::cmp::Reverse(failure.count));
        let stages = || Stage::ALL.iter().zip(&self.stages).filter(|(_, tally)| tally.began > 0);
        Run {
            format: FORMAT,
            tool: "loadgen".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            wall_s: seconds(now),
            machines: Machines {
                all,
                models: self.plan.models.iter().zip(&self.models).map(model_record).collect(),
            },
            boots: Boots {
                took_s: self.boots.distribution(),
                percentiles_s: self.boots.percentiles(),
                histogram: self.boots.steps(BOOT_STEPS_MAX),
                last_up_at_s: self.last_up.map(seconds),
            },
            dhcp_answer_s: self.dhcp_answers.distribution(),
            stages: stages().map(stage_record).collect(),
            transfers: stages().filter_map(transfer_record).collect(),
            failures: self.failures.into_iter().map(FailureTally::record).collect(),
            timeline: Timeline {
                stages: core::iter::once("off".to_owned())
                    .chain(Stage::ALL.iter().map(|stage| stage.label().to_owned()))
                    .collect(),
                ticks: self.ticks.finish(last),
            },
            server: self.server.as_ref().map(ServerTally::record),
            generator: Generator {
                cpu_s: millis(closing.sample.generator_cpu),
                syscalls: closing.generator_syscalls,
                rss_peak_bytes: closing.generator_rss_peak_bytes,
            },
            title: self.plan.title,
            started: self.plan.started,
            scenario: self.plan.scenario,
            host: self.plan.host,
        }
    }

    fn model(&mut self, number: u32) -> &mut ModelTally {
        &mut self.models[usize::from(self.seats[number as usize].member.model)]
    }

    fn stage_began(&mut self, number: u32, stage: Stage, now: Instant) {
        self.stages[stage as usize].began += 1;
        let seat = &mut self.seats[number as usize];
        seat.stage_began = now;
        match seat.place {
            Place::Off => seat.powered_on = now,
            Place::In(_) => {}
            Place::Up | Place::Failed | Place::Vanished => {
                unreachable!("nothing follows the end of machine {number}")
            }
        }
        self.move_to(number, Place::In(stage));
    }

    fn up(&mut self, number: u32, now: Instant) {
        let took = now.since(self.seats[number as usize].powered_on);
        self.move_to(number, Place::Up);
        self.boots.record(took);
        self.last_up = Some(now);
        let model = self.model(number);
        model.outcomes.up += 1;
        model.boots.record(took);
    }

    fn vanished(&mut self, number: u32) {
        self.move_to(number, Place::Vanished);
        self.model(number).outcomes.vanished += 1;
    }

    fn failed(&mut self, number: u32, stage: Stage, reason: Reason, now: Instant) {
        self.move_to(number, Place::Failed);
        self.stages[stage as usize].failed += 1;
        self.model(number).outcomes.failed += 1;
        let position = self.failures.iter().position(|tally| tally.kind == Some((stage, reason)));
        let index = position.unwrap_or_else(|| {
            let is_full = self.failures.len() >= FAILURES_MAX;
            if self.failures.len() <= FAILURES_MAX {
                let kind = (!is_full).then_some((stage, reason));
                self.failures.push(FailureTally { kind, count: 0, examples: Vec::new() });
            }
            self.failures.len() - 1
        });
        let Member { mac, model, .. } = self.seats[number as usize].member;
        let tally = &mut self.failures[index];
        tally.count += 1;
        if tally.examples.len() < EXAMPLES_MAX {
            let [a, b, c, d, e, f] = mac;
            tally.examples.push(Example {
                number,
                mac: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
                model: self.plan.models[usize::from(model)].clone(),
                at_s: seconds(now),
            });
        }
    }

    fn move_to(&mut self, number: u32, place: Place) {
        let seat = &mut self.seats[number as usize];
        let left = core::mem::replace(&mut seat.place, place);
        *self.counts.at(left) -= 1;
        *self.counts.at(place) += 1;
    }

    fn watch(&mut self, sample: Sample) {
        if let Some(server) = sample.server {
            self.server.get_or_insert_with(|| ServerTally::new(server)).watch(server);
        }
    }
}

impl Counts {
    fn at(&mut self, place: Place) -> &mut u32 {
        match place {
            Place::Off => &mut self.off,
            Place::In(stage) => &mut self.stages[stage as usize],
            Place::Up => &mut self.up,
            Place::Failed => &mut self.failed,
            Place::Vanished => &mut self.vanished,
        }
    }
}

impl Seat {
    fn new(member: Member) -> Self {
        Self { member, place: Place::Off, powered_on: Instant::ZERO, stage_began: Instant::ZERO }
    }
}

fn tick(
    now: Instant,
    sample: Sample,
    counts: &Counts,
    resent: u64,
    server: Option<&ServerTally>,
) -> Tick {
    Tick {
        at_s: seconds(now),
        machines: core::iter::once(counts.off).chain(counts.stages).collect(),
        up: counts.up,
        failed: counts.failed,
        vanished: counts.vanished,
        received_bytes: sample.received_bytes,
        resent,
        server_cpu_s: server.map(|server| millis(server.used())),
        server_rss_bytes: sample.server.map(|server| server.rss_bytes),
        generator_cpu_s: millis(sample.generator_cpu),
    }
}

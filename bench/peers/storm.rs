//! Whole boots of mixed machines that are switched on at once, beside dnsmasq for addresses and
//! boot programs with nginx for the rest.
//!
//! Both serve the same files. Machines that run iPXE fetch their script, kernel and initrd by HTTP,
//! those with GRUB and Raspberry Pis fetch everything by TFTP, as loadgen's models do. All of them
//! fetch metadata in the end and report that they are up.

mod servers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reveille_loadgen::client::{Journey, Machine, Options};
use reveille_loadgen::fleet::Fleet;
use reveille_loadgen::record::{Host, Member, Plan, Run, StageRecord};
use reveille_loadgen::report::json;
use reveille_loadgen::scenario::{Mix, Ramp, Scenario};

use crate::contest::{Contender, Contest, Figure, Measured, Round};
use crate::meter::{Meter, Used};
use crate::pair::{Pair, Path, SERVER, Server};

/// What boots, and how much each machine fetches besides its boot program of 1 MiB.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The storm")]
pub(crate) struct Storm {
    /// Machines.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    clients: u32,
    /// What kinds of machines, as `loadgen storm --profile`.
    #[arg(long, value_name = "MIX", default_value = "mixed")]
    profile: String,
    /// Size of the kernel.
    #[arg(long, value_name = "MIB", default_value_t = 14)]
    kernel: usize,
    /// Size of the initrd.
    #[arg(long, value_name = "MIB", default_value_t = 20)]
    initrd: usize,
    /// Whoever is not up by then has lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u64,
    /// Also write the record of each storm into this folder, for `loadgen compare`.
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,
}

impl Storm {
    pub(crate) fn contest(&self) -> Contest {
        let Self { clients, profile, kernel, initrd, limit, .. } = self;
        let title = format!(
            "Storm: {clients} machines ({profile}) at once, boot program 1 MiB, kernel {kernel} \
             MiB, initrd {initrd} MiB, {limit} s at most"
        );
        let contender = |name, start: fn(&Pair) -> Server| {
            let storm = self.clone();
            Contender::new(name, move |round| storm.measure(name, start, round))
        };
        let contenders = vec![
            contender("dnsmasq + nginx", servers::dnsmasq_and_nginx),
            contender("Reveille", servers::reveille),
        ];
        Contest { title, contenders }
    }

    fn measure(&self, name: &str, start: fn(&Pair) -> Server, round: Round) -> Measured {
        let pair = Pair::new();
        pair.become_machines();
        servers::write_site(&pair, self.kernel << 20, self.initrd << 20);
        let server = start(&pair);
        let meter = Meter::start(&server, round);
        let run = pair.load(Path::Cable, || self.run(name));
        let used = meter.stop();
        if let Some(folder) = &self.records {
            let path = folder.join(format!("{name} {round:?}.json"));
            json::write(&run, &path).unwrap_or_else(|error| panic!("--records: {error:#}"));
        }
        let failures = run.failures.iter().map(|failure| {
            let kinds = failure.examples.iter().map(|example| example.model.as_str());
            let kind = kinds.min().unwrap_or("machine");
            format!("{} failed at {}: {} ({kind} …)", failure.count, failure.stage, failure.reason)
        });
        let mut remarks: Vec<_> = failures.collect();
        remarks.extend(run.machines.models.iter().map(|model| {
            let outcomes = &model.outcomes;
            format!(
                "{}: {} of {} up, p50 {:.1} s, last {:.1} s, sent again {}",
                model.model,
                outcomes.up,
                outcomes.total,
                model.boot_s.p50,
                model.boot_s.max,
                model.resent
            )
        }));
        let again = pair.segments_sent_again();
        remarks.push(format!("{again} TCP segments sent again by the server's kernel"));
        Measured { figures: figures(&run, used, round), remarks }
    }

    fn run(&self, name: &str) -> Run {
        let scenario = Scenario {
            clients: self.clients,
            mix: Mix::parse(&self.profile).unwrap_or_else(|error| panic!("--profile: {error}")),
            ramp: Ramp::All,
            loss: 0.0,
            seed: 1,
            limit: Duration::from_secs(self.limit),
            interface: "eth0".to_owned(),
            server: Some(SERVER),
            pids: Vec::new(),
        };
        let url = |name| Some(format!("http://{SERVER}/{name}").into());
        let journey = Journey::new(Options {
            metadata: url(servers::METADATA),
            report: url(servers::REPORT),
            ..Options::default()
        });
        let plan = |machines: &[Machine], kinds: &[u8]| {
            let members = machines.iter().zip(kinds).map(|(machine, kind)| Member {
                mac: machine.identity().mac,
                model: *kind,
                is_straggler: machine.is_straggler(),
            });
            Plan {
                title: format!("{} machines ({}) against {name}", self.clients, self.profile),
                started: String::new(),
                scenario: Vec::new(),
                host: Host::default(),
                machines: members.collect(),
                models: scenario.mix.models().map(|model| model.name.to_owned()).collect(),
            }
        };
        let fleet = Fleet::new(&scenario, &Arc::new(journey), plan);
        let run = fleet.and_then(|fleet| fleet.run(None));
        run.unwrap_or_else(|error| panic!("the machines cannot be played: {error:#}"))
    }
}

fn figures(run: &Run, used: Used, round: Round) -> Vec<Figure> {
    let outcomes = &run.machines.all;
    let up = f64::from(outcomes.up);
    if round == Round::Counted {
        return vec![Figure::new("system calls per boot", used.system_calls / up)];
    }
    let bytes = run.timeline.ticks.last().map_or(0, |tick| tick.received_bytes);
    let gigabytes = bytes as f64 / 1e9;
    let last_up = run.boots.last_up_at_s.unwrap_or(f64::NAN);
    let total = |count: fn(&StageRecord) -> u64| run.stages.iter().map(count).sum::<u64>() as f64;
    // Among equals that began together: in the largest group of them, and in the worst.
    let fairness = |stage| {
        let transfers = run.transfers.iter().find(|transfers| transfers.stage == stage);
        let fairness = transfers.and_then(|transfers| transfers.fairness);
        fairness.map_or([f64::NAN; 2], |fairness| {
            [fairness.largest_slowest_of_median, fairness.worst_slowest_of_median]
        })
    };
    let [program, kernel, initrd] = ["program", "kernel", "initrd"].map(fairness);
    vec![
        Figure::new("up", up),
        Figure::new("failed", f64::from(outcomes.failed)),
        Figure::new("not done", f64::from(outcomes.unfinished)),
        Figure::new("p50 of boots s", run.boots.took_s.p50),
        Figure::new("last up s", last_up),
        Figure::new("DHCP p50 ms", run.dhcp_answer_s.p50 * 1e3),
        Figure::new("DHCP p99 ms", run.dhcp_answer_s.p99 * 1e3),
        Figure::new("DHCP slowest ms", run.dhcp_answer_s.max * 1e3),
        Figure::new("sent again", total(|stage| stage.resent)),
        Figure::new("told to wait", total(|stage| stage.told_to_wait)),
        Figure::new("program: least / median", program[0]),
        Figure::new("  of the worst group", program[1]),
        Figure::new("kernel: least / median", kernel[0]),
        Figure::new("  of the worst group", kernel[1]),
        Figure::new("initrd: least / median", initrd[0]),
        Figure::new("  of the worst group", initrd[1]),
        Figure::new("GB", gigabytes),
        Figure::new("GB/s", gigabytes / run.wall_s),
        Figure::new("CPU s", used.cpu_seconds),
        Figure::new("CPU s per GB", used.cpu_seconds / gigabytes),
        Figure::new("server's core busy", used.cpu_seconds / run.wall_s),
        Figure::new("memory MiB", used.memory_mib),
        Figure::new("generator's core busy", run.generator.cpu_s / run.wall_s),
        Figure::new("generator CPU s per GB", run.generator.cpu_s / gigabytes),
    ]
}

//! Made-up runs that look like real ones, from a seed: what the reports are tried on.

use core::time::Duration;

use crate::client::{Note, Reason, Stage};
use crate::record::{Closing, Host, Member, Plan, Recorder, Run, Sample, ServerSample, Setting};
use crate::time::Instant;

/// What a made-up run is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Specimen {
    pub(super) machines: u32,
    /// How much longer than in a storm of about 90 seconds everything takes.
    pub(super) stretch: f64,
    /// Machines in a thousand that fail.
    pub(super) failing: u64,
    /// Machines in a thousand that vanish.
    pub(super) vanishing: u64,
    pub(super) is_server_watched: bool,
    pub(super) seed: u64,
}

pub(super) const STORM: Specimen = Specimen {
    machines: 10_000,
    stretch: 1.0,
    failing: 4,
    vanishing: 5,
    is_server_watched: true,
    seed: 7,
};

const MODELS: [&str; 6] = ["bios-pxe", "edk2-pxe", "edk2-http", "ipxe", "grub", "raspberry-pi"];

/// Stages with their usual length in seconds, how much of it is chance, and bytes.
const STAGES: [(Stage, f64, f64, u64); 9] = [
    (Stage::PowerOn, 4.0, 0.8, 0),
    (Stage::Dhcp, 0.8, 0.9, 0),
    (Stage::Program, 6.0, 0.5, 1 << 20),
    (Stage::DhcpLoader, 0.3, 0.9, 0),
    (Stage::Script, 0.2, 0.9, 700),
    (Stage::Kernel, 18.0, 0.4, 4 << 20),
    (Stage::Initrd, 34.0, 0.3, 8 << 20),
    (Stage::Metadata, 0.1, 0.9, 4_300),
    (Stage::Up, 3.0, 0.3, 0),
];

const TICK_MS: u64 = 100;

impl Specimen {
    pub(super) fn run(self) -> Run {
        let mut chance = Chance(self.seed);
        let mut events: Vec<(u64, u32, Note)> = Vec::new();
        let mut received: Vec<f64> = Vec::new();
        for number in 0..self.machines {
            self.live(number, &mut chance, &mut events, &mut received);
        }
        events.sort_by_key(|(at, number, _)| (*at, *number));
        let mut recorder = Recorder::new(self.plan());
        let mut events = events.into_iter().peekable();
        let mut total = 0.0;
        let mut sample = Sample::default();
        for (tick, bytes) in received.iter().enumerate() {
            let at = Instant(tick as u64 * TICK_MS * 1_000_000);
            while let Some((at, number, note)) = events.next_if(|(event, _, _)| *event <= at.0) {
                if let Note::StageEnded { stage: Stage::Dhcp, took, .. } = note {
                    recorder.dhcp_answered(took / 200);
                }
                recorder.note(number, note, Instant(at));
            }
            recorder.tick(at, sample);
            total += bytes;
            sample = self.sample(at, total);
        }
        let mut end = Instant(received.len() as u64 * TICK_MS * 1_000_000);
        for (at, number, note) in events {
            end = end.max(Instant(at));
            recorder.note(number, note, Instant(at));
        }
        recorder.finish(
            end,
            Closing {
                sample,
                generator_syscalls: total as u64 / 9000,
                generator_rss_peak_bytes: 1 << 27,
            },
        )
    }

    fn plan(&self) -> Plan {
        let setting =
            |name: &str, value: &str| Setting { name: name.to_owned(), value: value.to_owned() };
        Plan {
            title: format!("Storm of {} machines, mixed firmware", self.machines),
            started: "2026-03-04T05:06:07Z".to_owned(),
            scenario: vec![
                setting("clients", &self.machines.to_string()),
                setting("profile", "mixed"),
                setting("ramp", "3s"),
                setting("server", "10.77.0.1"),
                setting("seed", &self.seed.to_string()),
            ],
            host: Host {
                cpu: "Example 9000 at 2.5 GHz".to_owned(),
                cores: 2,
                kernel: "6.18.1".to_owned(),
                memory_bytes: 24 << 30,
            },
            machines: (0..self.machines).map(member).collect(),
            models: MODELS.map(str::to_owned).to_vec(),
        }
    }

    fn sample(&self, at: Instant, received: f64) -> Sample {
        let seconds = at.0 as f64 / 1e9;
        let server = ServerSample {
            cpu: Duration::from_secs_f64(received / 1e9 * 0.11 + seconds * 0.01),
            rss_bytes: 9_000_000 + (received.min(2e10) / 1e3) as u64,
        };
        Sample {
            received_bytes: received as u64,
            generator_cpu: Duration::from_secs_f64(received / 1e9 * 0.32 + seconds * 0.04),
            server: self.is_server_watched.then_some(server),
        }
    }

    /// Lets one machine live: its notes, and the bytes that it receives in each tick.
    fn live(
        &self,
        number: u32,
        chance: &mut Chance,
        events: &mut Vec<(u64, u32, Note)>,
        received: &mut Vec<f64>,
    ) {
        let mut at = chance.part() * 3.0 * self.stretch;
        let fails_in = (chance.below(1000) < self.failing).then(|| 1 + chance.below(7) as usize);
        let vanishes_in =
            (chance.below(1000) < self.vanishing).then(|| 1 + chance.below(6) as usize);
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        for (index, (stage, usual, spread, bytes)) in STAGES.into_iter().enumerate() {
            events.push((nanos(at), number, Note::StageBegan(stage)));
            let slow = if number % 6 == 5 { 1.4 } else { 1.0 };
            let took = usual * self.stretch * slow * (1.0 + spread * (chance.part() - 0.5) * 2.0);
            // Two waves: a loss shortly after the start, another one when the kernels end.
            let is_wave = (8.0..11.0).contains(&(at / self.stretch))
                || (30.0..33.0).contains(&(at / self.stretch));
            let again = if is_wave { chance.below(4) } else { u64::from(chance.below(60) == 0) };
            for step in 1..=again {
                let again_at = at + took * step as f64 / (again + 1) as f64;
                events.push((nanos(again_at), number, Note::Resent(stage)));
            }
            if vanishes_in == Some(index) {
                events.push((nanos(at + took / 2.0), number, Note::Vanished(stage)));
                return;
            }
            if fails_in == Some(index) {
                let reason = reason(stage, chance);
                events.push((nanos(at + took), number, Note::Failed { stage, reason }));
                return;
            }
            spend(received, at, took, bytes as f64);
            at += took;
            let took = Duration::from_secs_f64(took);
            let ended = Note::StageEnded { stage, took, retries: again as u16, bytes };
            events.push((nanos(at), number, ended));
        }
        events.push((nanos(at), number, Note::Up));
    }
}

fn member(number: u32) -> Member {
    let [_, a, b, c] = number.to_be_bytes();
    let is_straggler = number % 100 == 50;
    Member { mac: [0x52, 0x54, 0, a, b, c], model: (number % 6) as u8, is_straggler }
}

fn reason(stage: Stage, chance: &mut Chance) -> Reason {
    let is_first = chance.below(3) > 0;
    match stage {
        Stage::PowerOn | Stage::Dhcp | Stage::DhcpLoader if is_first => Reason::NoOffer,
        Stage::PowerOn | Stage::Dhcp | Stage::DhcpLoader => Reason::NoAck,
        Stage::Program if is_first => Reason::TftpTimeout,
        Stage::Program => Reason::TftpError(1),
        Stage::Script | Stage::Metadata | Stage::Up => Reason::HttpStatus(503),
        Stage::Kernel | Stage::Initrd if is_first => Reason::Stalled,
        Stage::Kernel | Stage::Initrd => Reason::StreamBroken,
    }
}

/// Spreads bytes evenly over the ticks between `at` and `at + took`.
fn spend(received: &mut Vec<f64>, at: f64, took: f64, bytes: f64) {
    let tick = TICK_MS as f64 / 1e3;
    let first = (at / tick) as usize;
    let last = ((at + took) / tick) as usize;
    if received.len() <= last {
        received.resize(last + 1, 0.0);
    }
    for slot in &mut received[first..=last] {
        *slot += bytes / (last - first + 1) as f64;
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.part() * end as f64) as u64
    }
}

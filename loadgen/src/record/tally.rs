//! Counters and distributions of one stage, model, kind of failure, and of the server.

use core::time::Duration;

use super::cohorts::Cohorts;
use super::recorder::Seat;
use super::{
    Example, Failure, Fairness, ModelRecord, Outcomes, Rates, Server, ServerSample, StageRecord,
    Times, TransferRecord,
};
use crate::client::{Reason, Stage};
use crate::time::Instant;

/// The smallest transfer that is compared with others: what takes but one round trip says nothing
/// about who got how much.
const COMPARED_MIN_BYTES: u64 = 65_536;

/// One stage.
#[derive(Debug)]
pub(super) struct StageTally {
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) failed: u64,
    pub(super) resent: u64,
    pub(super) told_to_wait: u64,
    pub(super) bytes: u64,
    pub(super) took: Times,
    pub(super) rates: Option<Rates>,
    /// For each model: they use different protocols, so only equals are compared.
    pub(super) cohorts: Vec<Option<Cohorts>>,
}

/// One model.
#[derive(Debug)]
pub(super) struct ModelTally {
    pub(super) outcomes: Outcomes,
    pub(super) resent: u64,
    pub(super) boots: Times,
}

/// One kind of failure.
#[derive(Debug)]
pub(super) struct FailureTally {
    /// `None` collects what is too much to tell apart.
    pub(super) kind: Option<(Stage, Reason)>,
    pub(super) count: u64,
    pub(super) examples: Vec<Example>,
}

/// The server's processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerTally {
    pub(super) cpu_start: Duration,
    pub(super) cpu: Duration,
    pub(super) rss_start_bytes: u64,
    pub(super) rss_peak_bytes: u64,
}

impl Outcomes {
    /// With what is left over as unfinished.
    pub(super) fn closed(self) -> Self {
        Self { unfinished: self.total - self.up - self.failed - self.vanished, ..self }
    }
}

impl ModelTally {
    pub(super) fn new() -> Self {
        Self { outcomes: Outcomes::default(), resent: 0, boots: Times::new() }
    }
}

impl StageTally {
    pub(super) fn new(models: usize) -> Self {
        Self {
            began: 0,
            ended: 0,
            failed: 0,
            resent: 0,
            told_to_wait: 0,
            bytes: 0,
            took: Times::new(),
            rates: None,
            cohorts: (0..models).map(|_| None).collect(),
        }
    }

    /// The stage ended well at the machine of this seat.
    pub(super) fn end(&mut self, seat: &Seat, bytes: u64, took: Duration) {
        self.ended += 1;
        self.took.record(took);
        if bytes == 0 {
            return;
        }
        self.bytes += bytes;
        self.rates.get_or_insert_with(|| Rates::new(3)).record(bytes, took);
        if bytes >= COMPARED_MIN_BYTES && !seat.member.is_straggler {
            let cohorts = &mut self.cohorts[usize::from(seat.member.model)];
            let cohorts = cohorts.get_or_insert_with(Cohorts::new);
            cohorts.record(seat.stage_began, bytes, took);
        }
    }

    fn fairness(&self) -> Option<Fairness> {
        let models = self.cohorts.iter().flatten();
        models.filter_map(Cohorts::fairness).reduce(Fairness::and)
    }
}

impl FailureTally {
    pub(super) fn record(self) -> Failure {
        let Self { kind, count, examples } = self;
        let (stage, reason) = match kind {
            Some((stage, reason)) => (stage.label().to_owned(), reason_text(reason)),
            None => ("various".to_owned(), "other reasons".to_owned()),
        };
        Failure { stage, reason, count, examples }
    }
}

impl ServerTally {
    /// The server as it is first seen.
    pub(super) fn new(ServerSample { cpu, rss_bytes }: ServerSample) -> Self {
        Self { cpu_start: cpu, cpu, rss_start_bytes: rss_bytes, rss_peak_bytes: rss_bytes }
    }

    pub(super) fn watch(&mut self, ServerSample { cpu, rss_bytes }: ServerSample) {
        // Processes that end take their time with them.
        self.cpu = self.cpu.max(cpu);
        self.rss_peak_bytes = self.rss_peak_bytes.max(rss_bytes);
    }

    pub(super) fn record(&self) -> Server {
        Server {
            cpu_s: millis(self.used()),
            rss_start_bytes: self.rss_start_bytes,
            rss_peak_bytes: self.rss_peak_bytes,
        }
    }

    pub(super) fn used(&self) -> Duration {
        self.cpu - self.cpu_start
    }
}

fn reason_text(reason: Reason) -> String {
    match reason.code() {
        Some(code) => format!("{} {code}", reason.label()),
        None => reason.label().to_owned(),
    }
}

pub(super) fn model_record((name, tally): (&String, &ModelTally)) -> ModelRecord {
    ModelRecord {
        model: name.clone(),
        outcomes: tally.outcomes.closed(),
        resent: tally.resent,
        boot_s: tally.boots.distribution(),
    }
}

pub(super) fn stage_record((stage, tally): (&Stage, &StageTally)) -> StageRecord {
    StageRecord {
        stage: stage.label().to_owned(),
        began: tally.began,
        ended: tally.ended,
        failed: tally.failed,
        resent: tally.resent,
        told_to_wait: tally.told_to_wait,
        bytes: tally.bytes,
        took_s: tally.took.distribution(),
    }
}

pub(super) fn transfer_record((stage, tally): (&Stage, &StageTally)) -> Option<TransferRecord> {
    let rates = tally.rates.as_ref()?;
    Some(TransferRecord {
        stage: stage.label().to_owned(),
        count: rates.count(),
        bytes: tally.bytes,
        rate_bytes_per_s: rates.distribution(),
        fairness: tally.fairness(),
    })
}

/// Milliseconds are fine enough for a picture.
pub(super) fn seconds(at: Instant) -> f64 {
    millis(Duration::from_nanos(at.0))
}

pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

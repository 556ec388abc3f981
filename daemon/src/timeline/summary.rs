//! What remains to be said at the end: each machine in one line.

use std::fmt;
use std::time::Duration;

use reveille_core::mac::MacAddr;

use super::boot::Boot;
use super::stage::Stage;
use crate::units::{Bytes, Count, Span};

/// Machines listed one by one; of more, the rest is counted.
const LINES_MAX: usize = 40;

/// All machines in the order of their boots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One line for each.
    pub lines: Vec<SummaryLine>,
}

/// A machine's latest boot.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryLine {
    /// Which machine.
    pub mac: MacAddr,
    /// Which of its boots.
    pub boot: u32,
    /// How far it came.
    pub outcome: Outcome,
    /// From its first packet to the end, or to the last that was heard.
    pub took: Duration,
    /// Bytes of files that it fetched.
    pub bytes: u64,
    /// Packets and files that it asked for again.
    pub repeats: u32,
    /// The stage after which the longest time passed, and that time.
    pub longest: Option<(Stage, Duration)>,
}

/// How a boot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// User space has reported.
    Up,
    /// Kernel and initial RAM disks went out; the system does not report.
    Loaded,
    /// It was last seen in this stage.
    At(Stage),
}

impl Summary {
    pub(super) fn of<'b>(boots: impl Iterator<Item = (MacAddr, &'b Boot)>) -> Self {
        let mut boots: Vec<(MacAddr, &Boot)> = boots.collect();
        boots.sort_by_key(|(mac, boot)| (boot.started, *mac));
        Self { lines: boots.into_iter().map(|(mac, boot)| SummaryLine::of(mac, boot)).collect() }
    }

    fn count(&self, test: impl Fn(Outcome) -> bool) -> u64 {
        self.lines.iter().filter(|line| test(line.outcome)).count() as u64
    }
}

impl SummaryLine {
    fn of(mac: MacAddr, boot: &Boot) -> Self {
        let outcome = match boot.up {
            Some(_) => Outcome::Up,
            None if boot.is_settled() => Outcome::Loaded,
            None => Outcome::At(boot.reached),
        };
        // The last step of a boot that did not arrive has no end.
        let longest = boot
            .steps()
            .map(|(step, lasted)| (step.stage, lasted))
            .max_by_key(|(_, lasted)| *lasted)
            .filter(|(_, lasted)| !lasted.is_zero());
        let repeats = boot.steps().map(|(step, _)| step.repeats).sum();
        Self {
            mac,
            boot: boot.number,
            outcome,
            took: boot.took(),
            bytes: boot.bytes,
            repeats,
            longest,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return f.write_str("No machine asked for anything.");
        }
        let up = self.count(|outcome| outcome == Outcome::Up);
        let loaded = self.count(|outcome| outcome == Outcome::Loaded);
        let bytes = self.lines.iter().map(|line| line.bytes).sum();
        write!(f, "{}: {up} up", Count(self.lines.len() as u64, "machine"))?;
        if loaded > 0 {
            write!(f, ", {loaded} loaded")?;
        }
        let others = self.lines.len() as u64 - up - loaded;
        if others > 0 {
            write!(f, ", {others} not finished")?;
        }
        write!(f, "; {} sent", Bytes(bytes))?;
        for line in self.lines.iter().take(LINES_MAX) {
            write!(f, "\n  {line}")?;
        }
        match self.lines.len().saturating_sub(LINES_MAX) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl fmt::Display for SummaryLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Span(self.took).to_string();
        let state = match self.outcome {
            Outcome::Up => format!("up after {took}"),
            Outcome::Loaded => format!("loaded after {took}"),
            Outcome::At(stage) => format!("stopped at {stage} after {took}"),
        };
        write!(f, "{}  {state:<24}  {:>8}", self.mac, Bytes(self.bytes).to_string())?;
        if let Some((stage, lasted)) = self.longest {
            write!(f, "  longest wait: {} after {stage}", Span(lasted))?;
        }
        if self.repeats > 0 {
            write!(f, "; {} repeated", Count(u64::from(self.repeats), "request"))?;
        }
        if self.boot > 1 { write!(f, "; boot {}", self.boot) } else { Ok(()) }
    }
}

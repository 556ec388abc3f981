//! What is shown while the machines boot.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::Stage;
use crate::record::Counts;

/// A bar on a terminal, lines elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    clients: u32,
    next_line: u64,
    before: (u64, u64),
    rate: f64,
}

impl Progress {
    pub(super) fn new(bar: Option<ProgressBar>, clients: u32) -> Self {
        if let Some(bar) = &bar {
            let template = "{elapsed:>4} [{bar:40}] {pos} of {len} done  {msg}";
            let style = ProgressStyle::with_template(template).expect("the template is right");
            bar.set_style(style.progress_chars("=> "));
            bar.set_length(u64::from(clients));
        }
        Self { bar, clients, next_line: LINE_EVERY, before: (0, 0), rate: 0.0 }
    }

    pub(super) fn show(&mut self, counts: &Counts, now: u64, received_bytes: u64) {
        let done = counts.up + counts.failed + counts.vanished;
        let (then, bytes) = self.before;
        if now.saturating_sub(then) >= RATE_OVER {
            let seconds = (now - then) as f64 / 1e9;
            self.rate = (received_bytes - bytes) as f64 / 1e6 / seconds;
            self.before = (now, received_bytes);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(done));
            bar.set_message(format!("{}  {:.0} MB/s", places(counts), self.rate));
        } else if now >= self.next_line {
            self.next_line = now + LINE_EVERY;
            let line = format!(
                "{:>5.0} s  {done} of {} done  {}  {:.0} MB/s\n",
                now as f64 / 1e9,
                self.clients,
                places(counts),
                self.rate
            );
            // Nobody listens any more; the report counts.
            std::io::stderr().write_all(line.as_bytes()).ok();
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many machines are where.
fn places(counts: &Counts) -> String {
    let mut words = vec![format!("up {}", counts.up)];
    if counts.failed > 0 {
        words.push(format!("FAILED {}", counts.failed));
    }
    if counts.vanished > 0 {
        words.push(format!("vanished {}", counts.vanished));
    }
    if counts.off > 0 {
        words.push(format!("off {}", counts.off));
    }
    for (stage, count) in Stage::ALL.iter().zip(counts.stages) {
        if count > 0 {
            words.push(format!("{} {count}", stage.label()));
        }
    }
    words.join(", ")
}

/// Nanoseconds between lines where there is no terminal.
const LINE_EVERY: u64 = 5_000_000_000;

/// Nanoseconds over which the rate is measured.
const RATE_OVER: u64 = 500_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_with_machines_are_named() {
        let mut counts = Counts { off: 3, up: 2, ..Counts::default() };
        counts.stages[Stage::Kernel as usize] = 7;
        assert_eq!(places(&counts), "up 2, off 3, kernel 7");
    }
}

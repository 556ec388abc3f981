//! Keeps a storm of the same warning readable, and a log from being filled by strangers.

use std::collections::HashMap;
use std::time::Duration;

use reveille_core::time::Instant;

/// Warnings of one kind that are written out in one [`PERIOD`].
const SHOWN_MAX: u32 = 20;

/// After this time a kind is written out again.
const PERIOD: Duration = Duration::from_secs(60);

/// Counts warnings by kind and lets so many of each through.
#[derive(Debug, Default)]
pub struct Throttle {
    kinds: HashMap<&'static str, Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    shown: u32,
    held: u64,
}

/// Whether to write a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Show,
    /// Yes, and it is the last of its kind for a while.
    ShowLast,
    /// No; it is counted.
    Hold,
}

impl Throttle {
    /// Judges a warning of `kind`.
    pub fn judge(&mut self, kind: &'static str, now: Instant) -> Verdict {
        let window = self.kinds.entry(kind).or_insert(Window { since: now, shown: 0, held: 0 });
        if window.shown < SHOWN_MAX {
            window.shown += 1;
            return if window.shown == SHOWN_MAX { Verdict::ShowLast } else { Verdict::Show };
        }
        window.held += 1;
        Verdict::Hold
    }

    /// The kinds whose time is over, with the number that was held back (if any was).
    pub fn expire(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let mut over = Vec::new();
        self.kinds.retain(|kind, window| {
            let is_over = now.saturating_since(window.since) >= PERIOD;
            if is_over && window.held > 0 {
                over.push((*kind, window.held));
            }
            !is_over
        });
        over.sort_unstable();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_cut_and_counted() {
        let mut throttle = Throttle::default();
        let start = Instant::ZERO;
        let verdicts: Vec<Verdict> =
            (0..SHOWN_MAX + 5).map(|_| throttle.judge("silent", start)).collect();
        assert!(verdicts[..19].iter().all(|verdict| *verdict == Verdict::Show));
        assert_eq!(verdicts[19], Verdict::ShowLast);
        assert!(verdicts[20..].iter().all(|verdict| *verdict == Verdict::Hold));
        assert_eq!(throttle.judge("no address", start), Verdict::Show);

        assert!(throttle.expire(start + Duration::from_secs(59)).is_empty());
        assert_eq!(throttle.expire(start + PERIOD), [("silent", 5)]);
        assert_eq!(throttle.judge("silent", start + PERIOD), Verdict::Show);
    }
}

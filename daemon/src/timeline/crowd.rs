//! Keeps the log readable, and cheap, while a whole fleet boots: ten thousand machines go through a
//! hundred thousand stages in a minute, which nobody reads line by line.

use std::time::Duration;

use reveille_core::time::Instant;

use super::{Entry, Stage};

/// Stages told one by one in one [`PERIOD`]: a few racks that boot at their own pace.
const TOLD_MAX: u32 = 100;

/// After this time the others are told as numbers.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets so many stages of machines through and counts the others.
#[derive(Debug, Default)]
pub struct Crowd {
    since: Instant,
    told: u32,
    /// What was held back, by the word in front of its line, in the order of a boot.
    held: Vec<(&'static str, u64)>,
}

impl Crowd {
    /// Whether an entry is to be told; if not, it is counted.
    pub fn admit(&mut self, entry: &Entry, now: Instant) -> bool {
        if self.held.is_empty() && now.saturating_since(self.since) >= PERIOD {
            self.since = now;
            self.told = 0;
        }
        if self.told < TOLD_MAX {
            self.told += 1;
            return true;
        }
        let label = entry.what.label();
        match self.held.iter_mut().find(|(held, _)| *held == label) {
            Some((_, count)) => *count += 1,
            None => {
                self.held.push((label, 1));
                self.held.sort_by_key(|(label, _)| place_of(label));
            }
        }
        false
    }

    /// What was held back in the period that is over, if anything was.
    pub fn expire(&mut self, now: Instant) -> Option<String> {
        if now.saturating_since(self.since) < PERIOD {
            return None;
        }
        let digest = self.take()?;
        self.since = now;
        self.told = 0;
        Some(digest)
    }

    /// What was held back until now, if anything was.
    pub fn take(&mut self) -> Option<String> {
        let counts: Vec<String> =
            self.held.drain(..).map(|(label, count)| format!("{count} {label}")).collect();
        (!counts.is_empty()).then(|| format!("many machines boot: {} more", counts.join(", ")))
    }
}

/// Where in a boot a line with this word belongs.
fn place_of(label: &str) -> usize {
    let stages = [
        Stage::Discover,
        Stage::Offer,
        Stage::Ack,
        Stage::BootProgram,
        Stage::Script,
        Stage::Kernel,
        Stage::Initrd,
        Stage::File,
        Stage::Up,
    ];
    stages.iter().position(|stage| stage.label() == label).unwrap_or(stages.len())
}

#[cfg(test)]
mod tests {
    use reveille_core::mac::MacAddr;

    use super::super::{What, Who};
    use super::*;

    fn entry(what: What) -> Entry {
        let who = Who::Mac(MacAddr([2, 0, 0, 0, 0, 1]));
        Entry { who, since_start: Some(Duration::ZERO), what }
    }

    #[test]
    fn a_crowd_is_told_in_numbers() {
        let mut crowd = Crowd::default();
        let start = Instant::ZERO + Duration::from_secs(5);
        let (up, nak) = (entry(What::Up { bytes: 0 }), [10, 0, 0, 9].into());
        let told = (0..500).filter(|_| crowd.admit(&up, start)).count();
        assert_eq!(told, 100);
        assert!(!crowd.admit(&entry(What::Nak { address: nak }), start));
        let discover = entry(What::Discover {
            firmware: reveille_core::identity::Firmware::Pxe,
            arch: None,
            boot: 1,
        });
        assert!(!crowd.admit(&discover, start));

        assert_eq!(crowd.expire(start + Duration::from_millis(999)), None);
        let digest = crowd.expire(start + PERIOD).expect("something was held back");
        assert_eq!(digest, "many machines boot: 1 DISCOVER, 400 up, 1 NAK more");
        assert_eq!(crowd.expire(start + PERIOD * 2), None);
        assert!(crowd.admit(&up, start + PERIOD * 2), "the next period begins with single lines");
    }

    #[test]
    fn a_few_machines_are_told_one_by_one() {
        let mut crowd = Crowd::default();
        let up = entry(What::Up { bytes: 0 });
        for second in 0..10 {
            let now = Instant::ZERO + Duration::from_secs(second);
            assert!((0..50).all(|_| crowd.admit(&up, now)));
            assert_eq!(crowd.expire(now), None);
        }
    }
}

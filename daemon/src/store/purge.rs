//! Forgetting addresses that nobody has used for long, a little at a time.

use std::net::Ipv4Addr;
use std::time::Duration;

use reveille_core::time::Instant;

use super::load::following;
use super::wall::Clocks;
use super::{Store, StoreError};

/// How long the last client of an address is remembered after its lease: it gets the address again
/// if nobody else needed it meanwhile.
pub(super) const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Records looked at in one step: about a millisecond.
const STEP: usize = 1000;

/// Between two steps, and between two rounds through all addresses.
const PAUSE: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(60 * 60);

/// Where the round is.
#[derive(Debug)]
pub(super) struct Purge {
    next: Ipv4Addr,
    due: Instant,
}

impl Purge {
    /// The first round begins after the storm that follows a start.
    pub(super) fn new(now: Instant) -> Self {
        Self { next: Ipv4Addr::UNSPECIFIED, due: now + REST }
    }

    /// When the next step is due.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Takes a step if one is due. Says how many addresses were forgotten.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn step(&mut self, store: &mut dyn Store, now: Clocks) -> Result<usize, StoreError> {
        if now.monotonic < self.due {
            return Ok(0);
        }
        let rows = store.page(self.next, STEP)?;
        let is_old = |end| now.wall.saturating_since(end) > KEEP;
        let old: Vec<Ipv4Addr> = rows
            .iter()
            .filter_map(|row| row.record.as_ref().ok())
            .filter(|record| is_old(record.state.end()))
            .map(|record| record.address)
            .collect();
        let next = following(&rows, STEP);
        self.due = now.monotonic + if next.is_some() { PAUSE } else { REST };
        self.next = next.unwrap_or(Ipv4Addr::UNSPECIFIED);
        if !old.is_empty() {
            store.forget(&old)?;
        }
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty::Faulty;
    use super::super::record::tests::bound;
    use super::super::record::{Record, RecordState};
    use super::super::wall::Wall;
    use super::*;

    #[test]
    fn what_ended_long_ago_is_forgotten_bit_by_bit() {
        let day = |day: u64| Wall::from_seconds(2_000_000_000 + day * 86_400);
        let mut store = Faulty::default();
        for number in 0..2500 {
            let state = match number % 5 {
                0 => RecordState::Released { at: day(0) },
                1 => RecordState::Bound { since: day(0), until: day(1) },
                2 => RecordState::Bound { since: day(0), until: day(32) },
                3 => RecordState::Bound { since: day(0), until: Wall::NEVER },
                _ => RecordState::Released { at: day(2) },
            };
            store.commit(&[Record { state, ..bound(number) }]).expect("nothing fails");
        }
        let mut purge = Purge::new(Instant::ZERO);
        let at = |seconds: u64| Clocks {
            wall: day(31).plus(Duration::from_secs(3600 + seconds)),
            monotonic: Instant::from_nanos(seconds * 1_000_000_000),
        };
        assert_eq!(purge.step(&mut store, at(3599)).expect("no fault"), 0, "not due");
        let mut steps = Vec::new();
        for second in 3600..3603 {
            steps.push(purge.step(&mut store, at(second)).expect("no fault"));
        }
        assert_eq!(steps, [400, 400, 200]);
        assert_eq!(purge.step(&mut store, at(3603)).expect("no fault"), 0, "the round is over");
        assert_eq!(store.rows.len(), 1500);
        assert!(store.rows.values().all(|r| at(0).wall.saturating_since(r.state.end()) <= KEEP));
    }
}

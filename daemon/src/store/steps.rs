//! A calendar that is set while leases run: a host without a clock of its own starts in another
//! year and learns the time from the network.
//!
//! What ends in an hour has to end in an hour whatever the calendar says then. So the ends that
//! are stored move with it, before anything else is written or forgotten.

use std::net::Ipv4Addr;

use super::load::following;
use super::record::Record;
use super::wall::Clocks;
use super::{Store, StoreError};

/// Nanoseconds by which the two clocks may part before it counts as a step. Both follow the same
/// corrections of speed, so what parts them is a step, or a leap second.
const TOLERANCE: i128 = 2_000_000_000;

/// Records that move together.
const GROUP: usize = 10_000;

/// Follows the calendar.
#[derive(Debug)]
pub(super) struct Steps {
    /// The calendar less the engines' clock, as the stored ends have it.
    offset: i128,
    moving: Option<Moving>,
}

/// A step that has not reached all records.
#[derive(Clone, Copy, Debug)]
struct Moving {
    next: Ipv4Addr,
    by: i128,
}

impl Steps {
    pub(super) fn new(clocks: Clocks) -> Self {
        Self { offset: offset(clocks), moving: None }
    }

    /// Moves what is stored, if the calendar was set since the last call. Says by how many
    /// nanoseconds, once all has moved.
    ///
    /// # Errors
    /// What the store says. The next call goes on with what has not moved.
    pub(super) fn follow(
        &mut self,
        store: &mut dyn Store,
        clocks: Clocks,
    ) -> Result<Option<i128>, StoreError> {
        let by = offset(clocks) - self.offset;
        if self.moving.is_none() && by.abs() <= TOLERANCE {
            return Ok(None);
        }
        let moving = self.moving.get_or_insert(Moving { next: Ipv4Addr::UNSPECIFIED, by });
        loop {
            let rows = store.page(moving.next, GROUP)?;
            let next = following(&rows, GROUP);
            let records = rows.into_iter().filter_map(|row| row.record.ok());
            let moved: Vec<Record> = records.map(|record| record.moved(moving.by)).collect();
            if !moved.is_empty() {
                store.commit(&moved)?;
            }
            match next {
                Some(next) => moving.next = next,
                None => break,
            }
        }
        let by = moving.by;
        self.offset += by;
        self.moving = None;
        Ok(Some(by))
    }
}

fn offset(clocks: Clocks) -> i128 {
    i128::from(clocks.wall.as_nanos()) - i128::from(clocks.monotonic.as_nanos())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use reveille_core::time::Instant;

    use super::super::faulty::{Fault, Faulty};
    use super::super::record::RecordState;
    use super::super::record::tests::bound;
    use super::super::wall::Wall;
    use super::*;

    fn at(wall: u64, monotonic: u64) -> Clocks {
        let monotonic = Instant::ZERO + Duration::from_secs(monotonic);
        Clocks { wall: Wall::from_seconds(wall), monotonic }
    }

    fn store() -> Faulty {
        let mut store = Faulty::default();
        let until = Wall::from_seconds(5000);
        let since = Wall::from_seconds(1000);
        for (number, state) in [
            RecordState::Bound { since, until },
            RecordState::Bound { since, until: Wall::NEVER },
            RecordState::Declined { until },
            RecordState::Released { at: since },
        ]
        .into_iter()
        .enumerate()
        {
            let record = Record { state, ..bound(number as u32) };
            store.commit(&[record]).expect("nothing fails");
        }
        store
    }

    fn ends(store: &Faulty) -> Vec<u64> {
        let ends = store.rows.values().map(|record| record.state.end());
        ends.map(|end| if end == Wall::NEVER { u64::MAX } else { end.as_seconds() }).collect()
    }

    #[test]
    fn what_is_stored_moves_with_the_calendar_once() {
        let mut store = store();
        let mut steps = Steps::new(at(1000, 10));
        assert_eq!(steps.follow(&mut store, at(1101, 110)).expect("no fault"), None, "no step");
        assert_eq!(ends(&store), [5000, u64::MAX, 5000, 1000]);
        let by = 1_000_000 * 1_000_000_000;
        let stepped = |seconds: u64| at(1_001_000 + seconds, 10 + seconds);
        assert_eq!(steps.follow(&mut store, stepped(120)).expect("no fault"), Some(by));
        assert_eq!(ends(&store), [1_005_000, u64::MAX, 1_005_000, 1_001_000]);
        assert_eq!(steps.follow(&mut store, stepped(130)).expect("no fault"), None, "done");
        assert_eq!(steps.follow(&mut store, at(1140, 150)).expect("no fault"), Some(-by));
        assert_eq!(ends(&store), [5000, u64::MAX, 5000, 1000]);
    }

    #[test]
    fn what_could_not_be_moved_is_moved_later() {
        let mut store = store();
        store.faults = [Fault::Fails(ErrorKind::StorageFull), Fault::None].into();
        let mut steps = Steps::new(at(1000, 10));
        steps.follow(&mut store, at(2000, 10)).expect_err("the disk is full");
        assert_eq!(ends(&store), [5000, u64::MAX, 5000, 1000]);
        store.reopen().expect("there is room again");
        let by = steps.follow(&mut store, at(2100, 110)).expect("no fault");
        assert_eq!(by, Some(1000 * 1_000_000_000));
        assert_eq!(ends(&store), [6000, u64::MAX, 6000, 2000]);
    }
}

//! Time that outlives the process: the engines' monotonic clock ends with the machine.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reveille_core::time::Instant;
use rustix::time::{ClockId, clock_gettime};

/// A point in time by the calendar, in nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(u64);

impl Wall {
    /// Later than everything: the end of an infinite lease.
    pub const NEVER: Self = Self(u64::MAX);

    /// The beginning of the count.
    pub const EPOCH: Self = Self(0);

    /// Nanoseconds since 1970.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Whole seconds since 1970; what is too large for the count is never.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(NANOS))
    }

    /// Now, by the clock of this host.
    pub fn now() -> Self {
        Self(read(ClockId::Realtime))
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn as_seconds(self) -> u64 {
        self.0 / NANOS
    }

    /// Time passed since `earlier`, zero if that lies in the future.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// So much later; never stays never.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// So many nanoseconds later, or earlier; never stays never.
    #[must_use]
    pub fn moved(self, by: i128) -> Self {
        if self == Self::NEVER {
            return self;
        }
        let nanos = (i128::from(self.0) + by).clamp(0, i128::from(u64::MAX - 1));
        Self(u64::try_from(nanos).unwrap_or_default())
    }

    /// The time by the calendar of `zone`-less machines, for files: `2026-11-25T20:15:00Z`.
    pub fn timestamp(self) -> Option<Timestamp> {
        let whole = i64::try_from(self.0 / NANOS).ok()?;
        (self != Self::NEVER).then(|| Timestamp::from_second(whole).ok()).flatten()
    }
}

/// In UTC and whole seconds, or `never`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(time) => time.fmt(f),
            None => f.write_str("never"),
        }
    }
}

const NANOS: u64 = 1_000_000_000;

/// Both clocks, read at the same moment: what turns one time into the other.
///
/// It is read anew for every group of records, so that a clock that was set does not shift the
/// ends of leases that are written later.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// By the calendar.
    pub wall: Wall,
    /// On the engines' clock.
    pub monotonic: Instant,
}

impl Clocks {
    /// Reads both.
    pub fn read() -> Self {
        Self { wall: Wall::now(), monotonic: Instant::from_nanos(read(ClockId::Monotonic)) }
    }

    /// When `instant` is by the calendar. The last instant of all is never.
    pub fn wall(self, instant: Instant) -> Wall {
        if instant == Instant::MAX {
            return Wall::NEVER;
        }
        Wall(shifted(instant.as_nanos(), self.monotonic.as_nanos(), self.wall.0))
    }

    /// When `wall` is on the engines' clock; what was before its start is its start.
    pub fn instant(self, wall: Wall) -> Instant {
        if wall == Wall::NEVER {
            return Instant::MAX;
        }
        Instant::from_nanos(shifted(wall.0, self.wall.0, self.monotonic.as_nanos()))
    }
}

/// `time` as far from `to` as it is from `from`, between zero and just before the last.
fn shifted(time: u64, from: u64, to: u64) -> u64 {
    let moved = i128::from(time) - i128::from(from) + i128::from(to);
    u64::try_from(moved.clamp(0, i128::from(u64::MAX - 1))).unwrap_or_default()
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let nanos = i128::from(time.tv_sec) * i128::from(NANOS) + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        let clocks = Clocks { wall: Wall::from_seconds(1000), monotonic: Instant::from_nanos(50) };
        let later = Instant::from_nanos(50 + NANOS);
        assert_eq!(clocks.wall(later), Wall::from_seconds(1001));
        assert_eq!(clocks.instant(Wall::from_seconds(1001)), later);
        assert_eq!(clocks.instant(Wall::EPOCH), Instant::ZERO, "before the machine was started");
        let never = Instant::MAX;
        assert_eq!(clocks.wall(never), Wall::NEVER);
        assert_eq!(clocks.instant(Wall::NEVER), never);
    }

    #[test]
    fn people_read_utc() {
        assert_eq!(Wall::from_seconds(1_764_101_700).to_string(), "2025-11-25T20:15:00Z");
        assert_eq!(Wall::NEVER.to_string(), "never");
    }
}

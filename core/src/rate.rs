//! How fast bytes may leave: bounds that an operator sets, and the pace that keeps to them.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::time::Instant;

/// A speed in bytes of files a second; headers come on top of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(NonZeroU64);

impl ByteRate {
    /// So many bytes a second, at least one.
    pub const fn new(bytes: u64) -> Option<Self> {
        match NonZeroU64::new(bytes) {
            Some(bytes) => Some(Self(bytes)),
            None => None,
        }
    }

    /// Bytes in a second.
    pub const fn bytes_per_second(self) -> u64 {
        self.0.get()
    }

    /// The time that `bytes` take.
    fn time_of(self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * NANOS_PER_SECOND / u128::from(self.0.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The bytes that go out in `time`, rounded down.
    pub(crate) fn bytes_in(self, time: Duration) -> u64 {
        let bytes = u128::from(self.0.get()) * time.as_nanos() / NANOS_PER_SECOND;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Bounds on what one server of one shard sends; nothing set is no bound, and costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// For all clients together.
    pub total: Option<ByteRate>,
    /// For each transfer or connection. Firmware has one at a time. Some network cards lose
    /// packets, or hang, above a rate of their own.
    pub client: Option<ByteRate>,
}

/// Keeps a sender to a rate: a bucket that fills while nothing is sent, up to [`BURST`].
///
/// All that is kept is the time at which the next send is due, so a bucket needs no timer to
/// fill, and one that nobody uses is one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    due: Instant,
}

impl Pace {
    /// When the next send may go out; the past for one that may now.
    pub(crate) const fn due(self) -> Instant {
        self.due
    }

    /// Takes note that `bytes` go out. A send that came early makes the next one later, so the
    /// rate holds whatever the timers do.
    pub(crate) fn spend(&mut self, bytes: u64, rate: ByteRate, now: Instant) {
        let empty_at = (self.due + BURST).max(now) + rate.time_of(bytes);
        self.due = Instant::from_nanos(empty_at.as_nanos() - BURST_NANOS);
    }
}

/// What may go out at once after a pause. Timers have ticks of a millisecond: less would keep a
/// sender below its rate.
pub(crate) const BURST: Duration = Duration::from_nanos(BURST_NANOS);

const BURST_NANOS: u64 = 4_000_000;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_over_time_and_a_pause_earns_no_more_than_a_burst() {
        let rate = ByteRate::new(1_250_000).expect("it is not zero");
        let mut pace = Pace::default();
        let start = Instant::ZERO + Duration::from_secs(1000);
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(2) {
            // Timers are late by up to 1.3 ms.
            while pace.due() <= now {
                pace.spend(1468, rate, now);
                sent += 1468;
            }
            now = pace.due().max(now) + Duration::from_micros(1300);
        }
        assert!((2_490_000..2_512_000).contains(&sent), "{sent} bytes in 2 s at 1.25 MB/s");
    }

    #[test]
    fn times_and_bytes_are_each_others_inverse() {
        let rate = ByteRate::new(10_000_000_000).expect("it is not zero");
        assert_eq!(rate.time_of(1_000_000), Duration::from_micros(100));
        assert_eq!(rate.bytes_in(Duration::from_micros(100)), 1_000_000);
        let slow = ByteRate::new(1).expect("it is not zero");
        assert_eq!(slow.time_of(u64::MAX), Duration::from_nanos(u64::MAX));
    }
}

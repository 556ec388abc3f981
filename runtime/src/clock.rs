//! The one place that reads the clock.

use reveille_core::time::Instant;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, as the engines and the events of the server count time.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // The clock starts at zero with the machine and never goes back.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds * 1_000_000_000 + nanos)
}

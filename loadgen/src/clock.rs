//! Time as nanoseconds since a run began, and the generator's own use of the processor.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Reads the time of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    cpu_before: Duration,
}

impl Clock {
    /// Begins a run.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu_before: thread_cpu() }
    }

    /// Nanoseconds since then.
    pub(crate) fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    /// Processor time of the calling thread since then, which must be the one that began.
    pub(crate) fn cpu(&self) -> Duration {
        thread_cpu().saturating_sub(self.cpu_before)
    }
}

/// A duration as a number; the longest one if it has more than 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

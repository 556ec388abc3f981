//! A link of a given speed, behind a queue that overflows.

use std::time::Duration;

use reveille_core::time::Instant;

#[derive(Debug)]
pub(super) struct Link {
    bits: u64,
    queue_bytes: u64,
    /// When all that was sent has left.
    free_at: Instant,
    pub(super) overflowed: u64,
}

impl Link {
    pub(super) const fn new(bits: u64, queue_bytes: u64) -> Self {
        Self { bits, queue_bytes, free_at: Instant::ZERO, overflowed: 0 }
    }

    /// Bytes that wait.
    pub(super) fn backlog(&self, now: Instant) -> u64 {
        let waits = (self.free_at - now).as_nanos();
        let bytes = waits * u128::from(self.bits) / 8 / 1_000_000_000;
        u64::try_from(bytes).expect("a queue of seconds")
    }

    /// When a packet with `payload` bytes has left; none if there is no room for it.
    pub(super) fn carry(&mut self, payload: u32, now: Instant) -> Option<Instant> {
        let bytes = u64::from(payload) + HEADERS_BYTES;
        if self.backlog(now) + bytes > self.queue_bytes {
            self.overflowed += 1;
            return None;
        }
        let time = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(self.bits);
        let time = Duration::from_nanos(u64::try_from(time).expect("packets are small"));
        self.free_at = self.free_at.max(now) + time;
        Some(self.free_at)
    }
}

/// UDP, IP, Ethernet with preamble and gap.
const HEADERS_BYTES: u64 = 8 + 20 + 38;

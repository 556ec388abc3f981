//! Who may begin: a bounded number of bytes is on its way, and whoever comes beyond that waits.
//!
//! Firmware waits seconds for the first packet of an answer, and repeats after a tenth of a
//! second in the middle of a file. So in a crowd new requests are answered late, and those that
//! run keep their pace. What a network carries is not known, but how long clients wait between
//! two packets is measured. The bound on the bytes under way grows with every acknowledgement that
//! comes soon, as far as anybody waits, and doubles in a round trip. It shrinks when clients wait
//! too long.

use core::time::Duration;

use crate::limits;
use crate::table::ReadyRing;
use crate::time::Instant;

/// The bytes that are under way, and those who wait for their turn.
#[derive(Debug)]
pub(super) struct Admission {
    /// Slots of sessions that have to wait, the oldest first.
    line: ReadyRing,
    /// What the transfers that run may have under way: the sum of their windows.
    flight_bytes: u64,
    /// What all of them together should have under way at most.
    room_bytes: u64,
    /// It never shrinks below this.
    room_bytes_min: u64,
    /// How long a client waits from its acknowledgement to the next packet's, on average.
    cycle_ns: u64,
}

impl Admission {
    /// Room in the line for the slots below `capacity`.
    /// At least `room_bytes` may always be under way.
    pub(super) fn new(capacity: u32, room_bytes: u64) -> Self {
        Self {
            line: ReadyRing::new(capacity),
            flight_bytes: 0,
            room_bytes,
            room_bytes_min: room_bytes,
            cycle_ns: 0,
        }
    }

    /// Whether a transfer with `bytes` in its window may begin. One always may.
    pub(super) const fn has_room(&self, bytes: u64) -> bool {
        self.flight_bytes == 0 || self.flight_bytes + bytes <= self.room_bytes
    }

    /// A transfer with `bytes` in its window begins.
    pub(super) const fn enter(&mut self, bytes: u64) {
        self.flight_bytes += bytes;
    }

    /// It has ended.
    pub(super) const fn leave(&mut self, bytes: u64) {
        assert!(self.flight_bytes >= bytes, "who leaves has entered");
        self.flight_bytes -= bytes;
        // What a crowd taught is no measure for whoever comes alone afterwards.
        if self.flight_bytes == 0 {
            self.cycle_ns = 0;
        }
    }

    /// `slot` has to wait.
    pub(super) fn queue(&mut self, slot: u32) {
        self.line.push(slot);
    }

    /// `slot` waits no more, if it did.
    pub(super) fn unqueue(&mut self, slot: u32) {
        self.line.remove(slot);
    }

    /// The one that has waited longest.
    pub(super) const fn first(&self) -> Option<u32> {
        self.line.first()
    }

    /// A client has acknowledged something `cycle` after the time before, and got `bytes` then.
    pub(super) fn on_progress(&mut self, cycle: Duration, bytes: u64) {
        let sample = u64::try_from(cycle.as_nanos()).unwrap_or(u64::MAX).min(SAMPLE_NS_MAX);
        self.cycle_ns = self.cycle_ns - (self.cycle_ns >> SMOOTHING) + (sample >> SMOOTHING);
        if self.line.is_empty() {
            return;
        }
        if self.cycle_ns < nanos(limits::TFTP_CYCLE_GOOD) {
            self.room_bytes = (self.room_bytes + bytes).min(limits::TFTP_FLIGHT_BYTES_MAX);
        } else if self.is_congested() {
            let room = self.room_bytes.min(self.flight_bytes) - bytes.min(self.room_bytes) / 8;
            self.room_bytes = room.max(self.room_bytes_min);
        }
    }

    /// How long an answer may take in a crowd: what is under way is not sent again before.
    pub(super) fn retry_min(&self) -> Duration {
        Duration::from_nanos(2 * self.cycle_ns).min(RETRY_MIN_MAX)
    }

    /// Whether clients wait so long for their next packet that one more would harm them.
    pub(super) const fn is_congested(&self) -> bool {
        self.cycle_ns > nanos(limits::TFTP_CYCLE_MAX)
    }
}

/// When a request that has to wait is looked at again.
pub(super) fn overdue_at(asked: Instant, now: Instant) -> Instant {
    (asked + limits::TFTP_WAIT_MAX).max(now + WAIT_MORE)
}

/// When a client that has to wait is taken to have left, unless it asks again.
pub(super) fn silent_at(heard: Instant, now: Instant) -> Instant {
    (heard + limits::TFTP_WAIT_SILENT_MAX).max(now + WAIT_MORE)
}

#[expect(clippy::cast_possible_truncation, reason = "bounds are seconds at most")]
const fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

/// A new cycle counts for one in 2⁶ of the average: some clients' pauses are no crowd.
const SMOOTHING: u32 = 6;

/// Longer pauses are the client's own, or lost packets: they count no more than this.
const SAMPLE_NS_MAX: u64 = 8_000_000_000;

/// However slow the network: a packet that is lost is sent again after so long.
const RETRY_MIN_MAX: Duration = Duration::from_secs(4);

/// How soon those are looked at again whose turn should have come.
const WAIT_MORE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;

//! How long a client takes to answer, and how soon its silence means a loss (RFC 6298).

use crate::time::Instant;

/// The round trip of one transfer, as its acknowledgements show it: smoothed, and how much it
/// varies, both in units of 1,024 ns, since this is done for every acknowledgement and divisions
/// are dear. Zero until something was measured.
///
/// What is measured begins with the client's acknowledgement before and so includes the time that
/// the answer waited here: an estimate that is too long only makes us more patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrip {
    smoothed: u32,
    variation: u32,
}

/// Waits for an answer that come before the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EarlyWaits {
    /// How many.
    pub(super) count: u8,
    /// The first; each further one is twice as long.
    pub(super) first_ns: u64,
}

impl RoundTrip {
    /// The client, heard at `asked`, has answered what was sent once since: what was sent again may be
    /// answered twice, and nobody knows which answer comes (Karn's algorithm, RFC 6298 §3).
    pub(super) fn on_answer(&mut self, asked: Instant, now: Instant) {
        let took = now.as_nanos().saturating_sub(asked.as_nanos()) >> UNIT_BITS;
        let sample = u32::try_from(took).unwrap_or(u32::MAX).clamp(1, SAMPLE_MAX);
        if self.smoothed == 0 {
            *self = Self { smoothed: sample, variation: sample / 2 };
            return;
        }
        let deviation = self.smoothed.abs_diff(sample);
        self.variation = self.variation - self.variation / 4 + deviation / 4;
        self.smoothed = self.smoothed - self.smoothed / 8 + sample / 8;
    }

    /// The waits before the `usual_ns` first one.
    pub(super) const fn early_waits(self, usual_ns: u64) -> EarlyWaits {
        if self.smoothed == 0 {
            return EarlyWaits { count: 0, first_ns: usual_ns };
        }
        let wait = self.smoothed as u64 + 4 * self.variation as u64;
        let wait_ns = wait << UNIT_BITS;
        let first_ns = if wait_ns > EARLY_MIN_NS { wait_ns } else { EARLY_MIN_NS };
        let (mut count, mut wait_ns) = (0, first_ns);
        // Ends: it doubles from a quarter of a second.
        while wait_ns < usual_ns {
            wait_ns *= 2;
            count += 1;
        }
        EarlyWaits { count, first_ns }
    }
}

/// No wait is shorter, however quick the answers were: boot ROMs stop for a moment to draw or to
/// write.
const EARLY_MIN_NS: u64 = 250_000_000;

/// Longer pauses count no more than this: a minute.
const SAMPLE_MAX: u32 = 58_600_000;

/// A unit of time is 2¹⁰ ns.
const UNIT_BITS: u32 = 10;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const USUAL: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn after(samples: impl IntoIterator<Item = Duration>) -> (u8, Duration) {
        let mut round_trip = RoundTrip::default();
        for sample in samples {
            round_trip.on_answer(Instant::ZERO, Instant::ZERO + sample);
        }
        let EarlyWaits { count, first_ns } = round_trip.early_waits(1_000_000_000);
        (count, Duration::from_nanos(first_ns))
    }

    #[test]
    fn nothing_is_early_before_anything_was_measured() {
        assert_eq!(after([]), (0, USUAL));
    }

    #[test]
    fn quick_clients_are_given_a_quarter_of_a_second_and_its_doubles() {
        assert_eq!(after([MS / 4; 8]), (2, 250 * MS));
        assert_eq!(after([Duration::ZERO]), (2, 250 * MS));
    }

    #[test]
    fn slow_ones_are_given_what_they_take() {
        let (count, wait) = after([400 * MS; 50]);
        assert!(count == 2 && (400 * MS..420 * MS).contains(&wait), "{count} from {wait:?}");
        let (count, wait) = after([100 * MS, 300 * MS].into_iter().cycle().take(50));
        assert!(count == 1 && (500 * MS..700 * MS).contains(&wait), "{count} from {wait:?}");
        assert_eq!(after([1500 * MS; 50]).0, 0);
        assert_eq!(after([1000 * USUAL; 50]).0, 0);
    }
}

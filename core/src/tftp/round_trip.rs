//! How long a client takes to answer, and how soon its silence means a loss (RFC 6298).

use core::time::Duration;

/// The round trip of one transfer, as its acknowledgements show it: smoothed, and how much it
/// varies, both in microseconds. Zero until something was measured.
///
/// What is measured begins with the client's acknowledgement before and so includes the time that
/// the answer waited here: an estimate that is too long only makes us more patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrip {
    smoothed_us: u32,
    variation_us: u32,
}

/// Waits for an answer that come before the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EarlyWaits {
    /// How many.
    pub(super) count: u8,
    /// The first; each further one is twice as long.
    pub(super) first: Duration,
}

impl RoundTrip {
    /// The client has answered after `took` what was sent once: what was sent again may be
    /// answered twice, and nobody knows which answer comes (Karn's algorithm, RFC 6298 §3).
    pub(super) fn on_answer(&mut self, took: Duration) {
        let sample_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).clamp(1, SAMPLE_US_MAX);
        if self.smoothed_us == 0 {
            *self = Self { smoothed_us: sample_us, variation_us: sample_us / 2 };
            return;
        }
        let deviation_us = self.smoothed_us.abs_diff(sample_us);
        self.variation_us = self.variation_us - self.variation_us / 4 + deviation_us / 4;
        self.smoothed_us = self.smoothed_us - self.smoothed_us / 8 + sample_us / 8;
    }

    /// The waits before the `usual` first one.
    pub(super) fn early_waits(self, usual: Duration) -> EarlyWaits {
        if self.smoothed_us == 0 {
            return EarlyWaits { count: 0, first: usual };
        }
        let wait_us = u64::from(self.smoothed_us) + 4 * u64::from(self.variation_us);
        let first = Duration::from_micros(wait_us).max(EARLY_MIN);
        let (mut count, mut wait) = (0, first);
        // Ends: it doubles from a quarter of a second.
        while wait < usual {
            wait *= 2;
            count += 1;
        }
        EarlyWaits { count, first }
    }
}

/// No wait is shorter, however quick the answers were: boot ROMs stop for a moment to draw or to
/// write.
const EARLY_MIN: Duration = Duration::from_millis(250);

/// Longer pauses count no more than this.
const SAMPLE_US_MAX: u32 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn after(samples: impl IntoIterator<Item = Duration>) -> (u8, Duration) {
        let mut round_trip = RoundTrip::default();
        for sample in samples {
            round_trip.on_answer(sample);
        }
        let EarlyWaits { count, first } = round_trip.early_waits(USUAL);
        (count, first)
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
        assert_eq!(after([Duration::MAX; 50]).0, 0);
    }
}

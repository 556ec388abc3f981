//! How long an answer may take, and how often the same thing is sent.

use core::time::Duration;

use super::round_trip::{EarlyWaits, RoundTrip};
use crate::rng::Rng;

/// What decides how long to wait for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// Whether it has acknowledged anything.
    pub(super) confirmed: bool,
    /// Seconds that it asked for (RFC 2349).
    pub(super) timeout_s: Option<u8>,
    /// How long it takes, if that is known and matters.
    pub(super) round_trip: Option<RoundTrip>,
}

impl Patience {
    /// How long to wait after the `sends`-th send of the same thing: twice as long each time, or
    /// what the client asked for, and up to an eighth more, so that clients that lost packets in
    /// the same burst do not come back in another. The first waits are shorter for a client that is
    /// known to be quick. Never less than `min`: what waits in a queue of the network would only be
    /// sent twice.
    pub(super) fn wait(&self, sends: u8, min: Duration, rng: &mut Rng) -> Duration {
        let (earlier, early) = (sends.saturating_sub(1), self.early_waits());
        let wait = match self.timeout_s {
            Some(seconds) if self.confirmed => Duration::from_secs(u64::from(seconds)),
            _ if earlier < early.count => Duration::from_nanos(early.first_ns << earlier),
            Some(_) | None => {
                RETRY_FIRST * (1 << u32::from(earlier - early.count).min(RETRY_DOUBLINGS_MAX))
            }
        };
        let wait = wait.max(min);
        wait + wait * rng.below(128) / 1024
    }

    /// How often the same thing is sent, early sends beside the usual ones. A forged request must
    /// not make us send much to its victim (RFC 1350 has no proof of address), a client that is
    /// there gets half a minute.
    pub(super) fn sends_max(&self) -> u8 {
        match self.timeout_s {
            _ if !self.confirmed => UNCONFIRMED_SENDS_MAX,
            Some(seconds) => (PATIENCE_S / seconds.max(1)).max(LAST_SENDS_MAX),
            None => SENDS_MAX + self.early_waits().count,
        }
    }

    fn early_waits(&self) -> EarlyWaits {
        match (self.timeout_s, self.round_trip) {
            (None, Some(round_trip)) => round_trip.early_waits(RETRY_FIRST_NS),
            (Some(_), _) | (_, None) => EarlyWaits { count: 0, first_ns: RETRY_FIRST_NS },
        }
    }
}

/// Sends of an answer before the client has confirmed that it is there.
pub(super) const UNCONFIRMED_SENDS_MAX: u8 = 3;
/// Sends of the final blocks: the client has most likely left.
pub(super) const LAST_SENDS_MAX: u8 = 3;
/// First wait for an answer. Firmware itself repeats after 0.11 to 5 s.
const RETRY_FIRST: Duration = Duration::from_nanos(RETRY_FIRST_NS);
/// See [`RETRY_FIRST`].
const RETRY_FIRST_NS: u64 = 1_000_000_000;
/// Waits double up to 8 s.
const RETRY_DOUBLINGS_MAX: u32 = 3;
/// Sends of the same blocks, over 1 + 2 + 4 + 8 + 8 s.
const SENDS_MAX: u8 = 5;
/// Seconds after which a client with a `timeout` of its own is given up, if that allows
/// [`LAST_SENDS_MAX`] sends.
const PATIENCE_S: u8 = 30;

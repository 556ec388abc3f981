//! Keeps strangers from using us against others: TFTP proves no address, so a forged request
//! makes a server send to whoever is named in it.

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::engine::{Datagram, Discard};
use crate::limits::{TFTP_FAREWELLS_MAX, TFTP_STRAY_ERRORS_PER_SECOND};
use crate::time::Instant;
use crate::view::View;
use crate::wire::tftp::SERVER_PORT;

/// Bounds on what goes to addresses that have not proved that they asked.
#[derive(Debug)]
pub(super) struct Guard {
    /// Digests of what has ended, each at the place that its own bits name; a later one replaces
    /// an earlier.
    farewells: Box<[u64]>,
    /// The second in which `strays` were answered.
    strays_since: Instant,
    strays: u32,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self {
            farewells: vec![0; TFTP_FAREWELLS_MAX].into_boxed_slice(),
            strays_since: Instant::ZERO,
            strays: 0,
        }
    }

    /// Remembers for a while that what `digest` stands for has ended.
    pub(super) fn remember(&mut self, digest: u64) {
        self.farewells[place_of(digest, TFTP_FAREWELLS_MAX)] = digest;
    }

    /// Whether what `digest` stands for has ended a while ago.
    pub(super) fn remembers(&self, digest: u64) -> bool {
        self.farewells[place_of(digest, TFTP_FAREWELLS_MAX)] == digest
    }

    /// Whether one more packet without a transfer may be answered in this second.
    pub(super) fn may_answer_stray(&mut self, now: Instant) -> bool {
        if now - self.strays_since >= Duration::from_secs(1) {
            self.strays_since = now;
            self.strays = 0;
        }
        self.strays += 1;
        self.strays <= TFTP_STRAY_ERRORS_PER_SECOND
    }
}

/// How often somebody acknowledged what a client cannot have received: the number in the lowest
/// two bits, the period of the last time in the others. A transfer has no more than a byte for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspicions(u8);

impl Suspicions {
    /// One more; tells whether that was once too often. Each period forgives one.
    pub(super) fn add(&mut self, now: Instant) -> bool {
        let (count, last) = (self.0 & COUNT_MASK, self.0 >> COUNT_BITS);
        #[expect(clippy::cast_possible_truncation, reason = "numbers of periods wrap")]
        let period = (now.as_nanos() / PERIOD_NS) as u8 & PERIOD_MASK;
        let forgiven = period.wrapping_sub(last) & PERIOD_MASK;
        let count = count.saturating_sub(forgiven) + 1;
        self.0 = period << COUNT_BITS | count & COUNT_MASK;
        count > COUNT_MASK
    }
}

/// A packet of the client's last transfer may come late, and two of them. More come from somebody
/// who guesses what to send in the name of another.
const COUNT_MASK: u8 = 3;
const COUNT_BITS: u32 = 2;
const PERIOD_MASK: u8 = u8::MAX >> COUNT_BITS;

/// Whoever may guess once in ten seconds finds nothing.
const PERIOD_NS: u64 = 10_000_000_000;

/// Whether an answer to `datagram` would go to a client of a configured network, and to one only.
///
/// # Errors
/// [`Discard::BadSource`] for senders that no client is, and for requests to a whole network;
/// [`Discard::UnknownNetwork`] for what comes from elsewhere.
pub(super) fn check_addresses(datagram: &Datagram<'_>, view: &View) -> Result<(), Discard> {
    let source = datagram.source;
    // 69 is another server's port: two servers could talk to each other without end.
    if matches!(source.port(), 0 | SERVER_PORT) || source.ip().is_unspecified() {
        return Err(Discard::BadSource);
    }
    if is_group(source.ip(), view) || is_group(datagram.destination.ip(), view) {
        return Err(Discard::BadSource);
    }
    if view.is_own_address(source.ip()) && !source.ip().is_loopback() {
        return Err(Discard::BadSource);
    }
    match source.ip() {
        IpAddr::V4(address) if view.network_of(address).is_none() => Err(Discard::UnknownNetwork),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    }
}

/// Whether `address` means more than one station.
fn is_group(address: IpAddr, view: &View) -> bool {
    match address {
        IpAddr::V6(address) => address.is_multicast(),
        IpAddr::V4(address) => {
            address.is_multicast() || address.is_broadcast() || view.networks.is_broadcast(address)
        }
    }
}

/// The low bits of `hash`; `len` is a power of two.
fn place_of(hash: u64, len: usize) -> usize {
    assert!(len.is_power_of_two(), "the bits of a hash name a place");
    let mask = len as u64 - 1;
    usize::try_from(hash & mask).expect("places are numbered by usize")
}

#[cfg(test)]
mod tests;

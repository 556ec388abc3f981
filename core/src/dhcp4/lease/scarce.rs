//! Addresses when they are scarce, or when other hosts use them.
//!
//! Whoever makes up clients by the thousand could hold every address by an offer. So when none is
//! left, offers that nobody has asked for in time are promised again, without a note: which of them
//! to which client follows from a keyed hash of the client. The first of them who asks has the
//! address, and those who never ask take nothing from anybody.

use core::net::Ipv4Addr;

use super::{ClientKey, Hold, Lease, LeaseState, LeaseTable};
use crate::dhcp4::pool::Claim;
use crate::dhcp4::usage::Counts;
use crate::engine::Discard;
use crate::limits;
use crate::time::Instant;
use crate::view::Network;

impl LeaseTable {
    /// Another host uses `address`: it rests as if its client had found that out. What is lent
    /// already is taken away only `if_lent`: its client will be told at its next request.
    ///
    /// # Errors
    /// [`Discard::UnknownSession`] if it is nobody's or not to be taken away, [`Discard::Overload`]
    /// if too many changes wait to be stored.
    pub(in crate::dhcp4) fn poison(
        &mut self,
        address: Ipv4Addr,
        network: &Network,
        if_lent: bool,
        now: Instant,
    ) -> Result<(), Discard> {
        let slot = self.at(address).ok_or(Discard::UnknownSession)?;
        let is_at_stake = match self.lease(slot).state() {
            LeaseState::Offered { .. } | LeaseState::Idle => true,
            LeaseState::Bound { .. } | LeaseState::Storing { .. } => if_lent,
            LeaseState::Declined { .. } => false,
        };
        if !is_at_stake {
            return Err(Discard::UnknownSession);
        }
        self.let_rest(slot, network, now)
    }

    /// The offer of `address` to the client may go to somebody else.
    pub(in crate::dhcp4) fn take_back_offer(&mut self, address: Ipv4Addr, client: ClientKey) {
        let Some(slot) = self.at(address) else { return };
        let lease = self.lease(slot);
        if lease.client == Some(client) && matches!(lease.state(), LeaseState::Offered { .. }) {
            self.transition_to(slot, LeaseState::Idle);
        }
    }

    /// The addresses of a network, counted. Leases that ended lately may still count.
    pub(in crate::dhcp4) fn counts(&self, network: &Network) -> Counts {
        let mut counts = Counts::default();
        let parts = u16::try_from(network.terms.len().max(1)).unwrap_or(u16::MAX);
        for ground in (0..parts).filter_map(|terms| self.grounds.find_part(network.subnet, terms)) {
            let ground = self.grounds.at(ground);
            counts.bound += ground.count - ground.idle_count;
            counts.bound -= ground.offered_count + ground.declined_count;
            counts.offered += ground.offered_count;
            counts.resting += ground.declined_count;
        }
        counts
    }

    /// An address that others were offered and have not asked for, for a client for which none is
    /// left.
    pub(in crate::dhcp4) fn promise(&mut self, claim: &Claim<'_>) -> Option<Ipv4Addr> {
        let home = self.grounds.find(claim.network.subnet)?;
        // The record of another address would speak against it when the client asks.
        if self.find(claim.client, claim.network.subnet).is_some() {
            return None;
        }
        let address =
            self.candidates(claim).find(|address| self.open_offer(claim, *address).is_some())?;
        self.grounds.at_mut(home).promised_until = claim.now + limits::OFFER_HOLD;
        Some(address)
    }

    /// The client asks for `address`, and it may have it: whoever else was offered it has not asked.
    pub(super) fn end_offer_of_another(&mut self, claim: &Claim<'_>, address: Ipv4Addr) {
        let Some(slot) = self.at(address) else { return };
        if self.open_offer(claim, address).is_some() {
            self.transition_to(slot, LeaseState::Idle);
        }
    }

    /// Whether the client may have been promised `address`, which is on offer to another.
    pub(super) fn is_promised(&self, claim: &Claim<'_>, address: Ipv4Addr) -> bool {
        let home = self.grounds.find(claim.network.subnet).map(|home| self.grounds.at(home));
        home.is_some_and(|home| home.promised_until > claim.now)
            && self.open_offer(claim, address).is_some()
            && self.candidates(claim).any(|candidate| candidate == address)
    }

    /// The offer of `address` to somebody else, if it has been open for so long that whoever asks
    /// for his address would have done it.
    fn open_offer(&self, claim: &Claim<'_>, address: Ipv4Addr) -> Option<&Lease> {
        let lease = self.lease(self.at(address)?);
        let LeaseState::Offered { until } = lease.state() else { return None };
        let made_before = limits::OFFER_HOLD - (until - claim.now).min(limits::OFFER_HOLD);
        let is_silent = matches!(lease.hold, Hold::OfferedSilently);
        let alone = if is_silent { limits::OFFER_ALONE_SILENT } else { limits::OFFER_ALONE };
        let is_open = made_before >= alone && lease.client != Some(claim.client);
        is_open.then_some(lease)
    }

    /// The addresses that may be promised to a client: always the same.
    fn candidates(&self, claim: &Claim<'_>) -> impl Iterator<Item = Ipv4Addr> {
        let size = claim.network.pools_size();
        (0..limits::OFFER_CANDIDATES).filter_map(move |turn| {
            let hash = match claim.client {
                ClientKey::Mac(mac) => self.hash.hash(&(mac, turn)),
                ClientKey::Other(digest) => self.hash.hash(&(digest, turn)),
            };
            let address = claim.network.nth_address(hash.checked_rem(size)?)?;
            claim.may_have(address).then_some(address)
        })
    }
}

//! Leases that are stored before they are lent: what a store that answers later makes of them.
//!
//! An address is held, whatever the time, from the request to store its lease to the answer. Then
//! the lease begins to be the client's, or what was stored before counts. For one address requests
//! come in the order of what happened to it, so a store that loses the last of them forgets no
//! lease that its client was told of.

use super::super::records::Keeping;
use super::{Lease, LeaseState, LeaseTable, Refusal};
use crate::binding::{Binding, BindingState, ClientId, RestoreError, Ticket};
use crate::dhcp4::pool::Claim;
use crate::engine::Discard;
use crate::limits;
use crate::text::Text;
use crate::time::Instant;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

/// What becomes of a request for a lease that is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dhcp4) enum Lent {
    /// It is the client's for that long.
    For(Duration),
    /// It has to be stored first.
    Later(Storing),
    /// The store has to learn of something else first: ask again when it was told.
    Again,
    /// Nothing can be stored now.
    NotNow,
}

/// A lease that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dhcp4) struct Storing {
    /// Where the lease is in the table.
    pub(in crate::dhcp4) lease: u32,
    /// When it is to end, not before what its client is told.
    pub(in crate::dhcp4) until: Instant,
    /// When the lease ends that the store has; in the past if it has none.
    pub(in crate::dhcp4) before: Instant,
    /// The message of the client that waits for the same lease already.
    pub(in crate::dhcp4) rival: Option<u32>,
}

impl LeaseTable {
    /// Lends `address` to the client for `lease`, or says what has to come before. With `adopt`
    /// also to a client of which nothing is known, if nothing speaks against it.
    pub(in crate::dhcp4) fn lend(
        &mut self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
        lease: Duration,
        adopt: bool,
    ) -> Result<Lent, Refusal> {
        match self.records.keeping {
            Keeping::Nothing => self.bind(claim, address, lease, adopt).map(|()| Lent::For(lease)),
            Keeping::Everything => self.prepare(claim, address, lease, adopt),
            Keeping::NothingNew => {
                let own = self.check(claim, address, adopt)?;
                let rest = own.and_then(|slot| self.rest(slot, claim.now));
                Ok(rest.map_or(Lent::NotNow, |rest| Lent::For(rest.min(lease))))
            }
        }
    }

    /// Whether the client may have `address` and a lease of it is stored that runs.
    ///
    /// # Errors
    /// If it may not have it.
    pub(in crate::dhcp4) fn check_unstored(
        &self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
    ) -> Result<bool, Refusal> {
        let own = self.check(claim, address, true)?;
        Ok(own.is_some_and(|slot| self.rest(slot, claim.now).is_some()))
    }

    /// Another table that knows what this one does, and lends at once what this one can lend.
    pub(in crate::dhcp4) fn copy(&self) -> Self {
        let mut copy = self.clone();
        if copy.records.keeping == Keeping::Everything {
            copy.records.keeping = Keeping::Nothing;
        }
        copy
    }

    fn prepare(
        &mut self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
        lease: Duration,
        adopt: bool,
    ) -> Result<Lent, Refusal> {
        let slot = self.find_place(claim, address, adopt)?;
        if !self.records.has_room() {
            return Ok(Lent::NotNow);
        }
        if self.lease(slot).client != Some(claim.client) {
            let before = self.of_client(claim.client, claim.network.subnet);
            if let Some(before) = before.filter(|before| self.is_recorded(*before)) {
                // No state of the store may have two leases of one client.
                let told = self.retire(before);
                return Ok(if told { Lent::Again } else { Lent::NotNow });
            }
            let handed = self.hand_over(slot, claim);
            assert!(handed, "what the client had before is not recorded");
        }
        let (before, rival) = match self.lease(slot).state() {
            LeaseState::Bound { until } => (until, None),
            LeaseState::Storing { message } => (Instant::ZERO, Some(message)),
            LeaseState::Offered { .. } | LeaseState::Declined { .. } | LeaseState::Idle => {
                (Instant::ZERO, None)
            }
        };
        let until = end_of(lease, claim.now);
        Ok(Lent::Later(Storing { lease: slot, until, before, rival }))
    }

    /// Holds a lease until the store has answered to `message`.
    pub(in crate::dhcp4) fn hold_for(&mut self, lease: u32, message: u32) -> Ticket {
        self.transition_to(lease, LeaseState::Storing { message });
        self.records.issue()
    }

    /// The lease that `message` waited for is stored: lends it, and gives the time that is left of
    /// it, at most `lease`. `None` if it is not the client's any more: it gave it back, or it was
    /// taken from it.
    ///
    /// # Errors
    /// If the client may not have the address any more, by a configuration that was loaded
    /// meanwhile.
    pub(in crate::dhcp4) fn complete(
        &mut self,
        claim: &Claim<'_>,
        stored: &Storing,
        message: u32,
        lease: Duration,
    ) -> Result<Option<Duration>, Refusal> {
        let Some(Lease { address, client, .. }) = self.held_for(stored.lease, message) else {
            return Ok(None);
        };
        let moved = (client == Some(claim.client) && claim.may_keep(address))
            .then(|| self.obtain_own(claim, address))
            .flatten();
        if moved.is_none() {
            self.abandon(stored, message, claim.now);
            return Err(Refusal::Wrong);
        }
        self.transition_to(stored.lease, LeaseState::Bound { until: stored.until });
        Ok(self.rest(stored.lease, claim.now).map(|rest| rest.min(lease)))
    }

    /// The address of the lease that `message` waits for.
    pub(in crate::dhcp4) fn address_of_stored(
        &self,
        stored: &Storing,
        message: u32,
    ) -> Option<Ipv4Addr> {
        self.held_for(stored.lease, message).map(|lease| lease.address)
    }

    /// The client of `message` does not get the lease that was stored for it. One that it had
    /// before runs on: nobody else gets what it may still use.
    pub(in crate::dhcp4) fn abandon(&mut self, stored: &Storing, message: u32, now: Instant) {
        if self.held_for(stored.lease, message).is_none() {
            return;
        }
        if stored.before > now {
            self.transition_to(stored.lease, LeaseState::Bound { until: stored.before });
            return;
        }
        // Without room to tell the store, the address has to rest as long as the store has it.
        let told = self.note_change(stored.lease);
        let until = stored.until;
        let state = if told { LeaseState::Idle } else { LeaseState::Bound { until } };
        self.transition_to(stored.lease, state);
    }

    /// The lease that `message` waits for is not stored; tells whether an older one is, which runs.
    ///
    /// The address is held for its client for a while. What failed may be in the store nevertheless,
    /// so the store is told what holds the address as soon as it hears again.
    pub(in crate::dhcp4) fn give_up(&mut self, lost: &Storing, message: u32, now: Instant) -> bool {
        if self.held_for(lost.lease, message).is_none() {
            return false;
        }
        let runs = lost.before > now;
        let state = if runs {
            LeaseState::Bound { until: lost.before }
        } else {
            let Lease { address, ground, .. } = *self.lease(lost.lease);
            self.records.note(address, self.grounds.at(ground).subnet());
            LeaseState::Offered { until: now + limits::OFFER_HOLD }
        };
        self.transition_to(lost.lease, state);
        runs
    }

    /// Takes `address` away from whoever has it, who remains its last client; gives what was known.
    ///
    /// # Errors
    /// [`Discard::UnknownSession`] if nothing is known about it, [`Discard::Overload`] if too many
    /// changes wait to be stored.
    pub(in crate::dhcp4) fn take_back(&mut self, address: Ipv4Addr) -> Result<Lease, Discard> {
        let slot = self.at(address).ok_or(Discard::UnknownSession)?;
        let before = *self.lease(slot);
        if !self.note_change(slot) {
            return Err(Discard::Overload);
        }
        self.transition_to(slot, LeaseState::Idle);
        Ok(before)
    }

    /// The next change that the store has to learn and no message waits for.
    pub(in crate::dhcp4) fn next_change(&mut self, now: Instant) -> Option<(Ticket, Binding)> {
        // Ends: each round leaves one change less to be told.
        while let Some(change) = self.records.next_change() {
            let lease = self.at(change.address).map(|slot| *self.lease(slot));
            let state = match lease.map(|lease| lease.state()) {
                Some(LeaseState::Declined { until }) => BindingState::Declined { until },
                Some(LeaseState::Storing { .. } | LeaseState::Bound { .. }) => {
                    self.records.skip();
                    continue;
                }
                Some(LeaseState::Idle | LeaseState::Offered { .. }) | None => {
                    BindingState::Released { at: now }
                }
            };
            let binding = Binding {
                address: change.address,
                subnet: change.subnet,
                client: lease.and_then(|lease| lease.client),
                client_id: ClientId::EMPTY,
                hostname: Text::EMPTY,
                state,
            };
            return Some((self.records.tell(), binding));
        }
        None
    }

    /// Takes up a binding of an earlier life of the server. One that holds its address takes the
    /// place of an idle one if there is no other.
    pub(in crate::dhcp4) fn restore(
        &mut self,
        binding: &Binding,
        now: Instant,
    ) -> Result<(), RestoreError> {
        let state = match binding.state {
            BindingState::Bound { until, .. } if until > now => LeaseState::Bound { until },
            BindingState::Declined { until } if until > now => LeaseState::Declined { until },
            BindingState::Bound { .. }
            | BindingState::Declined { .. }
            | BindingState::Released { .. } => LeaseState::Idle,
        };
        let held = state.is_held(now);
        let ground = self.grounds.find_or_add(binding.subnet);
        let ground = ground.ok_or(RestoreError::TooManyNetworks { held })?;
        if self.at(binding.address).is_some() {
            return Err(RestoreError::Known);
        }
        let full = RestoreError::TableFull { held };
        if !held && self.free.is_empty() && self.leases.len() == self.capacity as usize {
            return Err(full);
        }
        let slot = self.add(ground, binding.address, now).ok_or(full)?;
        let since = match binding.state {
            BindingState::Bound { since, .. } => since,
            BindingState::Declined { .. } | BindingState::Released { .. } => Instant::ZERO,
        };
        self.note_since(slot, since);
        if held {
            self.transition_to(slot, state);
        }
        let Some(client) = binding.client else { return Ok(()) };
        if let Some(other) = self.on_ground(client, ground) {
            // One address for a client on a network: the one that is lent to it, and of two the
            // one that it got last.
            let rank = |slot: u32| {
                let lease = self.lease(slot);
                let since = self.since.get(slot as usize).copied().unwrap_or(Instant::ZERO);
                (lease.state().is_held(now), since, lease.until)
            };
            if rank(slot) <= rank(other) {
                return Ok(());
            }
            self.forget_client(other);
        }
        self.leases[slot as usize].client = Some(client);
        self.by_client.insert(self.client_hash(client, ground), slot);
        Ok(())
    }

    /// Notes when a lease that is taken up began.
    fn note_since(&mut self, slot: u32, since: Instant) {
        let slot = slot as usize;
        if self.since.len() <= slot {
            self.since.resize(slot + 1, Instant::ZERO);
        }
        self.since[slot] = since;
    }

    /// All bindings of the earlier life are taken up: what was noted to compare them is let go.
    pub(in crate::dhcp4) fn end_restore(&mut self) {
        if !self.since.is_empty() {
            self.since = Vec::new();
        }
    }

    /// Notes for the store that something else is about to hold `slot`; tells whether there was
    /// room.
    pub(super) fn note_change(&mut self, slot: u32) -> bool {
        let has_room = self.records.has_room();
        if has_room {
            let lease = self.lease(slot);
            let subnet = self.grounds.at(lease.ground).subnet();
            self.records.note(lease.address, subnet);
        }
        has_room
    }

    /// The client of `slot` has another address from now on; tells whether there was room to note
    /// it.
    pub(super) fn retire(&mut self, slot: u32) -> bool {
        let has_room = !self.is_recorded(slot) || self.note_change(slot);
        if has_room {
            self.forget_client(slot);
            self.transition_to(slot, LeaseState::Idle);
        }
        has_room
    }

    /// Whether the store may have a record by which `slot` is held.
    pub(super) fn is_recorded(&self, slot: u32) -> bool {
        match self.lease(slot).state() {
            LeaseState::Bound { .. } | LeaseState::Storing { .. } | LeaseState::Declined { .. } => {
                true
            }
            LeaseState::Offered { .. } | LeaseState::Idle => false,
        }
    }

    /// The lease in `slot` if it is held for `message`.
    fn held_for(&self, slot: u32, message: u32) -> Option<Lease> {
        let lease = self.leases[slot as usize];
        (lease.state() == LeaseState::Storing { message }).then_some(lease)
    }

    /// What is left of a lease that is lent, in whole seconds; `None` if that is nothing.
    fn rest(&self, slot: u32, now: Instant) -> Option<Duration> {
        match self.lease(slot).state() {
            LeaseState::Bound { until: Instant::MAX } => Some(Duration::MAX),
            LeaseState::Bound { until } => {
                let seconds = until.saturating_since(now).as_secs();
                (seconds > 0).then(|| Duration::from_secs(seconds))
            }
            LeaseState::Offered { .. }
            | LeaseState::Storing { .. }
            | LeaseState::Declined { .. }
            | LeaseState::Idle => None,
        }
    }
}

/// The end of a lease that begins now: some time after what its client is told, so that it can be
/// told the whole time when the store has answered.
fn end_of(lease: Duration, now: Instant) -> Instant {
    if lease >= limits::LEASE_INFINITE {
        return Instant::MAX;
    }
    now + lease + limits::DHCP_STORE_GRACE
}

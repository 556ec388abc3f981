//! Who has which address: the lease table.
//!
//! One lease for a machine on a network, whatever it calls itself in the stages of its boot: the
//! key is the MAC address. An address stays with its client after the lease ended until somebody
//! else needs it, and then the one that has rested longest goes first. Nothing here scans: a free
//! address is found in constant time also when a large pool is nearly full.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use core::time::Duration;

use super::ground::{Ground, Grounds};
use super::pool::{self, Claim};
use super::records::Records;
use super::server::Dhcp4Config;
use crate::engine::Discard;
use crate::hash::KeyedHash;
use crate::limits;
use crate::mac::MacAddr;
use crate::rng::Rng;
use crate::table::index::ChainIndex;
use crate::table::links::Links;
use crate::time::Instant;
use crate::view::{Network, Subnet};

pub(super) use durable::{Lent, Storing};

/// A client as leases are kept for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKey {
    /// Its Ethernet address, in every stage of its boot.
    Mac(MacAddr),
    /// Keyed hash of its client identifier or its other hardware address: 128 bits, so that no two
    /// meet. Bytes, because they take no room for alignment.
    Other([u8; 16]),
}

/// What is known about one address. Two of them fill a cache line, so that a look at one of a
/// million touches no second.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Whose it is, or was last; `None` if it is nobody's.
    pub client: Option<ClientKey>,
    hold: Hold,
    /// While the lease is being stored: which message waits for that.
    until: Instant,
    ground: u16,
}

const _: () = assert!(size_of::<Lease>() == 32);

/// A [`LeaseState`] without its end.
#[derive(Clone, Copy, Debug)]
enum Hold {
    Offered,
    /// To a client that uses it without asking for it.
    OfferedSilently,
    Storing,
    Bound,
    Declined,
    Idle,
}

impl Lease {
    /// What holds the address.
    pub const fn state(&self) -> LeaseState {
        let until = self.until;
        match self.hold {
            Hold::Offered | Hold::OfferedSilently => LeaseState::Offered { until },
            Hold::Storing => LeaseState::Storing { message: until.as_nanos() as u32 },
            Hold::Bound => LeaseState::Bound { until },
            Hold::Declined => LeaseState::Declined { until },
            Hold::Idle => LeaseState::Idle,
        }
    }

    const fn set_state(&mut self, state: LeaseState) {
        (self.hold, self.until) = match state {
            LeaseState::Offered { until } => (Hold::Offered, until),
            LeaseState::Storing { message } => (Hold::Storing, Instant::from_nanos(message as u64)),
            LeaseState::Bound { until } => (Hold::Bound, until),
            LeaseState::Declined { until } => (Hold::Declined, until),
            LeaseState::Idle => (Hold::Idle, Instant::ZERO),
        };
    }
}

/// What holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Offered, not yet asked for.
    Offered {
        /// When the offer ends.
        until: Instant,
    },
    /// Asked for; held until the store has it or cannot have it.
    Storing {
        /// The message that waits for that, by its place among those that wait.
        message: u32,
    },
    /// Lent.
    Bound {
        /// When the lease ends; [`Instant::MAX`] if it does not.
        until: Instant,
    },
    /// Somebody else was found to use it: given to nobody.
    Declined {
        /// When it may be tried again.
        until: Instant,
    },
    /// Nothing; it may be given to anybody, but preferably to its last client.
    Idle,
}

impl LeaseState {
    /// Whether it is held at `now`, so that nobody else may have it.
    pub fn is_held(self, now: Instant) -> bool {
        match self {
            Self::Offered { until } | Self::Bound { until } | Self::Declined { until } => {
                until > now
            }
            Self::Storing { .. } => true,
            Self::Idle => false,
        }
    }
}

/// Why an address is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// We know nothing about this client; another server may.
    Unknown,
    /// The client must not use this address.
    Wrong,
}

/// The leases of all networks.
#[derive(Clone, Debug)]
pub(super) struct LeaseTable {
    leases: Vec<Lease>,
    capacity: u32,
    free: Vec<u32>,
    by_client: ChainIndex,
    by_address: ChainIndex,
    links: Links,
    grounds: Grounds,
    pub(super) records: Records,
    /// When the leases began that were taken up, by their slots; empty once packets come.
    since: Vec<Instant>,
    hash: KeyedHash,
    /// For identifiers of clients, the same after a new start.
    identifiers: KeyedHash,
}

impl LeaseTable {
    /// A table without leases.
    pub(super) fn new(config: &Dhcp4Config, rng: &mut Rng) -> Self {
        let capacity = config.leases_max;
        Self {
            leases: Vec::with_capacity(capacity as usize),
            capacity,
            free: Vec::with_capacity(capacity as usize),
            by_client: ChainIndex::new(capacity),
            by_address: ChainIndex::new(capacity),
            links: Links::new(capacity),
            grounds: Grounds::new(),
            records: Records::new(config.durable),
            since: Vec::new(),
            hash: KeyedHash::new(rng),
            identifiers: KeyedHash::from_bytes(config.identifier_key),
        }
    }

    /// Chooses an address for a client that looks for one, and holds it for
    /// [`limits::OFFER_HOLD`]: its reserved one, its last one, the one it wishes, any free one
    /// (RFC 2131 §4.3.1). `None` if there is none.
    pub(super) fn offer(&mut self, claim: &Claim<'_>, wish: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let ground = self.grounds.find_or_add(claim.network.subnet)?;
        self.settle(ground, claim.now);
        let own = self.on_ground(claim.client, ground);
        let slot = claim
            .reserved()
            .and_then(|address| self.obtain(claim, address))
            .or_else(|| own.filter(|slot| claim.may_keep(self.lease(*slot).address)))
            .or_else(|| {
                let wish = wish.filter(|address| claim.may_have(*address))?;
                self.obtain(claim, wish)
            })
            .or_else(|| self.pick(claim))?;
        if !self.hand_over(slot, claim) {
            return None;
        }
        let until = claim.now + limits::OFFER_HOLD;
        // A client that starts anew within its lease keeps it: the old one runs on.
        let runs_on = match self.lease(slot).state() {
            LeaseState::Bound { until: end } => end > until,
            LeaseState::Storing { .. } => true,
            LeaseState::Offered { .. } | LeaseState::Declined { .. } | LeaseState::Idle => false,
        };
        if !runs_on {
            self.transition_to(slot, LeaseState::Offered { until });
            if claim.is_silent {
                self.leases[slot as usize].hold = Hold::OfferedSilently;
            }
        }
        Some(self.lease(slot).address)
    }

    /// Lends `address` to the client until `claim.now` + `lease`. With `adopt` also to a client
    /// of which nothing is known, if nothing speaks against it.
    pub(super) fn bind(
        &mut self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
        lease: Duration,
        adopt: bool,
    ) -> Result<(), Refusal> {
        let slot = self.find_place(claim, address, adopt)?;
        let handed = self.hand_over(slot, claim);
        assert!(handed, "nothing is recorded");
        let is_infinite = lease >= limits::LEASE_INFINITE;
        let until = if is_infinite { Instant::MAX } else { claim.now + lease };
        self.transition_to(slot, LeaseState::Bound { until });
        Ok(())
    }

    /// Whether `address` may be lent to the client, and where its lease is if that is its own.
    fn check(
        &self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
        adopt: bool,
    ) -> Result<Option<u32>, Refusal> {
        match self.of_client(claim.client, claim.network.subnet) {
            Some(slot) if self.lease(slot).address == address => {
                if claim.may_keep(address) {
                    Ok(Some(slot))
                } else {
                    Err(Refusal::Wrong)
                }
            }
            // Its record says another address, unless this one was reserved for it since.
            Some(_) if claim.reserved() != Some(address) => Err(Refusal::Wrong),
            Some(_) | None => {
                if !claim.may_have(address) {
                    return Err(Refusal::Wrong);
                }
                let taken = self.at(address).map(|slot| self.lease(slot));
                let by_another = |lease: &Lease| lease.client != Some(claim.client);
                let is_held = |lease: &Lease| by_another(lease) && lease.state().is_held(claim.now);
                if taken.is_some_and(is_held) && !self.is_promised(claim, address) {
                    return Err(Refusal::Wrong);
                }
                // Ours since before a reload that drew the borders of its network anew.
                let is_ours = taken.is_some_and(|lease| !by_another(lease));
                if adopt || is_ours { Ok(None) } else { Err(Refusal::Unknown) }
            }
        }
    }

    /// The slot of an address that may be lent to the client.
    fn find_place(
        &mut self,
        claim: &Claim<'_>,
        address: Ipv4Addr,
        adopt: bool,
    ) -> Result<u32, Refusal> {
        if let Some(own) = self.check(claim, address, adopt)? {
            return Ok(own);
        }
        self.end_offer_of_another(claim, address);
        self.obtain(claim, address).ok_or(Refusal::Unknown)
    }

    /// Moves the client's own address to the ground that it belongs to now. `None` if the client
    /// has another one there.
    fn obtain_own(&mut self, claim: &Claim<'_>, address: Ipv4Addr) -> Option<u32> {
        let slot = self.obtain(claim, address)?;
        (self.lease(slot).client == Some(claim.client)).then_some(slot)
    }

    /// The client chose another server's offer: ours may go to somebody else.
    pub(super) fn withdraw(&mut self, client: ClientKey, network: &Network) {
        let Some(slot) = self.of_client(client, network.subnet) else { return };
        if matches!(self.lease(slot).state(), LeaseState::Offered { .. }) {
            self.transition_to(slot, LeaseState::Idle);
        }
    }

    /// The client gives `address` back.
    ///
    /// # Errors
    /// [`Discard::UnknownSession`] if it was not its own, [`Discard::Overload`] if too many changes
    /// wait to be stored.
    pub(super) fn release(
        &mut self,
        client: ClientKey,
        network: &Network,
        address: Ipv4Addr,
    ) -> Result<(), Discard> {
        let slot = self.of_client(client, network.subnet);
        let slot = slot.filter(|slot| self.lease(*slot).address == address);
        let slot = slot.ok_or(Discard::UnknownSession)?;
        if self.is_recorded(slot) && !self.note_change(slot) {
            return Err(Discard::Overload);
        }
        self.transition_to(slot, LeaseState::Idle);
        Ok(())
    }

    /// The client found `address` in use by another host.
    ///
    /// # Errors
    /// As [`Self::release`].
    ///
    /// The address rests for [`limits::DECLINE_HOLD`], unless so many rest already that a hostile
    /// client could empty the pool this way: then the one that has rested longest comes back.
    pub(super) fn decline(
        &mut self,
        client: ClientKey,
        network: &Network,
        address: Ipv4Addr,
        now: Instant,
    ) -> Result<(), Discard> {
        let slot = self.of_client(client, network.subnet);
        let slot = slot.filter(|slot| self.lease(*slot).address == address);
        self.let_rest(slot.ok_or(Discard::UnknownSession)?, network, now)
    }

    /// Gives the address in `slot` to nobody for a while.
    fn let_rest(&mut self, slot: u32, network: &Network, now: Instant) -> Result<(), Discard> {
        if !self.note_change(slot) {
            return Err(Discard::Overload);
        }
        self.forget_client(slot);
        self.transition_to(slot, LeaseState::Declined { until: now + limits::DECLINE_HOLD });
        let lease_ground = self.lease(slot).ground;
        let ground = self.grounds.at(lease_ground);
        let size = pool::size_of_pools(network, ground.terms);
        if u64::from(ground.declined_count) > size / DECLINED_SHARE + 1 {
            self.let_one_rest_no_more(lease_ground);
        }
        Ok(())
    }

    /// The address that rests for longest on a ground comes back, unless it is to rest for ever.
    fn let_one_rest_no_more(&mut self, ground: u16) {
        for _ in 0..DECLINED_LOOKS {
            let Some(oldest) = self.grounds.at(ground).declined.first() else { return };
            let state = self.lease(oldest).state();
            if state != (LeaseState::Declined { until: Instant::MAX }) {
                self.transition_to(oldest, LeaseState::Idle);
                return;
            }
            self.transition_to(oldest, state);
        }
    }

    /// What the client has on the network, held or not.
    pub(super) fn find(&self, client: ClientKey, subnet: Subnet) -> Option<&Lease> {
        Some(self.lease(self.of_client(client, subnet)?))
    }

    /// All addresses of which something is known.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(|lease| lease.ground != NO_GROUND)
    }

    /// A hash for a client that has no Ethernet address.
    pub(super) fn key_of(&self, identifier: &[u8]) -> ClientKey {
        let halves = [0u8, 1].map(|half| self.identifiers.hash(&(half, identifier)));
        let whole = u128::from(halves[0]) << 64 | u128::from(halves[1]);
        ClientKey::Other(whole.to_be_bytes())
    }

    /// The slot of `address` for the client, unless somebody else holds it or there is no room.
    fn obtain(&mut self, claim: &Claim<'_>, address: Ipv4Addr) -> Option<u32> {
        let terms = claim.terms_at(address);
        let ground = self.grounds.find_or_add_part(claim.network.subnet, terms)?;
        let Some(slot) = self.at(address) else { return self.add(ground, address, claim.now) };
        let lease = self.lease(slot);
        if lease.client != Some(claim.client) && lease.state().is_held(claim.now) {
            return None;
        }
        self.move_to(slot, ground);
        Some(slot)
    }

    /// Any address for a client that has none: one that nobody ever had, else the one that has
    /// rested longest.
    fn pick(&mut self, claim: &Claim<'_>) -> Option<u32> {
        claim.terms().find_map(|terms| self.pick_on(claim, terms))
    }

    fn pick_on(&mut self, claim: &Claim<'_>, terms: u16) -> Option<u32> {
        let ground = self.grounds.find_or_add_part(claim.network.subnet, terms)?;
        self.settle(ground, claim.now);
        let looks = self.grounds.at(ground).rests_until <= claim.now;
        let new =
            |table: &mut Self, steps| looks.then(|| table.pick_new(claim, ground, steps)).flatten();
        new(self, SWEEP_STEPS)
            .or_else(|| self.pick_idle(claim, ground))
            // Nobody may be refused while an address is left, however long the look for it takes.
            .or_else(|| new(self, SWEEP_STEPS_LAST))
            .or_else(|| {
                self.settle_all(ground, claim.now);
                self.pick_idle(claim, ground)
            })
    }

    /// Looks at the next addresses of the pools, at most `steps` of them.
    fn pick_new(&mut self, claim: &Claim<'_>, ground: u16, steps: u32) -> Option<u32> {
        let network = claim.network;
        let terms = self.grounds.at(ground).terms;
        let size = pool::size_of_pools(network, terms);
        let mut address = pool::next_in_pools(network, terms, self.grounds.at(ground).cursor)?;
        for _ in 0..steps {
            let swept = self.grounds.at(ground).swept;
            if swept >= size {
                let ground = self.grounds.at_mut(ground);
                ground.swept = 0;
                ground.rests_until = claim.now + SWEEP_PAUSE;
                return None;
            }
            let known = self.at(address);
            let found = known.is_none() && claim.is_free_on(terms, address);
            if let Some(slot) = known.filter(|slot| self.lease(*slot).ground != ground) {
                // It was given on other terms, or before a restart: here it will be found idle.
                self.move_to(slot, ground);
            }
            let next = pool::after_in_pools(network, terms, address)?;
            let place = self.grounds.at_mut(ground);
            place.cursor = next;
            place.swept = if found { 0 } else { swept + 1 };
            if found {
                return self.add(ground, address, claim.now);
            }
            address = next;
        }
        None
    }

    /// The address that has rested longest. Addresses that a reload took out of the pools, or
    /// reserved, are forgotten on the way, and those of pools with other terms go to their ground;
    /// each only once.
    fn pick_idle(&mut self, claim: &Claim<'_>, ground: u16) -> Option<u32> {
        let terms = self.grounds.at(ground).terms;
        while let Some(slot) = self.grounds.at(ground).idle.first() {
            let address = self.lease(slot).address;
            if claim.is_free_on(terms, address) {
                return Some(slot);
            }
            let (network, others) = (claim.network, claim.terms_at(address));
            let other = (others != terms)
                .then(|| self.grounds.find_or_add_part(network.subnet, others))
                .flatten();
            match other {
                Some(other) => self.move_to(slot, other),
                None => self.remove(slot),
            }
        }
        None
    }

    /// Lets holds that are over become idle, oldest first, a few at each call.
    fn settle(&mut self, ground: u16, now: Instant) {
        for _ in 0..SETTLE_STEPS {
            let Ground { offered, bound, declined, .. } = *self.grounds.at(ground);
            let over = [offered, bound, declined]
                .into_iter()
                .filter_map(|list| list.first())
                .find(|slot| !self.lease(*slot).state().is_held(now));
            match over {
                Some(slot) => self.transition_to(slot, LeaseState::Idle),
                None => return,
            }
        }
    }

    /// Lets all leases become idle that have ended behind one that runs on: leases end in their
    /// order, unless a reload made them shorter or a server took them up in another one.
    fn settle_all(&mut self, ground: u16, now: Instant) {
        let place = self.grounds.at_mut(ground);
        if place.runs_until > now {
            return;
        }
        place.runs_until = now + SETTLE_PAUSE;
        let mut first_that_runs = None;
        for _ in 0..SWEEP_STEPS_LAST {
            let Some(slot) = self.grounds.at(ground).bound.first() else { return };
            if first_that_runs == Some(slot) {
                return;
            }
            let state = self.lease(slot).state();
            if state.is_held(now) {
                // Behind the others, so that the next look begins where this one ends.
                self.transition_to(slot, state);
                first_that_runs = first_that_runs.or(Some(slot));
            } else {
                self.transition_to(slot, LeaseState::Idle);
            }
        }
    }

    /// Makes the client the holder of `slot`, and takes from it what it had before. Tells whether
    /// there was room to note that for the store.
    fn hand_over(&mut self, slot: u32, claim: &Claim<'_>) -> bool {
        if self.lease(slot).client == Some(claim.client) {
            return true;
        }
        if let Some(before) = self.of_client(claim.client, claim.network.subnet)
            && !self.retire(before)
        {
            return false;
        }
        self.forget_client(slot);
        self.leases[slot as usize].client = Some(claim.client);
        let hash = self.client_hash(claim.client, self.lease(slot).ground);
        self.by_client.insert(hash, slot);
        true
    }

    fn forget_client(&mut self, slot: u32) {
        let lease = *self.lease(slot);
        if let Some(client) = lease.client {
            self.by_client.remove(self.client_hash(client, lease.ground), slot);
            self.leases[slot as usize].client = None;
        }
    }

    /// Moves a lease to the end of the list that its new state is kept in.
    fn transition_to(&mut self, slot: u32, state: LeaseState) {
        let lease = &mut self.leases[slot as usize];
        let ground = self.grounds.at_mut(lease.ground);
        ground.unlink(&mut self.links, lease.state(), slot);
        lease.set_state(state);
        ground.link(&mut self.links, state, slot);
    }

    /// Moves a lease to another ground: a reload drew the borders of its network anew.
    fn move_to(&mut self, slot: u32, ground: u16) {
        let lease = *self.lease(slot);
        if lease.ground == ground {
            return;
        }
        self.forget_client(slot);
        self.grounds.at_mut(lease.ground).unlink(&mut self.links, lease.state(), slot);
        self.leases[slot as usize].ground = ground;
        self.grounds.at_mut(ground).link(&mut self.links, lease.state(), slot);
        if let Some(client) = lease.client
            && self.on_ground(client, ground).is_none()
        {
            self.leases[slot as usize].client = Some(client);
            self.by_client.insert(self.client_hash(client, ground), slot);
        }
    }

    fn add(&mut self, ground: u16, address: Ipv4Addr, now: Instant) -> Option<u32> {
        let slot = self.vacant_slot(ground, now)?;
        let (hold, until) = (Hold::Idle, Instant::ZERO);
        let lease = Lease { address, client: None, hold, until, ground };
        match self.leases.get_mut(slot as usize) {
            Some(place) => *place = lease,
            None => self.leases.push(lease),
        }
        self.by_address.insert(self.hash.hash(&address), slot);
        self.grounds.at_mut(ground).link(&mut self.links, LeaseState::Idle, slot);
        Some(slot)
    }

    fn remove(&mut self, slot: u32) {
        self.forget_client(slot);
        let lease = *self.lease(slot);
        self.by_address.remove(self.hash.hash(&lease.address), slot);
        self.grounds.at_mut(lease.ground).unlink(&mut self.links, lease.state(), slot);
        self.leases[slot as usize].ground = NO_GROUND;
        self.free.push(slot);
    }

    /// A slot for a lease: never used, given up, or taken from the idle address that has rested
    /// longest here, else elsewhere.
    fn vacant_slot(&mut self, ground: u16, now: Instant) -> Option<u32> {
        let used = u32::try_from(self.leases.len()).unwrap_or(u32::MAX);
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if used < self.capacity {
            return Some(used);
        }
        let victim = self.grounds.at(ground).idle.first().or_else(|| {
            (0..self.grounds.len()).find_map(|ground| {
                self.settle(ground, now);
                self.grounds.at(ground).idle.first()
            })
        })?;
        self.remove(victim);
        self.free.pop()
    }

    fn lease(&self, slot: u32) -> &Lease {
        let lease = &self.leases[slot as usize];
        assert!(lease.ground != NO_GROUND, "a slot in use has a ground");
        lease
    }

    fn at(&self, address: Ipv4Addr) -> Option<u32> {
        let hash = self.hash.hash(&address);
        self.by_address.find(hash, |slot| self.leases[slot as usize].address == address)
    }

    fn of_client(&self, client: ClientKey, subnet: Subnet) -> Option<u32> {
        self.on_ground(client, self.grounds.find(subnet)?)
    }

    fn on_ground(&self, client: ClientKey, ground: u16) -> Option<u32> {
        let home = self.grounds.home(ground);
        self.by_client.find(self.client_hash(client, home), |slot| {
            let lease = &self.leases[slot as usize];
            lease.client == Some(client) && self.grounds.home(lease.ground) == home
        })
    }

    fn client_hash(&self, client: ClientKey, ground: u16) -> u64 {
        self.hash.hash(&Place { client, ground: self.grounds.home(ground) })
    }
}

/// What the leases of clients are found by. Not as it is derived: most clients have a MAC address,
/// and then one word is all there is to hash.
struct Place {
    client: ClientKey,
    ground: u16,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ground = u64::from(self.ground) << 48;
        match self.client {
            ClientKey::Mac(mac) => state.write_u64(ground | mac.to_bits()),
            ClientKey::Other(digest) => {
                state.write_u128(u128::from_be_bytes(digest));
                state.write_u64(ground);
            }
        }
    }
}

/// The ground of a slot that holds no lease.
const NO_GROUND: u16 = u16::MAX;

/// Addresses looked at for one that nobody ever had, before an idle one is taken.
const SWEEP_STEPS: u32 = 256;

/// The same if there is no idle one.
const SWEEP_STEPS_LAST: u32 = 65_536;

/// How long not to look again after all pools were looked through: a reload may add to them.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);

/// Leases that may end in the course of one call; more end at the next.
const SETTLE_STEPS: u32 = 64;

/// How long not to look again after all leases that run were looked through.
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// At most one in so many addresses of the pools rests because it was declined.
const DECLINED_SHARE: u64 = 8;

/// Addresses looked at for one that need not rest for ever.
const DECLINED_LOOKS: u32 = 64;

mod durable;
mod scarce;
#[cfg(test)]
mod tests;

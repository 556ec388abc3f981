//! Which addresses may be given, and to whom.

use core::net::{IpAddr, Ipv4Addr};

use super::lease::ClientKey;
use super::policy::Policy;
use crate::time::Instant;
use crate::view::{ClassSet, MachineId, Network, Pool, View};

/// Who asks for an address, where and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'v> {
    pub(super) view: &'v View,
    pub(super) network: &'v Network,
    pub(super) client: ClientKey,
    /// The machine that the request itself names; later stages of its boot may not name it.
    pub(super) machine: Option<MachineId>,
    pub(super) classes: ClassSet,
    /// Whether its firmware uses what it is offered and never asks for it.
    pub(super) is_silent: bool,
    pub(super) now: Instant,
}

impl<'v> Claim<'v> {
    /// What the configuration says to the client if it has `address`.
    pub(super) fn policy(&self, address: Ipv4Addr) -> Policy<'v> {
        let machine = self.machine.and_then(|id| self.view.machines.get(id));
        Policy::new(self.view, self.network, machine, self.classes, Some(address))
    }

    /// The address reserved for the machine, if it lies in this network.
    pub(super) fn reserved(&self) -> Option<Ipv4Addr> {
        let machine = self.view.machines.get(self.machine?)?;
        let address = machine.address_in(self.network.subnet)?;
        is_host(self.view, self.network, address).then_some(address)
    }

    /// Whether the client may have `address` as far as policy goes, whoever has it now.
    pub(super) fn may_have(&self, address: Ipv4Addr) -> bool {
        match self.view.machines.reserved(address) {
            Some(machine) => {
                self.machine == Some(machine) && is_host(self.view, self.network, address)
            }
            None => self.is_pooled(address),
        }
    }

    /// Whether the client may keep `address`, which it was given before.
    ///
    /// A machine that is known by its UUID does not tell it in every stage of its boot, but it
    /// keeps its MAC address, and with it the lease.
    pub(super) fn may_keep(&self, address: Ipv4Addr) -> bool {
        let reserved = self.view.machines.reserved(address).is_some();
        match (reserved, self.machine) {
            (true, None) => is_host(self.view, self.network, address),
            (true, Some(_)) | (false, _) => self.may_have(address),
        }
    }

    /// The terms of the pools that the client may have addresses of: those of its classes before
    /// those for everybody, in the order of their configuration.
    pub(super) fn terms(&self) -> impl Iterator<Item = u16> + use<> {
        let count = u16::try_from(self.network.terms.len().max(1)).unwrap_or(u16::MAX);
        let class = |terms: u16| self.network.terms.get(usize::from(terms))?.class;
        let mut own = [0_u64; TERMS_MAX / 64];
        let mut open = own;
        for terms in (0..count).take(TERMS_MAX) {
            let word = usize::from(terms / 64);
            match class(terms) {
                Some(class) if self.classes.contains(class) => own[word] |= 1 << (terms % 64),
                Some(_) => {}
                None => open[word] |= 1 << (terms % 64),
            }
        }
        let members = |set: [u64; TERMS_MAX / 64]| {
            (0..count)
                .take(TERMS_MAX)
                .filter(move |terms| set[usize::from(terms / 64)] & 1 << (terms % 64) != 0)
        };
        members(own).chain(members(open))
    }

    /// The terms that `address` is given on: those of its pool, else the plain ones.
    pub(super) fn terms_at(&self, address: Ipv4Addr) -> u16 {
        self.network.pool_of(address).map_or(0, |pool| pool.terms)
    }

    /// Whether `address` is one that anybody may be given who may have addresses on `terms`.
    pub(super) fn is_free_on(&self, terms: u16, address: Ipv4Addr) -> bool {
        self.network.pool_of(address).is_some_and(|pool| pool.terms == terms)
            && is_host(self.view, self.network, address)
            && self.view.machines.reserved(address).is_none()
    }

    fn is_pooled(&self, address: Ipv4Addr) -> bool {
        let admits = |pool: &Pool| {
            let class = self.network.terms_of(pool).and_then(|terms| terms.class);
            class.is_none_or(|class| self.classes.contains(class))
        };
        self.network.pool_of(address).is_some_and(admits)
            && is_host(self.view, self.network, address)
    }
}

/// Whether `address` is one that a client of `network` could have: inside, not the network's or
/// the broadcast address, not a router's and not ours.
pub(super) fn is_host(view: &View, network: &Network, address: Ipv4Addr) -> bool {
    let subnet = network.subnet;
    // With 31 or 32 bits of prefix every address is a host's (RFC 3021).
    let special = subnet.prefix_len < 31
        && (address == subnet.broadcast()
            || address.to_bits() == subnet.address.to_bits() & subnet.mask().to_bits());
    subnet.contains(address)
        && !special
        && address != network.server
        && !network.routers.contains(&address)
        && !view.is_own_address(IpAddr::V4(address))
}

/// The first address at or after `cursor` that lies in a pool of these terms; wraps around. `None`
/// without any such pool.
pub(super) fn next_in_pools(network: &Network, terms: u16, cursor: Ipv4Addr) -> Option<Ipv4Addr> {
    let pools = &network.pools;
    let at = pools.partition_point(|pool| pool.last < cursor);
    let mut all = pools[at..].iter().chain(pools);
    all.find(|pool| pool.terms == terms).map(|pool| {
        // The pool that the cursor lies in goes on behind it; any other begins anew.
        if pool.contains(cursor) { cursor } else { pool.first }
    })
}

/// The address to look at after `address`, which lies in a pool of these terms.
pub(super) fn after_in_pools(network: &Network, terms: u16, address: Ipv4Addr) -> Option<Ipv4Addr> {
    next_in_pools(network, terms, Ipv4Addr::from_bits(address.to_bits().wrapping_add(1)))
}

/// The addresses on these terms, each of which a search may look at.
pub(super) fn size_of_pools(network: &Network, terms: u16) -> u64 {
    network.pools.iter().filter(|pool| pool.terms == terms).map(|pool| pool.size()).sum()
}

/// Most terms of one network that addresses are looked for on.
pub(super) const TERMS_MAX: usize = 256;

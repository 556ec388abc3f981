//! Which addresses may be given, and to whom.

use core::net::{IpAddr, Ipv4Addr};

use super::lease::ClientKey;
use crate::time::Instant;
use crate::view::{MachineId, Network, View};

/// Who asks for an address, where and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'v> {
    pub(super) view: &'v View,
    pub(super) network: &'v Network,
    pub(super) client: ClientKey,
    /// The machine that the request itself names; later stages of its boot may not name it.
    pub(super) machine: Option<MachineId>,
    pub(super) now: Instant,
}

impl Claim<'_> {
    /// The address reserved for the machine, if it lies in this network.
    pub(super) fn reserved(&self) -> Option<Ipv4Addr> {
        let address = self.view.machines.get(self.machine?)?.address?;
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

    /// Whether `address` is one that anybody may be given.
    pub(super) fn is_free_for_all(&self, address: Ipv4Addr) -> bool {
        self.is_pooled(address) && self.view.machines.reserved(address).is_none()
    }

    fn is_pooled(&self, address: Ipv4Addr) -> bool {
        self.network.pools.iter().any(|pool| pool.contains(address))
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

/// The first address at or after `cursor` that lies in a pool, in the order of the pools; wraps
/// around. `None` without any pool.
pub(super) fn next_in_pools(network: &Network, cursor: Ipv4Addr) -> Option<Ipv4Addr> {
    let inside = network.pools.iter().find(|pool| pool.contains(cursor));
    inside.map(|_| cursor).or_else(|| network.pools.first().map(|pool| pool.first))
}

/// The address to look at after `address`, which lies in a pool.
pub(super) fn after_in_pools(network: &Network, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let at = network.pools.iter().position(|pool| pool.contains(address))?;
    if address < network.pools[at].last {
        return Some(Ipv4Addr::from_bits(address.to_bits() + 1));
    }
    let next = network.pools.get(at + 1).or_else(|| network.pools.first())?;
    Some(next.first)
}

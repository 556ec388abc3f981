//! The networks of a site, found by address, relay agent and interface without looking through
//! all of them.

use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::{Deref, DerefMut};

use super::{Network, NetworkId, Subnet};
use crate::engine::InterfaceId;

/// The IPv4 networks of a site, in the order of their configuration, with an index of what
/// messages are placed by. Reads like a slice; changes go through [`Networks::edit`].
#[derive(Clone, Default)]
pub struct Networks {
    list: Vec<Network>,
    index: Index,
}

impl Networks {
    /// Adds a network.
    pub fn push(&mut self, network: Network) {
        self.edit().push(network);
    }

    /// The list, to be changed; the index follows when the guard goes.
    pub fn edit(&mut self) -> Edit<'_> {
        Edit { networks: self }
    }

    /// The network.
    pub fn find(&self, id: NetworkId) -> Option<&Network> {
        self.list.get(usize::from(id.0))
    }

    /// The networks that contain `address`, the narrowest first.
    pub fn containing(&self, address: Ipv4Addr) -> impl Iterator<Item = (NetworkId, &Network)> {
        self.with_ids(self.index.subnets.containing(address))
    }

    /// The networks behind the relay agent `giaddr`: those that name it most narrowly first.
    pub fn behind(&self, giaddr: Ipv4Addr) -> impl Iterator<Item = (NetworkId, &Network)> {
        self.with_ids(self.index.relays.containing(giaddr))
    }

    /// The networks attached directly to `interface`, in the order of their configuration.
    pub fn attached(
        &self,
        interface: InterfaceId,
    ) -> impl Iterator<Item = (NetworkId, &Network)> + Clone {
        let entries = &self.index.interfaces;
        let first = entries.partition_point(|(known, _)| *known < interface);
        let same = entries[first..].iter().take_while(move |(known, _)| *known == interface);
        self.with_ids(same.map(|(_, id)| *id))
    }

    /// The networks on the same link as `id`, itself included, in the order of their
    /// configuration.
    pub fn on_link_of(&self, id: NetworkId) -> impl Iterator<Item = (NetworkId, &Network)> + Clone {
        let at = usize::from(id.0);
        let (first, last) = self.index.links.get(at).copied().unwrap_or_default();
        self.with_ids(self.index.members[first as usize..last as usize].iter().copied())
    }

    /// Whether a network has `address` for our own.
    pub fn is_own_address(&self, address: Ipv4Addr) -> bool {
        self.index.own.binary_search(&address).is_ok()
    }

    /// Whether `address` is the directed broadcast address of a network.
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.containing(address).any(|(_, network)| {
            // Networks of one or two addresses have no broadcast (RFC 3021).
            network.subnet.prefix_len < 31 && network.subnet.broadcast() == address
        })
    }

    fn with_ids<I: Iterator<Item = NetworkId>>(&self, ids: I) -> WithIds<'_, I> {
        WithIds { list: &self.list, ids }
    }
}

impl Deref for Networks {
    type Target = [Network];

    fn deref(&self) -> &[Network] {
        &self.list
    }
}

impl From<Vec<Network>> for Networks {
    fn from(list: Vec<Network>) -> Self {
        let mut networks = Self { list, index: Index::default() };
        networks.index = Index::of(&mut networks.list);
        networks
    }
}

impl<const N: usize> From<[Network; N]> for Networks {
    fn from(list: [Network; N]) -> Self {
        Self::from(Vec::from(list))
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self::from(networks.into_iter().collect::<Vec<_>>())
    }
}

impl<'n> IntoIterator for &'n Networks {
    type Item = &'n Network;
    type IntoIter = core::slice::Iter<'n, Network>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

/// Networks while they change.
#[derive(Debug)]
pub struct Edit<'n> {
    networks: &'n mut Networks,
}

impl Deref for Edit<'_> {
    type Target = Vec<Network>;

    fn deref(&self) -> &Vec<Network> {
        &self.networks.list
    }
}

impl DerefMut for Edit<'_> {
    fn deref_mut(&mut self) -> &mut Vec<Network> {
        &mut self.networks.list
    }
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        self.networks.index = Index::of(&mut self.networks.list);
    }
}

/// Networks by their ids.
#[derive(Clone)]
struct WithIds<'n, I> {
    list: &'n [Network],
    ids: I,
}

impl<'n, I: Iterator<Item = NetworkId>> Iterator for WithIds<'n, I> {
    type Item = (NetworkId, &'n Network);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.ids.next()?;
        Some((id, &self.list[usize::from(id.0)]))
    }
}

/// What networks are found by. Every list is sorted by what it is searched for.
#[derive(Clone, Default)]
struct Index {
    own: Vec<Ipv4Addr>,
    subnets: Prefixes,
    relays: Prefixes,
    interfaces: Vec<(InterfaceId, NetworkId)>,
    /// Networks, those of one link side by side.
    members: Vec<NetworkId>,
    /// For each network where the members of its link begin and end.
    links: Vec<(u32, u32)>,
}

impl Index {
    /// The index of `list`, whose pools it puts in the order of their addresses.
    fn of(list: &mut [Network]) -> Self {
        for network in &mut *list {
            network.pools.sort_unstable_by_key(|pool| pool.first);
        }
        let ids = || (0..=u16::MAX).map(NetworkId).zip(&*list);
        let mut own: Vec<Ipv4Addr> = list.iter().map(|network| network.server).collect();
        own.sort_unstable();
        own.dedup();
        let attached = ids().filter(|(_, network)| network.relays.is_empty());
        let mut interfaces: Vec<_> =
            attached.map(|(id, network)| (network.interface, id)).collect();
        interfaces.sort_unstable();
        let relays = ids().flat_map(|(id, network)| network.relays.iter().map(move |r| (*r, id)));
        // Networks without a link of many are alone on theirs, behind all others.
        let mut members: Vec<NetworkId> = ids().map(|(id, _)| id).collect();
        let link = |id: &NetworkId| list[usize::from(id.0)].shared;
        members.sort_by_key(|id| (link(id).is_none(), link(id), *id));
        let mut links = alloc::vec![(0, 0); members.len()];
        let mut first = 0;
        for run in members.chunk_by(|a, b| link(a).is_some() && link(a) == link(b)) {
            let last = first + run.len() as u32;
            for id in run {
                links[usize::from(id.0)] = (first, last);
            }
            first = last;
        }
        Self {
            own,
            subnets: Prefixes::of(ids().map(|(id, network)| (network.subnet, id))),
            relays: Prefixes::of(relays),
            interfaces,
            members,
            links,
        }
    }
}

/// Prefixes and the networks that they lead to. Two prefixes are apart, or one contains the other.
#[derive(Clone, Default)]
struct Prefixes(Vec<Prefix>);

#[derive(Clone, Copy)]
struct Prefix {
    first: u32,
    last: u32,
    /// The largest `last` of this entry and all before: where to end a search.
    reach: u32,
    id: NetworkId,
}

impl Prefixes {
    fn of(prefixes: impl Iterator<Item = (Subnet, NetworkId)>) -> Self {
        let mut list: Vec<Prefix> = prefixes
            .map(|(subnet, id)| {
                let last = subnet.broadcast().to_bits();
                Prefix { first: subnet.first().to_bits(), last, reach: 0, id }
            })
            .collect();
        // Wide ones before the narrow ones in them; of equals the first configured comes last,
        // since searches run backwards.
        list.sort_by_key(|entry| (entry.first, core::cmp::Reverse((entry.last, entry.id))));
        let mut reach = 0;
        for entry in &mut list {
            reach = reach.max(entry.last);
            entry.reach = reach;
        }
        Self(list)
    }

    /// The networks of the prefixes that contain `address`, the narrowest first.
    fn containing(&self, address: Ipv4Addr) -> impl Iterator<Item = NetworkId> + Clone + use<'_> {
        let bits = address.to_bits();
        let end = self.0.partition_point(|entry| entry.first <= bits);
        let before = self.0[..end].iter().rev();
        // Prefixes that are apart end this after one step.
        before
            .take_while(move |entry| entry.reach >= bits)
            .filter(move |entry| entry.last >= bits)
            .map(|entry| entry.id)
    }
}

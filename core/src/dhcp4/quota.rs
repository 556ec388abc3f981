//! Open offers by the port that they go to, so that whoever makes up clients at one port takes
//! addresses from that port only.
//!
//! A port is a relay agent with the circuit it names (option 82). An offer that is taken back stays
//! its client's until somebody else needs the address, so where there is room nobody is hurt.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::lease::ClientKey;
use super::request::Request;
use crate::hash::KeyedHash;
use crate::limits;
use crate::rng::Rng;
use crate::table::index::ChainIndex;
use crate::table::links::{Links, List};
use crate::time::Instant;
use crate::view::Network;

/// A hash of a relay agent and its circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortKey(u64);

/// An offer that nobody asked for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenOffer {
    pub(super) address: Ipv4Addr,
    pub(super) client: ClientKey,
}

/// The open offers of all ports.
#[derive(Debug)]
pub(super) struct PortOffers {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_address: ChainIndex,
    /// All entries, oldest first.
    order: List,
    order_links: Links,
    ports: Vec<Port>,
    free_ports: Vec<u32>,
    by_port: ChainIndex,
    port_links: Links,
    hash: KeyedHash,
    capacity: u32,
    taken_back: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offer: OpenOffer,
    made: Instant,
    port: u32,
}

/// A port with one open offer at least.
#[derive(Clone, Copy, Debug)]
struct Port {
    key: PortKey,
    /// Its offers, oldest first.
    offers: List,
    count: u32,
}

impl PortOffers {
    /// Room for `capacity` offers; more take the place of the oldest.
    pub(super) fn new(capacity: u32, rng: &mut Rng) -> Self {
        assert!(capacity > 0, "an offer is remembered for as long as there is room");
        Self {
            entries: Vec::with_capacity(capacity as usize),
            free: Vec::with_capacity(capacity as usize),
            by_address: ChainIndex::new(capacity),
            order: List::EMPTY,
            order_links: Links::new(capacity),
            ports: Vec::with_capacity(capacity as usize),
            free_ports: Vec::with_capacity(capacity as usize),
            by_port: ChainIndex::new(capacity),
            port_links: Links::new(capacity),
            hash: KeyedHash::new(rng),
            capacity,
            taken_back: 0,
        }
    }

    /// Offers that were taken back because their port had too many.
    pub(super) const fn taken_back(&self) -> u64 {
        self.taken_back
    }

    /// The port of a client; `None` where neither relay agent nor switch tells it.
    pub(super) fn port_of(&self, request: &Request<'_>) -> Option<PortKey> {
        let circuit = request.options.relay_agent?.circuit_id()?;
        Some(PortKey(self.hash.hash(&(request.header.giaddr(), circuit))))
    }

    /// An address was offered to a client at `port`, which may have `limit` open offers: gives the
    /// one to be taken back, if there are more.
    pub(super) fn handle_offer(
        &mut self,
        port: PortKey,
        offer: OpenOffer,
        limit: u32,
        now: Instant,
    ) -> Option<OpenOffer> {
        self.handle_end(offer.address);
        self.settle(now);
        if self.free.is_empty() && self.entries.len() == self.capacity as usize {
            let oldest = self.order.first();
            self.remove(oldest.expect("a full table has an oldest entry"));
        }
        let at = self.find_or_add_port(port);
        let entry = Entry { offer, made: now, port: at };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_address.insert(self.hash.hash(&offer.address), slot);
        self.order_links.push_last(&mut self.order, slot);
        let port = &mut self.ports[at as usize];
        self.port_links.push_last(&mut port.offers, slot);
        port.count += 1;
        if port.count <= limit.max(1) {
            return None;
        }
        let oldest = port.offers.first()?;
        let taken = self.entries[oldest as usize].offer;
        self.remove(oldest);
        self.taken_back += 1;
        Some(taken)
    }

    /// `address` is not on offer any more.
    pub(super) fn handle_end(&mut self, address: Ipv4Addr) {
        let hash = self.hash.hash(&address);
        let is = |slot: u32| self.entries[slot as usize].offer.address == address;
        if let Some(slot) = self.by_address.find(hash, is) {
            self.remove(slot);
        }
    }

    /// Forgets offers that have ended, a few at each call.
    fn settle(&mut self, now: Instant) {
        for _ in 0..SETTLE_STEPS {
            let Some(oldest) = self.order.first() else { return };
            if now - self.entries[oldest as usize].made < limits::OFFER_HOLD {
                return;
            }
            self.remove(oldest);
        }
    }

    fn find_or_add_port(&mut self, key: PortKey) -> u32 {
        let is = |at: u32| self.ports[at as usize].key == key;
        if let Some(at) = self.by_port.find(key.0, is) {
            return at;
        }
        let port = Port { key, offers: List::EMPTY, count: 0 };
        let at = match self.free_ports.pop() {
            Some(at) => {
                self.ports[at as usize] = port;
                at
            }
            None => {
                self.ports.push(port);
                u32::try_from(self.ports.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_port.insert(key.0, at);
        at
    }

    fn remove(&mut self, slot: u32) {
        let Entry { offer, port: at, .. } = self.entries[slot as usize];
        self.by_address.remove(self.hash.hash(&offer.address), slot);
        self.order_links.remove(&mut self.order, slot);
        self.free.push(slot);
        let port = &mut self.ports[at as usize];
        self.port_links.remove(&mut port.offers, slot);
        assert!(port.count > 0, "an offer was counted at its port");
        port.count -= 1;
        if port.count == 0 {
            self.by_port.remove(port.key.0, at);
            self.free_ports.push(at);
        }
    }
}

/// Open offers that one port of a network may have.
pub(super) fn limit_of(network: &Network) -> u32 {
    network.offers_per_port.unwrap_or_else(|| {
        let share = network.pools_size() / limits::PORT_OFFERS_SHARE;
        u32::try_from(share.max(limits::PORT_OFFERS_MIN)).unwrap_or(u32::MAX)
    })
}

/// Offers that may be forgotten in the course of one call.
const SETTLE_STEPS: u32 = 16;

#[cfg(test)]
mod tests;

//! What protects pools and their clients: conflict checks, foreign servers, quotas of open offers,
//! and a word in time about pools that run out.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::conflict::{Conflict, Prober};
use super::decide::Answer;
use super::desk::Desk;
use super::foreign::{self, ForeignServers, Sighting};
use super::lease::{LeaseState, LeaseTable};
use super::pool::Claim;
use super::quota::{self, OpenOffer, PortOffers};
use super::request::{Place, Request};
use super::usage::PoolLevels;
use crate::engine::{Discard, Frame, Transmit};
use crate::event::{Client, Event, EventKind};
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;
use crate::view::{DhcpMode, Network, View};

/// What is watched beside the leases.
#[derive(Debug)]
pub(super) struct Guard {
    prober: Prober,
    foreign: ForeignServers,
    ports: PortOffers,
    levels: PoolLevels,
    conflicts: u64,
    second: Instant,
    refusals_told: u32,
    /// Whether so many messages wait that nothing but they should be sent.
    is_busy: bool,
}

/// What was noticed beside the service, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts {
    /// Addresses that other hosts were found to use.
    pub conflicts: u64,
    /// Messages that showed another DHCP server at work.
    pub foreign_sightings: u64,
    /// Open offers that were taken back, because their port had too many.
    pub offers_taken_back: u64,
}

impl Guard {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            prober: Prober::new(rng),
            foreign: ForeignServers::new(),
            ports: PortOffers::new(limits::PORT_OFFERS_MAX, rng),
            levels: PoolLevels::new(rng),
            conflicts: 0,
            second: Instant::ZERO,
            refusals_told: 0,
            is_busy: false,
        }
    }

    /// Takes note of how many messages wait for their answer.
    pub(super) const fn set_waiting(&mut self, messages: u32) {
        self.is_busy = messages > limits::CONFLICT_PENDING_MAX;
    }

    /// Whether to tell of one more client that no address was left for. That the pool is empty was
    /// told for all; who makes up clients is not to fill the log with them.
    pub(super) fn may_tell_refusal(&mut self, now: Instant) -> bool {
        if now - self.second >= Duration::from_secs(1) {
            self.second = now;
            self.refusals_told = 0;
        }
        self.refusals_told += 1;
        self.refusals_told <= limits::REFUSALS_TOLD_PER_SECOND
    }

    pub(super) const fn counts(&self) -> GuardCounts {
        GuardCounts {
            conflicts: self.conflicts,
            foreign_sightings: self.foreign.sightings(),
            offers_taken_back: self.ports.taken_back(),
        }
    }
}

/// What a client is promised for which no network on its link has an address left.
pub(super) fn promise_on_link<'v>(
    leases: &mut LeaseTable,
    claim: &Claim<'v>,
    place: Place<'v>,
) -> Option<(&'v Network, Ipv4Addr)> {
    let mut on = |network| Some((network, leases.promise(&Claim { network, ..*claim })?));
    on(place.network).or_else(|| {
        let shared = place.network.shared.filter(|_| !place.chosen);
        let mut others = shared.into_iter().flat_map(|_| claim.view.networks.on_link_of(place.id));
        others.find_map(|(_, network)| {
            let serves = network.mode == DhcpMode::Server && network.subnet != place.network.subnet;
            if serves { on(network) } else { None }
        })
    })
}

impl Desk {
    /// Takes note of what a client of a network that we serve was answered.
    pub(super) fn guard_answer(
        &mut self,
        request: &Request<'_>,
        network: &Network,
        answer: Answer,
        now: Instant,
    ) {
        match answer {
            Answer::Offer(address) => self.guard_offer(request, network, address, now),
            Answer::Ack(address, _) => self.guard.ports.handle_end(address),
            Answer::NoAddress => {}
            Answer::Later(..)
            | Answer::Again
            | Answer::Inform
            | Answer::Nak(_)
            | Answer::ProxyOffer
            | Answer::BootAck
            | Answer::Silence => return,
        }
        let counts = self.leases.counts(network);
        let size = network.pools_size();
        if let Some(usage) = self.guard.levels.handle_counts(network.subnet, size, counts, now) {
            self.tell_of_site(EventKind::Pool(usage), now);
        }
    }

    fn guard_offer(
        &mut self,
        request: &Request<'_>,
        network: &Network,
        address: Ipv4Addr,
        now: Instant,
    ) {
        let Some(client) = self.client_key(request) else { return };
        // An address that is promised to several is held for none of them.
        let lease = self.leases.find(client, network.subnet);
        let is_new = lease.is_some_and(|lease| {
            lease.address == address && matches!(lease.state(), LeaseState::Offered { .. })
        });
        if !is_new {
            return;
        }
        if !self.guard.is_busy {
            self.guard.prober.handle_offer(address, request.client.mac, network, now);
        }
        // What firmware uses without asking is not to be taken back.
        if request.is_silent() {
            return;
        }
        let Some(port) = self.guard.ports.port_of(request) else { return };
        let limit = quota::limit_of(network);
        let offer = OpenOffer { address, client };
        if let Some(OpenOffer { address, client }) =
            self.guard.ports.handle_offer(port, offer, limit, now)
        {
            self.leases.take_back_offer(address, client);
        }
    }

    /// The next question whether an address is in use.
    pub(super) fn poll_probe(
        &mut self,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Option<Transmit> {
        self.guard.prober.poll_output(head, now, view)
    }

    /// Hears an ARP packet.
    ///
    /// # Errors
    /// [`Discard::Malformed`]; [`Discard::NotForServer`] for what tells nothing about an address
    /// that is offered.
    pub(super) fn handle_arp(
        &mut self,
        frame: &Frame<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let conflict = self.guard.prober.handle_arp(frame, now, view)?;
        self.handle_conflict(conflict, now, view)
    }

    /// Hears a packet by the socket for echoes.
    ///
    /// # Errors
    /// As [`Desk::handle_arp`].
    pub(super) fn handle_echo(
        &mut self,
        packet: &[u8],
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let conflict = self.guard.prober.handle_echo(packet, now)?;
        self.handle_conflict(conflict, now, view)
    }

    fn handle_conflict(
        &mut self,
        conflict: Conflict,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let Conflict { address, station, client } = conflict;
        let mut containing = view.networks.containing(address).map(|(_, network)| network);
        let network = containing.find(|network| network.mode == DhcpMode::Server);
        let network = network.ok_or(Discard::UnknownNetwork)?;
        // Who answers an echo is not seen: once the client has the address it is the client.
        let is_seen = station.is_some();
        self.leases.poison(address, network, is_seen, now)?;
        self.guard.ports.handle_end(address);
        self.guard.conflicts += 1;
        let client = Client { mac: client, address: None };
        let kind = EventKind::AddressInUse { address, station };
        self.events.push(Event { at: now, client, kind });
        Ok(())
    }

    /// Hears what a DHCP server sends to clients on the link.
    ///
    /// # Errors
    /// [`Discard::Malformed`]; [`Discard::NotForServer`] for anything but a reply;
    /// [`Discard::BadSource`] for our own; [`Discard::UnknownNetwork`].
    pub(super) fn handle_server_frame(
        &mut self,
        frame: &Frame<'_>,
        scratch: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let server = foreign::server_of(frame.packet, scratch)?;
        if frame.outgoing || view.is_own_address(IpAddr::V4(server)) {
            return Err(Discard::BadSource);
        }
        let network = view.attached_network(frame.interface).ok_or(Discard::UnknownNetwork)?.1;
        let sighting = Sighting { server, station: Some(frame.source), interface: frame.interface };
        self.note_server(&sighting, network, now, view);
        Ok(())
    }

    /// A client chose another server's offer.
    pub(super) fn note_choice(
        &mut self,
        request: &Request<'_>,
        network: &Network,
        now: Instant,
        view: &View,
    ) {
        let Some(server) = request.options.server_id else { return };
        let interface = request.received.interface;
        if !view.is_own_address(IpAddr::V4(server)) && !server.is_unspecified() {
            self.note_server(&Sighting { server, station: None, interface }, network, now, view);
        }
    }

    fn note_server(&mut self, sighting: &Sighting, network: &Network, now: Instant, view: &View) {
        if let Some(found) = self.guard.foreign.handle_sighting(sighting, network, now, view) {
            self.tell_of_site(EventKind::ForeignServer(found), now);
        }
    }

    /// Tells what is no client's business.
    fn tell_of_site(&mut self, kind: EventKind, now: Instant) {
        self.events.push(Event { at: now, client: Client::default(), kind });
    }
}

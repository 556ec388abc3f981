//! Whether somebody else uses an address that is offered: asked beside the offer, which waits for
//! nothing (RFC 2131 §3.1 step 2, §4.4.1).
//!
//! On a link of ours by an ARP probe (RFC 5227 §2.1.1), behind relay agents by an echo request. An
//! answer in time makes the address rest. Probes come last: when others wait for their answers, or
//! too many were sent already, they are left out.
//!
//! A station that answers for everybody (proxy ARP, RFC 1027, or a host that plays many machines)
//! uses none of the addresses. It is told by a control: a probe for the address of the network
//! itself, which no host has, goes before the first of a link. Who claims that is not believed.

use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;

use crate::engine::{Discard, Frame, InterfaceId, Origin, Route, SocketId, Transmit};
use crate::limits;
use crate::mac::MacAddr;
use crate::rng::Rng;
use crate::table::recent::RecentMap;
use crate::time::Instant;
use crate::view::{Network, View};
use crate::wire::arp;
use crate::wire::icmp::{self, Echo};

/// Asks for addresses, and hears the answers.
#[derive(Debug)]
pub(super) struct Prober {
    known: RecentMap<Ipv4Addr, Probe>,
    /// Who answers for everybody, and since when that is known.
    proxies: RecentMap<MacAddr, Instant>,
    due: VecDeque<Ipv4Addr>,
    second: Instant,
    sent_in_second: u32,
    /// Tells our echoes from those of other programs.
    identifier: u16,
}

/// One question.
#[derive(Clone, Copy, Debug)]
struct Probe {
    /// Who may answer without harm: it was offered the address.
    client: Option<MacAddr>,
    interface: InterfaceId,
    means: Means,
    /// Whether nobody can have the address.
    is_control: bool,
    at: Instant,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Means {
    Arp,
    Echo {
        /// Our address.
        source: Ipv4Addr,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Due,
    Sent,
    Answered,
}

/// Somebody uses an address that a client was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) address: Ipv4Addr,
    /// Who; not to be seen behind a relay agent.
    pub(super) station: Option<MacAddr>,
    /// Who was offered the address.
    pub(super) client: Option<MacAddr>,
}

impl Prober {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let [low, high, ..] = rng.next_u64().to_le_bytes();
        Self {
            known: RecentMap::new(limits::CONFLICT_PROBES_KNOWN, rng),
            proxies: RecentMap::new(limits::CONFLICT_PROXIES_MAX, rng),
            // A control may go before the last that finds room.
            due: VecDeque::with_capacity(limits::CONFLICT_PROBES_WAITING + 1),
            second: Instant::ZERO,
            sent_in_second: 0,
            identifier: u16::from_le_bytes([low, high]),
        }
    }

    /// `address` was offered to a client that does not have it: asks for it, if that is due and
    /// there is room.
    pub(super) fn handle_offer(
        &mut self,
        address: Ipv4Addr,
        client: Option<MacAddr>,
        network: &Network,
        now: Instant,
    ) {
        let is_known =
            |probe: &Probe| probe.step != Step::Answered && now - probe.at < limits::CONFLICT_FRESH;
        if !network.conflict_check || self.known.find(&address).is_some_and(is_known) {
            return;
        }
        if now - self.second >= Duration::from_secs(1) {
            self.second = now;
            self.sent_in_second = 0;
        }
        let is_full = self.due.len() >= limits::CONFLICT_PROBES_WAITING
            || self.sent_in_second >= limits::CONFLICT_PROBES_PER_SECOND;
        if is_full {
            return;
        }
        self.sent_in_second += 1;
        let means = if network.relays.is_empty() {
            Means::Arp
        } else {
            Means::Echo { source: network.server }
        };
        let (interface, step) = (network.interface, Step::Due);
        let probe = Probe { client, interface, means, is_control: false, at: now, step };
        if let Means::Arp = means {
            self.add_control(network, probe);
        }
        self.known.put(address, probe);
        self.due.push_back(address);
    }

    /// Lets a control go before `probe`, unless one went before others lately.
    fn add_control(&mut self, network: &Network, probe: Probe) {
        let control = network.subnet.first();
        let is_fresh = |known: &Probe| {
            let age = probe.at - known.at;
            known.is_control
                && age < limits::CONFLICT_FRESH
                && (known.step == Step::Sent || age <= limits::CONFLICT_WAIT)
        };
        if network.subnet.prefix_len < 31 && !self.known.find(&control).is_some_and(is_fresh) {
            self.sent_in_second += 1;
            self.known.put(control, Probe { client: None, is_control: true, ..probe });
            self.due.push_back(control);
        }
    }

    /// Writes the next probe, if one is due and not yet too late.
    pub(super) fn poll_output(
        &mut self,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Option<Transmit> {
        // Ends: each round takes one off a bounded queue.
        while let Some(address) = self.due.pop_front() {
            let Some(probe) = self.known.find(&address).copied() else { continue };
            // Whoever answers for everybody is told by the control alone, however late.
            let is_late = !probe.is_control && now - probe.at > limits::CONFLICT_WAIT;
            if probe.step != Step::Due || is_late {
                continue;
            }
            let Some((route, len)) = self.write(address, &probe, head, view) else { continue };
            let Ok(head_len) = u16::try_from(len) else { continue };
            self.known.put(address, Probe { at: now, step: Step::Sent, ..probe });
            return Some(Transmit { route, origin: Origin(0), head_len, body: None, split: None });
        }
        None
    }

    fn write(
        &self,
        address: Ipv4Addr,
        probe: &Probe,
        head: &mut [u8],
        view: &View,
    ) -> Option<(Route, usize)> {
        let interface = probe.interface;
        match probe.means {
            Means::Arp => {
                let link = view.interface(interface).filter(|link| link.link_unicast)?;
                let len = arp::emit_probe(head, link.mac, address).ok()?;
                Some((Route::Link { interface, station: MacAddr::BROADCAST }, len))
            }
            Means::Echo { source } => {
                let echo = Echo { is_reply: false, identifier: self.identifier, sequence: 0 };
                let len = icmp::emit(head, echo).ok()?;
                let route = Route::Datagram {
                    socket: SocketId::ECHO,
                    interface,
                    source: IpAddr::V4(source),
                    destination: SocketAddr::V4(SocketAddrV4::new(address, 0)),
                };
                Some((route, len))
            }
        }
    }

    /// Hears an ARP packet. Whoever says that an address is its own that was asked for lately has
    /// it, unless it is the client that was offered it.
    ///
    /// # Errors
    /// [`Discard::Malformed`], [`Discard::NotForServer`] for what answers no question.
    pub(super) fn handle_arp(
        &mut self,
        frame: &Frame<'_>,
        now: Instant,
        view: &View,
    ) -> Result<Conflict, Discard> {
        let packet = arp::parse(frame.packet).map_err(|_| Discard::Malformed)?;
        let address = packet.claim().ok_or(Discard::NotForServer)?;
        let probe = self.asked(address, now).ok_or(Discard::NotForServer)?;
        let station = packet.sender;
        let is_ours = view.interface(frame.interface).is_none_or(|link| link.mac == station);
        let is_answer = matches!(probe.means, Means::Arp) && probe.interface == frame.interface;
        let is_harmless = frame.outgoing || is_ours || probe.client == Some(station);
        if !is_answer || is_harmless || !station.is_unicast() {
            return Err(Discard::NotForServer);
        }
        if probe.is_control {
            self.proxies.put(station, now);
        }
        if self.is_proxy(station, now) {
            return Err(Discard::NotForServer);
        }
        Ok(self.note_answer(address, probe, Some(station)))
    }

    /// Hears an IP packet by the socket for echoes.
    ///
    /// # Errors
    /// As [`Prober::handle_arp`].
    pub(super) fn handle_echo(&mut self, packet: &[u8], now: Instant) -> Result<Conflict, Discard> {
        let (address, echo) = icmp::parse(packet).map_err(|_| Discard::Malformed)?;
        if !echo.is_reply || echo.identifier != self.identifier {
            return Err(Discard::NotForServer);
        }
        let probe = self.asked(address, now).ok_or(Discard::NotForServer)?;
        match probe.means {
            Means::Echo { .. } => Ok(self.note_answer(address, probe, None)),
            Means::Arp => Err(Discard::NotForServer),
        }
    }

    /// Whether the station was seen to answer for everybody. The next control comes before that is
    /// forgotten.
    fn is_proxy(&self, station: MacAddr, now: Instant) -> bool {
        let seen = self.proxies.find(&station);
        seen.is_some_and(|seen| now - *seen < limits::CONFLICT_FRESH * 2)
    }

    /// The question to which an answer is still waited for.
    fn asked(&self, address: Ipv4Addr, now: Instant) -> Option<Probe> {
        let probe = self.known.find(&address)?;
        let is_open = probe.step == Step::Sent && now - probe.at < limits::CONFLICT_WAIT;
        is_open.then_some(*probe)
    }

    fn note_answer(
        &mut self,
        address: Ipv4Addr,
        probe: Probe,
        station: Option<MacAddr>,
    ) -> Conflict {
        self.known.put(address, Probe { step: Step::Answered, ..probe });
        Conflict { address, station, client: probe.client }
    }
}

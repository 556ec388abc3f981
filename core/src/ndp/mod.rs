//! Empty router advertisements: the end of iPXE's wait for IPv6 (RFC 4861).
//!
//! iPXE waits about 13 seconds in every stage for a router before it loads anything, also by IPv4.
//! An advertisement that configures nothing ends the wait. It goes by unicast, and only to a
//! machine whose iPXE boots from here; and never on a link where a real router is, for which ours
//! could be taken.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use crate::engine::{Discard, Frame, InterfaceId, Origin, Route, Transmit};
use crate::event::Client;
use crate::limits;
use crate::mac::MacAddr;
use crate::rng::Rng;
use crate::table::recent::RecentMap;
use crate::time::Instant;
use crate::view::{DhcpMode, View};
use crate::wire::ParseError;
use crate::wire::ndp::{self, Advertisement, Message, Solicitation};

/// Watches for routers, and answers solicitors that boot.
#[derive(Debug)]
pub(crate) struct Advertiser {
    /// Until when each interface is believed to have a real router.
    router_until: Box<[Instant]>,
    /// Solicitors of which it is not known yet whether they boot.
    unknown: RecentMap<MacAddr, Solicitor>,
    due: VecDeque<(MacAddr, Solicitor)>,
    second: Instant,
    sent_in_second: u32,
}

#[derive(Clone, Copy, Debug)]
struct Solicitor {
    interface: InterfaceId,
    address: Ipv6Addr,
    at: Instant,
}

impl Advertiser {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            router_until: vec![Instant::ZERO; limits::INTERFACES_MAX].into_boxed_slice(),
            unknown: RecentMap::new(limits::SOLICITATIONS_MAX, rng),
            due: VecDeque::with_capacity(limits::ADVERTISEMENTS_MAX),
            second: Instant::ZERO,
            sent_in_second: 0,
        }
    }

    /// Takes a frame; `is_ipxe` tells whether its sender is an iPXE that boots from here.
    ///
    /// # Errors
    /// [`Discard::Malformed`]; [`Discard::NotForServer`] for anything but router discovery;
    /// [`Discard::SwitchedOff`] where we do not advertise, or a real router does;
    /// [`Discard::BadSource`] for a solicitor without an address; [`Discard::UnknownSession`] for
    /// one that is not known to boot (it is answered if it turns out soon that it does);
    /// [`Discard::Overload`].
    pub(crate) fn handle_frame(
        &mut self,
        frame: &Frame<'_>,
        is_ipxe: bool,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let message = match ndp::parse(frame.packet) {
            Ok(message) => message,
            Err(ParseError::UnknownCode(_)) => return Err(Discard::NotForServer),
            Err(_) => return Err(Discard::Malformed),
        };
        match message {
            Message::Advertisement(advertisement) => {
                self.handle_advertisement(frame.interface, advertisement, now);
                Ok(())
            }
            Message::Solicitation(_) if frame.outgoing => Err(Discard::NotForServer),
            Message::Solicitation(solicitation) => {
                self.handle_solicitation(frame, solicitation, is_ipxe, now, view)
            }
        }
    }

    /// The machine runs iPXE and boots from here: an earlier solicitation of it may be answered.
    pub(crate) fn handle_boot(&mut self, station: MacAddr, now: Instant) {
        let Some(solicitor) = self.unknown.find(&station) else { return };
        let waited = now - solicitor.at;
        let solicitor = *solicitor;
        let is_fresh = waited < limits::SOLICITATION_WAIT && !solicitor.address.is_unspecified();
        // When too many wait, iPXE asks again.
        if is_fresh && self.enqueue(station, solicitor, now).is_ok() {
            // One answer for one solicitation: what is left is a mark that there is none.
            self.unknown.put(station, Solicitor { address: Ipv6Addr::UNSPECIFIED, ..solicitor });
        }
    }

    /// Writes the next advertisement, if one is due and may still be sent.
    pub(crate) fn poll_output(
        &mut self,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Option<(Transmit, Client)> {
        // Ends: each round takes one off a bounded queue.
        while let Some((station, solicitor)) = self.due.pop_front() {
            let Some(source) = self.advertise_from(solicitor.interface, now, view) else {
                continue;
            };
            let Some(interface) = view.interface(solicitor.interface) else { continue };
            let written =
                ndp::emit_empty_advertisement(head, source, solicitor.address, interface.mac);
            let Some(head_len) = written.ok().and_then(|len| u16::try_from(len).ok()) else {
                continue;
            };
            let route = Route::Link { interface: solicitor.interface, station };
            let transmit = Transmit { route, origin: Origin(0), head_len, body: None, split: None };
            let address = Some(IpAddr::V6(solicitor.address));
            return Some((transmit, Client { mac: Some(station), address }));
        }
        None
    }

    /// Advertisements that are due.
    pub(crate) fn waiting(&self) -> usize {
        self.due.len()
    }

    /// Anybody's, also this host's own: ours configure nothing and are no router's.
    fn handle_advertisement(
        &mut self,
        interface: InterfaceId,
        advertisement: Advertisement,
        now: Instant,
    ) {
        if !advertisement.is_router() {
            return;
        }
        if let Some(until) = self.router_until.get_mut(usize::from(interface.0)) {
            let lifetime = Duration::from_secs(u64::from(advertisement.router_lifetime_s));
            *until = (*until).max(now + lifetime.max(limits::ROUTER_HOLD));
        }
    }

    fn handle_solicitation(
        &mut self,
        frame: &Frame<'_>,
        solicitation: Solicitation,
        is_ipxe: bool,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let address = solicitation.source;
        if !address.is_unicast_link_local() || !frame.source.is_unicast() {
            return Err(Discard::BadSource);
        }
        self.advertise_from(frame.interface, now, view).ok_or(Discard::SwitchedOff)?;
        let solicitor = Solicitor { interface: frame.interface, address, at: now };
        if is_ipxe {
            return self.enqueue(frame.source, solicitor, now);
        }
        self.unknown.put(frame.source, solicitor);
        Err(Discard::UnknownSession)
    }

    fn enqueue(
        &mut self,
        station: MacAddr,
        solicitor: Solicitor,
        now: Instant,
    ) -> Result<(), Discard> {
        if now - self.second >= Duration::from_secs(1) {
            self.second = now;
            self.sent_in_second = 0;
        }
        let is_full = self.due.len() >= limits::ADVERTISEMENTS_MAX
            || self.sent_in_second >= limits::ADVERTISEMENTS_PER_SECOND;
        if is_full {
            return Err(Discard::Overload);
        }
        self.sent_in_second += 1;
        self.due.push_back((station, solicitor));
        Ok(())
    }

    /// The address to advertise from: none where it is switched off, where DHCP is, or where a
    /// router was heard. Nor on an interface that is not watched.
    fn advertise_from(
        &self,
        interface: InterfaceId,
        now: Instant,
        view: &View,
    ) -> Option<Ipv6Addr> {
        let router_until = *self.router_until.get(usize::from(interface.0))?;
        let mut attached = view.networks.attached(interface);
        let serves = attached.any(|(_, network)| network.mode != DhcpMode::Off);
        let source = view.interface(interface)?.advertise_from?;
        (serves && router_until <= now).then_some(source)
    }
}

//! DHCP servers of others on our links.
//!
//! They are seen by what they broadcast to clients, and by the clients that take their offers
//! (option 54 names the server that was chosen).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::engine::{Discard, InterfaceId};
use crate::event::{ForeignServer, LinkName};
use crate::limits;
use crate::mac::MacAddr;
use crate::time::Instant;
use crate::view::{DhcpMode, Network, View};
use crate::wire::dhcp4::{BOOT_REPLY, CLIENT_PORT, MessageType, SERVER_PORT};
use crate::wire::dhcp4_options::Options;
use crate::wire::{ParseError, ipv4_udp};

/// The servers that were seen lately.
#[derive(Debug)]
pub(super) struct ForeignServers {
    known: Vec<Seen>,
    sightings: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    interface: InterfaceId,
    server: Ipv4Addr,
    station: Option<MacAddr>,
    at: Instant,
    told: Option<Instant>,
}

/// What gave a server away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// As it names itself.
    pub(super) server: Ipv4Addr,
    /// Its station, if that was seen.
    pub(super) station: Option<MacAddr>,
    /// By which interface.
    pub(super) interface: InterfaceId,
}

impl ForeignServers {
    pub(super) fn new() -> Self {
        Self { known: Vec::with_capacity(limits::FOREIGN_SERVERS_MAX), sightings: 0 }
    }

    /// How often others were seen to answer.
    pub(super) const fn sightings(&self) -> u64 {
        self.sightings
    }

    /// Takes note of a server; tells what an operator should know of it.
    ///
    /// Beside a ProxyDHCP one other server is wanted, and a second one is news.
    pub(super) fn handle_sighting(
        &mut self,
        sighting: &Sighting,
        network: &Network,
        now: Instant,
        view: &View,
    ) -> Option<ForeignServer> {
        let Sighting { server, station, interface } = *sighting;
        if network.other_servers.contains(&server) {
            return None;
        }
        self.sightings += 1;
        let at = self.place(sighting, now)?;
        let seen = &mut self.known[at];
        seen.at = now;
        seen.station = station.or(seen.station);
        let (station, told) = (seen.station, seen.told);
        if told.is_some_and(|told| now - told < limits::FOREIGN_SERVER_PAUSE) {
            return None;
        }
        let beside = match network.mode {
            DhcpMode::Off => return None,
            DhcpMode::Server => None,
            DhcpMode::Proxy | DhcpMode::BootServer => {
                let is_other = |seen: &&Seen| {
                    seen.interface == interface
                        && seen.server != server
                        && now - seen.at < limits::FOREIGN_SERVER_PAUSE
                };
                Some(self.known.iter().find(is_other)?.server)
            }
        };
        self.known[at].told = Some(now);
        let name = view.interface(interface).map_or("", |interface| &interface.name);
        let link = LinkName::sanitised(name.as_bytes());
        Some(ForeignServer { server, station, subnet: network.subnet, link, beside })
    }

    /// Where a server is remembered: a known one, a new one, or in the place of one that was not
    /// seen for long.
    fn place(&mut self, sighting: &Sighting, now: Instant) -> Option<usize> {
        let Sighting { server, interface, .. } = *sighting;
        let same = |seen: &Seen| seen.server == server && seen.interface == interface;
        if let Some(at) = self.known.iter().position(same) {
            return Some(at);
        }
        let new = Seen { interface, server, station: None, at: now, told: None };
        if self.known.len() < limits::FOREIGN_SERVERS_MAX {
            self.known.push(new);
            return Some(self.known.len() - 1);
        }
        let is_old = |seen: &Seen| now - seen.at >= limits::FOREIGN_SERVER_PAUSE;
        let at = self.known.iter().position(is_old)?;
        self.known[at] = new;
        Some(at)
    }
}

/// The server that speaks in an IP packet to clients on the link.
///
/// # Errors
/// [`Discard::Malformed`], [`Discard::NotForServer`] for anything but a DHCP reply to a client.
pub(super) fn server_of(packet: &[u8], scratch: &mut [u8]) -> Result<Ipv4Addr, Discard> {
    let datagram = ipv4_udp::parse_unsummed(packet).map_err(|error| {
        let is_other = matches!(error, ParseError::UnknownCode(_) | ParseError::Fragment);
        if is_other { Discard::NotForServer } else { Discard::Malformed }
    })?;
    if (datagram.source.port(), datagram.destination.port()) != (SERVER_PORT, CLIENT_PORT) {
        return Err(Discard::NotForServer);
    }
    let scratch = scratch.get_mut(..datagram.payload.len()).ok_or(Discard::Malformed)?;
    let mut options = Options::default();
    let (message, _) = options.read(datagram.payload, scratch).map_err(|_| Discard::Malformed)?;
    let gives = match options.message_type {
        Some(MessageType::Offer | MessageType::Ack | MessageType::Nak) => true,
        Some(_) | None => false,
    };
    if message.header().op != BOOT_REPLY || !gives {
        return Err(Discard::NotForServer);
    }
    Ok(options.server_id.unwrap_or(*datagram.source.ip()))
}

//! Where a reply goes (RFC 2131 §4.1).

use core::net::{Ipv4Addr, SocketAddrV4};

use super::request::Request;
use super::trace::RouteRule;
use crate::mac::MacAddr;
use crate::view::{Effect, Effects, Interface};
use crate::wire::dhcp4::{CLIENT_PORT, SERVER_PORT};
use crate::wire::dhcp4_options::RelayAgent;

/// The way of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A datagram to this address and port, perhaps the limited broadcast.
    Socket(SocketAddrV4),
    /// A frame to the client's station, which has no address to answer ARP for yet.
    Link {
        /// The station.
        station: MacAddr,
        /// The address and port that the packet in the frame names.
        destination: SocketAddrV4,
    },
}

/// A way, and why it is taken.
pub(super) type Directed = (Way, RouteRule);

const BROADCAST: Way = Way::Socket(SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT));

/// The way of an OFFER or ACK with the address `yiaddr`; unspecified for replies without one.
pub(super) fn of_reply(
    request: &Request<'_>,
    interface: Option<&Interface>,
    effects: Effects,
    yiaddr: Ipv4Addr,
) -> Directed {
    let header = request.header;
    if !header.giaddr().is_unspecified() {
        return to_relay(request);
    }
    if !header.ciaddr().is_unspecified() {
        let way = Way::Socket(SocketAddrV4::new(header.ciaddr(), CLIENT_PORT));
        return (way, RouteRule::ClientAddress);
    }
    if header.is_broadcast() {
        return (BROADCAST, RouteRule::BroadcastFlag);
    }
    if effects.has(Effect::Broadcast) {
        return (BROADCAST, RouteRule::BroadcastQuirk);
    }
    let link_unicast = interface.is_some_and(|interface| interface.link_unicast);
    match request.client.mac {
        Some(station) if link_unicast && !yiaddr.is_unspecified() => {
            let destination = SocketAddrV4::new(yiaddr, CLIENT_PORT);
            (Way::Link { station, destination }, RouteRule::Station)
        }
        Some(_) | None => (BROADCAST, RouteRule::Broadcast),
    }
}

/// The way of a NAK: the client's address is what is wrong, so it goes to nobody's.
pub(super) fn of_nak(request: &Request<'_>) -> Directed {
    if request.header.giaddr().is_unspecified() {
        (BROADCAST, RouteRule::Broadcast)
    } else {
        to_relay(request)
    }
}

/// The way of an ACK to INFORM. Some clients leave out their address.
pub(super) fn of_inform(request: &Request<'_>) -> Directed {
    if request.header.ciaddr().is_unspecified() {
        return of_boot_ack(request);
    }
    of_reply(request, None, Effects::NONE, Ipv4Addr::UNSPECIFIED)
}

/// The way of an answer from port 4011: back to address and port of the sender, since OVMF asks
/// from port 4011 and iPXE from 68.
pub(super) fn of_boot_ack(request: &Request<'_>) -> Directed {
    let source = request.received.source;
    if !request.header.giaddr().is_unspecified() {
        to_relay(request)
    } else if source.ip().is_unspecified() {
        (BROADCAST, RouteRule::Broadcast)
    } else {
        (Way::Socket(source), RouteRule::Sender)
    }
}

/// A relay agent that cannot have port 67 for itself says so, and hears at the port that it asked
/// from (RFC 8357 §5.2).
fn to_relay(request: &Request<'_>) -> Directed {
    let giaddr = request.header.giaddr();
    let own_port = request
        .options
        .relay_agent
        .is_some_and(|relay| relay.find(RelayAgent::SOURCE_PORT).is_some());
    if own_port {
        let way = Way::Socket(SocketAddrV4::new(giaddr, request.received.source.port()));
        return (way, RouteRule::RelayPort);
    }
    (Way::Socket(SocketAddrV4::new(giaddr, SERVER_PORT)), RouteRule::Relay)
}

//! A client's message, read and placed: what it asks, who sends it, for which network.

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::identify::Sender;
use super::trace::{ClientRule, Decision, NetworkRule, Recorder};
use crate::engine::{Datagram, Discard, InterfaceId, SocketId};
use crate::identity::{ClientIdentity, Firmware};
use crate::view::{
    DhcpKeys, DhcpMode, Machine, MachineId, MachineRule, Network, NetworkId, QuirkClient, View,
};
use crate::wire::dhcp4::{BOOT_REQUEST, Header, Message, MessageType, PXE_PORT};
use crate::wire::dhcp4_options::Options;
use crate::wire::pxe::{ArchType, BootItem, PxeOptions};

/// How a message came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) socket: SocketId,
    pub(super) interface: InterfaceId,
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
}

impl Received {
    /// # Errors
    /// [`Discard::BadSource`] for a sender that is no client, [`Discard::NotForServer`] for IPv6.
    pub(super) fn of(datagram: &Datagram<'_>, view: &View) -> Result<Self, Discard> {
        let (SocketAddr::V4(source), SocketAddr::V4(destination)) =
            (datagram.source, datagram.destination)
        else {
            return Err(Discard::NotForServer);
        };
        let address = *source.ip();
        let is_nobody = source.port() == 0
            || address.is_broadcast()
            || address.is_multicast()
            || view.is_own_address(IpAddr::V4(address));
        if is_nobody {
            return Err(Discard::BadSource);
        }
        let Datagram { socket, interface, .. } = *datagram;
        Ok(Self { socket, interface, source, destination })
    }

    /// Whether it came to the port of PXE boot servers.
    pub(super) fn at_pxe_port(&self) -> bool {
        self.destination.port() == PXE_PORT
    }
}

/// What clients ask: the message types that are for servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
    /// No DHCP at all, but what it grew from: an address is asked for and given for good.
    Bootp,
}

impl Kind {
    const fn of(message_type: MessageType) -> Option<Self> {
        match message_type {
            MessageType::Discover => Some(Self::Discover),
            MessageType::Request => Some(Self::Request),
            MessageType::Decline => Some(Self::Decline),
            MessageType::Release => Some(Self::Release),
            MessageType::Inform => Some(Self::Inform),
            MessageType::Offer
            | MessageType::Ack
            | MessageType::Nak
            | MessageType::ForceRenew
            | MessageType::LeaseQuery
            | MessageType::LeaseUnassigned
            | MessageType::LeaseUnknown
            | MessageType::LeaseActive
            | MessageType::BulkLeaseQuery
            | MessageType::LeaseQueryDone
            | MessageType::ActiveLeaseQuery
            | MessageType::LeaseQueryStatus
            | MessageType::Tls => None,
        }
    }
}

/// Where a client is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'v> {
    pub(super) id: NetworkId,
    pub(super) network: &'v Network,
    /// Whether the client or its relay agent chose the network, so that no other on the same link
    /// will do.
    pub(super) chosen: bool,
}

/// A message that a client sent.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) header: &'a Header,
    pub(super) options: &'a Options<'a>,
    pub(super) message: Message<'a>,
    pub(super) kind: Kind,
    pub(super) client: ClientIdentity,
    /// What told which program speaks.
    pub(super) client_by: ClientRule,
    pub(super) received: Received,
    /// How long the message is: what a client of BOOTP takes.
    pub(super) len: usize,
}

impl<'a> Request<'a> {
    /// Reads a message. `options`, which must be [`Options::default`], is where its options go;
    /// pieces of them join in `scratch`, which is as long as the message.
    ///
    /// # Errors
    /// [`Discard::Malformed`], or [`Discard::NotForServer`] for replies and for message types that
    /// no client sends.
    pub(super) fn parse(
        payload: &'a [u8],
        options: &'a mut Options<'a>,
        scratch: &'a mut [u8],
        received: Received,
    ) -> Result<Self, Discard> {
        let read = options.read(payload, scratch);
        let (message, intact) = read.map_err(|_| Discard::Malformed)?;
        let header = message.header();
        if header.op != BOOT_REQUEST {
            return Err(Discard::NotForServer);
        }
        intact.map_err(|_| Discard::Malformed)?;
        let kind = match message.is_bootp() {
            true => Kind::Bootp,
            false => options.message_type.and_then(Kind::of).ok_or(Discard::NotForServer)?,
        };
        let sender = Sender::of(header, options);
        Ok(Self {
            header,
            options,
            message,
            kind,
            client: sender.identity(),
            client_by: sender.by,
            received,
            len: payload.len(),
        })
    }

    /// The network of the client: by the relay's choice of link (RFC 3527), the client's choice
    /// of subnet (RFC 3011), the relay agent, the client's own address, the interface.
    ///
    /// Where several networks share the link it is the one that the client's address lies in, if
    /// it has or wants one, else the relay agent's, else the first.
    ///
    /// # Errors
    /// [`Discard::UnknownRelay`], [`Discard::UnknownNetwork`], [`Discard::SwitchedOff`],
    /// [`Discard::OtherServer`] for port 67 where only port 4011 is ours.
    pub(super) fn place<'v>(
        &self,
        view: &'v View,
        recorder: &mut impl Recorder,
    ) -> Result<Place<'v>, Discard> {
        let giaddr = self.header.giaddr();
        let (place, by) = if giaddr.is_unspecified() {
            self.attached_place(view).ok_or(Discard::UnknownNetwork)?
        } else {
            self.relayed_place(view, giaddr)?
        };
        recorder.note(|| Decision::Network { subnet: place.network.subnet, by });
        match place.network.mode {
            DhcpMode::Off => Err(Discard::SwitchedOff),
            // What comes to port 67 is the other server's, though another network may need it.
            DhcpMode::BootServer if !self.received.at_pxe_port() => Err(Discard::OtherServer),
            DhcpMode::Server | DhcpMode::Proxy | DhcpMode::BootServer => Ok(place),
        }
    }

    fn relayed_place<'v>(
        &self,
        view: &'v View,
        giaddr: Ipv4Addr,
    ) -> Result<(Place<'v>, NetworkRule), Discard> {
        let first = || view.networks.behind(giaddr).next().ok_or(Discard::UnknownRelay);
        // By the address first: all networks may list one wide prefix of relay agents.
        let containing = |address| {
            let mut networks = view.networks.containing(address);
            networks.find(|(_, network)| network.relays.iter().any(|r| r.contains(giaddr)))
        };
        let link = self.options.relay_agent.and_then(|relay| relay.link_selection());
        let chosen = |link, by| {
            let Some((id, network)) = containing(link) else {
                return Err(first().err().unwrap_or(Discard::UnknownNetwork));
            };
            Ok((Place { id, network, chosen: true }, by))
        };
        match (link, self.options.subnet_selection) {
            (Some(link), _) => chosen(link, NetworkRule::LinkSelection),
            (None, Some(subnet)) => chosen(subnet, NetworkRule::SubnetSelection),
            (None, None) => Ok(match containing(giaddr) {
                Some(network) => (self.on_link(view, network), NetworkRule::RelayAgent),
                None => (self.on_link(view, first()?), NetworkRule::ListedRelayAgent),
            }),
        }
    }

    /// A client on our own link, or one behind a router that knows its address and ours.
    fn attached_place<'v>(&self, view: &'v View) -> Option<(Place<'v>, NetworkRule)> {
        let ciaddr = self.header.ciaddr();
        let here = |network: &Network| {
            network.interface == self.received.interface && network.relays.is_empty()
        };
        let routed = *self.received.source.ip() == ciaddr && !ciaddr.is_unspecified();
        if let Some(subnet) = self.options.subnet_selection {
            let mut on_link = view.networks.attached(self.received.interface);
            let (id, network) = on_link.find(|(_, network)| network.subnet.contains(subnet))?;
            return Some((Place { id, network, chosen: true }, NetworkRule::SubnetSelection));
        }
        let own = self.own_address().and_then(|address| {
            let mut containing = view.networks.containing(address);
            containing.find(|(_, network)| here(network) || routed)
        });
        let (id, network, by) = match own {
            Some((id, network)) if here(network) => (id, network, NetworkRule::Address),
            Some((id, network)) => (id, network, NetworkRule::RoutedAddress),
            None => {
                let (id, network) = view.attached_network(self.received.interface)?;
                (id, network, NetworkRule::Interface)
            }
        };
        Some((Place { id, network, chosen: false }, by))
    }

    /// Of the networks on the link of `network` the one that the client's address lies in, if it
    /// speaks of one.
    fn on_link<'v>(&self, view: &'v View, (id, network): (NetworkId, &'v Network)) -> Place<'v> {
        let own = network.shared.and(self.own_address()).and_then(|address| {
            view.networks.on_link_of(id).find(|(_, network)| network.subnet.contains(address))
        });
        let (id, network) = own.unwrap_or((id, network));
        Place { id, network, chosen: false }
    }

    /// The address that the client has, else the one it wants.
    fn own_address(&self) -> Option<Ipv4Addr> {
        let ciaddr = self.header.ciaddr();
        if ciaddr.is_unspecified() { self.options.requested_address } else { Some(ciaddr) }
    }

    /// The server that the client addresses: option 54.
    pub(super) fn is_for_us(&self, view: &View, network: &Network) -> bool {
        self.options
            .server_id
            .is_none_or(|id| id == self.server_id(network) || view.is_own_address(IpAddr::V4(id)))
    }

    /// What to call ourselves: our address, or the one that a relay agent wants clients to use
    /// in its place (RFC 5107).
    pub(super) fn server_id(&self, network: &Network) -> Ipv4Addr {
        let relay = self.options.relay_agent.filter(|_| !self.header.giaddr().is_unspecified());
        relay.and_then(|relay| relay.server_id_override()).unwrap_or(network.server)
    }

    /// The address that the client asks for or speaks of.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        let ciaddr = self.header.ciaddr();
        self.options.requested_address.or_else(|| (!ciaddr.is_unspecified()).then_some(ciaddr))
    }

    /// The machine that the site knows the client for.
    pub(super) fn machine<'v>(&self, view: &'v View) -> Option<(MachineId, &'v Machine)> {
        if view.machines.is_empty() {
            return None;
        }
        view.machines.find_by_dhcp(&self.client, &self.machine_keys())
    }

    /// The machine, and what told.
    pub(super) fn machine_by(&self, view: &View) -> Option<(MachineId, MachineRule)> {
        view.machines.recognise_by_dhcp(&self.client, &self.machine_keys())
    }

    fn machine_keys(&self) -> DhcpKeys<'_> {
        let giaddr = self.header.giaddr();
        let relayed = !giaddr.is_unspecified();
        let agent = self.options.relay_agent.filter(|_| relayed);
        DhcpKeys {
            client_id: self.options.client_id,
            circuit: agent.as_ref().and_then(|agent| agent.circuit_id()),
            remote: agent.as_ref().and_then(|agent| agent.remote_id()),
            relay: relayed.then_some(giaddr),
        }
    }

    /// The boot server type that the client looks for (PXE 2.1 §2.2.3): option 43.71 of PXE's form.
    pub(super) fn boot_item(&self) -> Option<BootItem> {
        match self.client.firmware {
            Firmware::Pxe | Firmware::Ipxe | Firmware::RaspberryPi => {
                PxeOptions::parse(self.options.vendor_specific?).ok()?.boot_item()
            }
            Firmware::HttpBoot | Firmware::UBoot | Firmware::System => None,
        }
    }

    /// Whether the message is for a boot server: by its port, or because a client that has its
    /// address already looks for one by broadcast on port 67.
    pub(super) fn asks_boot_server(&self) -> bool {
        let discovers = || {
            self.kind == Kind::Request
                && self.options.server_id.is_none()
                && !self.header.ciaddr().is_unspecified()
                && self.boot_item().is_some()
        };
        self.received.at_pxe_port() || discovers()
    }

    /// What quirks look at; `arch` is the architecture that the answer is for.
    pub(super) fn quirk_client(&self, arch: Option<ArchType>) -> QuirkClient<'a> {
        QuirkClient {
            firmware: self.client.firmware,
            arch,
            mac: self.client.mac,
            vendor_class: self.options.vendor_class,
            user_class: self.options.user_class.map(|class| class.as_bytes()),
        }
    }

    /// Whether the firmware uses the address that it is offered and never asks for it.
    pub(super) fn is_silent(&self) -> bool {
        self.client.firmware == Firmware::RaspberryPi
    }

    /// Whether an iPXE can load by HTTP. One that tells nothing about itself can.
    pub(super) fn loads_by_http(&self) -> bool {
        self.client.firmware != Firmware::Ipxe
            || self.options.ipxe.is_none_or(|ipxe| {
                ipxe.iter().next().is_none() || ipxe.has_feature(crate::wire::pxe::feature::HTTP)
            })
    }
}

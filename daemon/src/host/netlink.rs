//! Asks the kernel for links and addresses (rtnetlink(7)).
//!
//! Two dumps, answered at once: no event loop takes part.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel has many attributes, and more soon"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;

use ipnet::Ipv4Net;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoKind, InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use reveille_core::mac::MacAddr;

use super::{Host, HostInterface};
use crate::privileges;

/// The kernel fills at most 32 KiB of a dump at a time.
const BUFFER_BYTES: usize = 64 * 1024;

pub(super) fn read() -> io::Result<Host> {
    let mut interfaces = BTreeMap::new();
    let mut masters = Vec::new();
    dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| {
        if let RouteNetlinkMessage::NewLink(link) = message {
            masters.extend(master_of(&link).map(|master| (link.header.index, master)));
            interfaces.insert(link.header.index, interface_of(&link));
        }
    })?;
    for (port, master) in masters {
        let master = interfaces.get(&master).map(|master| master.name.clone());
        if let Some(port) = interfaces.get_mut(&port) {
            port.part_of = master;
        }
    }
    dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), |message| {
        if let RouteNetlinkMessage::NewAddress(address) = message
            && let Some(interface) = interfaces.get_mut(&address.header.index)
        {
            add_address(interface, &address);
        }
    })?;
    Ok(Host { interfaces: interfaces.into_values().collect() })
}

/// Sends a request and hands every message of its answer to `take`.
fn dump(request: RouteNetlinkMessage, mut take: impl FnMut(RouteNetlinkMessage)) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(request));
    message.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    message.header.sequence_number = 1;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let len = socket.recv(&mut &mut buffer[..], 0)?;
        let mut rest = buffer.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            let message_len = message.header.length as usize;
            match message.payload {
                NetlinkPayload::InnerMessage(message) => take(message),
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                // Overruns end a dump too; nothing else is part of one.
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
            // Messages are aligned to four bytes.
            rest = rest.get(message_len.max(1).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn interface_of(link: &LinkMessage) -> HostInterface {
    let mut interface = HostInterface {
        name: String::new(),
        index: link.header.index,
        mac: None,
        mtu: 1500,
        up: link.header.flags.contains(LinkFlags::Up),
        loopback: link.header.flags.contains(LinkFlags::Loopback),
        addresses: Vec::new(),
        link_local: None,
        link_unicast: false,
        internal: false,
        forwards_ipv6: false,
        part_of: None,
    };
    let mut kind = None;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => interface.mtu = u16::try_from(*mtu).unwrap_or(u16::MAX),
            LinkAttribute::Address(octets) => {
                interface.mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(MacAddr);
            }
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.clone()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    if link.header.link_layer_type != LinkLayerType::Ether {
        interface.mac = None;
    }
    interface.internal = is_internal(&interface.name, kind.as_ref());
    interface.link_unicast = interface.mac.is_some() && privileges::sends_frames();
    interface.forwards_ipv6 = forwards_ipv6(&interface.name);
    interface
}

/// Bridges and tunnels that engines make for their guests. A bridge of the operator's own is a
/// good place to boot machines from, so names decide.
fn is_internal(name: &str, kind: Option<&InfoKind>) -> bool {
    let engines = ["docker", "br-", "cni", "podman", "virbr", "lxcbr", "lxdbr", "cali", "flannel"];
    let made_by_engine = engines.iter().any(|prefix| name.starts_with(prefix));
    match kind {
        Some(InfoKind::Bridge | InfoKind::Veth | InfoKind::Vxlan) => made_by_engine,
        Some(InfoKind::Tun) => !name.starts_with("tap"),
        Some(InfoKind::Wireguard | InfoKind::Dummy | InfoKind::Ifb) => true,
        Some(_) | None => false,
    }
}

/// The index of the bridge, bond or team that takes every packet of this port. The port of a
/// routing domain (VRF) keeps its packets.
fn master_of(link: &LinkMessage) -> Option<u32> {
    let infos = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    })?;
    let is_port = infos.iter().any(|info| match info {
        LinkInfo::PortKind(kind) => {
            matches!(kind, InfoPortKind::Bridge | InfoPortKind::Bond | InfoPortKind::Team)
        }
        _ => false,
    });
    let master = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(master) => Some(*master),
        _ => None,
    });
    master.filter(|_| is_port)
}

fn forwards_ipv6(name: &str) -> bool {
    // A name with a dot is a directory of its own here: `/` and `.` are not swapped below /proc.
    let path = format!("/proc/sys/net/ipv6/conf/{name}/forwarding");
    fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

fn add_address(interface: &mut HostInterface, message: &AddressMessage) {
    // On a point-to-point link `Address` is the other end and `Local` is ours.
    let ours = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    match ours.or(any) {
        Some(IpAddr::V4(address)) => {
            interface.addresses.extend(Ipv4Net::new(address, message.header.prefix_len));
        }
        Some(IpAddr::V6(address)) if address.is_unicast_link_local() => {
            interface.link_local.get_or_insert(address);
        }
        Some(IpAddr::V6(_)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_loopback_device_with_its_address() {
        let host = read().unwrap();
        let loopback = host.interfaces.iter().find(|interface| interface.loopback).unwrap();
        assert_eq!(loopback.name, "lo");
        assert_eq!(loopback.mac, None);
        if loopback.up {
            assert!(loopback.addresses.contains(&"127.0.0.1/8".parse().unwrap()));
        }
    }

    #[test]
    fn what_engines_make_for_their_guests_is_internal() {
        let bridge = Some(InfoKind::Bridge);
        for (name, kind, internal) in [
            ("eno1", None, false),
            ("br0", bridge.clone(), false),
            ("docker0", bridge.clone(), true),
            ("br-3f2a90bb1c77", bridge.clone(), true),
            ("virbr0", bridge, true),
            ("eth0", Some(InfoKind::Veth), false),
            ("tap0", Some(InfoKind::Tun), false),
            ("tun0", Some(InfoKind::Tun), true),
            ("wg0", Some(InfoKind::Wireguard), true),
            ("bond0.17", Some(InfoKind::Vlan), false),
        ] {
            assert_eq!(is_internal(name, kind.as_ref()), internal, "{name}");
        }
    }
}

//! What a client says in a captured packet: link layer, IPv4 and UDP around a DHCP message.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::capture::Captured;
use reveille_core::wire::dhcp4::{BOOT_REQUEST, PXE_PORT, SERVER_PORT};

/// A message to a DHCP or boot server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent<'c> {
    /// Tags of virtual networks, the outer one first.
    pub(super) vlans: Vec<u16>,
    /// The sender.
    pub(super) source: SocketAddrV4,
    /// Whom it addresses.
    pub(super) destination: SocketAddrV4,
    /// What it says.
    pub(super) payload: &'c [u8],
}

/// The message of a packet; nothing if it is of another kind, or a part of one only.
///
/// # Errors
/// The number of a link layer that is not understood.
pub(super) fn message<'c>(packet: &Captured<'c>) -> Result<Option<Sent<'c>>, u16> {
    let bytes = packet.bytes;
    let mut vlans = Vec::new();
    let ip = match packet.link {
        ETHERNET => behind_type(bytes.get(12..), &mut vlans),
        // Linux "any": the type is the last field of one header and the first of the other.
        LINUX_COOKED => behind_type(bytes.get(14..), &mut vlans),
        LINUX_COOKED_2 => {
            let kind = bytes.get(..2).map(<[u8]>::to_vec);
            match kind.as_deref() {
                Some(IPV4) => bytes.get(20..),
                Some(tag) if TAGS.contains(&tag) => tagged(bytes.get(20..), &mut vlans),
                Some(_) | None => None,
            }
        }
        RAW | RAW_OF_BSD | RAW_OF_OPENBSD | RAW_IPV4 => Some(bytes),
        other => return Err(other),
    };
    Ok(ip.and_then(udp).and_then(|(source, destination, payload)| {
        let to_server = matches!(destination.port(), SERVER_PORT | PXE_PORT);
        let is_asked = payload.first() == Some(&BOOT_REQUEST);
        (to_server && is_asked).then_some(Sent { vlans, source, destination, payload })
    }))
}

/// The IPv4 packet behind the type of what follows, and behind tags.
fn behind_type<'c>(bytes: Option<&'c [u8]>, vlans: &mut Vec<u16>) -> Option<&'c [u8]> {
    let (kind, rest) = bytes?.split_at_checked(2)?;
    if kind == IPV4 {
        return Some(rest);
    }
    if TAGS.contains(&kind) { tagged(Some(rest), vlans) } else { None }
}

/// The IPv4 packet behind the number of a virtual network.
fn tagged<'c>(bytes: Option<&'c [u8]>, vlans: &mut Vec<u16>) -> Option<&'c [u8]> {
    let (tag, rest) = bytes?.split_first_chunk::<2>()?;
    if vlans.len() >= TAGS_MAX {
        return None;
    }
    vlans.push(u16::from_be_bytes(*tag) & 0x0fff);
    behind_type(Some(rest), vlans)
}

/// The datagram of an IPv4 packet that is no fragment.
fn udp(ip: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let head = ip.first_chunk::<20>()?;
    let head_len = usize::from(head[0] & 0x0f) * 4;
    let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
    if head[0] >> 4 != 4 || head[9] != UDP || fragment != 0 || head_len < 20 {
        return None;
    }
    let address = |at: usize| Some(Ipv4Addr::from(*head.get(at..)?.first_chunk::<4>()?));
    let (udp, rest) = ip.get(head_len..)?.split_first_chunk::<8>()?;
    let word = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    // Behind the datagram may be padding; and a capture may have kept less than all of it.
    let len = usize::from(word(4)).checked_sub(8)?.min(rest.len());
    let source = SocketAddrV4::new(address(12)?, word(0));
    let destination = SocketAddrV4::new(address(16)?, word(2));
    Some((source, destination, rest.get(..len)?))
}

/// EtherTypes.
const IPV4: &[u8] = &[0x08, 0x00];
const TAGS: [&[u8]; 3] = [&[0x81, 0x00], &[0x88, 0xa8], &[0x91, 0x00]];

/// Tags before a packet.
const TAGS_MAX: usize = 4;

/// Protocol number.
const UDP: u8 = 17;

/// `LINKTYPE_…`
const ETHERNET: u16 = 1;
const RAW_OF_BSD: u16 = 12;
const RAW_OF_OPENBSD: u16 = 14;
const RAW: u16 = 101;
const LINUX_COOKED: u16 = 113;
const RAW_IPV4: u16 = 228;
const LINUX_COOKED_2: u16 = 276;

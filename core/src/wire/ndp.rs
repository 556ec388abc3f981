//! Router discovery over IPv6 (RFC 4861): just enough to spare iPXE its wait for a router.

use core::net::Ipv6Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Checksum;
use super::reader::Reader;
use super::writer::Writer;
use super::{EmitError, ParseError};
use crate::mac::MacAddr;

/// A checked router discovery message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A host asks for routers.
    Solicitation(Solicitation),
    /// A router presents itself.
    Advertisement(Advertisement),
}

/// A router solicitation (RFC 4861 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// The solicitor, unspecified while it has no address.
    pub source: Ipv6Addr,
    /// Whom it asks, usually all routers.
    pub destination: Ipv6Addr,
    /// The solicitor's link-layer address, if it tells.
    pub link_layer: Option<MacAddr>,
}

/// A router advertisement (RFC 4861 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The router's link-local address.
    pub source: Ipv6Addr,
    /// A host, or all nodes.
    pub destination: Ipv6Addr,
    /// How long it is a default router, in seconds; 0 when it is none.
    pub router_lifetime_s: u16,
    /// M: addresses come from DHCPv6.
    pub is_managed: bool,
    /// O: other configuration comes from DHCPv6.
    pub is_other: bool,
    /// Whether it announces at least one prefix.
    pub has_prefix: bool,
    /// The router's link-layer address, if it tells.
    pub link_layer: Option<MacAddr>,
}

impl Advertisement {
    /// Whether hosts configure anything by it, so that a real router is at work here.
    pub const fn is_router(&self) -> bool {
        self.router_lifetime_s != 0 || self.is_managed || self.is_other || self.has_prefix
    }
}

/// Checks a packet that starts with its IPv6 header, by the rules of RFC 4861 §6.1. Bytes behind
/// the packet are ignored.
///
/// # Errors
/// [`ParseError::BadValue`] for another version than 6, a hop limit other than 255, a code other
/// than 0, or a source that such a message cannot have; [`ParseError::UnknownCode`] for anything
/// but router discovery directly behind the IPv6 header; [`ParseError::Truncated`],
/// [`ParseError::BadLength`] and [`ParseError::BadChecksum`] as they say.
pub fn parse(packet: &[u8]) -> Result<Message, ParseError> {
    let mut reader = Reader::new(packet);
    let ip: &Ipv6Header = reader.header()?;
    if ip.flow.get() >> 28 != 6 {
        return Err(ParseError::BadValue);
    }
    if ip.next_header != NEXT_HEADER_ICMPV6 {
        return Err(ParseError::UnknownCode(u16::from(ip.next_header)));
    }
    let icmp = reader.bytes(usize::from(ip.payload_len.get()))?;
    let (source, destination) =
        (Ipv6Addr::from_octets(ip.source), Ipv6Addr::from_octets(ip.destination));
    let mut reader = Reader::new(icmp);
    let kind = reader.u8()?;
    if !matches!(kind, SOLICITATION | ADVERTISEMENT) {
        return Err(ParseError::UnknownCode(u16::from(kind)));
    }
    let code = reader.u8()?;
    if ip.hop_limit != HOP_LIMIT || code != 0 {
        return Err(ParseError::BadValue);
    }
    let sum = Checksum::new()
        .with_ipv6_pseudo(source, destination, NEXT_HEADER_ICMPV6, u32::from(ip.payload_len.get()))
        .with(icmp);
    if sum.finish() != 0 {
        return Err(ParseError::BadChecksum);
    }
    reader.u16()?;
    if kind == SOLICITATION {
        parse_solicitation(source, destination, reader).map(Message::Solicitation)
    } else {
        parse_advertisement(source, destination, reader).map(Message::Advertisement)
    }
}

/// Writes a router advertisement that configures nothing: router lifetime 0, no prefix, M and O
/// clear, only the sender's link-layer address. It ends iPXE's wait for a router. Gives the
/// packet's length, [`ADVERTISEMENT_BYTES`].
///
/// Where a real router advertises from the same address, this would withdraw it: send it only to
/// one machine that is known to boot, and never where [`Advertisement::is_router`] was seen.
/// `source` must be link-local (RFC 4861 §4.2).
///
/// # Errors
/// [`EmitError::NoSpace`].
pub fn emit_empty_advertisement(
    buffer: &mut [u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    link_layer: MacAddr,
) -> Result<usize, EmitError> {
    let message = EmptyAdvertisement {
        kind: ADVERTISEMENT,
        code: 0,
        checksum: 0.into(),
        hop_limit: 0,
        flags: 0,
        router_lifetime: 0.into(),
        reachable_time: 0.into(),
        retransmission_time: 0.into(),
        option: SOURCE_LINK_LAYER,
        option_len: 1,
        link_layer,
    };
    put_packet(buffer, source, destination, message, |message, sum| message.checksum = sum)
}

/// Writes a router solicitation, for simulated clients; gives the packet's length.
///
/// # Errors
/// [`EmitError::NoSpace`].
pub fn emit_solicitation(
    buffer: &mut [u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    link_layer: MacAddr,
) -> Result<usize, EmitError> {
    let message = SolicitationWithAddress {
        kind: SOLICITATION,
        code: 0,
        checksum: 0.into(),
        reserved: 0.into(),
        option: SOURCE_LINK_LAYER,
        option_len: 1,
        link_layer,
    };
    put_packet(buffer, source, destination, message, |message, sum| message.checksum = sum)
}

/// The link-local address that a station forms from its MAC address (RFC 4291 appendix A).
pub const fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from_octets([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn parse_solicitation(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    mut reader: Reader<'_>,
) -> Result<Solicitation, ParseError> {
    reader.u32()?;
    let options = NdpOptions::parse(reader)?;
    if source.is_unspecified() && options.has_link_layer {
        return Err(ParseError::BadValue);
    }
    Ok(Solicitation { source, destination, link_layer: options.link_layer })
}

fn parse_advertisement(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    mut reader: Reader<'_>,
) -> Result<Advertisement, ParseError> {
    if !source.is_unicast_link_local() {
        return Err(ParseError::BadValue);
    }
    reader.u8()?;
    let flags = reader.u8()?;
    let router_lifetime_s = reader.u16()?;
    // Reachable and retransmission time, which only routers' clients need.
    reader.bytes(8)?;
    let options = NdpOptions::parse(reader)?;
    Ok(Advertisement {
        source,
        destination,
        router_lifetime_s,
        is_managed: flags & FLAG_MANAGED != 0,
        is_other: flags & FLAG_OTHER != 0,
        has_prefix: options.has_prefix,
        link_layer: options.link_layer,
    })
}

#[derive(Default)]
struct NdpOptions {
    has_prefix: bool,
    has_link_layer: bool,
    link_layer: Option<MacAddr>,
}

impl NdpOptions {
    /// Options are in units of eight bytes, and none is empty (RFC 4861 §4.6).
    fn parse(mut reader: Reader<'_>) -> Result<Self, ParseError> {
        let mut options = Self::default();
        // Ends: each round takes eight bytes or more.
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let len = usize::from(reader.u8()?).saturating_mul(8);
            let data = reader.bytes(len.checked_sub(2).ok_or(ParseError::BadLength)?)?;
            match kind {
                SOURCE_LINK_LAYER => {
                    options.has_link_layer = true;
                    options.link_layer = data.try_into().ok().map(MacAddr);
                }
                PREFIX => options.has_prefix = true,
                _ => {}
            }
        }
        Ok(options)
    }
}

/// Writes the IPv6 header and a message whose checksum `set_checksum` stores.
fn put_packet<T: IntoBytes + Immutable>(
    buffer: &mut [u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    mut message: T,
    set_checksum: impl FnOnce(&mut T, U16),
) -> Result<usize, EmitError> {
    let len = u16::try_from(size_of::<T>()).map_err(|_| EmitError::TooLong)?;
    let sum = Checksum::new()
        .with_ipv6_pseudo(source, destination, NEXT_HEADER_ICMPV6, u32::from(len))
        .with(message.as_bytes());
    set_checksum(&mut message, sum.finish().into());
    let mut writer = Writer::new(buffer);
    writer.put_header(&Ipv6Header {
        flow: (6 << 28).into(),
        payload_len: len.into(),
        next_header: NEXT_HEADER_ICMPV6,
        hop_limit: HOP_LIMIT,
        source: source.octets(),
        destination: destination.octets(),
    });
    writer.put_header(&message);
    writer.finish()
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv6Header {
    flow: U32,
    payload_len: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct EmptyAdvertisement {
    kind: u8,
    code: u8,
    checksum: U16,
    hop_limit: u8,
    flags: u8,
    router_lifetime: U16,
    reachable_time: U32,
    retransmission_time: U32,
    option: u8,
    option_len: u8,
    link_layer: MacAddr,
}

#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct SolicitationWithAddress {
    kind: u8,
    code: u8,
    checksum: U16,
    reserved: U32,
    option: u8,
    option_len: u8,
    link_layer: MacAddr,
}

/// Length of an empty advertisement with its IPv6 header, in bytes.
pub const ADVERTISEMENT_BYTES: usize = size_of::<Ipv6Header>() + size_of::<EmptyAdvertisement>();
/// Every node of the link, `ff02::1`.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Every router of the link, `ff02::2`.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

const NEXT_HEADER_ICMPV6: u8 = 58;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Proves that no router has passed the packet on (RFC 4861 §6.1).
const HOP_LIMIT: u8 = 255;
const FLAG_MANAGED: u8 = 0x80;
const FLAG_OTHER: u8 = 0x40;
const SOURCE_LINK_LAYER: u8 = 1;
const PREFIX: u8 = 3;

const _: () = assert!(ADVERTISEMENT_BYTES == 64);

#[cfg(test)]
mod tests;

//! UDP over IPv4 as whole packets (RFC 791, RFC 768): what goes to a client that has no address
//! yet, and what captures and simulated wires hold.

use core::net::{Ipv4Addr, SocketAddrV4};

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Checksum;
use super::reader::Reader;
use super::writer::Writer;
use super::{EmitError, ParseError};

/// A checked datagram that borrows the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub source: SocketAddrV4,
    /// The receiver, perhaps a broadcast.
    pub destination: SocketAddrV4,
    /// What UDP carries.
    pub payload: &'a [u8],
}

/// Checks a packet that starts with its IPv4 header. Bytes behind the packet are ignored, because
/// short Ethernet frames are padded; so is a UDP checksum of zero, which means none.
///
/// # Errors
/// [`ParseError::BadValue`] for another version than 4, [`ParseError::BadLength`] for a header or
/// datagram length that cannot be, [`ParseError::Truncated`] when the packet is shorter than it
/// says, [`ParseError::BadChecksum`], [`ParseError::Fragment`] for any piece of a fragmented
/// packet, [`ParseError::UnknownCode`] for a protocol other than UDP.
pub fn parse(packet: &[u8]) -> Result<Datagram<'_>, ParseError> {
    parse_ip(packet, true)
}

/// The same without a look at the UDP checksum: a packet that another host on this machine sent
/// over a virtual link may have none yet.
///
/// # Errors
/// As [`parse`].
pub fn parse_unsummed(packet: &[u8]) -> Result<Datagram<'_>, ParseError> {
    parse_ip(packet, false)
}

fn parse_ip(packet: &[u8], is_summed: bool) -> Result<Datagram<'_>, ParseError> {
    let mut reader = Reader::new(packet);
    let ip: &Ipv4Header = reader.header()?;
    if ip.version_ihl >> 4 != 4 {
        return Err(ParseError::BadValue);
    }
    let header_len = usize::from(ip.version_ihl & 0xf).saturating_mul(4);
    let total_len = usize::from(ip.total_len.get());
    if header_len < IPV4_HEADER_BYTES || total_len < header_len {
        return Err(ParseError::BadLength);
    }
    let mut whole = Reader::new(packet);
    let mut packet = Reader::new(whole.bytes(total_len)?);
    if Checksum::new().with(packet.bytes(header_len)?).finish() != 0 {
        return Err(ParseError::BadChecksum);
    }
    if ip.fragment.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0 {
        return Err(ParseError::Fragment);
    }
    if ip.protocol != PROTOCOL_UDP {
        return Err(ParseError::UnknownCode(u16::from(ip.protocol)));
    }
    parse_udp(ip, packet, is_summed)
}

/// Writes the IPv4 and UDP headers before a payload of `payload_len` bytes that is already in
/// place at offset [`HEADERS_BYTES`] of `buffer`; gives the packet's length.
///
/// The packet is never fragmented: it has the DF bit and therefore no identification (RFC 6864
/// §4.1). Both checksums are filled in.
///
/// # Errors
/// [`EmitError::NoSpace`] when the payload does not lie inside the buffer, [`EmitError::TooLong`]
/// above 65,535 bytes in total.
pub fn emit(
    buffer: &mut [u8],
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload_len: usize,
) -> Result<usize, EmitError> {
    let total = payload_len.checked_add(HEADERS_BYTES).ok_or(EmitError::TooLong)?;
    let total_len = u16::try_from(total).map_err(|_| EmitError::TooLong)?;
    let udp_len = total_len.saturating_sub(20);
    let packet = buffer.get_mut(..total).ok_or(EmitError::NoSpace)?;
    let (headers, payload) =
        packet.split_at_mut_checked(HEADERS_BYTES).ok_or(EmitError::NoSpace)?;

    let mut ip = Ipv4Header {
        version_ihl: 0x45,
        tos: 0,
        total_len: total_len.into(),
        identification: 0.into(),
        fragment: DO_NOT_FRAGMENT.into(),
        ttl: TTL,
        protocol: PROTOCOL_UDP,
        checksum: 0.into(),
        source: source.ip().octets(),
        destination: destination.ip().octets(),
    };
    ip.checksum = Checksum::new().with(ip.as_bytes()).finish().into();
    let mut udp = UdpHeader {
        source_port: source.port().into(),
        destination_port: destination.port().into(),
        len: udp_len.into(),
        checksum: 0.into(),
    };
    let sum = Checksum::new()
        .with_ipv4_pseudo(*source.ip(), *destination.ip(), PROTOCOL_UDP, udp_len)
        .with(udp.as_bytes())
        .with(payload);
    // Zero would mean that there is none (RFC 768).
    udp.checksum = match sum.finish() {
        0 => u16::MAX,
        sum => sum,
    }
    .into();

    let mut writer = Writer::new(headers);
    writer.put_header(&ip);
    writer.put_header(&udp);
    writer.finish()?;
    Ok(total)
}

fn parse_udp<'a>(
    ip: &Ipv4Header,
    rest: Reader<'a>,
    is_summed: bool,
) -> Result<Datagram<'a>, ParseError> {
    let mut reader = rest;
    let udp: &UdpHeader = reader.header()?;
    let (source, destination) =
        (Ipv4Addr::from_octets(ip.source), Ipv4Addr::from_octets(ip.destination));
    let payload_len =
        usize::from(udp.len.get()).checked_sub(UDP_HEADER_BYTES).ok_or(ParseError::BadLength)?;
    let payload = reader.bytes(payload_len)?;
    if is_summed && udp.checksum.get() != 0 {
        let sum = Checksum::new()
            .with_ipv4_pseudo(source, destination, PROTOCOL_UDP, udp.len.get())
            .with(udp.as_bytes())
            .with(payload);
        if sum.finish() != 0 {
            return Err(ParseError::BadChecksum);
        }
    }
    Ok(Datagram {
        source: SocketAddrV4::new(source, udp.source_port.get()),
        destination: SocketAddrV4::new(destination, udp.destination_port.get()),
        payload,
    })
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv4Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    identification: U16,
    fragment: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct UdpHeader {
    source_port: U16,
    destination_port: U16,
    len: U16,
    checksum: U16,
}

/// Where the payload of a packet without IP options starts, in bytes.
pub const HEADERS_BYTES: usize = IPV4_HEADER_BYTES + UDP_HEADER_BYTES;

const IPV4_HEADER_BYTES: usize = size_of::<Ipv4Header>();
const UDP_HEADER_BYTES: usize = size_of::<UdpHeader>();
const PROTOCOL_UDP: u8 = 17;
const DO_NOT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;
/// The default of RFC 1700.
const TTL: u8 = 64;

const _: () = assert!(IPV4_HEADER_BYTES == 20 && UDP_HEADER_BYTES == 8);

#[cfg(test)]
mod tests;

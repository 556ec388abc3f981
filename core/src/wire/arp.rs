//! Address resolution for IPv4 on Ethernet (RFC 826), as far as it tells whether an address is in
//! use (RFC 5227).

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::reader::Reader;
use super::writer::Writer;
use super::{EmitError, ParseError};
use crate::mac::MacAddr;

/// A checked ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// What it is.
    pub operation: Operation,
    /// The station that speaks.
    pub sender: MacAddr,
    /// The address it says is its own, unspecified in a probe.
    pub sender_address: Ipv4Addr,
    /// The station it speaks to, or nothing in a request.
    pub target: MacAddr,
    /// The address that it asks for, or answers to.
    pub target_address: Ipv4Addr,
}

/// What an ARP packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

impl Arp {
    /// The address that the sender says is its own, if it says so.
    pub const fn claim(&self) -> Option<Ipv4Addr> {
        if self.sender_address.is_unspecified() { None } else { Some(self.sender_address) }
    }
}

/// Checks a packet that starts with its ARP header. Bytes behind it are ignored, because short
/// Ethernet frames are padded.
///
/// # Errors
/// [`ParseError::Truncated`], [`ParseError::BadValue`] for other protocols or links than IPv4 on
/// Ethernet, [`ParseError::UnknownCode`] for other operations than request and reply.
pub fn parse(packet: &[u8]) -> Result<Arp, ParseError> {
    let header: &Header = Reader::new(packet).header()?;
    let kinds = (header.hardware.get(), header.protocol.get(), header.lengths);
    if kinds != (ETHERNET, super::ethernet::IPV4, [6, 4]) {
        return Err(ParseError::BadValue);
    }
    let operation = match header.operation.get() {
        REQUEST => Operation::Request,
        REPLY => Operation::Reply,
        other => return Err(ParseError::UnknownCode(other)),
    };
    Ok(Arp {
        operation,
        sender: header.sender,
        sender_address: Ipv4Addr::from_octets(header.sender_address),
        target: header.target,
        target_address: Ipv4Addr::from_octets(header.target_address),
    })
}

/// Writes a packet; gives its length, [`PACKET_BYTES`].
///
/// # Errors
/// [`EmitError::NoSpace`].
pub fn emit(buffer: &mut [u8], arp: &Arp) -> Result<usize, EmitError> {
    let operation = match arp.operation {
        Operation::Request => REQUEST,
        Operation::Reply => REPLY,
    };
    let mut writer = Writer::new(buffer);
    writer.put_header(&Header {
        hardware: ETHERNET.into(),
        protocol: super::ethernet::IPV4.into(),
        lengths: [6, 4],
        operation: operation.into(),
        sender: arp.sender,
        sender_address: arp.sender_address.octets(),
        target: arp.target,
        target_address: arp.target_address.octets(),
    });
    writer.finish()
}

/// Writes a probe: does anybody have `address`? It says nothing about the sender's address, so it
/// changes no neighbour's table (RFC 5227 §2.1.1). Gives its length.
///
/// # Errors
/// [`EmitError::NoSpace`].
pub fn emit_probe(
    buffer: &mut [u8],
    sender: MacAddr,
    address: Ipv4Addr,
) -> Result<usize, EmitError> {
    let probe = Arp {
        operation: Operation::Request,
        sender,
        sender_address: Ipv4Addr::UNSPECIFIED,
        target: MacAddr([0; 6]),
        target_address: address,
    };
    emit(buffer, &probe)
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    hardware: U16,
    protocol: U16,
    lengths: [u8; 2],
    operation: U16,
    sender: MacAddr,
    sender_address: [u8; 4],
    target: MacAddr,
    target_address: [u8; 4],
}

/// Length of a packet, in bytes.
pub const PACKET_BYTES: usize = size_of::<Header>();

/// Hardware type of Ethernet. Its first byte is 0, which tells an ARP packet from an IP packet.
const ETHERNET: u16 = 1;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

const _: () = assert!(PACKET_BYTES == 28);

#[cfg(test)]
mod tests {
    use super::*;

    const US: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_probe_has_the_form_of_rfc_5227() {
        let mut buffer = [0xa5; 60];
        let length = emit_probe(&mut buffer, US, Ipv4Addr::new(10, 0, 0, 7)).unwrap();
        let expected =
            [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 7];
        assert_eq!(buffer[..length], expected);
        assert_eq!(parse(&buffer).unwrap().claim(), None);
    }

    #[test]
    fn what_was_written_is_read() {
        let arp = Arp {
            operation: Operation::Reply,
            sender: US,
            sender_address: Ipv4Addr::new(10, 0, 0, 7),
            target: MacAddr([2, 0, 0, 0, 0, 2]),
            target_address: Ipv4Addr::UNSPECIFIED,
        };
        let mut buffer = [0; PACKET_BYTES];
        emit(&mut buffer, &arp).unwrap();
        assert_eq!(parse(&buffer), Ok(arp));
        assert_eq!(arp.claim(), Some(arp.sender_address));
        for length in 0..PACKET_BYTES {
            assert_eq!(parse(&buffer[..length]), Err(ParseError::Truncated));
        }
        assert_eq!(emit(&mut buffer[..27], &arp), Err(EmitError::NoSpace));
    }

    #[test]
    fn other_links_protocols_and_operations_are_refused() {
        let mut good = [0; PACKET_BYTES];
        emit_probe(&mut good, US, Ipv4Addr::new(10, 0, 0, 7)).unwrap();
        for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(parse(&bad), Err(ParseError::BadValue), "byte {at}");
        }
        good[7] = 3;
        assert_eq!(parse(&good), Err(ParseError::UnknownCode(3)));
    }
}

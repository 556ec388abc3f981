//! Echo over IPv4 (RFC 792): whether a host answers that no link of ours reaches.

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Checksum;
use super::reader::Reader;
use super::writer::Writer;
use super::{EmitError, ParseError};

/// An echo, asked for or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Whether it is the answer.
    pub is_reply: bool,
    /// Whose it is; comes back in the reply.
    pub identifier: u16,
    /// Which it is; comes back in the reply.
    pub sequence: u16,
}

/// Checks a packet that starts with its IPv4 header; gives the sender's address and the echo.
///
/// # Errors
/// [`ParseError::BadValue`] for another version than 4 or a code other than 0,
/// [`ParseError::BadLength`] for lengths that cannot be, [`ParseError::Truncated`],
/// [`ParseError::BadChecksum`], [`ParseError::UnknownCode`] for anything but an echo.
pub fn parse(packet: &[u8]) -> Result<(Ipv4Addr, Echo), ParseError> {
    let ip: &Ipv4Header = Reader::new(packet).header()?;
    if ip.version_ihl >> 4 != 4 {
        return Err(ParseError::BadValue);
    }
    if ip.protocol != PROTOCOL_ICMP {
        return Err(ParseError::UnknownCode(u16::from(ip.protocol)));
    }
    let header_len = usize::from(ip.version_ihl & 0xf).saturating_mul(4);
    let total_len = usize::from(ip.total_len.get());
    if header_len < size_of::<Ipv4Header>() || total_len < header_len {
        return Err(ParseError::BadLength);
    }
    let mut packet = Reader::new(Reader::new(packet).bytes(total_len)?);
    packet.bytes(header_len)?;
    Ok((Ipv4Addr::from_octets(ip.source), parse_message(packet.rest())?))
}

/// Checks an ICMP message.
///
/// # Errors
/// As [`parse`].
pub fn parse_message(message: &[u8]) -> Result<Echo, ParseError> {
    let header: &Header = Reader::new(message).header()?;
    if Checksum::new().with(message).finish() != 0 {
        return Err(ParseError::BadChecksum);
    }
    let is_reply = match header.kind {
        REPLY => true,
        REQUEST => false,
        other => return Err(ParseError::UnknownCode(u16::from(other))),
    };
    if header.code != 0 {
        return Err(ParseError::BadValue);
    }
    let (identifier, sequence) = (header.identifier.get(), header.sequence.get());
    Ok(Echo { is_reply, identifier, sequence })
}

/// Writes the ICMP message of an echo without data; gives its length.
///
/// # Errors
/// [`EmitError::NoSpace`].
pub fn emit(buffer: &mut [u8], echo: Echo) -> Result<usize, EmitError> {
    let mut header = Header {
        kind: if echo.is_reply { REPLY } else { REQUEST },
        code: 0,
        checksum: 0.into(),
        identifier: echo.identifier.into(),
        sequence: echo.sequence.into(),
    };
    header.checksum = Checksum::new().with(header.as_bytes()).finish().into();
    let mut writer = Writer::new(buffer);
    writer.put_header(&header);
    writer.finish()
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    kind: u8,
    code: u8,
    checksum: U16,
    identifier: U16,
    sequence: U16,
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

const PROTOCOL_ICMP: u8 = 1;
const REPLY: u8 = 0;
const REQUEST: u8 = 8;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const ECHO: Echo = Echo { is_reply: true, identifier: 0x1234, sequence: 9 };

    fn packet() -> Vec<u8> {
        let mut message = [0; 8];
        assert_eq!(emit(&mut message, ECHO), Ok(8));
        let mut packet =
            std::vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 1, 0, 7, 10, 0, 0, 1];
        packet.extend(message);
        packet
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(parse(&packet()), Ok((Ipv4Addr::new(10, 1, 0, 7), ECHO)));
        let mut request = [0; 8];
        emit(&mut request, Echo { is_reply: false, ..ECHO }).unwrap();
        assert_eq!(request, [8, 0, 0xe5, 0xc2, 0x12, 0x34, 0, 9]);
        assert_eq!(emit(&mut request[..7], ECHO), Err(EmitError::NoSpace));
    }

    #[test]
    fn what_is_no_echo_is_refused() {
        let good = packet();
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), Err(ParseError::Truncated));
        }
        for (at, value, error) in [
            (0, 0x65, ParseError::BadValue),
            (0, 0x44, ParseError::BadLength),
            (3, 19, ParseError::BadLength),
            (9, 17, ParseError::UnknownCode(17)),
            (27, 0, ParseError::BadChecksum),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(parse(&bad), Err(error), "byte {at}");
        }
        // Time exceeded, with a checksum that is right.
        assert_eq!(
            parse_message(&[11, 0, 0xf4, 0xff, 0, 0, 0, 0]),
            Err(ParseError::UnknownCode(11))
        );
    }
}

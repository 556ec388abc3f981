//! The Ethernet II header, for captures and simulated wires; sockets never show it.

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::reader::Reader;
use super::writer::Writer;
use super::{EmitError, ParseError};
use crate::mac::MacAddr;

/// The header as it lies on the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// The station, or the group, that is to receive the frame.
    pub destination: MacAddr,
    /// The station that sent it.
    pub source: MacAddr,
    ethertype: U16,
}

impl Header {
    /// A header for a payload of protocol `ethertype`.
    pub fn new(destination: MacAddr, source: MacAddr, ethertype: u16) -> Self {
        Self { destination, source, ethertype: ethertype.into() }
    }

    /// The payload's protocol; values below 0x600 are the length of an 802.3 frame instead.
    pub const fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }

    /// Writes the header to the front of `buffer`; gives its length.
    ///
    /// # Errors
    /// [`EmitError::NoSpace`] for less than [`HEADER_BYTES`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let mut writer = Writer::new(buffer);
        writer.put_header(self);
        writer.finish()
    }
}

/// Splits a frame into header and payload; the payload may end in padding.
///
/// # Errors
/// [`ParseError::Truncated`] for less than [`HEADER_BYTES`].
pub fn parse(frame: &[u8]) -> Result<(&Header, &[u8]), ParseError> {
    let mut reader = Reader::new(frame);
    let header = reader.header()?;
    Ok((header, reader.rest()))
}

/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub const ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;

const _: () = assert!(HEADER_BYTES == 14);

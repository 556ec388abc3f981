//! BOOTP and DHCPv4 messages (RFC 951, RFC 2131): the fixed header and the raw options.

mod code_set;
mod message_type;

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::dhcp4_options::code;
use super::reader::Reader;
use super::tlv::{Framing, Tlv, Tlvs};
use super::{EmitError, ParseError};
use crate::mac::MacAddr;

pub use code_set::CodeSet;
pub use message_type::MessageType;

/// The fixed part of every message (RFC 2131 §2), as it lies on the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// [`BOOT_REQUEST`] or [`BOOT_REPLY`].
    pub op: u8,
    /// Hardware type; [`HTYPE_ETHERNET`] for all that boots here.
    pub htype: u8,
    /// Length of the hardware address, at most 16.
    pub hlen: u8,
    /// Relay agents passed.
    pub hops: u8,
    xid: U32,
    secs: U16,
    flags: U16,
    ciaddr: [u8; 4],
    yiaddr: [u8; 4],
    siaddr: [u8; 4],
    giaddr: [u8; 4],
    /// The hardware address with its padding; klibc compares all 16 bytes with what it sent.
    pub chaddr: [u8; 16],
    /// Server host name, ended by NUL unless full; holds options when overloaded.
    pub sname: [u8; 64],
    /// Boot file name, ended by NUL unless full; holds options when overloaded.
    pub file: [u8; 128],
}

impl Header {
    /// The header of a reply to `request`: `op` 2 and what RFC 2131 §4.3.1 table 3 copies (htype,
    /// hlen, xid, flags, giaddr, the whole chaddr); everything else zero.
    pub fn reply(request: &Self) -> Self {
        Self {
            op: BOOT_REPLY,
            htype: request.htype,
            hlen: request.hlen,
            xid: request.xid,
            flags: request.flags,
            giaddr: request.giaddr,
            chaddr: request.chaddr,
            ..Self::new_zeroed()
        }
    }

    /// The header of a client's request from an Ethernet address, for simulated clients.
    pub fn request(xid: u32, mac: MacAddr) -> Self {
        let mut header = Self {
            op: BOOT_REQUEST,
            htype: HTYPE_ETHERNET,
            hlen: 6,
            xid: xid.into(),
            ..Self::new_zeroed()
        };
        if let Some(slot) = header.chaddr.first_chunk_mut() {
            *slot = mac.0;
        }
        header
    }

    /// Transaction id.
    pub const fn xid(&self) -> u32 {
        self.xid.get()
    }

    /// Seconds since the client began; iPXE keeps a counter and flags here, so it proves nothing.
    pub const fn secs(&self) -> u16 {
        self.secs.get()
    }

    /// All flags; see [`Header::is_broadcast`].
    pub const fn flags(&self) -> u16 {
        self.flags.get()
    }

    /// Whether the client cannot receive unicast before it has an address (RFC 2131 §4.1).
    pub const fn is_broadcast(&self) -> bool {
        self.flags.get() & FLAG_BROADCAST != 0
    }

    /// The client's own address, when it can answer ARP.
    pub const fn ciaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.ciaddr)
    }

    /// The address given to the client.
    pub const fn yiaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.yiaddr)
    }

    /// The server of the next boot step.
    pub const fn siaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.siaddr)
    }

    /// The relay agent, unspecified when the client is on our link.
    pub const fn giaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.giaddr)
    }

    /// The hardware address, if it is that of an Ethernet card: htype 1 and hlen 6.
    pub fn mac(&self) -> Option<MacAddr> {
        let mac = self.chaddr.first_chunk().copied().map(MacAddr)?;
        (self.htype == HTYPE_ETHERNET && self.hlen == 6).then_some(mac)
    }

    /// The meaningful part of `chaddr`.
    pub fn hardware_address(&self) -> &[u8] {
        self.chaddr.get(..usize::from(self.hlen)).unwrap_or(&self.chaddr)
    }

    /// The boot file name up to its NUL, perhaps empty; holds options when overloaded.
    pub fn file_name(&self) -> &[u8] {
        self.file.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The server's name up to its NUL, likewise.
    pub fn server_name(&self) -> &[u8] {
        self.sname.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Sets the transaction id.
    pub fn set_xid(&mut self, xid: u32) {
        self.xid = xid.into();
    }

    /// Sets the seconds since the client began.
    pub fn set_secs(&mut self, secs: u16) {
        self.secs = secs.into();
    }

    /// Sets or clears the broadcast flag.
    pub fn set_broadcast(&mut self, broadcast: bool) {
        let others = self.flags.get() & !FLAG_BROADCAST;
        self.flags = if broadcast { others | FLAG_BROADCAST } else { others }.into();
    }

    /// Sets the client's own address.
    pub const fn set_ciaddr(&mut self, address: Ipv4Addr) {
        self.ciaddr = address.octets();
    }

    /// Sets the address given to the client.
    pub const fn set_yiaddr(&mut self, address: Ipv4Addr) {
        self.yiaddr = address.octets();
    }

    /// Sets the server of the next boot step.
    pub const fn set_siaddr(&mut self, address: Ipv4Addr) {
        self.siaddr = address.octets();
    }

    /// Sets the relay agent.
    pub const fn set_giaddr(&mut self, address: Ipv4Addr) {
        self.giaddr = address.octets();
    }

    /// Writes the boot file name, at most 127 bytes so that a NUL ends it.
    ///
    /// # Errors
    /// [`EmitError::TooLong`], or [`EmitError::BadText`] when the name holds a NUL; the field is
    /// then unchanged.
    pub fn set_file(&mut self, name: &[u8]) -> Result<(), EmitError> {
        set_text(&mut self.file, name)
    }

    /// Writes the server host name, at most 63 bytes so that a NUL ends it.
    ///
    /// # Errors
    /// As [`Header::set_file`].
    pub fn set_sname(&mut self, name: &[u8]) -> Result<(), EmitError> {
        set_text(&mut self.sname, name)
    }
}

/// A checked message that borrows the datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    header: &'a Header,
    /// Options field, then `file`, then `sname`: the order in which pieces join (RFC 3396 §5).
    areas: [&'a [u8]; 3],
    has_cookie: bool,
    overload: u8,
    present: CodeSet,
    repeated: CodeSet,
}

impl<'a> Message<'a> {
    /// Checks a datagram's payload. All options lie inside their areas afterwards; a missing END
    /// is forgiven.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] for less than the 236 bytes of the header or for an option that
    /// leaves its area, [`ParseError::BadLength`] for `hlen` above 16 or a bad option 52,
    /// [`ParseError::BadValue`] for an overload other than 1 to 3, [`ParseError::TooMany`] for
    /// more than [`OPTIONS_MAX`] options or [`SPLIT_OPTIONS_MAX`] split ones.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_with(bytes, |_| {})
    }

    /// [`Message::parse`] that shows every option as it lies on the wire to `visit`, in the order
    /// of [`Message::options`], and so spares the walk over them.
    ///
    /// # Errors
    /// As [`Message::parse`]; `visit` has seen the options before the fault then.
    pub fn parse_with(bytes: &'a [u8], mut visit: impl FnMut(Tlv<'a>)) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &Header = reader.header()?;
        if usize::from(header.hlen) > header.chaddr.len() {
            return Err(ParseError::BadLength);
        }
        let mut message = Self {
            header,
            areas: [&[]; 3],
            has_cookie: false,
            overload: 0,
            present: CodeSet::EMPTY,
            repeated: CodeSet::EMPTY,
        };
        let Some(options) = reader.rest().strip_prefix(&MAGIC_COOKIE) else {
            return Ok(message);
        };
        message.has_cookie = true;
        let mut count = 0;
        message.overload = message.scan(options, &mut count, &mut visit)?.unwrap_or(0);
        let file: &[u8] = if message.overload & OVERLOAD_FILE != 0 { &header.file } else { &[] };
        let sname: &[u8] = if message.overload & OVERLOAD_SNAME != 0 { &header.sname } else { &[] };
        message.scan(file, &mut count, &mut visit)?;
        message.scan(sname, &mut count, &mut visit)?;
        if !message.repeated.is_empty() && message.repeated.len() > SPLIT_OPTIONS_MAX {
            return Err(ParseError::TooMany);
        }
        message.areas = [options, file, sname];
        Ok(message)
    }

    /// The fixed part.
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// Whether this is plain BOOTP: no magic cookie, or no option 53 (RFC 1534 §2).
    pub fn is_bootp(&self) -> bool {
        !self.present.contains(code::MESSAGE_TYPE)
    }

    /// Whether the vendor area starts with the magic cookie of RFC 1497, so that it holds options.
    pub const fn has_cookie(&self) -> bool {
        self.has_cookie
    }

    /// Option 53; `None` in BOOTP.
    ///
    /// # Errors
    /// [`ParseError::BadLength`], or [`ParseError::UnknownCode`] for an unassigned type.
    pub fn message_type(&self) -> Result<Option<MessageType>, ParseError> {
        let mut pieces = self.pieces(code::MESSAGE_TYPE);
        match (pieces.next(), pieces.next()) {
            (None, _) => Ok(None),
            (Some([code]), None) => MessageType::try_from(*code).map(Some),
            _ => Err(ParseError::BadLength),
        }
    }

    /// Every option as it lies on the wire, pieces apart, honouring overload; without PAD and END.
    pub fn options(&self) -> RawOptions<'a> {
        let [options, file, sname] = self.areas;
        RawOptions { current: Tlvs::new(options, Framing::PadAndEnd), next: [file, sname] }
    }

    /// The pieces of one option in the order in which they join.
    pub fn pieces(&self, code: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let wanted = self.present.contains(code);
        let options = if wanted { Some(self.options()) } else { None };
        options
            .into_iter()
            .flatten()
            .filter(move |option| option.code == code)
            .map(|option| option.data)
    }

    /// The codes that occur.
    pub const fn present(&self) -> CodeSet {
        self.present
    }

    /// The codes that occur in more than one piece.
    pub const fn repeated(&self) -> CodeSet {
        self.repeated
    }

    /// The boot file name of the header up to its NUL; `None` when empty or overloaded.
    pub fn file(&self) -> Option<&'a [u8]> {
        text(&self.header.file, self.overload & OVERLOAD_FILE != 0)
    }

    /// The server name of the header up to its NUL; `None` when empty or overloaded.
    pub fn sname(&self) -> Option<&'a [u8]> {
        text(&self.header.sname, self.overload & OVERLOAD_SNAME != 0)
    }

    /// Counts and shows the options of an area and gives the overload that it announces.
    fn scan(
        &mut self,
        area: &'a [u8],
        count: &mut usize,
        visit: &mut impl FnMut(Tlv<'a>),
    ) -> Result<Option<u8>, ParseError> {
        let mut overload = None;
        let mut options = Tlvs::new(area, Framing::PadAndEnd);
        // Ends: each call takes at least one byte off the area.
        while let Some(option) = options.try_next()? {
            *count = count.saturating_add(1);
            if *count > OPTIONS_MAX {
                return Err(ParseError::TooMany);
            }
            if !self.present.insert(option.code) {
                self.repeated.insert(option.code);
            }
            if option.code == code::OPTION_OVERLOAD {
                overload = match (option.data, overload) {
                    ([value @ 1..=3], None) => Some(*value),
                    ([_], None) => return Err(ParseError::BadValue),
                    _ => return Err(ParseError::BadLength),
                };
            }
            visit(option);
        }
        Ok(overload)
    }
}

/// Iterates over the raw options of a [`Message`].
#[derive(Clone, Debug)]
pub struct RawOptions<'a> {
    current: Tlvs<'a>,
    next: [&'a [u8]; 2],
}

impl<'a> Iterator for RawOptions<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        // Ends: an area that gives nothing is replaced by the next; after two both are empty.
        loop {
            if let Some(option) = self.current.next() {
                return Some(option);
            }
            let [file, sname] = self.next;
            if file.is_empty() && sname.is_empty() {
                return None;
            }
            self.current = Tlvs::new(file, Framing::PadAndEnd);
            self.next = [sname, &[]];
        }
    }
}

fn text(field: &[u8], overloaded: bool) -> Option<&[u8]> {
    let text = field.split(|byte| *byte == 0).next()?;
    (!overloaded && !text.is_empty()).then_some(text)
}

fn set_text(field: &mut [u8], value: &[u8]) -> Result<(), EmitError> {
    if value.contains(&0) {
        return Err(EmitError::BadText);
    }
    if value.len() >= field.len() {
        return Err(EmitError::TooLong);
    }
    let (text, padding) = field.split_at_mut_checked(value.len()).ok_or(EmitError::TooLong)?;
    text.copy_from_slice(value);
    padding.fill(0);
    Ok(())
}

/// `op` of what clients send.
pub const BOOT_REQUEST: u8 = 1;
/// `op` of what servers send.
pub const BOOT_REPLY: u8 = 2;
/// `htype` of Ethernet and all that borrows its addresses.
pub const HTYPE_ETHERNET: u8 = 1;
/// The broadcast flag (RFC 2131 §2 figure 2).
pub const FLAG_BROADCAST: u16 = 0x8000;
/// Length of the fixed part, in bytes.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// The bytes before the first option (RFC 2131 §3).
pub const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// The most options, pieces counted apart, that a message may hold.
pub const OPTIONS_MAX: usize = 256;
/// The most options that a message may hold in pieces. Joining one walks over all others, so this
/// bounds the work that a hostile message causes; real clients split one or two.
pub const SPLIT_OPTIONS_MAX: u32 = 8;
/// Where servers and relay agents listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;
/// Where PXE boot servers listen (PXE 2.1 §2.2.3).
pub const PXE_PORT: u16 = 4011;

const OVERLOAD_FILE: u8 = 1;
const OVERLOAD_SNAME: u8 = 2;

const _: () = assert!(HEADER_BYTES == 236);

#[cfg(test)]
mod tests;

//! DHCP for IPv4 (RFC 2131, 2132) with the PXE options (RFC 4578).

use core::net::Ipv4Addr;

use super::Sink;

/// The port of servers.
pub const SERVER_PORT: u16 = 67;
/// The port of clients.
pub const CLIENT_PORT: u16 = 68;
/// The port of PXE boot servers and ProxyDHCP's second leg.
pub const PXE_PORT: u16 = 4011;

/// Message types (option 53).
pub mod kind {
    /// A client looks for servers.
    pub const DISCOVER: u8 = 1;
    /// A server offers an address.
    pub const OFFER: u8 = 2;
    /// A client wants what was offered.
    pub const REQUEST: u8 = 3;
    /// A client cannot use what it got.
    pub const DECLINE: u8 = 4;
    /// The address is the client's.
    pub const ACK: u8 = 5;
    /// It is not.
    pub const NAK: u8 = 6;
}

/// Option codes.
pub mod code {
    /// Subnet mask.
    pub const MASK: u8 = 1;
    /// Vendor-specific information: PXE's own options.
    pub const VENDOR: u8 = 43;
    /// Requested address.
    pub const REQUESTED: u8 = 50;
    /// Options in the fields `file` and `sname`.
    pub const OVERLOAD: u8 = 52;
    /// Message type.
    pub const KIND: u8 = 53;
    /// Server identifier.
    pub const SERVER: u8 = 54;
    /// Parameter request list.
    pub const PARAMETERS: u8 = 55;
    /// Largest message that the client takes.
    pub const SIZE_MAX: u8 = 57;
    /// Vendor class.
    pub const CLASS: u8 = 60;
    /// Client identifier.
    pub const CLIENT: u8 = 61;
    /// Boot file name.
    pub const FILE: u8 = 67;
    /// User class.
    pub const USER_CLASS: u8 = 77;
    /// Processor architecture.
    pub const ARCH: u8 = 93;
    /// Network interface of the firmware.
    pub const NDI: u8 = 94;
    /// SMBIOS UUID.
    pub const UUID: u8 = 97;
    /// iPXE's own options.
    pub const IPXE: u8 = 175;
    /// Nothing.
    pub(super) const PAD: u8 = 0;
    /// No more.
    pub(super) const END: u8 = 255;
}

const HEADER_LEN: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 1542 §2.1: shorter ones get lost.
const LEN_MIN: usize = 300;

/// A client's message in the making.
#[derive(Debug)]
pub struct Message<'b> {
    sink: Sink<'b>,
}

/// The header of a client's message.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Transaction.
    pub xid: u32,
    /// Seconds since the client began, or what it takes for that.
    pub secs: u16,
    /// Whether answers must be broadcast.
    pub broadcast: bool,
    /// The client's address if it has one.
    pub address: Ipv4Addr,
    /// The client's link-layer address.
    pub mac: [u8; 6],
}

impl<'b> Message<'b> {
    /// Begins a message.
    pub fn new(out: &'b mut [u8], header: &Header) -> Self {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&header.xid.to_be_bytes());
        bytes[8..10].copy_from_slice(&header.secs.to_be_bytes());
        bytes[10] = if header.broadcast { 0x80 } else { 0 };
        bytes[12..16].copy_from_slice(&header.address.octets());
        bytes[28..34].copy_from_slice(&header.mac);
        let mut sink = Sink::new(out);
        sink.bytes(&bytes);
        sink.bytes(&COOKIE);
        Self { sink }
    }

    /// Adds an option of at most 255 bytes.
    pub fn option(&mut self, code: u8, value: &[u8]) {
        let len = u8::try_from(value.len()).unwrap_or(u8::MAX);
        self.sink.bytes(&[code, len]);
        self.sink.bytes(&value[..usize::from(len)]);
    }

    /// Ends the message; its length in bytes, or `None` if it did not fit.
    pub fn finish(mut self) -> Option<usize> {
        self.sink.bytes(&[code::END]);
        const ZEROS: [u8; LEN_MIN] = [0; LEN_MIN];
        self.sink.bytes(&ZEROS[..LEN_MIN.saturating_sub(self.sink.len)]);
        self.sink.finish()
    }
}

/// A server's message.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'r> {
    /// Transaction.
    pub xid: u32,
    /// The client's new address, or zero.
    pub address: Ipv4Addr,
    /// Where the boot file lies, or zero.
    pub next_server: Ipv4Addr,
    /// The client's link-layer address.
    pub mac: [u8; 6],
    file: &'r [u8],
    sname: &'r [u8],
    options: &'r [u8],
    overload: u8,
}

/// Reads a server's message to an Ethernet station. `None` if it is something else, or if its
/// options are cut. `overloads` says whether options in `file` and `sname` are understood.
pub fn parse(payload: &[u8], overloads: bool) -> Option<Reply<'_>> {
    let (header, rest) = payload.split_at_checked(HEADER_LEN)?;
    let options = rest.strip_prefix(&COOKIE)?;
    if header[..3] != [2, 1, 6] {
        return None;
    }
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let mut reply = Reply {
        xid: u32::from_be_bytes(*header.get(4..)?.first_chunk()?),
        address: address(16),
        next_server: address(20),
        mac: *header.get(28..)?.first_chunk()?,
        sname: &header[44..108],
        file: &header[108..],
        options,
        overload: 0,
    };
    if !is_sound(options) {
        return None;
    }
    if overloads && let Some([overload @ 1..=3]) = find(options, code::OVERLOAD) {
        reply.overload = *overload;
    }
    Some(reply)
}

impl<'r> Reply<'r> {
    /// The value of the first option of this code.
    pub fn option(&self, code: u8) -> Option<&'r [u8]> {
        let in_file = || (self.overload & 1 != 0).then(|| find(self.file, code)).flatten();
        let in_sname = || (self.overload & 2 != 0).then(|| find(self.sname, code)).flatten();
        find(self.options, code).or_else(in_file).or_else(in_sname)
    }

    /// An option that is an address.
    pub fn address_option(&self, code: u8) -> Option<Ipv4Addr> {
        match *self.option(code)? {
            [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        }
    }

    /// The message type, zero for BOOTP.
    pub fn kind(&self) -> u8 {
        match self.option(code::KIND) {
            Some([kind]) => *kind,
            _ => 0,
        }
    }

    /// The boot file's name in the header.
    pub fn file_field(&self) -> &'r [u8] {
        if self.overload & 1 == 0 { until_zero(self.file) } else { &[] }
    }

    /// The boot file's name in option 67.
    pub fn file_option(&self) -> &'r [u8] {
        self.option(code::FILE).map_or(&[], until_zero)
    }
}

/// Looks for an option inside of option 43 or 175.
pub fn sub_option(encapsulated: &[u8], code: u8) -> Option<&[u8]> {
    find(encapsulated, code)
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn find(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match *options {
            [code::PAD, ref rest @ ..] => options = rest,
            [code::END, ..] | [] | [_] => return None,
            [code, len, ref rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(len))?;
                if code == wanted {
                    return Some(value);
                }
                options = rest;
            }
        }
    }
}

/// Whether no option runs over the end, and those of fixed length have it: firmware drops the
/// whole packet otherwise.
fn is_sound(mut options: &[u8]) -> bool {
    loop {
        match *options {
            [code::PAD, ref rest @ ..] => options = rest,
            [code::END, ..] | [] => return true,
            [_] => return false,
            [code, len, ref rest @ ..] => {
                let fixed = match code {
                    code::MASK | code::REQUESTED | code::SERVER | 51 | 58 | 59 => len == 4,
                    code::KIND | code::OVERLOAD => len == 1,
                    3 | 6 => len != 0 && len.is_multiple_of(4),
                    _ => true,
                };
                match rest.get(usize::from(len)..) {
                    Some(rest) if fixed => options = rest,
                    _ => return false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[..3].copy_from_slice(&[2, 1, 6]);
        bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
        bytes[16..20].copy_from_slice(&[10, 77, 1, 2]);
        bytes[108..113].copy_from_slice(b"\x43\x03abc");
        bytes.extend(COOKIE);
        bytes.extend(options);
        bytes
    }

    #[test]
    fn options_are_found_also_in_overloaded_fields() {
        let bytes = reply(&[0, 53, 1, 5, 52, 1, 1, 255]);
        let read = parse(&bytes, true).expect("it is good");
        assert_eq!((read.xid, read.kind()), (0x0102_0304, kind::ACK));
        assert_eq!(read.address, Ipv4Addr::new(10, 77, 1, 2));
        assert_eq!((read.file_option(), read.file_field()), (&b"abc"[..], &b""[..]));
        let blind = parse(&bytes, false).expect("it is good");
        assert_eq!((blind.file_option(), blind.file_field()), (&b""[..], &b"\x43\x03abc"[..]));
    }

    #[test]
    fn cut_options_and_wrong_lengths_spoil_the_packet() {
        for options in [&[53, 1][..], &[53], &[54, 3, 1, 2, 3, 255], &[53, 2, 5, 5], &[6, 5, 1]] {
            assert!(parse(&reply(options), true).is_none(), "{options:?}");
        }
        assert!(parse(&reply(&[])[..HEADER_LEN + 3], true).is_none());
    }

    #[test]
    fn a_message_has_its_fields_in_place_and_its_least_length() {
        let header = Header {
            xid: 0xaabb_ccdd,
            secs: 4,
            broadcast: true,
            address: Ipv4Addr::new(1, 2, 3, 4),
            mac: [2, 0, 0, 0, 0, 9],
        };
        let mut buffer = [0xee; 1472];
        let mut message = Message::new(&mut buffer, &header);
        message.option(53, &[1]);
        assert_eq!(message.finish(), Some(300));
        assert_eq!(buffer[..16], [1, 1, 6, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0, 4, 0x80, 0, 1, 2, 3, 4]);
        assert_eq!(buffer[28..36], [2, 0, 0, 0, 0, 9, 0, 0]);
        assert_eq!(buffer[236..245], [99, 130, 83, 99, 53, 1, 1, 255, 0]);
        assert_eq!(buffer[299..301], [0, 0xee]);
        let mut small = [0; 240];
        let mut message = Message::new(&mut small, &header);
        message.option(53, &[1]);
        assert_eq!(message.finish(), None);
    }
}

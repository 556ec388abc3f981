//! DHCP messages of a closed loop: written from a template, read by a glance.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::wire::{ethernet, ipv4_udp};

/// A message of UEFI firmware in which only a few fields change (RFC 2131, RFC 4578).
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: [u8; MESSAGE_BYTES],
}

/// What a message says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Discover,
    Request { address: Ipv4Addr, server: Ipv4Addr },
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) xid: u32,
    pub(super) chaddr: [u8; 6],
    pub(super) yiaddr: Ipv4Addr,
    /// Option 53.
    pub(super) message_type: u8,
    /// Option 54.
    pub(super) server: Ipv4Addr,
}

impl Template {
    pub(super) fn new(giaddr: Ipv4Addr, broadcast: bool) -> Self {
        let mut bytes = [0; MESSAGE_BYTES];
        // BOOTREQUEST, Ethernet, 6 bytes; one hop if it was relayed.
        bytes[..4].copy_from_slice(&[1, 1, 6, u8::from(!giaddr.is_unspecified())]);
        bytes[FLAGS] = if broadcast { 0x80 } else { 0 };
        bytes[24..28].copy_from_slice(&giaddr.octets());
        bytes[236..240].copy_from_slice(&COOKIE);
        let mut at = OPTIONS;
        let mut option = |code: u8, value: &[u8]| {
            bytes[at] = code;
            bytes[at + 1] = value.len() as u8;
            bytes[at + 2..at + 2 + value.len()].copy_from_slice(value);
            at += 2 + value.len();
        };
        option(53, &[1]);
        option(57, &1472_u16.to_be_bytes());
        option(55, &PARAMETERS);
        option(97, &[0; 17]);
        option(94, &[1, 3, 0x10]);
        option(93, &7_u16.to_be_bytes());
        option(60, b"PXEClient:Arch:00007:UNDI:003016");
        assert!(at == TAIL, "the fields that change are where they are looked for");
        bytes[TAIL] = 255;
        Self { bytes }
    }

    /// Writes a message that fills `space`; what is left behind the end option is zero.
    pub(super) fn write(&self, space: &mut [u8], mac: [u8; 6], xid: u32, kind: Kind) {
        space.copy_from_slice(&self.bytes);
        space[4..8].copy_from_slice(&xid.to_be_bytes());
        space[28..34].copy_from_slice(&mac);
        // A UUID that differs as the MAC address does; never all zeros.
        space[UUID..UUID + 4].copy_from_slice(&[0x4c, 0x4c, 0x45, 0x44]);
        space[UUID + 10..UUID + 16].copy_from_slice(&mac);
        if let Kind::Request { address, server } = kind {
            space[OPTIONS + 2] = 3;
            space[TAIL..TAIL + 2].copy_from_slice(&[50, 4]);
            space[TAIL + 2..TAIL + 6].copy_from_slice(&address.octets());
            space[TAIL + 6..TAIL + 8].copy_from_slice(&[54, 4]);
            space[TAIL + 8..TAIL + 12].copy_from_slice(&server.octets());
            space[TAIL + 12] = 255;
        }
    }
}

impl Answer {
    /// Reads an answer; `None` for anything else, and for one without option 53.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? != 2 || bytes.get(236..240)? != COOKIE {
            return None;
        }
        let mut answer = Self {
            xid: u32::from_be_bytes(bytes[4..8].try_into().ok()?),
            chaddr: bytes[28..34].try_into().ok()?,
            yiaddr: Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[16..20]).ok()?),
            message_type: 0,
            server: Ipv4Addr::UNSPECIFIED,
        };
        let mut rest = &bytes[OPTIONS..];
        // Ends: every option is longer than nothing.
        while let Some((&code, after)) = rest.split_first() {
            match code {
                0 => rest = after,
                255 => break,
                _ => {
                    let (&len, after) = after.split_first()?;
                    let (value, after) = after.split_at_checked(usize::from(len))?;
                    match (code, value) {
                        (53, [message_type]) => answer.message_type = *message_type,
                        (54, [a, b, c, d]) => answer.server = Ipv4Addr::new(*a, *b, *c, *d),
                        _ => {}
                    }
                    rest = after;
                }
            }
        }
        (answer.message_type != 0).then_some(answer)
    }
}

/// Writes Ethernet, IPv4 and UDP headers in front of a message that is broadcast by its machine.
pub(super) fn write_headers(headers: &mut [u8], message: &[u8]) {
    let mut machine = [0; 6];
    machine.copy_from_slice(&message[28..34]);
    let (link, rest) = headers.split_at_mut(ethernet::HEADER_LEN);
    link.copy_from_slice(&ethernet::header(ethernet::BROADCAST, machine, ethernet::IPV4));
    let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let destination = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    rest.copy_from_slice(&ipv4_udp::headers(source, destination, 0, message));
}

/// Offset of the flags (RFC 2131 §2).
const FLAGS: usize = 10;
const OPTIONS: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// What edk2 asks for (`UefiPxeBcDxe`).
const PARAMETERS: [u8; 24] =
    [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60];

/// Offset of the 16 bytes of the UUID in option 97.
const UUID: usize = OPTIONS + 3 + 4 + 26 + 3;

/// Where what is only in a REQUEST begins.
const TAIL: usize = OPTIONS + 3 + 4 + 26 + 19 + 5 + 4 + 34;

/// All messages have this length, which lets the kernel carry many as one.
pub(super) const MESSAGE_BYTES: usize = 352;

/// A message with Ethernet, IPv4 and UDP headers.
pub(super) const FRAME_BYTES: usize = ethernet::HEADER_LEN + ipv4_udp::HEADERS_LEN + MESSAGE_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    #[test]
    fn a_server_understands_what_is_written() {
        let mut message = [0; MESSAGE_BYTES];
        let template = Template::new(Ipv4Addr::new(10, 77, 0, 2), false);
        let (address, server) = (Ipv4Addr::new(10, 77, 1, 2), Ipv4Addr::new(10, 77, 0, 1));
        template.write(&mut message, MAC, 0x0102_0304, Kind::Request { address, server });
        let request = reveille_core::wire::dhcp4::Message::parse(&message).expect("it is DHCP");
        assert_eq!(
            (request.header().xid(), request.header().giaddr()),
            (0x0102_0304, Ipv4Addr::new(10, 77, 0, 2))
        );
        assert_eq!(request.pieces(50).next(), Some(&address.octets()[..]));
        assert_eq!(request.pieces(97).next().map(<[u8]>::len), Some(17));
        assert_eq!(request.pieces(93).next(), Some(&[0, 7][..]));
        // As a reply it reads back the same.
        message[0] = 2;
        let answer = Answer::parse(&message).expect("it has a type");
        let chaddr = MAC;
        let yiaddr = Ipv4Addr::UNSPECIFIED;
        assert_eq!(answer, Answer { xid: 0x0102_0304, chaddr, yiaddr, message_type: 3, server });
    }

    #[test]
    fn frames_carry_whole_messages() {
        let mut frame = [0; FRAME_BYTES];
        let (headers, message) = frame.split_at_mut(FRAME_BYTES - MESSAGE_BYTES);
        Template::new(Ipv4Addr::UNSPECIFIED, true).write(message, MAC, 7, Kind::Discover);
        write_headers(headers, message);
        let link = ethernet::parse(&frame).expect("it is a frame");
        assert_eq!((link.destination, link.source), (ethernet::BROADCAST, MAC));
        let datagram = ipv4_udp::parse(link.payload).expect("the checksums are right");
        assert_eq!(datagram.destination.port(), 67);
        assert_eq!(datagram.payload.len(), MESSAGE_BYTES);
    }

    #[test]
    fn what_is_cut_short_is_no_answer() {
        let mut message = [0; MESSAGE_BYTES];
        let template = Template::new(Ipv4Addr::UNSPECIFIED, false);
        template.write(&mut message, MAC, 7, Kind::Discover);
        message[0] = 2;
        let whole = Answer::parse(&message);
        assert!(whole.is_some());
        for len in 0..TAIL {
            let cut = Answer::parse(&message[..len]);
            assert!(cut.is_none() || cut == whole, "{len} bytes");
        }
    }
}

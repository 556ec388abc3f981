//! DHCP without leases: a message that a relay agent brings is turned round.

use std::net::Ipv4Addr;

use crate::datagrams::{Answer, Segments};

/// Makes an OFFER of a DISCOVER and an ACK of anything else (RFC 2131 §2, §3): the fixed part
/// with the client's own address in `yiaddr`, derived from its MAC address, and the options
/// that every client wants.
pub(crate) fn answer(request: &[u8], head: &mut [u8], server: Ipv4Addr) -> Option<Answer<'static>> {
    let (fixed, options) = request.split_at_checked(OPTIONS)?;
    if fixed[0] != BOOT_REQUEST {
        return None;
    }
    let answer_type = match message_type(options)? {
        DISCOVER => [53, 1, OFFER],
        _ => [53, 1, ACK],
    };
    let reply = head.get_mut(..REPLY_BYTES)?;
    reply.fill(0);
    reply[..OPTIONS].copy_from_slice(fixed);
    reply[0] = BOOT_REPLY;
    let [.., high, middle, low] = fixed[CHADDR..CHADDR + 6] else { return None };
    reply[YIADDR..YIADDR + 4].copy_from_slice(&[10, high, middle, low]);
    let [a, b, c, d] = server.octets();
    let options = [
        answer_type.as_slice(),
        &[54, 4, a, b, c, d],
        &[51, 4, 0, 0, 14, 16],
        &[1, 4, 255, 255, 0, 0],
        &[3, 4, a, b, c, d],
        &[6, 4, a, b, c, d],
        &[66, 9],
        b"10.77.0.1",
        &[67, 8],
        b"ipxe.efi",
        &[255],
    ];
    let mut at = OPTIONS;
    for part in options {
        reply[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    let segments = Segments { count: 1, head_bytes: REPLY_BYTES, body_bytes: 0 };
    Some(Answer { head_len: REPLY_BYTES, body: &[], segments })
}

/// The value of option 53 (RFC 2132 §9.6).
fn message_type(mut options: &[u8]) -> Option<u8> {
    // Ends: each step takes at least one byte off.
    loop {
        match options {
            [53, 1, value, ..] => return Some(*value),
            [0, rest @ ..] => options = rest,
            [255, ..] => return None,
            [_, len, rest @ ..] => options = rest.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
}

const BOOT_REQUEST: u8 = 1;
const BOOT_REPLY: u8 = 2;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const ACK: u8 = 5;
const YIADDR: usize = 16;
const CHADDR: usize = 28;
/// Behind the magic cookie.
const OPTIONS: usize = 240;
/// What BOOTP relay agents take for granted (RFC 1542 §2.1).
const REPLY_BYTES: usize = 320;

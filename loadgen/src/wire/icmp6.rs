//! IPv6 router solicitations, and advertisements that answer them (RFC 4861 §4).

use super::ipv4_udp::{fold, sum};

/// Bytes of a solicitation with its IPv6 header.
pub const SOLICITATION_LEN: usize = 56;

const ICMPV6: u8 = 58;
const ALL_ROUTERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// A router solicitation from a station's link-local address, with its link-layer address.
pub fn solicitation(mac: [u8; 6]) -> [u8; SOLICITATION_LEN] {
    let mut packet = [0; SOLICITATION_LEN];
    packet[0] = 0x60;
    packet[5] = 16;
    packet[6] = ICMPV6;
    packet[7] = 255;
    packet[8..24].copy_from_slice(&link_local(mac));
    packet[24..40].copy_from_slice(&ALL_ROUTERS);
    packet[40] = 133;
    packet[48] = 1;
    packet[49] = 1;
    packet[50..].copy_from_slice(&mac);
    let check = !fold(total(&packet[8..40], &packet[40..]));
    packet[42..44].copy_from_slice(&check.to_be_bytes());
    packet
}

/// Whether `packet` is a router advertisement that a station may believe (RFC 4861 §6.1.2).
pub fn is_advertisement(packet: &[u8]) -> bool {
    let Some((header, rest)) = packet.split_at_checked(40) else { return false };
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let Some(message) = rest.get(..len) else { return false };
    let from_link = header[8] == 0xfe && header[9] & 0xc0 == 0x80;
    header[0] >> 4 == 6
        && header[6..8] == [ICMPV6, 255]
        && from_link
        && len >= 16
        && message[..2] == [134, 0]
        && fold(total(&header[8..40], message)) == 0xffff
}

fn total(addresses: &[u8], message: &[u8]) -> u32 {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX) & 0xffff;
    sum(addresses) + len + u32::from(ICMPV6) + sum(message)
}

/// What a station makes of its hardware address (RFC 4291 appendix A).
fn link_local([a, b, c, d, e, f]: [u8; 6]) -> [u8; 16] {
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_advertisements_are_believed() {
        let solicitation = solicitation([2, 0, 0, 0, 0, 1]);
        assert_eq!(fold(total(&solicitation[8..40], &solicitation[40..])), 0xffff);
        assert!(!is_advertisement(&solicitation));
        let mut packet = solicitation;
        packet[40] = 134;
        packet[42..44].fill(0);
        let check = !fold(total(&packet[8..40], &packet[40..]));
        packet[42..44].copy_from_slice(&check.to_be_bytes());
        assert!(is_advertisement(&packet));
        for at in 0..packet.len() {
            assert!(!is_advertisement(&packet[..at]), "cut at {at}");
        }
        packet[55] ^= 1;
        assert!(!is_advertisement(&packet));
    }
}

//! UDP in IPv4, with both checksums.

use core::net::{Ipv4Addr, SocketAddrV4};

/// Bytes before the payload: 20 of IPv4 without options, 8 of UDP.
pub const HEADERS_LEN: usize = 28;

const IPV4_LEN: usize = 20;
const UDP: u8 = 17;

/// A datagram that came in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'d> {
    /// From where.
    pub source: SocketAddrV4,
    /// To where.
    pub destination: SocketAddrV4,
    /// What it carries.
    pub payload: &'d [u8],
}

/// Reads an IPv4 packet, which may have padding after its end. `None` if it is not a whole UDP
/// datagram or a checksum is wrong.
///
/// A checksum of zero is none (RFC 768). A sum over the pseudo header only is what a sending
/// kernel leaves to its network card, and what arrives through a virtual Ethernet pair: it counts
/// as good.
pub fn parse(packet: &[u8]) -> Option<Datagram<'_>> {
    let head = *packet.first()?;
    let header_len = usize::from(head & 0x0f) * 4;
    let header = packet.get(..header_len)?;
    let total_len = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
    // More fragments, or an offset: a piece.
    let whole = u16::from_be_bytes(*header.get(6..)?.first_chunk()?) & 0x3fff == 0;
    if head >> 4 != 4 || header_len < IPV4_LEN || header[9] != UDP || !whole {
        return None;
    }
    if fold(sum(header)) != 0xffff {
        return None;
    }
    let segment = packet.get(header_len..total_len)?;
    let (udp, _) = segment.split_first_chunk::<8>()?;
    let [a, b, c, d, e, f, g, h] = *udp;
    let len = u16::from_be_bytes([e, f]);
    let segment = segment.get(..usize::from(len))?;
    let addresses = &header[12..20];
    let pseudo = sum(addresses) + u32::from(UDP) + u32::from(len);
    let told = u16::from_be_bytes([g, h]);
    if told != 0 && told != fold(pseudo) && fold(pseudo + sum(segment)) != 0xffff {
        return None;
    }
    let address = |at: usize| {
        Ipv4Addr::new(addresses[at], addresses[at + 1], addresses[at + 2], addresses[at + 3])
    };
    Some(Datagram {
        source: SocketAddrV4::new(address(0), u16::from_be_bytes([a, b])),
        destination: SocketAddrV4::new(address(4), u16::from_be_bytes([c, d])),
        payload: segment.get(8..)?,
    })
}

/// The headers that go before `payload`, of at most 65,507 bytes. `id` tells fragments apart.
///
/// # Panics
/// If the payload is longer.
pub fn headers(
    source: SocketAddrV4,
    destination: SocketAddrV4,
    id: u16,
    payload: &[u8],
) -> [u8; HEADERS_LEN] {
    let total_len = u16::try_from(HEADERS_LEN + payload.len()).expect("a datagram fits IPv4");
    let udp_len = total_len - IPV4_LEN as u16;
    let mut out = [0; HEADERS_LEN];
    out[0] = 0x45;
    out[2..4].copy_from_slice(&total_len.to_be_bytes());
    out[4..6].copy_from_slice(&id.to_be_bytes());
    out[8] = 64;
    out[9] = UDP;
    out[12..16].copy_from_slice(&source.ip().octets());
    out[16..20].copy_from_slice(&destination.ip().octets());
    let check = !fold(sum(&out[..IPV4_LEN]));
    out[10..12].copy_from_slice(&check.to_be_bytes());
    out[20..22].copy_from_slice(&source.port().to_be_bytes());
    out[22..24].copy_from_slice(&destination.port().to_be_bytes());
    out[24..26].copy_from_slice(&udp_len.to_be_bytes());
    let pseudo = sum(&out[12..20]) + u32::from(UDP) + u32::from(udp_len);
    let check = match !fold(pseudo + sum(&out[20..]) + sum(payload)) {
        // Zero would say that there is none.
        0 => 0xffff,
        check => check,
    };
    out[26..28].copy_from_slice(&check.to_be_bytes());
    out
}

/// The sum of 16-bit words, the last one filled up with zero (RFC 1071).
pub(crate) fn sum(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u32::from(*byte) << 8);
    pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum::<u32>() + last
}

/// Adds the carries.
pub(crate) const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> (SocketAddrV4, SocketAddrV4, Vec<u8>) {
        let source = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 67);
        let destination = SocketAddrV4::new(Ipv4Addr::new(10, 77, 1, 2), 68);
        let mut packet = headers(source, destination, 7, payload).to_vec();
        packet.extend(payload);
        (source, destination, packet)
    }

    #[test]
    fn what_is_written_is_read_with_padding_after_it() {
        let (source, destination, mut packet) = packet(b"odd");
        packet.extend([0; 15]);
        assert_eq!(parse(&packet), Some(Datagram { source, destination, payload: b"odd" }));
    }

    #[test]
    fn a_known_packet_has_its_known_checksums() {
        let (_, _, packet) = packet(b"odd");
        // Computed by another program.
        assert_eq!(packet[10..12], [0x65, 0x2b]);
        assert_eq!(packet[26..28], [0x16, 0x50]);
    }

    #[test]
    fn changed_or_cut_packets_are_refused() {
        let (_, _, packet) = packet(b"payload");
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 0x10;
            assert_eq!(parse(&changed), None, "byte {at}");
            assert_eq!(parse(&packet[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_sum_left_to_the_card_is_good() {
        let (_, _, mut packet) = packet(b"payload");
        let pseudo = sum(&packet[12..20]) + 17 + 15;
        packet[26..28].copy_from_slice(&fold(pseudo).to_be_bytes());
        assert!(parse(&packet).is_some());
    }
}

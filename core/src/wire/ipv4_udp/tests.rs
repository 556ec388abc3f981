use proptest::prelude::*;

use super::*;
use crate::mac::MacAddr;
use crate::wire::ethernet;

const SOURCE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 67);
const DESTINATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 68);

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0xaa; HEADERS_BYTES];
    buffer.extend(payload);
    let len = emit(&mut buffer, SOURCE, DESTINATION, payload.len()).unwrap();
    assert_eq!(len, buffer.len());
    buffer
}

/// Recomputes the IPv4 header's checksum after a change.
fn sealed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let header_len = usize::from(packet[0] & 15) * 4;
    let sum = Checksum::new().with(&packet[..header_len]).finish();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn writes_the_bytes_of_the_rfcs() {
    #[rustfmt::skip]
    let expected = [
        0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0x26, 0xc4, 10, 0, 0, 1, 10, 0, 0, 9,
        0, 67, 0, 68, 0, 12,
    ];
    let packet = packet(&[0x68, 0x69, 0x15, 0x17]);
    assert_eq!(packet[..26], expected);
    assert_eq!(packet[28..], [0x68, 0x69, 0x15, 0x17]);
    // Independent of our own sum: all words of each covered area add up to 0xffff.
    let ones = |words: &[u8]| {
        let sum: u32 = words.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        (sum & 0xffff) + (sum >> 16)
    };
    assert_eq!(ones(&packet[..20]), 0xffff);
    let pseudo = [&packet[12..20], &[0, 17, 0, 12], &packet[20..]].concat();
    assert_eq!(ones(&pseudo), 0xffff);
}

#[test]
fn reads_what_it_writes() {
    for payload in [&b""[..], b"x", b"xy", &[0xff; 1444]] {
        let bytes = packet(payload);
        let datagram = Datagram { source: SOURCE, destination: DESTINATION, payload };
        assert_eq!(parse(&bytes), Ok(datagram));
        let padded = [&bytes[..], &[0; 18]].concat();
        assert_eq!(parse(&padded), Ok(datagram), "Ethernet pads short frames");
    }
}

#[test]
fn a_checksum_that_comes_to_zero_is_sent_as_ones() {
    // One of these payloads makes the sum 0xffff, so its complement is zero.
    let zero = (0..=u16::MAX).find(|word| {
        let bytes = packet(&word.to_be_bytes());
        bytes[26..28] == [0xff, 0xff]
    });
    let bytes = packet(&zero.unwrap().to_be_bytes());
    assert!(parse(&bytes).is_ok());
}

#[test]
fn refuses_what_is_no_whole_udp_packet() {
    let good = packet(b"payload");
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        sealed(bytes)
    };
    let mut flipped = good.clone();
    flipped[15] ^= 1;
    let mut long_header = good.clone();
    long_header[0] = 0x4f;
    let mut damaged = good.clone();
    damaged[30] ^= 1;
    for (name, bytes, error) in [
        ("nothing", vec![], ParseError::Truncated),
        ("19 bytes", good[..19].to_vec(), ParseError::Truncated),
        ("less than it says", good[..good.len() - 1].to_vec(), ParseError::Truncated),
        ("IPv6", with(0, 0x65), ParseError::BadValue),
        ("a header of 16 bytes", with(0, 0x44), ParseError::BadLength),
        ("a header longer than the packet", long_header, ParseError::BadLength),
        ("a packet shorter than its header", with(3, 19), ParseError::BadLength),
        ("a damaged header", flipped, ParseError::BadChecksum),
        ("a damaged payload", damaged, ParseError::BadChecksum),
        ("a first fragment", with(6, 0x20), ParseError::Fragment),
        ("a later fragment", with(7, 1), ParseError::Fragment),
        ("TCP", with(9, 6), ParseError::UnknownCode(6)),
        ("no room for UDP", with(3, 27), ParseError::Truncated),
        ("a UDP length below its header", with(25, 7), ParseError::BadLength),
        ("a UDP length beyond the packet", with(25, 16), ParseError::Truncated),
    ] {
        assert_eq!(parse(&bytes), Err(error), "{name}");
    }
}

#[test]
fn ip_options_and_a_missing_udp_checksum_are_accepted() {
    let mut bytes = packet(b"payload");
    bytes.splice(20..20, [1, 1, 1, 0]);
    bytes[0] = 0x46;
    bytes[3] += 4;
    assert_eq!(parse(&sealed(bytes)).unwrap().payload, b"payload");
    let mut bytes = packet(b"payload");
    bytes[26..28].fill(0);
    bytes[30] ^= 1;
    assert!(parse(&bytes).is_ok());
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut buffer = [0; 30];
    assert_eq!(emit(&mut buffer, SOURCE, DESTINATION, 3), Err(EmitError::NoSpace));
    assert_eq!(emit(&mut buffer, SOURCE, DESTINATION, usize::MAX), Err(EmitError::TooLong));
    let mut buffer = vec![0; 65536];
    assert_eq!(emit(&mut buffer, SOURCE, DESTINATION, 65508), Err(EmitError::TooLong));
    assert_eq!(emit(&mut buffer, SOURCE, DESTINATION, 65507), Ok(65535));
}

#[test]
fn an_ethernet_header_survives_the_round() {
    let header =
        ethernet::Header::new(MacAddr::BROADCAST, MacAddr([2, 0, 0, 0, 0, 1]), ethernet::IPV4);
    let mut frame = [9; 20];
    assert_eq!(header.emit(&mut frame), Ok(14));
    assert_eq!(frame[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0]);
    assert_eq!(ethernet::parse(&frame), Ok((&header, &[9; 6][..])));
    assert_eq!(ethernet::parse(&frame[..13]).err(), Some(ParseError::Truncated));
    assert_eq!(header.emit(&mut frame[..13]), Err(EmitError::NoSpace));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _datagram = parse(&bytes);
        let mut bytes = bytes;
        if bytes.len() >= 60 {
            bytes[0] = 0x40 | bytes[0] & 15;
            let _datagram = parse(&sealed(bytes));
        }
    }

    #[test]
    fn every_payload_survives(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = packet(&payload);
        prop_assert_eq!(parse(&bytes).unwrap().payload, &payload[..]);
    }

    #[test]
    fn every_damage_is_seen(at in 0usize..40, bit in 0u8..8) {
        let mut bytes = packet(b"some payload");
        bytes[at] ^= 1 << bit;
        prop_assert!(parse(&bytes).is_err() || bytes[26..28] == [0, 0]);
    }
}

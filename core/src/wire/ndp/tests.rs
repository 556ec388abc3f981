use proptest::prelude::*;

use super::*;

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x77, 0, 1]);

fn solicitation() -> Vec<u8> {
    let mut buffer = vec![0xaa; 64];
    let len = emit_solicitation(&mut buffer, link_local(MAC), ALL_ROUTERS, MAC).unwrap();
    buffer.truncate(len);
    buffer
}

fn advertisement() -> Vec<u8> {
    let mut buffer = vec![0xaa; ADVERTISEMENT_BYTES];
    emit_empty_advertisement(&mut buffer, link_local(MAC), ALL_NODES, MAC).unwrap();
    buffer
}

/// Corrects lengths and checksum after a change of the ICMPv6 part.
fn sealed(mut packet: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(packet.len() - 40).unwrap();
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    packet[42..44].fill(0);
    let address = |at: usize| -> [u8; 16] { packet[at..at + 16].try_into().unwrap() };
    let sum = Checksum::new()
        .with_ipv6_pseudo(address(8).into(), address(24).into(), 58, u32::from(len))
        .with(&packet[40..]);
    packet[42..44].copy_from_slice(&sum.finish().to_be_bytes());
    packet
}

#[test]
fn the_advertisement_has_the_bytes_that_ipxe_waits_for() {
    let packet = advertisement();
    let mut expected = vec![0x60, 0, 0, 0, 0, 24, 58, 255];
    expected.extend("fe80::5054:ff:fe77:1".parse::<Ipv6Addr>().unwrap().octets());
    expected.extend("ff02::1".parse::<Ipv6Addr>().unwrap().octets());
    // Type, code; checksum apart; hop limit, flags, lifetimes all zero; then the address.
    expected.extend([134, 0]);
    assert_eq!(packet[..42], expected);
    assert_eq!(packet[44..56], [0; 12]);
    assert_eq!(packet[56..], [1, 1, 0x52, 0x54, 0, 0x77, 0, 1]);
    // Independent of our own sum: with the pseudo header all words add up to 0xffff.
    let covered = [&packet[8..40], &[0, 0, 0, 24, 0, 0, 0, 58], &packet[40..]].concat();
    let sum: u32 = covered.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_eq!(
        emit_empty_advertisement(&mut [0; 63], link_local(MAC), ALL_NODES, MAC),
        Err(EmitError::NoSpace)
    );
}

#[test]
fn reads_what_it_writes() {
    assert_eq!(
        parse(&solicitation()),
        Ok(Message::Solicitation(Solicitation {
            source: link_local(MAC),
            destination: ALL_ROUTERS,
            link_layer: Some(MAC),
        }))
    );
    let Ok(Message::Advertisement(found)) = parse(&advertisement()) else {
        panic!("an advertisement")
    };
    assert!(!found.is_router());
    assert_eq!(found.link_layer, Some(MAC));
}

#[test]
fn a_solicitor_without_address_is_heard() {
    // OVMF solicits from the unspecified address, without its link-layer address.
    let mut packet = solicitation();
    packet.truncate(48);
    packet[8..24].fill(0);
    let Ok(Message::Solicitation(found)) = parse(&sealed(packet)) else { panic!("a solicitation") };
    assert_eq!((found.source, found.link_layer), (Ipv6Addr::UNSPECIFIED, None));
}

#[test]
fn a_real_router_is_known_by_what_it_configures() {
    for (at, value) in [(46, 7), (45, 0x80), (45, 0x40)] {
        let mut packet = advertisement();
        packet[at] = value;
        let Ok(Message::Advertisement(found)) = parse(&sealed(packet)) else {
            panic!("an advertisement")
        };
        assert!(found.is_router(), "byte {at}");
    }
    let mut packet = advertisement();
    packet.extend([3, 4]);
    packet.extend([0; 30]);
    let Ok(Message::Advertisement(found)) = parse(&sealed(packet)) else {
        panic!("an advertisement")
    };
    assert!(found.has_prefix && found.is_router());
}

#[test]
fn refuses_what_section_6_1_discards() {
    let change = |at: usize, value: u8| {
        let mut packet = solicitation();
        packet[at] = value;
        sealed(packet)
    };
    let mut unspecified_with_option = solicitation();
    unspecified_with_option[8..24].fill(0);
    let mut damaged = solicitation();
    damaged[50] ^= 1;
    let mut short_option = solicitation();
    short_option.truncate(52);
    let mut no_options = solicitation();
    no_options.truncate(47);
    let mut global_router = advertisement();
    global_router[8] = 0x20;
    let whole = solicitation();
    for (name, packet, error) in [
        ("nothing", vec![], ParseError::Truncated),
        ("39 bytes", whole[..39].to_vec(), ParseError::Truncated),
        ("less than it says", whole[..whole.len() - 1].to_vec(), ParseError::Truncated),
        ("IPv4", change(0, 0x45), ParseError::BadValue),
        ("UDP", change(6, 17), ParseError::UnknownCode(17)),
        ("a hop limit of 254", change(7, 254), ParseError::BadValue),
        ("a code", change(41, 1), ParseError::BadValue),
        ("a neighbour solicitation", change(40, 135), ParseError::UnknownCode(135)),
        ("an option of length 0", change(49, 0), ParseError::BadLength),
        ("an option too long", change(49, 2), ParseError::Truncated),
        ("damage", damaged, ParseError::BadChecksum),
        ("half an option", sealed(short_option), ParseError::Truncated),
        ("seven bytes", sealed(no_options), ParseError::Truncated),
        ("no address but an option", sealed(unspecified_with_option), ParseError::BadValue),
        ("a router with a global address", sealed(global_router), ParseError::BadValue),
    ] {
        assert_eq!(parse(&packet), Err(error), "{name}");
    }
}

#[test]
fn a_link_layer_address_of_another_size_is_no_mac() {
    let mut packet = solicitation();
    packet[49] = 2;
    packet.extend([0; 8]);
    let Ok(Message::Solicitation(found)) = parse(&sealed(packet)) else { panic!("a solicitation") };
    assert_eq!(found.link_layer, None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _message = parse(&bytes);
    }

    #[test]
    fn no_options_panic(kind in 133u8..136, body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut packet = solicitation();
        packet.truncate(44);
        packet[40] = kind;
        packet.extend(body);
        let _message = parse(&sealed(packet));
    }

    #[test]
    fn every_message_survives(mac: [u8; 6], source: u128, destination: u128) {
        let mac = MacAddr(mac);
        let (source, destination) = (Ipv6Addr::from(source | 1), Ipv6Addr::from(destination));
        let mut buffer = [0; 64];
        let len = emit_solicitation(&mut buffer, source, destination, mac).unwrap();
        let expected = Solicitation { source, destination, link_layer: Some(mac) };
        prop_assert_eq!(parse(&buffer[..len]), Ok(Message::Solicitation(expected)));
    }
}

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::mac::MacAddr;
use crate::wire::dhcp4::{Header, MAGIC_COOKIE, Message, MessageType};
use crate::wire::pxe::ArchType;
use crate::wire::writer::Writer;
use crate::wire::{EmitError, ParseError};
use zerocopy::IntoBytes as _;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn header() -> Header {
    Header::request(1, MacAddr([2, 0, 0, 0, 0, 1]))
}

fn datagram(options: &[u8]) -> Vec<u8> {
    [header().as_bytes(), &MAGIC_COOKIE, options].concat()
}

/// Parses options that need no joining and hands them to `check`.
fn with_options(options: &[u8], check: impl FnOnce(Result<Options<'_>, ParseError>)) {
    let bytes = datagram(options);
    let message = Message::parse(&bytes).unwrap();
    check(Options::parse(&message, &mut []));
}

#[test]
fn reads_every_field() {
    #[rustfmt::skip]
    let options: &[u8] = &[
        53, 1, 3,
        1, 4, 255, 255, 255, 0,
        12, 4, b'n', b'o', b'd', b'e',
        43, 2, 6, 0,
        50, 4, 10, 0, 0, 9,
        51, 4, 0, 0, 2, 88,
        54, 4, 10, 0, 0, 1,
        55, 3, 1, 3, 67,
        56, 2, b'h', b'i',
        57, 2, 0x05, 0xc0,
        60, 9, b'P', b'X', b'E', b'C', b'l', b'i', b'e', b'n', b't',
        61, 7, 1, 2, 0, 0, 0, 0, 1,
        66, 3, b't', b'f', 0,
        67, 4, b'b', b'o', b'o', b't',
        77, 4, b'i', b'P', b'X', b'E',
        80, 0,
        81, 5, 4, 255, 255, 1, b'a',
        82, 6, 1, 4, b'e', b't', b'h', b'1',
        93, 4, 0, 7, 0, 9,
        94, 3, 1, 3, 16,
        97, 17, 0, 0x44, 0x45, 0x4c, 0x4c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        116, 1, 1,
        118, 4, 10, 9, 0, 0,
        124, 7, 0, 0, 1, 87, 2, b'a', b'b',
        125, 5, 0, 0, 0, 9, 0,
        175, 3, 0x13, 1, 1,
        209, 1, b'c',
        210, 1, b'/',
        255,
    ];
    with_options(options, |parsed| {
        let o = parsed.unwrap();
        assert!(o.malformed.is_empty(), "{:?}", o.malformed);
        assert_eq!(o.message_type, Some(MessageType::Request));
        assert_eq!(o.subnet_mask, Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(o.host_name, Some(&b"node"[..]));
        assert_eq!(o.vendor_specific, Some(&[6, 0][..]));
        assert_eq!(o.requested_address, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(o.lease_time_s, Some(600));
        assert_eq!(o.server_id, Some(SERVER));
        assert_eq!(o.parameter_list.iter().collect::<Vec<_>>(), [1, 3, 67]);
        assert!(o.parameter_list.contains(67) && !o.parameter_list.contains(66));
        assert_eq!(o.message, Some(&b"hi"[..]));
        assert_eq!(o.max_message_size, Some(1472));
        assert_eq!(o.vendor_class, Some(&b"PXEClient"[..]));
        assert_eq!(o.client_id, Some(&[1, 2, 0, 0, 0, 0, 1][..]));
        assert_eq!(o.tftp_server_name, Some(&b"tf"[..]), "without the NUL");
        assert_eq!(o.boot_file_name, Some(&b"boot"[..]));
        assert!(o.user_class.unwrap().contains(b"iPXE"));
        assert!(o.rapid_commit);
        let fqdn = o.client_fqdn.unwrap();
        assert_eq!((fqdn.flags, fqdn.name), (4, &[1, b'a'][..]));
        assert_eq!(o.relay_agent.unwrap().circuit_id(), Some(&b"eth1"[..]));
        let archs = o.architectures.unwrap();
        assert_eq!(archs.first(), ArchType::X64_UEFI);
        assert_eq!(archs.iter().collect::<Vec<_>>(), [ArchType(7), ArchType(9)]);
        let ndi = o.network_interface.unwrap();
        assert_eq!((ndi.kind, ndi.major, ndi.minor), (1, 3, 16));
        let uuid = o.machine_id.unwrap().uuid().unwrap();
        assert_eq!(uuid.to_string(), "4c4c4544-0201-0403-0506-0708090a0b0c");
        assert_eq!(o.auto_configure, Some(1));
        assert_eq!(o.subnet_selection, Some(Ipv4Addr::new(10, 9, 0, 0)));
        assert_eq!(o.vendor_identifying_class.unwrap().find(343), Some(&b"ab"[..]));
        assert_eq!(o.vendor_identifying.unwrap().find(9), Some(&b""[..]));
        assert!(o.ipxe.unwrap().has_feature(0x13));
        assert_eq!(o.config_file, Some(&b"c"[..]));
        assert_eq!(o.path_prefix, Some(&b"/"[..]));
    });
}

#[test]
fn decisive_options_fail_the_message_and_others_only_themselves() {
    for options in [
        &[53, 2, 1, 1][..],
        &[53, 1, 77],
        &[50, 3, 1, 2, 3],
        &[51, 5, 0, 0, 0, 0, 0],
        &[54, 0],
        // Twice four bytes join to eight (RFC 3396), which is no address.
    ] {
        with_options(options, |parsed| assert!(parsed.is_err(), "{options:?}"));
    }
    for (code, data) in [
        (1, &[255, 0][..]),
        (12, &[]),
        (12, &[0, 0]),
        (57, &[1]),
        (60, &[]),
        (61, &[]),
        (77, &[]),
        (80, &[1]),
        (81, &[0, 0]),
        (82, &[1, 9, 0]),
        (93, &[0]),
        (93, &[]),
        (94, &[1, 2]),
        (94, &[1, 2, 3, 4]),
        (97, &[0, 1, 2]),
        (97, &[]),
        (116, &[]),
        (118, &[1]),
        (124, &[0, 0, 0]),
        (125, &[0, 0, 0, 1, 9]),
        (175, &[1, 9, 0]),
        (209, &[]),
    ] {
        let len = u8::try_from(data.len()).unwrap();
        let options = [&[53, 1, 1, code, len], data, &[15, 1, b'x', 255]].concat();
        with_options(&options, |parsed| {
            let parsed = parsed.unwrap();
            assert!(parsed.malformed.iter().eq([code]), "{code}: {data:?}");
            assert_eq!(parsed.message_type, Some(MessageType::Discover));
        });
    }
}

#[test]
fn split_options_join_in_the_order_of_options_file_sname() {
    let mut header = header();
    header.file[..6].copy_from_slice(&[67, 2, b'd', b'e', 61, 0]);
    header.sname[..4].copy_from_slice(&[67, 1, b'f', 255]);
    let options = [52, 1, 3, 67, 1, b'a', 61, 2, 1, 9, 67, 2, b'b', b'c', 53, 1, 1, 255];
    let bytes = [header.as_bytes(), &MAGIC_COOKIE, &options[..]].concat();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.repeated().iter().eq([61, 67]));

    let mut scratch = [0; 8];
    let parsed = Options::parse(&message, &mut scratch).unwrap();
    assert_eq!(parsed.boot_file_name, Some(&b"abcdef"[..]));
    assert_eq!(parsed.client_id, Some(&[1, 9][..]));
    assert_eq!(parsed.message_type, Some(MessageType::Discover));

    let short = Options::parse(&message, &mut [0; 7]).map(|_| ());
    assert_eq!(short, Err(ParseError::NoSpace));
}

#[test]
fn a_long_option_joins_beyond_255_bytes() {
    let mut options = vec![53, 1, 1];
    for _ in 0..2 {
        options.extend([175, 252]);
        // 84 sub-options of three bytes.
        options.extend([0x13, 1, 1].repeat(84));
    }
    let bytes = datagram(&options);
    let message = Message::parse(&bytes).unwrap();
    let mut scratch = [0; 600];
    let parsed = Options::parse(&message, &mut scratch).unwrap();
    assert_eq!(parsed.ipxe.unwrap().iter().count(), 168);
}

#[test]
fn pieces_may_cut_an_encapsulated_option_anywhere() {
    // RFC 3396 §5: only the joined value has a form.
    let bytes = datagram(&[175, 2, 0x13, 1, 175, 1, 1, 255]);
    let message = Message::parse(&bytes).unwrap();
    let mut scratch = [0; 3];
    let parsed = Options::parse(&message, &mut scratch).unwrap();
    assert!(parsed.malformed.is_empty());
    assert!(parsed.ipxe.unwrap().has_feature(0x13));
}

#[test]
fn the_size_of_replies_follows_option_57_within_bounds() {
    for (sent, expected) in
        [(None, 548), (Some(0), 548), (Some(576), 548), (Some(577), 549), (Some(1472), 1444)]
    {
        let options = Options { max_message_size: sent, ..Options::default() };
        assert_eq!(options.message_bytes_max(), expected, "{sent:?}");
    }
    let options = Options { max_message_size: Some(u16::MAX), ..Options::default() };
    assert_eq!(options.message_bytes_max(), 1472);
}

#[test]
fn relay_agent_information_is_read_and_kept() {
    let data = [5, 4, 10, 1, 0, 0, 11, 4, 10, 2, 0, 1, 2, 3, b'r', b'e', b'm', 0, 0, 255, 1, 9];
    let relay = RelayAgent::parse(&data).unwrap();
    assert_eq!(relay.link_selection(), Some(Ipv4Addr::new(10, 1, 0, 0)));
    assert_eq!(relay.server_id_override(), Some(Ipv4Addr::new(10, 2, 0, 1)));
    assert_eq!(relay.remote_id(), Some(&b"rem"[..]));
    assert_eq!(relay.circuit_id(), None);
    // 0 and 255 are codes like any other here.
    assert_eq!(relay.find(0), Some(&[][..]));
    assert_eq!(relay.find(255), Some(&[9][..]));
    assert_eq!(relay.as_bytes(), data);
    assert_eq!(RelayAgent::parse(&[5, 5, 1]).err(), Some(ParseError::Truncated));
    assert_eq!(RelayAgent::parse(&[5, 3, 1, 2, 3]).unwrap().link_selection(), None);
}

#[test]
fn a_reply_has_its_options_in_order_and_82_last() {
    let mut buffer = [0xaa; 548];
    let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Offer);
    writer.set_relay_agent(&[1, 1, 7]);
    writer.put_address(54, SERVER);
    writer.put_u32(51, 600);
    writer.put_u16(26, 1500);
    writer.put_flag(80);
    writer.put_addresses(6, &[SERVER, Ipv4Addr::new(10, 0, 0, 2)]);
    writer.put_addresses(3, &[]);
    let len = writer.finish().unwrap();
    assert_eq!(len, 300);
    assert_eq!(&buffer[..236], header().as_bytes());
    #[rustfmt::skip]
    let expected = [
        99, 130, 83, 99,
        53, 1, 2,
        54, 4, 10, 0, 0, 1,
        51, 4, 0, 0, 2, 88,
        26, 2, 5, 220,
        80, 0,
        6, 8, 10, 0, 0, 1, 10, 0, 0, 2,
        82, 3, 1, 1, 7,
        255,
    ];
    assert_eq!(&buffer[236..236 + expected.len()], expected);
    assert!(buffer[236 + expected.len()..300].iter().all(|byte| *byte == 0), "padding is zero");
    assert!(buffer[300..].iter().all(|byte| *byte == 0xaa), "nothing beyond the length");
}

#[test]
fn the_byte_after_67_and_60_is_a_nul() {
    let mut buffer = [0xaa; 548];
    let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Ack);
    writer.put_then_pad(60, b"HTTPClient");
    writer.put_then_pad(67, b"u");
    writer.put_text_nul(67, b"v");
    writer.finish().unwrap();
    let expected =
        [&[60, 10][..], b"HTTPClient", &[0], &[67, 1, b'u', 0], &[67, 2, b'v', 0], &[255]].concat();
    assert_eq!(&buffer[243..243 + expected.len()], expected);
}

#[test]
fn what_does_not_fit_fails_the_reply() {
    let finish = |len: usize, fill: &dyn Fn(&mut MessageWriter<'_, '_>)| {
        let mut buffer = vec![0; len];
        let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Offer);
        fill(&mut writer);
        writer.finish()
    };
    assert_eq!(finish(300, &|_| {}), Ok(300));
    assert_eq!(finish(299, &|_| {}), Err(EmitError::NoSpace), "no reply is shorter than 300");
    assert_eq!(finish(100, &|_| {}), Err(EmitError::NoSpace));
    assert_eq!(finish(0, &|_| {}), Err(EmitError::NoSpace));
    // 236 + 4 + 3 + 255 + 2 + 1.
    assert_eq!(finish(501, &|w| w.put(43, &[0; 255])), Ok(501));
    assert_eq!(finish(500, &|w| w.put(43, &[0; 255])), Err(EmitError::NoSpace));
    assert_eq!(finish(900, &|w| w.put(43, &[0; 256])), Err(EmitError::TooLong));
    assert_eq!(finish(900, &|w| w.put_text_nul(67, &[b'x'; 255])), Err(EmitError::TooLong));
    assert_eq!(finish(900, &|w| w.put_text_nul(67, &[b'x'; 254])), Ok(501));
    assert_eq!(finish(900, &|w| w.put_addresses(6, &[SERVER; 64])), Err(EmitError::TooLong));
    assert_eq!(finish(900, &|w| w.put_addresses(6, &[SERVER; 63])), Ok(498));
}

#[test]
fn fits_keeps_room_for_the_end_and_option_82() {
    let mut buffer = [0; 320];
    let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Offer);
    writer.set_relay_agent(&[1; 10]);
    // 320 - 243 - (2 + 10) - 1 - 2.
    assert!(writer.fits(62) && !writer.fits(63));
    writer.put(43, &[0; 62]);
    assert!(!writer.fits(0));
    assert_eq!(writer.finish(), Ok(320));
    let mut buffer = [0; 900];
    let writer = MessageWriter::new(&mut buffer, &header(), MessageType::Offer);
    assert!(writer.fits(255) && !writer.fits(256));
}

#[test]
fn routes_use_only_significant_octets() {
    let routes = [
        Route { destination: Ipv4Addr::UNSPECIFIED, prefix_len: 0, router: SERVER },
        Route { destination: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 8, router: SERVER },
        Route { destination: Ipv4Addr::new(10, 17, 128, 0), prefix_len: 17, router: SERVER },
        Route { destination: Ipv4Addr::new(10, 17, 1, 3), prefix_len: 32, router: SERVER },
    ];
    let mut buffer = [0; 548];
    let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Ack);
    writer.put_routes(121, &routes);
    writer.put_routes(249, &[]);
    writer.finish().unwrap();
    #[rustfmt::skip]
    let expected = [
        121, 28,
        0, 10, 0, 0, 1,
        8, 10, 10, 0, 0, 1,
        17, 10, 17, 128, 10, 0, 0, 1,
        32, 10, 17, 1, 3, 10, 0, 0, 1,
        255,
    ];
    assert_eq!(&buffer[243..243 + expected.len()], expected);
    let parsed = Routes::parse(&expected[2..30]).unwrap();
    assert_eq!(parsed.iter().collect::<Vec<_>>(), routes);

    for (data, error) in [
        (&[][..], ParseError::BadLength),
        (&[33, 1, 2, 3, 4, 5, 6, 7, 8], ParseError::BadValue),
        (&[24, 1, 2, 3, 4, 5, 6], ParseError::Truncated),
    ] {
        assert_eq!(Routes::parse(data).err(), Some(error), "{data:?}");
    }
    // Host bits are cleared, as RFC 3442 asks of receivers.
    let sloppy = Routes::parse(&[9, 10, 255, 10, 0, 0, 1]).unwrap();
    assert_eq!(sloppy.iter().next().unwrap().destination, Ipv4Addr::new(10, 128, 0, 0));
}

#[test]
fn domain_names_are_read_with_and_written_without_compression() {
    // RFC 3397 §2: eng.apple.com, marketing.apple.com.
    let data = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04";
    let names = DomainNames::parse(data).unwrap();
    let texts: Vec<_> = names.iter().map(|name| name.to_string()).collect();
    assert_eq!(texts, ["eng.apple.com", "marketing.apple.com"]);

    let mut buffer = [0; 548];
    let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Ack);
    writer.put_domain_names(119, &["a.bc", "d."]);
    writer.put_domain_names(119, &[]);
    writer.finish().unwrap();
    assert_eq!(&buffer[243..255], b"\x77\x09\x01a\x02bc\0\x01d\0\xff");

    for (data, error) in [
        (&b""[..], ParseError::BadLength),
        (b"\x03en", ParseError::Truncated),
        (b"\x02en", ParseError::Truncated),
        (b"\x02en\xc0", ParseError::Truncated),
        (b"\x02en\xc0\x00", ParseError::BadValue),
        (b"\xc0\x00", ParseError::BadValue),
        (b"\x02en\x00\xc0\x04", ParseError::BadValue),
        (b"\x40", ParseError::BadValue),
    ] {
        assert_eq!(DomainNames::parse(data).err(), Some(error), "{data:?}");
    }
    let long = [&[63; 64][..], &[63; 64], &[63; 64], &[63; 64], &[0]].concat();
    assert_eq!(DomainNames::parse(&long).err(), Some(ParseError::BadLength));
    let mut chain = vec![1, b'a', 0];
    for at in 0..12u8 {
        chain.extend([0xc0, if at == 0 { 0 } else { at * 2 + 1 }]);
    }
    assert_eq!(DomainNames::parse(&chain).err(), Some(ParseError::TooMany));

    for name in ["", ".", "a..b", ".a"] {
        let mut writer = MessageWriter::new(&mut buffer, &header(), MessageType::Ack);
        writer.put_domain_names(119, &[name]);
        assert_eq!(writer.finish(), Err(EmitError::BadText), "{name:?}");
    }
}

#[test]
fn lengths_are_checked_for_every_kind() {
    let ok = |code: u8, data: &[u8]| OptionValue::parse(code, data).is_ok();
    // (code, lengths that are legal for a value of zeros); everything else up to 40 is not.
    let cases: &[(u8, &[usize])] = &[
        (1, &[4]),
        (2, &[4]),
        (3, &[4, 8, 12, 16, 20, 24, 28, 32, 36, 40]),
        (13, &[2]),
        (19, &[1]),
        (21, &[8, 16, 24, 32, 40]),
        (23, &[1]),
        (25, &[2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40]),
        (51, &[4]),
        (68, &[0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]),
        (80, &[0]),
        (94, &[3]),
        (97, &[17]),
        (109, &[16]),
        (208, &[4]),
    ];
    for (code, lengths) in cases {
        for len in 0..=40 {
            assert_eq!(ok(*code, &vec![0; len]), lengths.contains(&len), "option {code}, {len}");
        }
    }
    assert!(ok(19, &[1]) && !ok(19, &[2]), "a flag is 0 or 1");
    assert!(!ok(12, &[]) && ok(12, b"x"));
    assert!(!ok(61, &[1]) && ok(61, &[1, 2]));
    assert!(!ok(53, &[0]) && ok(53, &[1]));
    assert!(!ok(55, &[]) && ok(55, &[1]));
    assert!(ok(224, &[]), "private options may hold anything");
}

#[test]
fn values_come_out_as_what_they_mean() {
    assert_eq!(OptionValue::parse(2, &[0xff; 4]), Ok(OptionValue::I32(-1)));
    assert_eq!(OptionValue::parse(13, &[1, 0]), Ok(OptionValue::U16(256)));
    assert_eq!(OptionValue::parse(12, b"pc\0"), Ok(OptionValue::Text(b"pc")));
    let Ok(OptionValue::Addresses(list)) = OptionValue::parse(6, &[10, 0, 0, 1, 10, 0, 0, 2])
    else {
        panic!("a list of addresses");
    };
    assert_eq!(list.iter().collect::<Vec<_>>(), [SERVER, Ipv4Addr::new(10, 0, 0, 2)]);
    let Ok(OptionValue::AddressPairs(pairs)) = OptionValue::parse(33, &[1, 2, 3, 4, 10, 0, 0, 1])
    else {
        panic!("a list of pairs");
    };
    assert_eq!(pairs.iter().collect::<Vec<_>>(), [(Ipv4Addr::new(1, 2, 3, 4), SERVER)]);
    let Ok(OptionValue::U16List(list)) = OptionValue::parse(25, &[0, 68, 5, 220]) else {
        panic!("a list of numbers");
    };
    assert_eq!(list.iter().collect::<Vec<_>>(), [68, 1500]);
}

fn emit(value: &OptionValue<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 600];
    let mut writer = Writer::new(&mut buffer);
    value.emit(&mut writer);
    let len = writer.finish().unwrap();
    buffer.truncate(len);
    buffer
}

proptest! {
    #[test]
    fn every_value_is_stable(code: u8, data in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(value) = OptionValue::parse(code, &data) {
            let once = emit(&value);
            let again = OptionValue::parse(code, &once).unwrap();
            prop_assert_eq!(&emit(&again), &once);
            prop_assert_eq!(format!("{value:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn short_values_are_stable(code: u8, data in proptest::collection::vec(0u8..4, 0..20)) {
        if let Ok(value) = OptionValue::parse(code, &data) {
            let once = emit(&value);
            prop_assert_eq!(emit(&OptionValue::parse(code, &once).unwrap()), once);
        }
    }

    #[test]
    fn no_domain_names_panic(data in proptest::collection::vec(
        prop_oneof![Just(0u8), Just(0xc0u8), 0u8..8, any::<u8>()], 0..60)) {
        if let Ok(names) = DomainNames::parse(&data) {
            for name in names.iter() {
                prop_assert!(name.labels().map(|label| label.len() + 1).sum::<usize>() <= 254);
                let text = name.to_string();
                prop_assert!(!text.contains('\n'));
            }
        }
    }
}

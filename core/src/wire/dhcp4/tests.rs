use proptest::prelude::*;

use super::*;
use crate::wire::dhcp4_options::{MessageWriter, Options};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x77, 0, 1]);

/// A request whose options field, `file` and `sname` hold what is given.
fn message(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
    let mut header = Header::request(0x1234_5678, MAC);
    header.file[..file.len()].copy_from_slice(file);
    header.sname[..sname.len()].copy_from_slice(sname);
    [header.as_bytes(), &MAGIC_COOKIE, options].concat()
}

fn codes(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let message = Message::parse(bytes).unwrap();
    message.options().map(|option| (option.code, option.data.to_vec())).collect()
}

#[test]
fn reads_each_header_field_from_its_offset() {
    let mut bytes = vec![0; 236];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(at % 251).unwrap();
    }
    bytes[2] = 6;
    let message = Message::parse(&bytes).unwrap();
    let header = message.header();
    assert_eq!((header.op, header.htype, header.hlen, header.hops), (0, 1, 6, 3));
    assert_eq!(header.xid(), 0x0405_0607);
    assert_eq!(header.secs(), 0x0809);
    assert_eq!(header.flags(), 0x0a0b);
    assert_eq!(header.ciaddr(), Ipv4Addr::new(12, 13, 14, 15));
    assert_eq!(header.yiaddr(), Ipv4Addr::new(16, 17, 18, 19));
    assert_eq!(header.siaddr(), Ipv4Addr::new(20, 21, 22, 23));
    assert_eq!(header.giaddr(), Ipv4Addr::new(24, 25, 26, 27));
    assert_eq!(header.chaddr[..], bytes[28..44]);
    assert_eq!(header.mac(), Some(MacAddr([28, 29, 30, 31, 32, 33])));
    assert_eq!(header.hardware_address(), &bytes[28..34]);
    assert_eq!(header.sname[..], bytes[44..108]);
    assert_eq!(header.file[..], bytes[108..236]);
}

#[test]
fn plain_bootp_is_told_from_dhcp() {
    let with_cookie = message(&[12, 2, b'p', b'i', 255], b"kernel", b"");
    let dhcp = message(&[53, 1, 1, 255], b"", b"");
    // RFC 951: a vendor area without a cookie is the vendor's own business.
    let without = [&with_cookie[..236], &[0; 64]].concat();

    let parsed = Message::parse(&without).unwrap();
    assert!(parsed.is_bootp() && !parsed.has_cookie());
    assert_eq!(parsed.options().count(), 0);
    assert_eq!(parsed.message_type(), Ok(None));
    assert_eq!(parsed.file(), Some(&b"kernel"[..]));

    let parsed = Message::parse(&with_cookie).unwrap();
    assert!(parsed.is_bootp() && parsed.has_cookie());
    assert_eq!(parsed.options().count(), 1);

    let parsed = Message::parse(&dhcp).unwrap();
    assert!(!parsed.is_bootp());
    assert_eq!(parsed.message_type(), Ok(Some(MessageType::Discover)));
}

#[test]
fn refuses_what_no_message_can_be() {
    let good = message(&[53, 1, 1, 255], b"", b"");
    let mut long_address = good.clone();
    long_address[2] = 17;
    let cases: &[(&str, Vec<u8>, ParseError)] = &[
        ("nothing", vec![], ParseError::Truncated),
        ("half a header", good[..235].to_vec(), ParseError::Truncated),
        ("an address of 17 bytes", long_address, ParseError::BadLength),
        ("no length", message(&[53], b"", b""), ParseError::Truncated),
        ("no value", message(&[53, 1], b"", b""), ParseError::Truncated),
        ("a value too long", message(&[53, 3, 1, 255], b"", b""), ParseError::Truncated),
        ("overload 0", message(&[52, 1, 0, 255], b"", b""), ParseError::BadValue),
        ("overload 4", message(&[52, 1, 4, 255], b"", b""), ParseError::BadValue),
        ("overload of two bytes", message(&[52, 2, 1, 1, 255], b"", b""), ParseError::BadLength),
        (
            "overload twice",
            message(&[52, 1, 1, 52, 1, 1, 255], b"\xff", b""),
            ParseError::BadLength,
        ),
        (
            "an option that leaves file",
            message(&[52, 1, 1, 255], &[12, 127, b'x'], b""),
            ParseError::Truncated,
        ),
        (
            "an option that leaves sname",
            message(&[52, 1, 2, 255], b"", &[12, 63, b'x']),
            ParseError::Truncated,
        ),
        ("257 options", message(&[80, 0].repeat(257), b"", b""), ParseError::TooMany),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(Message::parse(bytes).err(), Some(*error), "{name}");
    }
    assert!(Message::parse(&message(&[80, 0].repeat(256), b"", b"")).is_ok());
}

#[test]
fn only_a_few_options_may_be_split() {
    let twice = |count: u8| {
        let pieces: Vec<u8> = (100..100 + count).chain(100..100 + count).collect();
        message(&pieces.iter().flat_map(|code| [*code, 0]).collect::<Vec<_>>(), b"", b"")
    };
    assert_eq!(Message::parse(&twice(8)).unwrap().repeated().len(), SPLIT_OPTIONS_MAX);
    assert_eq!(Message::parse(&twice(9)).err(), Some(ParseError::TooMany));
}

#[test]
fn pad_end_and_a_missing_end_are_understood() {
    let one = vec![(53, vec![1])];
    assert_eq!(codes(&message(&[0, 0, 53, 1, 1, 0, 255], b"", b"")), one);
    assert_eq!(codes(&message(&[53, 1, 1, 255, 12, 99], b"", b"")), one, "junk behind END");
    assert_eq!(codes(&message(&[53, 1, 1], b"", b"")), one, "no END");
    assert_eq!(codes(&message(&[], b"", b"")), vec![]);
    assert_eq!(codes(&message(&[80, 0, 255], b"", b"")), vec![(80, vec![])]);
}

#[test]
fn overload_adds_file_and_then_sname() {
    let file: &[u8] = &[12, 1, b'f', 255];
    let sname: &[u8] = &[15, 1, b's', 255];
    let (in_file, in_sname) = ((12, b"f".to_vec()), (15, b"s".to_vec()));
    for (overload, expected) in [
        (1, vec![in_file.clone()]),
        (2, vec![in_sname.clone()]),
        (3, vec![in_file.clone(), in_sname.clone()]),
    ] {
        let bytes = message(&[53, 1, 1, 52, 1, overload, 255], file, sname);
        let found = codes(&bytes);
        assert_eq!(found[..2], [(53, vec![1]), (52, vec![overload])]);
        assert_eq!(found[2..], expected, "overload {overload}");
        let parsed = Message::parse(&bytes).unwrap();
        assert_eq!(parsed.file().is_none(), overload & 1 != 0);
        assert_eq!(parsed.sname().is_none(), overload & 2 != 0);
    }
    // Overload announced inside an overloaded field is not followed.
    let nested = message(&[52, 1, 1, 255], &[52, 1, 2, 255], sname);
    assert_eq!(codes(&nested), vec![(52, vec![1]), (52, vec![2])]);
}

#[test]
fn the_message_type_may_lie_in_an_overloaded_field_but_only_once() {
    let bytes = message(&[52, 1, 1, 255], &[53, 1, 3, 255], b"");
    assert_eq!(Message::parse(&bytes).unwrap().message_type(), Ok(Some(MessageType::Request)));
    for (options, error) in [
        (&[53, 1, 1, 53, 1, 1, 255][..], ParseError::BadLength),
        (&[53, 0, 255], ParseError::BadLength),
        (&[53, 2, 1, 1, 255], ParseError::BadLength),
        (&[53, 1, 0, 255], ParseError::UnknownCode(0)),
        (&[53, 1, 19, 255], ParseError::UnknownCode(19)),
    ] {
        let bytes = message(options, b"", b"");
        assert_eq!(Message::parse(&bytes).unwrap().message_type(), Err(error), "{options:?}");
    }
}

#[test]
fn message_types_keep_their_codes() {
    for code in 0..=u8::MAX {
        match MessageType::try_from(code) {
            Ok(kind) => assert_eq!(kind.code(), code),
            Err(error) => {
                assert!(!(1..=18).contains(&code));
                assert_eq!(error, ParseError::UnknownCode(u16::from(code)));
            }
        }
    }
}

#[test]
fn a_reply_copies_what_identifies_the_request() {
    let mut request = Header::request(7, MAC);
    request.chaddr = [9; 16];
    request.hlen = 6;
    request.set_secs(4);
    request.set_broadcast(true);
    request.set_giaddr(Ipv4Addr::new(10, 0, 0, 1));
    request.set_ciaddr(Ipv4Addr::new(10, 0, 0, 2));
    request.set_file(b"asked").unwrap();
    let reply = Header::reply(&request);
    assert_eq!((reply.op, reply.htype, reply.hlen, reply.hops), (2, 1, 6, 0));
    assert_eq!(reply.xid(), 7);
    assert_eq!(reply.secs(), 0);
    assert!(reply.is_broadcast());
    assert_eq!(reply.giaddr(), Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(reply.chaddr, [9; 16], "klibc compares all 16 bytes");
    assert_eq!(reply.ciaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(reply.file, [0; 128]);
}

#[test]
fn texts_of_the_header_always_end_in_nul() {
    let mut header = Header::request(1, MAC);
    assert_eq!(header.set_file(&[b'x'; 127]), Ok(()));
    assert_eq!(header.set_file(&[b'y'; 128]), Err(EmitError::TooLong));
    assert_eq!(header.set_file(b"a\0b"), Err(EmitError::BadText));
    assert_eq!(header.file[126..], [b'x', 0], "unchanged after an error");
    assert_eq!(header.set_file(b"short"), Ok(()));
    assert!(header.file[5..].iter().all(|byte| *byte == 0), "nothing of the old name is left");
    assert_eq!(header.set_sname(&[b'x'; 64]), Err(EmitError::TooLong));
    assert_eq!(header.set_sname(&[b'x'; 63]), Ok(()));
}

#[test]
fn only_ethernet_addresses_are_mac_addresses() {
    let mut header = Header::request(1, MAC);
    assert_eq!(header.mac(), Some(MAC));
    header.hlen = 16;
    assert_eq!(header.mac(), None);
    assert_eq!(header.hardware_address().len(), 16);
    header.hlen = 6;
    header.htype = 32;
    assert_eq!(header.mac(), None, "InfiniBand");
}

#[test]
fn a_code_set_holds_every_code() {
    let mut set = CodeSet::EMPTY;
    for code in 0..=u8::MAX {
        assert!(!set.contains(code));
        assert!(set.insert(code));
        assert!(!set.insert(code));
        assert!(set.contains(code));
    }
    assert!(set.iter().eq(0..=u8::MAX));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        exercise(&bytes);
    }

    #[test]
    fn no_options_panic(
        options in proptest::collection::vec(any::<u8>(), 0..400),
        file in any::<[u8; 32]>(),
        sname in any::<[u8; 32]>(),
        overload in 0u8..5,
    ) {
        let options = [&[52, 1, overload][..], &options].concat();
        exercise(&message(&options, &file, &sname));
    }

    #[test]
    fn emitting_what_was_parsed_is_stable(
        tlvs in proptest::collection::vec(
            (1u8..=254, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
        head in any::<[u8; 32]>(),
    ) {
        let mut options = vec![];
        for (code, data) in &tlvs {
            if !matches!(*code, 52 | 53 | 82) {
                options.extend([*code, u8::try_from(data.len()).unwrap()]);
                options.extend(data);
            }
        }
        options.push(255);
        let mut bytes = message(&options, b"", b"");
        bytes[3..35].copy_from_slice(&head);
        bytes[2] = 6;
        let once = emit(&bytes);
        let twice = emit(&once);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(codes(&bytes), codes(&once));
        prop_assert_eq!(&bytes[..236], &once[..236]);
    }
}

fn exercise(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(message.options().count() <= OPTIONS_MAX);
    let _type = message.message_type();
    let _names = (message.file(), message.sname());
    let mut scratch = vec![0; bytes.len()];
    if let Err(error) = Options::parse(&message, &mut scratch) {
        assert_ne!(error, ParseError::NoSpace, "a scratch as long as the datagram suffices");
    }
}

/// The same message through the writer.
fn emit(bytes: &[u8]) -> Vec<u8> {
    let message = Message::parse(bytes).unwrap();
    let mut buffer = vec![0xaa; 2048];
    let mut writer = MessageWriter::bootp(&mut buffer, message.header());
    for option in message.options() {
        writer.put(option.code, option.data);
    }
    let len = writer.finish().unwrap();
    buffer.truncate(len);
    buffer
}

use proptest::prelude::*;

use super::*;
use crate::wire::{EmitError, ParseError};

fn rrq(tail: &[u8]) -> Vec<u8> {
    [&[0, 1][..], tail].concat()
}

fn request(bytes: &[u8]) -> Request<'_> {
    match parse(bytes) {
        Ok(Packet::ReadRequest(request)) => request,
        other => panic!("not a read request: {other:?}"),
    }
}

#[test]
fn reads_the_requests_of_real_firmware() {
    // edk2's size probe and its second request.
    let bytes = rrq(b"snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0");
    let probe = request(&bytes);
    assert_eq!((probe.file_name, probe.mode), (&b"snponly.efi"[..], Mode::Octet));
    let options: Vec<_> = probe.options.iter().collect();
    assert_eq!(
        options,
        [(OptionName::TransferSize, 0), (OptionName::BlockSize, 1468), (OptionName::WindowSize, 4)]
    );
    assert!(probe.options.malformed.is_empty());
    // iPXE to a tftm:// URL asks for multicast, which nobody serves.
    let bytes = rrq(b"x\0octet\0blksize\x001432\0tsize\x000\0multicast\0\0");
    let ipxe = request(&bytes);
    assert_eq!(ipxe.options.unknown_count, 1);
    assert_eq!(ipxe.options.block_size, Some(1432));
    // A Raspberry Pi 3 asks for nothing.
    let bytes = rrq(b"bootcode.bin\0octet\0");
    assert!(request(&bytes).options.is_empty());
}

#[test]
fn modes_and_option_names_are_of_any_case() {
    for (mode, expected) in [
        (&b"octet"[..], Mode::Octet),
        (b"OCTET", Mode::Octet),
        (b"NetASCII", Mode::NetAscii),
        (b"mail", Mode::Mail),
    ] {
        let bytes = rrq(&[b"f\0", mode, b"\0BLKSize\x00512\0"].concat());
        let found = request(&bytes);
        assert_eq!((found.mode, found.options.block_size), (expected, Some(512)));
    }
}

#[test]
fn option_values_are_bounded() {
    let read = |name: &str, value: &str| {
        let bytes = rrq(format!("f\0octet\0{name}\0{value}\0").as_bytes());
        let options = request(&bytes).options;
        let known = OptionName::from_name(name.as_bytes()).unwrap();
        assert_eq!(options.value(known).is_none(), options.malformed.contains(known));
        options.value(known)
    };
    for (name, value, expected) in [
        ("blksize", "8", Some(8)),
        ("blksize", "7", None),
        ("blksize", "0", None),
        ("blksize", "65464", Some(65464)),
        ("blksize", "65465", Some(65464)),
        ("blksize", "100000", Some(65464)),
        ("blksize", "99999999999999999999999", None),
        ("blksize", "", None),
        ("blksize", "-512", None),
        ("blksize", "+512", None),
        ("blksize", " 512", None),
        ("blksize", "0512", Some(512)),
        ("timeout", "0", None),
        ("timeout", "1", Some(1)),
        ("timeout", "255", Some(255)),
        ("timeout", "256", None),
        ("tsize", "0", Some(0)),
        ("tsize", "18446744073709551615", Some(u64::MAX)),
        ("tsize", "18446744073709551616", None),
        ("windowsize", "0", None),
        ("windowsize", "1", Some(1)),
        ("windowsize", "65535", Some(65535)),
        ("windowsize", "65536", Some(65535)),
    ] {
        assert_eq!(read(name, value), expected, "{name} {value:?}");
    }
}

#[test]
fn the_first_of_duplicate_options_counts() {
    let bytes = rrq(b"f\0octet\0blksize\x001024\0tsize\x000\0BLKSIZE\x00512\0");
    let options = request(&bytes).options;
    assert_eq!(
        options.iter().collect::<Vec<_>>(),
        [(OptionName::BlockSize, 1024), (OptionName::TransferSize, 0)]
    );
    let bytes = rrq(b"f\0octet\0blksize\x001\0blksize\x00512\0");
    let options = request(&bytes).options;
    assert_eq!(options.block_size, None, "malformed stays malformed");
    assert!(options.malformed.contains(OptionName::BlockSize));
}

#[test]
fn refuses_what_is_no_packet() {
    let long = rrq(&[&[b'f'; 2040][..], b"\0octet\0"].concat());
    let cases: &[(&str, &[u8], ParseError)] = &[
        ("nothing", b"", ParseError::Truncated),
        ("half an opcode", b"\0", ParseError::Truncated),
        ("opcode 0", b"\0\0", ParseError::UnknownCode(0)),
        ("opcode 7", b"\0\x07", ParseError::UnknownCode(7)),
        ("no name", b"\0\x01", ParseError::Truncated),
        ("a name without NUL", b"\0\x01name", ParseError::Truncated),
        ("an empty name", b"\0\x01\0octet\0", ParseError::BadValue),
        ("no mode", b"\0\x01f\0", ParseError::Truncated),
        ("a mode without NUL", b"\0\x01f\0octet", ParseError::Truncated),
        ("an unknown mode", b"\0\x01f\0binary\0", ParseError::BadValue),
        ("half a block number", b"\0\x03\0", ParseError::Truncated),
        ("an ACK of nothing", b"\0\x04", ParseError::Truncated),
        ("an ERROR without code", b"\0\x05\0", ParseError::Truncated),
        ("a name too long", &long, ParseError::BadLength),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(parse(bytes), Err(*error), "{name}");
    }
}

#[test]
fn what_roms_append_is_forgiven() {
    for tail in [&b"\0"[..], b"\0\0\0\0", b"blksize", b"blksize\x00512", b"\0blksize\x00512\0"] {
        let bytes = rrq(&[b"f\0octet\0", tail].concat());
        assert!(request(&bytes).options.is_empty(), "{}", tail.escape_ascii());
    }
    assert_eq!(parse(b"\0\x04\0\x09junk"), Ok(Packet::Ack { block: 9 }));
    let error = |message| Packet::Error { code: ErrorCode(0), message };
    assert_eq!(parse(b"\0\x05\0\0TFTP Aborted"), Ok(error(b"TFTP Aborted")));
    assert_eq!(parse(b"\0\x05\0\0TFTP Aborted\0x"), Ok(error(b"TFTP Aborted")));
    assert_eq!(parse(b"\0\x05\0\0"), Ok(error(b"")));
}

#[test]
fn only_sixteen_options_are_looked_at() {
    let mut bytes = rrq(b"f\0octet\0");
    for at in 0..15 {
        bytes.extend(format!("x{at}\x001\0").bytes());
    }
    let within = [&bytes[..], b"blksize\x00512\0"].concat();
    assert_eq!(request(&within).options.block_size, Some(512));
    let beyond = [&bytes[..], b"y\x001\0blksize\x00512\0"].concat();
    assert_eq!(request(&beyond).options.block_size, None);
}

#[test]
fn an_oack_has_what_is_left_in_the_order_of_the_request() {
    let bytes = rrq(b"f\0octet\0WindowSize\x00900\0timeout\x005\0tsize\x000\0blksize\x009000\0");
    let mut answer = request(&bytes).options;
    answer.window_size = Some(16);
    answer.timeout_s = None;
    answer.transfer_size = Some(123_456);
    answer.block_size = Some(1468);
    let mut buffer = [0xaa; 128];
    let len = emit_option_ack(&mut buffer, &answer).unwrap();
    assert_eq!(&buffer[..len], b"\0\x06windowsize\x0016\0tsize\x00123456\0blksize\x001468\0");
    assert_eq!(emit_option_ack(&mut buffer[..len - 1], &answer), Err(EmitError::NoSpace));

    // What was not asked cannot get in.
    let mut answer = TransferOptions::default();
    answer.block_size = Some(1468);
    assert_eq!(emit_option_ack(&mut buffer, &answer), Ok(2));
}

#[test]
fn the_largest_oack_fits_128_bytes() {
    let options = TransferOptions::default()
        .with(OptionName::BlockSize, 65464)
        .with(OptionName::Timeout, 255)
        .with(OptionName::TransferSize, u64::MAX)
        .with(OptionName::WindowSize, 65535);
    assert!(emit_option_ack(&mut [0; 128], &options).is_ok());
}

#[test]
fn writes_the_other_packets() {
    assert_eq!(emit_data_header(0xfffe), [0, 3, 0xff, 0xfe]);
    assert_eq!(emit_ack(0x0102), [0, 4, 1, 2]);
    let mut buffer = [0; 64];
    let len = emit_error(&mut buffer, ErrorCode::FILE_NOT_FOUND, "no such file").unwrap();
    assert_eq!(&buffer[..len], b"\0\x05\0\x01no such file\0");
    assert_eq!(emit_error(&mut [0; 8], ErrorCode(0), "long"), Err(EmitError::NoSpace));
    assert_eq!(emit_error(&mut buffer, ErrorCode(0), "a\0b"), Err(EmitError::BadText));
    let request = Request {
        file_name: b"a/b",
        mode: Mode::Octet,
        options: TransferOptions::default().with(OptionName::TransferSize, 0),
    };
    let len = emit_request(&mut buffer, &request).unwrap();
    assert_eq!(&buffer[..len], b"\0\x01a/b\0octet\0tsize\x000\0");
    let len = emit_write_request(&mut buffer, &request).unwrap();
    assert!(matches!(parse(&buffer[..len]), Ok(Packet::WriteRequest(found)) if found == request));
}

#[test]
fn options_built_by_a_client_are_checked_like_those_on_the_wire() {
    let options = TransferOptions::default().with(OptionName::Timeout, 300);
    assert!(options.malformed.contains(OptionName::Timeout) && options.is_empty());
}

fn emit(packet: &Packet<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let len = match packet {
        Packet::ReadRequest(request) => emit_request(&mut buffer, request).unwrap(),
        Packet::WriteRequest(request) => emit_write_request(&mut buffer, request).unwrap(),
        Packet::Data { block, payload } => {
            return [&emit_data_header(*block)[..], payload].concat();
        }
        Packet::Ack { block } => return emit_ack(*block).to_vec(),
        Packet::Error { code, message } => {
            let text = core::str::from_utf8(message).unwrap_or("?");
            emit_error(&mut buffer, *code, text).unwrap()
        }
        Packet::OptionAck(options) => emit_option_ack(&mut buffer, options).unwrap(),
    };
    buffer.truncate(len);
    buffer
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_parses_is_stable(
        opcode in 0u8..8,
        tail in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check(&[&[0, opcode][..], &tail].concat())?;
    }

    #[test]
    fn requests_are_stable(
        write: bool,
        words in proptest::collection::vec(prop_oneof![
            Just("octet".to_owned()), Just("blksize".to_owned()), Just("TSIZE".to_owned()),
            Just("windowsize".to_owned()), Just("timeout".to_owned()), "[0-9]{0,7}", ".{0,9}",
        ], 1..12),
    ) {
        let opcode = if write { 2 } else { 1 };
        check(&[&[0, opcode][..], b"f\0octet\0", words.join("\0").as_bytes(), b"\0"].concat())?;
    }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(packet) = parse(bytes) {
        let once = emit(&packet);
        let again = parse(&once).unwrap();
        prop_assert_eq!(emit(&again), once);
    }
    Ok(())
}

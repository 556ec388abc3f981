//! The codecs read what real firmware sent.
//!
//! Beside each capture lies `<name>.expected`, one line a packet, made by a decoder that shares no
//! code with this project. What the meaning of those bytes is, is asserted by hand below.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use reveille_core::wire::dhcp4::{Message, MessageType};
use reveille_core::wire::dhcp4_options::Options;
use reveille_core::wire::http::{Method, Parsed, RequestHead};
use reveille_core::wire::pxe::{ArchType, ClassDetail, VendorClass};
use reveille_core::wire::tftp::{self, Packet, TransferOptions};
use reveille_tests::pcap::{Segment, frames, segment};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// Compares every packet of a capture with the independent decoder's line.
fn compare(name: &str) {
    let expected = std::fs::read_to_string(data(&format!("{name}.expected"))).expect("it is there");
    let frames = frames(&data(&format!("{name}.pcap")));
    let lines: Vec<String> = frames.iter().filter_map(|frame| describe(segment(frame)?)).collect();
    for (ours, theirs) in lines.iter().zip(expected.lines()) {
        assert_eq!(ours, theirs, "{name}");
    }
    assert_eq!(lines.len(), expected.lines().count(), "{name}");
    assert!(!lines.is_empty(), "{name}");
}

fn describe(segment: Segment<'_>) -> Option<String> {
    match (segment.protocol, segment.destination) {
        (17, 67 | 68 | 4011) => {
            let (from, to) = (segment.source, segment.destination);
            Some(format!("dhcp {from}>{to} {}", describe_dhcp(segment.payload)))
        }
        (17, _) => describe_tftp(segment.payload).map(|line| format!("tftp {line}")),
        (6, 80) => Some(format!("http {}", describe_http(segment.payload))),
        _ => None,
    }
}

fn describe_dhcp(payload: &[u8]) -> String {
    let message = Message::parse(payload).expect("firmware's messages are well-formed");
    let header = message.header();
    let kind = message.message_type().expect("a known type").expect("it is no BOOTP");
    let kind = format!("{kind:?}").to_uppercase();
    let file = message.file().map_or_else(|| "-".to_owned(), text);
    let mut line = format!(
        "{kind} op={} xid={:08x} secs={} flags={:04x} ci={} yi={} si={} gi={} ch={} file={file} |",
        header.op,
        header.xid(),
        header.secs(),
        header.flags(),
        header.ciaddr(),
        header.yiaddr(),
        header.siaddr(),
        header.giaddr(),
        hex(&header.chaddr),
    );
    for option in message.options() {
        write!(line, " {}={}", option.code, hex(option.data)).expect("a string takes text");
    }
    line
}

fn describe_tftp(payload: &[u8]) -> Option<String> {
    Some(match tftp::parse(payload).ok()? {
        Packet::ReadRequest(request) => format!(
            "RRQ {} {}{}",
            text(request.file_name),
            request.mode.name(),
            describe_options(&request.options)
        ),
        Packet::Ack { block } => format!("ACK {block}"),
        Packet::Error { code, message } => format!("ERROR {} {}", code.0, text(message)),
        Packet::OptionAck(options) => format!("OACK{}", describe_options(&options)),
        Packet::WriteRequest(_) | Packet::Data { .. } => return None,
    })
}

fn describe_options(options: &TransferOptions) -> String {
    assert!(options.malformed.is_empty() && options.unknown_count == 0);
    options
        .iter()
        .fold(String::new(), |line, (name, value)| format!("{line} {} {value}", name.name()))
}

fn request(payload: &[u8]) -> RequestHead<'_> {
    match RequestHead::parse(payload).expect("firmware's requests are well-formed") {
        Parsed::Complete { head, len } => {
            assert_eq!(len, payload.len());
            head
        }
        Parsed::Partial => panic!("the head is whole"),
    }
}

/// The request line and the headers that matter; the rest is taken from the bytes themselves.
fn describe_http(payload: &[u8]) -> String {
    let head = request(payload);
    let method = match head.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Other(name) => name,
    };
    let mut lines = std::str::from_utf8(payload).expect("ASCII").split("\r\n");
    let first = format!("{method} {} HTTP/1.1", head.target.path());
    assert_eq!(lines.next(), Some(first.as_str()));
    let headers: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("{first} | {}", headers.join(" | "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| match byte {
        b'!'..=b'~' if *byte != b'%' => format!("{text}{}", char::from(*byte)),
        _ => format!("{text}%{byte:02x}"),
    })
}

#[test]
fn every_packet_is_read_as_the_independent_decoder_reads_it() {
    for name in [
        "bios-ipxe-http",
        "bios-ipxe-proxy",
        "bios-pxe-undionly",
        "bios-pxelinux",
        "dhclient",
        "dhcpcd",
        "udhcpc",
        "uefi-grub",
        "uefi-http-boot",
        "uefi-pxe-proxy",
        "uefi-pxe-snponly",
    ] {
        compare(name);
    }
}

/// The DHCP messages of a capture that go to this port, in order.
fn messages(name: &str, port: u16) -> Vec<Vec<u8>> {
    let frames = frames(&data(&format!("{name}.pcap")));
    let wanted = |segment: &Segment<'_>| segment.protocol == 17 && segment.destination == port;
    let payload = |frame: &Vec<u8>| segment(frame).filter(wanted).map(|s| s.payload.to_vec());
    frames.iter().filter_map(payload).collect()
}

/// Reads the options of a message and hands them to `check`.
fn with_options(payload: &[u8], check: impl FnOnce(&Message<'_>, &Options<'_>)) {
    let mut scratch = [0; 2048];
    let message = Message::parse(payload).expect("firmware's messages are well-formed");
    let options = Options::parse(&message, &mut scratch).expect("and so are their options");
    assert!(options.malformed.is_empty(), "{:?}", options.malformed);
    check(&message, &options);
}

#[test]
fn ovmf_is_a_uefi_pxe_client_that_wants_broadcast_and_has_no_client_id() {
    with_options(&messages("uefi-pxe-snponly", 67)[0], |message, options| {
        assert_eq!(options.message_type, Some(MessageType::Discover));
        assert!(message.header().is_broadcast());
        assert_eq!(options.client_id, None);
        assert!(options.ipxe.is_none() && options.user_class.is_none());
        assert_eq!(options.architectures.expect("option 93").first(), ArchType::X64_UEFI);
        let class = VendorClass::parse(options.vendor_class.expect("option 60"));
        let VendorClass::Pxe(detail) = class else { panic!("{class:?}") };
        let detail = ClassDetail::parse(detail);
        assert_eq!((detail.arch, detail.undi), (Some(ArchType::X64_UEFI), Some((3, 0))));
        let uuid = options.machine_id.expect("option 97").uuid().expect("a usable one");
        // Firmware sends SMBIOS byte order; the canonical form is what QEMU was given.
        assert_eq!(uuid.to_string(), "00112233-4455-6677-8899-aabbccddee02");
        assert_eq!(options.message_bytes_max(), 1472 - 28);
    });
}

#[test]
fn ovmf_http_boot_says_so_in_class_and_architecture() {
    with_options(&messages("uefi-http-boot", 67)[0], |_, options| {
        let class = VendorClass::parse(options.vendor_class.expect("option 60"));
        assert!(matches!(class, VendorClass::Http(_)), "{class:?}");
        assert_eq!(options.architectures.expect("option 93").first(), ArchType::X64_UEFI_HTTP);
    });
}

#[test]
fn ipxe_tells_its_user_class_raw_and_what_it_can() {
    /// `HTTP` of iPXE's feature options.
    const HTTP: u8 = 0x13;
    /// `HTTPS`; Debian's builds lack it.
    const HTTPS: u8 = 0x14;
    let discovers = messages("bios-ipxe-http", 67);
    with_options(&discovers[0], |message, options| {
        assert!(!message.header().is_broadcast());
        let class = options.user_class.as_ref().expect("option 77");
        assert!(class.contains(b"iPXE"));
        assert_eq!(class.as_bytes(), b"iPXE");
        let ipxe = options.ipxe.as_ref().expect("option 175");
        assert!(ipxe.has_feature(HTTP) && !ipxe.has_feature(HTTPS));
        assert_eq!(ipxe.version(), Some(&[1, 0, 0][..]));
        assert_eq!(options.architectures.expect("option 93").first(), ArchType::X86_BIOS);
        assert_eq!(options.client_id, Some(&[1, 0x52, 0x54, 0, 0x77, 0, 1][..]));
    });
}

#[test]
fn the_cable_shows_a_plain_pxe_rom_before_undionly_says_ipxe() {
    let requests = messages("bios-pxe-undionly", 67);
    with_options(&requests[0], |_, options| {
        assert!(options.user_class.is_none() && options.ipxe.is_none());
        let class = VendorClass::parse(options.vendor_class.expect("option 60"));
        assert!(matches!(class, VendorClass::Pxe(_)), "{class:?}");
    });
    with_options(requests.last().expect("there are more"), |_, options| {
        assert!(options.user_class.as_ref().is_some_and(|class| class.contains(b"iPXE")));
    });
}

#[test]
fn the_uefi_boot_server_request_comes_from_an_address_with_a_new_transaction() {
    let discover = messages("uefi-pxe-proxy", 67).swap_remove(0);
    let request = messages("uefi-pxe-proxy", 4011).swap_remove(0);
    with_options(&request, |message, options| {
        assert_eq!(options.message_type, Some(MessageType::Request));
        assert!(!message.header().ciaddr().is_unspecified());
        assert!(!message.header().is_broadcast());
        assert_eq!(options.server_id, None);
        let before = Message::parse(&discover).expect("well-formed").header().xid();
        assert_ne!(message.header().xid(), before);
    });
}

#[test]
fn stock_clients_release_what_they_got() {
    for name in ["udhcpc", "dhclient", "dhcpcd"] {
        let requests = messages(name, 67);
        with_options(requests.last().expect("there are some"), |message, options| {
            assert_eq!(options.message_type, Some(MessageType::Release), "{name}");
            assert!(!message.header().ciaddr().is_unspecified(), "{name}");
            assert!(options.server_id.is_some(), "{name}");
        });
    }
}

#[test]
fn uefi_http_asks_by_head_first_and_names_no_port() {
    let frames = frames(&data("uefi-http-boot.pcap"));
    let heads: Vec<Segment<'_>> = frames
        .iter()
        .filter_map(|frame| segment(frame))
        .filter(|segment| segment.protocol == 6 && segment.destination == 80)
        .collect();
    let (head, get) = (request(heads[0].payload), request(heads[1].payload));
    assert_eq!((head.method, get.method), (Method::Head, Method::Get));
    assert_eq!(head.target, get.target);
    assert_eq!(head.host, Some(&b"10.77.0.1"[..]));
    assert!(head.keep_alive && get.keep_alive);
    assert_eq!(head.user_agent, Some(&b"UefiHttpBoot/1.0"[..]));
}

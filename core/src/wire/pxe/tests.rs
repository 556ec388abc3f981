use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::wire::{EmitError, ParseError};

#[test]
fn architectures_are_sorted_as_the_registry_and_real_firmware_mean_them() {
    use MachineFamily as F;
    // (code, family, UEFI, HTTP)
    let table: &[(u16, F, bool, bool)] = &[
        (0x00, F::I386, false, false),
        (0x01, F::Other, false, false),
        (0x02, F::Itanium, true, false),
        (0x03, F::Other, false, false),
        (0x04, F::Other, false, false),
        (0x05, F::Other, false, false),
        (0x06, F::I386, true, false),
        (0x07, F::X86_64, true, false),
        (0x08, F::Other, true, false),
        (0x09, F::X86_64, true, false),
        (0x0a, F::Arm32, true, false),
        (0x0b, F::Arm64, true, false),
        (0x0c, F::Power, false, false),
        (0x0d, F::Power, false, false),
        (0x0e, F::Power, false, false),
        (0x0f, F::I386, true, true),
        (0x10, F::X86_64, true, true),
        (0x11, F::Other, true, true),
        (0x12, F::Arm32, true, true),
        (0x13, F::Arm64, true, true),
        (0x14, F::I386, false, true),
        (0x15, F::Arm32, false, false),
        (0x16, F::Arm64, false, false),
        (0x17, F::Arm32, false, true),
        (0x18, F::Arm64, false, true),
        (0x19, F::RiscV32, true, false),
        (0x1a, F::RiscV32, true, true),
        (0x1b, F::RiscV64, true, false),
        (0x1c, F::RiscV64, true, true),
        (0x1d, F::RiscV128, true, false),
        (0x1e, F::RiscV128, true, true),
        (0x1f, F::S390, false, false),
        (0x20, F::S390, false, false),
        (0x21, F::Mips32, true, false),
        (0x22, F::Mips64, true, false),
        (0x23, F::Sunway32, true, false),
        (0x24, F::Sunway64, true, false),
        (0x25, F::LoongArch32, true, false),
        (0x26, F::LoongArch32, true, true),
        (0x27, F::LoongArch64, true, false),
        (0x28, F::LoongArch64, true, true),
        (0x29, F::Arm64, false, false),
        (0x2a, F::Other, false, false),
        (0xffff, F::Other, false, false),
    ];
    for (code, family, is_uefi, is_http) in table {
        let arch = ArchType(*code);
        let found = (arch.family(), arch.is_uefi(), arch.is_http());
        assert_eq!(found, (*family, *is_uefi, *is_http), "{arch}");
        assert_eq!(arch.is_known(), *code <= 0x29);
        assert_eq!(arch.is_bios(), matches!(code, 0 | 0x14));
        assert_eq!(arch.is_uboot(), (0x15..=0x18).contains(code));
    }
    assert_eq!(MachineFamily::LoongArch64.to_string(), "loong64");
}

#[test]
fn uuids_have_two_byte_orders_and_one_spelling() {
    let text = "4c4c4544-0039-5810-804b-b9c04f545633";
    let uuid: Uuid = text.parse().unwrap();
    assert_eq!(uuid.to_string(), text);
    assert_eq!("4C4C454400395810804BB9C04F545633".parse(), Ok(uuid));
    assert_eq!(uuid.swapped().to_string(), "44454c4c-3900-1058-804b-b9c04f545633");
    assert_eq!(uuid.swapped().swapped(), uuid);
    assert_eq!(Uuid::from_smbios(uuid.swapped().0), uuid);
    for text in [
        "",
        "4c4c4544",
        "4c4c4544-0039-5810-804b-b9c04f54563",
        "4c4c4544-0039-5810-804b-b9c04f54563g",
        "4c4c45440-039-5810-804b-b9c04f545633",
        "4c4c4544--039-5810-804b-b9c04f545633",
        "4c4c4544-0039-5810-804b-b9c04f5456333",
        "+c4c454400395810804bb9c04f545633",
    ] {
        assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text}");
    }
}

#[test]
fn a_machine_id_gives_its_uuid_only_when_it_names_a_machine() {
    let id = |bytes: &[u8]| MachineId::parse(bytes).map(|id| id.uuid().map(|u| u.to_string()));
    let of = |byte: u8| [&[0][..], &[byte; 16]].concat();
    assert_eq!(id(&of(0)), Ok(None), "firmware without a UUID");
    assert_eq!(id(&of(0xff)), Ok(None), "firmware with an erased UUID");
    assert_eq!(id(&of(0x11)), Ok(Some("11111111-1111-1111-1111-111111111111".into())));
    let mut ordered = vec![0];
    ordered.extend(1..=16);
    assert_eq!(id(&ordered), Ok(Some("04030201-0605-0807-090a-0b0c0d0e0f10".into())));
    assert_eq!(id(&[]), Err(ParseError::BadLength));
    assert_eq!(id(&[0; 16]), Err(ParseError::BadLength));
    assert_eq!(id(&[0; 18]), Err(ParseError::BadLength));
    // Types that RFC 4578 does not define are kept, not interpreted.
    assert_eq!(id(b"\x01serial"), Ok(None));
    assert_eq!(MachineId::parse(b"\x01serial").unwrap().as_bytes(), b"\x01serial");
}

#[test]
fn vendor_classes_are_sorted_by_prefix() {
    let cases: &[(&[u8], VendorClass<'_>)] = &[
        (b"PXEClient:Arch:00007:UNDI:003016", VendorClass::Pxe(b":Arch:00007:UNDI:003016")),
        (b"HTTPClient:Arch:00016:UNDI:003001", VendorClass::Http(b":Arch:00016:UNDI:003001")),
        (b"PXEClient", VendorClass::Pxe(b"")),
        (b"HTTPClient", VendorClass::Http(b"")),
        (b"U-Boot.armv8", VendorClass::UBoot(b"U-Boot.armv8")),
        (b"udhcp 1.35.0", VendorClass::Other(b"udhcp 1.35.0")),
        (b"pxeclient", VendorClass::Other(b"pxeclient")),
        (b"", VendorClass::Other(b"")),
    ];
    for (text, expected) in cases {
        assert_eq!(VendorClass::parse(text), *expected, "{}", text.escape_ascii());
    }
}

#[test]
fn vendor_classes_tell_details() {
    let detail = |arch, undi| ClassDetail { arch: Some(ArchType(arch)), undi: Some(undi) };
    let none = ClassDetail::default();
    let cases: &[(&[u8], ClassDetail)] = &[
        (b":Arch:00007:UNDI:003016", detail(7, (3, 16))),
        (b":Arch:00000:UNDI:002001", detail(0, (2, 1))),
        (b":Arch:00000:UNDI:002001\0", detail(0, (2, 1))),
        (b":Arch:00016:UNDI:003001", detail(16, (3, 1))),
        (b":Arch:65535:UNDI:99999999", ClassDetail { arch: Some(ArchType(u16::MAX)), undi: None }),
        (b"", none),
        (b":Arch", none),
        (b":Arch:65536:UNDI:x", none),
        (b":Arch:99999:UNDI:003", none),
        (b":Arch:+0007", none),
        (b":Arch::UNDI:", none),
    ];
    for (text, expected) in cases {
        assert_eq!(ClassDetail::parse(text), *expected, "{}", text.escape_ascii());
    }
}

#[test]
fn user_classes_may_be_raw_or_a_list() {
    let classes = |data: &[u8]| {
        UserClass::parse(data).unwrap().iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(classes(b"iPXE"), [b"iPXE"]);
    assert_eq!(classes(b"\x04iPXE"), [b"iPXE"]);
    assert_eq!(classes(b"\x04iPXE\x02ab"), [&b"iPXE"[..], b"ab"]);
    // Lengths that do not tile the option exactly make it raw.
    assert_eq!(classes(b"\x05iPXE"), [b"\x05iPXE"]);
    assert_eq!(classes(b"\x03iPXE"), [b"\x03iPXE"]);
    assert_eq!(classes(b"\x04iPXE\0"), [b"\x04iPXE\0"]);
    assert_eq!(UserClass::parse(b"").err(), Some(ParseError::BadLength));
    assert!(UserClass::parse(b"\x04iPXE").unwrap().contains(b"iPXE"));
    assert!(!UserClass::parse(b"iPXElinux").unwrap().contains(b"iPXE"));
}

#[test]
fn ipxe_options_tell_features_bus_and_version() {
    // As sent by iPXE 1.0.0 for a virtio card.
    #[rustfmt::skip]
    let data = [
        177, 5, 1, 0x1a, 0xf4, 0x10, 0x00,
        235, 3, 1, 0, 0,
        0, 0,
        0x17, 1, 1, 0x15, 1, 1, 0x13, 1, 1, 0x14, 1, 0, 0x21, 0,
        255, 9, 9,
    ];
    let options = IpxeOptions::parse(&data).unwrap();
    assert_eq!(options.bus_id(), Some(BusId { kind: 1, vendor: 0x1af4, device: 0x1000 }));
    assert_eq!(options.version(), Some(&[1, 0, 0][..]));
    assert!(options.has_feature(feature::HTTP));
    assert!(!options.has_feature(feature::HTTPS), "version 0 means none");
    assert!(!options.has_feature(feature::PXE), "no version means none");
    assert!(!options.has_feature(feature::EFI));
    assert_eq!(options.iter().count(), 7);
    assert_eq!(IpxeOptions::parse(&[177, 5, 1]).err(), Some(ParseError::Truncated));
    assert_eq!(IpxeOptions::parse(&[]).unwrap().bus_id(), None);
    assert_eq!(IpxeOptions::parse(&[177, 4, 1, 2, 3, 4]).unwrap().bus_id(), None);
}

#[test]
fn pxe_options_survive_the_round() {
    let server = Ipv4Addr::new(10, 0, 0, 1);
    let mut buffer = [0; 255];
    let mut writer = PxeOptionsWriter::new(&mut buffer);
    writer.put_discovery_control(3);
    writer.put_multicast_address(Ipv4Addr::new(224, 1, 1, 1));
    writer.put_boot_servers(0x8000, &[server]);
    writer.put_menu(&[MenuItem { kind: 0, text: b"Local" }, MenuItem { kind: 9, text: b"" }]);
    writer.put_prompt(10, b"Press F8");
    writer.put_boot_item(BootItem { kind: 9, layer: 0x8000 });
    let len = writer.finish().unwrap();
    assert_eq!(buffer[len - 1], 255);

    let options = PxeOptions::parse(&buffer[..len]).unwrap();
    assert_eq!(options.discovery_control(), Some(3));
    assert_eq!(options.multicast_address(), Some(Ipv4Addr::new(224, 1, 1, 1)));
    let servers: Vec<_> = options.boot_servers().collect();
    assert_eq!(servers.len(), 1);
    assert_eq!(servers[0].kind, 0x8000);
    assert_eq!(servers[0].addresses().collect::<Vec<_>>(), [server]);
    let menu: Vec<_> = options.menu().collect();
    assert_eq!(menu, [MenuItem { kind: 0, text: b"Local" }, MenuItem { kind: 9, text: b"" }]);
    assert_eq!(options.prompt(), Some((10, &b"Press F8"[..])));
    assert_eq!(options.boot_item(), Some(BootItem { kind: 9, layer: 0x8000 }));
}

#[test]
fn the_usual_reply_is_four_bytes() {
    let mut buffer = [0; 8];
    let mut writer = PxeOptionsWriter::new(&mut buffer);
    writer.put_discovery_control(USE_BOOT_FILE);
    assert_eq!(writer.finish(), Ok(4));
    assert_eq!(buffer[..4], [6, 1, 8, 255]);
}

#[test]
fn pxe_options_have_an_end() {
    let mut buffer = [0; 600];
    let mut writer = PxeOptionsWriter::new(&mut buffer);
    writer.put(10, &[1; 252]);
    assert_eq!(writer.finish(), Ok(255));
    let mut writer = PxeOptionsWriter::new(&mut buffer);
    writer.put(10, &[1; 253]);
    assert_eq!(writer.finish(), Err(EmitError::NoSpace), "no room for the final 255");
    let mut writer = PxeOptionsWriter::new(&mut buffer);
    writer.put(10, &[1; 256]);
    assert_eq!(writer.finish(), Err(EmitError::TooLong));
    assert_eq!(PxeOptions::parse(&[6, 2, 8]).err(), Some(ParseError::Truncated));
    // A list whose inner lengths are wrong ends where it stops making sense.
    let broken = PxeOptions::parse(&[9, 4, 0, 1, 9, b'x', 8, 3, 0, 1, 1]).unwrap();
    assert_eq!((broken.menu().count(), broken.boot_servers().count()), (0, 0));
}

proptest! {
    #[test]
    fn no_bytes_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _class = VendorClass::parse(&data);
        let _interface = NetworkInterface::parse(&data);
        if let Ok(class) = UserClass::parse(&data) {
            let total: usize = class.iter().map(<[u8]>::len).sum();
            prop_assert!(total <= data.len());
        }
        if let Ok(id) = MachineId::parse(&data) {
            let _uuid = id.uuid();
        }
        if let Ok(options) = IpxeOptions::parse(&data) {
            let _all = (options.bus_id(), options.version(), options.iter().count());
        }
        if let Ok(options) = PxeOptions::parse(&data) {
            let _all = (options.prompt(), options.boot_item(), options.multicast_address());
            let _lists = (options.menu().count(), options.boot_servers().count());
        }
    }

    #[test]
    fn sub_options_are_stable(
        tlvs in proptest::collection::vec(
            (1u8..=254, proptest::collection::vec(any::<u8>(), 0..20)), 0..8),
    ) {
        let mut buffer = [0; 255];
        let mut writer = PxeOptionsWriter::new(&mut buffer);
        for (code, data) in &tlvs {
            writer.put(*code, data);
        }
        let len = writer.finish().unwrap();
        let parsed = PxeOptions::parse(&buffer[..len]).unwrap();
        let found: Vec<_> = parsed.iter().map(|tlv| (tlv.code, tlv.data.to_vec())).collect();
        prop_assert_eq!(found, tlvs);
    }

    #[test]
    fn uuids_print_what_they_read(bytes: [u8; 16]) {
        let uuid = Uuid(bytes);
        prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
    }
}

//! Who is asking, and what it is told to boot, as the server of a network.

use std::string::ToString;

use super::kit::*;
use crate::event::EventKind;
use crate::identity::Firmware;
use crate::view::{Loader, Machine, MachineKey, MatchRule};
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{ArchType, Uuid};

/// Offer and acknowledgement to the same client.
fn offer_and_ack(site: &mut Site, discover: &Ask) -> [Reply; 2] {
    let offer = site.ask(discover);
    let ack = site.ask(&select(discover, &offer));
    assert_eq!(ack.kind(), MessageType::Ack);
    [offer, ack]
}

fn firmware(ask: &Ask) -> Firmware {
    let mut site = Site::new();
    site.ask(ask);
    let events = site.events();
    let Some(EventKind::Discover { firmware, .. }) = events.first() else {
        panic!("a DISCOVER first: {events:?}")
    };
    *firmware
}

#[test]
fn who_is_asking() {
    let pi = |ask: Ask| ask.option(60, b"PXEClient:Arch:00000:UNDI:002001");
    let of_the_maker = |mut ask: Ask| {
        ask.header = crate::wire::dhcp4::Header::request(
            7,
            crate::mac::MacAddr([0xb8, 0x27, 0xeb, 1, 2, 3]),
        );
        ask
    };
    for (ask, expected) in [
        (discover(1), Firmware::System),
        (discover(1).option(60, b"udhcp 1.36.1"), Firmware::System),
        (discover(1).option(60, b"dracut"), Firmware::System),
        (discover(1).option(60, b"U-Boot.armv8"), Firmware::UBoot),
        (discover(1).pxe(0), Firmware::Pxe),
        (discover(1).pxe(7), Firmware::Pxe),
        (discover(1).http_boot(16), Firmware::HttpBoot),
        (discover(1).ipxe(0), Firmware::Ipxe),
        // By either of its two marks, and in the two forms of option 77.
        (discover(1).pxe(7).option(77, b"iPXE"), Firmware::Ipxe),
        (discover(1).pxe(7).option(77, b"\x04iPXE"), Firmware::Ipxe),
        (discover(1).pxe(7).option(175, &[176, 1, 1]), Firmware::Ipxe),
        (discover(1).pxe(7).option(77, b"other"), Firmware::Pxe),
        // A Pi says that it is an x86 machine.
        (
            discover(1).pxe(0).option(97, b"\0RPi4\x11\x31\xb0\0\x01\x02\x03\x04\x05\x06\x07\x08"),
            Firmware::RaspberryPi,
        ),
        (of_the_maker(pi(discover(1).pxe(0))), Firmware::RaspberryPi),
        (pi(discover(1).pxe(0)), Firmware::Pxe),
        (of_the_maker(discover(1).pxe(11)), Firmware::Pxe),
        (discover(1).pxe(0x29), Firmware::RaspberryPi),
    ] {
        assert_eq!(firmware(&ask), expected, "{:?}", ask.options);
    }
}

#[test]
fn pxe_firmware_gets_its_program_by_tftp_in_offer_and_ack() {
    for (arch, program) in [
        (0, "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe"),
        (7, "node/52-54-00-00-00-01.7/ipxe/snponly.efi"),
        // RFC 4578 swapped 7 and 9.
        (9, "node/52-54-00-00-00-01.9/ipxe/snponly.efi"),
        (11, "node/52-54-00-00-00-01.11/ipxe/arm64.efi"),
    ] {
        for reply in offer_and_ack(&mut Site::new(), &discover(1).pxe(arch)) {
            assert_eq!(reply.siaddr(), SERVER);
            assert_eq!(reply.file(), program);
            // The NUL is inside the option.
            assert_eq!(reply.text(67).unwrap(), program.to_string() + "\0");
            assert_eq!(reply.text(60).unwrap(), "PXEClient");
            assert_eq!(reply.behind(60), Some(0));
            assert_eq!(reply.option(43).unwrap(), [6, 1, 8, 255]);
            assert_eq!(reply.option(97).unwrap()[1..], [0x11; 16]);
            assert_eq!(reply.option(1).unwrap(), [255, 255, 255, 0]);
            assert_eq!([66, 175].map(|code| reply.option(code)), [None, None]);
        }
    }
}

#[test]
fn the_architecture_may_stand_in_option_60_only() {
    let reply = Site::new().ask(&discover(1).pxe(7).without(93));
    assert_eq!(reply.file(), "node/52-54-00-00-00-01.7/ipxe/snponly.efi");
}

#[test]
fn the_first_architecture_that_we_can_serve_wins() {
    let reply = Site::new().ask(&discover(1).pxe(7).option(93, &[0, 2, 0, 11, 0, 7]));
    assert_eq!(reply.file(), "node/52-54-00-00-00-01.11/ipxe/arm64.efi");
}

#[test]
fn http_boot_gets_a_url() {
    for reply in offer_and_ack(&mut Site::new(), &discover(1).http_boot(16)) {
        let url = "http://10.0.0.1/node/52-54-00-00-00-01.16/ipxe/snponly.efi";
        assert_eq!(reply.file(), url);
        assert_eq!(reply.text(67).unwrap(), url);
        assert_eq!(reply.behind(67), Some(0));
        // GRUB compares up to a NUL.
        assert_eq!((reply.text(60).unwrap(), reply.behind(60)), ("HTTPClient".into(), Some(0)));
        assert_eq!(reply.siaddr(), SERVER);
        assert_eq!(reply.option(43), None);
    }
}

#[test]
fn ipxe_gets_its_script_and_no_wait_for_a_proxy() {
    for (arch, file) in [
        (0, "http://10.0.0.1:8080/node/52-54-00-00-00-01.0/boot.ipxe"),
        // A script needs no program for the architecture.
        (6, "http://10.0.0.1:8080/node/52-54-00-00-00-01.6/boot.ipxe"),
    ] {
        let mut site = Site::new();
        site.view.ports.http = 8080;
        for reply in offer_and_ack(&mut site, &discover(1).ipxe(arch)) {
            assert_eq!((reply.file(), reply.text(67).unwrap()), (file.into(), file.into()));
            assert_eq!(reply.behind(67), Some(0));
            assert_eq!(reply.option(175).unwrap(), [176, 1, 1]);
            // With these it would take the reply for a proxy's.
            assert_eq!([60, 43].map(|code| reply.option(code)), [None, None]);
            assert_eq!(reply.siaddr(), SERVER);
        }
    }
}

#[test]
fn ipxe_without_http_loads_its_script_by_tftp() {
    let reply = Site::new().ask(&discover(1).ipxe(0).option(175, &[0x15, 1, 1]));
    assert_eq!(reply.file(), "node/52-54-00-00-00-01.0/boot.ipxe");
}

#[test]
fn systems_get_no_boot_options() {
    for ask in [discover(1), discover(1).option(60, b"udhcp 1.36.1").option(55, &[66, 67, 43, 60])]
    {
        for reply in offer_and_ack(&mut Site::new(), &ask) {
            assert_eq!((reply.siaddr(), reply.file().as_str()), (ANY, ""));
            let boot = [43, 60, 66, 67, 175, 209].map(|code| reply.option(code));
            assert_eq!(boot, [const { None }; 6]);
        }
    }
}

#[test]
fn without_a_program_there_is_an_address_and_an_event() {
    let mut site = Site::new();
    for ask in [discover(1).pxe(2), discover(2).http_boot(15)] {
        let reply = site.ask(&ask);
        assert_eq!((reply.siaddr(), reply.file().as_str()), (ANY, ""));
        assert_eq!([43, 60, 67].map(|code| reply.option(code)), [None, None, None]);
    }
    let events = site.events();
    for arch in [ArchType::ITANIUM, ArchType::X86_UEFI_HTTP] {
        assert!(events.contains(&EventKind::NoBootProgram { arch: Some(arch) }), "{arch}");
    }
}

#[test]
fn without_a_profile_there_is_an_address() {
    let mut site = Site::new();
    site.view.profiles.clear();
    for ask in [discover(1).pxe(0), discover(2).ipxe(0), discover(3).http_boot(16)] {
        let reply = site.ask(&ask);
        assert_eq!((reply.siaddr(), reply.file().as_str()), (ANY, ""));
    }
}

#[test]
fn a_raspberry_pi_gets_the_menu_that_its_rom_looks_for() {
    let pi = discover(1).pxe(0).option(97, b"\0RPi4\x11\x31\xb0\0\x01\x02\x03\x04\x05\x06\x07\x08");
    let reply = Site::new().ask(&pi);
    let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x17\0\0\x14Raspberry Pi Boot   \xff";
    assert_eq!(reply.option(43).unwrap(), menu);
    assert_eq!(reply.text(60).unwrap(), "PXEClient");
    assert_eq!((reply.siaddr(), reply.file().as_str()), (SERVER, ""));
}

#[test]
fn each_raspberry_pi_gets_its_menu_and_keeps_an_address_that_it_never_asks_for() {
    let named = |name: &[u8]| {
        let id = [&[0], name, &[0x11, 0x31, 0xb0, 0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
        discover(1).pxe(0).option(97, &id)
    };
    // A Pi 3 names itself in nothing but its maker's address and the one option 60 it knows.
    let mut pi3 = discover(1).pxe(0).without(97).option(60, b"PXEClient:Arch:00000:UNDI:002001");
    pi3.header =
        crate::wire::dhcp4::Header::request(7, crate::mac::MacAddr([0xb8, 0x27, 0xeb, 1, 2, 3]));
    let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x17\0\0\x14Raspberry Pi Boot   \xff";
    for pi in [pi3, named(b"RPi4"), named(b"RPi5")] {
        let mut site = Site::new();
        let offer = site.ask(&pi);
        assert_eq!(offer.option(43).unwrap(), menu);
        // It loads with this address at once; nobody else gets it meanwhile.
        let others: Vec<_> = (20..29).map(|last| site.lease(last)).collect();
        assert!(!others.contains(&offer.yiaddr()));
        site.pass(100);
        assert_eq!(site.ask(&pi).yiaddr(), offer.yiaddr());
        let proxy = Site::proxy().ask(&pi);
        assert_eq!((proxy.option(43).unwrap(), proxy.yiaddr()), (menu.to_vec(), ANY));
        assert_eq!(proxy.siaddr(), SERVER);
    }
}

/// Profiles that start pxelinux and GRUB.
fn loaders() -> Site {
    let mut view = view();
    view.profiles.clear();
    for (name, loader, arch) in [
        ("old", Loader::Pxelinux, ArchType::X86_BIOS),
        ("secure", Loader::Grub, ArchType::X64_UEFI),
        ("other", Loader::Grub, ArchType::ARM64_UEFI),
    ] {
        let mut profile = profile(name, loader);
        profile.rule = MatchRule { archs: std::vec![arch], ..MatchRule::default() };
        view.profiles.push(profile);
    }
    view.programs.insert(Loader::Pxelinux, ArchType::X86_BIOS, "pxelinux/lpxelinux.0".into());
    view.programs.insert(Loader::Grub, ArchType::X64_UEFI, "grub/shimx64.efi".into());
    Site::with(view)
}

#[test]
fn pxelinux_is_told_where_its_configuration_is() {
    // An iPXE ROM is PXE firmware too: it starts pxelinux where the profile says so.
    for ask in [discover(1).pxe(0), discover(1).ipxe(0)] {
        for reply in offer_and_ack(&mut loaders(), &ask) {
            assert_eq!(reply.file(), "node/52-54-00-00-00-01.0/pxelinux/lpxelinux.0");
            assert_eq!(reply.option(208).unwrap(), [0xf1, 0, 0x74, 0x7e]);
            assert_eq!(reply.text(209).unwrap(), "pxelinux.cfg/01-52-54-00-00-00-01");
            assert_eq!(reply.text(210).unwrap(), "node/52-54-00-00-00-01.0/pxelinux/");
        }
    }
}

#[test]
fn grub_for_uefi_and_ipxe_where_there_is_no_grub() {
    let mut site = loaders();
    assert_eq!(site.ask(&discover(1).pxe(7)).file(), "node/52-54-00-00-00-01.7/grub/shimx64.efi");
    assert_eq!(site.ask(&discover(2).pxe(11)).file(), "node/52-54-00-00-00-02.11/ipxe/arm64.efi");
    assert_eq!(
        site.ask(&discover(3).ipxe(11)).file(),
        "http://10.0.0.1/node/52-54-00-00-00-03.11/boot.ipxe"
    );
}

#[test]
fn u_boot_is_told_where_its_configuration_is() {
    let mut site = Site::new();
    let reply = site.ask(&discover(1).option(60, b"U-Boot.armv8"));
    assert_eq!(reply.siaddr(), SERVER);
    let config = reply.text(209).unwrap();
    assert_eq!(config, "node/52-54-00-00-00-01/pxelinux.cfg/01-52-54-00-00-00-01");
    assert_eq!(reply.file(), "");
    assert_eq!([60, 43].map(|code| reply.option(code)), [None, None]);
}

#[test]
fn facts_that_only_ipxe_tells_are_asked_for_by_ipxe() {
    let mut site = loaders();
    site.view.profiles[0].rule.product = Some("PowerEdge*".into());
    assert_eq!(site.ask(&discover(1).pxe(0)).file(), "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe");
    assert_eq!(
        site.ask(&discover(1).ipxe(0)).file(),
        "http://10.0.0.1/node/52-54-00-00-00-01.0/boot.ipxe"
    );
}

#[test]
fn machines_known_by_uuid_carry_it_in_their_names() {
    let mut site = Site::new();
    let uuid = Uuid::from_smbios([0x11; 16]);
    site.view.machines.insert(&[MachineKey::Uuid(uuid)], Machine::default()).unwrap();
    let reply = site.ask(&discover(1).http_boot(16));
    assert_eq!(
        reply.file(),
        "http://10.0.0.1/node/52-54-00-00-00-01.16.11111111-1111-1111-1111-111111111111\
         /ipxe/snponly.efi"
    );
}

#[test]
fn a_name_too_long_for_the_header_loses_its_prefix_in_steps() {
    let uuid = Uuid::from_smbios([0x11; 16]);
    for (len, prefix) in [
        (40, "node/52-54-00-00-00-01.7.11111111-1111-1111-1111-111111111111/"),
        (80, "node/52-54-00-00-00-01.7/"),
        (102, "node/52-54-00-00-00-01.7/"),
        (104, "node/52-54-00-00-00-01/"),
        (120, ""),
    ] {
        let mut site = Site::new();
        site.view.machines.insert(&[MachineKey::Uuid(uuid)], Machine::default()).unwrap();
        let program = "x".repeat(len - 4) + ".efi";
        site.view.programs.insert(Loader::Ipxe, ArchType::X64_UEFI, program.clone().into());
        assert_eq!(site.ask(&discover(1).pxe(7)).file(), prefix.to_string() + &program);
    }
    let mut site = Site::new();
    site.view.programs.insert(Loader::Ipxe, ArchType::X64_UEFI, "x".repeat(128).into());
    assert_eq!(site.ask(&discover(1).pxe(7)).file(), "");
}

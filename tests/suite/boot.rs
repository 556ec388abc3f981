//! Real firmware boots a real kernel through Reveille, to the line that user space prints.

use std::time::Duration;

use reveille_core::wire::dhcp4::{BOOT_REPLY, Message};
use reveille_tests::lab::capture::{BOOT_PROTOCOLS, Capture};
use reveille_tests::lab::peer::Dnsmasq;
use reveille_tests::lab::reveille::path;
use reveille_tests::lab::{Firmware, Host, Link, Machine, Reveille, folder, require};
use reveille_tests::pcap::{frames, segment};

use crate::baseline;
use crate::site::{CMDLINE, Recording, address, profile, serving};

// Alone it takes a quarter of that; other work on the computer stretches it.
const PATIENCE: Duration = Duration::from_secs(180);

fn machine(firmware: Firmware, number: u8) -> Machine {
    Machine::new(firmware, &format!("52:54:00:77:01:{number:02x}"))
        .uuid(&format!("10112233-4455-6677-8899-aabbccddee{number:02x}"))
        .serial(&format!("LAB-{number:04}"))
        .product("Laboratory 7")
}

/// Boots one machine and tells how long it took.
fn reach_user_space(link: &Link, daemon: &Reveille, machine: &Machine, name: &str) -> f64 {
    let recording = Recording::start(link, &format!("reveille-{name}"));
    let up = machine.power_on(link).wait_up(PATIENCE);
    let up = up.unwrap_or_else(|timeout| panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log()));
    recording.keep();
    assert!(up.cmdline.contains(CMDLINE), "the kernel got {:?}", up.cmdline);
    let seconds = up.after.as_secs_f64();
    eprintln!("{name}: {seconds:.1} s from power-on to user space");
    seconds
}

/// (a), and the wait that Reveille spares: the same machine, one after the other, alone on this
/// computer (see `.config/nextest.toml`).
#[test]
fn bios_ipxe_rom_over_http_in_half_the_time_of_dnsmasq_and_nginx() {
    let theirs = baseline::bios_ipxe_seconds();
    let link = Link::new();
    let daemon = Reveille::serve(&link, &serving(&link, &profile("")));
    let capture = Capture::start(&link, "boot.pcap", BOOT_PROTOCOLS);
    let ours = reach_user_space(&link, &daemon, &machine(Firmware::Bios, 1), "bios-ipxe-http");
    assert!(ours <= theirs / 2.0, "{ours:.1} s, dnsmasq and nginx {theirs:.1} s\n{}", daemon.log());
    // What spares the wait must not concern any other host.
    let frames = frames(&capture.stop());
    let advertisements = frames.iter().filter(|frame| is_router_advertisement(frame));
    let count = advertisements.inspect(|frame| assert_empty_and_to_one_machine(frame)).count();
    assert!(count > 0, "{}", daemon.log());
}

/// ICMPv6 type 134 (RFC 4861 §4.2), without extension headers.
fn is_router_advertisement(frame: &[u8]) -> bool {
    frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 134
}

/// Hop limit 255, to the machine's own MAC and link-local address; router lifetime, flags and
/// timers zero; no prefix.
fn assert_empty_and_to_one_machine(frame: &[u8]) {
    assert_eq!(frame[..6], [0x52, 0x54, 0, 0x77, 1, 1], "not multicast");
    assert_eq!(frame[38..40], [0xfe, 0x80], "to a link-local address");
    assert_eq!((frame[21], frame[22..24].to_vec()), (255, vec![0xfe, 0x80]));
    let message = &frame[54..54 + usize::from(u16::from_be_bytes([frame[18], frame[19]]))];
    assert_eq!(message[5], 0, "neither managed nor other configuration");
    assert_eq!(message[6..8], [0, 0], "no default router");
    let mut options = &message[16..];
    // Ends: an option takes at least eight bytes.
    while let [kind, length, ..] = options {
        assert_ne!(*kind, 3, "no prefix");
        assert_ne!(*length, 0);
        options = &options[usize::from(*length) * 8..];
    }
}

/// (b)
#[test]
fn bios_pxe_rom_to_undionly_by_tftp() {
    let link = Link::new();
    let daemon = Reveille::serve(&link, &serving(&link, &profile("")));
    let machine = machine(Firmware::Bios, 2).plain_pxe();
    reach_user_space(&link, &daemon, &machine, "bios-pxe-undionly");
}

/// (c)
#[test]
fn uefi_pxe_to_ipxe_by_tftp() {
    let link = Link::new();
    let daemon = Reveille::serve(&link, &serving(&link, &profile("")));
    reach_user_space(&link, &daemon, &machine(Firmware::UefiPxe, 3), "uefi-pxe-ipxe");
}

/// (d)
#[test]
fn uefi_http_boot() {
    let link = Link::new();
    let daemon = Reveille::serve(&link, &serving(&link, &profile("")));
    reach_user_space(&link, &daemon, &machine(Firmware::UefiHttp, 4), "uefi-http-boot");
}

/// A host with dnsmasq that gives addresses and knows nothing of booting.
fn site_dhcp(link: &Link) -> (Host, reveille_tests::lab::Process) {
    let host = link.host();
    address(&host, 2);
    let process = Dnsmasq::plain().start(link, &host);
    (host, process)
}

/// (e), with no configuration at all: whatever the machine is, no address comes from Reveille.
fn boot_beside_a_dhcp_server(machine: &Machine, name: &str) {
    let link = Link::new();
    let _site = site_dhcp(&link);
    let daemon = Reveille::boot(&link, &["--cmdline", CMDLINE]);
    let capture = Capture::start(&link, "boot.pcap", BOOT_PROTOCOLS);
    reach_user_space(&link, &daemon, machine, name);
    let mut replies = 0;
    for frame in frames(&capture.stop()) {
        let Some(segment) = segment(&frame) else { continue };
        if segment.protocol == 17 && matches!(segment.source, 67 | 4011) && frame[29] == 1 {
            let reply = Message::parse(segment.payload).expect("our own replies are well-formed");
            assert!(reply.header().yiaddr().is_unspecified(), "{reply:?}");
            replies += u32::from(reply.header().op == BOOT_REPLY);
        }
    }
    assert!(replies > 0, "{}", daemon.log());
}

#[test]
fn bios_beside_a_dhcp_server() {
    boot_beside_a_dhcp_server(&machine(Firmware::Bios, 5), "bios-ipxe-proxy");
}

#[test]
fn bios_pxe_rom_beside_a_dhcp_server() {
    let machine = machine(Firmware::Bios, 6).plain_pxe();
    boot_beside_a_dhcp_server(&machine, "bios-pxe-undionly-proxy");
}

#[test]
fn uefi_pxe_beside_a_dhcp_server() {
    boot_beside_a_dhcp_server(&machine(Firmware::UefiPxe, 7), "uefi-pxe-proxy");
}

/// dnsmasq gives addresses on our own host and has port 67; its option 60 sends machines to us.
fn boot_beside_a_dhcp_server_on_the_same_host(machine: &Machine, name: &str) {
    let link = Link::new();
    let dnsmasq = Dnsmasq::plain()
        .option("dhcp-vendorclass=set:pxe,PXEClient")
        .option("dhcp-option-force=tag:pxe,60,PXEClient");
    let _site = dnsmasq.start(&link, link.server());
    let network = serving(&link, &profile(""))
        .replace("pool = [\"10.77.0.100 - 10.77.0.200\"]", "dhcp = \"boot-server\"")
        .replace("lease = \"2m\"\n", "");
    let daemon = Reveille::serve(&link, &network);
    reach_user_space(&link, &daemon, machine, name);
}

#[test]
fn bios_beside_a_dhcp_server_on_the_same_host() {
    let machine = machine(Firmware::Bios, 31);
    boot_beside_a_dhcp_server_on_the_same_host(&machine, "bios-ipxe-boot-server");
}

#[test]
fn bios_pxe_rom_beside_a_dhcp_server_on_the_same_host() {
    let machine = machine(Firmware::Bios, 32).plain_pxe();
    boot_beside_a_dhcp_server_on_the_same_host(&machine, "bios-pxe-boot-server");
}

#[test]
fn uefi_pxe_beside_a_dhcp_server_on_the_same_host() {
    let machine = machine(Firmware::UefiPxe, 33);
    boot_beside_a_dhcp_server_on_the_same_host(&machine, "uefi-pxe-boot-server");
}

/// A site whose boot programs lie where packages were unpacked, not installed.
fn unpacked_programs(more: &str) -> String {
    let folder = require(folder().join("debian"));
    format!("{}\n[programs]\nfolders = [\"{}\"]\n", profile(more), path(&folder))
}

/// (f)
#[test]
fn bios_pxelinux_by_tftp() {
    let link = Link::new();
    let site = unpacked_programs("loader = \"pxelinux\"");
    let daemon = Reveille::serve(&link, &serving(&link, &site));
    let machine = machine(Firmware::Bios, 8).plain_pxe();
    reach_user_space(&link, &daemon, &machine, "bios-pxelinux");
}

/// (f)
#[test]
fn uefi_grub_by_tftp() {
    let link = Link::new();
    let site = unpacked_programs("loader = \"grub\"");
    let daemon = Reveille::serve(&link, &serving(&link, &site));
    reach_user_space(&link, &daemon, &machine(Firmware::UefiPxe, 9), "uefi-grub");
}

/// User space reports back: it gets the lease of its firmware and fetches `up`.
#[test]
fn user_space_keeps_the_address_and_reports() {
    let link = Link::new();
    let files = reveille_tests::lab::boot_files();
    let site = format!(
        "[[profile]]\nname = \"lab\"\nkernel = \"{}\"\ninitrd = [\"{}\"]\n\
         cmdline = \"{CMDLINE} report={{{{ node_url }}}}up\"\n",
        path(&files.kernel),
        path(&files.initrd)
    );
    let mut daemon = Reveille::serve(&link, &serving(&link, &site));
    let mut boot = machine(Firmware::Bios, 10).power_on(&link);
    let up = boot.wait_up(PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(up.cmdline.contains("/up"), "the kernel got {:?}", up.cmdline);
    boot.wait_for("REVEILLE-FETCHED", PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    daemon.wait_for("52:54:00:77:01:0a", Duration::from_secs(5)).expect("its name is in the log");
}

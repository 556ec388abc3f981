//! The laboratory itself: every kind of firmware boots to user space with dnsmasq and nginx.
//!
//! When one of these fails, nothing else that boots can be judged. Their times are the baseline.

use std::path::Path;
use std::time::Duration;

use reveille_tests::lab::client::{Client, EXCHANGE, Stock};
use reveille_tests::lab::peer::{Dnsmasq, nginx, place, serve_boot_files};
use reveille_tests::lab::{Firmware, Link, Machine, SERVER_ADDRESS, packaged};

use crate::site::Recording;

// Alone it takes a quarter of that; other work on the computer stretches it.
const PATIENCE: Duration = Duration::from_secs(180);
const CMDLINE: &str = "console=ttyS0 quiet no_timer_check lab=baseline";

/// Boots one machine to user space.
fn boot(link: &Link, machine: &Machine, name: &str) -> f64 {
    let recording = Recording::start(link, name);
    let up = machine.power_on(link).wait_up(PATIENCE);
    let up = up.unwrap_or_else(|timeout| panic!("{timeout:?}"));
    recording.keep();
    assert!(up.cmdline.contains(CMDLINE), "the kernel got {:?}", up.cmdline);
    let seconds = up.after.as_secs_f64();
    eprintln!("{name} by dnsmasq and nginx: {seconds:.1} s from power-on to user space");
    seconds
}

fn machine(firmware: Firmware, number: u8) -> Machine {
    Machine::new(firmware, &format!("52:54:00:77:00:{number:02x}"))
        .uuid(&format!("00112233-4455-6677-8899-aabbccddee{number:02x}"))
        .serial(&format!("LAB-{number:04}"))
        .product("Laboratory 7")
}

fn script_url() -> String {
    format!("http://{SERVER_ADDRESS}/boot.ipxe")
}

#[test]
fn bios_ipxe_over_http() {
    bios_ipxe_seconds();
}

/// The same, and how long it takes.
pub(crate) fn bios_ipxe_seconds() -> f64 {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    let _dhcp = Dnsmasq::booting()
        .option(format!("dhcp-boot={}", script_url()))
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, &machine(Firmware::Bios, 1), "bios-ipxe-http")
}

#[test]
fn bios_pxe_to_undionly_over_http() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    place(&link, Path::new("/usr/lib/ipxe/undionly.kpxe"), "undionly.kpxe");
    let _dhcp = Dnsmasq::booting()
        .option("dhcp-match=set:ipxe,175")
        .option("dhcp-boot=tag:!ipxe,undionly.kpxe")
        .option(format!("dhcp-boot=tag:ipxe,{}", script_url()))
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, &machine(Firmware::Bios, 8).plain_pxe(), "bios-pxe-undionly");
}

#[test]
fn uefi_pxe_to_snponly_over_http() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    place(&link, Path::new("/usr/lib/ipxe/snponly.efi"), "snponly.efi");
    let _dhcp = Dnsmasq::booting()
        .option("dhcp-match=set:ipxe,175")
        .option("dhcp-boot=tag:!ipxe,snponly.efi")
        .option(format!("dhcp-boot=tag:ipxe,{}", script_url()))
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, &machine(Firmware::UefiPxe, 2), "uefi-pxe-snponly");
}

#[test]
fn uefi_http_boot() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    place(&link, Path::new("/usr/lib/ipxe/ipxe.efi"), "ipxe.efi");
    let _dhcp = Dnsmasq::booting()
        .option("dhcp-match=set:ipxe,175")
        .option("dhcp-vendorclass=set:http,HTTPClient")
        .option("dhcp-option-force=tag:http,60,HTTPClient")
        .option(format!("dhcp-boot=tag:http,http://{SERVER_ADDRESS}/ipxe.efi"))
        .option(format!("dhcp-boot=tag:ipxe,{}", script_url()))
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, &machine(Firmware::UefiHttp, 3), "uefi-http-boot");
}

#[test]
fn bios_pxelinux_over_tftp() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    place(&link, &packaged("usr/lib/PXELINUX/pxelinux.0"), "pxelinux.0");
    let library = "usr/lib/syslinux/modules/bios/ldlinux.c32";
    place(&link, &packaged(library), "ldlinux.c32");
    link.write(
        "boot/pxelinux.cfg/default",
        format!(
            "DEFAULT linux\nLABEL linux\n KERNEL vmlinuz\n INITRD initrd.img\n APPEND {CMDLINE}\n"
        ),
    );
    let _dhcp = Dnsmasq::booting().option("dhcp-boot=pxelinux.0").start(&link, link.server());
    boot(&link, &machine(Firmware::Bios, 4), "bios-pxelinux");
}

#[test]
fn uefi_grub_over_tftp() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    place(&link, &packaged(grub), "grubnetx64.efi");
    link.write("boot/grub/grub.cfg", format!("linux vmlinuz {CMDLINE}\ninitrd initrd.img\nboot\n"));
    let _dhcp = Dnsmasq::booting().option("dhcp-boot=grubnetx64.efi").start(&link, link.server());
    boot(&link, &machine(Firmware::UefiPxe, 5), "uefi-grub");
}

/// dnsmasq as ProxyDHCP beside another dnsmasq that knows nothing of booting.
fn proxy_boot(machine: &Machine, name: &str) {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    place(&link, Path::new("/usr/lib/ipxe/snponly.efi"), "snponly.efi");
    let site = link.host();
    site.namespace().ip("address add 10.77.0.2/24 dev eth0");
    let _addresses = Dnsmasq::plain().start(&link, &site);
    let _proxy = Dnsmasq::proxy()
        .option("dhcp-userclass=set:ipxe,iPXE")
        .option(format!("dhcp-boot=tag:ipxe,{}", script_url()))
        .option("pxe-service=x86PC,iPXE,boot.ipxe")
        .option("pxe-service=tag:!ipxe,X86-64_EFI,iPXE,snponly.efi")
        .option("pxe-service=tag:!ipxe,BC_EFI,iPXE,snponly.efi")
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, machine, name);
}

#[test]
fn bios_ipxe_beside_a_dhcp_server() {
    proxy_boot(&machine(Firmware::Bios, 6), "bios-ipxe-proxy");
}

#[test]
fn uefi_pxe_beside_a_dhcp_server() {
    proxy_boot(&machine(Firmware::UefiPxe, 7), "uefi-pxe-proxy");
}

/// The stock clients as they talk to dnsmasq: get, renew where they can be asked, release.
fn stock_client(kind: Stock, name: &str) {
    let link = Link::new();
    let _dhcp = Dnsmasq::plain().start(&link, link.server());
    let recording = Recording::start(&link, name);
    let host = link.host();
    let mut client = Client::start(kind, &link, &host, name);
    let bound =
        client.wait_for("bound", 1, EXCHANGE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(bound.address.starts_with("10.77.0."), "{bound:?}");
    if kind != Stock::Dhclient {
        let renewed = client.renew(EXCHANGE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
        assert_eq!(renewed.address, bound.address);
    }
    client.release().unwrap_or_else(|timeout| panic!("{timeout:?}"));
    recording.keep();
}

#[test]
fn udhcpc_gets_and_releases() {
    stock_client(Stock::Udhcpc, "udhcpc");
}

#[test]
fn dhclient_gets_and_releases() {
    stock_client(Stock::Dhclient, "dhclient");
}

#[test]
fn dhcpcd_gets_and_releases() {
    stock_client(Stock::Dhcpcd, "dhcpcd");
}

//! The laboratory itself: every kind of firmware boots to user space with dnsmasq and nginx.
//!
//! When one of these fails, nothing else that boots can be judged. Their times are the baseline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reveille_tests::lab::capture::{BOOT_PROTOCOLS, Capture};
use reveille_tests::lab::peer::{Dnsmasq, nginx, place, serve_boot_files};
use reveille_tests::lab::{Firmware, Link, Machine, SERVER_ADDRESS, packaged};

const PATIENCE: Duration = Duration::from_secs(100);
const CMDLINE: &str = "console=ttyS0 quiet lab=baseline";

/// Boots one machine and returns the seconds from power-on to user space.
///
/// With `REVEILLE_CAPTURES=FOLDER` the packets of the boot are kept there as `<name>.pcap`.
fn boot(link: &Link, machine: &Machine, name: &str) -> f64 {
    let kept = std::env::var_os("REVEILLE_CAPTURES").map(PathBuf::from);
    let capture =
        kept.as_ref().map(|_| Capture::start(link, &format!("{name}.pcap"), BOOT_PROTOCOLS));
    let up =
        machine.power_on(link).wait_up(PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    if let (Some(capture), Some(folder)) = (capture, kept) {
        std::fs::copy(capture.stop(), folder.join(format!("{name}.pcap"))).expect("folder exists");
    }
    assert!(up.cmdline.contains(CMDLINE), "the kernel got {:?}", up.cmdline);
    let seconds = up.after.as_secs_f64();
    eprintln!("baseline {name}: {seconds:.1} s from power-on to user space");
    seconds
}

fn script_url() -> String {
    format!("http://{SERVER_ADDRESS}/boot.ipxe")
}

#[test]
fn bios_ipxe_over_http() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    let _dhcp = Dnsmasq::booting()
        .option(format!("dhcp-boot={}", script_url()))
        .start(&link, link.server());
    let _http = nginx(&link);
    boot(&link, &Machine::new(Firmware::Bios, "52:54:00:77:00:01"), "bios-ipxe-http");
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
    boot(&link, &Machine::new(Firmware::UefiPxe, "52:54:00:77:00:02"), "uefi-pxe-snponly");
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
    boot(&link, &Machine::new(Firmware::UefiHttp, "52:54:00:77:00:03"), "uefi-http-boot");
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
    boot(&link, &Machine::new(Firmware::Bios, "52:54:00:77:00:04"), "bios-pxelinux");
}

#[test]
fn uefi_grub_over_tftp() {
    let link = Link::new();
    serve_boot_files(&link, CMDLINE);
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    place(&link, &packaged(grub), "grubnetx64.efi");
    link.write("boot/grub/grub.cfg", format!("linux vmlinuz {CMDLINE}\ninitrd initrd.img\nboot\n"));
    let _dhcp = Dnsmasq::booting().option("dhcp-boot=grubnetx64.efi").start(&link, link.server());
    boot(&link, &Machine::new(Firmware::UefiPxe, "52:54:00:77:00:05"), "uefi-grub");
}

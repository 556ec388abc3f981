//! The generated documents in the loaders they are for, served by dnsmasq and nginx: what a
//! kernel reads at the end is what the operator wrote, and a failed try leads to another one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use reveille::templates::{self, Boot};
use reveille_core::document::{Document, DocumentKind};
use reveille_core::identity::ClientIdentity;
use reveille_core::mac::MacAddr;
use reveille_core::view::{Loader, MatchRule, Profile, ProfileId, View};
use reveille_tests::lab::peer::{Dnsmasq, nginx, place, serve_boot_files};
use reveille_tests::lab::{Firmware, Link, Machine, SERVER_ADDRESS, packaged};

const PATIENCE: Duration = Duration::from_secs(150);

/// Its last octets make the shortest wait before another try.
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x77, 1, 1]);
const NODE: &str = "boot/node/52-54-00-77-01-01";

/// What each loader would misread if it were not hidden from it.
const CMDLINE: &str =
    r#"console=ttyS0 quiet no_timer_check a||b || && ; #c d#e <f> $g {h} "i j" k=\ end"#;

/// The document of `kind` that loads `kernel` and two RAM disks.
fn document(kind: DocumentKind, kernel: &str, cmdline: &str) -> Vec<u8> {
    let boot = Boot {
        kernel: kernel.to_owned(),
        initrd: vec!["nothing.img".to_owned(), "initrd.img".to_owned()],
        cmdline: templates::parse(cmdline).expect("no gaps").segments,
    };
    let mut view = View::default();
    view.profiles.push(Profile {
        name: "all".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: templates::ipxe::script(&boot),
        pxelinux: templates::pxelinux::configuration(&boot),
        grub: templates::grub::configuration(&boot),
        vars: Vec::new(),
    });
    let client = ClientIdentity { mac: Some(MAC), ..ClientIdentity::default() };
    let server = SERVER_ADDRESS.to_string().parse::<Ipv4Addr>().expect("an address");
    let mut out = vec![0; 4096];
    let document = Document { kind, client, address: None, server };
    let len = document.render(&view, &mut out).expect("it fits");
    out.truncate(len);
    out
}

/// A link with the files that machines boot, under the machine's own names as well.
fn link_with_files() -> Link {
    let link = Link::new();
    serve_boot_files(&link, "");
    // An archive of nothing but its end: a RAM disk that adds nothing to the other one.
    let mut end = b"070701".to_vec();
    for field in [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0] {
        end.extend(format!("{field:08X}").bytes());
    }
    end.extend(b"TRAILER!!!\0");
    end.resize(512, 0);
    link.write("boot/nothing.img", end);
    std::fs::create_dir_all(link.file("boot/node")).expect("the run's folder is ours");
    std::os::unix::fs::symlink("..", link.file(NODE)).expect("the run's folder is ours");
    link
}

fn boots_with(link: &Link, firmware: Firmware, cmdline: &str) {
    let up = Machine::new(firmware, &MAC.to_string()).power_on(link).wait_up(PATIENCE);
    let up = up.unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(up.cmdline.contains(cmdline), "the kernel got {:?}", up.cmdline);
}

/// A script that fails, then one that does not.
fn ipxe(firmware: Firmware, dnsmasq: Dnsmasq) {
    let link = link_with_files();
    let kind = DocumentKind::Ipxe(ProfileId(0));
    link.write("boot/first.ipxe", document(kind, "missing", ""));
    link.write("boot/boot.ipxe", document(kind, "vmlinuz", CMDLINE));
    place(&link, Path::new("/usr/lib/ipxe/snponly.efi"), "snponly.efi");
    let url = format!("http://{SERVER_ADDRESS}/first.ipxe");
    let _dhcp = dnsmasq.option(format!("dhcp-boot=tag:ipxe,{url}")).start(&link, link.server());
    let _http = nginx(&link);
    boots_with(&link, firmware, CMDLINE);
}

#[test]
fn documents_boot_ipxe_of_bios() {
    ipxe(Firmware::Bios, Dnsmasq::booting().option("dhcp-match=set:ipxe,175"));
}

#[test]
fn documents_boot_ipxe_of_uefi() {
    let dnsmasq = Dnsmasq::booting()
        .option("dhcp-match=set:ipxe,175")
        .option("dhcp-boot=tag:!ipxe,snponly.efi");
    ipxe(Firmware::UefiPxe, dnsmasq);
}

/// A kernel that is missing at first.
#[test]
fn documents_boot_pxelinux() {
    let link = link_with_files();
    place(&link, &packaged("usr/lib/PXELINUX/pxelinux.0"), "pxelinux/pxelinux.0");
    let library = "usr/lib/syslinux/modules/bios/ldlinux.c32";
    place(&link, &packaged(library), "pxelinux/ldlinux.c32");
    let text = document(DocumentKind::Pxelinux(ProfileId(0)), "late/vmlinuz", CMDLINE);
    link.write("boot/pxelinux/pxelinux.cfg/01-52-54-00-77-01-01", text);
    let program = "node/52-54-00-77-01-01/pxelinux/pxelinux.0";
    let mut dnsmasq =
        Dnsmasq::booting().option(format!("dhcp-boot={program}")).start(&link, link.server());
    let mut boot = Machine::new(Firmware::Bios, &MAC.to_string()).power_on(&link);
    dnsmasq.wait_for("late/vmlinuz not found", PATIENCE).expect("the first try");
    place(&link, &link.file("boot/vmlinuz"), "late/vmlinuz");
    let up = boot.wait_up(PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(up.cmdline.contains(CMDLINE), "the kernel got {:?}", up.cmdline);
}

/// GRUB moves the quotes of a word with blanks to its ends, where the kernel reads the same.
#[test]
fn documents_boot_grub() {
    let link = link_with_files();
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    place(&link, &packaged(grub), "grubnetx64.efi");
    let kind = DocumentKind::Grub(ProfileId(0));
    let cmdline = CMDLINE.replace(r" k=\", r#" k="l m""#);
    link.write("boot/grub/grub.cfg", document(kind, "missing", ""));
    link.write("boot/grub.cfg", document(kind, "vmlinuz", &cmdline));
    let _dhcp = Dnsmasq::booting().option("dhcp-boot=grubnetx64.efi").start(&link, link.server());
    boots_with(&link, Firmware::UefiPxe, &cmdline.replace(r#"k="l m""#, r#""k=l m""#));
}

/// An image with a folder of its own asks for `/grub/grub.cfg`, which tells nobody who asks.
#[test]
fn documents_tell_grub_where_its_own_configuration_is() {
    let link = link_with_files();
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    place(&link, &packaged(grub), "grubnetx64.efi");
    link.write("boot/grub/grub.cfg", document(DocumentKind::GrubIdentify, "missing", ""));
    let own = link.file(&format!("boot/node/{MAC}.7"));
    std::os::unix::fs::symlink("..", own).expect("the run's folder is ours");
    let text = document(DocumentKind::Grub(ProfileId(0)), "vmlinuz", "console=ttyS0 own=1");
    link.write("boot/grub.cfg", text);
    let _dhcp = Dnsmasq::booting().option("dhcp-boot=grubnetx64.efi").start(&link, link.server());
    boots_with(&link, Firmware::UefiPxe, "own=1");
}

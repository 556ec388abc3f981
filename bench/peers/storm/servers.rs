//! The site that machines boot from, and who serves it.

use std::fmt::Write as _;

use crate::http;
use crate::pair::{Pair, SERVER, Server, noise};

/// What a started system fetches, and where it reports that it is up: files of either server.
pub(super) const METADATA: &str = "metadata.json";
pub(super) const REPORT: &str = "up";

const PROGRAM_BYTES: usize = 1 << 20;

/// Puts everything that any kind of machine fetches into the folder `boot` of the run, and the boot
/// programs into `programs` as well.
pub(super) fn write_site(pair: &Pair, kernel_bytes: usize, initrd_bytes: usize) {
    for folder in ["boot", "programs"] {
        pair.write(&format!("{folder}/undionly.kpxe"), noise(PROGRAM_BYTES));
        pair.write(&format!("{folder}/snponly.efi"), efi_program());
    }
    pair.write("boot/vmlinuz", noise(kernel_bytes));
    pair.write("boot/initrd.img", noise(initrd_bytes));
    pair.write(&format!("boot/{METADATA}"), "{}\n");
    pair.write(&format!("boot/{REPORT}"), "noted\n");
    // A Raspberry Pi's own files besides its kernel and initrd, which are everybody's.
    pair.write("boot/start4.elf", noise(PROGRAM_BYTES));
    pair.write("boot/config.txt", "kernel=vmlinuz\ninitramfs initrd.img followkernel\n");
    pair.write("boot/cmdline.txt", format!("{CMDLINE}\n"));
}

/// One MiB that says in its head that it is a program for UEFI on x86-64.
fn efi_program() -> Vec<u8> {
    let mut program = noise(PROGRAM_BYTES);
    program[..2].copy_from_slice(b"MZ");
    program[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
    program[0x80..0x84].copy_from_slice(b"PE\0\0");
    program[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
    program
}

pub(super) fn reveille(pair: &Pair) -> Server {
    let (first, last) = POOL;
    let configuration = format!(
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"10.0.0.0/8\"\nserver = \"{SERVER}\"\n\
         dhcp = \"server\"\npool = \"{first} - {last}\"\nrouter = \"{SERVER}\"\nlease = \"1h\"\n\
         [images]\nroot = \"boot\"\n[programs]\nfolders = [\"programs\"]\n\
         [[profile]]\nkernel = \"vmlinuz\"\ninitrd = \"initrd.img\"\ncmdline = \"{CMDLINE}\"\n"
    );
    pair.reveille(1, &configuration)
}

/// dnsmasq gives addresses and serves TFTP, nginx serves HTTP, both on the same core.
pub(super) fn dnsmasq_and_nginx(pair: &Pair) -> Server {
    let script =
        format!("#!ipxe\nkernel vmlinuz initrd=initrd.img {CMDLINE}\ninitrd initrd.img\nboot\n");
    pair.write("boot/boot.ipxe", script);
    let grub = format!("linux /vmlinuz {CMDLINE}\ninitrd /initrd.img\nboot\n");
    pair.write("boot/grub/grub.cfg", grub);
    let (first, last) = POOL;
    let mut configuration = format!(
        "port=0\nuser=root\ninterface=eth0\nlog-facility=-\nquiet-dhcp\nquiet-tftp\n\
         no-ping\ndhcp-authoritative\ndhcp-lease-max=100000\ndhcp-leasefile={}\n\
         dhcp-range={first},{last},255.0.0.0,1h\nenable-tftp\ntftp-root={}\ntftp-max=20000\n",
        pair.in_memory("leases").display(),
        pair.path("boot").display()
    );
    for line in BOOTING {
        writeln!(configuration, "{line}").expect("a string takes everything");
    }
    writeln!(
        configuration,
        "dhcp-boot=tag:ipxe,http://{SERVER}/boot.ipxe\n\
         dhcp-boot=tag:!ipxe,tag:web,http://{SERVER}/snponly.efi"
    )
    .expect("a string takes everything");
    let file = pair.write("dnsmasq.conf", configuration);
    let mut command = pair.server_command("dnsmasq");
    command.arg("--keep-in-foreground").arg("-C").arg(file);
    let mut server = pair.start(command);
    server.await_log("TFTP root");
    server.beside(http::nginx(pair))
}

/// Who boots what, as dnsmasq says it.
const BOOTING: [&str; 9] = [
    "dhcp-userclass=set:ipxe,iPXE",
    "dhcp-match=set:bios,option:client-arch,0",
    "dhcp-match=set:efi,option:client-arch,7",
    "dhcp-match=set:web,option:client-arch,16",
    // HTTP Boot wants to be told that it is meant.
    "dhcp-option-force=tag:web,option:vendor-class,HTTPClient",
    // No menu and no search for other servers (PXE 2.1 §2.4.2): the file of the answer is taken.
    "dhcp-option=tag:!ipxe,vendor:PXEClient,6,2b",
    // Nobody else gives boot files: iPXE need not wait for them (`no-pxedhcp`).
    "dhcp-option=tag:ipxe,encap:175,176,1b",
    "dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe",
    "dhcp-boot=tag:!ipxe,tag:efi,snponly.efi",
];

const CMDLINE: &str = "console=ttyS0 quiet";

/// Two addresses for each of ten thousand machines and some.
const POOL: (&str, &str) = ("10.77.16.0", "10.77.127.255");

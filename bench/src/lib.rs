//! What benches share: a site to serve, what real machines asked, and engines in the middle of
//! their work.

mod dhcp;
mod http;
mod tftp;

use std::net::Ipv4Addr;
use std::time::Duration;

use reveille_core::document::{Field, Segment, Template};
use reveille_core::engine::InterfaceId;
use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::view::{
    DhcpMode, File, Interface, LeaseTerms, Loader, MatchRule, Network, Pool, Profile, Subnet, View,
};
use reveille_core::wire::pxe::ArchType;

pub use dhcp::{DhcpWorld, bindings, restored};
pub use http::HttpWorld;
pub use tftp::TftpWorld;

/// Our address on the link.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The DHCPDISCOVER of OVMF's own PXE stack.
pub const DISCOVER: &[u8] = include_bytes!("../../fuzz/corpus/dhcp4/uefi-pxe-proxy-6d843ea25cc8");

/// iPXE asking for a kernel.
pub const GET: &[u8] = include_bytes!("../../fuzz/corpus/http/bios-ipxe-http-3fb560591dc3");

/// iPXE asking for its script.
pub const GET_SCRIPT: &[u8] = b"GET /node/52-54-00-12-34-56.7/boot.ipxe HTTP/1.1\r\n\
    Host: 10.0.0.1\r\nUser-Agent: iPXE/1.21.1\r\n\r\n";

/// A loader that looks at the beginning of a file.
pub const GET_BEGINNING: &[u8] =
    b"GET /files/7 HTTP/1.1\r\nHost: 10.0.0.1\r\nRange: bytes=0-1023\r\n\r\n";

/// Firmware asking for what is not there.
pub const GET_MISSING: &[u8] = b"GET /missing HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";

/// A site with one network of a million addresses, one profile and a thousand files beside
/// `vmlinuz` (64 MiB), `ipxe.efi` (1 MiB) and `endless` (64 TiB, for transfers that do not end
/// while they are measured).
#[must_use]
pub fn site() -> View {
    let mut view = View::default();
    view.interfaces.push(Interface {
        name: "eth0".into(),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        link_unicast: true,
        advertise_from: None,
    });
    view.networks.push(Network {
        interface: InterfaceId(0),
        server: SERVER,
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 8 },
        mode: DhcpMode::Server,
        pools: vec![Pool::new(Ipv4Addr::new(10, 16, 0, 0), Ipv4Addr::new(10, 32, 254, 255))],
        routers: vec![SERVER],
        dns: vec![SERVER],
        ntp: vec![],
        domain: Some("cluster.example".into()),
        lease: LeaseTerms::fixed(Duration::from_secs(3600)),
        relays: vec![],
        authoritative: true,
        ..Network::default()
    });
    view.profiles.push(Profile {
        name: "compute".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: Template {
            segments: vec![
                Segment::Text("#!ipxe\nkernel ".into()),
                Segment::Field(Field::BaseUrl),
                Segment::Text("vmlinuz initrd=initrd.img ip=dhcp host=".into()),
                Segment::Field(Field::MacHyphen),
                Segment::Text("\ninitrd ".into()),
                Segment::Field(Field::BaseUrl),
                Segment::Text("initrd.img\nboot\n".into()),
            ],
        },
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: vec![],
    });
    view.programs.insert(Loader::Ipxe, ArchType::X64_UEFI, "ipxe.efi".into());
    view.programs.insert(Loader::Ipxe, ArchType::X86_BIOS, "undionly.kpxe".into());
    for (slot, name) in (0..1000).map(|number| (number, format!("files/{number}"))) {
        view.catalogue.insert(name.into(), file(slot, 1 << 20));
    }
    view.catalogue.insert("vmlinuz".into(), file(1000, 64 << 20));
    view.catalogue.insert("ipxe.efi".into(), file(1001, 1 << 20));
    view.catalogue.insert("endless".into(), file(1002, 1 << 46));
    view
}

fn file(slot: u32, len: u64) -> File {
    File {
        image: ImageId { slot, generation: 0 },
        len,
        etag: format!("\"{slot:016x}-{len:x}\"").into(),
        last_modified: "Sun, 06 Nov 1994 08:49:37 GMT".into(),
        content_type: "application/octet-stream",
    }
}

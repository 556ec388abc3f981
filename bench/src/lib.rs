//! What benches share: a site to serve, and what real machines asked.

use std::net::Ipv4Addr;
use std::time::Duration;

use reveille_core::document::{Field, Segment, Template};
use reveille_core::engine::InterfaceId;
use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::view::{
    DhcpMode, File, Interface, Loader, MatchRule, Network, Pool, Profile, Subnet, View,
};
use reveille_core::wire::pxe::ArchType;

/// Our address on the link.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The DHCPDISCOVER of OVMF's own PXE stack.
pub const DISCOVER: &[u8] = include_bytes!("../../fuzz/corpus/dhcp4/uefi-pxe-proxy-6d843ea25cc8");

/// The DHCPDISCOVER of one of many machines: MAC address, UUID and transaction differ.
#[must_use]
pub fn discover_of(machine: u32) -> Vec<u8> {
    let mut packet = DISCOVER.to_vec();
    let number = machine.to_be_bytes();
    // RFC 2131 §2: chaddr starts at 28.
    packet[30..34].copy_from_slice(&number);
    set_transaction(&mut packet, machine);
    // Option 97 is a type byte and 16 bytes of UUID.
    let uuid = packet.windows(3).position(|option| option == [97, 17, 0]).expect("it tells one");
    packet[uuid + 3..uuid + 7].copy_from_slice(&number);
    packet
}

/// Gives a DHCP message another transaction (RFC 2131 §2: xid is at 4).
pub fn set_transaction(packet: &mut [u8], xid: u32) {
    packet[4..8].copy_from_slice(&xid.to_be_bytes());
}

/// iPXE asking for a kernel.
pub const GET: &[u8] = include_bytes!("../../fuzz/corpus/http/bios-ipxe-http-3fb560591dc3");

/// A site with one network of 65,000 addresses, one profile and a thousand files beside
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
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 15 },
        mode: DhcpMode::Server,
        pools: vec![Pool {
            first: Ipv4Addr::new(10, 0, 1, 0),
            last: Ipv4Addr::new(10, 0, 254, 255),
        }],
        routers: vec![SERVER],
        dns: vec![SERVER],
        ntp: vec![],
        domain: Some("cluster.example".into()),
        lease: Duration::from_secs(3600),
        relays: vec![],
        authoritative: true,
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

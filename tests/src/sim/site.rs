//! The site that is served: a network here and one behind a relay agent, a profile for everybody, images without bytes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reveille_core::document::{Field, Segment, Template};
use reveille_core::engine::InterfaceId;
use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::view::{
    DhcpMode, File, Interface, LeaseTerms, Loader, MatchRule, Network, Pool, Profile, Subnet, View,
};
use reveille_core::wire::pxe::ArchType;

use super::options::Options;
use super::relay::{self, RELAY};

/// A site as the server and as its clients know it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) view: View,
    /// Ports of the server from which files come by TFTP.
    pub(super) transfer_ports: u16,
    /// Whether machines give their addresses back.
    pub(super) scarce_addresses: bool,
    /// What clients may find under a name, without the machine's prefix: all that was ever there.
    files: BTreeMap<&'static str, Vec<Version>>,
}

/// A version of a file: its image and its length in bytes.
pub(super) type Version = (ImageId, u64);

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const ADVERTISER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub(super) const BIOS_PROGRAM: &str = "undionly.kpxe";
pub(super) const UEFI_PROGRAM: &str = "snponly.efi";
pub(super) const KERNEL: &str = "vmlinuz";
pub(super) const INITRD: &str = "initrd.img";
const LONG_LEASE: Duration = Duration::from_secs(3600);
const SHORT_LEASE: Duration = Duration::from_secs(300);

impl Site {
    pub(super) fn new(options: &Options) -> Self {
        let pool = |first: Ipv4Addr, count: u32| {
            Pool::new(
                (u32::from(first) + 1).into(),
                (u32::from(first) + addresses(options, count)).into(),
            )
        };
        let remote = (0..options.machines).filter(|id| relay::is_behind(*id)).count() as u32;
        let network = |address, pool, relays| Network {
            interface: InterfaceId(0),
            server: SERVER,
            subnet: Subnet { address, prefix_len: 8 },
            mode: DhcpMode::Server,
            pools: vec![pool],
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            lease: LeaseTerms::fixed(if options.scarce_addresses {
                SHORT_LEASE
            } else {
                LONG_LEASE
            }),
            relays,
            authoritative: true,
            // All machines behind the relay agent are at one port of it.
            offers_per_port: Some(u32::MAX),
            ..Network::default()
        };
        let local = options.machines - remote;
        let mut view = View {
            interfaces: vec![Interface {
                name: "boot".into(),
                mac: MacAddr([2, 0, 0, 0, 0, 1]),
                mtu: options.mtu,
                link_unicast: options.link_unicast,
                advertise_from: options.link_unicast.then_some(ADVERTISER),
            }],
            networks: vec![
                network(SERVER, pool(SERVER, local), Vec::new()),
                network(RELAY, pool(RELAY, remote.max(1)), vec![RELAY.into()]),
            ]
            .into(),
            profiles: profiles(options),
            ..View::default()
        };
        view.tftp.window_blocks_max = options.window_blocks_max;
        view.programs.insert(Loader::Ipxe, ArchType::X86_BIOS, BIOS_PROGRAM.into());
        view.programs.insert(Loader::Ipxe, ArchType::X64_UEFI, UEFI_PROGRAM.into());
        let transfer_ports = options.tftp_sockets.max(1);
        let scarce_addresses = options.scarce_addresses;
        let mut site = Self { view, transfer_ports, scarce_addresses, files: BTreeMap::new() };
        let lengths = [
            (BIOS_PROGRAM, options.program_bytes),
            (UEFI_PROGRAM, options.program_bytes + 1),
            (KERNEL, options.kernel_bytes),
            (INITRD, options.kernel_bytes / 2),
        ];
        for (slot, (name, len)) in (0..).zip(lengths) {
            site.publish(name, (ImageId { slot, generation: 7 }, len));
        }
        site
    }

    /// Puts new files in the place of all old ones, other bytes and other lengths.
    pub(super) fn reload(&mut self) {
        let files: Vec<_> =
            self.files.iter().map(|(name, versions)| (*name, versions[0])).collect();
        for (name, (image, len)) in files {
            self.publish(name, (ImageId { slot: image.slot + 100, generation: 0 }, len + 1468));
        }
    }

    fn publish(&mut self, name: &'static str, version: Version) {
        let (image, len) = version;
        let file = File {
            image,
            len,
            etag: "\"1\"".into(),
            last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
            content_type: "application/octet-stream",
        };
        self.view.catalogue.insert(name.into(), file);
        self.files.entry(name).or_default().push(version);
    }

    /// All images that were ever served.
    pub(super) fn images(&self) -> impl Iterator<Item = ImageId> {
        self.files.values().flatten().map(|(image, _)| *image)
    }

    /// What lies under a path or name, which may have a machine's prefix.
    /// Nothing for what is generated.
    pub(super) fn versions(&self, path: &str) -> Vec<Version> {
        let name = path.rsplit('/').next().expect("a text has a last part");
        self.files.get(name).cloned().unwrap_or_default()
    }
}

/// Number of addresses for so many machines.
fn addresses(options: &Options, machines: u32) -> u32 {
    if options.scarce_addresses {
        (machines * 7 / 10).max(1)
    } else {
        machines + options.spare_addresses
    }
}

/// One profile, or two of which the first can be ruled out only by what iPXE tells.
fn profiles(options: &Options) -> Vec<Profile> {
    let text = |text: &str| Segment::Text(text.into());
    let script = Template {
        segments: vec![
            text("#!ipxe\n# script for "),
            Segment::Field(Field::Mac),
            text("\nkernel "),
            Segment::Field(Field::NodeUrl),
            text("vmlinuz console=ttyS0\ninitrd "),
            Segment::Field(Field::NodeUrl),
            text("initrd.img\nboot\n"),
        ],
    };
    let profile = |name: &str, rule| Profile {
        name: name.into(),
        rule,
        loader: Loader::Ipxe,
        ipxe: script.clone(),
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: Vec::new(),
    };
    let mut profiles = vec![profile("all", MatchRule::default())];
    if options.asks_for_facts {
        let rule = MatchRule { product: Some("PowerEdge*".into()), ..MatchRule::default() };
        profiles.insert(0, profile("servers", rule));
    }
    profiles
}

//! Which sockets a site needs, and how large the tables of its engines are.

use std::net::{Ipv4Addr, SocketAddrV4};

use reveille_core::engine::{InterfaceId, SocketId};
use reveille_core::view::DhcpMode;
use reveille_runtime::{Config, InterfaceSpec, LowPorts, SocketPlan, TftpSpec, UdpSpec};

use super::Prepared;
use crate::site::Site;

/// DHCP servers listen here (RFC 2131 §4.1).
const DHCP_PORT: u16 = 67;

/// PXE boot servers listen here (PXE 2.1 §2.2.1).
const PXE_PORT: u16 = 4011;

/// Ephemeral ports that TFTP transfers of one shard share.
const TRANSFER_SOCKETS: u16 = 4;

/// The port of TFTP (RFC 1350 §4).
const TFTP_PORT: u16 = 69;

/// The port of HTTP (RFC 9110 §4.2.1).
const HTTP_PORT: u16 = 80;

/// Leases there is room for beyond those that are foreseen: a reload may bring larger pools. Each
/// takes about 80 bytes, touched when used.
const LEASES_SPARE: u64 = 65_536;

/// Leases of the pools that there is room for at most.
const LEASES_FORESEEN_MAX: u64 = 4 * 1024 * 1024;

pub(super) fn of(site: &Site, prepared: &Prepared) -> Config {
    let mut config = Config::new(site.shard_count());
    config.sockets = sockets(site, prepared);
    config
}

/// The sockets that a site needs on the interfaces that are there.
pub(crate) fn sockets(site: &Site, prepared: &Prepared) -> SocketPlan {
    let view = &prepared.setup.view;
    let mut plan = SocketPlan::new();
    for (at, (interface, index)) in view.interfaces.iter().zip(&prepared.ifindexes).enumerate() {
        let id = InterfaceId(u16::try_from(at).unwrap_or(u16::MAX));
        plan.interfaces.push(InterfaceSpec { name: interface.name.to_string(), index: *index });
        let here = view.networks.iter().filter(|network| network.interface == id);
        let modes = here.map(|network| network.mode).filter(|mode| *mode != DhcpMode::Off);
        if modes.clone().next().is_none() {
            continue;
        }
        // Where another server on this host gives the addresses, port 67 is that server's.
        let dhcp = modes.clone().any(|mode| mode != DhcpMode::BootServer);
        let group = view.menu.as_ref().and_then(|menu| menu.multicast);
        let ports = [(DHCP_PORT, 0, None, dhcp), (PXE_PORT, 1, group, true)];
        for (port, of_pxe, group, _) in ports.into_iter().filter(|(.., is_ours)| *is_ours) {
            plan.dhcp.push(UdpSpec {
                id: SocketId(id.0 * 2 + of_pxe),
                local: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port),
                device: Some(id),
                broadcast: true,
                group,
            });
        }
        if interface.link_unicast {
            plan.frames.push(id);
            let is_attached = view.networks.attached(id).next().is_some();
            if is_attached {
                plan.watched.push(id);
            }
        }
    }
    plan.echo = view.networks.iter().any(|network| {
        network.mode == DhcpMode::Server && network.conflict_check && !network.relays.is_empty()
    });
    plan.tftp = Some(TftpSpec {
        listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, site.tftp.port),
        transfer_sockets: transfer_sockets(site),
    });
    plan.http = view
        .networks
        .iter()
        .map(|network| SocketAddrV4::new(network.server, site.http.port))
        .collect();
    plan.http.sort_unstable();
    plan.http.dedup();
    plan
}

/// Transfer sockets of the TFTP engine; none if it answers from its own port.
pub(crate) const fn transfer_sockets(site: &Site) -> u16 {
    if site.tftp.single_port { 0 } else { TRANSFER_SOCKETS }
}

/// Ports that take a privilege and may have to be opened while the server runs: those of now, and
/// those that firmware asks.
pub(super) const fn low_ports(site: &Site) -> LowPorts {
    LowPorts { udp: [DHCP_PORT, TFTP_PORT, site.tftp.port], tcp: [HTTP_PORT, site.http.port] }
}

/// Leases that the DHCP engine has room for: those that the site foresees, and the `stored` ones
/// whatever has become of their pools. An address whose lease found no room would be free for
/// somebody else.
pub(super) fn leases(site: &Site, stored: u64) -> u32 {
    // Of all networks: some may not be there yet.
    let pools = site.networks.iter().flat_map(|network| &network.pools);
    let addresses: u64 = pools.map(|pool| pool.range.size()).sum();
    let foreseen = (addresses + site.machines.len() as u64).min(LEASES_FORESEEN_MAX);
    u32::try_from(foreseen + stored + LEASES_SPARE).unwrap_or(u32::MAX).min(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reveille_core::mac::MacAddr;
    use reveille_core::view::{Interface, LeaseTerms, Menu, Network, Pool, Subnet, View};
    use reveille_runtime::Setup;

    use super::*;
    use crate::site::SiteNetwork;

    fn network(interface: u16, last: u8, mode: DhcpMode) -> Network {
        Network {
            interface: InterfaceId(interface),
            server: Ipv4Addr::new(10, 0, 0, last),
            subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
            mode,
            pools: vec![Pool::new(Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 199))],
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            lease: LeaseTerms::default(),
            relays: Vec::new(),
            authoritative: true,
            ..Network::default()
        }
    }

    fn prepared() -> Prepared {
        let interface = |name: &str| Interface {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            link_unicast: true,
            advertise_from: None,
        };
        let view = View {
            interfaces: vec![interface("eth0"), interface("eth1")],
            networks: vec![
                network(0, 1, DhcpMode::Server),
                network(0, 1, DhcpMode::Proxy),
                network(1, 2, DhcpMode::Off),
            ]
            .into(),
            ..View::default()
        };
        Prepared {
            setup: Setup { view: Arc::new(view), ..Setup::default() },
            ifindexes: vec![2, 7],
            roles: crate::timeline::Roles::new(),
            sources: crate::images::Sources::default(),
            notes: Vec::new(),
            warnings: Vec::new(),
            changes: Vec::new(),
        }
    }

    #[test]
    fn only_interfaces_with_dhcp_get_its_sockets() {
        let config = sockets(&Site::default(), &prepared());
        assert_eq!(config.interfaces[1], InterfaceSpec { name: "eth1".to_owned(), index: 7 });
        let ports: Vec<u16> = config.dhcp.iter().map(|spec| spec.local.port()).collect();
        assert_eq!(ports, [67, 4011]);
        assert!(config.dhcp.iter().all(|spec| spec.device == Some(InterfaceId(0))));
        assert_eq!(config.frames, [InterfaceId(0)]);
        assert_eq!(config.http.len(), 2);
    }

    #[test]
    fn a_boot_server_leaves_port_67_to_the_server_on_its_host() {
        let mut prepared = prepared();
        let view = Arc::get_mut(&mut prepared.setup.view).unwrap();
        view.networks.edit()[1].mode = DhcpMode::BootServer;
        view.networks.edit()[2].mode = DhcpMode::BootServer;
        let group = Ipv4Addr::new(224, 0, 1, 2);
        view.menu = Some(Menu { multicast: Some(group), ..Menu::default() });
        let plan = sockets(&Site::default(), &prepared);
        let opened: Vec<_> =
            plan.dhcp.iter().map(|spec| (spec.id.0, spec.local.port(), spec.group)).collect();
        // The first interface has a network of a DHCP server's as well.
        assert_eq!(opened, [(0, 67, None), (1, 4011, Some(group)), (3, 4011, Some(group))]);
    }

    #[test]
    fn a_single_port_needs_no_transfer_sockets() {
        let mut site = Site::default();
        site.tftp.single_port = true;
        assert_eq!(sockets(&site, &prepared()).tftp.unwrap().transfer_sockets, 0);
    }

    #[test]
    fn there_is_room_for_every_address_and_every_stored_lease() {
        let mut site = Site::default();
        assert_eq!(leases(&site, 0), 65_536);
        assert_eq!(leases(&site, 5_000_000), 5_065_536);
        let first = Ipv4Addr::new(10, 0, 0, 100);
        let pool = |last| Pool::new(first, last);
        let network = SiteNetwork {
            pools: vec![pool(Ipv4Addr::new(10, 3, 0, 99)).into()],
            ..SiteNetwork::default()
        };
        site.networks = vec![network, SiteNetwork::default()];
        assert_eq!(leases(&site, 0), 196_608 + 65_536);
        assert_eq!(leases(&site, 1_000), 196_608 + 1_000 + 65_536);
        assert_eq!(leases(&site, u64::from(u32::MAX)), u32::MAX - 1);
    }

    #[test]
    fn the_helper_may_open_the_ports_of_the_site() {
        let mut site = Site::default();
        (site.tftp.port, site.http.port) = (70, 8080);
        assert_eq!(low_ports(&site), LowPorts { udp: [67, 69, 70], tcp: [80, 8080] });
    }
}

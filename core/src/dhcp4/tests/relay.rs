//! Clients behind relay agents.

use std::vec;

use super::kit::*;
use crate::dhcp4::{Dhcp4Config, Dhcp4Server};
use crate::engine::Discard;
use crate::view::{
    Classes, ClientClass, Condition, DhcpMode, LeaseTerms, Network, OptionSet, Pattern, Pool,
    PoolTerms, Subnet,
};
use crate::wire::dhcp4::MessageType;
use core::net::Ipv4Addr;
use core::time::Duration;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// The site's own network, and two behind one relay agent.
fn site() -> Site {
    let mut view = view();
    for net in [1, 2] {
        let mut network = view.networks[0].clone();
        network.subnet = Subnet { address: Ipv4Addr::new(10, net, 0, 0), prefix_len: 24 };
        network.pools =
            vec![Pool::new(Ipv4Addr::new(10, net, 0, 10), Ipv4Addr::new(10, net, 0, 20))];
        network.routers = vec![Ipv4Addr::new(10, net, 0, 1)];
        network.relays = vec![RELAY.into()];
        view.networks.push(network);
    }
    Site::with(view)
}

#[test]
fn the_relay_agents_network_is_served_through_it() {
    let mut site = site();
    let ask = discover(1).giaddr(RELAY).option(82, &[1, 2, 0, 7, 2, 1, 9]).pxe(7);
    let offer = site.ask(&ask);
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 1, 0, 10));
    assert_eq!(offer.giaddr(), RELAY);
    assert_eq!((offer.from, offer.to), (socket(SERVER, 67), socket(RELAY, 67)));
    assert_eq!(offer.option(82).unwrap(), [1, 2, 0, 7, 2, 1, 9]);
    assert_eq!(offer.codes().last(), Some(&82));
    assert_eq!(offer.option(3).unwrap(), RELAY.octets());
    assert_eq!(site.ask(&select(&ask, &offer)).kind(), MessageType::Ack);
    // The client renews by itself, through its router.
    let renew =
        super::kit::ask(MessageType::Request, 1).ciaddr(offer.yiaddr()).to(socket(SERVER, 67));
    let ack = site.ask(&renew);
    assert_eq!((ack.kind(), ack.to), (MessageType::Ack, socket(offer.yiaddr(), 68)));
}

#[test]
fn others_may_not_relay() {
    let mut site = site();
    let ask = discover(1).giaddr(Ipv4Addr::new(10, 1, 0, 2));
    assert_eq!(site.send(&ask), Err(Discard::UnknownRelay));
}

#[test]
fn the_link_is_chosen_by_relay_then_by_client() {
    let mut site = site();
    let link = |net: u8| [5, 4, 10, net, 0, 0];
    let first = site.ask(&discover(1).giaddr(RELAY).option(82, &link(2)));
    assert_eq!(first.yiaddr(), Ipv4Addr::new(10, 2, 0, 10));
    let second = site.ask(&discover(2).giaddr(RELAY).option(118, &[10, 2, 0, 0]));
    assert_eq!(second.yiaddr(), Ipv4Addr::new(10, 2, 0, 11));
    let third = discover(3).giaddr(RELAY).option(118, &[10, 2, 0, 0]).option(82, &link(1));
    assert_eq!(site.ask(&third).yiaddr(), Ipv4Addr::new(10, 1, 0, 10));
    // Not one of its links.
    let fourth = discover(4).giaddr(RELAY).option(82, &link(0));
    assert_eq!(site.send(&fourth), Err(Discard::UnknownNetwork));
}

#[test]
fn link_selection_without_a_relay_agent_counts_for_nothing() {
    let mut site = site();
    let offer = site.ask(&discover(1).option(82, &[5, 4, 10, 2, 0, 0]));
    assert_eq!(offer.yiaddr(), host(100));
}

#[test]
fn the_relay_agent_may_stand_in_for_the_server() {
    let mut site = site();
    let ask = discover(1).giaddr(RELAY).option(82, &[11, 4, 10, 1, 0, 1]);
    let offer = site.ask(&ask);
    assert_eq!(offer.option(54).unwrap(), RELAY.octets());
    assert_eq!(offer.siaddr(), ANY);
    let ack = site.ask(&select(&ask, &offer));
    assert_eq!((ack.kind(), ack.option(54).unwrap()), (MessageType::Ack, RELAY.octets().to_vec()));
}

#[test]
fn a_nak_goes_through_the_relay_with_the_broadcast_flag() {
    let mut site = site();
    let ask = ask(MessageType::Request, 1)
        .option(50, &host(100).octets())
        .option(61, b"\x01id")
        .option(82, &[1, 1, 7])
        .giaddr(RELAY);
    let nak = site.ask(&ask);
    assert_eq!((nak.kind(), nak.to), (MessageType::Nak, socket(RELAY, 67)));
    assert!(nak.is_broadcast());
    assert_eq!(nak.giaddr(), RELAY);
    assert_eq!(nak.codes().last(), Some(&82));
    assert_eq!(nak.option(61).unwrap(), b"\x01id");
    assert_eq!(nak.option(54).unwrap(), SERVER.octets());
}

#[test]
fn one_machine_has_a_lease_in_each_network() {
    let mut site = site();
    let here = site.lease(1);
    let there = site.ask(&discover(1).giaddr(RELAY)).yiaddr();
    assert_eq!((here, there), (host(100), Ipv4Addr::new(10, 1, 0, 10)));
    assert_eq!(site.ask(&discover(1)).yiaddr(), here);
}

#[test]
fn a_client_cannot_speak_for_a_relay_agent() {
    let rule = Condition::RelayOption(1, Pattern::Exactly(b"vip"[..].into()));
    let agent = Ipv4Addr::new(10, 0, 0, 254);
    for (relays, giaddr, denied) in
        [(vec![], None, Ok(())), (vec![agent.into()], Some(agent), Err(Discard::NotAllowed))]
    {
        let mut view = view();
        view.networks.edit()[0].relays = relays;
        view.classes = Classes::new(vec![ClientClass {
            name: "vip".into(),
            rule: rule.clone(),
            denied: true,
            lease: LeaseTerms::default(),
            options: OptionSet::default(),
        }])
        .unwrap();
        let ask = discover(1).option(82, b"\x01\x03vip");
        let ask = giaddr.map_or(ask.clone(), |giaddr| ask.giaddr(giaddr));
        assert_eq!(Site::with(view).send(&ask), denied, "{giaddr:?}");
    }
}

#[test]
fn a_thousand_networks_have_pools_on_their_own_terms() {
    const NETWORKS: u32 = 1000;
    const POOLS: u16 = 4;
    let host_of = |at: u32, last: u32| Ipv4Addr::from_bits(0x0a40_0000 + at * 256 + last);
    let mut view = view();
    view.networks = (0..NETWORKS)
        .map(|at| {
            let pool = |terms: u16| {
                let address = host_of(at, 100 + u32::from(terms));
                Pool { terms, ..Pool::new(address, address) }
            };
            let lease = LeaseTerms::fixed(Duration::from_secs(1800));
            Network {
                server: SERVER,
                subnet: Subnet { address: host_of(at, 0), prefix_len: 24 },
                mode: DhcpMode::Server,
                pools: (1..=POOLS).map(pool).collect(),
                terms: vec![PoolTerms { lease, ..PoolTerms::default() }; usize::from(POOLS) + 1],
                // The same for all: a message is placed by its agent's own network.
                relays: vec![Subnet { address: host_of(0, 0), prefix_len: 10 }],
                ..Network::default()
            }
        })
        .collect();
    let mut site = Site::with(view);
    let config = Dhcp4Config { leases_max: 4096, seed: 1, ..Dhcp4Config::default() };
    site.server = Dhcp4Server::new(config);
    for at in 0..NETWORKS {
        let mut given = [0; POOLS as usize];
        for (client, given) in (0..).zip(&mut given) {
            let mut ask = discover(1).giaddr(host_of(at, 1));
            let [a, b, c, d] = (at * u32::from(POOLS) + client).to_be_bytes();
            ask.header.chaddr[..6].copy_from_slice(&[2, 1, a, b, c, d]);
            assert_eq!(site.send(&ask), Ok(()));
            let offer = Reply::read(site.poll().expect("an offer"));
            *given = offer.yiaddr().to_bits();
            // What asks whether somebody has the address already.
            while site.poll().is_some() {}
        }
        given.sort_unstable();
        let all: Vec<u32> = (101..=104).map(|last| host_of(at, last).to_bits()).collect();
        assert_eq!(given[..], all[..], "network {at}");
    }
}

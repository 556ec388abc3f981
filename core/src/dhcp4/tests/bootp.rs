//! Clients older than DHCP (RFC 951, RFC 1542, RFC 1534).

use core::net::Ipv4Addr;
use core::time::Duration;
use std::vec::Vec;

use super::kit::*;
use crate::binding::BindingState;
use crate::dhcp4::{Dhcp4Config, Dhcp4Server, LeaseState};
use crate::engine::{Discard, Engine, Output, Packet, StoreAnswer, Transmit};
use crate::image::ImageId;
use crate::limits;
use crate::time::Instant;
use crate::view::{File, MachineKey, Network, Pool, SharedId, Subnet, View};

/// The site with a machine that has an address of its own.
fn site() -> Site {
    let mut view = view();
    reserve(&mut view, MachineKey::Mac(mac(1)), host(50));
    Site::with(view)
}

/// A request of BOOTP as an old ROM sends it: 300 bytes, with the cookie or without.
fn request(ask: &Ask, cookie: bool) -> Vec<u8> {
    let mut bytes = ask.bytes()[..236].to_vec();
    if cookie {
        bytes.extend([99, 130, 83, 99, 255]);
    }
    bytes.resize(300, 0);
    bytes
}

#[test]
fn a_machine_with_an_address_of_its_own_gets_it_for_good() {
    for cookie in [true, false] {
        let mut site = site();
        let ask = discover(1);
        let reply = site.ask_bytes(&ask, &request(&ask, cookie));
        assert_eq!((reply.yiaddr(), reply.siaddr()), (host(50), SERVER));
        assert_eq!(reply.message.len(), 300, "64 bytes for options");
        // Nothing of DHCP: no type, no server, no times.
        let dhcp = [50, 51, 53, 54, 58, 59].map(|code| reply.option(code));
        assert_eq!(dhcp, [const { None }; 6]);
        assert_eq!(reply.option(1).unwrap(), [255, 255, 255, 0]);
        assert_eq!(reply.option(3).unwrap(), host(254).octets());
        assert_eq!(reply.option(6).unwrap(), host(53).octets());
        assert_eq!(reply.text(12).unwrap(), "n0017");
        assert!(reply.is_link_to(mac(1)));
        let held: Vec<_> = site.server.leases().map(|lease| lease.state()).collect();
        assert_eq!(held, [LeaseState::Bound { until: Instant::MAX }]);
        site.pass(Duration::from_secs(100 * 365 * 86_400).as_secs());
        assert_eq!(site.ask_bytes(&ask, &request(&ask, cookie)).yiaddr(), host(50));
    }
}

#[test]
fn others_are_not_served() {
    let mut site = site();
    let ask = discover(2);
    assert_eq!(site.send_bytes(&ask, &request(&ask, true)), Err(Discard::NotAllowed));
    // Unless the network is open to all of them.
    site.view.networks.edit()[0].bootp = true;
    assert_eq!(site.ask_bytes(&ask, &request(&ask, true)).yiaddr(), host(100));
    // Nor beside another server.
    site.view.networks.edit()[0].mode = crate::view::DhcpMode::Proxy;
    let ask = discover(1);
    assert_eq!(site.send_bytes(&ask, &request(&ask, true)), Err(Discard::OtherServer));
}

#[test]
fn one_who_asks_for_another_server_is_left_to_it() {
    for (name, expected) in [
        (&b""[..], Ok(())),
        (b"10.0.0.1", Ok(())),
        (b"10.0.0.2", Err(Discard::OtherServer)),
        (b"elsewhere", Err(Discard::OtherServer)),
    ] {
        let mut ask = discover(1);
        ask.header.set_sname(name).unwrap();
        assert_eq!(site().send_bytes(&ask, &request(&ask, true)), expected, "{name:?}");
    }
}

#[test]
fn the_file_that_it_names_is_named_again_if_it_is_here() {
    let mut site = site();
    let file = File {
        image: ImageId { slot: 0, generation: 0 },
        len: 1,
        etag: "\"1\"".into(),
        last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
        content_type: "application/octet-stream",
    };
    site.view.catalogue.insert("boot/vmunix".into(), file);
    for (name, told) in
        [("boot/vmunix", "boot/vmunix"), ("/boot/vmunix", "/boot/vmunix"), ("other", ""), ("", "")]
    {
        let mut ask = discover(1);
        ask.header.set_file(name.as_bytes()).unwrap();
        assert_eq!(site.ask_bytes(&ask, &request(&ask, false)).file(), told);
    }
}

#[test]
fn the_reply_is_no_longer_than_its_client_takes_and_goes_where_it_hears() {
    let mut site = site();
    site.view.networks.edit()[0].dns = (0..60).map(host).collect();
    let ask = discover(1).broadcast();
    let old = site.ask_bytes(&ask, &request(&ask, true));
    assert_eq!((old.message.len(), old.option(6)), (300, None));
    assert_eq!(old.to, socket(BROADCAST, 68));
    let mut long = request(&ask, true);
    long.resize(548, 0);
    let reply = site.ask_bytes(&ask, &long);
    assert_eq!(reply.option(6).unwrap().len(), 240);
    assert!((300..=548).contains(&reply.message.len()));
    // The flag, the identifier and all of chaddr come back.
    assert_eq!(reply.message[4..12], long[4..12]);
    assert_eq!(reply.message[28..44], long[28..44]);
}

#[test]
fn its_lease_is_stored_before_the_reply_leaves() {
    let mut site = site();
    let config = Dhcp4Config { leases_max: 16, seed: 1, durable: true, ..Dhcp4Config::default() };
    site.server = Dhcp4Server::new(config);
    let ask = discover(1);
    assert_eq!(site.send_bytes(&ask, &request(&ask, true)), Ok(()));
    let mut head = std::vec![0; limits::HEAD_BYTES];
    let output = site.server.poll_output(&mut head, site.now, &site.view);
    let Some(Output::Persist { ticket, binding }) = output else { panic!("{output:?}") };
    assert_eq!(binding.address, host(50));
    let BindingState::Bound { until, .. } = binding.state else { panic!("{binding:?}") };
    assert_eq!(until, Instant::MAX);
    assert!(site.poll().is_none());
    let stored = Packet::Store(StoreAnswer::Stored(ticket));
    assert_eq!(site.server.handle_input(stored, site.now, &site.view), Ok(()));
    let reply = Reply::read(site.poll().expect("a reply"));
    assert_eq!((reply.yiaddr(), reply.option(53)), (host(50), None));
}

#[test]
fn an_address_may_be_in_any_network_of_the_link() {
    for durable in [false, true] {
        let mut view = view_of_two();
        let own = other(50);
        reserve(&mut view, MachineKey::Mac(mac(1)), own);
        let mut site = Site::with(view);
        let config = Dhcp4Config { leases_max: 16, seed: 1, durable, ..Dhcp4Config::default() };
        site.server = Dhcp4Server::new(config);
        let ask = discover(1);
        for _ in 0..2 {
            let reply = ask_stored(&mut site, &ask);
            assert_eq!((reply.yiaddr(), reply.siaddr()), (own, other(1)));
        }
        // Pools that are not for BOOTP stay closed, wherever on the link they are.
        let ask = discover(2);
        assert_eq!(site.send_bytes(&ask, &request(&ask, true)), Err(Discard::NotAllowed));
        site.view.networks.edit()[1].bootp = true;
        assert_eq!(ask_stored(&mut site, &ask).yiaddr(), other(100));
        assert_eq!(ask_stored(&mut site, &ask).yiaddr(), other(100));
    }
}

fn other(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, last)
}

/// A second network on the link of the first.
fn view_of_two() -> View {
    let mut view = view();
    let mut networks = view.networks.edit();
    networks[0].shared = Some(SharedId(0));
    let second = Network {
        server: other(1),
        subnet: Subnet { address: other(0), prefix_len: 24 },
        pools: std::vec![Pool::new(other(100), other(109))],
        routers: std::vec![other(254)],
        ..networks[0].clone()
    };
    networks.push(second);
    drop(networks);
    view
}

/// The reply to `ask`, after whatever it needs stored was.
fn ask_stored(site: &mut Site, ask: &Ask) -> Reply {
    assert_eq!(site.send_bytes(ask, &request(ask, true)), Ok(()));
    let mut head = std::vec![0; limits::HEAD_BYTES];
    let sent = match site.server.poll_output(&mut head, site.now, &site.view) {
        Some(Output::Persist { ticket, .. }) => {
            let stored = Packet::Store(StoreAnswer::Stored(ticket));
            assert_eq!(site.server.handle_input(stored, site.now, &site.view), Ok(()));
            site.poll().expect("a reply")
        }
        Some(Output::Transmit(Transmit { route, head_len, .. })) => {
            head.truncate(usize::from(head_len));
            Sent { route, bytes: head }
        }
        other => panic!("{other:?}"),
    };
    Reply::read(sent)
}

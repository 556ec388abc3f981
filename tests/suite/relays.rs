//! Relay agents that others wrote, dnsmasq and ISC dhcrelay: clients behind them get leases of their
//! own networks and renew them by routed unicast.

use std::path::Path;
use std::time::Duration;

use reveille_tests::dialogue::message::Reply;
use reveille_tests::lab::capture::Capture;
use reveille_tests::lab::client::{Client, Stock};
use reveille_tests::lab::peer::{Dnsmasq, dhcrelay};
use reveille_tests::lab::{Host, Link, Reveille, SERVER_ADDRESS};
use reveille_tests::pcap::{frames, segment};

use crate::site::{address, serving};

/// A router with an interface on each further link: its name and its address, without the prefix
/// of 24 bits.
fn router(first: &Link, number: u8, further: &[(&Link, &str, &str)]) -> Host {
    let router = first.host();
    address(&router, number);
    for (link, interface, address) in further {
        link.connect(&router, interface);
        router.namespace().ip(&format!("address add {address}/24 dev {interface}"));
    }
    forward(&router);
    router
}

fn forward(router: &Host) {
    let namespace = router.namespace();
    namespace
        .run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
        .expect("the namespace is ours");
}

/// A network behind a relay agent, which is its router.
fn network(prefix: &str) -> String {
    format!(
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"{prefix}.0/24\"\nrelays = [\"{prefix}.1\"]\n\
         router = \"{prefix}.1\"\npool = [\"{prefix}.100 - {prefix}.200\"]\nlease = \"2m\"\n\n"
    )
}

/// Gets a lease of the network, renews it by way of its router, and gives it back.
fn lease(link: &Link, prefix: &str, daemon: &Reveille) {
    let host = link.host();
    let mut client = Client::start(Stock::Udhcpc, link, &host, &format!("client-{prefix}"));
    let fail = |timeout| panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log());
    let bound = client.wait_for("bound", 1, CLIENT).unwrap_or_else(fail);
    assert!(bound.address.starts_with(&format!("{prefix}.")), "{bound:?}");
    host.namespace().ip(&format!("route add default via {prefix}.1"));
    let renewed = client.renew(CLIENT).unwrap_or_else(fail);
    assert_eq!(renewed.address, bound.address);
    client.release().unwrap_or_else(|timeout| panic!("{timeout:?}"));
}

/// The replies to relay agents in a capture.
fn relayed(capture: &Path) -> Vec<Reply> {
    let frames = frames(capture);
    let segments = frames.iter().filter_map(|frame| segment(frame));
    let replies = segments.filter(|segment| (segment.source, segment.destination) == (67, 67));
    let replies = replies.filter_map(|segment| Reply::parse(segment.payload).ok());
    replies.collect()
}

#[test]
fn a_client_behind_dnsmasq() {
    let (near, far) = (Link::new(), Link::new());
    let relay = router(&near, 3, &[(&far, "far0", "10.78.0.1")]);
    near.server().namespace().ip("route add 10.78.0.0/24 via 10.77.0.3");
    let daemon = Reveille::serve(&near, &serving(&near, &network("10.78.0")));
    let _relay = Dnsmasq::relay("10.78.0.1", SERVER_ADDRESS).start(&near, &relay);
    lease(&far, "10.78.0", &daemon);
}

#[test]
fn two_networks_behind_isc_dhcrelay_which_adds_option_82() {
    let (near, far, other) = (Link::new(), Link::new(), Link::new());
    let relay = router(&near, 3, &[(&far, "far0", "10.78.0.1"), (&other, "far1", "10.79.0.1")]);
    for prefix in ["10.78.0", "10.79.0"] {
        near.server().namespace().ip(&format!("route add {prefix}.0/24 via 10.77.0.3"));
    }
    let networks = network("10.78.0") + &network("10.79.0");
    let daemon = Reveille::serve(&near, &serving(&near, &networks));
    let down = ["-a", "-id", "far0", "-id", "far1", "-iu", "eth0", SERVER_ADDRESS];
    let _relay = dhcrelay(&near, &relay, "dhcrelay", &down);
    let capture = Capture::whole(&near, "relayed.pcap", "udp port 67");
    lease(&far, "10.78.0", &daemon);
    lease(&other, "10.79.0", &daemon);
    let replies = relayed(&capture.stop_complete(&near));
    assert!(replies.len() >= 4, "{replies:?}");
    for reply in replies {
        // dhcrelay names the interface in sub-option 1.
        let circuit = if reply.giaddr.octets()[1] == 78 { b"far0" } else { b"far1" };
        let agent = reply.option(82).expect("the relay agent wants it back");
        assert_eq!(agent, [&[1, 4], &circuit[..]].concat());
        assert_eq!(reply.options.last().map(|(code, _)| *code), Some(82));
    }
}

#[test]
fn two_relay_agents_one_behind_the_other() {
    let (near, middle, far) = (Link::new(), Link::new(), Link::new());
    let inner = router(&near, 3, &[(&middle, "middle0", "10.78.0.1")]);
    let outer = middle.host();
    outer.namespace().ip("address add 10.78.0.2/24 dev eth0");
    far.connect(&outer, "far0");
    outer.namespace().ip("address add 10.79.0.1/24 dev far0");
    forward(&outer);
    outer.namespace().ip("route add default via 10.78.0.1");
    inner.namespace().ip("route add 10.79.0.0/24 via 10.78.0.2");
    let server = near.server().namespace();
    server.ip("route add 10.78.0.0/24 via 10.77.0.3");
    server.ip("route add 10.79.0.0/24 via 10.77.0.3");
    let daemon = Reveille::serve(&near, &serving(&near, &network("10.79.0")));
    let first = ["-a", "-id", "far0", "-iu", "eth0", "10.78.0.1"];
    let _first = dhcrelay(&middle, &outer, "outer", &first);
    // The second one passes on what the first one added.
    let second = ["-a", "-m", "forward", "-id", "middle0", "-iu", "eth0", SERVER_ADDRESS];
    let _second = dhcrelay(&near, &inner, "inner", &second);
    lease(&far, "10.79.0", &daemon);
}

/// How long a client may take for an exchange.
const CLIENT: Duration = Duration::from_secs(25);

//! Stock DHCP clients get, renew and release a lease from Reveille.

use std::time::Duration;

use reveille_tests::lab::client::{Client, Stock};
use reveille_tests::lab::peer::Dnsmasq;
use reveille_tests::lab::{Link, Reveille, SERVER_ADDRESS};

use crate::site::{address, serving};

/// Gets, renews and releases; what was released is given again.
fn lease(kind: Stock) {
    let link = Link::new();
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = link.host();
    let mut client = Client::start(kind, &link, &host, "first");
    let fail = |timeout, daemon: &Reveille| -> ! {
        panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log())
    };
    let bound = client.wait_for("bound", 1, CLIENT).unwrap_or_else(|t| fail(t, &daemon));
    assert!(bound.address.starts_with("10.77.0.1"), "{bound:?}");
    assert_eq!(bound.server, "10.77.0.1");
    assert_eq!(bound.lease_seconds, "120");
    let renewed = client.renew(RENEWAL).unwrap_or_else(|t| fail(t, &daemon));
    assert_eq!(renewed.address, bound.address);
    client.release().unwrap_or_else(|t| fail(t, &daemon));
    // The same machine comes back and finds its address free.
    let mut again = Client::start(kind, &link, &host, "second");
    let bound_again = again.wait_for("bound", 1, CLIENT).unwrap_or_else(|t| fail(t, &daemon));
    assert_eq!(bound_again.address, bound.address);
    assert!(daemon.lives());
}

/// How long a client may take to get a lease: some wait a second or more before they ask.
const CLIENT: Duration = Duration::from_secs(25);

/// dhclient cannot be asked to renew; it does so by itself at half the lease of two minutes.
const RENEWAL: Duration = Duration::from_secs(80);

#[test]
fn udhcpc_gets_renews_and_releases() {
    lease(Stock::Udhcpc);
}

#[test]
fn dhclient_gets_renews_and_releases() {
    lease(Stock::Dhclient);
}

#[test]
fn dhcpcd_gets_renews_and_releases() {
    lease(Stock::Dhcpcd);
}

#[test]
fn two_clients_get_two_addresses() {
    let link = Link::new();
    let _daemon = Reveille::serve(&link, &serving(&link, ""));
    let hosts = [link.host(), link.host()];
    let mut clients = [
        Client::start(Stock::Udhcpc, &link, &hosts[0], "one"),
        Client::start(Stock::Dhcpcd, &link, &hosts[1], "two"),
    ];
    let [one, two] = clients.each_mut().map(|client| {
        client.wait_for("bound", 1, CLIENT).unwrap_or_else(|timeout| panic!("{timeout:?}"))
    });
    assert_ne!(one.address, two.address);
}

/// A client behind dnsmasq as the relay agent: a lease from the pool of its own network, renewed by
/// routed unicast.
#[test]
fn a_client_behind_a_relay_agent() {
    let (near, far) = (Link::new(), Link::new());
    let relay = near.host();
    address(&relay, 3);
    far.connect(&relay, "far0");
    relay.namespace().ip("address add 10.78.0.1/24 dev far0");
    relay
        .namespace()
        .run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
        .expect("the namespace is ours");
    near.server().namespace().ip("route add 10.78.0.0/24 via 10.77.0.3");
    let site = serving(
        &near,
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"10.78.0.0/24\"\n\
         relays = [\"10.78.0.1\"]\nrouter = \"10.78.0.1\"\n\
         pool = [\"10.78.0.100 - 10.78.0.200\"]\n",
    );
    let daemon = Reveille::serve(&near, &site);
    let _relay = Dnsmasq::relay("10.78.0.1", SERVER_ADDRESS).start(&near, &relay);
    let host = far.host();
    let mut client = Client::start(Stock::Udhcpc, &far, &host, "client");
    let fail = |timeout| panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log());
    let bound = client.wait_for("bound", 1, CLIENT).unwrap_or_else(fail);
    assert!(bound.address.starts_with("10.78.0."), "{bound:?}");
    host.namespace().ip("route add default via 10.78.0.1");
    let renewed = client.renew(CLIENT).unwrap_or_else(fail);
    assert_eq!(renewed.address, bound.address);
    client.release().unwrap_or_else(|timeout| panic!("{timeout:?}"));
}

//! Stock DHCP clients get, renew and release a lease from Reveille.

use std::time::Duration;

use reveille_tests::lab::client::{Client, Name, Stock};
use reveille_tests::lab::{Link, Reveille};
use rustix::process::Signal;

use crate::site::serving;

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

/// dhclient and networkd cannot be asked to renew; they do so by themselves at half the lease of two
/// minutes.
const RENEWAL: Duration = Duration::from_secs(80);

/// When a lease of two minutes that cannot be renewed is bound anew, at seven eighths of it.
const REBINDING: Duration = Duration::from_secs(130);

#[test]
fn udhcpc_gets_renews_and_releases() {
    lease(Stock::Udhcpc);
}

#[test]
fn dhcpcd_gets_renews_and_releases() {
    lease(Stock::Dhcpcd);
}

/// The server is started anew while clients have leases. One client of each kind renews its lease,
/// gives it back, and comes again under another name: it finds its address. Another one cannot
/// reach the server by unicast and binds its lease anew by broadcast.
#[test]
fn through_the_life_of_a_lease() {
    const KINDS: [Stock; 4] = [Stock::Dhclient, Stock::Networkd, Stock::Dhcpcd, Stock::Udhcpc];
    let link = Link::new();
    let site = serving(&link, "");
    let mut daemon = Reveille::serve(&link, &site);
    let hosts: Vec<_> = KINDS.iter().map(|_| (link.host(), link.host())).collect();
    let start =
        |kind: &Stock, host, what| Client::start(*kind, &link, host, &format!("{kind:?}-{what}"));
    let pairs = KINDS.iter().zip(&hosts);
    let mut clients: Vec<_> = pairs
        .map(|(kind, (near, far))| (start(kind, near, "renewing"), start(kind, far, "rebinding")))
        .collect();
    let bound = |client: &mut Client<'_>| {
        client.wait_for("bound", 1, CLIENT).unwrap_or_else(|timeout| panic!("{timeout:?}"))
    };
    let leases: Vec<_> =
        clients.iter_mut().map(|(near, far)| (bound(near).address, bound(far).address)).collect();
    for (_, far) in &hosts {
        // What it sends to the server's address comes to nobody; answers of the server do come.
        far.namespace().ip("neighbour replace 10.77.0.1 lladdr 02:00:00:00:00:99 dev eth0");
    }
    daemon.signal(Signal::TERM);
    daemon.wait_end(CLIENT).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let daemon = Reveille::serve(&link, &site);
    let fail = |timeout| -> ! { panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log()) };
    let mut waiting = Vec::new();
    let parties = clients.drain(..).zip(leases).zip(KINDS.iter().zip(&hosts));
    for (((mut near, far), (mine, theirs)), (kind, (host, _))) in parties {
        let renewed = near.renew(RENEWAL).unwrap_or_else(|timeout| fail(timeout));
        assert_eq!(renewed.address, mine, "{kind:?}");
        near.release().unwrap_or_else(|timeout| fail(timeout));
        let name = format!("{kind:?}-renamed");
        let mut renamed = Client::start_as(Name::Other, *kind, &link, host, &name);
        assert_eq!(bound(&mut renamed).address, mine, "{kind:?} under another name");
        waiting.push((far, theirs, kind));
    }
    for (mut far, address, kind) in waiting {
        let rebound = far.wait_for("renew", 1, REBINDING).unwrap_or_else(|timeout| fail(timeout));
        assert_eq!(rebound.address, address, "{kind:?}");
    }
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

//! Whether what is to be given on a network can be given.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use reveille_core::view::{DhcpMode, Network, Pool, Subnet};

use super::mode;
use crate::config::duration;
use crate::problem::{Place, Problem};
use crate::site::{LEASE_MAX, LEASE_MIN, SiteNetwork};

/// What can be wrong within one network.
pub(super) fn check(
    meant: &SiteNetwork,
    subnet: Ipv4Net,
    server: Option<Ipv4Addr>,
    place: &Place,
    problems: &mut Vec<Problem>,
) {
    check_subnet(meant, subnet, place, problems);
    check_pools(meant, subnet, server, place, problems);
    check_lease(meant, place, problems);
    for (at, router) in meant.routers.iter().enumerate() {
        if !subnet.contains(router) {
            let what = format!("router {router} lies outside {}", subnet.trunc());
            let help = "machines reach a router only within their own network";
            problems.push(Problem::error(place.key("router").index(at), what).help(help));
        }
    }
    if let Some(domain) = &meant.domain
        && let Err(why) = super::super::machines::check_name(domain)
    {
        let what = format!("`{domain}` is no domain: {why}");
        problems.push(Problem::error(place.key("domain"), what));
    }
}

fn check_subnet(meant: &SiteNetwork, subnet: Ipv4Net, place: &Place, problems: &mut Vec<Problem>) {
    let place = place.key("subnet");
    if subnet.addr() != subnet.network() {
        let what = format!("{subnet} is an address in a network, not a network");
        let help = format!("the network is {}", subnet.trunc());
        problems.push(Problem::error(place.clone(), what).help(help));
    }
    let serves = mode(meant) == DhcpMode::Server;
    if serves && !(8..=30).contains(&subnet.prefix_len()) {
        let what = format!("a DHCP server cannot serve a /{}", subnet.prefix_len());
        problems.push(Problem::error(place, what).help("prefixes from /8 to /30 can be served"));
    }
}

fn check_pools(
    meant: &SiteNetwork,
    subnet: Ipv4Net,
    server: Option<Ipv4Addr>,
    place: &Place,
    problems: &mut Vec<Problem>,
) {
    let network = place;
    let pools = place.key("pool");
    if meant.dhcp == Some(DhcpMode::Server) && meant.pools.is_empty() {
        let what = "without a pool only machines with an address of their own get one";
        let help = format!("pool = \"{}\"", example_pool(subnet));
        problems.push(Problem::warning(place.key("dhcp"), what).help(help));
    }
    if !meant.pools.is_empty() && mode(meant) != DhcpMode::Server {
        let what = "a pool is of use to a DHCP server only";
        let help = r#"dhcp = "server", or no pool"#;
        problems.push(Problem::error(pools.clone(), what).help(help));
    }
    for (at, pool) in meant.pools.iter().enumerate() {
        let place = pools.index(at);
        check_pool(pool, subnet, &place, problems);
        for (other, earlier) in meant.pools[..at].iter().enumerate() {
            if pool.first <= earlier.last && earlier.first <= pool.last {
                let both = Pool::new(pool.first.max(earlier.first), pool.last.min(earlier.last));
                let what = format!("this pool overlaps another one in {}", range(&both));
                problems.push(
                    Problem::error(place.clone(), what)
                        .related(pools.index(other), "the other pool"),
                );
            }
        }
        if let Some(server) = server.filter(|server| pool.contains(*server)) {
            let what = format!("our own address {server} lies in this pool");
            problems.push(Problem::error(place.clone(), what).help(without(pool, server)));
        }
        for (name, addresses) in [
            ("router", &meant.routers),
            ("dns", &meant.dns),
            ("ntp", &meant.ntp),
            ("relays", &meant.relays),
        ] {
            for (other, address) in addresses.iter().enumerate() {
                if pool.contains(*address) && Some(*address) != server {
                    let what = format!("{address} is taken, but this pool would give it away");
                    problems.push(
                        Problem::error(place.clone(), what)
                            .related(network.key(name).index(other), "it is taken here")
                            .help(without(pool, *address)),
                    );
                }
            }
        }
    }
}

fn check_pool(pool: &Pool, subnet: Ipv4Net, place: &Place, problems: &mut Vec<Problem>) {
    if pool.first > pool.last {
        let what = format!("this pool ends before it begins: {}", range(pool));
        let help = format!("{} - {}", pool.last, pool.first);
        problems.push(Problem::error(place.clone(), what).help(help));
        return;
    }
    if !subnet.contains(&pool.first) || !subnet.contains(&pool.last) {
        let what = format!("this pool reaches outside {}", subnet.trunc());
        let help = format!("it may have addresses like {}", example_pool(subnet));
        problems.push(Problem::error(place.clone(), what).help(help));
        return;
    }
    for (address, what) in
        [(subnet.network(), "the network's own"), (subnet.broadcast(), "the broadcast address")]
    {
        if pool.contains(address) && subnet.prefix_len() < 31 {
            let what = format!("{address} is {what} and cannot be given to a machine");
            problems.push(Problem::error(place.clone(), what).help(without(pool, address)));
        }
    }
}

fn check_lease(meant: &SiteNetwork, place: &Place, problems: &mut Vec<Problem>) {
    let Some(lease) = meant.lease else { return };
    let place = place.key("lease");
    let said = duration::compact(lease);
    if lease < LEASE_MIN {
        let what = format!("{said} is too short for a lease: a machine would lose its address");
        let help =
            format!("at least {}, for boot networks 10m to 30m", duration::compact(LEASE_MIN));
        problems.push(Problem::error(place, what).help(help));
    } else if lease > LEASE_MAX {
        let what = format!("{said} is too long for a lease");
        let help =
            format!("at most {}, for boot networks 10m to 30m", duration::compact(LEASE_MAX));
        problems.push(Problem::error(place, what).help(help));
    }
}

/// What can be wrong between networks; `places` has the place of each.
pub(super) fn check_neighbours(
    networks: &[Network],
    places: &[Place],
    problems: &mut Vec<Problem>,
) {
    for (at, network) in networks.iter().enumerate() {
        for (other, earlier) in networks[..at].iter().enumerate() {
            let overlap = network.subnet.contains(earlier.subnet.address)
                || earlier.subnet.contains(network.subnet.address);
            if overlap {
                let what = "this network overlaps another one".to_owned();
                problems.push(
                    Problem::error(places[at].key("subnet"), what)
                        .related(places[other].key("subnet"), "the other network"),
                );
                continue;
            }
            let attached = network.relays.is_empty() && earlier.relays.is_empty();
            if attached && network.interface == earlier.interface {
                let what = "its interface has another network already, and a machine without an \
                            address cannot be told to belong to one of them";
                problems.push(
                    Problem::error(places[at].key("interface"), what)
                        .related(places[other].key("interface"), "the other network")
                        .help("give each network an interface, perhaps a VLAN, of its own"),
                );
            }
            // The network that a relay agent's address lies in is the one it speaks for, unless it
            // or the client says another (RFC 3527, RFC 3011).
            let is_placed =
                |relay: &Subnet| networks.iter().any(|other| other.subnet.contains(relay.address));
            let shared = network
                .relays
                .iter()
                .position(|relay| earlier.relays.contains(relay) && !is_placed(relay));
            if let Some(relay) = shared {
                let what = format!("relay agent {} has another network", network.relays[relay]);
                problems.push(
                    Problem::error(places[at].key("relays").index(relay), what)
                        .related(places[other].key("relays"), "the other network"),
                );
            }
        }
    }
}

fn range(pool: &Pool) -> String {
    if pool.first == pool.last {
        return pool.first.to_string();
    }
    format!("{} - {}", pool.first, pool.last)
}

/// How to write `pool` without `address`.
fn without(pool: &Pool, address: Ipv4Addr) -> String {
    let below = (pool.first < address)
        .then(|| Pool::new(pool.first, Ipv4Addr::from_bits(address.to_bits() - 1)));
    let above = (address < pool.last)
        .then(|| Pool::new(Ipv4Addr::from_bits(address.to_bits() + 1), pool.last));
    let parts: Vec<String> =
        [below, above].iter().flatten().map(|pool| format!("\"{}\"", range(pool))).collect();
    match parts.as_slice() {
        [] => "leave the pool out".to_owned(),
        parts => format!("pool = [{}]", parts.join(", ")),
    }
}

/// The upper half of a network, as people like to begin.
fn example_pool(subnet: Ipv4Net) -> String {
    let (network, broadcast) = (subnet.network().to_bits(), subnet.broadcast().to_bits());
    let last = broadcast.saturating_sub(1);
    let first = (network + (broadcast - network) / 2 + 1).min(last);
    format!("{} - {}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
}

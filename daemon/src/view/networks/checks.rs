//! Whether what is to be given on a network can be given.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use reveille_core::view::{DhcpMode, Network, Pool, Subnet};

use super::mode;
use crate::problem::{Place, Problem};
use crate::site::SiteNetwork;

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
    check_exclusions(meant, place, problems);
    check_times(meant, place, problems);
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
    let ranges: Vec<Pool> = meant.pools.iter().map(|pool| pool.range).collect();
    for (at, pool) in ranges.iter().enumerate() {
        let place = pools.index(at);
        check_pool(pool, subnet, &place, problems);
        super::super::options::check_lease(&meant.pools[at].lease, &place, problems);
        for (other, earlier) in ranges[..at].iter().enumerate() {
            if pool.first <= earlier.last && earlier.first <= pool.last {
                let both = Pool::new(pool.first.max(earlier.first), pool.last.min(earlier.last));
                let what = format!("this pool overlaps another one in {}", range(&both));
                problems.push(
                    Problem::error(place.clone(), what)
                        .related(pools.index(other), "the other pool"),
                );
            }
        }
        let excluded = |address| meant.exclude.iter().any(|hole| hole.contains(address));
        if let Some(server) = server.filter(|server| pool.contains(*server) && !excluded(*server)) {
            let what = format!("our own address {server} lies in this pool");
            problems.push(Problem::error(place.clone(), what).help(without(pool, server)));
        }
        let alone = meant.relays.iter().filter(|relay| relay.prefix_len == 32);
        let relays = alone.map(|relay| relay.address).collect();
        for (name, addresses) in [
            ("router", &meant.routers),
            ("dns", &meant.dns),
            ("ntp", &meant.ntp),
            ("relays", &relays),
        ] {
            for (other, address) in addresses.iter().enumerate() {
                if pool.contains(*address) && Some(*address) != server && !excluded(*address) {
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

fn check_exclusions(meant: &SiteNetwork, place: &Place, problems: &mut Vec<Problem>) {
    for (at, hole) in meant.exclude.iter().enumerate() {
        let place = place.key("exclude").index(at);
        if hole.first > hole.last {
            let what = format!("this range ends before it begins: {}", range(hole));
            let help = format!("{} - {}", hole.last, hole.first);
            problems.push(Problem::error(place, what).help(help));
            continue;
        }
        let meets = |pool: &Pool| hole.first <= pool.last && pool.first <= hole.last;
        if !meant.pools.iter().any(|pool| meets(&pool.range)) {
            let what = format!("{} is in none of the pools", range(hole));
            let help = "addresses outside of them are not given away anyway";
            problems.push(Problem::error(place, what).help(help));
        }
    }
    let all = meant.pools.iter().enumerate();
    for (at, pool) in all.filter(|(_, pool)| pool.range.first <= pool.range.last) {
        let covers = |hole: &Pool| hole.first <= pool.range.first && pool.range.last <= hole.last;
        if let Some(hole) = meant.exclude.iter().position(covers) {
            let what = "all of this pool is excluded";
            problems.push(
                Problem::error(place.key("pool").index(at), what)
                    .related(place.key("exclude").index(hole), "by this"),
            );
        }
    }
}

fn check_times(meant: &SiteNetwork, place: &Place, problems: &mut Vec<Problem>) {
    super::super::options::check_lease(&meant.lease, place, problems);
    let renewal = meant.renewal_permille.unwrap_or(500);
    let rebinding = meant.rebinding_permille.unwrap_or(875);
    if renewal >= rebinding {
        let key = if meant.renewal_permille.is_some() { "renew_at" } else { "rebind_at" };
        let what = "machines would ask any server before they ask this one";
        let help = r#"renew_at comes before rebind_at: "50%" and "87.5%" if nothing is said"#;
        problems.push(Problem::error(place.key(key), what).help(help));
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
            if network.shared.is_some() && network.shared == earlier.shared {
                continue;
            }
            let attached = network.relays.is_empty() && earlier.relays.is_empty();
            if attached && network.interface == earlier.interface {
                let what = "its interface has another network already, and a machine without an \
                            address cannot be told to belong to one of them";
                problems.push(
                    Problem::error(places[at].key("interface"), what)
                        .related(places[other].key("interface"), "the other network")
                        .help(
                            "give each network an interface, perhaps a VLAN, of its own; or both \
                             the same shared = \"…\", if a machine may belong to either",
                        ),
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
                        .related(places[other].key("relays"), "the other network")
                        .help(
                            "give both the same shared = \"…\", if a machine may belong to either",
                        ),
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

//! Networks: which interface and which of our addresses serve them.

mod checks;
mod pools;
mod shared;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use reveille_core::engine::InterfaceId;
use reveille_core::limits::INTERFACES_MAX;
use reveille_core::mac::MacAddr;
use reveille_core::view::{DhcpMode, Interface, Network, Pool, PoolTerms, Subnet, View};

use super::classes::Compiled;
use super::{Absent, Circumstances};
use crate::host::{Host, HostInterface};
use crate::problem::{Place, Problem, Severity, choices};
use crate::site::{Site, SiteNetwork};

/// The networks of a site, on the interfaces of a host.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) interfaces: Vec<Interface>,
    pub(super) ifindexes: Vec<u32>,
    pub(super) networks: Vec<Network>,
    /// Positions in the site of networks that are not served yet.
    pub(super) awaited: Vec<usize>,
}

pub(super) fn resolve(
    site: &Site,
    circumstances: Circumstances<'_>,
    classes: &Compiled,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Resolved {
    let mut resolved = Resolved::after(circumstances.before);
    let mut places = Vec::new();
    let (networks, top) = if site.networks.is_empty() {
        (vec![SiteNetwork::default()], Place::top())
    } else {
        (shared::joined(&site.networks), Place::top().key("network"))
    };
    for (at, meant) in networks.iter().enumerate() {
        let place = if site.networks.is_empty() { top.clone() } else { top.index(at) };
        let seat = find_seat(meant, circumstances, &place);
        let shared = |no_seat| shared::seat(at, &networks, circumstances).ok_or(no_seat);
        let seat = match seat.or_else(shared) {
            Ok(seat) => seat,
            Err(no_seat) => {
                let (problem, is_awaited) = no_seat.judge(circumstances);
                problems.push(problem);
                if is_awaited {
                    resolved.awaited.push(at);
                }
                // What does not depend on the host is checked all the same.
                if let Some(subnet) = meant.subnet {
                    checks::check(meant, subnet, meant.server, &place, problems);
                }
                continue;
            }
        };
        if let Some(note) = seat.note(meant) {
            notes.push(note);
        }
        checks::check(meant, seat.subnet, Some(seat.server), &place, problems);
        let terms = pools::compile(meant, classes, &place, problems);
        resolved.add(meant, &seat, circumstances.host, terms, &place, problems);
        places.push(place);
    }
    shared::number(&networks, &mut resolved.networks);
    shared::check(&networks, &top, problems);
    checks::check_neighbours(&resolved.networks, &places, problems);
    resolved
}

/// Where a network is served from.
struct Seat<'h> {
    interface: &'h HostInterface,
    server: Ipv4Addr,
    subnet: Ipv4Net,
}

impl Seat<'_> {
    /// What was chosen, if anything was.
    fn note(&self, meant: &SiteNetwork) -> Option<String> {
        if meant.interface.is_some() && meant.subnet.is_some() {
            return None;
        }
        let mode = match mode(meant) {
            DhcpMode::Server => "DHCP server",
            DhcpMode::Proxy => "ProxyDHCP beside another DHCP server",
            DhcpMode::BootServer => "PXE boot server beside a DHCP server on this host",
            DhcpMode::Off => "no DHCP",
        };
        let Self { interface, server, subnet } = self;
        Some(format!("{}: {subnet}, our address {server}, {mode}", interface.name))
    }
}

fn mode(meant: &SiteNetwork) -> DhcpMode {
    let unsaid = if meant.pools.is_empty() { DhcpMode::Proxy } else { DhcpMode::Server };
    meant.dhcp.unwrap_or(unsaid)
}

/// Why a network has no seat.
enum NoSeat {
    /// There is none on this host now.
    Absent(Problem),
    /// There is more than one.
    Ambiguous(Problem),
    /// What was said allows for none.
    Wrong(Problem),
}

impl NoSeat {
    /// The problem as its reader has it, and whether the network may get its seat later.
    fn judge(self, circumstances: Circumstances<'_>) -> (Problem, bool) {
        let problem = match self {
            Self::Absent(problem) if circumstances.absent == Absent::Await => problem,
            // Who serves already does not end for an address too many.
            Self::Ambiguous(problem) if circumstances.before.is_some() => problem,
            Self::Absent(problem) | Self::Ambiguous(problem) | Self::Wrong(problem) => {
                return (problem, false);
            }
        };
        let help = problem.help.map_or_else(String::new, |help| format!("{help}; "));
        let help = format!("{help}this network is served as soon as that changes");
        (Problem { severity: Severity::Warning, help: Some(help), ..problem }, true)
    }
}

/// Finds the interface and address of a network: all that fit what was said, if that is one, or
/// the one that it has already.
fn find_seat<'h>(
    meant: &SiteNetwork,
    circumstances: Circumstances<'h>,
    place: &Place,
) -> Result<Seat<'h>, Box<NoSeat>> {
    let host = circumstances.host;
    let interfaces: Vec<&HostInterface> = match &meant.interface {
        Some(name) => {
            let named = named_interface(name, host, place);
            vec![named.map_err(|problem| Box::new(NoSeat::Absent(*problem)))?]
        }
        None => host.candidates().collect(),
    };
    let relayed = !meant.relays.is_empty();
    if relayed && meant.subnet.is_none() {
        let what = "a network behind relay agents needs its subnet";
        let help = r#"add subnet = "10.1.0.0/16" (its own), since this host is not in it"#;
        return Err(Box::new(NoSeat::Wrong(Problem::error(place.clone(), what).help(help))));
    }
    let fits = |address: &Ipv4Net| {
        meant.server.is_none_or(|server| server == address.addr())
            && (relayed
                || meant.subnet.is_none_or(|subnet| subnet.contains(&address.addr()))
                    && meant
                        .pools
                        .iter()
                        .all(|pool| meant.subnet.is_some() || address.contains(&pool.range.first)))
    };
    let seats: Vec<(&HostInterface, Ipv4Net)> = interfaces
        .iter()
        .flat_map(|interface| interface.addresses.iter().map(move |a| (*interface, *a)))
        .filter(|(_, address)| fits(address))
        .collect();
    let taken = |(interface, address): &&(&HostInterface, Ipv4Net)| {
        is_taken(circumstances.before, &interface.name, address.addr())
    };
    let (interface, address) = match seats.as_slice() {
        [seat] => *seat,
        [] => return Err(Box::new(NoSeat::Absent(no_seat(meant, host, &interfaces, place)))),
        several => match several.iter().filter(taken).collect::<Vec<_>>().as_slice() {
            [seat] => **seat,
            _ => return Err(Box::new(NoSeat::Ambiguous(several_seats(meant, several, place)))),
        },
    };
    let subnet = meant.subnet.unwrap_or_else(|| address.trunc());
    Ok(Seat { interface, server: address.addr(), subnet })
}

/// Whether a network was served at this address of this interface.
fn is_taken(before: Option<&View>, interface: &str, address: Ipv4Addr) -> bool {
    before.is_some_and(|view| {
        view.networks.iter().any(|network| {
            let known = view.interface(network.interface);
            network.server == address && known.is_some_and(|known| *known.name == *interface)
        })
    })
}

fn named_interface<'h>(
    name: &str,
    host: &'h Host,
    place: &Place,
) -> Result<&'h HostInterface, Box<Problem>> {
    let place = place.key("interface");
    let Some(interface) = host.interface(name) else {
        let names = host.interfaces.iter().map(|interface| interface.name.as_str());
        let help = choices(name, names);
        let what = format!("this host has no interface `{name}`");
        return Err(Box::new(Problem::error(place, what).help(help)));
    };
    let (what, help) = if let Some(master) = &interface.part_of {
        ("is a port of another interface", format!("interface = \"{master}\" has its packets"))
    } else if !interface.up {
        ("is switched off", format!("ip link set {name} up"))
    } else if interface.addresses.is_empty() {
        ("has no IPv4 address", format!("ip address add 10.0.0.1/24 dev {name} (your own)"))
    } else {
        return Ok(interface);
    };
    Err(Box::new(Problem::error(place, format!("interface `{name}` {what}")).help(help)))
}

fn no_seat(
    meant: &SiteNetwork,
    host: &Host,
    interfaces: &[&HostInterface],
    place: &Place,
) -> Problem {
    if interfaces.is_empty() {
        let all = host.interfaces.iter().filter(|interface| !interface.loopback);
        let why: Vec<String> =
            all.map(|i| format!("{} {}", i.name, i.unfit().unwrap_or("fits"))).collect();
        let why = if why.is_empty() { "there is none at all".to_owned() } else { why.join(", ") };
        return Problem::error(place.clone(), "this host has no interface to serve")
            .help(format!("an Ethernet interface must be up and have an IPv4 address: {why}"));
    }
    let help = format!("there are {}", list(interfaces.iter().flat_map(|i| seats_of(i))));
    if let Some(server) = meant.server {
        let what = match &meant.interface {
            Some(name) => format!("interface `{name}` does not have the address {server}"),
            None => format!("this host does not have the address {server}"),
        };
        return Problem::error(place.key("server"), what).help(help);
    }
    if let Some(subnet) = meant.subnet {
        let of = meant.interface.as_ref().map_or("this host".to_owned(), |i| format!("`{i}`"));
        return Problem::error(place.key("subnet"), format!("{of} has no address in {subnet}"))
            .help(format!("{help}; a network behind a relay agent names it: relays = [\"…\"]"));
    }
    let first = meant.pools.first().map_or(Ipv4Addr::UNSPECIFIED, |pool| pool.range.first);
    let what = format!("{first} is in no network of this host");
    Problem::error(place.key("pool").index(0), what).help(help)
}

fn several_seats(
    meant: &SiteNetwork,
    seats: &[(&HostInterface, Ipv4Net)],
    place: &Place,
) -> Problem {
    let choices = list(seats.iter().copied());
    if seats.iter().all(|(interface, _)| interface.index == seats[0].0.index) {
        let what = format!("interface `{}` has several addresses that fit", seats[0].0.name);
        return Problem::error(place.key("interface"), what)
            .help(format!("say which with server = \"…\": {choices}"));
    }
    let what = match meant.subnet {
        None => "this host has several networks: which one is it?".to_owned(),
        Some(subnet) => format!("this host reaches {subnet} by several interfaces"),
    };
    Problem::error(place.clone(), what).help(format!("say which with interface = \"…\": {choices}"))
}

fn seats_of(interface: &HostInterface) -> impl Iterator<Item = (&HostInterface, Ipv4Net)> {
    interface.addresses.iter().map(move |address| (interface, *address))
}

fn list<'h>(seats: impl Iterator<Item = (&'h HostInterface, Ipv4Net)>) -> String {
    let seats: Vec<String> =
        seats.map(|(interface, address)| format!("{} ({address})", interface.name)).collect();
    seats.join(", ")
}

impl Resolved {
    /// Nothing yet, but the places of the interfaces that were served before: requests that wait
    /// and transfers that run know them by their place.
    fn after(before: Option<&View>) -> Self {
        let away = |known: &Interface| Interface {
            link_unicast: false,
            advertise_from: None,
            ..known.clone()
        };
        let interfaces: Vec<Interface> =
            before.into_iter().flat_map(|view| &view.interfaces).map(away).collect();
        Self { ifindexes: vec![0; interfaces.len()], interfaces, ..Self::default() }
    }

    fn add(
        &mut self,
        meant: &SiteNetwork,
        seat: &Seat<'_>,
        host: &Host,
        (pools, terms): (Vec<Pool>, Vec<PoolTerms>),
        place: &Place,
        problems: &mut Vec<Problem>,
    ) {
        let mode = mode(meant);
        if mode != DhcpMode::Off && seat.interface.mac.is_none() {
            let what = format!("interface `{}` is not Ethernet", seat.interface.name);
            let help = r#"DHCP needs Ethernet; TFTP and HTTP alone do not: dhcp = "off""#;
            problems.push(Problem::error(place.key("interface"), what).help(help));
        }
        let interface = self.interface(meant, seat.interface, host);
        let unsaid = Network::default();
        self.networks.push(Network {
            interface,
            server: seat.server,
            subnet: Subnet { address: seat.subnet.network(), prefix_len: seat.subnet.prefix_len() },
            mode,
            pools,
            terms,
            routers: meant.routers.clone(),
            dns: meant.dns.clone(),
            ntp: meant.ntp.clone(),
            domain: meant.domain.as_deref().map(Into::into),
            lease: meant.lease,
            renewal_permille: meant.renewal_permille.unwrap_or(unsaid.renewal_permille),
            rebinding_permille: meant.rebinding_permille.unwrap_or(unsaid.rebinding_permille),
            options: meant.options.iter().cloned().collect(),
            relays: meant.relays.clone(),
            shared: None,
            authoritative: meant.authoritative.unwrap_or(mode == DhcpMode::Server),
            bootp: meant.bootp,
            known_only: meant.known_only.unwrap_or(false),
            conflict_check: meant.conflict_check.unwrap_or(true),
            offers_per_port: meant.offers_per_port,
            other_servers: meant.other_servers.clone(),
        });
    }

    /// The id of a host's interface: that of its name, or a new one at its first use.
    fn interface(
        &mut self,
        meant: &SiteNetwork,
        interface: &HostInterface,
        host: &Host,
    ) -> InterfaceId {
        let known = self.interfaces.iter().position(|known| *known.name == *interface.name);
        let at = known.unwrap_or_else(|| self.new_place(host));
        if self.ifindexes[at] != interface.index {
            self.ifindexes[at] = interface.index;
            self.interfaces[at] = Interface {
                name: interface.name.as_str().into(),
                mac: interface.mac.unwrap_or_default(),
                mtu: interface.mtu,
                link_unicast: interface.link_unicast,
                advertise_from: None,
            };
        }
        let advertise = meant.advertise.unwrap_or(!interface.forwards_ipv6);
        if advertise && meant.relays.is_empty() {
            self.interfaces[at].advertise_from = interface.advertise_address();
        }
        InterfaceId(u16::try_from(at).unwrap_or(u16::MAX))
    }

    /// A place that no interface has: behind all others, or, when there have been very many, that
    /// of one whose name this host has not any more.
    fn new_place(&mut self, host: &Host) -> usize {
        let is_free = |at: &usize| {
            self.ifindexes[*at] == 0 && host.interface(&self.interfaces[*at].name).is_none()
        };
        let is_full = self.interfaces.len() >= INTERFACES_MAX;
        let free = is_full.then(|| (0..self.interfaces.len()).find(is_free)).flatten();
        free.unwrap_or_else(|| {
            self.ifindexes.push(0);
            self.interfaces.push(Interface {
                name: Box::default(),
                mac: MacAddr::default(),
                mtu: 0,
                link_unicast: false,
                advertise_from: None,
            });
            self.interfaces.len() - 1
        })
    }
}

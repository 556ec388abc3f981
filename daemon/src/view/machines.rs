//! Machines known one by one: each key names one, each address can be had.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::net::Ipv4Addr;

use reveille_core::view::{DhcpMode, Loader, Machine, MachineKey, Machines, ProfileId};

use super::networks::Resolved;
use crate::problem::{Place, Problem, choices};
use crate::site::{Site, SiteMachine};

/// The machines of `site`, as far as they have no problems.
pub(super) fn collect(
    site: &Site,
    resolved: &Resolved,
    seed: u64,
    problems: &mut Vec<Problem>,
) -> Machines {
    let mut machines = Machines::with_seed(seed);
    let mut seen = Seen::default();
    for (at, meant) in site.machines.iter().enumerate() {
        let place = Place::top().key("machine").index(at);
        let before = problems.len();
        check_machine(meant, &place, problems);
        check_addresses(site, meant, resolved, &place, problems);
        seen.check(meant, &place, problems);
        let profile = profile_of(site, meant, &place, problems);
        check_serial_alone(site, meant, profile, &place, problems);
        if super::has_errors(&problems[before..]) {
            continue;
        }
        let machine = Machine {
            hostname: meant.hostname.as_deref().map(Into::into),
            addresses: meant.addresses.clone(),
            profile,
            vars: boxed(&meant.vars),
            lease: meant.lease,
            options: meant.options.iter().cloned().collect(),
        };
        if machines.insert(&keys(meant), machine).is_err() {
            // `Seen` tells doubles apart more finely than this; here is the net below it.
            problems.push(Problem::error(place, "another machine has one of its keys"));
        }
    }
    machines
}

pub(super) fn boxed(vars: &[(String, String)]) -> Vec<(Box<str>, Box<str>)> {
    vars.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect()
}

fn keys(meant: &SiteMachine) -> Vec<MachineKey> {
    let macs = meant.macs.iter().map(|mac| MachineKey::Mac(*mac));
    let uuid = meant.uuid.map(MachineKey::Uuid);
    let serial = meant.serial.as_deref().map(|serial| MachineKey::Serial(serial.into()));
    let client_id = meant.client_id.as_deref().map(|id| MachineKey::ClientId(id.into()));
    let attachment = meant.attachment.clone().map(MachineKey::Attachment);
    macs.chain(uuid).chain(serial).chain(client_id).chain(attachment).collect()
}

fn profile_of(
    site: &Site,
    meant: &SiteMachine,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> Option<ProfileId> {
    let name = meant.profile.as_ref()?;
    let found = site.profiles.iter().position(|profile| profile.name == *name);
    if found.is_none() {
        let names = site.profiles.iter().map(|profile| profile.name.as_str());
        let help = choices(name, names);
        let what = format!("there is no profile `{name}`");
        problems.push(Problem::error(place.key("profile"), what).help(help));
    }
    found.and_then(|at| u16::try_from(at).ok()).map(ProfileId)
}

fn check_machine(meant: &SiteMachine, place: &Place, problems: &mut Vec<Problem>) {
    let known = !meant.macs.is_empty()
        || meant.uuid.is_some()
        || meant.serial.is_some()
        || meant.client_id.is_some()
        || meant.attachment.is_some();
    if !known {
        let what = "nothing tells this machine from others";
        let help =
            "give it mac = \"52:54:00:12:34:56\", or its uuid, serial, client_id or circuit_id";
        problems.push(Problem::error(place.clone(), what).help(help));
    }
    for (at, mac) in meant.macs.iter().enumerate() {
        if !mac.is_unicast() {
            let what = format!("{mac} is not the address of one machine");
            let help = "the first octet of such an address is even, and not all octets are zero";
            problems.push(Problem::error(place.key("mac").index(at), what).help(help));
        }
    }
    for (name, text) in [("serial", &meant.serial), ("hostname", &meant.hostname)] {
        let Some(text) = text else { continue };
        let why = if name == "hostname" { check_name(text) } else { check_serial(text) };
        if let Err(why) = why {
            let what = format!(
                "`{text}` is no {}: {why}",
                if name == "hostname" { "host name" } else { "serial number" }
            );
            problems.push(Problem::error(place.key(name), what));
        }
    }
}

/// What depends on a serial number alone comes too late for DHCP, which does not tell it.
fn check_serial_alone(
    site: &Site,
    meant: &SiteMachine,
    profile: Option<ProfileId>,
    place: &Place,
    problems: &mut Vec<Problem>,
) {
    let in_dhcp = !meant.macs.is_empty()
        || meant.uuid.is_some()
        || meant.client_id.is_some()
        || meant.attachment.is_some();
    if meant.serial.is_none() || in_dhcp {
        return;
    }
    let help = "add its mac or uuid";
    for (key, said) in
        [("address", !meant.addresses.is_empty()), ("options", !meant.options.is_empty())]
    {
        if said {
            let what = match key {
                "address" => "DHCP does not tell serial numbers, so nobody is given this address",
                _ => "DHCP does not tell serial numbers, so nobody is given these options",
            };
            problems.push(Problem::warning(place.key(key), what).help(help));
        }
    }
    let profile = profile.and_then(|id| site.profiles.get(usize::from(id.0)));
    if profile.is_some_and(|profile| profile.loader != Loader::Ipxe) {
        let what = "only iPXE tells serial numbers, and this profile does without iPXE";
        problems.push(Problem::error(place.key("profile"), what).help(help));
    }
}

/// Serial numbers are compared after what clients tell has been made harmless.
fn check_serial(serial: &str) -> Result<(), String> {
    let told = reveille_core::identity::Fact::sanitised(serial.as_bytes());
    if serial.is_empty() {
        Err("it is empty".to_owned())
    } else if told.as_str() == serial {
        Ok(())
    } else {
        Err(format!("machines tell it as `{}`", told.as_str()))
    }
}

/// Whether `name` is a host or domain name of RFC 1123 §2.1.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 253 {
        return Err("it must have from 1 to 253 letters".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("each part between dots has from 1 to 63 letters".to_owned());
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !label.bytes().all(allowed) || label.starts_with('-') || label.ends_with('-') {
            return Err("a part has letters, digits and, inside, hyphens".to_owned());
        }
    }
    Ok(())
}

fn check_addresses(
    site: &Site,
    meant: &SiteMachine,
    resolved: &Resolved,
    place: &Place,
    problems: &mut Vec<Problem>,
) {
    let places = place.key("address");
    let networks = &resolved.networks;
    for (at, address) in meant.addresses.iter().enumerate() {
        let place = places.index(at);
        // A network that is not there yet may be its own.
        let mut awaited = resolved.awaited.iter().filter_map(|at| site.networks.get(*at));
        if awaited.any(|network| network.subnet.is_none_or(|subnet| subnet.contains(address))) {
            continue;
        }
        check_address(*address, networks, place.clone(), problems);
        let network = networks.iter().find(|network| network.subnet.contains(*address));
        let same = meant.addresses[..at]
            .iter()
            .position(|other| network.is_some_and(|network| network.subnet.contains(*other)));
        if let (Some(network), Some(other)) = (network, same) {
            let what = format!("the machine has another address in {}", network.subnet);
            let help = "in each network a machine has one address";
            let problem = Problem::error(place, what).help(help);
            problems.push(problem.related(places.index(other), "the other address"));
        }
    }
}

fn check_address(
    address: Ipv4Addr,
    networks: &[reveille_core::view::Network],
    place: Place,
    problems: &mut Vec<Problem>,
) {
    let Some(network) = networks.iter().find(|network| network.subnet.contains(address)) else {
        // Without a network the reason is told where the network is.
        if !networks.is_empty() {
            let subnets: Vec<String> = networks
                .iter()
                .map(|n| format!("{}/{}", n.subnet.address, n.subnet.prefix_len))
                .collect();
            let what = format!("{address} is in none of the networks");
            let help = format!("they are {}", subnets.join(", "));
            problems.push(Problem::error(place, what).help(help));
        }
        return;
    };
    if network.mode != DhcpMode::Server {
        let what = "we give no addresses on this network";
        let help = r#"let the other DHCP server reserve it, or set dhcp = "server""#;
        problems.push(Problem::error(place, what).help(help));
        return;
    }
    let taken = if address == network.server {
        "our own address"
    } else if address == network.subnet.address {
        "the network's own address"
    } else if address == network.subnet.broadcast() {
        "the broadcast address"
    } else if network.routers.contains(&address) {
        "the router's address"
    } else {
        return;
    };
    problems.push(Problem::error(place, format!("{address} is {taken}")));
}

/// What machines so far claimed, and where.
#[derive(Default)]
struct Seen {
    keys: HashMap<MachineKey, Place>,
    hostnames: HashMap<String, Place>,
    addresses: HashMap<Ipv4Addr, Place>,
}

impl Seen {
    fn check(&mut self, meant: &SiteMachine, place: &Place, problems: &mut Vec<Problem>) {
        for (at, mac) in meant.macs.iter().enumerate() {
            let place = place.key("mac").index(at);
            claim(&mut self.keys, MachineKey::Mac(*mac), "MAC address", mac, place, problems);
        }
        if let Some(uuid) = meant.uuid {
            // Firmware tells a UUID in either byte order, so both spellings are one machine.
            let key = MachineKey::Uuid(uuid.min(uuid.swapped()));
            claim(&mut self.keys, key, "UUID", uuid, place.key("uuid"), problems);
        }
        if let Some(serial) = &meant.serial {
            let key = MachineKey::Serial(serial.as_str().into());
            claim(&mut self.keys, key, "serial number", serial, place.key("serial"), problems);
        }
        if let Some(name) = &meant.hostname {
            let key = name.to_ascii_lowercase();
            let place = place.key("hostname");
            claim(&mut self.hostnames, key, "host name", name, place, problems);
        }
        if let Some(id) = &meant.client_id {
            let key = MachineKey::ClientId(id.as_slice().into());
            let place = place.key("client_id");
            claim(&mut self.keys, key, "client identifier", Octets(id), place, problems);
        }
        if let Some(attachment) = &meant.attachment {
            let (key, shown) = match (&attachment.circuit, &attachment.remote) {
                (Some(circuit), _) => ("circuit_id", circuit),
                (None, Some(remote)) => ("remote_id", remote),
                (None, None) => return,
            };
            let shown = Octets(shown);
            let known = MachineKey::Attachment(attachment.clone());
            claim(&mut self.keys, known, "place", shown, place.key(key), problems);
        }
        for (at, address) in meant.addresses.iter().enumerate() {
            let place = place.key("address").index(at);
            claim(&mut self.addresses, *address, "address", address, place, problems);
        }
    }
}

/// Octets as an operator writes them: text, if they are, else hexadecimal.
struct Octets<'a>(&'a [u8]);

impl Display for Octets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.chars().any(char::is_control) => f.write_str(text),
            Ok(_) | Err(_) => {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

fn claim<K: Eq + Hash>(
    claims: &mut HashMap<K, Place>,
    key: K,
    kind: &str,
    shown: impl Display,
    place: Place,
    problems: &mut Vec<Problem>,
) {
    if let Some(first) = claims.get(&key) {
        let what = format!("another machine has the {kind} {shown}");
        problems.push(Problem::error(place, what).related(first.clone(), "first used here"));
    } else {
        claims.insert(key, place);
    }
}

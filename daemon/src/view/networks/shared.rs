//! Shared networks: several subnets on one link.

use reveille_core::view::{Network, SharedId};

use super::{Seat, find_seat, mode};
use crate::problem::{Place, Problem};
use crate::site::SiteNetwork;
use crate::view::Circumstances;

/// The networks, each with the relay agents and the interface of all of its shared network:
/// what is said of one holds for their link.
pub(super) fn joined(networks: &[SiteNetwork]) -> Vec<SiteNetwork> {
    let mut joined = networks.to_vec();
    for network in joined.iter_mut().filter(|network| network.shared.is_some()) {
        for other in networks.iter().filter(|other| other.shared == network.shared) {
            for relay in &other.relays {
                if !network.relays.contains(relay) {
                    network.relays.push(*relay);
                }
            }
            if network.interface.is_none() {
                network.interface.clone_from(&other.interface);
            }
        }
    }
    joined
}

/// Where a member of a shared network is served from in which we have no address: where another
/// member is.
pub(super) fn seat<'h>(
    at: usize,
    networks: &[SiteNetwork],
    circumstances: Circumstances<'h>,
) -> Option<Seat<'h>> {
    let network = &networks[at];
    let subnet = network.subnet.filter(|_| network.server.is_none())?;
    network.shared.as_ref()?;
    let others = networks.iter().enumerate();
    others
        .filter(|(other, known)| *other != at && known.shared == network.shared)
        .find_map(|(_, other)| find_seat(other, circumstances, &Place::top()).ok())
        .map(|seat| Seat { subnet, ..seat })
}

/// Gives the shared networks their numbers.
pub(super) fn number(meant: &[SiteNetwork], networks: &mut [Network]) {
    let mut names: Vec<&str> = Vec::new();
    for network in networks {
        let same = |known: &&SiteNetwork| {
            known.subnet.is_some_and(|subnet| {
                subnet.network() == network.subnet.address
                    && subnet.prefix_len() == network.subnet.prefix_len
            })
        };
        let Some(name) = meant.iter().find(same).and_then(|known| known.shared.as_deref()) else {
            continue;
        };
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        network.shared = u16::try_from(at).ok().map(SharedId);
    }
}

/// What networks on one link must have in common.
pub(super) fn check(networks: &[SiteNetwork], top: &Place, problems: &mut Vec<Problem>) {
    for (at, network) in networks.iter().enumerate() {
        let Some(name) = &network.shared else { continue };
        let place = top.index(at);
        if network.subnet.is_none() {
            let what = "a network of a shared network needs its subnet";
            let help = r#"add subnet = "10.20.0.0/16" (its own)"#;
            problems.push(Problem::error(place.key("shared"), what).help(help));
        }
        let members =
            networks.iter().enumerate().filter(|(_, other)| other.shared == network.shared);
        let (first, model) = members.clone().next().unwrap_or((at, network));
        if members.count() == 1 {
            let what = format!("no other network is part of `{name}`");
            let help = "the subnets of one link have the same `shared`";
            problems.push(Problem::warning(place.key("shared"), what).help(help));
        }
        let differences = [
            ("interface", network.interface != model.interface),
            ("dhcp", mode(network) != mode(model)),
            (
                "known_only",
                network.known_only.unwrap_or(false) != model.known_only.unwrap_or(false),
            ),
        ];
        for (key, _) in differences.into_iter().filter(|(_, differs)| *differs) {
            let what = format!("`{key}` is one for all of the shared network `{name}`");
            problems.push(
                Problem::error(place.key(key), what)
                    .related(top.index(first).key(key), "another network on this link"),
            );
        }
    }
}

//! What can be wrong with lease times and options, whatever level says them.

use std::time::Duration;

use reveille_core::view::{LEASE_INFINITE, LeaseTerms, OptionValue};
use reveille_core::wire::dhcp4_options::code;

use crate::config::duration;
use crate::problem::{Place, Problem};
use crate::site::{LEASE_MAX, LEASE_MIN, Site};

/// Checks the options of all levels, and the lease times of classes and machines.
pub(super) fn check(site: &Site, problems: &mut Vec<Problem>) {
    let top = Place::top();
    check_options(&site.options, Scope::All, &top, problems);
    for (at, network) in site.networks.iter().enumerate() {
        let place = top.key("network").index(at);
        check_options(&network.options, Scope::All, &place, problems);
        for (other, named, value) in [
            ("router", !network.routers.is_empty(), code::ROUTER),
            ("dns", !network.dns.is_empty(), code::DOMAIN_NAME_SERVER),
            ("ntp", !network.ntp.is_empty(), code::NTP_SERVER),
            ("domain", network.domain.is_some(), code::DOMAIN_NAME),
        ] {
            if named && network.options.iter().any(|option| option.code == value) {
                let what = format!("option {value} is said twice for this network");
                problems.push(
                    Problem::error(place.key("options"), what)
                        .related(place.key(other), "here, too"),
                );
            }
        }
        for (pool, meant) in network.pools.iter().enumerate() {
            let place = place.key("pool").index(pool);
            check_options(&meant.options, Scope::All, &place, problems);
        }
    }
    for (at, class) in site.classes.iter().enumerate() {
        let place = top.key("class").index(at);
        check_options(&class.options, Scope::Some, &place, problems);
        check_lease(&class.lease, &place, problems);
    }
    for (at, machine) in site.machines.iter().enumerate() {
        let place = top.key("machine").index(at);
        check_options(&machine.options, Scope::Some, &place, problems);
        check_lease(&machine.lease, &place, problems);
    }
}

/// Whom a level of options is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Clients of any vendor.
    All,
    /// Those that the operator picked.
    Some,
}

fn check_options(
    options: &[OptionValue],
    scope: Scope,
    place: &Place,
    problems: &mut Vec<Problem>,
) {
    let place = place.key("options");
    for option in options {
        let boots = BOOT.contains(&option.code);
        if option.replaces && !boots {
            let what = format!("`replace` is of no use to option {}", option.code);
            let help = "what is configured wins here anyway; leave it out";
            problems.push(Problem::error(place.clone(), what).help(help));
        } else if option.replaces {
            let what = format!(
                "option {} replaces what machines that boot are told; they may not boot",
                option.code
            );
            problems.push(Problem::warning(place.clone(), what));
        } else if boots && option.always {
            let what = format!(
                "machines that boot are told option {} by the server itself; only others get this",
                option.code
            );
            let help = "replace = true replaces what is told, at your own risk";
            problems.push(Problem::warning(place.clone(), what).help(help));
        }
        if option.code == code::VENDOR_SPECIFIC && scope == Scope::All {
            let what = "option 43 means something else to each vendor, and this is sent to all";
            let help = "put it into a [[class]] with match = { vendor_class = \"…\" }";
            problems.push(Problem::warning(place.clone(), what).help(help));
        }
    }
}

/// What a lease may be.
pub(super) fn check_lease(terms: &LeaseTerms, place: &Place, problems: &mut Vec<Problem>) {
    for (key, lease) in [("lease", terms.lease), ("lease_min", terms.min), ("lease_max", terms.max)]
    {
        let Some(lease) = lease else { continue };
        let place = place.key(key);
        let said = duration::compact(lease);
        if lease < LEASE_MIN {
            let what = format!("{said} is too short for a lease: a machine would lose its address");
            let least = duration::compact(LEASE_MIN);
            let help = format!("at least {least}, for boot networks 10m to 30m");
            problems.push(Problem::error(place, what).help(help));
        } else if lease > LEASE_MAX && lease != LEASE_INFINITE {
            let what = format!("{said} is too long for a lease");
            let most = duration::compact(LEASE_MAX);
            let help = format!("at most {most}, for boot networks 10m to 30m, or \"infinite\"");
            problems.push(Problem::error(place, what).help(help));
        }
    }
    let later =
        |a: Option<Duration>, b: Option<Duration>| matches!((a, b), (Some(a), Some(b)) if a > b);
    if later(terms.min, terms.max) {
        let what = "the shortest lease is longer than the longest";
        let related = (place.key("lease_max"), "the longest");
        let problem = Problem::error(place.key("lease_min"), what);
        problems.push(problem.related(related.0, related.1));
    } else if later(terms.min, terms.lease) || later(terms.lease, terms.max) {
        let what = "this lease is not between lease_min and lease_max";
        problems.push(Problem::error(place.key("lease"), what));
    }
}

/// Options that the server says itself to machines that boot.
const BOOT: [u8; 9] = [
    code::VENDOR_SPECIFIC,
    code::VENDOR_CLASS,
    code::TFTP_SERVER_NAME,
    code::BOOT_FILE_NAME,
    code::TFTP_SERVER_ADDRESS,
    code::IPXE,
    code::PXELINUX_MAGIC,
    code::CONFIG_FILE,
    code::PATH_PREFIX,
];

//! `reveille check`: what is wrong with a configuration, or what it would serve.

use std::fmt::Write;
use std::path::Path;

use reveille_core::view::{Catalogue, DhcpMode, LEASE_INFINITE, Loader, MatchRule, Network};

use crate::arch;
use crate::config::{self, Configuration, duration};
use crate::host::Host;
use crate::problem::{Problem, Severity};
use crate::programs::{self, Chosen, Found, Missing};
use crate::site::{NamedFile, Site, SiteProfile};
use crate::units::Count;
use crate::view::{self, Absent, Built, Circumstances};

/// The outcome of a check, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the site would be served.
    pub good: bool,
    /// Problems, if there are any; then what would be served, if it would.
    pub text: String,
}

/// Where a check looks around.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The interfaces.
    pub host: &'a Host,
    /// The root of the system, below which packages have boot programs.
    pub system: &'a Path,
    /// Whether to mark problems with colours.
    pub colour: bool,
}

/// Checks the file `path`. `survey` lists the files that would be served: those below the
/// images' root and those named.
pub fn check(
    path: &Path,
    around: &Surroundings<'_>,
    survey: impl FnOnce(&Site, Vec<NamedFile>) -> (Catalogue, Vec<Problem>),
) -> Verdict {
    let configuration = match config::load(path) {
        Ok(configuration) => configuration,
        Err(failure) => return Verdict { good: false, text: failure.report(around.colour) },
    };
    let Configuration { site, source } = &configuration;
    let mut problems = Vec::new();
    let programs = programs::find_below(&site.programs, around.system).unwrap_or_else(|found| {
        problems.extend(found);
        Found::default()
    });
    let mut named = site.named_files();
    named.extend(programs.files.iter().cloned());
    let (catalogue, unserved) = survey(site, named);
    problems.extend(unserved);
    let circumstances = Circumstances { host: around.host, before: None, absent: Absent::Await };
    let built = view::build(site, circumstances, catalogue, &programs, 0);
    let built = match built {
        Ok(built) => {
            problems.extend(built.warnings.iter().cloned());
            Some(built)
        }
        Err(more) => {
            problems.extend(more);
            None
        }
    };
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    let mut text = String::new();
    if !problems.is_empty() {
        text = source.report(&problems, around.colour) + "\n";
    }
    let served = built.filter(|_| !failed);
    if let Some(built) = &served {
        let gap = if text.is_empty() { "" } else { "\n" };
        let summary = summary(path, site, built, &programs);
        // Writing to a string cannot fail.
        write!(text, "{gap}{summary}").unwrap_or_default();
    }
    Verdict { good: served.is_some(), text }
}

fn summary(path: &Path, site: &Site, built: &Built, programs: &Found) -> String {
    let mut lines = vec![format!("{} is good; this host would serve", path.display())];
    lines.push("Networks".to_owned());
    for network in &built.view.networks {
        lines.extend(network_lines(network, built));
    }
    if built.view.networks.is_empty() {
        lines.push("  none yet: it would wait for one".to_owned());
    }
    if !site.classes.is_empty() {
        let names: Vec<&str> = site.classes.iter().map(|class| class.name.as_str()).collect();
        lines.push(format!("Classes\n  {}", names.join(", ")));
    }
    lines.push("Profiles".to_owned());
    if site.profiles.is_empty() {
        lines.push("  none: machines get nothing to boot".to_owned());
    }
    lines.extend(site.profiles.iter().map(profile_line));
    lines.push("Machines".to_owned());
    lines.push(machines_line(site));
    lines.push("Boot programs".to_owned());
    lines.extend(program_lines(site, programs));
    let files = Count(built.view.catalogue.len() as u64, "file");
    lines.push(format!(
        "Files\n  {files} by TFTP (port {}) and HTTP (port {})",
        site.tftp.port, site.http.port
    ));
    lines.join("\n")
}

fn network_lines(network: &Network, built: &Built) -> Vec<String> {
    let mode = match network.mode {
        DhcpMode::Server => "DHCP server",
        DhcpMode::Proxy => "ProxyDHCP beside another DHCP server",
        DhcpMode::BootServer => "PXE boot server beside a DHCP server on this host",
        DhcpMode::Off => "no DHCP",
    };
    let interface = built.view.interface(network.interface).map_or("", |known| &known.name);
    let relayed = if network.relays.is_empty() { "" } else { ", behind relay agents" };
    let subnet = format!("{}/{}", network.subnet.address, network.subnet.prefix_len);
    let mut lines =
        vec![format!("  {subnet} on {interface}{relayed}: {mode}, our address {}", network.server)];
    if network.mode == DhcpMode::BootServer {
        lines.push(format!(
            "    only port 4011 is ours: the DHCP server must send option 60 = \"PXEClient\" to PXE \
             clients and iPXE, next-server {}, and neither a boot file nor option 43",
            network.server
        ));
    }
    for pool in &network.pools {
        let terms = network.terms_of(pool);
        let lease = terms.map(|terms| terms.lease).unwrap_or_default().or(network.lease);
        let lease = match lease.grant(None) {
            LEASE_INFINITE => "ever".to_owned(),
            lease => duration::compact(lease),
        };
        let class = terms.and_then(|terms| built.view.classes.find(terms.class?));
        let class = class.map_or(String::new(), |class| format!(", for {}", class.name));
        let size = pool.size();
        let addresses = if size == 1 { "address" } else { "addresses" };
        lines.push(format!(
            "    {} - {}: {size} {addresses} for {lease}{class}",
            pool.first, pool.last
        ));
    }
    lines
}

fn profile_line(profile: &SiteProfile) -> String {
    let own = match profile.loader {
        Loader::Ipxe => &profile.ipxe,
        Loader::Pxelinux => &profile.pxelinux,
        Loader::Grub => &profile.grub,
    };
    let what = match (own, &profile.kernel) {
        (Some(own), _) => own.path.as_ref().map_or("a script of its own".to_owned(), |path| {
            format!("the script {}", path.display())
        }),
        (None, Some(kernel)) => {
            let files: Vec<&str> =
                [kernel].into_iter().chain(&profile.initrd).map(String::as_str).collect();
            files.join(" + ")
        }
        (None, None) => "nothing".to_owned(),
    };
    format!("  {}: {} loads {what}, {}", profile.name, name(profile.loader), rule(&profile.rule))
}

fn rule(rule: &MatchRule) -> String {
    let mut parts: Vec<String> = Vec::new();
    for arch in &rule.archs {
        let label = arch::label(*arch);
        if !parts.contains(&label) {
            parts.push(label);
        }
    }
    if !parts.is_empty() {
        parts = vec![parts.join(" or ")];
    }
    let texts = [("product", &rule.product), ("manufacturer", &rule.manufacturer)];
    for (name, pattern) in texts {
        parts.extend(pattern.as_ref().map(|pattern| format!("{name} {pattern}")));
    }
    if let Some(octets) = &rule.mac_prefix {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        parts.push(format!("MAC address {}…", octets.join(":")));
    }
    if parts.is_empty() { "for all".to_owned() } else { format!("for {}", parts.join(", ")) }
}

fn machines_line(site: &Site) -> String {
    let known = site.machines.len() as u64;
    if known == 0 {
        return "  none known by name: all are treated alike".to_owned();
    }
    let addresses = site.machines.iter().filter(|machine| !machine.addresses.is_empty()).count();
    let profiles = site.machines.iter().filter(|machine| machine.profile.is_some()).count();
    format!(
        "  {} known: {addresses} with an address, {profiles} with a profile of their own",
        Count(known, "machine")
    )
}

/// What was found; and what was not, of the loaders that the site uses.
fn program_lines(site: &Site, programs: &Found) -> Vec<String> {
    let mut lines: Vec<String> = programs
        .chosen
        .iter()
        .map(|chosen| {
            let Chosen { loader, arch, path } = chosen;
            format!("  {} for {arch}: {}", name(*loader), path.display())
        })
        .collect();
    let used = |loader| {
        loader == Loader::Ipxe || site.profiles.iter().any(|profile| profile.loader == loader)
    };
    let mut missing: Vec<(Loader, &str, Vec<&str>)> = Vec::new();
    for Missing { loader, arch, remedy } in programs.missing.iter().copied() {
        match missing.iter_mut().find(|known| (known.0, known.1) == (loader, remedy)) {
            Some((_, _, archs)) => archs.push(arch),
            None if used(loader) => missing.push((loader, remedy, vec![arch])),
            None => {}
        }
    }
    lines.extend(missing.into_iter().map(|(loader, remedy, archs)| {
        format!("  no {} for {} ({remedy})", name(loader), archs.join(", "))
    }));
    lines
}

const fn name(loader: Loader) -> &'static str {
    match loader {
        Loader::Ipxe => "iPXE",
        Loader::Pxelinux => "PXELINUX",
        Loader::Grub => "GRUB",
    }
}

#[cfg(test)]
mod tests;

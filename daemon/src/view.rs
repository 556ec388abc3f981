//! From what is meant and what there is to what the engines see: the view, checked completely.
//!
//! Nothing is served before this says yes. It finds out what was left out (the interface, the
//! subnet, our own address) where there is one choice and says what it chose; it collects all
//! problems before it gives up.

mod classes;
mod files;
mod firmware;
mod machines;
mod networks;
mod options;
mod profiles;

pub(crate) use machines::check_name;

use reveille_core::document::{Document, DocumentKind, RenderError};
use reveille_core::identity::{ClientIdentity, Fact};
use reveille_core::limits::DOCUMENT_BYTES;
use reveille_core::mac::MacAddr;
use reveille_core::rate::{ByteRate, Rates};
use reveille_core::view::{Catalogue, Loader, Network, Ports, ProfileId, TftpPolicy, View};
use reveille_core::wire::pxe::{ArchType, Uuid};
use std::net::Ipv4Addr;

pub(crate) use firmware::quirks;

use crate::config::rate;
use crate::host::Host;
use crate::problem::{Place, Problem, Severity};
use crate::programs::Found;
use crate::site::Site;

/// A view, and what else its user wants to know.
#[derive(Debug)]
pub struct Built {
    /// For the engines.
    pub view: View,
    /// The kernel's index of each of the view's interfaces, in the same order.
    pub ifindexes: Vec<u32>,
    /// What was chosen where nothing was said, one sentence each.
    pub notes: Vec<String>,
    /// What is served although it is probably not meant so, and networks that are not served yet.
    pub warnings: Vec<Problem>,
}

/// Where a site is to be served.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The host as it is now.
    pub host: &'a Host,
    /// What was served last: its interfaces keep their ids, and where a network could be served
    /// in several places, it stays where it is.
    pub before: Option<&'a View>,
    /// What becomes of networks that have no place on this host.
    pub absent: Absent,
}

/// What to do about a network whose interface or address this host does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is an error.
    Refuse,
    /// It is not served yet, and a warning says so.
    Await,
}

/// Builds the view of `site` under these circumstances.
///
/// `catalogue` has all files that can be served, those of `programs` among them. `seed` makes
/// the order of the view's tables unguessable.
///
/// # Errors
/// All problems, warnings included, in the order of the site.
pub fn build(
    site: &Site,
    circumstances: Circumstances<'_>,
    catalogue: Catalogue,
    programs: &Found,
    seed: u64,
) -> Result<Built, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    check_servers(site, &mut problems);
    let classes = classes::compile(site, &mut problems);
    let networks = networks::resolve(site, circumstances, &classes, &mut notes, &mut problems);
    options::check(site, &mut problems);
    let profiles = profiles::compile(site, &catalogue, programs, &mut problems);
    let machines = machines::collect(site, &networks, seed, &mut problems);
    let view = View {
        interfaces: networks.interfaces,
        networks: networks.networks.into(),
        classes: classes.classes,
        options: site.options.iter().cloned().collect(),
        machines,
        profiles,
        programs: programs.programs.clone(),
        quirks: quirks(site, &mut problems),
        menu: firmware::menu(site, &mut problems),
        catalogue,
        ports: Ports { tftp: site.tftp.port, http: site.http.port },
        tftp: TftpPolicy {
            block_bytes_max: site.tftp.block_bytes_max,
            window_blocks_max: site.tftp.window_blocks_max,
            rates: shard_rates(site, site.tftp.rates),
        },
        http: shard_rates(site, site.http.rates),
    };
    if !has_errors(&problems) {
        check_documents(site, &view, &mut problems);
    }
    if has_errors(&problems) {
        return Err(problems);
    }
    Ok(Built { view, ifindexes: networks.ifindexes, notes, warnings: problems })
}

/// The networks of `site` on `host`, without all that is served in them.
///
/// # Errors
/// All problems of the networks.
pub fn networks(site: &Site, host: &Host) -> Result<Vec<Network>, Vec<Problem>> {
    let mut problems = Vec::new();
    let circumstances = Circumstances { host, before: None, absent: Absent::Refuse };
    let classes = classes::compile(site, &mut problems);
    let notes = &mut Vec::new();
    let resolved = networks::resolve(site, circumstances, &classes, notes, &mut problems);
    if has_errors(&problems) { Err(problems) } else { Ok(resolved.networks) }
}

fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// What one event loop may send: each has its part of the total.
fn shard_rates(site: &Site, rates: Rates) -> Rates {
    let shards = u64::try_from(site.shard_count().get()).unwrap_or(u64::MAX);
    let share = |total: ByteRate| ByteRate::new((total.bytes_per_second() / shards).max(1));
    Rates { total: rates.total.and_then(share), client: rates.client }
}

fn check_rates(server: &str, site: &Site, rates: Rates, problems: &mut Vec<Problem>) {
    let slowest = rate::SLOWEST_BITS / 8;
    if let Some(share) = shard_rates(site, rates).total
        && share.bytes_per_second() < slowest
    {
        let shards = site.shard_count();
        let place = Place::top().key(server).key("rate");
        let what = format!("each of {shards} event loops would send less than 64 kbit/s");
        let help = format!("{} kbit/s or more, or fewer `shards`", 64 * shards.get());
        problems.push(Problem::error(place, what).help(help));
    }
    let (Some(total), Some(client)) = (rates.total, rates.client) else { return };
    if client > total {
        let place = Place::top().key(server).key("rate_per_client");
        let what = "one client may have more than all of them together";
        let help = "`rate` bounds what is sent to all, `rate_per_client` what each of them gets";
        problems.push(Problem::warning(place, what).help(help));
    }
}

fn check_servers(site: &Site, problems: &mut Vec<Problem>) {
    let tftp = Place::top().key("tftp");
    let port = tftp.key("port");
    match site.tftp.port {
        0 => problems.push(Problem::error(port, "TFTP needs a port").help("firmware asks port 69")),
        69 => {}
        other => problems.push(
            Problem::warning(port, format!("firmware asks TFTP port 69 and never {other}"))
                .help("any other port is of use only behind a redirection"),
        ),
    }
    if !(8..=65464).contains(&site.tftp.block_bytes_max) {
        let what = "TFTP blocks have from 8 to 65464 bytes (RFC 2348)";
        let help = "1468 fills an Ethernet frame; a cautious value for old firmware is 1024";
        problems.push(Problem::error(tftp.key("block_size_max"), what).help(help));
    }
    if site.tftp.window_blocks_max == 0 {
        let what = "a TFTP window has at least one block (RFC 7440)";
        let help = "1 switches windows off: every block is waited for";
        problems.push(Problem::error(tftp.key("window_size_max"), what).help(help));
    }
    if site.http.port == 0 {
        let place = Place::top().key("http").key("port");
        problems.push(Problem::error(place, "HTTP needs a port").help("firmware expects port 80"));
    }
    check_rates("tftp", site, site.tftp.rates, problems);
    check_rates("http", site, site.http.rates, problems);
    if site.shards == Some(0) {
        let place = Place::top().key("shards");
        let help = "leave it out for one event loop on each processor";
        problems.push(Problem::error(place, "at least one event loop must run").help(help));
    }
}

/// Renders what machines will get, to find what does not fit before a machine does.
fn check_documents(site: &Site, view: &View, problems: &mut Vec<Problem>) {
    for (at, profile) in view.profiles.iter().enumerate() {
        let (Ok(id), Some(meant)) = (u16::try_from(at), site.profiles.get(at)) else { continue };
        let kind = match profile.loader {
            Loader::Ipxe => DocumentKind::Ipxe(ProfileId(id)),
            Loader::Pxelinux => DocumentKind::Pxelinux(ProfileId(id)),
            Loader::Grub => DocumentKind::Grub(ProfileId(id)),
        };
        let own = site
            .machines
            .iter()
            .filter(|machine| machine.profile.as_ref().is_none_or(|name| *name == meant.name));
        let stranger = wordy_client(None);
        let clients = own.map(|machine| {
            let serial = machine.serial.as_ref().map(|text| Fact::sanitised(text.as_bytes()));
            ClientIdentity {
                mac: machine.macs.first().copied().or(stranger.mac),
                uuid: machine.uuid.or(stranger.uuid),
                serial: serial.or(stranger.serial),
                ..stranger
            }
        });
        let fits = [stranger].into_iter().chain(clients).all(|client| {
            let address = Some(Ipv4Addr::BROADCAST);
            let document = Document { kind, client, address, server: Ipv4Addr::BROADCAST };
            document.render(view, &mut [0; DOCUMENT_BYTES]) != Err(RenderError::TooLong)
        });
        if !fits {
            let place = profiles::document_place(at, meant);
            let what = format!(
                "the {} of this profile has more than {DOCUMENT_BYTES} bytes for some machines",
                profiles::document_name(profile.loader)
            );
            problems.push(Problem::error(place, what).help("shorten it, or its variables"));
        }
    }
}

/// A machine that tells as many bytes as a machine can.
fn wordy_client(serial: Option<Fact>) -> ClientIdentity {
    let fact = Fact::sanitised(&[b'x'; 64]);
    ClientIdentity {
        mac: Some(MacAddr([0xfe; 6])),
        uuid: Some(Uuid([0xff; 16])),
        serial: serial.or(Some(fact)),
        product: Some(fact),
        manufacturer: Some(fact),
        arch: Some(ArchType(u16::MAX)),
        ..ClientIdentity::default()
    }
}

#[cfg(test)]
mod tests;

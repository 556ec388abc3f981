//! `reveille leases`: who has which address, as the store knows it.
//!
//! A running server is asked by its control socket, page by page; without one the store is opened
//! here, under the same lock.

pub mod csv;
pub mod filter;
pub mod import;
mod output;
mod source;
mod take;

use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, bail};
use reveille_core::binding::ClientId;
use reveille_core::dhcp4::ClientKey;
use serde::{Deserialize, Serialize};

pub(crate) use self::source::{Client, Source, opening, page};
use crate::args::{ImportArgs, LeasesArgs, LeasesCommand, StateArgs};
use crate::config;
use crate::control::message::{Answer, Request};
use crate::problem::Problem;
use crate::serve::{Explained, Refused};
use crate::site::Site;
use crate::store::record::{Record, RecordState};
use crate::store::wall::Wall;
use crate::store::{Row, disk};
use crate::terminal::Terminal;
use crate::units::Count;

/// Rows that are handed over at a time.
pub(crate) const PAGE: usize = 500;

/// A lease in the form of listings and exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The address.
    pub address: Option<Ipv4Addr>,
    /// Its network, `10.0.0.0/16`.
    pub network: String,
    /// The Ethernet address of the client; empty if it has none or the address is nobody's.
    pub mac: String,
    /// Option 61 in hexadecimal; empty if there was none.
    pub client_id: String,
    /// The machine's name, or nothing.
    pub hostname: String,
    /// What holds it.
    pub state: State,
    /// When the lease began or was renewed last, in seconds since 1970.
    pub since: Option<u64>,
    /// When it ends or ended, in seconds since 1970; none if it is never.
    pub until: Option<u64>,
}

/// What holds an address at the moment of the listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Lent
    #[default]
    Bound,
    /// Was lent once; its last client gets it again if nobody else needs it
    Expired,
    /// Given back
    Released,
    /// In use by somebody whom we did not give it
    Declined,
    /// Its record cannot be read; it is given to nobody
    Damaged,
}

impl State {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Declined => "declined",
            Self::Damaged => "damaged",
        }
    }

    /// Whether anybody may be given the address.
    pub const fn is_free(self) -> bool {
        match self {
            Self::Expired | Self::Released => true,
            Self::Bound | Self::Declined | Self::Damaged => false,
        }
    }
}

impl Listed {
    /// What is listed of `row` at `now`.
    pub fn of(row: &Row, now: Wall) -> Self {
        match &row.record {
            Ok(record) => Self::of_record(record, now),
            Err(_) => Self { address: Some(row.address), state: State::Damaged, ..Self::default() },
        }
    }

    pub(crate) fn of_record(record: &Record, now: Wall) -> Self {
        let seconds = |wall: Wall| (wall != Wall::NEVER).then(|| wall.as_seconds());
        let (state, since, until) = match record.state {
            RecordState::Bound { since, until } => {
                let state = if until > now { State::Bound } else { State::Expired };
                (state, seconds(since), seconds(until))
            }
            RecordState::Released { at } => (State::Released, None, seconds(at)),
            RecordState::Declined { until } if until > now => {
                (State::Declined, None, seconds(until))
            }
            RecordState::Declined { until } => (State::Expired, None, seconds(until)),
        };
        let mac = match record.client {
            Some(ClientKey::Mac(mac)) => mac.to_string(),
            Some(ClientKey::Other(_)) | None => String::new(),
        };
        Self {
            address: Some(record.address),
            network: format!("{}/{}", record.subnet.address, record.subnet.prefix_len),
            mac,
            client_id: hex(record.client_id),
            hostname: record.hostname.to_string(),
            state,
            since,
            until,
        }
    }
}

fn hex(id: ClientId) -> String {
    let bytes: Vec<String> = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// Does what `args` say.
///
/// # Errors
/// What kept it from being done, in the words of an operator.
pub fn run(args: &LeasesArgs, terminal: &Terminal) -> anyhow::Result<()> {
    match &args.command {
        None => list(args, terminal),
        Some(LeasesCommand::Release { address }) => release(&args.place, *address, terminal),
        Some(LeasesCommand::Import(import)) => self::import(&args.place, import, terminal),
        Some(LeasesCommand::Repair) => repair(&args.place, terminal),
    }
}

fn list(args: &LeasesArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let (site, _) = site(&args.place, terminal)?;
    let mut source = Source::open(args.place.directory(&site))?;
    let mut writer = output::Writer::new(args.format, io::BufWriter::new(io::stdout().lock()));
    let mut next = Some(Ipv4Addr::UNSPECIFIED);
    // Ends: every page begins behind the one before.
    while let Some(from) = next {
        let page = source.page(from, &args.filter)?;
        next = page.next;
        match writer.write(&page.leases, Wall::now()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write the list")?,
        }
    }
    match writer.finish() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        finished => finished.context("cannot write the list"),
    }
}

fn release(place: &StateArgs, address: Ipv4Addr, terminal: &Terminal) -> anyhow::Result<()> {
    let (site, _) = site(place, terminal)?;
    let mut source = Source::open(place.directory(&site))?;
    match source.ask(&Request::Release { address })? {
        Answer::Done { note } => terminal.line(&note),
        Answer::Error { what, help } => return Err(Explained { what, help }.into()),
        other @ (Answer::Status(_) | Answer::Leases(_)) => {
            bail!("the server answered {other:?}")
        }
    }
    Ok(())
}

fn import(place: &StateArgs, args: &ImportArgs, terminal: &Terminal) -> anyhow::Result<()> {
    // Read first: afterwards this process may be somebody who cannot.
    let mut readings = Vec::new();
    for file in &args.files {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        readings.push((file, import::read(args.from, &String::from_utf8_lossy(&bytes))));
    }
    let (site, networks) = site(place, terminal)?;
    let networks = networks?;
    for (file, reading) in readings {
        let name = file.display().to_string();
        let directory = place.directory(&site);
        let report = take::take(directory, &networks, &reading, args.dry_run)
            .with_context(|| format!("cannot take over the leases of {name}"))?;
        terminal.line(report.text(&name, args.dry_run).trim_end());
    }
    Ok(())
}

fn repair(place: &StateArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let (site, _) = site(place, terminal)?;
    let directory = place.directory(&site);
    let state = source::hold(directory)?;
    let repaired = disk::repair(state.path()).map_err(|error| Explained {
        what: format!("cannot repair the store in {}: {error}", directory.display()),
        help: error.help().map(str::to_owned),
    })?;
    let records = Count(repaired.records as u64, "lease");
    terminal.line(&format!(
        "{records} found and taken into a new store; the damaged one is {}",
        repaired.kept.display()
    ));
    if repaired.unreadable > 0 {
        let files = Count(repaired.unreadable as u64, "file");
        terminal.line(&format!("{files} could not be read"));
    }
    Ok(())
}

/// The site and its networks, if they can be told on this host.
type Networks = anyhow::Result<Vec<reveille_core::view::Network>>;

/// What the configuration says; all is default without one that was asked for.
fn site(place: &StateArgs, terminal: &Terminal) -> anyhow::Result<(Site, Networks)> {
    let is_default = place.config == std::path::Path::new(crate::args::CONFIG_DEFAULT);
    if is_default && !place.config.exists() {
        let missing = Explained {
            what: format!("there is no file {}", place.config.display()),
            help: Some("name the configuration with --config FILE".to_owned()),
        };
        return Ok((Site::default(), Err(missing.into())));
    }
    let loaded = config::load(&place.config)
        .map_err(|failure| Refused::report(failure.report(terminal.traits().colour_err)))?;
    let config::Configuration { site, source } = loaded;
    let networks = crate::host::Host::read()
        .context("cannot list the interfaces of this host")
        .and_then(|host| {
            crate::view::networks(&site, &host).map_err(|problems: Vec<Problem>| {
                Refused::new(&problems, Some(&source), terminal).into()
            })
        });
    Ok((site, networks))
}

#[cfg(test)]
mod tests;

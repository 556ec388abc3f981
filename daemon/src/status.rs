//! `reveille status`: whether the server runs, whether it keeps leases, and how full its pools are.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use reveille_core::view::{DhcpMode, View};
use serde::{Deserialize, Serialize};

use crate::args::StatusArgs;
use crate::config;
use crate::control::message::{Answer, Request};
use crate::leases::{Client, Listed, State};
use crate::serve::{Explained, Refused};
use crate::site::Site;
use crate::store::StoreError;
use crate::store::disk::Reader;
use crate::store::health::Snapshot;
use crate::store::load::following;
use crate::store::wall::Wall;
use crate::terminal::Terminal;
use crate::units::{Count, Span};

/// A pool that is this full is told, in percent: machines that start together take the rest.
const FULL_PERCENT: u64 = 80;

/// Rows counted at a time.
const PAGE: usize = 4096;

/// How a server fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it was started, in seconds since 1970.
    pub since: u64,
    /// Event loops.
    pub shards: usize,
    /// Its store; nothing where leases live in memory.
    pub store: Option<StoreStatus>,
    /// Networks in which it gives addresses; without the counts where leases live in memory.
    pub networks: Vec<NetworkUse>,
}

/// How the store fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Whether leases are kept.
    pub ok: bool,
    /// Since when they are not, in seconds since 1970.
    pub failing_since: Option<u64>,
    /// Why.
    pub why: Option<String>,
    /// What can be done.
    pub help: Option<String>,
    /// Commits since the start, each with one sync.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Records in the largest one.
    pub records_per_sync_max: u64,
    /// When the last one was on the disk, in seconds since 1970.
    pub last_commit: Option<u64>,
    /// How long it took, in microseconds.
    pub last_sync_us: u64,
    /// How long the slowest took, in microseconds.
    pub slowest_sync_us: u64,
    /// How long one has been running, in microseconds.
    pub running_sync_us: Option<u64>,
}

/// How many addresses of a network are lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkUse {
    /// `10.0.0.0/16`
    pub network: String,
    /// Addresses in its pools.
    pub pool: u64,
    /// Leases that run, those outside the pools included.
    pub bound: Option<u64>,
    /// Addresses in its pools that nobody can be given now.
    pub held: Option<u64>,
}

impl NetworkUse {
    /// How full the pools are.
    pub fn percent(&self) -> Option<u64> {
        (self.held? * 100).checked_div(self.pool)
    }
}

impl StoreStatus {
    /// The same in numbers that can be sent.
    pub fn of(health: &Snapshot) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let failing = health.failing.as_ref();
        Self {
            ok: failing.is_none(),
            failing_since: failing.map(|failure| failure.since.as_seconds()),
            why: failing.map(|failure| failure.why.clone()),
            help: failing.and_then(|failure| failure.help.map(str::to_owned)),
            commits: health.commits,
            records: health.records,
            records_per_sync_max: health.largest_group,
            last_commit: health.last_commit.map(Wall::as_seconds),
            last_sync_us: micros(health.last_took),
            slowest_sync_us: micros(health.slowest_took),
            running_sync_us: health.waiting.map(micros),
        }
    }
}

/// The networks of a view in which addresses are given, uncounted.
pub(crate) fn networks(view: &View) -> Vec<NetworkUse> {
    let served = view.networks.iter().filter(|network| network.mode == DhcpMode::Server);
    served
        .map(|network| NetworkUse {
            network: format!("{}/{}", network.subnet.address, network.subnet.prefix_len),
            pool: network.pools.iter().map(|pool| pool.size()).sum(),
            bound: None,
            held: None,
        })
        .collect()
}

/// Counts the leases of each network. Blocks: a million takes half a second.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn count(
    uses: &mut [NetworkUse],
    view: &View,
    reader: &Reader,
    now: Wall,
) -> Result<(), StoreError> {
    let served: Vec<_> =
        view.networks.iter().filter(|network| network.mode == DhcpMode::Server).collect();
    let mut counts = vec![(0, 0); served.len()];
    let mut next = Some(Ipv4Addr::UNSPECIFIED);
    // Ends: every page begins behind the one before.
    while let Some(from) = next {
        let rows = reader.page(from, PAGE)?;
        next = following(&rows, PAGE);
        for row in &rows {
            let state = Listed::of(row, now).state;
            let network = served.iter().position(|network| network.subnet.contains(row.address));
            let Some(at) = network.filter(|_| !state.is_free()) else { continue };
            let in_pool =
                |pool: &reveille_core::view::Pool| (pool.first..=pool.last).contains(&row.address);
            counts[at].0 += u64::from(state == State::Bound);
            counts[at].1 += u64::from(served[at].pools.iter().any(in_pool));
        }
    }
    for (network, (bound, held)) in uses.iter_mut().zip(counts) {
        (network.bound, network.held) = (Some(bound), Some(held));
    }
    Ok(())
}

/// Nothing runs.
const NOT_RUNNING: u8 = 1;

/// It runs and cannot keep leases.
const STORE_FAILS: u8 = 2;

/// Says how the server of a state directory fares; the exit status says it in short.
///
/// # Errors
/// If the configuration cannot be read, or the server not be asked.
pub fn run(args: &StatusArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let site = site(args, terminal)?;
    let directory = args.place.directory(&site);
    let Some(status) = ask(directory)? else {
        if args.json {
            terminal.line(r#"{"running":false}"#);
        } else {
            terminal.line(&format!("no server uses {}", directory.display()));
        }
        return Ok(ExitCode::from(NOT_RUNNING));
    };
    if args.json {
        let mut value = serde_json::to_value(&status)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("running".to_owned(), true.into());
        }
        terminal.line(&serde_json::to_string_pretty(&value)?);
    } else {
        terminal.line(text(&status, Wall::now()).trim_end());
    }
    let fails = status.store.as_ref().is_some_and(|store| !store.ok);
    Ok(if fails { ExitCode::from(STORE_FAILS) } else { ExitCode::SUCCESS })
}

fn site(args: &StatusArgs, terminal: &Terminal) -> anyhow::Result<Site> {
    let config = &args.place.config;
    if args.place.state_dir.is_some() {
        return Ok(Site::default());
    }
    if config == Path::new(crate::args::CONFIG_DEFAULT) && !config.exists() {
        return Ok(Site::default());
    }
    let loaded = config::load(config)
        .map_err(|failure| Refused::report(failure.report(terminal.traits().colour_err)))?;
    Ok(loaded.site)
}

fn ask(directory: &Path) -> anyhow::Result<Option<Status>> {
    let Some(mut client) = Client::connect(directory)? else { return Ok(None) };
    match client.ask(&Request::Status)? {
        Answer::Status(status) => Ok(Some(*status)),
        Answer::Error { what, help } => Err(Explained { what, help }.into()),
        other @ (Answer::Leases(_) | Answer::Done { .. }) => {
            bail!("the server answered {other:?}")
        }
    }
}

/// For people.
fn text(status: &Status, now: Wall) -> String {
    let mut text = String::new();
    let ago = |seconds: u64| Span(now.saturating_since(Wall::from_seconds(seconds)));
    let Status { version, pid, since, shards, store, networks } = status;
    let _infallible = writeln!(
        text,
        "reveille {version} runs since {} ({}), process {pid}, {}",
        Wall::from_seconds(*since),
        ago(*since),
        Count(*shards as u64, "event loop")
    );
    match store {
        None => text.push_str("leases: in memory, they end with the server\n"),
        Some(store) => store_text(&mut text, store, now),
    }
    for network in networks {
        let NetworkUse { network: name, pool, bound, .. } = network;
        let _infallible = match (bound, network.percent()) {
            (Some(bound), Some(percent)) => {
                let full = if percent >= FULL_PERCENT { "  warning: nearly used up" } else { "" };
                let leases = Count(*bound, "lease");
                writeln!(text, "{name}: {leases}, {percent} % of {pool} addresses in use{full}")
            }
            (Some(bound), None) => writeln!(text, "{name}: {}, no pool", Count(*bound, "lease")),
            (None, _) => writeln!(text, "{name}: {pool} addresses"),
        };
    }
    text
}

fn store_text(text: &mut String, store: &StoreStatus, now: Wall) {
    let micros = |micros: u64| Span(Duration::from_micros(micros));
    match (&store.why, store.failing_since) {
        (Some(why), since) => {
            let since = since.map_or(now, Wall::from_seconds);
            let _infallible = writeln!(
                text,
                "leases: CANNOT BE KEPT since {since} ({}): {why}",
                Span(now.saturating_since(since))
            );
            if let Some(help) = &store.help {
                let _infallible = writeln!(text, "  help: {help}");
            }
        }
        (None, _) => text.push_str("leases: kept on disk before they are confirmed\n"),
    }
    if store.commits > 0 {
        let _infallible = writeln!(
            text,
            "  {} with {}, {:.1} a sync, {} at most",
            Count(store.commits, "sync"),
            Count(store.records, "record"),
            store.records as f64 / store.commits as f64,
            store.records_per_sync_max
        );
        let last = store.last_commit.map_or(now, Wall::from_seconds);
        let _infallible = writeln!(
            text,
            "  last sync {} ago, took {}; the slowest {}",
            Span(now.saturating_since(last)),
            micros(store.last_sync_us),
            micros(store.slowest_sync_us)
        );
    }
    if let Some(running) = store.running_sync_us.filter(|micros| *micros > 1_000_000) {
        let _infallible = writeln!(text, "  a sync has been running for {}", micros(running));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            since: 1_764_100_000,
            shards: 2,
            store: Some(StoreStatus {
                ok: true,
                failing_since: None,
                why: None,
                help: None,
                commits: 4,
                records: 10,
                records_per_sync_max: 6,
                last_commit: Some(1_764_101_690),
                last_sync_us: 900,
                slowest_sync_us: 12_000,
                running_sync_us: None,
            }),
            networks: vec![NetworkUse {
                network: "10.0.0.0/24".to_owned(),
                pool: 100,
                bound: Some(81),
                held: Some(82),
            }],
        }
    }

    #[test]
    fn people_see_what_matters() {
        let now = Wall::from_seconds(1_764_101_700);
        insta::assert_snapshot!(text(&status(), now), @r"
        reveille 0.1.0 runs since 2025-11-25T19:46:40Z (28 min 20 s), process 7, 2 event loops
        leases: kept on disk before they are confirmed
          4 syncs with 10 records, 2.5 a sync, 6 at most
          last sync 10.00 s ago, took 900 µs; the slowest 12 ms
        10.0.0.0/24: 81 leases, 82 % of 100 addresses in use  warning: nearly used up
        ");
        let mut failing = status();
        let store = failing.store.as_mut().expect("there is one");
        store.ok = false;
        store.failing_since = Some(1_764_101_580);
        store.why = Some("No space left on device".to_owned());
        store.help = Some("make room".to_owned());
        failing.networks[0].held = Some(10);
        insta::assert_snapshot!(text(&failing, now), @r"
        reveille 0.1.0 runs since 2025-11-25T19:46:40Z (28 min 20 s), process 7, 2 event loops
        leases: CANNOT BE KEPT since 2025-11-25T20:13:00Z (2 min 00 s): No space left on device
          help: make room
          4 syncs with 10 records, 2.5 a sync, 6 at most
          last sync 10.00 s ago, took 900 µs; the slowest 12 ms
        10.0.0.0/24: 81 leases, 10 % of 100 addresses in use
        ");
        let memory = Status { store: None, networks: Vec::new(), ..status() };
        insta::assert_snapshot!(text(&memory, now), @r"
        reveille 0.1.0 runs since 2025-11-25T19:46:40Z (28 min 20 s), process 7, 2 event loops
        leases: in memory, they end with the server
        ");
    }

    #[test]
    fn programs_get_everything() {
        let json = serde_json::to_string(&status()).expect("it is data");
        assert_eq!(serde_json::from_str::<Status>(&json).expect("the same"), status());
    }
}

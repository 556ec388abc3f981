//! From a site to a running server: prepare, open the ports, give away privileges, start.

mod keep;
mod open;
mod plan;
mod prepare;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

use anyhow::Context;
use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server};
use reveille_core::http::HttpServer;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_runtime::{
    BindError, BindReason, Bound, Endpoint, Engines, FeatureState, Helper, Holder, Opener, Server,
    ShardIndex, StartError,
};
use tracing::{debug, info, warn};

pub(crate) use self::keep::Shown;
pub(crate) use self::plan::{sockets, transfer_sockets};
pub(crate) use self::prepare::{Prepared, Stock};
use crate::boot;
use crate::config;
use crate::control::{self, Control};
use crate::host::LinkWatch;
use crate::privileges::{self, Dropped, User};
use crate::problem::{Problem, Severity};
use crate::site::Site;
use crate::terminal::{Style, Terminal};
use crate::view::Absent;

/// Where a site comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A command line: it stays as it is.
    CommandLine(Box<Site>),
    /// A file that can be read again.
    File(PathBuf),
}

impl Origin {
    /// What becomes of networks that are not there: who types a command wants to know at once,
    /// and a service may start before them.
    const fn absent(&self) -> Absent {
        match self {
            Self::CommandLine(_) => Absent::Refuse,
            Self::File(_) => Absent::Await,
        }
    }

    /// Problems in the words of whoever described the site.
    pub(crate) fn reword(&self, problems: Vec<Problem>) -> Vec<Problem> {
        match self {
            Self::CommandLine(_) => problems.into_iter().map(boot::reword).collect(),
            Self::File(_) => problems,
        }
    }
}

/// What to serve and how to show it.
#[derive(Debug)]
pub struct Options {
    /// Where the site comes from.
    pub origin: Origin,
    /// The site itself.
    pub site: Site,
    /// Its text, to show problems in.
    pub source: Option<config::Source>,
    /// The process's output.
    pub terminal: Terminal,
    /// How boots are told.
    pub style: Style,
    /// Whom to become once the ports are open.
    pub user: Option<User>,
    /// End once so many machines are up.
    pub exit_when_up: Option<u32>,
}

/// Serves until a signal, a failure, or until enough machines are up.
///
/// # Errors
/// What keeps the site from being served, or a failure of a shard.
pub fn run(options: Options) -> anyhow::Result<()> {
    let Options { origin, site, source, terminal, style, user, exit_when_up } = options;
    // Comes first: the helper keeps whatever is open when it starts.
    let opener = start_helper(&site, user.as_ref());
    // Before the host is looked at, so that no change is missed.
    let links = LinkWatch::new().context("cannot watch the interfaces of this host")?;
    let seed = random();
    let mut stock = Stock::new(seed, origin.absent());
    let prepare = |stock: &mut Stock| {
        stock
            .prepare(&site, |_| false)
            .map_err(|problems| Refused::new(&origin.reword(problems), source.as_ref(), &terminal))
    };
    let prepared = prepare(&mut stock)?;
    // Before the ports: a second server is told who keeps its leases there.
    let state = keep::take(&origin, &site, user.as_ref())?;
    let (prepared, mut bound) = open::open(prepared, &site, || prepare(&mut stock))?;
    for note in &prepared.notes {
        info!("{note}");
    }
    report(&origin.reword(prepared.warnings.clone()), source.as_ref());
    if prepared.setup.view.networks.is_empty() {
        warn!("no network can be served yet: waiting for one");
    }
    report_features(&bound);
    match privileges::drop(user.as_ref())? {
        Dropped::Became(user) => info!("now running as {user}"),
        Dropped::RootThatReads => debug!("gave up all capabilities but reading files"),
        Dropped::Nothing => {}
    }
    let kept = match &state {
        Some(state) if site.state.durable => Some((keep::Kept::open(state.path())?, state.path())),
        Some(_) | None => None,
    };
    let stored = kept.as_ref().map_or(0, |(kept, _)| kept.leases);
    let mut dhcp = Dhcp4Config {
        leases_max: plan::leases(&site, stored),
        seed: seed ^ DHCP_SEED,
        identifier_key: (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
        durable: false,
    };
    if let Some((kept, _)) = &kept {
        (dhcp.identifier_key, dhcp.durable) = (kept.key, true);
    }
    let mut dhcp = Dhcp4Server::new(dhcp);
    let (writer, store) = match kept {
        Some((kept, place)) => {
            kept.load(&mut dhcp, &prepared.setup.view)?;
            let port = bound.persist_port().context("cannot make a way to the store")?;
            let (writer, shown) = kept.start(port, place)?;
            (Some(writer), Some(shown))
        }
        None => (None, None),
    };
    let server = start(bound, &site, &prepared, seed, dhcp).context("cannot start")?;
    let ended = control::run(Control {
        server,
        opener,
        links,
        stock,
        plan: sockets(&site, &prepared),
        setup: prepared.setup.clone(),
        site,
        origin,
        sources: prepared.sources.clone(),
        warnings: prepared.warnings.clone(),
        roles: prepared.roles.clone(),
        terminal,
        style,
        exit_when_up,
        store,
        state: state.as_ref().map(|state| state.path().to_owned()),
    });
    // The shards have ended: it writes what they wanted last.
    if let Some(writer) = writer {
        writer.join();
    }
    ended
}

/// The one who opens sockets later: a helper where that takes privileges.
fn start_helper(site: &Site, user: Option<&User>) -> Opener {
    if !privileges::opens_sockets() {
        return Opener::Own;
    }
    match Helper::start(plan::low_ports(site), || privileges::confine(user)) {
        Ok(helper) => Opener::Helper(helper),
        Err(error) => {
            let help = "interfaces and addresses that come later take a restart";
            warn!(help, "there can be no process that opens sockets later: {error}");
            Opener::Own
        }
    }
}

/// Each engine draws its own numbers.
const DHCP_SEED: u64 = 1;

/// Starts the shards with their engines.
fn start(
    bound: Bound,
    site: &Site,
    prepared: &Prepared,
    seed: u64,
    dhcp: Dhcp4Server,
) -> Result<Server, StartError> {
    let transfer_sockets = transfer_sockets(site);
    let connections = reveille_core::limits::HTTP_CONNECTIONS_MAX;
    // The first shard's.
    let mut dhcp = Some(dhcp);
    bound.start(prepared.setup.clone(), |ShardIndex(shard)| {
        let seed = |engine: u64| seed ^ (shard as u64) << 8 ^ engine;
        Engines {
            dhcp: dhcp.take(),
            tftp: TftpServer::new(TftpConfig {
                transfer_sockets,
                seed: seed(2),
                ..TftpConfig::default()
            }),
            http: HttpServer::new(connections, seed(3)),
        }
    })
}

/// Warnings as messages, in the text that they are about where there is one.
pub fn report(problems: &[Problem], source: Option<&config::Source>) {
    for problem in problems {
        match (problem.severity, source) {
            (_, Some(source)) if !problem.place.steps.is_empty() => {
                let text = source.report(std::slice::from_ref(problem), false);
                warn!("{}", text.trim_end());
            }
            (Severity::Error, _) => tracing::error!(help = problem.help, "{}", problem.what),
            (Severity::Warning, _) => warn!(help = problem.help, "{}", problem.what),
        }
    }
}

fn report_features(bound: &Bound) {
    let features = bound.features();
    info!("reveille {} on Linux {}", env!("CARGO_PKG_VERSION"), features.kernel);
    for feature in features.iter() {
        match &feature.state {
            FeatureState::Used => debug!("uses {}", feature.name),
            FeatureState::Fallback { instead, hint } => {
                warn!(help = hint, "no {}: {instead}", feature.name);
            }
        }
    }
}

/// What can be done about a port that does not open. Clients decide most of the numbers.
pub(crate) fn advice(error: &BindError) -> Option<String> {
    let port = match &error.endpoint {
        Endpoint::Udp { local, .. } | Endpoint::Tcp { local } => Some(local.port()),
        Endpoint::Frames { .. } | Endpoint::Echo | Endpoint::Ring => None,
    };
    match (&error.reason, port) {
        (BindReason::InUse { holder }, Some(67 | 69 | 4011)) => {
            let holder = match holder {
                Some(Holder { name, pid }) => format!("stop {name} (process {pid})"),
                None => "see who has it with `ss -lunp`".to_owned(),
            };
            Some(format!("{holder}: firmware asks this port and no other"))
        }
        (BindReason::NoPermission { .. }, _) => Some(
            "start as root, or give the program its capabilities: \
             setcap cap_net_bind_service,cap_net_raw,cap_net_admin+ep reveille"
                .to_owned(),
        ),
        _ => error.hint(),
    }
}

/// A number that nobody can guess.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A site that cannot be served: the report that a person reads.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    /// All `problems`, in the text that they are about where there is one.
    pub fn new(problems: &[Problem], source: Option<&config::Source>, terminal: &Terminal) -> Self {
        Self::report(match source {
            Some(source) => source.report(problems, terminal.traits().colour_err),
            None => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        })
    }

    /// A report that was written already.
    pub fn report(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim_end().to_owned())
    }
}

/// A failure with advice.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Explained {
    /// What failed.
    pub what: String,
    /// What can be done about it.
    pub help: Option<String>,
}

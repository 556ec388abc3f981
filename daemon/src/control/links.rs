//! Interfaces and addresses that come, go and change while serving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_core::view::View;
use reveille_runtime::{Opener, SocketPlan};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::{debug, info, warn};

use super::Loop;
use crate::host::{Host, HostInterface, LinkWatch, Settle};
use crate::serve::{self, Prepared};
use crate::site::Site;

/// How long after a socket could not be opened it is tried again: whoever has its port may have
/// ended meanwhile.
const RETRY: Duration = Duration::from_secs(5);

/// What is served on which interfaces, and the notices that they are others.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) watch: AsyncFd<LinkWatch>,
    opener: Opener,
    settle: Settle,
    /// When sockets that could not be opened are tried again.
    retry_at: Option<Instant>,
    /// Those that could not be opened, as they were told.
    unopened: Vec<String>,
    /// What was found when the interfaces were looked at last.
    seen: Vec<HostInterface>,
    plan: SocketPlan,
    view: Arc<View>,
}

impl Links {
    pub(super) fn new(
        watch: LinkWatch,
        opener: Opener,
        plan: SocketPlan,
        view: Arc<View>,
    ) -> std::io::Result<Self> {
        #[expect(deprecated, reason = "what replaces it is unsafe; a watch keeps its descriptor")]
        let watch = AsyncFd::with_interest(watch, Interest::READABLE)?;
        Ok(Self {
            watch,
            opener,
            settle: Settle::default(),
            retry_at: None,
            unopened: Vec::new(),
            seen: Vec::new(),
            plan,
            view,
        })
    }

    /// Takes the kernel's notices.
    pub(super) fn note(&mut self) {
        if self.watch.get_ref().take() {
            self.settle.note(Instant::now());
        }
    }

    /// When the interfaces are to be looked at.
    pub(super) fn due(&self) -> Option<tokio::time::Instant> {
        let due = [self.settle.due(), self.retry_at].into_iter().flatten().min();
        due.map(tokio::time::Instant::from_std)
    }

    /// Whether sockets are missing.
    pub(super) const fn is_incomplete(&self) -> bool {
        !self.unopened.is_empty()
    }

    /// Whether the host has changed as far as `site` is concerned, or something is to be tried
    /// again.
    fn look(&mut self, site: &Site) -> bool {
        self.settle.reset();
        let again = self.retry_at.take_if(|at| *at <= Instant::now()).is_some();
        let host = match Host::read() {
            Ok(host) => host,
            Err(error) => {
                warn!("cannot list the interfaces of this host: {error}");
                self.retry_at = Some(Instant::now() + RETRY);
                return false;
            }
        };
        let named = |name: &str| {
            let mut networks = site.networks.iter();
            networks.any(|network| network.interface.as_deref() == Some(name))
                || self.view.interfaces.iter().any(|known| *known.name == *name)
        };
        let seen = host.concern(named);
        let is_other = seen != self.seen;
        self.seen = seen;
        is_other || again
    }
}

impl Loop {
    /// Interfaces have changed, and it is quiet again.
    pub(super) async fn on_links(&mut self) {
        if self.links.look(&self.site) {
            self.next.links = true;
            self.start_job().await;
        }
    }

    /// Whether `prepared` needs other sockets or sees other networks than are served.
    pub(super) fn is_elsewhere(&self, site: &Site, prepared: &Prepared) -> bool {
        serve::sockets(site, prepared) != self.links.plan
            || prepared.setup.view.interfaces != self.links.view.interfaces
            || lines(&prepared.setup.view) != lines(&self.links.view)
    }

    /// Serves what was prepared, with the sockets that it takes.
    pub(super) fn adopt(&mut self, site: &Site, prepared: Prepared) {
        let plan = serve::sockets(site, &prepared);
        let Prepared { setup, roles, .. } = prepared;
        if let Some(stock) = &mut self.stock {
            stock.note_served(&setup.view);
        }
        self.timelines.set_roles(roles);
        tell_difference(&self.links.view, &setup.view);
        self.links.view = Arc::clone(&setup.view);
        self.operator.set_view(Arc::clone(&setup.view));
        if plan == self.links.plan && !self.links.is_incomplete() {
            self.server.swap(setup);
            return;
        }
        let errors = self.server.switch(&plan, setup, &mut self.links.opener);
        self.links.plan = plan;
        self.links.retry_at = (!errors.is_empty()).then(|| Instant::now() + RETRY);
        let told = std::mem::take(&mut self.links.unopened);
        for error in errors {
            let what = error.to_string();
            if !told.contains(&what) {
                let help = serve::advice(&error);
                warn!(help, "{what}: it is tried again every {} seconds", RETRY.as_secs());
            }
            self.links.unopened.push(what);
        }
    }
}

/// One line for each network that is served.
fn lines(view: &View) -> Vec<String> {
    let line = |network: &reveille_core::view::Network| {
        let interface = view.interface(network.interface).map_or("", |known| &known.name);
        let subnet = network.subnet;
        let (address, prefix_len) = (subnet.address, subnet.prefix_len);
        format!("{address}/{prefix_len} on {interface}, our address {}", network.server)
    };
    view.networks.iter().map(line).collect()
}

fn tell_difference(before: &View, now: &View) {
    let (old, new) = (lines(before), lines(now));
    for line in old.iter().filter(|line| !new.contains(line)) {
        warn!("no longer served: {line}");
    }
    for line in new.iter().filter(|line| !old.contains(line)) {
        info!("served as of now: {line}");
    }
    if new.is_empty() && !old.is_empty() {
        warn!("no network can be served any more: waiting for one");
    }
    debug!("{} networks are served", new.len());
}

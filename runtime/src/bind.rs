//! Opening everything while the process still has its privileges.

use std::io;
use std::net::SocketAddrV4;

use reveille_core::engine::{Datagram, Engine, Packet, SocketId, StreamEvent};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::control::{Server, Setup, Siblings};
use crate::datagrams::Role;
use crate::error::{BindError, BindReason, Endpoint, StartError};
use crate::events::EventReceiver;
use crate::persist::{self, PersistLink, PersistPort};
use crate::probe::{self, FeatureState, Features};
use crate::ring::Ring;
use crate::shard::{Sizes, Start};
use crate::shards::{EngineKind, Engines, Links, ShardIndex, ShardThread};
use crate::socket::{self, Opener};
use crate::sockets::{Purpose, Sockets};

/// Probes the kernel and opens every socket of `config`. Privileges can be dropped after it.
///
/// Port 0 lets the kernel choose; [`Bound::tftp`] and the like say what it chose.
///
/// # Errors
/// What could not be opened, and why.
pub fn bind(config: Config) -> Result<Bound, BindError> {
    let ring_error = |reason| BindError { endpoint: Endpoint::Ring, reason };
    raise_descriptor_limit();
    let kernel = probe::kernel_release().map_err(ring_error)?;
    let shards = config.shards.get();
    let mut rings = Vec::with_capacity(shards);
    for _ in 0..shards {
        rings.push(Ring::new().map_err(|error| ring_error(probe::explain_ring_error(error)))?);
    }
    let mut features = Features::new(kernel);
    let nothing = Sockets::default();
    let (sockets, errors) = Sockets::open(&config.sockets, shards, &nothing, &mut Opener::Own);
    for error in errors {
        // There is another way than packet sockets.
        match (&error.endpoint, &error.reason) {
            (Endpoint::Frames { .. }, BindReason::NoPermission { .. }) => {
                features.link_unicast = false;
            }
            // Nobody is served less for it.
            (Endpoint::Echo, BindReason::NoPermission { .. }) => {}
            _ => return Err(error),
        }
    }
    let mut bound = Bound { config, features, rings, sockets, persist: None };
    bound.note_features();
    Ok(bound)
}

/// Open sockets that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    features: Features,
    rings: Vec<Ring>,
    sockets: Sockets,
    persist: Option<PersistLink>,
}

impl Bound {
    /// What the kernel can do.
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// Where the DHCP engine's sockets are bound.
    pub fn dhcp(&self) -> Vec<SocketAddrV4> {
        self.sockets.bound(is_dhcp).collect()
    }

    /// Where TFTP requests are taken.
    pub fn tftp(&self) -> Option<SocketAddrV4> {
        self.sockets.bound(is_tftp_listener).next()
    }

    /// Where stream connections are accepted.
    pub fn http(&self) -> Vec<SocketAddrV4> {
        self.sockets.bound(|purpose| purpose == Purpose::Streams).collect()
    }

    /// The way to a store. Without one, an engine must not want to persist anything.
    ///
    /// # Errors
    /// If descriptors cannot be had.
    pub fn persist_port(&mut self) -> io::Result<PersistPort> {
        let (link, port) = persist::pair()?;
        self.persist = Some(link);
        Ok(port)
    }

    /// Starts the shards, each with the engines that `engines` makes for it.
    ///
    /// # Errors
    /// If a thread, its ring or its buffers cannot be had; no thread runs then.
    pub fn start<D, T, S>(
        mut self,
        setup: Setup,
        mut engines: impl FnMut(ShardIndex) -> Engines<D, T, S>,
    ) -> Result<Server, StartError>
    where
        D: for<'i> Engine<Input<'i> = Packet<'i>> + Send + 'static,
        T: for<'i> Engine<Input<'i> = Datagram<'i>> + Send + 'static,
        S: for<'i> Engine<Input<'i> = StreamEvent<'i>> + Send + 'static,
    {
        let failed = |source| StartError { shard: 0, what: "the event queue", source };
        let events = EventReceiver::new(self.config.events).map_err(failed)?;
        let siblings = Siblings::default();
        let sizes =
            Sizes { send_slots: self.config.send_slots, connections: self.config.connections };
        let mut server = Server::new(events.clone(), setup.view.clone(), self.sockets);
        for (index, ring) in self.rings.into_iter().enumerate() {
            let engines = engines(ShardIndex(index));
            let sockets = server.sockets(index);
            let setup = setup.clone();
            let start = Start { index: ShardIndex(index), ring, sockets, setup, sizes };
            // Dropping the server on the way out stops the shards that run already.
            let siblings = siblings.clone();
            // DHCP is the first shard's.
            let links = Links { events: events.clone(), persist: self.persist.take(), siblings };
            server.add(ShardThread::start(start, engines, links)?);
        }
        Ok(server)
    }

    fn note_features(&mut self) {
        // Whoever may not open packet sockets, or has no Ethernet, does not ask for any.
        let plan = &self.config.sockets;
        let mut devices = plan.dhcp.iter().filter_map(|spec| spec.device);
        self.features.link_unicast &= devices.all(|id| plan.frames.contains(&id));
        let deferred = self.rings.iter().all(Ring::is_deferred);
        let state = if deferred {
            FeatureState::Used
        } else {
            FeatureState::Fallback {
                instead: "completions interrupt the loop".to_owned(),
                hint: "Linux 6.1 and later have it unless the system is an emulation".to_owned(),
            }
        };
        self.features.push("deferred completions (IORING_SETUP_DEFER_TASKRUN)", state);
        let state = if self.features.link_unicast {
            FeatureState::Used
        } else {
            FeatureState::Fallback {
                instead: "clients without an address are answered by broadcast".to_owned(),
                hint: "give the program CAP_NET_RAW; only Ethernet interfaces have them".to_owned(),
            }
        };
        self.features.push("packet sockets (AF_PACKET)", state);
        let wanted = self.config.sockets.receive_buffer_bytes;
        let is_listener = |purpose| is_dhcp(purpose) || is_tftp_listener(purpose);
        let listeners = self.sockets.iter().filter(|open| is_listener(open.purpose));
        let granted = listeners.map(|open| socket::receive_buffer_bytes(&open.socket)).min();
        let state = match granted {
            Some(granted) if granted < wanted => FeatureState::Fallback {
                instead: format!("{} KiB of requests can wait", granted / 1024),
                hint: format!("give the program CAP_NET_ADMIN or set net.core.rmem_max={wanted}"),
            },
            Some(_) | None => FeatureState::Used,
        };
        self.features.push("large receive buffers (SO_RCVBUFFORCE)", state);
    }
}

fn is_dhcp(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Packets(Role::Udp(EngineKind::Dhcp, _)))
}

fn is_tftp_listener(purpose: Purpose) -> bool {
    purpose == Purpose::Packets(Role::Udp(EngineKind::Tftp, SocketId(0)))
}

/// Each connection takes a descriptor, and the usual soft limit of 1,024 is for programs that
/// still use `select`.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _as_it_was = setrlimit(Resource::Nofile, limit);
}

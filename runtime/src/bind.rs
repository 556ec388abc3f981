//! Opening everything while the process still has its privileges.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use reveille_core::engine::{Datagram, Engine, InterfaceId, Packet, SocketId, StreamEvent};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::{Config, InterfaceSpec};
use crate::control::{Server, Setup, Siblings};
use crate::datagrams::{Interfaces, Receiver, Role};
use crate::error::{BindError, BindReason, Endpoint, StartError};
use crate::events::EventReceiver;
use crate::holder;
use crate::persist::{self, PersistLink, PersistPort};
use crate::probe::{self, FeatureState, Features};
use crate::ring::Ring;
use crate::shard::Sizes;
use crate::shards::{EngineKind, Engines, Links, ShardIndex, ShardThread};
use crate::socket::{self, UdpOptions};
use crate::streams::Listener;

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
    let mut bound = Bound {
        shards: Vec::with_capacity(config.shards.get()),
        dhcp: Vec::new(),
        tftp: config.tftp.as_ref().map(|tftp| tftp.listen),
        http: config.http.clone(),
        persist: None,
        features: Features::new(kernel),
        config,
    };
    for _ in 0..bound.config.shards.get() {
        let ring = Ring::new().map_err(|error| ring_error(probe::explain_ring_error(error)))?;
        bound.shards.push(ShardSockets { ring, receivers: Vec::new(), listeners: Vec::new() });
    }
    bound.claim_ports()?;
    bound.open_dhcp()?;
    bound.open_frames()?;
    for shard in 0..bound.shards.len() {
        bound.open_tftp(shard)?;
        bound.open_http(shard)?;
    }
    bound.note_features();
    Ok(bound)
}

/// Open sockets that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    features: Features,
    shards: Vec<ShardSockets>,
    dhcp: Vec<SocketAddrV4>,
    tftp: Option<SocketAddrV4>,
    http: Vec<SocketAddrV4>,
    persist: Option<PersistLink>,
}

/// What one shard is given.
#[derive(Debug)]
pub(crate) struct ShardSockets {
    pub(crate) ring: Ring,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) listeners: Vec<Listener>,
}

impl Bound {
    /// What the kernel can do.
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// Where the DHCP engine's sockets are bound.
    pub fn dhcp(&self) -> &[SocketAddrV4] {
        &self.dhcp
    }

    /// Where TFTP requests are taken.
    pub const fn tftp(&self) -> Option<SocketAddrV4> {
        self.tftp
    }

    /// Where stream connections are accepted.
    pub fn http(&self) -> &[SocketAddrV4] {
        &self.http
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
        let sizes = Sizes {
            send_slots: self.config.send_slots,
            connections: self.config.connections,
            interfaces: Interfaces::new(self.config.interfaces.iter().map(|spec| spec.index)),
        };
        let mut server = Server::new(events.clone(), setup.view.clone());
        for (index, sockets) in self.shards.into_iter().enumerate() {
            let index = ShardIndex(index);
            let engines = engines(index);
            let (setup, sizes) = (setup.clone(), sizes.clone());
            // Dropping the server on the way out stops the shards that run already.
            let siblings = siblings.clone();
            // DHCP is the first shard's.
            let links = Links { events: events.clone(), persist: self.persist.take(), siblings };
            let shard = ShardThread::start(index, sockets, engines, setup, links, sizes)?;
            server.add(shard);
        }
        Ok(server)
    }

    /// Makes sure that nobody else has our ports. Sockets that are shared between shards would
    /// otherwise be shared with a second server as well, without a word.
    fn claim_ports(&self) -> Result<(), BindError> {
        let mut claims = Vec::new();
        for spec in &self.config.dhcp {
            let device = spec.device.map(|id| self.device(id)).transpose()?;
            claims.push((spec.local, device.map(|device| device.name.as_str())));
        }
        claims.extend(self.config.tftp.as_ref().map(|tftp| (tftp.listen, None)));
        // All are held at the same time, so that two of our own that collide are found as well.
        let mut held = Vec::new();
        for (local, device) in claims {
            let endpoint = Endpoint::Udp { local, device: device.map(str::to_owned) };
            let options = UdpOptions {
                local,
                device,
                broadcast: false,
                shared: false,
                receive_buffer_bytes: 0,
            };
            held.push(socket::open_udp(options).map_err(|error| explain(endpoint, error))?);
        }
        for local in &self.config.http {
            let endpoint = Endpoint::Tcp { local: *local };
            let socket = socket::open_tcp(*local, false);
            held.push(socket.map_err(|error| explain(endpoint, error))?);
        }
        Ok(())
    }

    fn open_dhcp(&mut self) -> Result<(), BindError> {
        for (spec, id) in self.config.dhcp.iter().zip(0..) {
            let device = spec.device.map(|id| self.device(id)).transpose()?;
            let options = UdpOptions {
                local: spec.local,
                device: device.map(|device| device.name.as_str()),
                broadcast: spec.broadcast,
                shared: false,
                receive_buffer_bytes: self.config.receive_buffer_bytes,
            };
            let role = Role::Udp(EngineKind::Dhcp, SocketId(id));
            let receiver = open_receiver(options, role)?;
            self.dhcp.push(SocketAddrV4::new(*spec.local.ip(), receiver.port));
            self.shards[0].receivers.push(receiver);
        }
        Ok(())
    }

    /// Opens the packet sockets, or none if that is not allowed: there is another way.
    fn open_frames(&mut self) -> Result<(), BindError> {
        for id in &self.config.frames {
            let device = self.device(*id)?;
            let endpoint = Endpoint::Frames { device: device.name.clone() };
            match socket::open_frames(device) {
                Ok(socket) => {
                    let receiver = Receiver { socket, role: Role::Frames(*id), port: 0 };
                    self.shards[0].receivers.push(receiver);
                }
                Err(error) => match explain(endpoint, error) {
                    BindError { reason: BindReason::NoPermission { .. }, .. } => {
                        self.features.link_unicast = false;
                    }
                    error => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn open_tftp(&mut self, shard: usize) -> Result<(), BindError> {
        let (Some(spec), Some(listen)) = (&self.config.tftp, self.tftp) else { return Ok(()) };
        let mut options = UdpOptions {
            local: listen,
            device: None,
            broadcast: false,
            shared: self.shards.len() > 1,
            receive_buffer_bytes: self.config.receive_buffer_bytes,
        };
        let receivers = &mut self.shards[shard].receivers;
        let listener = open_receiver(options, Role::Udp(EngineKind::Tftp, SocketId(0)))?;
        let listen = SocketAddrV4::new(*listen.ip(), listener.port);
        self.tftp = Some(listen);
        receivers.push(listener);
        options.local = SocketAddrV4::new(*listen.ip(), 0);
        options.shared = false;
        for id in 1..=spec.transfer_sockets {
            let role = Role::Udp(EngineKind::Tftp, SocketId(id));
            receivers.push(open_receiver(options, role)?);
        }
        Ok(())
    }

    fn open_http(&mut self, shard: usize) -> Result<(), BindError> {
        let shared = self.shards.len() > 1;
        for local in &mut self.http {
            let endpoint = Endpoint::Tcp { local: *local };
            let opened = socket::open_tcp(*local, shared)
                .and_then(|socket| Ok((socket::local_address(&socket)?, socket)));
            let (address, socket) = opened.map_err(|error| explain(endpoint, error))?;
            *local = address;
            self.shards[shard].listeners.push(Listener::new(socket, address));
        }
        Ok(())
    }

    fn device(&self, id: InterfaceId) -> Result<&InterfaceSpec, BindError> {
        self.config.interfaces.get(usize::from(id.0)).ok_or_else(|| BindError {
            endpoint: Endpoint::Frames { device: format!("interface {}", id.0) },
            reason: BindReason::NoDevice,
        })
    }

    fn note_features(&mut self) {
        // Whoever may not open packet sockets, or has no Ethernet, does not ask for any.
        let mut devices = self.config.dhcp.iter().filter_map(|spec| spec.device);
        self.features.link_unicast &= devices.all(|id| self.config.frames.contains(&id));
        let deferred = self.shards.iter().all(|shard| shard.ring.is_deferred());
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
        let wanted = self.config.receive_buffer_bytes;
        let is_listener = |receiver: &&Receiver| {
            matches!(receiver.role, Role::Udp(EngineKind::Dhcp, _))
                || receiver.role == Role::Udp(EngineKind::Tftp, SocketId(0))
        };
        let listeners = self.shards.iter().flat_map(|shard| &shard.receivers).filter(is_listener);
        let granted =
            listeners.map(|listener| socket::receive_buffer_bytes(&listener.socket)).min();
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

fn open_receiver(options: UdpOptions<'_>, role: Role) -> Result<Receiver, BindError> {
    let open = || -> io::Result<(OwnedFd, u16)> {
        let socket = socket::open_udp(options)?;
        let port = socket::local_address(&socket)?.port();
        Ok((socket, port))
    };
    let device = options.device.map(str::to_owned);
    let (socket, port) =
        open().map_err(|error| explain(Endpoint::Udp { local: options.local, device }, error))?;
    Ok(Receiver { socket, role, port })
}

/// Turns an errno into words.
fn explain(endpoint: Endpoint, error: io::Error) -> BindError {
    let reason = match error.raw_os_error() {
        Some(libc::EADDRINUSE) => BindReason::InUse { holder: holder::find(&endpoint) },
        Some(libc::EACCES) => BindReason::NoPermission { capability: "CAP_NET_BIND_SERVICE" },
        Some(libc::EPERM) => BindReason::NoPermission { capability: "CAP_NET_RAW" },
        Some(libc::ENODEV | libc::ENXIO) => BindReason::NoDevice,
        Some(libc::EADDRNOTAVAIL) => BindReason::NoAddress,
        Some(libc::EMFILE | libc::ENFILE) => BindReason::OutOfDescriptors,
        _ => BindReason::Other(error),
    };
    BindError { endpoint, reason }
}

/// Each connection takes a descriptor, and the usual soft limit of 1,024 is for programs that
/// still use `select`.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _as_it_was = setrlimit(Resource::Nofile, limit);
}

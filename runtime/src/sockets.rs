//! The sockets of all shards: which a plan wants, opened, and kept where they are open already.

use std::fs;
use std::io;
use std::net::SocketAddrV4;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use reveille_core::engine::{InterfaceId, SocketId};

use crate::config::{InterfaceSpec, SocketPlan};
use crate::datagrams::Role;
use crate::error::{BindError, BindReason, Endpoint};
use crate::holder;
use crate::shards::EngineKind;
use crate::socket::{self, FramesOptions, Opener, SocketSpec, UdpOptions, Watch};

/// All that is open, shard by shard.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    shards: Vec<ShardSockets>,
}

/// What one shard serves with.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardSockets {
    /// Its sockets, in no order that matters.
    pub(crate) open: Vec<OpenSocket>,
    /// The kernel's index of each interface, in the order of [`InterfaceId`]; 0 for one that is
    /// away.
    pub(crate) interfaces: Arc<[u32]>,
}

/// An open socket. Clones are the same socket, which closes with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct OpenSocket {
    /// The socket.
    pub(crate) socket: Arc<OwnedFd>,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// Where it is bound; of no meaning for packet sockets.
    pub(crate) local: SocketAddrV4,
    spec: SocketSpec,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Packets.
    Packets(Role),
    /// Stream connections.
    Streams,
}

impl OpenSocket {
    /// Whether both are the same socket for the same purpose.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket) && self.purpose == other.purpose
    }
}

impl Sockets {
    /// Opens what `plan` wants for `shards` shards. What is open in `before` is taken over.
    /// Gives with it what could not be opened.
    pub(crate) fn open(
        plan: &SocketPlan,
        shards: usize,
        before: &Self,
        opener: &mut Opener,
    ) -> (Self, Vec<BindError>) {
        let interfaces = plan.interfaces.iter().map(|interface| interface.index).collect();
        let mut opening = Opening { plan, before, opener, errors: Vec::new() };
        let mut sockets = Self::default();
        for shard in 0..shards {
            let open = opening.shard(shard, shards > 1, &sockets);
            sockets.shards.push(ShardSockets { open, interfaces: Arc::clone(&interfaces) });
        }
        (sockets, opening.errors)
    }

    /// Those of one shard.
    pub(crate) fn shard(&self, shard: usize) -> &ShardSockets {
        &self.shards[shard]
    }

    /// All sockets of all shards.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenSocket> {
        self.shards.iter().flat_map(|shard| &shard.open)
    }

    /// Where the first shard's sockets for `purpose` are bound.
    pub(crate) fn bound(
        &self,
        purpose: impl Fn(Purpose) -> bool,
    ) -> impl Iterator<Item = SocketAddrV4> {
        let sockets = self.shards.first().into_iter().flat_map(|shard| &shard.open);
        sockets.filter(move |socket| purpose(socket.purpose)).map(|socket| socket.local)
    }
}

/// Sockets on their way.
struct Opening<'a> {
    plan: &'a SocketPlan,
    before: &'a Sockets,
    opener: &'a mut Opener,
    errors: Vec<BindError>,
}

impl Opening<'_> {
    /// The sockets of one shard; `earlier` has those of the shards before it, whose ports it
    /// shares.
    fn shard(&mut self, shard: usize, shared: bool, earlier: &Sockets) -> Vec<OpenSocket> {
        let mut open = Vec::new();
        if shard == 0 {
            self.dhcp(&mut open, earlier);
            self.frames(&mut open, earlier);
        }
        self.tftp(&mut open, shard, shared, earlier);
        let plan = self.plan;
        for local in &plan.http {
            let spec = SocketSpec::Tcp { local: *local, shared };
            let endpoint = Endpoint::Tcp { local: *local };
            self.take(&mut open, shard, Purpose::Streams, spec, endpoint, earlier);
        }
        open
    }

    fn dhcp(&mut self, open: &mut Vec<OpenSocket>, earlier: &Sockets) {
        let plan = self.plan;
        for spec in &plan.dhcp {
            let device = match spec.device.map(|id| self.device(id)).transpose() {
                Ok(device) => device,
                Err(away) => {
                    self.errors.push(away);
                    continue;
                }
            };
            let options = UdpOptions {
                local: spec.local,
                device: device.and_then(|device| NonZeroU32::new(device.index)),
                broadcast: spec.broadcast,
                shared: false,
                receive_buffer_bytes: plan.receive_buffer_bytes,
            };
            let purpose = Purpose::Packets(Role::Udp(EngineKind::Dhcp, spec.id));
            let name = device.map(|device| device.name.clone());
            let endpoint = Endpoint::Udp { local: spec.local, device: name };
            let before = open.len();
            self.take(open, 0, purpose, SocketSpec::Udp(options), endpoint.clone(), earlier);
            let opened = open.get(before).zip(spec.group.zip(options.device));
            let Some((opened, (group, device))) = opened else { continue };
            if let Err(error) = socket::join(&opened.socket, group, device) {
                self.errors.push(explain(endpoint, error));
            }
        }
    }

    fn frames(&mut self, open: &mut Vec<OpenSocket>, earlier: &Sockets) {
        let plan = self.plan;
        for id in &plan.frames {
            let name = plan.interfaces.get(usize::from(id.0)).map_or("", |spec| &spec.name);
            // A host that does not forward is nobody's router: there is nothing of its own to see.
            let own = forwards_ipv6(name);
            let watch = if own { Watch::RoutersAndOwn } else { Watch::Routers };
            self.watch(open, *id, Role::Frames(*id), watch, earlier);
        }
        for id in &plan.watched {
            self.watch(open, *id, Role::Arp(*id), Watch::Arp, earlier);
            self.watch(open, *id, Role::DhcpReplies(*id), Watch::DhcpReplies, earlier);
        }
        if plan.echo {
            let purpose = Purpose::Packets(Role::Udp(EngineKind::Dhcp, SocketId::ECHO));
            self.take(open, 0, purpose, SocketSpec::Echo, Endpoint::Echo, earlier);
        }
    }

    fn watch(
        &mut self,
        open: &mut Vec<OpenSocket>,
        id: InterfaceId,
        role: Role,
        watch: Watch,
        earlier: &Sockets,
    ) {
        match self.device(id) {
            Ok(InterfaceSpec { name, index }) => {
                let spec = SocketSpec::Frames(FramesOptions { interface: *index, watch });
                let endpoint = Endpoint::Frames { device: name.clone() };
                self.take(open, 0, Purpose::Packets(role), spec, endpoint, earlier);
            }
            // Who plans to send frames there has said so already.
            Err(_) if role != Role::Frames(id) => {}
            Err(away) => self.errors.push(away),
        }
    }

    fn tftp(&mut self, open: &mut Vec<OpenSocket>, shard: usize, shared: bool, earlier: &Sockets) {
        let Some(tftp) = &self.plan.tftp else { return };
        let mut options = UdpOptions {
            local: tftp.listen,
            device: None,
            broadcast: false,
            shared,
            receive_buffer_bytes: self.plan.receive_buffer_bytes,
        };
        for id in 0..=tftp.transfer_sockets {
            let purpose = Purpose::Packets(Role::Udp(EngineKind::Tftp, SocketId(id)));
            let endpoint = Endpoint::Udp { local: options.local, device: None };
            self.take(open, shard, purpose, SocketSpec::Udp(options), endpoint, earlier);
            options.local.set_port(0);
            options.shared = false;
        }
    }

    /// Adds the socket that was open before, or a new one.
    fn take(
        &mut self,
        open: &mut Vec<OpenSocket>,
        shard: usize,
        purpose: Purpose,
        spec: SocketSpec,
        endpoint: Endpoint,
        earlier: &Sockets,
    ) {
        let is_it = |known: &&OpenSocket| known.purpose == purpose && known.spec == spec;
        // An interface may have got another name, and with it what it serves for.
        let is_same = |known: &&OpenSocket| known.spec == spec && is_unique(&spec);
        let before = self.before.shards.get(shard).map(|before| &before.open);
        let known = before.and_then(|all| all.iter().find(is_it).or(all.iter().find(is_same)));
        if let Some(known) = known {
            open.push(OpenSocket { purpose, ..known.clone() });
            return;
        }
        // Where the kernel chose the port, all shards have that of the first.
        let sibling = earlier.iter().find(is_it).filter(|_| is_shared(&spec));
        if shard > 0 && is_shared(&spec) && sibling.is_none() {
            // The first shard could not have it, and has said so.
            return;
        }
        let actual = sibling.map_or(spec, |sibling| at(spec, sibling.local));
        let opened = match sibling {
            Some(_) => self.opener.open(&actual),
            None => self.claim(&actual).and_then(|()| self.opener.open(&actual)),
        };
        let is_packet = matches!(spec, SocketSpec::Frames(_));
        let opened = opened.and_then(|socket| {
            let nowhere = SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0);
            let local = if is_packet { nowhere } else { socket::local_address(&socket)? };
            Ok(OpenSocket { socket: Arc::new(socket), purpose, local, spec })
        });
        match opened {
            Ok(socket) => open.push(socket),
            Err(error) => self.errors.push(explain(endpoint, error)),
        }
    }

    /// Makes sure that nobody else has a port which our shards will share: it would be shared
    /// with a second server as well, without a word.
    fn claim(&mut self, spec: &SocketSpec) -> io::Result<()> {
        match *spec {
            SocketSpec::Udp(options) if options.shared => {
                let alone = UdpOptions { shared: false, receive_buffer_bytes: 0, ..options };
                self.opener.open(&SocketSpec::Udp(alone)).map(drop)
            }
            SocketSpec::Tcp { local, shared: true } => {
                self.opener.open(&SocketSpec::Tcp { local, shared: false }).map(drop)
            }
            SocketSpec::Udp(_)
            | SocketSpec::Tcp { .. }
            | SocketSpec::Frames(_)
            | SocketSpec::Echo => Ok(()),
        }
    }

    /// The interface, if it is there.
    fn device(&self, id: InterfaceId) -> Result<&InterfaceSpec, BindError> {
        let known = self.plan.interfaces.get(usize::from(id.0));
        known.filter(|known| known.index != 0).ok_or_else(|| {
            let device = known.map_or_else(|| format!("interface {}", id.0), |k| k.name.clone());
            BindError { endpoint: Endpoint::Frames { device }, reason: BindReason::NoDevice }
        })
    }
}

const fn is_shared(spec: &SocketSpec) -> bool {
    match spec {
        SocketSpec::Udp(options) => options.shared,
        SocketSpec::Tcp { shared, .. } => *shared,
        SocketSpec::Frames(_) | SocketSpec::Echo => false,
    }
}

/// Whether there can be only one such socket.
const fn is_unique(spec: &SocketSpec) -> bool {
    match spec {
        SocketSpec::Udp(UdpOptions { local, .. }) | SocketSpec::Tcp { local, .. } => {
            local.port() != 0
        }
        SocketSpec::Frames(_) | SocketSpec::Echo => true,
    }
}

/// The same at another address.
const fn at(spec: SocketSpec, local: SocketAddrV4) -> SocketSpec {
    match spec {
        SocketSpec::Udp(options) => SocketSpec::Udp(UdpOptions { local, ..options }),
        SocketSpec::Tcp { shared, .. } => SocketSpec::Tcp { local, shared },
        SocketSpec::Frames(_) | SocketSpec::Echo => spec,
    }
}

/// Whether this host routes IPv6 packets that come in by `interface`.
fn forwards_ipv6(interface: &str) -> bool {
    let setting = fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"));
    setting.is_ok_and(|value| value.trim() != "0")
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

//! What can go wrong before the first packet, in the words of an operator.

use std::fmt;
use std::io;
use std::net::SocketAddrV4;

/// A socket or ring that could not be had: what, where and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {endpoint}: {reason}")]
pub struct BindError {
    /// What was to be opened.
    pub endpoint: Endpoint,
    /// Why it was not.
    pub reason: BindReason,
}

impl BindError {
    /// What an operator can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match &self.reason {
            BindReason::InUse { holder: Some(holder) } => {
                format!("stop {} (process {}) or choose another port", holder.name, holder.pid)
            }
            BindReason::InUse { holder: None } => {
                "see who holds the port with `ss -lunpt`, or choose another port".to_owned()
            }
            BindReason::NoPermission { capability } => {
                format!("start as root or give the program {capability}")
            }
            BindReason::NoDevice => "see the interfaces with `ip link`".to_owned(),
            BindReason::NoAddress => "see this host's addresses with `ip -4 address`".to_owned(),
            BindReason::KernelTooOld { .. } => "boot Linux 6.1 or later".to_owned(),
            BindReason::RingsDisabled { sysctl } => format!(
                "set `sysctl kernel.io_uring_disabled=0` (it is {sysctl}), or start as root where \
                 it is 1"
            ),
            BindReason::RingsForbidden => {
                "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp \
                 profile of this container or unit"
                    .to_owned()
            }
            BindReason::OutOfDescriptors => {
                "raise the limit of open files (`LimitNOFILE=` of the unit, `ulimit -n`)".to_owned()
            }
            BindReason::Other(_) => return None,
        };
        Some(hint)
    }
}

/// Something that was to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A UDP socket, perhaps on one device only.
    Udp {
        /// Address and port.
        local: SocketAddrV4,
        /// The device.
        device: Option<String>,
    },
    /// A TCP listener.
    Tcp {
        /// Address and port.
        local: SocketAddrV4,
    },
    /// A packet socket on this interface.
    Frames {
        /// The interface.
        device: String,
    },
    /// A raw socket for echoes.
    Echo,
    /// An io_uring.
    Ring,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { local, device: None } => write!(f, "UDP {local}"),
            Self::Udp { local, device: Some(device) } => write!(f, "UDP {local} on {device}"),
            Self::Tcp { local } => write!(f, "TCP {local}"),
            Self::Frames { device } => write!(f, "a packet socket on {device}"),
            Self::Echo => write!(f, "a raw socket for ICMP"),
            Self::Ring => write!(f, "an io_uring"),
        }
    }
}

/// Why it could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindReason {
    /// Somebody else has the port.
    #[error("the port is in use{}", in_use_by(.holder.as_ref()))]
    InUse {
        /// Who, where it could be found out.
        holder: Option<Holder>,
    },
    /// A privilege is missing.
    #[error("no permission ({capability} is missing)")]
    NoPermission {
        /// The capability that grants it.
        capability: &'static str,
    },
    /// There is no such interface.
    #[error("there is no such interface")]
    NoDevice,
    /// No interface of this host has the address.
    #[error("this host does not have that address")]
    NoAddress,
    /// The kernel lacks what the runtime is built on.
    #[error("Linux {found} is too old")]
    KernelTooOld {
        /// The release that runs.
        found: String,
    },
    /// An administrator switched io_uring off.
    #[error("io_uring is switched off (kernel.io_uring_disabled = {sysctl})")]
    RingsDisabled {
        /// Value of the setting.
        sysctl: u8,
    },
    /// A system call filter keeps us from it.
    #[error("a system call filter forbids io_uring")]
    RingsForbidden,
    /// The limit of open files is reached.
    #[error("the limit of open files is reached")]
    OutOfDescriptors,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] io::Error),
}

/// The process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

fn in_use_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |h| format!(" by {} (process {})", h.name, h.pid))
}

/// A shard that could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot start shard {shard}: {what}")]
pub struct StartError {
    /// Which.
    pub shard: usize,
    /// What was being done.
    pub what: &'static str,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// A shard's thread panicked: a bug. The other shards were stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} failed: {message}")]
pub struct ShardPanic {
    /// Which.
    pub shard: usize,
    /// What it said.
    pub message: String,
}

//! One line of a timeline: what happened to a machine, how bad it is, what to do about it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use reveille_core::event::{ForeignServer, PoolLevel, PoolUsage, Protocol};
use reveille_core::identity::Firmware;
use reveille_core::mac::MacAddr;
use reveille_core::wire::pxe::ArchType;

use super::diagnosis::Diagnosis;
use super::stage::Stage;
use crate::arch;
use crate::units::{Bytes, Rate, Span};

/// Something worth telling about one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// About whom.
    pub who: Who,
    /// Time since its boot began; `None` for a client whose boot was never seen.
    pub since_start: Option<Duration>,
    /// What.
    pub what: What,
}

/// The machine an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// Known by its link-layer address.
    Mac(MacAddr),
    /// A client that fetched something and was never seen on the link.
    Address(IpAddr),
    /// It did not tell.
    Unknown,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => write!(f, "{mac}"),
            Self::Address(address) => f.pad(&address.to_string()),
            Self::Unknown => f.pad("somebody"),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It looks for servers.
    Discover {
        /// Who speaks.
        firmware: Firmware,
        /// Its architecture.
        arch: Option<ArchType>,
        /// Which of its boots this is, as far as remembered: 1 for the first.
        boot: u32,
    },
    /// It was offered an address.
    Offer {
        /// Who spoke when it asked.
        firmware: Firmware,
        /// The address.
        address: IpAddr,
        /// The boot file, empty for none.
        boot_file: Box<str>,
    },
    /// It was offered a boot program.
    ProxyOffer {
        /// The boot file, empty if it is handed out on port 4011.
        boot_file: Box<str>,
    },
    /// It has an address, or its boot information.
    Ack {
        /// Who speaks.
        firmware: Firmware,
        /// The address.
        address: IpAddr,
        /// For how long; zero if the address is another server's.
        lease: Duration,
        /// The boot file, empty for none.
        boot_file: Box<str>,
    },
    /// Others had to be served first.
    Waited {
        /// The file.
        name: Box<str>,
        /// For how long.
        waited: Duration,
    },
    /// It was told to come back, because too many others came at the same time.
    SentAway {
        /// The file.
        name: Box<str>,
        /// After how long.
        wait: Duration,
    },
    /// It began to fetch a file.
    Began {
        /// Which stage this is.
        stage: Stage,
        /// How.
        protocol: Protocol,
        /// The file.
        name: Box<str>,
        /// How much of it.
        bytes: u64,
    },
    /// It has fetched a file.
    Served {
        /// Which stage this is.
        stage: Stage,
        /// How.
        protocol: Protocol,
        /// The file.
        name: Box<str>,
        /// How much of it.
        bytes: u64,
        /// From the first request on.
        took: Duration,
        /// Datagrams sent again.
        retransmits: u32,
    },
    /// It broke off. Firmware does that after it learned a file's size.
    Aborted {
        /// The file.
        name: Box<str>,
        /// Bytes sent until then.
        bytes: u64,
    },
    /// It fell silent in the middle of a file.
    TimedOut {
        /// Which stage this is.
        stage: Stage,
        /// The file.
        name: Box<str>,
        /// Bytes sent until then.
        bytes: u64,
    },
    /// Our own file could not be read.
    Unreadable {
        /// The file.
        name: Box<str>,
    },
    /// It wants a file that is not here.
    NotFound {
        /// How it asked.
        protocol: Protocol,
        /// What for.
        name: Box<str>,
        /// Whether loaders ask for it only to see whether it is there.
        probe: bool,
    },
    /// It wants what it may not.
    Refused {
        /// How it asked.
        protocol: Protocol,
        /// What for.
        name: Box<str>,
    },
    /// It was told to start over.
    Nak {
        /// The address that it wanted.
        address: IpAddr,
    },
    /// It found an address of ours in use.
    Decline {
        /// The address.
        address: IpAddr,
    },
    /// Another host has the address that it was offered.
    AddressInUse {
        /// The address.
        address: Ipv4Addr,
        /// The host, if it was seen.
        station: Option<MacAddr>,
    },
    /// A DHCP server of others is at work.
    ForeignServer(ForeignServer),
    /// A pool runs out, or has room again.
    Pool(PoolUsage),
    /// It gave its address back.
    Release {
        /// The address.
        address: IpAddr,
    },
    /// It was spared its wait for an IPv6 router.
    RouterAdvertised,
    /// It runs.
    Up {
        /// All that it fetched.
        bytes: u64,
    },
    /// Something is wrong with its boot.
    Diagnosis(Diagnosis),
}

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For those who look closely.
    Detail,
    /// A stage of a boot.
    Stage,
    /// Somebody should look.
    Warning,
}

impl What {
    /// How much it matters.
    pub const fn weight(&self) -> Weight {
        match self {
            // Once its system runs, a machine is looked after by others: its lease is enough.
            Self::Discover { firmware: Firmware::System, .. }
            | Self::Offer { firmware: Firmware::System, .. }
            | Self::Began { .. }
            | Self::Aborted { .. }
            | Self::NotFound { probe: true, .. }
            | Self::Release { .. }
            | Self::RouterAdvertised => Weight::Detail,
            Self::Discover { .. }
            | Self::Offer { .. }
            | Self::ProxyOffer { .. }
            | Self::Ack { .. }
            | Self::Served { .. }
            | Self::Waited { .. }
            | Self::SentAway { .. }
            | Self::Nak { .. }
            | Self::Pool(PoolUsage { level: PoolLevel::Normal, .. })
            | Self::Up { .. } => Weight::Stage,
            Self::TimedOut { .. }
            | Self::Unreadable { .. }
            | Self::NotFound { probe: false, .. }
            | Self::Refused { .. }
            | Self::Decline { .. }
            | Self::AddressInUse { .. }
            | Self::ForeignServer(_)
            | Self::Pool(_)
            | Self::Diagnosis(_) => Weight::Warning,
        }
    }

    /// The word in front of the line.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Discover { .. } => Stage::Discover.label(),
            Self::Offer { .. } | Self::ProxyOffer { .. } => Stage::Offer.label(),
            Self::Ack { .. } => Stage::Ack.label(),
            Self::Began { stage, .. } | Self::Served { stage, .. } => stage.label(),
            Self::Waited { .. } | Self::SentAway { .. } => "waits",
            Self::TimedOut { stage, .. } => stage.label(),
            Self::Aborted { .. } => "broke off",
            Self::Unreadable { .. } => "unreadable",
            Self::NotFound { .. } => "not found",
            Self::Refused { .. } => "refused",
            Self::Nak { .. } => "NAK",
            Self::Decline { .. } => "DECLINE",
            Self::AddressInUse { .. } => "conflict",
            Self::ForeignServer(_) => "other DHCP",
            Self::Pool(_) => "pool",
            Self::Release { .. } => "RELEASE",
            Self::RouterAdvertised => "router",
            Self::Up { .. } => Stage::Up.label(),
            Self::Diagnosis(diagnosis) => diagnosis.label(),
        }
    }

    /// What can be done about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Diagnosis(diagnosis) => Some(diagnosis.help().to_owned()),
            Self::Decline { address } => Some(format!(
                "another host uses {address}: take it out of the pool, or look for a second DHCP \
                 server on this link"
            )),
            Self::AddressInUse { address, .. } => Some(format!(
                "{address} rests and the client gets another one: take it out of the pool, or give \
                 that host an address of another range"
            )),
            Self::ForeignServer(found) => Some(found_help(found)),
            Self::Pool(usage) => pool_help(usage),
            Self::Unreadable { .. } => Some(
                "the file was changed in place while it was being sent: replace image files by \
                 renaming new ones over them"
                    .to_owned(),
            ),
            Self::TimedOut { .. } => Some(
                "its power was cut, its cable pulled, or a firewall or switch drops large packets"
                    .to_owned(),
            ),
            Self::Discover { .. }
            | Self::Offer { .. }
            | Self::ProxyOffer { .. }
            | Self::Ack { .. }
            | Self::Began { .. }
            | Self::Waited { .. }
            | Self::SentAway { .. }
            | Self::Served { .. }
            | Self::Aborted { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Nak { .. }
            | Self::Release { .. }
            | Self::RouterAdvertised
            | Self::Up { .. } => None,
        }
    }
}

/// What stands behind the label.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover { firmware, arch, boot } => {
                f.write_str(firmware.label())?;
                if let Some(arch) = arch {
                    write!(f, ", {}", arch::label(*arch))?;
                }
                if *boot > 1 { write!(f, " (boot {boot})") } else { Ok(()) }
            }
            Self::Offer { address, boot_file, .. } => {
                write!(f, "{address}")?;
                write_boot_file(f, boot_file)
            }
            Self::ProxyOffer { boot_file } if boot_file.is_empty() => {
                f.write_str("boot information on port 4011")
            }
            Self::ProxyOffer { boot_file } => f.write_str(boot_file),
            Self::Ack { address, lease, boot_file, .. } => {
                write!(f, "{address}")?;
                if !lease.is_zero() {
                    write!(f, " for {}", lease_text(*lease))?;
                }
                write_boot_file(f, boot_file)
            }
            Self::Began { protocol, name, bytes, .. } => {
                write!(f, "{name}: {} by {}…", Bytes(*bytes), protocol_label(*protocol))
            }
            Self::Waited { name, waited } => {
                write!(f, "{name}: waited {} for a place", Span(*waited))
            }
            Self::SentAway { name, wait } => {
                write!(f, "{name}: told to come back in {} s", wait.as_secs())
            }
            Self::Served { protocol, name, bytes, took, retransmits, .. } => {
                let protocol = protocol_label(*protocol);
                write!(f, "{name}: {} by {protocol} in {}", Bytes(*bytes), Span(*took))?;
                // The rate of a script is noise.
                if *bytes >= 100_000 {
                    write!(f, ", {}", Rate(*bytes, *took))?;
                }
                match retransmits {
                    0 => Ok(()),
                    1 => f.write_str(", 1 packet sent again"),
                    count => write!(f, ", {count} packets sent again"),
                }
            }
            Self::Aborted { name, bytes } => write!(f, "{name} after {}", Bytes(*bytes)),
            Self::TimedOut { name, bytes, .. } => {
                write!(f, "{name}: the machine fell silent after {}", Bytes(*bytes))
            }
            Self::Unreadable { name } => write!(f, "{name} cannot be read any more"),
            Self::NotFound { protocol, name, .. } | Self::Refused { protocol, name } => {
                write!(f, "{name} by {}", protocol_label(*protocol))
            }
            Self::Nak { address } => write!(f, "{address} is not for this machine"),
            Self::Decline { address } => write!(f, "{address} is in use already"),
            Self::AddressInUse { address, station } => match station {
                Some(station) => write!(f, "{address} is used by {station}"),
                None => write!(f, "{address} is used by another host"),
            },
            Self::ForeignServer(found) => write_server(f, found),
            Self::Pool(usage) => write_pool(f, usage),
            Self::Release { address } => write!(f, "{address}"),
            Self::RouterAdvertised => f.write_str("its wait for IPv6 is over"),
            Self::Up { bytes } => write!(f, "{} fetched", Bytes(*bytes)),
            Self::Diagnosis(diagnosis) => write!(f, "{diagnosis}"),
        }
    }
}

fn write_server(f: &mut fmt::Formatter<'_>, found: &ForeignServer) -> fmt::Result {
    let ForeignServer { server, station, subnet, link, beside } = found;
    write!(f, "{server}")?;
    if let Some(station) = station {
        write!(f, " ({station})")?;
    }
    write!(f, " answers clients of {}/{} on {link}", subnet.address, subnet.prefix_len)?;
    if let Some(beside) = beside { write!(f, ", as {beside} does") } else { Ok(()) }
}

fn found_help(found: &ForeignServer) -> String {
    let server = found.server;
    match found.beside {
        None => format!(
            "two servers lend the same addresses twice, and machines boot from either: switch one \
             off, or if both are meant to be here, other_servers = [\"{server}\"] in this network"
        ),
        Some(_) => format!(
            "clients take the address of either server: switch one off, or if both are meant to \
             be here, other_servers = [\"{server}\"] in this network"
        ),
    }
}

fn write_pool(f: &mut fmt::Formatter<'_>, usage: &PoolUsage) -> fmt::Result {
    let PoolUsage { subnet, size, bound, offered, resting, level, .. } = usage;
    f.write_str(match level {
        PoolLevel::Normal => "room again: ",
        PoolLevel::High => "fills up: ",
        PoolLevel::Critical => "nearly empty: ",
        PoolLevel::Full => "empty: ",
    })?;
    let used = usage.used();
    write!(f, "{used} of {size} addresses of {}/{} in use", subnet.address, subnet.prefix_len)?;
    write!(f, " ({bound} lent, {offered} offered, {resting} resting)")
}

/// What fills a pool decides what helps.
fn pool_help(usage: &PoolUsage) -> Option<String> {
    let half = usage.used() / 2;
    let help = match usage.level {
        PoolLevel::Normal => return None,
        _ if u64::from(usage.offered) > half => {
            "most are offered to clients that do not take them: a flood of made-up clients, or \
             machines that do not hear this server"
        }
        _ if u64::from(usage.resting) > half => {
            "most rest because other hosts use them: those hosts need addresses outside the pools"
        }
        PoolLevel::High | PoolLevel::Critical | PoolLevel::Full => {
            "add addresses to the pool, or shorten the lease so that machines that are gone give \
             theirs back sooner"
        }
    };
    Some(help.to_owned())
}

fn write_boot_file(f: &mut fmt::Formatter<'_>, boot_file: &str) -> fmt::Result {
    if boot_file.is_empty() { Ok(()) } else { write!(f, ", {boot_file}") }
}

/// A lease in the words of whoever configured it.
fn lease_text(lease: Duration) -> String {
    match lease.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// As it is written.
pub const fn protocol_label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tftp => "TFTP",
        Protocol::Http => "HTTP",
    }
}

/// A whole line: who, when, what.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<17}  ", self.who)?;
        match self.since_start {
            Some(since) => {
                let millis = since.as_millis();
                write!(f, "{:>5}.{:03} s  ", millis / 1000, millis % 1000)?;
            }
            None => write!(f, "{:>11}  ", "")?,
        }
        write!(f, "{:<12}  {}", self.what.label(), self.what)
    }
}

//! Policy, borrowed for the length of one call: networks, machines, profiles, images.
//!
//! The daemon builds a view from its configuration, checks it completely, and swaps it whole
//! between two turns of a shard. Engines keep ids from it, never references, and look again at
//! each use: what a reload took away is simply not found.

mod catalogue;
mod classes;
mod lease_terms;
mod machines;
mod menu;
mod network;
mod networks;
mod options;
mod profiles;
mod quirks;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip::SipHasher13;

pub use catalogue::{Catalogue, File, Programs};
pub use classes::{
    CLASSES_MAX, Claims, ClassError, ClassId, ClassSet, Classes, ClientClass, Condition, Pattern,
};
pub use lease_terms::{LEASE_DEFAULT, LEASE_INFINITE, LeaseTerms};
pub use machines::{
    AttachmentKey, DhcpKeys, DuplicateKey, Machine, MachineKey, MachineRule, Machines,
};
pub use menu::{BootService, BootTarget, Menu};
pub use network::{DhcpMode, Network, Pool, PoolTerms, SharedId, Subnet};
pub use networks::{Edit, Networks};
pub use options::{OptionSet, OptionValue};
pub use profiles::{Loader, MatchRule, Profile};
pub use quirks::{BUILT_IN, Effect, Effects, Quirk, QuirkClient, QuirkRule, Quirks};

use crate::engine::InterfaceId;
use crate::identity::ClientIdentity;
use crate::mac::MacAddr;
use crate::rate::Rates;

/// Everything the engines may know about the site.
#[derive(Debug, Default)]
pub struct View {
    /// The interfaces served, in the order of [`InterfaceId`].
    pub interfaces: Vec<Interface>,
    /// The IPv4 networks behind them, local and relayed.
    pub networks: Networks,
    /// Groups of clients.
    pub classes: Classes,
    /// Options for all clients.
    pub options: OptionSet,
    /// Machines known one by one.
    pub machines: Machines,
    /// What machines boot, in order: the first that matches wins.
    pub profiles: Vec<Profile>,
    /// Which boot program each architecture loads first, by kind of loader.
    pub programs: Programs,
    /// What is done differently for some firmware.
    pub quirks: Quirks,
    /// What PXE firmware asks the person at the machine, if anything.
    pub menu: Option<Menu>,
    /// Files by name.
    pub catalogue: Catalogue,
    /// UDP port of the TFTP server, TCP port of the HTTP server.
    pub ports: Ports,
    /// Upper bounds for what TFTP clients may ask.
    pub tftp: TftpPolicy,
    /// How fast files go out over HTTP.
    pub http: Rates,
}

/// Ports that clients are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// TFTP; anything but 69 reaches only clients that are told by URL.
    pub tftp: u16,
    /// HTTP.
    pub http: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { tftp: 69, http: 80 }
    }
}

/// Bounds on TFTP options; what a client asks beyond is answered with the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpPolicy {
    /// Largest block in bytes, whatever the path MTU allows (RFC 2348: 8 to 65,464).
    pub block_bytes_max: u16,
    /// Most blocks in one window (RFC 7440).
    pub window_blocks_max: u16,
    /// How fast files go out.
    pub rates: Rates,
}

impl Default for TftpPolicy {
    fn default() -> Self {
        // 1468 fills an Ethernet frame; a window of 64 covers a round trip of 0.7 ms at 1 Gbit/s.
        Self { block_bytes_max: 1468, window_blocks_max: 64, rates: Rates::default() }
    }
}

/// A network interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, for people.
    pub name: Box<str>,
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// Whether frames can be sent to a station directly (`AF_PACKET` is allowed). Without it,
    /// clients that have no address yet are answered by broadcast.
    pub link_unicast: bool,
    /// The link-local address that empty router advertisements come from; `None` switches them
    /// off.
    pub advertise_from: Option<Ipv6Addr>,
}

/// Index into [`View::networks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkId(pub u16);

/// Index into [`View::profiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(pub u16);

/// Index into the machines of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId(pub u32);

impl View {
    /// The network directly attached to `interface`, the first one configured if there are more.
    pub fn attached_network(&self, interface: InterfaceId) -> Option<(NetworkId, &Network)> {
        self.networks.attached(interface).next()
    }

    /// The network that contains `address`.
    pub fn network_of(&self, address: Ipv4Addr) -> Option<(NetworkId, &Network)> {
        self.networks.containing(address).next()
    }

    /// The interface, if it is (still) configured.
    pub fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// Whether `address` is one of our own on any network.
    pub fn is_own_address(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.networks.is_own_address(address),
            IpAddr::V6(_) => false,
        }
    }

    /// The profile, if it is (still) configured.
    pub fn profile(&self, id: ProfileId) -> Option<&Profile> {
        self.profiles.get(usize::from(id.0))
    }

    /// Whether deciding what a machine boots takes facts that only iPXE reports.
    pub fn asks_for_facts(&self) -> bool {
        self.machines.needs_serial() || self.profiles.iter().any(|p| p.rule.needs_facts())
    }

    /// What `client` boots: its machine's own profile, else the first that matches.
    pub fn profile_of(&self, client: &ClientIdentity) -> Option<(ProfileId, &Profile)> {
        let own = self.machines.find(client).and_then(|(_, machine)| machine.profile);
        let index = match own {
            Some(id) => usize::from(id.0),
            None => self.profiles.iter().position(|profile| profile.rule.matches(client))?,
        };
        let profile = self.profiles.get(index)?;
        Some((ProfileId(u16::try_from(index).ok()?), profile))
    }
}

/// Keys of the view's tables come from the operator, but lookups come from the wire: the seed
/// makes sure that nobody can probe for slow ones.
#[derive(Clone, Debug, Default)]
pub struct SeededState {
    seed: u64,
}

impl SeededState {
    /// A state whose hashes depend on `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl BuildHasher for SeededState {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.seed, !self.seed)
    }
}

#[cfg(test)]
mod tests;

//! Policy, borrowed for the length of one call: networks, machines, profiles, images.
//!
//! The daemon builds a view from its configuration, checks it completely, and swaps it whole
//! between two turns of a shard. Engines keep ids from it, never references, and look again at
//! each use: what a reload took away is simply not found.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

use crate::document::Template;
use crate::engine::InterfaceId;
use crate::identity::ClientIdentity;
use crate::image::ImageId;
use crate::mac::MacAddr;
use crate::wire::pxe::{ArchType, Uuid};

/// Everything the engines may know about the site.
#[derive(Debug, Default)]
pub struct View {
    /// The interfaces served, in the order of [`InterfaceId`].
    pub interfaces: Vec<Interface>,
    /// The IPv4 networks behind them, local and relayed.
    pub networks: Vec<Network>,
    /// Machines known one by one.
    pub machines: Machines,
    /// What machines boot, in order: the first that matches wins.
    pub profiles: Vec<Profile>,
    /// Which boot program each architecture loads first, by kind of loader.
    pub programs: Programs,
    /// Files by name.
    pub catalogue: Catalogue,
    /// UDP port of the TFTP server, TCP port of the HTTP server.
    pub ports: Ports,
    /// Upper bounds for what TFTP clients may ask.
    pub tftp: TftpPolicy,
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
}

impl Default for TftpPolicy {
    fn default() -> Self {
        // 1468 fills an Ethernet frame; a window of 64 covers a round trip of 0.7 ms at 1 Gbit/s.
        Self { block_bytes_max: 1468, window_blocks_max: 64 }
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

/// What this server does for DHCP on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpMode {
    /// Gives addresses and boot information.
    Server,
    /// Gives boot information beside another server's addresses.
    Proxy,
    /// Nothing; TFTP and HTTP only.
    Off,
}

/// An IPv4 network: directly attached, or behind a relay agent.
#[derive(Clone, Debug)]
pub struct Network {
    /// The interface its packets come by.
    pub interface: InterfaceId,
    /// Our own address as its clients reach it: server identifier, next server, host of URLs.
    pub server: Ipv4Addr,
    /// The network.
    pub subnet: Subnet,
    /// What we do here.
    pub mode: DhcpMode,
    /// Addresses to give, in order.
    pub pools: Vec<Pool>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<Box<str>>,
    /// Option 51: how long an address is lent.
    pub lease: Duration,
    /// Relay agents that may speak for this network (by giaddr). Empty: it is attached directly.
    pub relays: Vec<Ipv4Addr>,
    /// Whether a client with an address from elsewhere is told so (RFC 2131 §4.3.2).
    pub authoritative: bool,
}

/// An IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// An address in it.
    pub address: Ipv4Addr,
    /// Length of the prefix in bits, at most 32.
    pub prefix_len: u8,
}

impl Subnet {
    /// Option 1.
    pub fn mask(self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(u32::from(self.prefix_len));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let mask = self.mask().to_bits();
        address.to_bits() & mask == self.address.to_bits() & mask
    }

    /// The directed broadcast address.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask().to_bits())
    }
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest address, not below `first`.
    pub last: Ipv4Addr,
}

impl Pool {
    /// Number of addresses.
    pub fn size(self) -> u64 {
        u64::from(self.last.to_bits() - self.first.to_bits()) + 1
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
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
        self.networks_with(|network| network.interface == interface && network.relays.is_empty())
    }

    /// The network that contains `address`.
    pub fn network_of(&self, address: Ipv4Addr) -> Option<(NetworkId, &Network)> {
        self.networks_with(|network| network.subnet.contains(address))
    }

    /// The network behind the relay agent `giaddr`.
    pub fn relayed_network(&self, giaddr: Ipv4Addr) -> Option<(NetworkId, &Network)> {
        self.networks_with(|network| network.relays.contains(&giaddr))
    }

    fn networks_with(&self, test: impl Fn(&Network) -> bool) -> Option<(NetworkId, &Network)> {
        let index = self.networks.iter().position(test)?;
        Some((NetworkId(u16::try_from(index).ok()?), &self.networks[index]))
    }

    /// The interface, if it is (still) configured.
    pub fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// Whether `address` is one of our own on any network.
    pub fn is_own_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| IpAddr::V4(network.server) == address)
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

/// A machine that the site knows by name.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Option 12, and the `hostname` of templates.
    pub hostname: Option<Box<str>>,
    /// Its fixed address.
    pub address: Option<Ipv4Addr>,
    /// Its own profile, before any rule.
    pub profile: Option<ProfileId>,
    /// Values for templates, by name; they win over those of the profile.
    pub vars: Vec<(Box<str>, Box<str>)>,
}

/// Ways to recognise a machine; each names one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MachineKey {
    /// Link-layer address.
    Mac(MacAddr),
    /// SMBIOS UUID in canonical byte order.
    Uuid(Uuid),
    /// SMBIOS serial number.
    Serial(Box<str>),
}

/// The machines of a site, found by any of their keys.
#[derive(Debug, Default)]
pub struct Machines {
    machines: Vec<Machine>,
    by_mac: HashMap<MacAddr, MachineId, SeededState>,
    by_uuid: HashMap<Uuid, MachineId, SeededState>,
    by_serial: HashMap<Box<str>, MachineId, SeededState>,
    by_address: HashMap<Ipv4Addr, MachineId, SeededState>,
}

impl Machines {
    /// Adds a machine that answers to `keys`.
    ///
    /// # Errors
    /// The first key (or the address) that another machine has already; nothing is added then.
    pub fn insert(
        &mut self,
        keys: &[MachineKey],
        machine: Machine,
    ) -> Result<MachineId, DuplicateKey> {
        if let Some(taken) = keys.iter().position(|key| self.by_key(key).is_some()) {
            return Err(DuplicateKey::Key(taken));
        }
        if machine.address.is_some_and(|address| self.by_address.contains_key(&address)) {
            return Err(DuplicateKey::Address);
        }
        let id = MachineId(u32::try_from(self.machines.len()).unwrap_or(u32::MAX));
        for key in keys {
            match key {
                MachineKey::Mac(mac) => drop(self.by_mac.insert(*mac, id)),
                MachineKey::Uuid(uuid) => drop(self.by_uuid.insert(*uuid, id)),
                MachineKey::Serial(serial) => drop(self.by_serial.insert(serial.clone(), id)),
            }
        }
        if let Some(address) = machine.address {
            self.by_address.insert(address, id);
        }
        self.machines.push(machine);
        Ok(id)
    }

    fn by_key(&self, key: &MachineKey) -> Option<MachineId> {
        match key {
            MachineKey::Mac(mac) => self.by_mac.get(mac).copied(),
            MachineKey::Uuid(uuid) => self.by_uuid.get(uuid).copied(),
            MachineKey::Serial(serial) => self.by_serial.get(serial).copied(),
        }
    }

    /// The machine that `client` claims to be: by MAC, else by UUID (in either byte order, since
    /// firmware disagrees), else by serial number.
    pub fn find(&self, client: &ClientIdentity) -> Option<(MachineId, &Machine)> {
        let by_mac = || self.by_mac.get(&client.mac?).copied();
        let by_uuid = || {
            let uuid = client.uuid?;
            self.by_uuid.get(&uuid).or_else(|| self.by_uuid.get(&uuid.swapped())).copied()
        };
        let by_serial = || self.by_serial.get(client.serial.as_ref()?.as_str()).copied();
        let id = by_mac().or_else(by_uuid).or_else(by_serial)?;
        Some((id, self.machines.get(id.0 as usize)?))
    }

    /// The machine whose fixed address this is.
    pub fn reserved(&self, address: Ipv4Addr) -> Option<MachineId> {
        self.by_address.get(&address).copied()
    }

    /// The machine.
    pub fn get(&self, id: MachineId) -> Option<&Machine> {
        self.machines.get(id.0 as usize)
    }

    /// Number of machines.
    pub const fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether none is known by name.
    pub const fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// Whether telling machines apart takes facts that only iPXE reports (serial numbers).
    pub fn needs_serial(&self) -> bool {
        !self.by_serial.is_empty()
    }
}

/// Two machines claim one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// The key at this position of the list.
    Key(usize),
    /// The fixed address.
    Address,
}

/// What a group of machines boots.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: Box<str>,
    /// Whom it is for.
    pub rule: MatchRule,
    /// The program that loads the kernel.
    pub loader: Loader,
    /// The script for iPXE.
    pub ipxe: Template,
    /// The configuration for pxelinux.
    pub pxelinux: Template,
    /// The configuration for GRUB.
    pub grub: Template,
    /// Values for templates, by name.
    pub vars: Vec<(Box<str>, Box<str>)>,
}

/// The program that firmware loads first and that loads the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loader {
    /// iPXE with a generated script.
    #[default]
    Ipxe,
    /// PXELINUX with a generated configuration (BIOS only).
    Pxelinux,
    /// GRUB with a generated configuration (UEFI).
    Grub,
}

impl Loader {
    /// All loaders.
    pub const ALL: [Self; 3] = [Self::Ipxe, Self::Pxelinux, Self::Grub];
}

/// Whom a profile is for: every pattern given must match. No pattern matches everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchRule {
    /// One of these architectures.
    pub archs: Vec<ArchType>,
    /// SMBIOS product name; `*` stands for anything, letter case does not count.
    pub product: Option<Box<str>>,
    /// SMBIOS manufacturer, likewise.
    pub manufacturer: Option<Box<str>>,
    /// First octets of the MAC address.
    pub mac_prefix: Option<Box<[u8]>>,
}

impl MatchRule {
    /// Whether every given pattern matches. A pattern on a fact the client did not tell fails.
    pub fn matches(&self, client: &ClientIdentity) -> bool {
        let fact = |pattern: &Option<Box<str>>, fact: Option<&crate::identity::Fact>| match pattern
        {
            None => true,
            Some(pattern) => fact.is_some_and(|fact| matches_glob(pattern, fact.as_str())),
        };
        let arch =
            self.archs.is_empty() || client.arch.is_some_and(|arch| self.archs.contains(&arch));
        let mac = match &self.mac_prefix {
            None => true,
            Some(prefix) => client.mac.is_some_and(|mac| mac.0.starts_with(prefix)),
        };
        arch && mac
            && fact(&self.product, client.product.as_ref())
            && fact(&self.manufacturer, client.manufacturer.as_ref())
    }

    /// Whether deciding takes facts that only iPXE reports.
    pub const fn needs_facts(&self) -> bool {
        self.product.is_some() || self.manufacturer.is_some()
    }
}

/// Whether `text` fits `pattern`, in which each `*` stands for any run of bytes.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let starts = |text: &[u8], part: &[u8]| {
        text.len() >= part.len() && text[..part.len()].eq_ignore_ascii_case(part)
    };
    let mut rest = text.as_bytes();
    if !starts(rest, first.as_bytes()) {
        return false;
    }
    rest = &rest[first.len()..];
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            let middle: &str = middle;
            let Some(at) = (0..=rest.len()).find(|at| starts(&rest[*at..], middle.as_bytes()))
            else {
                return false;
            };
            rest = &rest[at + middle.len()..];
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => {
            rest.len() >= part.len() && starts(&rest[rest.len() - part.len()..], part.as_bytes())
        }
    }
}

/// The boot programs of a site: for each loader and architecture the name of a file in the
/// catalogue.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    entries: Vec<(Loader, ArchType, Box<str>)>,
}

impl Programs {
    /// Adds the program that `arch` loads for `loader`; a later one replaces an earlier.
    pub fn insert(&mut self, loader: Loader, arch: ArchType, name: Box<str>) {
        match self.entries.iter_mut().find(|entry| entry.0 == loader && entry.1 == arch) {
            Some(entry) => entry.2 = name,
            None => self.entries.push((loader, arch, name)),
        }
    }

    /// The name of the program in the catalogue.
    pub fn find(&self, loader: Loader, arch: ArchType) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.0 == loader && entry.1 == arch)?;
        Some(&entry.2)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Loader, ArchType, &str)> {
        self.entries.iter().map(|(loader, arch, name)| (*loader, *arch, &**name))
    }
}

/// A file that clients can fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub image: ImageId,
    /// Their number.
    pub len: u64,
    /// Entity tag with its quotes (RFC 9110 §8.8.3), new whenever the content is.
    pub etag: Box<str>,
    /// Time of the last change as an HTTP date (RFC 9110 §5.6.7).
    pub last_modified: Box<str>,
    /// Media type without parameters: firmware compares it whole.
    pub content_type: &'static str,
}

/// The files of a site by normalised name: no leading slash, `/` between parts.
///
/// Lookups are the only way from a client's words to a file, so there is no path to escape by.
#[derive(Debug, Default)]
pub struct Catalogue {
    files: HashMap<Box<str>, File, SeededState>,
}

impl Catalogue {
    /// Adds a file, giving back the one that had the name before.
    pub fn insert(&mut self, name: Box<str>, file: File) -> Option<File> {
        self.files.insert(name, file)
    }

    /// The file with this normalised name.
    pub fn get(&self, name: &str) -> Option<&File> {
        self.files.get(name)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
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

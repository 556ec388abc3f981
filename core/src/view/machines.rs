//! Machines that the site knows one by one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use hashbrown::{Equivalent, HashMap};

use super::{LeaseTerms, MachineId, OptionSet, ProfileId, SeededState, Subnet};
use crate::identity::ClientIdentity;
use crate::mac::MacAddr;
use crate::wire::pxe::Uuid;

/// A machine that the site knows by name.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Option 12, and the `hostname` of templates.
    pub hostname: Option<Box<str>>,
    /// Its fixed addresses, at most one in a network.
    pub addresses: Vec<Ipv4Addr>,
    /// Its own profile, before any rule.
    pub profile: Option<ProfileId>,
    /// Values for templates, by name; they win over those of the profile.
    pub vars: Vec<(Box<str>, Box<str>)>,
    /// How long addresses are lent to it.
    pub lease: LeaseTerms,
    /// Options for it.
    pub options: OptionSet,
}

impl Machine {
    /// Its fixed address in `subnet`.
    pub fn address_in(&self, subnet: Subnet) -> Option<Ipv4Addr> {
        self.addresses.iter().copied().find(|address| subnet.contains(*address))
    }
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
    /// Client identifier (option 61), as it is on the wire.
    ClientId(Box<[u8]>),
    /// Where it is attached.
    Attachment(AttachmentKey),
}

/// A place at which a relay agent found a machine (option 82): everything given must be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttachmentKey {
    /// Sub-option 1.
    pub circuit: Option<Box<[u8]>>,
    /// Sub-option 2.
    pub remote: Option<Box<[u8]>>,
    /// The relay agent (`giaddr`).
    pub relay: Option<Ipv4Addr>,
}

/// An [`AttachmentKey`] that borrows the message.
#[derive(Hash)]
struct Attachment<'a> {
    circuit: Option<&'a [u8]>,
    remote: Option<&'a [u8]>,
    relay: Option<Ipv4Addr>,
}

impl Equivalent<AttachmentKey> for Attachment<'_> {
    fn equivalent(&self, key: &AttachmentKey) -> bool {
        self.circuit == key.circuit.as_deref()
            && self.remote == key.remote.as_deref()
            && self.relay == key.relay
    }
}

/// What a DHCP message tells besides the [`ClientIdentity`] that a machine may be known by.
#[derive(Clone, Copy, Debug, Default)]
pub struct DhcpKeys<'a> {
    /// Option 61.
    pub client_id: Option<&'a [u8]>,
    /// Option 82, sub-option 1.
    pub circuit: Option<&'a [u8]>,
    /// Option 82, sub-option 2.
    pub remote: Option<&'a [u8]>,
    /// The relay agent.
    pub relay: Option<Ipv4Addr>,
}

/// The machines of a site, found by any of their keys.
#[derive(Debug, Default)]
pub struct Machines {
    machines: Vec<Machine>,
    by_mac: HashMap<MacAddr, MachineId, SeededState>,
    by_uuid: HashMap<Uuid, MachineId, SeededState>,
    by_serial: HashMap<Box<str>, MachineId, SeededState>,
    by_client_id: HashMap<Box<[u8]>, MachineId, SeededState>,
    by_attachment: HashMap<AttachmentKey, MachineId, SeededState>,
    by_address: HashMap<Ipv4Addr, MachineId, SeededState>,
}

impl Machines {
    /// No machines yet, in tables whose order nobody can guess without `seed`.
    pub fn with_seed(seed: u64) -> Self {
        let state = SeededState::new(seed);
        Self {
            machines: Vec::new(),
            by_mac: HashMap::with_hasher(state.clone()),
            by_uuid: HashMap::with_hasher(state.clone()),
            by_serial: HashMap::with_hasher(state.clone()),
            by_client_id: HashMap::with_hasher(state.clone()),
            by_attachment: HashMap::with_hasher(state.clone()),
            by_address: HashMap::with_hasher(state),
        }
    }

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
        if machine.addresses.iter().any(|address| self.by_address.contains_key(address)) {
            return Err(DuplicateKey::Address);
        }
        let id = MachineId(u32::try_from(self.machines.len()).unwrap_or(u32::MAX));
        for key in keys {
            match key {
                MachineKey::Mac(mac) => drop(self.by_mac.insert(*mac, id)),
                MachineKey::Uuid(uuid) => drop(self.by_uuid.insert(*uuid, id)),
                MachineKey::Serial(serial) => drop(self.by_serial.insert(serial.clone(), id)),
                MachineKey::ClientId(client) => {
                    self.by_client_id.insert(client.clone(), id);
                }
                MachineKey::Attachment(place) => {
                    self.by_attachment.insert(place.clone(), id);
                }
            }
        }
        for address in &machine.addresses {
            self.by_address.insert(*address, id);
        }
        self.machines.push(machine);
        Ok(id)
    }

    fn by_key(&self, key: &MachineKey) -> Option<MachineId> {
        match key {
            MachineKey::Mac(mac) => self.by_mac.get(mac).copied(),
            MachineKey::Uuid(uuid) => self.by_uuid.get(uuid).copied(),
            MachineKey::Serial(serial) => self.by_serial.get(serial).copied(),
            MachineKey::ClientId(client) => self.by_client_id.get(client).copied(),
            MachineKey::Attachment(place) => self.by_attachment.get(place).copied(),
        }
    }

    /// The machine that `client` claims to be: by MAC, else by UUID (in either byte order, since
    /// firmware disagrees), else by serial number, else as what it was found out to be otherwise.
    pub fn find(&self, client: &ClientIdentity) -> Option<(MachineId, &Machine)> {
        let (id, _) = self.recognise(client)?;
        Some((id, self.machines.get(id.0 as usize)?))
    }

    #[inline]
    fn recognise(&self, client: &ClientIdentity) -> Option<(MachineId, MachineRule)> {
        if self.machines.is_empty() {
            return None;
        }
        let by_mac = || Some((*self.by_mac.get(&client.mac?)?, MachineRule::Mac));
        let by_uuid = || {
            let uuid = client.uuid?;
            let found = self.by_uuid.get(&uuid).or_else(|| self.by_uuid.get(&uuid.swapped()));
            Some((*found?, MachineRule::Uuid))
        };
        let by_serial =
            || Some((*self.by_serial.get(client.serial.as_ref()?.as_str())?, MachineRule::Serial));
        let known = client.machine.map(|id| (id, MachineRule::Known));
        by_mac().or_else(by_uuid).or_else(by_serial).or(known)
    }

    /// The machine that sent a DHCP message: as [`Machines::find`], else by its client identifier,
    /// else by the place at which a relay agent found it, the narrowest description first.
    pub fn find_by_dhcp(
        &self,
        client: &ClientIdentity,
        keys: &DhcpKeys<'_>,
    ) -> Option<(MachineId, &Machine)> {
        let (id, _) = self.recognise_by_dhcp(client, keys)?;
        Some((id, self.machines.get(id.0 as usize)?))
    }

    /// What [`Machines::find_by_dhcp`] finds, and by which of its keys.
    #[inline]
    pub fn recognise_by_dhcp(
        &self,
        client: &ClientIdentity,
        keys: &DhcpKeys<'_>,
    ) -> Option<(MachineId, MachineRule)> {
        let by_client_id =
            || Some((*self.by_client_id.get(keys.client_id?)?, MachineRule::ClientId));
        let by_attachment = || Some((self.find_by_attachment(keys)?, MachineRule::Attachment));
        self.recognise(client).or_else(by_client_id).or_else(by_attachment)
    }

    fn find_by_attachment(&self, keys: &DhcpKeys<'_>) -> Option<MachineId> {
        if self.by_attachment.is_empty() {
            return None;
        }
        let DhcpKeys { circuit, remote, relay, .. } = *keys;
        let pairs = [(circuit, remote), (circuit, None), (None, remote)];
        // An agent that tells no circuit or no remote would be asked for the same place again.
        let told = pairs
            .iter()
            .enumerate()
            .filter(|(at, pair)| *pair != &(None, None) && !pairs[..*at].contains(*pair));
        told.flat_map(|(_, (circuit, remote))| {
            [relay, None].map(|relay| Attachment { circuit: *circuit, remote: *remote, relay })
        })
        .find_map(|place| self.by_attachment.get(&place).copied())
    }

    /// The machine that has its fixed address from DHCP, where only DHCP tells what it is known by:
    /// a client identifier, or its place.
    pub fn find_by_address(&self, address: IpAddr) -> Option<MachineId> {
        if self.by_client_id.is_empty() && self.by_attachment.is_empty() {
            return None;
        }
        match address.to_canonical() {
            IpAddr::V4(address) => self.reserved(address),
            IpAddr::V6(_) => None,
        }
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

    /// Whether a UUID tells machines apart, so that it is worth a place in names.
    pub fn needs_uuid(&self) -> bool {
        !self.by_uuid.is_empty()
    }

    /// Whether telling machines apart takes facts that only iPXE reports (serial numbers).
    pub fn needs_serial(&self) -> bool {
        !self.by_serial.is_empty()
    }
}

/// Which key a machine is recognised by, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineRule {
    /// It was found out before.
    Known,
    /// Its link-layer address.
    Mac,
    /// Its SMBIOS UUID.
    Uuid,
    /// Its SMBIOS serial number.
    Serial,
    /// Its client identifier.
    ClientId,
    /// The place at which a relay agent found it.
    Attachment,
}

/// Two machines claim one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// The key at this position of the list.
    Key(usize),
    /// The fixed address.
    Address,
}

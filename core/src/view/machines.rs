//! Machines that the site knows one by one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use hashbrown::HashMap;

use super::{MachineId, ProfileId, SeededState};
use crate::identity::ClientIdentity;
use crate::mac::MacAddr;
use crate::wire::pxe::Uuid;

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
    /// No machines yet, in tables whose order nobody can guess without `seed`.
    pub fn with_seed(seed: u64) -> Self {
        let state = SeededState::new(seed);
        Self {
            machines: Vec::new(),
            by_mac: HashMap::with_hasher(state.clone()),
            by_uuid: HashMap::with_hasher(state.clone()),
            by_serial: HashMap::with_hasher(state.clone()),
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

    /// Whether a UUID tells machines apart, so that it is worth a place in names.
    pub fn needs_uuid(&self) -> bool {
        !self.by_uuid.is_empty()
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

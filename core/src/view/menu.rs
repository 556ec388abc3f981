//! The menu that PXE firmware shows, and the boot servers behind it (PXE 2.1 §2.2.3, §3.2).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::wire::EmitError;
use crate::wire::pxe::{MenuItem, PxeOptionsWriter};

/// What PXE firmware asks the person at the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Menu {
    /// What stands above the choice until a key is pressed.
    pub prompt: Box<str>,
    /// Seconds until the first choice is taken: 0 at once, 255 never.
    pub timeout_s: u8,
    /// What may be chosen, in order.
    pub services: Vec<BootService>,
    /// Whether firmware may look for boot servers by broadcast, too, and not only where it is told.
    pub broadcast: bool,
    /// The group in which firmware may look for them as well: 224.0.1.2 is PXE's own. Our sockets
    /// must have joined it.
    pub multicast: Option<Ipv4Addr>,
}

/// One choice of a [`Menu`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootService {
    /// Its type: 0 boots from the local disk, below 32768 are types of the PXE specification, from
    /// there on a site's own.
    pub kind: u16,
    /// What the menu shows.
    pub text: Box<str>,
    /// What it leads to.
    pub target: BootTarget,
}

/// What a choice leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootTarget {
    /// The local disk; nobody is asked.
    Local,
    /// What the machine boots without a menu.
    Own,
    /// This file, by TFTP from here.
    File(Box<str>),
    /// Other boot servers.
    Servers(Vec<Ipv4Addr>),
}

impl Menu {
    /// The choice of type `kind`.
    pub fn service(&self, kind: u16) -> Option<&BootService> {
        self.services.iter().find(|service| service.kind == kind)
    }

    /// Writes the sub-options of option 43 that show the menu to a client of `server`.
    pub fn write(&self, server: Ipv4Addr, out: &mut PxeOptionsWriter<'_>) {
        let no_broadcast = if self.broadcast { 0 } else { NO_BROADCAST };
        let no_multicast = if self.multicast.is_some() { 0 } else { NO_MULTICAST };
        out.put_discovery_control(no_multicast | LISTED_SERVERS_ONLY | no_broadcast);
        if let Some(group) = self.multicast {
            out.put_multicast_address(group);
        }
        let own = [server];
        let served = self.services.iter().filter_map(|service| match &service.target {
            BootTarget::Local => None,
            BootTarget::Own | BootTarget::File(_) => Some((service.kind, &own[..])),
            BootTarget::Servers(servers) => Some((service.kind, &servers[..])),
        });
        if served.clone().next().is_some() {
            out.put_all_boot_servers(served);
        }
        out.put_menu_items(
            self.services
                .iter()
                .map(|service| MenuItem { kind: service.kind, text: service.text.as_bytes() }),
        );
        out.put_prompt(self.timeout_s, self.prompt.as_bytes());
    }

    /// Whether the menu fits into option 43.
    ///
    /// # Errors
    /// [`EmitError::NoSpace`] or [`EmitError::TooLong`] if not.
    pub fn check(&self) -> Result<(), EmitError> {
        let mut value = [0; 255];
        let mut out = PxeOptionsWriter::new(&mut value);
        self.write(Ipv4Addr::UNSPECIFIED, &mut out);
        out.finish().map(|_| ())
    }
}

/// Discovery control (PXE 2.1 table 2-1, option 43.6).
const NO_BROADCAST: u8 = 1;
const NO_MULTICAST: u8 = 2;
const LISTED_SERVERS_ONLY: u8 = 4;

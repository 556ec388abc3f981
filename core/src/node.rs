//! Names under which one machine fetches its files: `node/<mac>[.<arch>[.<uuid>]]/…`.
//!
//! TFTP and HTTP requests do not say who asks. So DHCP hands out boot files under a name that
//! does, and everything a loader fetches beside its own file (GRUB's configuration, iPXE's
//! `autoexec.ipxe`, shim's second stage) carries the machine's name as well, on any shard and
//! without a shared table. Behind the prefix lies the same tree of files as without.

use core::fmt;
use core::str::FromStr;

use crate::digits::{self, WriteAscii};
use crate::identity::ClientIdentity;
use crate::mac::MacAddr;
use crate::wire::pxe::{ArchType, Uuid};

/// The prefix that names a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePrefix {
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its architecture, as its firmware told.
    pub arch: Option<ArchType>,
    /// Its SMBIOS UUID.
    pub uuid: Option<Uuid>,
}

impl NodePrefix {
    /// The prefix of a client that told its MAC address.
    pub fn of(client: &ClientIdentity) -> Option<Self> {
        Some(Self { mac: client.mac?, arch: client.arch, uuid: client.uuid })
    }

    /// Splits a normalised name into the prefix and what follows it.
    pub fn split(name: &str) -> Option<(Self, &str)> {
        let (node, rest) = name.strip_prefix("node/")?.split_once('/')?;
        let mut parts = node.split('.');
        let mac = MacAddr::from_str(parts.next()?).ok()?;
        let arch = match parts.next() {
            None | Some("") => None,
            Some(arch) => Some(ArchType(arch.parse().ok()?)),
        };
        let uuid = match parts.next() {
            None => None,
            Some(uuid) => Some(Uuid::from_str(uuid).ok()?),
        };
        Some((Self { mac, arch, uuid }, rest))
    }

    /// Writes the prefix as its `Display` does, only faster: a DHCP server does so for each answer.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write_to(&self, out: &mut impl WriteAscii) -> fmt::Result {
        out.write_str("node/")?;
        digits::write_octets(out, self.mac.0, b'-')?;
        if let Some(arch) = self.arch {
            out.write_str(".")?;
            digits::write_decimal(out, arch.0)?;
        }
        if let Some(uuid) = self.uuid {
            out.write_str(if self.arch.is_some() { "." } else { ".." })?;
            uuid.write_to(out)?;
        }
        out.write_str("/")
    }

    /// What the prefix tells, added to what the request told itself.
    pub fn identify(&self, client: &mut ClientIdentity) {
        client.mac = Some(self.mac);
        client.arch = self.arch.or(client.arch);
        client.uuid = self.uuid.or(client.uuid);
    }
}

impl fmt::Display for NodePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// A MAC address with hyphens, as file names and iPXE's `hexhyp` write it.
#[derive(Clone, Copy, Debug)]
pub struct HyphenMac(pub MacAddr);

impl fmt::Display for HyphenMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits::write_octets(f, self.0.0, b'-')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mac = MacAddr([0x52, 0x54, 0, 1, 2, 0xab]);
        let uuid = Uuid([0x11; 16]);
        for (arch, uuid) in [
            (None, None),
            (Some(ArchType(7)), None),
            (None, Some(uuid)),
            (Some(ArchType(16)), Some(uuid)),
        ] {
            let prefix = NodePrefix { mac, arch, uuid };
            let name = std::format!("{prefix}ipxe/snponly.efi");
            assert_eq!(NodePrefix::split(&name), Some((prefix, "ipxe/snponly.efi")), "{name}");
        }
    }

    #[test]
    fn other_names_have_no_prefix() {
        for name in
            ["node", "node/x/y", "nodes/52-54-00-01-02-ab/x", "node/52-54-00-01-02-ab.z/x", "a/b"]
        {
            assert_eq!(NodePrefix::split(name), None, "{name}");
        }
    }
}

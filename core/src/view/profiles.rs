//! What machines boot, and which profile a machine falls under.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::document::Template;
use crate::identity::{ClientIdentity, Fact};
use crate::wire::pxe::ArchType;

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
        self.matches_with(client, false)
    }

    /// Whether the rule may match once the client tells the facts it has not told yet.
    pub fn may_match(&self, client: &ClientIdentity) -> bool {
        self.matches_with(client, true)
    }

    fn matches_with(&self, client: &ClientIdentity, untold: bool) -> bool {
        let fact = |pattern: &Option<Box<str>>, fact: Option<&Fact>| match (pattern, fact) {
            (None, _) => true,
            (Some(pattern), Some(fact)) => matches_glob(pattern, fact.as_str()),
            (Some(_), None) => untold,
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
pub(super) fn matches_glob(pattern: &str, text: &str) -> bool {
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

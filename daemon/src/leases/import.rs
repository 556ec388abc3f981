//! Leases of other servers, so that a site can change to this one without anybody noticing.
//!
//! Reading is separate from taking over: each format becomes a list of [`Foreign`] leases, the
//! last word of its file about each address, and of what was not understood, with line numbers.

mod dnsmasq;
mod isc;
mod kea;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use reveille_core::mac::MacAddr;

use crate::store::wall::Wall;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// dhcpd.leases of ISC dhcpd
    Isc,
    /// dnsmasq.leases of dnsmasq
    Dnsmasq,
    /// kea-leases4.csv of Kea's memfile
    Kea,
    /// What `reveille leases --format csv` has written
    Reveille,
}

/// A lease as another server knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// The address.
    pub address: Ipv4Addr,
    /// The Ethernet address, if it has one.
    pub mac: Option<MacAddr>,
    /// Option 61; may be empty.
    pub client_id: Vec<u8>,
    /// May be empty; nobody has checked it.
    pub hostname: String,
    /// What holds it.
    pub state: ForeignState,
}

/// What holds an address, as far as all servers have that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignState {
    /// Lent.
    Bound {
        /// Since when, if that is known.
        since: Option<Wall>,
        /// Until when.
        until: Wall,
    },
    /// Lent once.
    Former {
        /// Until when.
        at: Wall,
    },
    /// In use by somebody whom the server did not give it.
    Declined {
        /// When it may be tried again.
        until: Wall,
    },
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it stands, counted from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// A file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The last word about each address.
    pub leases: BTreeMap<Ipv4Addr, Foreign>,
    /// What was not understood.
    pub skipped: Vec<Skipped>,
    /// Earlier words about addresses, which count no more.
    pub overridden: usize,
}

impl Reading {
    pub(super) fn take(&mut self, lease: Foreign) {
        if self.leases.insert(lease.address, lease).is_some() {
            self.overridden += 1;
        }
    }

    /// The address is free, whatever was said before.
    fn forget(&mut self, address: Ipv4Addr) {
        if self.leases.remove(&address).is_some() {
            self.overridden += 1;
        }
    }

    pub(super) fn skip(&mut self, line: usize, why: impl Into<String>) {
        self.skipped.push(Skipped { line, why: why.into() });
    }
}

/// Reads `text`. Never fails: what is not understood is among what was skipped.
pub fn read(format: Format, text: &str) -> Reading {
    match format {
        Format::Isc => isc::read(text),
        Format::Dnsmasq => dnsmasq::read(text),
        Format::Kea => kea::read(text),
        Format::Reveille => super::csv::read(text),
    }
}

/// Bytes written as `01:52:54:…`; nothing if it is something else.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let byte = |part: &str| {
        let is_byte = matches!(part.len(), 1 | 2);
        is_byte.then(|| u8::from_str_radix(part, 16).ok()).flatten()
    };
    text.split(':').map(byte).collect()
}

#[cfg(test)]
mod tests;

//! What becomes of the bytes of a file: they are counted, hashed and, where they are a script,
//! read.

use core::fmt;
use core::net::Ipv4Addr;

use xxhash_rust::xxh3::Xxh3;

use super::grub::GrubReader;
use super::ipxe::{IpxeReader, NoScript};
use super::location::Location;
use super::pi::PiReader;
use super::plan::Plan;
use super::{Digest, Identity};
use crate::model::Model;

/// What a script may ask about the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'m> {
    pub(super) identity: &'m Identity,
    pub(super) model: &'static Model,
    pub(super) address: Ipv4Addr,
    /// Where DHCP said that the boot file lies.
    pub(super) boot_server: Ipv4Addr,
    /// Where the script lies.
    pub(super) location: &'m Location,
}

/// Who takes the bytes of a file.
#[expect(clippy::large_enum_variant, reason = "there is one in each machine, whatever it is")]
pub(super) enum Taker {
    /// They are hashed.
    Hash(Xxh3),
    /// They are a script for iPXE.
    Ipxe(IpxeReader),
    /// They are a configuration of GRUB.
    Grub(GrubReader),
    /// They are one of a Pi's.
    Pi(PiReader),
}

impl Taker {
    pub(super) fn hash() -> Self {
        Self::Hash(Xxh3::new())
    }

    /// What came, `len` bytes, unless it was a script.
    pub(super) fn digest(&self, len: u64) -> Option<Digest> {
        match self {
            Self::Hash(hash) => Some(Digest { len, xxh3: hash.digest128() }),
            Self::Ipxe(_) | Self::Grub(_) | Self::Pi(_) => None,
        }
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(_) => f.write_str("Hash"),
            Self::Ipxe(reader) => reader.fmt(f),
            Self::Grub(reader) => reader.fmt(f),
            Self::Pi(reader) => reader.fmt(f),
        }
    }
}

/// A file as it comes in, with what its reader fills and asks.
///
/// The parts lie beside each other in the machine: the alignment of the hash would make each
/// structure around it a cache line longer.
#[derive(Debug)]
pub(super) struct Intake<'m> {
    pub(super) taker: &'m mut Taker,
    /// Bytes that have come.
    pub(super) len: &'m mut u64,
    pub(super) plan: &'m mut Plan,
    pub(super) facts: Facts<'m>,
}

impl Intake<'_> {
    /// The first byte of a file is about to come, perhaps once more.
    pub(super) fn begin(&mut self) {
        *self.len = 0;
        match self.taker {
            Taker::Hash(hash) => hash.reset(),
            Taker::Ipxe(reader) => {
                *reader = IpxeReader::new();
                self.plan.clear();
            }
            Taker::Grub(reader) => {
                *reader = GrubReader::new();
                self.plan.clear();
            }
            Taker::Pi(reader) => *reader = PiReader::new(reader.file()),
        }
    }

    /// The next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        *self.len += bytes.len() as u64;
        match self.taker {
            Taker::Hash(hash) => hash.update(bytes),
            Taker::Grub(reader) => reader.feed(bytes, &self.facts, self.plan),
            Taker::Pi(reader) => reader.feed(bytes, &self.facts, self.plan),
            Taker::Ipxe(reader) => {
                if let Err(NoScript { seen, rest }) = reader.feed(bytes, &self.facts, self.plan) {
                    let mut hash = Xxh3::new();
                    hash.update(seen);
                    hash.update(rest);
                    *self.taker = Taker::Hash(hash);
                }
            }
        }
    }

    /// The file is complete.
    pub(super) fn end(&mut self) {
        let end = b"\n";
        match self.taker {
            Taker::Hash(_) => {}
            Taker::Grub(reader) => reader.feed(end, &self.facts, self.plan),
            Taker::Pi(reader) => reader.feed(end, &self.facts, self.plan),
            // A file that ends within the first line is no script; its digest is of no interest.
            Taker::Ipxe(reader) => drop(reader.feed(end, &self.facts, self.plan)),
        }
    }
}

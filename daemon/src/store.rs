//! What outlives the process: leases, on stable storage before any client hears of them.
//!
//! A thread of its own ([`writer`]) takes what the DHCP engine wants kept, commits all that waits
//! with one sync, and answers. Behind the small trait [`Store`] is an embedded database
//! ([`disk`]); every record in it is versioned and has a checksum of its own ([`record`]).

pub mod directory;
pub mod disk;
#[cfg(test)]
pub(crate) mod faulty;
pub mod health;
pub mod load;
mod purge;
pub mod record;
pub mod salvage;
mod steps;
pub mod wall;
pub mod writer;

use std::io;
use std::net::Ipv4Addr;

use self::record::{Damage, Record};

/// Where leases are kept. One thread owns it.
pub trait Store {
    /// Puts all `records` on stable storage, or none: when it returns, they outlive a power cut.
    /// Of two records of one address the later one counts.
    ///
    /// # Errors
    /// If they are not there. Nothing more can be written before [`Store::reopen`].
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Lets go of these addresses; when that reaches the disk does not matter.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn forget(&mut self, addresses: &[Ipv4Addr]) -> Result<(), StoreError>;

    /// Up to `limit` leases from the address `from` on, in order.
    ///
    /// # Errors
    /// If the disk cannot be read.
    fn page(&self, from: Ipv4Addr, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Begins anew with what is on the disk, and proves that it can be written.
    ///
    /// # Errors
    /// If it cannot.
    fn reopen(&mut self) -> Result<(), StoreError>;
}

/// What is kept under one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The address that it is kept under.
    pub address: Ipv4Addr,
    /// The lease, or why it cannot be read.
    pub record: Result<Record, Damage>,
}

/// Why the store did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another process has it.
    #[error("another process uses it")]
    Locked,
    /// What is on the disk is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// It failed before, or behind the scenes.
    #[error("an earlier write has failed")]
    Failed,
    /// The server has room for fewer leases.
    #[error("there are more leases than a server has room for")]
    NoRoom,
}

impl StoreError {
    /// What can be done about it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others have one advice")]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room on the disk of the state directory")
                }
                io::ErrorKind::ReadOnlyFilesystem => Some(
                    "the disk was made read-only, perhaps by the kernel after an error: see dmesg, \
                     then remount it",
                ),
                io::ErrorKind::PermissionDenied => {
                    Some("the state directory must belong to the user that the server runs as")
                }
                io::ErrorKind::NotFound => Some("something has removed files of the store"),
                _ => Some("the disk may be failing: see dmesg"),
            },
            Self::Locked => Some("a second server must have a state directory of its own"),
            Self::Damaged(_) => Some(
                "restore a backup, or stop the server and run `reveille leases repair`: it keeps \
                 every whole record and says what is lost",
            ),
            Self::Failed | Self::NoRoom => None,
        }
    }
}

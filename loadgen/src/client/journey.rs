//! What all machines of a run have in common: what files should be, and what is done to machines.

use core::fmt;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_128;

use crate::time::Duration;

/// What a file should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Its length in bytes.
    pub len: u64,
    /// Its XXH3 with 128 bits.
    pub xxh3: u128,
}

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len() as u64, xxh3: xxh3_128(bytes) }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {:032x}", self.len, self.xxh3)
    }
}

/// What is done to the machines of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The share of machines that go silent somewhere, from 0 to 1.
    pub vanish: f64,
    /// The share of machines that dawdle, from 0 to 1; see [`super::Machine::is_straggler`].
    pub stragglers: f64,
    /// How long a straggler waits before each stage.
    pub straggler_pause: Duration,
    /// Between the last image and the first request of the started system.
    pub system_start: Duration,
    /// Whether iPXE waits for an IPv6 router before it fetches anything, as its builds with IPv6
    /// do: up to [`crate::model::ROUTER_PATIENCE`] unless an advertisement comes.
    pub ipv6: bool,
    /// What the started system fetches, besides what its command line names. `{mac}`,
    /// `{mac_hyphen}`, `{uuid}`, `{address}`, `{server}` (of the boot file) and `{node_url}` (the
    /// folder of the script) are filled in.
    pub metadata: Option<Box<str>>,
    /// Where the started system reports if its command line has no `report=`; gaps as above.
    /// Without both the machine is up when its last image is there.
    pub report: Option<Box<str>>,
    /// How often a script that tries again may do so.
    pub script_retries_max: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vanish: 0.0,
            stragglers: 0.0,
            straggler_pause: Duration::from_secs(5),
            system_start: Duration::ZERO,
            ipv6: false,
            metadata: None,
            report: None,
            script_retries_max: 100,
        }
    }
}

/// What all machines of a run have in common.
#[derive(Debug, Default)]
pub struct Journey {
    /// What is done to them.
    pub options: Options,
    given: HashMap<Box<str>, Digest>,
    learned: Mutex<HashMap<Box<str>, Digest>>,
}

impl Journey {
    /// Files are not known yet: what the first machine gets of each is what all others must get.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Says what the file of this name should be: its path behind the server's root, without a
    /// machine's own prefix (`node/…/`).
    pub fn expect(&mut self, name: &str, digest: Digest) {
        self.given.insert(name.into(), digest);
    }

    /// What the file `name` should be. Whatever nobody told is learned from `found`, of the first
    /// machine that asks.
    pub fn expected(&self, name: &str, found: Digest) -> Digest {
        if let Some(digest) = self.given.get(name) {
            return *digest;
        }
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        match learned.get(name) {
            Some(digest) => *digest,
            None => *learned.entry(name.into()).or_insert(found),
        }
    }

    /// What was learned, in no order.
    pub fn learned(&self) -> Vec<(Box<str>, Digest)> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.iter().map(|(name, digest)| (name.clone(), *digest)).collect()
    }
}

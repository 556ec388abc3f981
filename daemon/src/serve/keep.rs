//! What outlives the process: the state directory, the store in it, and the leases of before.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use reveille_core::dhcp4::Dhcp4Server;
use reveille_core::view::View;
use reveille_runtime::PersistPort;
use tracing::{info, warn};

use super::{Explained, Origin};
use crate::privileges::User;
use crate::site::Site;
use crate::store::directory::StateDirectory;
use crate::store::disk::{Disk, KEY_BYTES, Reader};
use crate::store::health::Health;
use crate::store::load;
use crate::store::wall::Clocks;
use crate::store::writer::Writer;

/// Takes the state directory, which takes the rights that are given up later.
///
/// # Errors
/// If leases are to be kept and it cannot be had.
pub(super) fn take(
    origin: &Origin,
    site: &Site,
    user: Option<&User>,
) -> Result<Option<StateDirectory>, Explained> {
    if let Origin::CommandLine(_) = origin {
        info!("leases live in memory and end with this process");
        return Ok(None);
    }
    let path = site.state.directory();
    if site.state.durable {
        return StateDirectory::take(path, user).map(Some);
    }
    warn!(
        help = "machines may be given addresses that others still use after a restart; `durable = \
                true` under [state] prevents that",
        "leases live in memory and end with this process"
    );
    match StateDirectory::take(path, user) {
        Ok(state) => Ok(Some(state)),
        Err(error) => {
            warn!(help = error.help, "`reveille status` and `leases` cannot ask: {error}");
            Ok(None)
        }
    }
}

/// A store that is open.
#[derive(Debug)]
pub(super) struct Kept {
    disk: Disk,
    /// By which clients without an Ethernet address are known.
    pub(super) key: [u8; KEY_BYTES],
    /// Records in it.
    pub(super) leases: u64,
}

/// What others see of the store.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// How it fares.
    pub(crate) health: Arc<Health>,
    /// What is in it.
    pub(crate) reader: Reader,
}

impl Kept {
    /// Opens the store. Starts threads.
    ///
    /// # Errors
    /// If it cannot be read or written, or has lost something.
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        let open = || {
            let disk = Disk::open(directory)?;
            let key = disk.identifier_key()?;
            let leases = disk.reader().count()?;
            Ok(Self { disk, key, leases })
        };
        open().map_err(|error| crate::leases::opening(directory, &error).into())
    }

    /// Gives all leases to the engine.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn load(&self, dhcp: &mut Dhcp4Server, view: &View) -> anyhow::Result<()> {
        let begin = Instant::now();
        let clocks = Clocks::read();
        let restore = |binding: &_| dhcp.restore(binding, clocks.monotonic);
        let loaded =
            load::load(&self.disk.reader(), view, clocks, restore).map_err(|error| Explained {
                what: format!("cannot read the leases: {error}"),
                help: error.help().map(str::to_owned),
            })?;
        loaded.tell(begin.elapsed());
        Ok(())
    }

    /// Hands the store over to its thread.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(super) fn start(self, port: PersistPort, place: &Path) -> anyhow::Result<(Writer, Shown)> {
        let health = Arc::new(Health::default());
        let shown = Shown { health: Arc::clone(&health), reader: self.disk.reader() };
        let writer = Writer::start(self.disk, port, health, place.to_owned())
            .context("cannot start the store's thread")?;
        Ok((writer, shown))
    }
}

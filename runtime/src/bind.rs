//! Opening everything while the process still has its privileges.

use std::io;

use reveille_core::engine::{Datagram, Engine, Packet, StreamEvent};

use crate::config::Config;
use crate::control::{Server, Setup};
use crate::error::{BindError, StartError};
use crate::probe::Features;
use crate::shards::{Engines, ShardIndex};

/// Probes the kernel and opens every socket of `config`. Privileges can be dropped after it.
///
/// # Errors
/// What could not be opened, and why.
pub fn bind(config: Config) -> Result<Bound, BindError> {
    Ok(Bound { config, features: Features::default() })
}

/// Open sockets that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    features: Features,
}

impl Bound {
    /// What the kernel can do.
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// Starts the shards, each with the engines that `engines` makes for it.
    ///
    /// # Errors
    /// If a thread, its ring or its buffers cannot be had; no thread runs then.
    pub fn start<D, T, S>(
        self,
        setup: Setup,
        mut engines: impl FnMut(ShardIndex) -> Engines<D, T, S>,
    ) -> Result<Server, StartError>
    where
        D: for<'i> Engine<Input<'i> = Packet<'i>> + Send + 'static,
        T: for<'i> Engine<Input<'i> = Datagram<'i>> + Send + 'static,
        S: for<'i> Engine<Input<'i> = StreamEvent<'i>> + Send + 'static,
    {
        for shard in 0..self.config.shards.get() {
            drop(engines(ShardIndex(shard)));
        }
        drop(setup);
        let source = io::Error::from(io::ErrorKind::Unsupported);
        Err(StartError { shard: 0, what: "the ring", source })
    }
}

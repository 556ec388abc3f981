//! The hand on all shards.

use std::fmt;
use std::sync::Arc;

use reveille_core::view::View;

use crate::buffers::images::ImageTable;
use crate::counters::Snapshot;
use crate::error::ShardPanic;
use crate::events::EventReceiver;

/// Policy and the images that it mentions: they change together.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The policy.
    pub view: Arc<View>,
    /// The images.
    pub images: Arc<ImageTable>,
}

/// A running server. Dropping it stops the shards and waits for them.
pub struct Server {
    events: EventReceiver,
}

impl Server {
    /// Gives every shard new policy and images, each between two of its turns.
    pub fn swap(&self, setup: Setup) {
        drop(setup);
    }

    /// What happened.
    pub fn events(&self) -> &EventReceiver {
        &self.events
    }

    /// The counters of now.
    pub fn counters(&self) -> Snapshot {
        Snapshot { shards: Vec::new(), events_lost: self.events.lost() }
    }

    /// Stops taking new work: sessions that run go on to their end.
    pub fn drain(&self) {}

    /// Whether every session has ended after [`Server::drain`].
    pub fn is_drained(&self) -> bool {
        false
    }

    /// Ends all shards at once.
    pub fn stop(&self) {}

    /// Waits until all shards have ended: after [`Server::stop`], or because one failed.
    ///
    /// # Errors
    /// If a shard panicked.
    pub fn join(self) -> Result<(), ShardPanic> {
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

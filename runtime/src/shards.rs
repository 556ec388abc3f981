//! Threads: one for each shard, on a core of its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use reveille_core::engine::{Datagram, Engine, Packet, StreamEvent};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::control::{Shared, Siblings};
use crate::error::StartError;
use crate::events::EventReceiver;
use crate::persist::PersistLink;
use crate::shard::{Outlets, Shard, Start};

/// Which shard: 0 is the one that has the DHCP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardIndex(pub usize);

/// The engines of one shard.
#[derive(Clone, Debug)]
pub struct Engines<D, T, S> {
    /// DHCP; only the first shard's is fed.
    pub dhcp: Option<D>,
    /// TFTP.
    pub tftp: T,
    /// HTTP.
    pub http: S,
}

/// One of the engines of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EngineKind {
    Dhcp,
    Tftp,
    Http,
}

/// What a shard's thread has to do with others.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) events: EventReceiver,
    pub(crate) persist: Option<PersistLink>,
    pub(crate) siblings: Siblings,
}

/// A shard's thread.
#[derive(Debug)]
pub(crate) struct ShardThread {
    pub(crate) shared: Arc<Shared>,
    thread: JoinHandle<Result<(), String>>,
}

impl ShardThread {
    /// Starts a shard and waits until it takes packets.
    ///
    /// # Errors
    /// If its thread, ring or buffers cannot be had.
    pub(crate) fn start<D, T, S>(
        start: Start,
        engines: Engines<D, T, S>,
        links: Links,
    ) -> Result<Self, StartError>
    where
        D: for<'i> Engine<Input<'i> = Packet<'i>> + Send + 'static,
        T: for<'i> Engine<Input<'i> = Datagram<'i>> + Send + 'static,
        S: for<'i> Engine<Input<'i> = StreamEvent<'i>> + Send + 'static,
    {
        let index = start.index;
        let failed = |what, source| StartError { shard: index.0, what, source };
        let shared = Shared::new().map_err(|source| failed("its mailbox", source))?;
        let shared = Arc::new(shared);
        let (report, started) = mpsc::sync_channel(1);
        let Links { events, persist, siblings } = links;
        siblings.add(&shared);
        let shard_shared = Arc::clone(&shared);
        let outlets = Outlets { events: events.sender(), persist };
        let run = move || {
            let running = Arc::clone(&shard_shared);
            let run = AssertUnwindSafe(|| {
                pin_to_core(index);
                match Shard::new(start, engines, shard_shared, outlets) {
                    Ok(shard) => {
                        let _starter_waits = report.send(Ok(()));
                        shard.run().map_err(|error| error.to_string())
                    }
                    Err(error) => {
                        let _starter_waits = report.send(Err(error));
                        Ok(())
                    }
                }
            });
            let result = catch_unwind(run).unwrap_or_else(|panic| Err(message(&*panic)));
            running.end();
            if result.is_err() {
                siblings.stop();
            }
            // Whoever follows the events learns of the end as well.
            events.signal();
            result
        };
        let thread = thread::Builder::new()
            .name(format!("shard-{}", index.0))
            .spawn(run)
            .map_err(|source| failed("its thread", source))?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { shared, thread }),
            Ok(Err(error)) => Err(failed("its ring and buffers", error)),
            Err(_) => {
                let what = thread.join().ok().and_then(Result::err).unwrap_or_default();
                Err(failed("it failed at once", io::Error::other(what)))
            }
        }
    }

    /// Waits for the thread's end; an error is what it died of.
    pub(crate) fn join(self) -> Result<(), String> {
        self.thread.join().unwrap_or_else(|panic| Err(message(&*panic)))
    }
}

/// Keeps the calling thread on the core of its number among those that the process may use.
/// With more shards than cores the kernel decides.
fn pin_to_core(index: ShardIndex) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    if let Some(core) = cores.nth(index.0) {
        let mut only = CpuSet::new();
        only.set(core);
        let _not_allowed = sched_setaffinity(None, &only);
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

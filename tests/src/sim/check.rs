//! What must never happen, and a digest of what did.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use reveille_core::time::Instant;

/// Everything that is watched during a run. A violation panics, and tells how to see it again.
#[derive(Debug)]
pub(super) struct Checks {
    seed: u64,
    /// Who holds which address, and until when, as the machines know it.
    held: BTreeMap<Ipv4Addr, (u32, Instant)>,
    digest: DefaultHasher,
    /// Events that went into the digest.
    pub(super) events: u64,
}

impl Checks {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, held: BTreeMap::new(), digest: DefaultHasher::new(), events: 0 }
    }

    /// Stops the run.
    #[track_caller]
    pub(super) fn fail(&self, now: Instant, what: &str) -> ! {
        panic!(
            "after {:?}: {what}\nto see it again: REVEILLE_SEED={}",
            now - Instant::ZERO,
            self.seed
        );
    }

    /// Stops the run unless `holds`.
    #[track_caller]
    pub(super) fn ensure(&self, holds: bool, now: Instant, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(now, &what());
        }
    }

    /// A machine took an address.
    pub(super) fn take(&mut self, machine: u32, address: Ipv4Addr, until: Instant, now: Instant) {
        self.ensure_free(machine, address, now);
        self.held.insert(address, (machine, until));
    }

    /// A machine gave its address back.
    pub(super) fn release(&mut self, machine: u32, address: Ipv4Addr, now: Instant) {
        let held = self.held.remove(&address);
        let own = held.is_some_and(|(holder, _)| holder == machine);
        self.ensure(own, now, || format!("machine {machine} gives {address} back, of {held:?}"));
    }

    /// An address is given to a machine: nobody else may hold it.
    fn ensure_free(&self, machine: u32, address: Ipv4Addr, now: Instant) {
        if let Some((holder, until)) = self.held.get(&address) {
            self.ensure(*holder == machine || *until <= now, now, || {
                format!("{address} is held by machine {holder} and given to machine {machine}")
            });
        }
    }

    /// Adds something that happened to the digest.
    pub(super) fn note(&mut self, what: &impl Hash) {
        self.events += 1;
        what.hash(&mut self.digest);
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

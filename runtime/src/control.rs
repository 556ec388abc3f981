//! The hand on all shards: what the control thread asks for, and what it can see.

use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::utils::CachePadded;
use reveille_core::view::View;

use crate::buffers::images::ImageTable;
use crate::config::SocketPlan;
use crate::counters::{LiveCounters, Snapshot};
use crate::error::{BindError, ShardPanic};
use crate::events::EventReceiver;
use crate::shards::ShardThread;
use crate::socket::Opener;
use crate::sockets::{ShardSockets, Sockets};
use crate::wake::Wake;

/// Policy and the images that it mentions: they change together.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The policy.
    pub view: Arc<View>,
    /// The images.
    pub images: Arc<ImageTable>,
}

/// A running server. Dropping it stops the shards and waits for them.
#[derive(Debug)]
pub struct Server {
    shards: Vec<ShardThread>,
    sockets: Sockets,
    events: EventReceiver,
    /// Every view that a shard may still hold: the last reference is dropped here, since freeing
    /// a large one takes longer than a turn may.
    views: Mutex<Vec<Arc<View>>>,
}

impl Server {
    pub(crate) fn new(events: EventReceiver, view: Arc<View>, sockets: Sockets) -> Self {
        Self { shards: Vec::new(), sockets, events, views: Mutex::new(vec![view]) }
    }

    /// The sockets that a shard is to have.
    pub(crate) fn sockets(&self, shard: usize) -> ShardSockets {
        self.sockets.shard(shard).clone()
    }

    pub(crate) fn add(&mut self, shard: ShardThread) {
        self.shards.push(shard);
    }

    /// Gives every shard new policy and images, each between two of its turns.
    pub fn swap(&self, setup: Setup) {
        self.note_view(&setup);
        self.order(|orders| orders.setup = Some(setup.clone()));
    }

    /// Gives every shard, each between two of its turns, new policy and the sockets of `plan`
    /// together. `opener` opens those that are new; the others stay open, and what runs on them
    /// does not notice. Those that are in no plan any more close. The number of TFTP transfer
    /// sockets is an engine's for life and must not change.
    ///
    /// What cannot be opened is missing, and its reason is given back; the rest is served.
    pub fn switch(
        &mut self,
        plan: &SocketPlan,
        setup: Setup,
        opener: &mut Opener,
    ) -> Vec<BindError> {
        self.note_view(&setup);
        let (sockets, errors) = Sockets::open(plan, self.shards.len(), &self.sockets, opener);
        self.sockets = sockets;
        for (index, shard) in self.shards.iter().enumerate() {
            let sockets = self.sockets(index);
            shard.shared.order(|orders| {
                orders.setup = Some(setup.clone());
                orders.sockets = Some(sockets);
            });
        }
        errors
    }

    fn note_view(&self, setup: &Setup) {
        let mut views = lock(&self.views);
        views.retain(|old| Arc::strong_count(old) > 1);
        views.push(Arc::clone(&setup.view));
    }

    /// Takes `address` away from whoever has it ([`reveille_core::engine::OperatorOrder`]); an event tells if
    /// somebody had.
    pub fn order_release(&self, address: Ipv4Addr) {
        // DHCP is the first shard's.
        if let Some(shard) = self.shards.first() {
            shard.shared.order(|orders| orders.releases.push(address));
        }
    }

    /// What happened.
    pub const fn events(&self) -> &EventReceiver {
        &self.events
    }

    /// The counters of now.
    pub fn counters(&self) -> Snapshot {
        let shards = self.shards.iter().map(|shard| shard.shared.counters.snapshot());
        Snapshot { shards: shards.collect(), events_lost: self.events.lost() }
    }

    /// Stops taking new work: sessions that run go on to their end.
    pub fn drain(&self) {
        self.order(|orders| orders.drain = true);
    }

    /// Whether every session has ended after [`Server::drain`].
    pub fn is_drained(&self) -> bool {
        self.shards.iter().all(|shard| shard.shared.is_drained() || shard.shared.has_ended())
    }

    /// Whether all shards run. If one has failed, [`Server::join`] says why; the events'
    /// descriptor becomes readable then.
    pub fn is_running(&self) -> bool {
        !self.shards.iter().any(|shard| shard.shared.has_ended())
    }

    /// Ends all shards at once.
    pub fn stop(&self) {
        self.order(|orders| orders.stop = true);
    }

    /// Waits until all shards have ended: after [`Server::stop`], or because one failed, which
    /// stops the others.
    ///
    /// # Errors
    /// If a shard failed.
    pub fn join(mut self) -> Result<(), ShardPanic> {
        self.join_all()
    }

    fn join_all(&mut self) -> Result<(), ShardPanic> {
        let mut result = Ok(());
        for (shard, thread) in mem::take(&mut self.shards).into_iter().enumerate() {
            if let Err(message) = thread.join() {
                result = result.and(Err(ShardPanic { shard, message }));
            }
        }
        result
    }

    fn order(&self, change: impl Fn(&mut Orders)) {
        for shard in &self.shards {
            shard.shared.order(&change);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // Who wants to know joins.
        let _unread = self.join_all();
    }
}

/// What a shard and the control thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) counters: CachePadded<LiveCounters>,
    orders: Mutex<Orders>,
    wake: Wake,
    drained: AtomicBool,
    ended: AtomicBool,
}

/// All shards of a server: one that fails stops the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Siblings(Arc<Mutex<Vec<Arc<Shared>>>>);

impl Siblings {
    pub(crate) fn add(&self, shard: &Arc<Shared>) {
        lock(&self.0).push(Arc::clone(shard));
    }

    pub(crate) fn stop(&self) {
        for shard in lock(&self.0).iter() {
            shard.order(|orders| orders.stop = true);
        }
    }
}

/// What the control thread wants; a newer wish replaces an older one.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    setup: Option<Setup>,
    releases: Vec<Ipv4Addr>,
    sockets: Option<ShardSockets>,
    drain: bool,
    stop: bool,
}

/// One wish.
#[derive(Debug)]
pub(crate) enum Order {
    Stop,
    /// New policy, and the sockets for it if they are others.
    Swap(Setup, Option<ShardSockets>),
    Release(Ipv4Addr),
    Drain,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            counters: CachePadded::default(),
            orders: Mutex::default(),
            wake: Wake::new()?,
            drained: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    /// Readable when there are orders.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut lock(&self.orders));
        self.wake.signal();
    }

    /// All orders since the last call, the most urgent first.
    pub(crate) fn take_orders(&self) -> impl Iterator<Item = Order> + use<> {
        self.wake.reset();
        let Orders { setup, sockets, releases, drain, stop } = mem::take(&mut *lock(&self.orders));
        let stop = stop.then_some(Order::Stop);
        let drain = drain.then_some(Order::Drain);
        let swap = setup.map(|setup| Order::Swap(setup, sockets));
        let releases = releases.into_iter().map(Order::Release);
        [stop, swap, drain].into_iter().flatten().chain(releases)
    }

    pub(crate) fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Ordering::Release);
    }

    fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire)
    }

    /// The shard's thread is over.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Nothing that a lock here protects is left half changed, so a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

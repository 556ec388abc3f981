//! Messages that wait for their answer: a fixed number, in queues.
//!
//! What is nearly done comes before what is new: a REQUEST ends a wait of seconds, a DISCOVER
//! begins one. When there is no room, the DISCOVER that has waited longest gives way, since its
//! sender has given up on it before the others. A message whose lease is being stored keeps its
//! place, so that repetitions of it are known, and is answered in the order of the requests to store.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::lease::Storing;
use super::request::{Kind, Received};
use crate::binding::Ticket;
use crate::engine::{Discard, InterfaceId};
use crate::hash::KeyedHash;
use crate::limits;
use crate::rng::Rng;
use crate::table::index::ChainIndex;
use crate::table::links::{Links, List};
use crate::wire::dhcp4::Header;

/// What makes a message the repetition of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RepeatKey {
    chaddr: [u8; 16],
    xid: u32,
    giaddr: u32,
    interface: InterfaceId,
    port: u16,
    kind: Kind,
}

impl RepeatKey {
    pub(super) fn of(header: &Header, kind: Kind, received: &Received) -> Self {
        Self {
            chaddr: header.chaddr,
            xid: header.xid(),
            giaddr: header.giaddr().to_bits(),
            interface: received.interface,
            port: received.destination.port(),
            kind,
        }
    }
}

impl Hash for RepeatKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let chaddr = u128::from_be_bytes(self.chaddr);
        let rest = u64::from(self.interface.0) << 32 | u64::from(self.port) << 16;
        for word in [
            (chaddr >> 64) as u64,
            chaddr as u64,
            u64::from(self.xid) << 32 | u64::from(self.giaddr),
            rest | self.kind as u64,
        ] {
            state.write_u64(word);
        }
    }
}

/// Which queue a message waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Nearly done: REQUEST, INFORM.
    First,
    /// New: DISCOVER.
    Later,
}

/// What a message waits for whose lease is being stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parked {
    pub(super) ticket: Ticket,
    pub(super) storing: Storing,
}

#[derive(Debug)]
pub(super) struct Pending {
    waiting: Vec<Waiting>,
    bytes: Box<[u8]>,
    capacity: u32,
    free: Vec<u32>,
    index: ChainIndex,
    links: Links,
    first: List,
    later: List,
    /// In the order of their tickets.
    parked: List,
    /// By the number of the message; none before the first message is parked.
    storing: Vec<Parked>,
    hash: KeyedHash,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: RepeatKey,
    hash: u64,
    queue: Queue,
    received: Received,
    len: u16,
}

#[derive(Clone, Copy, Debug)]
enum Queue {
    First,
    Later,
    Parked,
}

impl Queue {
    const fn of<'l>(
        self,
        first: &'l mut List,
        later: &'l mut List,
        parked: &'l mut List,
    ) -> &'l mut List {
        match self {
            Self::First => first,
            Self::Later => later,
            Self::Parked => parked,
        }
    }
}

impl Pending {
    /// Room for `capacity` messages of [`limits::DHCP_REQUEST_BYTES_MAX`] bytes, which are parked
    /// only where leases are `durable`.
    pub(super) fn new(capacity: u32, durable: bool, rng: &mut Rng) -> Self {
        Self {
            waiting: Vec::with_capacity(capacity as usize),
            bytes: vec![0; capacity as usize * limits::DHCP_REQUEST_BYTES_MAX].into_boxed_slice(),
            capacity,
            free: Vec::with_capacity(capacity as usize),
            index: ChainIndex::new(capacity),
            links: Links::new(capacity),
            first: List::EMPTY,
            later: List::EMPTY,
            parked: List::EMPTY,
            storing: Vec::with_capacity(if durable { capacity as usize } else { 0 }),
            hash: KeyedHash::new(rng),
            len: 0,
        }
    }

    /// Lets a message wait.
    ///
    /// # Errors
    /// [`Discard::Duplicate`] for a repetition of one that waits. [`Discard::Overload`] if one
    /// had to go: the DISCOVER that has waited longest, else this one.
    pub(super) fn push(
        &mut self,
        key: RepeatKey,
        urgency: Urgency,
        received: Received,
        payload: &[u8],
    ) -> Result<(), Discard> {
        assert!(payload.len() <= limits::DHCP_REQUEST_BYTES_MAX, "longer messages are not taken");
        let hash = self.hash.hash(&key);
        if self.index.find(hash, |slot| self.waiting[slot as usize].key == key).is_some() {
            return Err(Discard::Duplicate);
        }
        let overload = self.len == self.capacity;
        if overload {
            let oldest = self.later.first().ok_or(Discard::Overload)?;
            self.remove(oldest);
        }
        let slot = self
            .free
            .pop()
            .unwrap_or_else(|| u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        let queue = match urgency {
            Urgency::First => Queue::First,
            Urgency::Later => Queue::Later,
        };
        let waiting = Waiting { key, hash, queue, received, len };
        match self.waiting.get_mut(slot as usize) {
            Some(place) => *place = waiting,
            None => self.waiting.push(waiting),
        }
        let start = slot as usize * limits::DHCP_REQUEST_BYTES_MAX;
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        self.index.insert(hash, slot);
        self.enqueue(slot, queue);
        self.len += 1;
        if overload { Err(Discard::Overload) } else { Ok(()) }
    }

    /// The message whose turn it is, by its number.
    pub(super) const fn next(&self) -> Option<u32> {
        match self.first.first() {
            Some(message) => Some(message),
            None => self.later.first(),
        }
    }

    /// The parked message whose ticket comes first.
    pub(super) fn next_parked(&self) -> Option<(u32, Parked)> {
        let message = self.parked.first()?;
        Some((message, self.storing[message as usize]))
    }

    /// The parked message behind `message`, which is one.
    pub(super) fn parked_after(&self, message: u32) -> Option<(u32, Parked)> {
        let next = self.links.after(message)?;
        Some((next, self.storing[next as usize]))
    }

    /// A message that waits.
    pub(super) fn message(&self, slot: u32) -> (Received, &[u8]) {
        let waiting = &self.waiting[slot as usize];
        let start = slot as usize * limits::DHCP_REQUEST_BYTES_MAX;
        (waiting.received, &self.bytes[start..start + usize::from(waiting.len)])
    }

    /// What a message that waits is.
    pub(super) fn kind(&self, slot: u32) -> Kind {
        self.waiting[slot as usize].key.kind
    }

    /// Lets `message` wait for the store, behind all that do.
    pub(super) fn park(&mut self, message: u32, parked: Parked) {
        self.dequeue(message);
        self.enqueue(message, Queue::Parked);
        let room = message as usize + 1;
        if self.storing.len() < room {
            assert!(room <= self.storing.capacity(), "where messages are parked there is room");
            self.storing.resize(room, parked);
        }
        self.storing[message as usize] = parked;
    }

    /// Lets a parked message wait for its turn again, behind all that do.
    pub(super) fn unpark(&mut self, message: u32) {
        self.dequeue(message);
        self.enqueue(message, Queue::First);
    }

    /// Puts `message` into the place of a parked one, which is forgotten: its sender has begun anew.
    pub(super) fn replace(&mut self, parked: u32, message: u32) {
        self.remove(message);
        self.index.remove(self.waiting[parked as usize].hash, parked);
        let waiting = Waiting { queue: Queue::Parked, ..self.waiting[message as usize] };
        self.waiting[parked as usize] = waiting;
        self.index.insert(waiting.hash, parked);
        let size = limits::DHCP_REQUEST_BYTES_MAX;
        let from = message as usize * size;
        self.bytes.copy_within(from..from + usize::from(waiting.len), parked as usize * size);
    }

    /// Messages that wait.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Forgets a message that waits.
    pub(super) fn remove(&mut self, slot: u32) {
        self.index.remove(self.waiting[slot as usize].hash, slot);
        self.dequeue(slot);
        self.free.push(slot);
        assert!(self.len > 0, "a waiting message was counted");
        self.len -= 1;
    }

    fn enqueue(&mut self, slot: u32, queue: Queue) {
        self.waiting[slot as usize].queue = queue;
        let Self { links, first, later, parked, .. } = self;
        links.push_last(queue.of(first, later, parked), slot);
    }

    fn dequeue(&mut self, slot: u32) {
        let queue = self.waiting[slot as usize].queue;
        let Self { links, first, later, parked, .. } = self;
        links.remove(queue.of(first, later, parked), slot);
    }
}

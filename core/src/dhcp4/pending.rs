//! Messages that wait for their answer: a fixed number, in two queues.
//!
//! What is nearly done comes before what is new: a REQUEST ends a wait of seconds, a DISCOVER
//! begins one. When there is no room, the DISCOVER that has waited longest gives way, since its
//! sender has given up on it before the others.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::request::{Kind, Received};
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
    hash: KeyedHash,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: RepeatKey,
    hash: u64,
    urgency: Urgency,
    received: Received,
    len: u16,
}

impl Pending {
    /// Room for `capacity` messages of [`limits::DHCP_REQUEST_BYTES_MAX`] bytes.
    pub(super) fn new(capacity: u32, rng: &mut Rng) -> Self {
        Self {
            waiting: Vec::with_capacity(capacity as usize),
            bytes: vec![0; capacity as usize * limits::DHCP_REQUEST_BYTES_MAX].into_boxed_slice(),
            capacity,
            free: Vec::with_capacity(capacity as usize),
            index: ChainIndex::new(capacity),
            links: Links::new(capacity),
            first: List::EMPTY,
            later: List::EMPTY,
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
        let waiting = Waiting { key, hash, urgency, received, len };
        match self.waiting.get_mut(slot as usize) {
            Some(place) => *place = waiting,
            None => self.waiting.push(waiting),
        }
        let start = slot as usize * limits::DHCP_REQUEST_BYTES_MAX;
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        self.index.insert(hash, slot);
        let list = match urgency {
            Urgency::First => &mut self.first,
            Urgency::Later => &mut self.later,
        };
        self.links.push_last(list, slot);
        self.len += 1;
        if overload { Err(Discard::Overload) } else { Ok(()) }
    }

    /// Takes the message whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Received, &[u8])> {
        let slot = self.first.first().or_else(|| self.later.first())?;
        self.remove(slot);
        let waiting = &self.waiting[slot as usize];
        let start = slot as usize * limits::DHCP_REQUEST_BYTES_MAX;
        Some((waiting.received, &self.bytes[start..start + usize::from(waiting.len)]))
    }

    /// Messages that wait.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    fn remove(&mut self, slot: u32) {
        let waiting = &self.waiting[slot as usize];
        self.index.remove(waiting.hash, slot);
        let list = match waiting.urgency {
            Urgency::First => &mut self.first,
            Urgency::Later => &mut self.later,
        };
        self.links.remove(list, slot);
        self.free.push(slot);
        assert!(self.len > 0, "a waiting message was counted");
        self.len -= 1;
    }
}

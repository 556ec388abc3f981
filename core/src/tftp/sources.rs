//! What each source may have before it acknowledges anything, and who waits for that.
//!
//! A forged request makes us send to whoever is named in it. So of one source only so many
//! transfers have been answered without an acknowledgement at one time. Requests beyond that wait
//! in a line of their source, for many clients may share an address: a machine room behind an
//! address translator, or a relay. They begin as earlier ones are acknowledged, which takes
//! milliseconds. Where nobody acknowledges, nobody in line is answered unless its client asks
//! again: requests that are forged once cost their victim no more than if there were no line.

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;

use crate::hash::KeyedHash;
use crate::rng::Rng;
use crate::table::ReadyRing;
use crate::table::links::{Links, List};

/// Transfers of each source that have not been acknowledged, and those that are held back.
///
/// Sources are told apart by a hash; two that share one share the bound and the line.
#[derive(Debug)]
pub(super) struct Sources {
    hash: KeyedHash,
    unconfirmed: Box<[u16]>,
    unconfirmed_max: u16,
    /// Sessions held back, the oldest first, for each source.
    lines: Box<[List]>,
    links: Links,
    /// All that are held back, the oldest first.
    held: ReadyRing,
}

impl Sources {
    /// Room for the slots below `transfers`, and `unconfirmed_max` of them for each source.
    ///
    /// # Panics
    /// If `unconfirmed_max` is zero.
    pub(super) fn new(transfers: u32, unconfirmed_max: u16, rng: &mut Rng) -> Self {
        assert!(unconfirmed_max > 0, "a source without places would wait for ever");
        let places = transfers.max(1).next_power_of_two() as usize;
        Self {
            hash: KeyedHash::new(rng),
            unconfirmed: vec![0; places].into_boxed_slice(),
            unconfirmed_max,
            lines: vec![List::EMPTY; places].into_boxed_slice(),
            links: Links::new(transfers),
            held: ReadyRing::new(transfers),
        }
    }

    /// Counts `slot`, which may be answered then; or holds it back if `source` has too many.
    pub(super) fn admit(&mut self, source: IpAddr, slot: u32) -> bool {
        assert!(!self.holds(slot), "a transfer comes once");
        let place = self.place_of(source);
        if self.count_at(place) {
            return true;
        }
        self.links.push_last(&mut self.lines[place], slot);
        self.held.push(slot);
        false
    }

    /// The client of `slot`, which is held back, has asked again: tells whether it may be answered
    /// now.
    pub(super) fn admit_again(&mut self, source: IpAddr, slot: u32) -> bool {
        assert!(self.holds(slot), "only who is held back asks for that");
        let place = self.place_of(source);
        let admitted = self.count_at(place);
        if admitted {
            self.take_out(place, slot);
        }
        admitted
    }

    /// The next one of `source` that may be answered, counted already.
    pub(super) fn admit_next(&mut self, source: IpAddr) -> Option<u32> {
        let place = self.place_of(source);
        let slot = self.lines[place].first()?;
        if !self.count_at(place) {
            return None;
        }
        self.take_out(place, slot);
        Some(slot)
    }

    /// A transfer of `source` that was counted has been acknowledged.
    pub(super) fn confirm(&mut self, source: IpAddr) {
        let place = self.place_of(source);
        assert!(self.unconfirmed[place] > 0, "what is confirmed was counted");
        self.unconfirmed[place] -= 1;
    }

    /// `slot` ends without an acknowledgement.
    pub(super) fn leave(&mut self, source: IpAddr, slot: u32) {
        if self.holds(slot) {
            self.take_out(self.place_of(source), slot);
        } else {
            self.confirm(source);
        }
    }

    /// Whether `slot` is held back.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.held.contains(slot)
    }

    /// The one that has been held back longest, of whatever source.
    pub(super) const fn first_held(&self) -> Option<u32> {
        self.held.first()
    }

    /// Whether one more of `source` would be held back.
    pub(super) fn is_at_bound(&self, source: IpAddr) -> bool {
        self.unconfirmed[self.place_of(source)] >= self.unconfirmed_max
    }

    fn count_at(&mut self, place: usize) -> bool {
        let count = &mut self.unconfirmed[place];
        let has_room = *count < self.unconfirmed_max;
        *count += u16::from(has_room);
        has_room
    }

    fn take_out(&mut self, place: usize, slot: u32) {
        self.links.remove(&mut self.lines[place], slot);
        self.held.remove(slot);
    }

    fn place_of(&self, source: IpAddr) -> usize {
        let mask = self.unconfirmed.len() as u64 - 1;
        usize::try_from(self.hash.hash(&source) & mask).expect("places are numbered by usize")
    }
}

#[cfg(test)]
mod tests;

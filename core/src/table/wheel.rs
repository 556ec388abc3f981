//! One timer for each slot: a hierarchical timing wheel.
//!
//! Time is cut into ticks of about a millisecond. Level 0 has a place for each of the 64 ticks
//! of the current block, level 1 for each block of 64 ticks of the block above, and so on; eight
//! levels hold all of 64-bit time, so no deadline is too far. A timer stands on the level of the
//! highest digit (base 64) in which its tick differs from the current one. When time enters a
//! place of a higher level, its timers move to lower ones.

use alloc::boxed::Box;
use alloc::vec;
use core::time::Duration;

use super::links::{Links, List};
use crate::time::Instant;

/// The length of a tick: a timer may expire this much early, never late.
pub const TICK: Duration = Duration::from_nanos(1 << TICK_BITS);

/// One timer for each key below a capacity.
///
/// Arming, re-arming, cancelling and [`TimerWheel::next_deadline`] are O(1). A timer moves down
/// at most seven levels between arming and expiry, each move is O(1), and
/// [`TimerWheel::pop_expired`] does nothing but such moves: its work is bounded by seven moves
/// for every timer armed, however far time jumps.
#[derive(Debug)]
pub struct TimerWheel {
    timers: Box<[Timer]>,
    links: Links,
    levels: Box<[Level; LEVELS]>,
    /// The current tick. Every armed timer's tick is this one or a later one.
    tick: u64,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    tick: u64,
    /// Level and place in it, while armed.
    position: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    level: u8,
    place: u8,
}

#[derive(Debug)]
struct Level {
    /// A bit for each place that holds a timer.
    occupied: u64,
    places: [Place; PLACES],
}

#[derive(Clone, Copy, Debug)]
struct Place {
    timers: List,
    /// Not later than any timer here; meaningless while there is none.
    earliest: u64,
}

impl TimerWheel {
    /// Room for a timer for each key below `capacity`.
    ///
    /// # Panics
    /// If `capacity` is `u32::MAX`.
    pub fn new(capacity: u32) -> Self {
        let idle = Timer { tick: 0, position: None };
        let levels = core::array::from_fn(|_| Level {
            occupied: 0,
            places: [Place { timers: List::EMPTY, earliest: 0 }; PLACES],
        });
        Self {
            timers: vec![idle; capacity as usize].into_boxed_slice(),
            links: Links::new(capacity),
            levels: Box::new(levels),
            tick: 0,
            len: 0,
        }
    }

    /// Sets the timer of `key`, replacing the one it has. A deadline in the past is due at once.
    ///
    /// # Panics
    /// If `key` is not below the capacity.
    pub fn arm(&mut self, key: u32, deadline: Instant) {
        self.cancel(key);
        self.place(key, deadline.as_nanos() >> TICK_BITS);
        self.len += 1;
    }

    /// Stops the timer of `key`; tells whether it ran.
    ///
    /// # Panics
    /// If `key` is not below the capacity.
    pub fn cancel(&mut self, key: u32) -> bool {
        let Some(position) = self.timers[key as usize].position.take() else {
            return false;
        };
        self.unlink(key, position);
        assert!(self.len > 0, "a running timer was counted");
        self.len -= 1;
        true
    }

    /// When the timer of `key` is due, to the tick.
    pub fn deadline(&self, key: u32) -> Option<Instant> {
        let timer = self.timers.get(key as usize)?;
        timer.position.map(|_| Instant::from_nanos(timer.tick << TICK_BITS))
    }

    /// When [`TimerWheel::pop_expired`] should be called next.
    ///
    /// Never later than the first deadline, and at most one tick before it, unless the timer that
    /// was first in its place has been stopped: then it may be as early as that one was.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (level, place) = self.first_place()?;
        let earliest = self.levels[level].places[place].earliest;
        Some(Instant::from_nanos(earliest << TICK_BITS))
    }

    /// Takes one timer whose tick has come, in the order of ticks.
    ///
    /// Call it until there is none. A caller that re-arms with a deadline not after `now` while
    /// doing so gets that key again at once.
    pub fn pop_expired(&mut self, now: Instant) -> Option<u32> {
        let now = (now.as_nanos() >> TICK_BITS).max(self.tick);
        // Ends: each round returns or empties one place of a higher level for good.
        while let Some((level, place)) = self.first_place() {
            let start = self.start_of(level, place);
            if start > now {
                break;
            }
            self.tick = self.tick.max(start);
            if level == 0 {
                let key = self.levels[0].places[place].timers.first();
                let key = key.expect("an occupied place holds a timer");
                let armed = self.cancel(key);
                assert!(armed, "a timer in a place is armed");
                return Some(key);
            }
            self.move_down(level, place);
        }
        self.tick = now;
        None
    }

    /// Lets time begin anew.
    ///
    /// # Panics
    /// If a timer runs.
    pub(crate) fn rewind(&mut self) {
        assert!(self.is_empty(), "timers run in the time for which they were armed");
        self.tick = 0;
    }

    /// Number of timers that run.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no timer runs.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The occupied place that comes first in time. Lower levels lie within the current place of
    /// higher ones, and no place before the current one is occupied, so it is the first bit.
    fn first_place(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The first tick of a place.
    const fn start_of(&self, level: usize, place: usize) -> u64 {
        let shift = level as u32 * DIGIT_BITS;
        let above = shift + DIGIT_BITS;
        (self.tick >> above) << above | (place as u64) << shift
    }

    /// Spreads the timers of a place that time has just entered over lower levels.
    fn move_down(&mut self, level: usize, place: usize) {
        assert!(self.tick == self.start_of(level, place), "time stands at the place's start");
        self.levels[level].occupied &= !(1 << place);
        let from = &mut self.levels[level].places[place].timers;
        let mut list = core::mem::replace(from, List::EMPTY);
        while let Some(key) = list.first() {
            self.links.remove(&mut list, key);
            let tick = self.timers[key as usize].tick;
            self.place(key, tick);
            let position = self.timers[key as usize].position;
            assert!(position.is_some_and(|at| usize::from(at.level) < level), "timers move down");
        }
    }

    /// Puts an unlinked timer where its tick belongs.
    fn place(&mut self, key: u32, tick: u64) {
        let tick = tick.max(self.tick);
        let (level, place) = position_of(self.tick, tick);
        let target = &mut self.levels[level];
        let slot = &mut target.places[place];
        slot.earliest = if slot.timers.is_empty() { tick } else { slot.earliest.min(tick) };
        self.links.push_last(&mut slot.timers, key);
        target.occupied |= 1 << place;
        #[expect(clippy::cast_possible_truncation, reason = "eight levels of 64 places")]
        let position = Position { level: level as u8, place: place as u8 };
        self.timers[key as usize] = Timer { tick, position: Some(position) };
    }

    fn unlink(&mut self, key: u32, position: Position) {
        let level = &mut self.levels[usize::from(position.level)];
        let place = &mut level.places[usize::from(position.place)];
        self.links.remove(&mut place.timers, key);
        if place.timers.is_empty() {
            level.occupied &= !(1 << position.place);
        }
    }
}

/// Level and place of `tick` while `current` is the current one.
const fn position_of(current: u64, tick: u64) -> (usize, usize) {
    let highest_bit = 63 - ((current ^ tick) | 1).leading_zeros();
    let level = highest_bit / DIGIT_BITS;
    let place = (tick >> (level * DIGIT_BITS)) % PLACES as u64;
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 64")]
    let place = place as usize;
    (level as usize, place)
}

/// 2²⁰ ns are 1.05 ms.
const TICK_BITS: u32 = 20;
/// Places of a level, as bits of a tick number.
const DIGIT_BITS: u32 = 6;
const PLACES: usize = 1 << DIGIT_BITS;
/// Enough for 64-bit nanoseconds.
const LEVELS: usize = (64 - TICK_BITS).div_ceil(DIGIT_BITS) as usize;

#[cfg(test)]
mod tests;

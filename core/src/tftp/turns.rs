//! Whose turn it is among transfers that want to send, so that none gets far more than others.

use alloc::boxed::Box;
use alloc::vec;

use crate::table::{TICK, TimerWheel};
use crate::time::Instant;

/// Transfers with output, in the order of what they have been sent.
///
/// Each transfer has an account, and whoever has the least in it goes next. Blocks of whatever
/// size and windows of whatever width are put down by their bytes, so transfers that begin
/// together go on together: a window gets many blocks in one turn, since one send of many is far
/// cheaper than many sends, and then lets others pass.
///
/// A client in lockstep has one block under way and pays for each with a round trip, so a crowd of
/// wide windows makes it slow even where bytes are shared equally; some of it (Raspberry Pi) has
/// half a minute for a file, however large. So its bytes count for a quarter, which costs windows
/// little: they get all that clients in lockstep cannot take.
#[derive(Debug)]
pub(super) struct Turns {
    /// The line. Its time is bytes: a wheel keeps any order of numbers that only grow.
    line: TimerWheel,
    /// What each transfer has been sent, in units of the line.
    accounts: Box<[Units]>,
    /// The account of whoever had the last turn. A new transfer begins with as much, as if it had
    /// been there all the time.
    current: Units,
    /// Transfers with an account.
    members: u64,
}

/// How a transfer's bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// One block at a time.
    Lockstep,
    /// Windows of several blocks.
    Windows,
}

/// Quarters of bytes.
type Units = u64;

impl Turns {
    /// Room for the slots below `capacity`.
    pub(super) fn new(capacity: u32) -> Self {
        let accounts = vec![0; capacity as usize].into_boxed_slice();
        Self { line: TimerWheel::new(capacity), accounts, current: 0, members: 0 }
    }

    /// Opens an account for a new transfer in `slot`.
    pub(super) fn open(&mut self, slot: u32) {
        assert!(!self.contains(slot), "who is new does not stand in line");
        self.accounts[slot as usize] = self.current;
        self.members += 1;
    }

    /// Closes the account in `slot`.
    pub(super) fn close(&mut self, slot: u32) {
        assert!(self.members > 0, "what is closed was opened");
        self.members -= 1;
        self.remove(slot);
        if self.members == 0 {
            self.current = 0;
            self.line.rewind();
        }
    }

    /// Puts `slot` in line unless it stands there already.
    pub(super) fn push(&mut self, slot: u32) {
        if self.contains(slot) {
            return;
        }
        let apart_max = CROWD_APART_MAX / self.members.max(1);
        let account = &mut self.accounts[slot as usize];
        *account =
            (*account).clamp(self.current.saturating_sub(apart_max), self.current + apart_max);
        self.line.arm(slot, place_of(*account));
    }

    /// Takes `slot` out if it stands in line.
    pub(super) fn remove(&mut self, slot: u32) {
        self.line.cancel(slot);
    }

    /// Takes whoever has been sent least.
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.line.is_empty() {
            return None;
        }
        let slot = self.line.pop_expired(END).expect("somebody stands in line");
        self.current = self.current.max(self.accounts[slot as usize]);
        Some(slot)
    }

    /// Puts `bytes` down to `slot`, which does not stand in line.
    pub(super) fn charge(&mut self, slot: u32, bytes: u32, flow: Flow) {
        assert!(!self.contains(slot), "whoever sends does not wait");
        let units = match flow {
            Flow::Lockstep => u64::from(bytes),
            Flow::Windows => u64::from(bytes) * LOCKSTEP_SHARE,
        };
        self.accounts[slot as usize] += units;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    fn contains(&self, slot: u32) -> bool {
        self.line.deadline(slot).is_some()
    }
}

/// Where in the line an account stands.
fn place_of(account: Units) -> Instant {
    let ticks = account / UNITS_PER_TICK;
    Instant::from_nanos(ticks.saturating_mul(TICK_NANOS))
}

/// No place is later. The line begins anew whenever nobody has an account; else it ends after 2⁵⁰
/// units, which take a shard three days that sends 1 GB/s to each client, and goes round from then
/// on.
const END: Instant = Instant::from_nanos(u64::MAX);

/// Bytes in lockstep for which a window's one is put down.
const LOCKSTEP_SHARE: u64 = 4;

/// Accounts that differ by less count as equal.
const UNITS_PER_TICK: u64 = 64;

/// One tick of the line.
#[expect(clippy::cast_possible_truncation, reason = "a tick is a millisecond")]
const TICK_NANOS: u64 = TICK.as_nanos() as u64;

/// How much accounts differ at most, all of them together. Whoever was slow by itself, and could
/// have had more, may not have it all at once later; and whoever is ahead is not kept waiting for
/// ever, for firmware with wide windows has no more patience than other firmware: 256 MiB take a
/// second or two, where a crowd is that large.
const CROWD_APART_MAX: Units = 256 << 20;

#[cfg(test)]
mod tests;

//! Whose turn it is among transfers that want to send, so that none gets far more than others.

use alloc::boxed::Box;
use alloc::vec;

use crate::limits::SPLIT_SEGMENTS_MAX;
use crate::table::ReadyRing;

/// Sessions with output, served in turn.
///
/// A client with a window takes many blocks in one turn, since one send of many is far cheaper
/// than many sends. It pays for that: for every four blocks beyond the first it lets one turn
/// pass, as long as somebody without debts waits. So while the server is the bottleneck, a client
/// with a large window gets four times as many bytes as one in lockstep, not sixty-four times. To
/// the byte it would be fair to have it pay for each block; but firmware with a large window has
/// no more patience than other firmware, and the last block of a window would come too late.
#[derive(Debug)]
pub(super) struct FairRing {
    ring: ReadyRing,
    /// Turns that a session has to let pass.
    debts: Box<[u16]>,
    /// Sessions in the ring that have no debts.
    free: u32,
}

impl FairRing {
    /// Room for the slots below `capacity`.
    pub(super) fn new(capacity: u32) -> Self {
        let debts = vec![0; capacity as usize].into_boxed_slice();
        Self { ring: ReadyRing::new(capacity), debts, free: 0 }
    }

    /// Puts `slot` at the end unless it stands in the ring already.
    pub(super) fn push(&mut self, slot: u32) {
        if self.ring.push(slot) {
            self.free += u32::from(self.debts[slot as usize] == 0);
        }
    }

    /// Takes `slot` out if it stands in the ring.
    pub(super) fn remove(&mut self, slot: u32) {
        if self.ring.remove(slot) {
            self.free -= u32::from(self.debts[slot as usize] == 0);
        }
    }

    /// Takes the next one, of those without debts if there are any within reach.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let mut passes = 0;
        // Ends: after so many passes whoever is first is served, debts or not.
        while passes < PASSES_MAX && self.free > 0 {
            let slot = self.ring.first()?;
            let debt = &mut self.debts[slot as usize];
            if *debt == 0 {
                break;
            }
            *debt -= 1;
            self.free += u32::from(*debt == 0);
            self.ring.pop();
            self.ring.push(slot);
            passes += 1;
        }
        let slot = self.ring.pop()?;
        self.free -= u32::from(self.debts[slot as usize] == 0);
        Some(slot)
    }

    /// Has `slot`, which does not stand in the ring, pay for `blocks` in one turn.
    pub(super) fn charge(&mut self, slot: u32, blocks: u16) {
        assert!(!self.ring.contains(slot), "whoever sends does not wait");
        let debt = &mut self.debts[slot as usize];
        *debt = debt.saturating_add(blocks.saturating_sub(1) / BLOCKS_PER_TURN).min(DEBT_MAX);
    }

    /// Whoever has `slot` next begins without debts.
    pub(super) fn forget(&mut self, slot: u32) {
        self.remove(slot);
        self.debts[slot as usize] = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

/// Sessions that one turn looks at. Where more stand in a row with debts, those behind them wait
/// a little longer than is fair.
const PASSES_MAX: u32 = 64;

/// Debts of two of the longest sends: what is sent while nobody else wants to is soon forgiven.
const DEBT_MAX: u16 = 2 * SPLIT_SEGMENTS_MAX / BLOCKS_PER_TURN;

/// Blocks that a turn pays for.
const BLOCKS_PER_TURN: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `lockstep` sessions that send one block a turn and `windowed` ones that send
    /// `burst`, and tells the blocks of the one that got least and of the one that got most.
    fn shares(lockstep: u32, windowed: u32, burst: u16, turns: u32) -> (u64, u64) {
        let count = lockstep + windowed;
        let mut ring = FairRing::new(count);
        let mut blocks = vec![0_u64; count as usize];
        for slot in 0..count {
            ring.push(slot);
        }
        for _ in 0..turns {
            let slot = ring.pop().expect("all want to send");
            let sent = if slot < lockstep { 1 } else { burst };
            blocks[slot as usize] += u64::from(sent);
            ring.charge(slot, sent);
            ring.push(slot);
        }
        let least = blocks.iter().min().expect("there are sessions");
        let most = blocks.iter().max().expect("there are sessions");
        (*least, *most)
    }

    #[test]
    fn windows_get_a_few_times_as_much_as_lockstep() {
        for (lockstep, windowed, burst) in [(10, 10, 44), (50, 3, 16), (100, 60, 4), (1, 20, 44)] {
            let (least, most) = shares(lockstep, windowed, burst, 20_000);
            let fair = 4 * least + u64::from(3 * burst);
            assert!(most <= fair + fair / 8, "{burst}: from {least} to {most} blocks");
        }
    }

    #[test]
    fn among_equals_turns_go_round() {
        let mut ring = FairRing::new(3);
        for slot in 0..3 {
            ring.push(slot);
        }
        for turn in 0..300 {
            assert_eq!(ring.pop(), Some(turn % 3));
            ring.charge(turn % 3, 44);
            ring.push(turn % 3);
        }
    }

    #[test]
    fn who_leaves_takes_its_debts_along() {
        let mut ring = FairRing::new(2);
        ring.charge(0, 44);
        ring.push(0);
        ring.forget(0);
        assert!(ring.is_empty());
        ring.push(0);
        ring.push(1);
        assert_eq!([ring.pop(), ring.pop(), ring.pop()], [Some(0), Some(1), None]);
    }
}

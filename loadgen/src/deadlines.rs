//! When each of many has to be looked at again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines of things that are numbered from 0 on.
///
/// Almost all deadlines are put off before they are reached (each packet does that), so putting
/// off costs nothing here: the earlier entry stays, and whoever is asked too early names the
/// later time then.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// The earliest entry of each that is in the heap; `u64::MAX` is none.
    earliest: Vec<u64>,
}

impl Deadlines {
    /// For `count` things without deadlines.
    pub(crate) fn new(count: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(count), earliest: vec![u64::MAX; count] }
    }

    /// Has `index` come up at `at` or earlier.
    pub(crate) fn set(&mut self, index: u32, at: u64) {
        let earliest = &mut self.earliest[index as usize];
        if at < *earliest {
            *earliest = at;
            self.heap.push(Reverse((at, index)));
        }
    }

    /// Takes one off whose time has come; it has no deadline then. Ends: each call removes
    /// entries.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<u32> {
        while let Some(&Reverse((at, index))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            // An entry that an earlier one has made void.
            if self.earliest[index as usize] == at {
                self.earliest[index as usize] = u64::MAX;
                return Some(index);
            }
        }
        None
    }

    /// When the next one comes up, perhaps for nothing.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_off_comes_up_early_and_is_asked_again() {
        let mut deadlines = Deadlines::new(3);
        deadlines.set(0, 50);
        deadlines.set(1, 30);
        deadlines.set(1, 40);
        assert_eq!(deadlines.next(), Some(30));
        assert_eq!(deadlines.pop_due(29), None);
        assert_eq!(deadlines.pop_due(45), Some(1));
        deadlines.set(1, 60);
        assert_eq!(deadlines.pop_due(100), Some(0));
        assert_eq!(deadlines.pop_due(100), Some(1));
        assert_eq!(deadlines.pop_due(100), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn what_is_brought_forward_comes_up_once() {
        let mut deadlines = Deadlines::new(1);
        deadlines.set(0, 50);
        deadlines.set(0, 20);
        assert_eq!(deadlines.pop_due(100), Some(0));
        assert_eq!(deadlines.pop_due(100), None, "the later entry is void");
        // A new deadline at the time of a void entry is not lost, nor doubled.
        deadlines.set(0, 50);
        assert_eq!(deadlines.pop_due(50), Some(0));
        assert_eq!(deadlines.pop_due(50), None);
    }
}

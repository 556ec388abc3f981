//! Doubly linked lists threaded through one array: each key is in at most one list.

use alloc::boxed::Box;
use alloc::vec;

/// No neighbour.
const NONE: u32 = u32::MAX;

/// The neighbours of every key.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    nodes: Box<[Node]>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    before: u32,
    after: u32,
}

/// A list: its keys live in a [`Links`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(crate) const fn first(self) -> Option<u32> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.first == NONE
    }
}

impl Links {
    /// Room for keys below `capacity`.
    pub(crate) fn new(capacity: u32) -> Self {
        assert!(capacity < NONE, "the largest number stands for no neighbour");
        let node = Node { before: NONE, after: NONE };
        Self { nodes: vec![node; capacity as usize].into_boxed_slice() }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.nodes)
    }

    /// The key behind `key`, which must be in a list.
    pub(crate) fn after(&self, key: u32) -> Option<u32> {
        let after = self.nodes[key as usize].after;
        (after != NONE).then_some(after)
    }

    /// Puts `key`, which must be in no list, at the end of `list`.
    pub(crate) fn push_last(&mut self, list: &mut List, key: u32) {
        self.nodes[key as usize] = Node { before: list.last, after: NONE };
        if list.last == NONE {
            list.first = key;
        } else {
            self.nodes[list.last as usize].after = key;
        }
        list.last = key;
    }

    /// Takes `key` out of `list`, which must hold it.
    pub(crate) fn remove(&mut self, list: &mut List, key: u32) {
        let Node { before, after } = self.nodes[key as usize];
        if before == NONE {
            assert!(list.first == key, "a key without a predecessor is the first");
            list.first = after;
        } else {
            self.nodes[before as usize].after = after;
        }
        if after == NONE {
            assert!(list.last == key, "a key without a successor is the last");
            list.last = before;
        } else {
            self.nodes[after as usize].before = before;
        }
    }
}

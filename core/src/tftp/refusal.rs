//! ERROR packets for peers without a session: they end what they answer, so nothing is kept.

use alloc::collections::VecDeque;

use super::session::Path;
use crate::engine::Discard;
use crate::wire::tftp::{ErrorCode, emit_error};

/// An ERROR to send once (RFC 1350 §7: it is neither acknowledged nor sent again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) path: Path,
    pub(super) code: ErrorCode,
    pub(super) message: &'static str,
}

/// The refusals that wait for a send buffer, oldest first.
#[derive(Debug)]
pub(super) struct RefusalQueue {
    waiting: VecDeque<Refusal>,
    max: usize,
}

impl RefusalQueue {
    pub(super) fn new(max: usize) -> Self {
        Self { waiting: VecDeque::with_capacity(max), max }
    }

    /// Adds a refusal.
    ///
    /// # Errors
    /// [`Discard::Overload`] if the queue is full: the client asks again.
    pub(super) fn push(&mut self, refusal: Refusal) -> Result<(), Discard> {
        if self.waiting.len() >= self.max {
            return Err(Discard::Overload);
        }
        self.waiting.push_back(refusal);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<Refusal> {
        self.waiting.pop_front()
    }
}

impl Refusal {
    /// Writes the packet and tells its length in bytes.
    pub(super) fn emit(&self, head: &mut [u8]) -> u16 {
        let len = emit_error(head, self.code, self.message).expect("every refusal fits a head");
        u16::try_from(len).expect("a head has fewer than 64 KiB")
    }
}

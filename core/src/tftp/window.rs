//! Which blocks are out, which have arrived, and what an acknowledgement means (RFC 7440).
//!
//! Lockstep transfer is a window of one block. Numbers on the wire have 16 bits and wrap from
//! 65535 to 0; here they have 64 and never do. The two meet in [`Window::on_ack`], by their
//! signed distance.

/// Progress of a transfer in blocks, which count from 1.
///
/// Blocks up to `acked` have arrived. Behind them lie, in this order, `cursor` blocks that are
/// handed out, then those still to hand out, as many as the window allows. To send again is to
/// move the cursor back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    acked: u64,
    /// The final block.
    last: u64,
    /// Most blocks on their way at one time.
    size: u16,
    cursor: u16,
    /// The farthest that the cursor ever was, so that late acknowledgements count.
    sent: u16,
}

/// What an acknowledgement meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// All that is out has arrived.
    Progress,
    /// The final block has arrived.
    Finished,
    /// Some of what is out has arrived. The rest is missing, or still on its way.
    Partial,
    /// Nothing new has arrived. The first block that is out is missing, or this is an echo of a
    /// block that came twice.
    Repeated,
    /// Known before: to be ignored (RFC 1123 §4.2.3.1).
    Old,
    /// Of a block that was never sent.
    Unsent,
}

/// Blocks to hand out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    /// The first block.
    pub(super) first: u64,
    /// How many, at least one.
    pub(super) count: u16,
    /// How many of them went out before.
    pub(super) repeated: u16,
}

impl Window {
    /// A transfer of the blocks 1 to `last`.
    pub(super) fn new(last: u64, size: u16) -> Self {
        assert!(last > 0, "even an empty file is a block");
        assert!((1..=WINDOW_BLOCKS_MAX).contains(&size), "distances are signed 16-bit numbers");
        Self { acked: 0, last, size, cursor: 0, sent: 0 }
    }

    /// Takes in the acknowledgement of `block`.
    ///
    /// In lockstep a repeated acknowledgement is [`Ack::Old`]: whoever answers it doubles every
    /// packet from there on, the Sorcerer's Apprentice Syndrome (RFC 1123 §4.2.3.1).
    pub(super) fn on_ack(&mut self, block: u16) -> Ack {
        #[expect(clippy::cast_possible_truncation, reason = "numbers on the wire wrap")]
        let acked = self.acked as u16;
        match block.wrapping_sub(acked).cast_signed() {
            ..0 => Ack::Old,
            0 if self.size == 1 || self.cursor == 0 => Ack::Old,
            0 => Ack::Repeated,
            distance @ 1.. => self.on_new_ack(distance.cast_unsigned()),
        }
    }

    fn on_new_ack(&mut self, distance: u16) -> Ack {
        if distance > self.sent {
            return Ack::Unsent;
        }
        self.acked += u64::from(distance);
        self.sent -= distance;
        self.cursor = self.cursor.saturating_sub(distance);
        assert!(self.acked <= self.last, "only blocks of the file are sent");
        if self.acked == self.last {
            Ack::Finished
        } else if self.cursor == 0 {
            Ack::Progress
        } else {
            Ack::Partial
        }
    }

    /// Moves the cursor back to the first block that has not arrived.
    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
    }

    /// Number of blocks that may go out now.
    pub(super) fn pending(&self) -> u16 {
        let left = self.last - self.acked;
        let open = u16::try_from(left).unwrap_or(u16::MAX).min(self.size);
        assert!(self.cursor <= open, "the cursor stays in the window");
        open - self.cursor
    }

    /// Hands out the next blocks, at most `limit`.
    pub(super) fn take(&mut self, limit: u16) -> Burst {
        let count = self.pending().min(limit);
        assert!(count > 0, "only sessions with output are asked for it");
        let first = self.acked + u64::from(self.cursor) + 1;
        let repeated = count.min(self.sent.saturating_sub(self.cursor));
        self.cursor += count;
        self.sent = self.sent.max(self.cursor);
        Burst { first, count, repeated }
    }

    /// Whether the final block is handed out.
    pub(super) fn last_is_out(&self) -> bool {
        self.acked + u64::from(self.cursor) == self.last
    }

    /// The blocks that have arrived.
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }
}

/// The largest window. RFC 7440 allows 65,535 blocks, but a wire number names a block only if it
/// is less than half of the number space away.
pub(super) const WINDOW_BLOCKS_MAX: u16 = i16::MAX.cast_unsigned();

#[cfg(test)]
mod tests;

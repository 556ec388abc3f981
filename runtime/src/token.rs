//! What travels through the ring as `user_data`: which kind of operation, on which slot, in which
//! of its lives. Never a pointer, so a late completion can only miss.

/// The name of an operation in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// What was asked for.
    pub(crate) kind: Kind,
    /// Index into the table that `kind` speaks of.
    pub(crate) slot: u32,
    /// Which of the slot's lives, modulo 2^24.
    generation: u32,
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A multishot receive on a datagram or packet socket (slot: the receiver).
    Receive,
    /// A datagram or frame on its way (slot: the send slot).
    Send,
    /// A multishot accept (slot: the listener).
    Accept,
    /// A multishot receive on a connection (slot: the connection).
    StreamReceive,
    /// Bytes on their way into a connection (slot: the connection).
    StreamSend,
    /// A multishot poll on the wake-up descriptor of the mailbox.
    Mailbox,
    /// A multishot poll on the descriptor by which the store answers.
    Store,
    /// The end of an operation on a socket that is no longer wanted.
    Cancel,
}

impl Token {
    /// The token of an operation on `slot` in its life `generation`.
    pub(crate) const fn new(kind: Kind, slot: u32, generation: u32) -> Self {
        Self { kind, slot, generation: generation & GENERATION_MASK }
    }

    /// Whether it was made in this life of its slot.
    pub(crate) const fn is_of(self, generation: u32) -> bool {
        self.generation == generation & GENERATION_MASK
    }

    /// As `user_data`.
    pub(crate) const fn to_bits(self) -> u64 {
        (self.kind as u64) << 56 | (self.generation as u64) << 32 | self.slot as u64
    }

    /// From `user_data`, unless nobody here can have made it.
    pub(crate) const fn from_bits(bits: u64) -> Option<Self> {
        let kind = match bits >> 56 {
            0 => Kind::Receive,
            1 => Kind::Send,
            2 => Kind::Accept,
            3 => Kind::StreamReceive,
            4 => Kind::StreamSend,
            5 => Kind::Mailbox,
            6 => Kind::Store,
            7 => Kind::Cancel,
            _ => return None,
        };
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        Some(Self { kind, slot: bits as u32, generation })
    }
}

/// The kind takes the uppermost byte of the token's 64 bits, the slot the lower half.
const GENERATION_MASK: u32 = 0x00ff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_ring() {
        let kinds = [
            Kind::Receive,
            Kind::Send,
            Kind::Accept,
            Kind::StreamReceive,
            Kind::StreamSend,
            Kind::Mailbox,
            Kind::Store,
            Kind::Cancel,
        ];
        for kind in kinds {
            for (slot, generation) in [(0, 0), (u32::MAX, 7), (5, u32::MAX)] {
                let token = Token::new(kind, slot, generation);
                assert_eq!(Token::from_bits(token.to_bits()), Some(token));
                assert!(token.is_of(generation));
                assert!(!token.is_of(generation.wrapping_add(1)));
            }
        }
        assert_eq!(Token::from_bits(u64::MAX), None);
    }
}

//! Which options a message has.

use core::fmt;

/// A set of option codes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CodeSet([u64; 4]);

impl CodeSet {
    /// The set of nothing.
    pub const EMPTY: Self = Self([0; 4]);

    /// Whether `code` is in the set.
    pub fn contains(&self, code: u8) -> bool {
        let (word, bit) = Self::place(code);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds `code`; whether it was new.
    pub fn insert(&mut self, code: u8) -> bool {
        let (word, bit) = Self::place(code);
        let Some(word) = self.0.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Takes `code` out; whether it was in.
    pub fn remove(&mut self, code: u8) -> bool {
        let (word, bit) = Self::place(code);
        let Some(word) = self.0.get_mut(word) else { return false };
        let was_in = *word & bit != 0;
        *word &= !bit;
        was_in
    }

    /// What both sets have.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut both = *self;
        for (word, other) in both.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        both
    }

    /// Adds all members of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// The number of members.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).fold(0, u32::saturating_add)
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(&self) -> bool {
        let [a, b, c, d] = self.0;
        a | b | c | d == 0
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|code| self.contains(*code))
    }

    fn place(code: u8) -> (usize, u64) {
        (usize::from(code >> 6), 1u64.wrapping_shl(u32::from(code & 63)))
    }
}

impl fmt::Debug for CodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

//! Hashing of keys that peers choose: keyed, so that nobody can aim for one bucket.

use core::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

/// A keyed hash function; each table gets its own key from the seed of its engine.
#[derive(Clone, Copy)]
pub struct KeyedHash {
    keys: [u64; 2],
}

impl KeyedHash {
    /// Draws the key from `rng`.
    pub fn new(rng: &mut crate::rng::Rng) -> Self {
        Self { keys: [rng.next_u64(), rng.next_u64()] }
    }

    /// Takes the key from elsewhere, for hashes that mean the same later.
    pub const fn from_bytes(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        Self { keys: [key as u64, (key >> 64) as u64] }
    }

    /// The hash of `key`. One that feeds the hasher a few whole 64-bit words is the cheapest.
    #[inline]
    pub fn hash(&self, key: &impl Hash) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        key.hash(&mut hasher);
        hasher.finish()
    }
}

impl core::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The key is a secret: whoever knows it can fill one bucket.
        f.debug_struct("KeyedHash").finish_non_exhaustive()
    }
}

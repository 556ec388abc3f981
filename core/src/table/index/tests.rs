use std::collections::BTreeSet;

use super::*;
use crate::rng::Rng;

/// Hashes that collide much, so that removal meets the head, the middle and the end of chains.
fn hash(slot: u32) -> u64 {
    u64::from(slot % 3)
}

#[test]
fn behaves_like_a_set() {
    let mut index = ChainIndex::new(32);
    let mut model = BTreeSet::new();
    let mut rng = Rng::new(1);
    for _ in 0..2000 {
        let slot = rng.below(32);
        if model.remove(&slot) {
            index.remove(hash(slot), slot);
        } else {
            model.insert(slot);
            index.insert(hash(slot), slot);
        }
        for slot in 0..32 {
            let found = index.find(hash(slot), |candidate| candidate == slot);
            assert_eq!(found.is_some(), model.contains(&slot));
        }
    }
}

#[test]
#[should_panic(expected = "under the hash it was added under")]
fn removing_what_is_not_there_is_our_bug() {
    let mut index = ChainIndex::new(4);
    index.insert(1, 2);
    index.remove(1, 3);
}

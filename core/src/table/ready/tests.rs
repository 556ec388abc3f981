use alloc::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[test]
fn first_come_first_served_and_nobody_twice() {
    let mut ring = ReadyRing::new(3);
    assert!(ring.push(2) && ring.push(0) && !ring.push(2));
    assert_eq!(ring.len(), 2);
    assert_eq!((ring.pop(), ring.pop(), ring.pop()), (Some(2), Some(0), None));
    assert!(ring.push(2), "who has left may come again");
}

proptest! {
    #[test]
    fn behaves_like_a_queue(operations in proptest::collection::vec((0u8..4, 0u32..6), 0..200)) {
        let mut ring = ReadyRing::new(6);
        let mut model: VecDeque<u32> = VecDeque::new();
        for (operation, slot) in operations {
            match operation {
                0 | 1 => {
                    let new = !model.contains(&slot);
                    if new {
                        model.push_back(slot);
                    }
                    prop_assert_eq!(ring.push(slot), new);
                }
                2 => prop_assert_eq!(ring.pop(), model.pop_front()),
                _ => {
                    let place = model.iter().position(|waiting| *waiting == slot);
                    prop_assert_eq!(ring.remove(slot), place.is_some());
                    place.map(|place| model.remove(place));
                }
            }
            prop_assert_eq!(ring.len() as usize, model.len());
            prop_assert_eq!(ring.is_empty(), model.is_empty());
            prop_assert_eq!(ring.first(), model.front().copied());
            prop_assert_eq!(ring.contains(slot), model.contains(&slot));
        }
    }
}

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn a_full_slab_gives_the_value_back() {
    let mut slab = Slab::new(2);
    assert!(slab.insert('a').is_ok() && slab.insert('b').is_ok());
    assert!(slab.is_full());
    assert_eq!(slab.insert('c'), Err('c'));
    assert_eq!(Slab::new(0).insert('a'), Err('a'));
}

#[test]
fn a_stale_handle_finds_nothing() {
    let mut slab = Slab::new(1);
    let old = slab.insert('a').expect("room");
    assert_eq!(slab.remove(old), Some('a'));
    let new = slab.insert('b').expect("room");
    assert_eq!(new.slot, old.slot);
    assert_eq!(slab.get(old), None);
    assert_eq!(slab.get_mut(old), None);
    assert_eq!(slab.remove(old), None);
    assert_eq!(slab.get(new), Some(&'b'));
    assert_eq!(slab.handle_at(0), Some(new));
    assert_eq!(slab.get(Handle { slot: 9, generation: 0 }), None);
}

#[test]
fn a_handle_survives_packing() {
    let handle = Handle { slot: 0x1234_5678, generation: 0x9abc_def0 };
    assert_eq!(Handle::from_bits(handle.to_bits()), handle);
}

proptest! {
    #[test]
    fn behaves_like_a_map(operations in proptest::collection::vec((0u8..3, 0usize..8), 0..200)) {
        let mut slab = Slab::new(5);
        let mut model = BTreeMap::new();
        let mut handles: Vec<Handle> = Vec::new();
        for (value, (operation, pick)) in operations.into_iter().enumerate() {
            if operation < 2 {
                match slab.insert(value) {
                    Ok(handle) => {
                        prop_assert_eq!(model.insert(handle, value), None);
                        handles.push(handle);
                    }
                    Err(_) => prop_assert_eq!(model.len(), 5),
                }
            } else if let Some(handle) = handles.get(pick).copied() {
                prop_assert_eq!(slab.remove(handle), model.remove(&handle));
            }
            prop_assert_eq!(slab.len() as usize, model.len());
            let listed: BTreeMap<_, _> = slab.iter().map(|(handle, v)| (handle, *v)).collect();
            prop_assert_eq!(&listed, &model);
            for handle in &handles {
                prop_assert_eq!(slab.get(*handle), model.get(handle));
            }
        }
    }
}

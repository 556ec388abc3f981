use super::*;

#[test]
fn the_entry_written_longest_ago_makes_room() {
    let mut map = RecentMap::new(3, &mut Rng::new(1));
    for key in [1u32, 2, 3] {
        map.put(key, key * 10);
    }
    map.put(1, 11);
    map.put(4, 40);
    assert_eq!(map.find(&2), None);
    assert_eq!([1, 3, 4].map(|key| map.find(&key).copied()), [Some(11), Some(30), Some(40)]);
}

#[test]
fn stays_within_its_room() {
    let mut map = RecentMap::new(8, &mut Rng::new(1));
    for key in 0u32..1000 {
        map.put(key, key);
        for known in key.saturating_sub(7)..=key {
            assert_eq!(map.find(&known), Some(&known));
        }
    }
    assert_eq!(map.find(&991), None);
}

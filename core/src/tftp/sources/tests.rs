use super::*;

fn source(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn sources() -> Sources {
    Sources::new(64, 2, &mut Rng::new(1))
}

#[test]
fn beyond_the_bound_a_source_waits_and_others_do_not() {
    let mut sources = sources();
    let admitted: Vec<_> = (0..5).map(|slot| sources.admit(source(9), slot)).collect();
    assert_eq!(admitted, [true, true, false, false, false]);
    assert!(sources.is_at_bound(source(9)) && !sources.is_at_bound(source(8)));
    assert!(sources.admit(source(8), 5));
    assert_eq!((0..6).filter(|slot| sources.holds(*slot)).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(sources.first_held(), Some(2));
}

#[test]
fn those_in_line_follow_in_turn_as_others_are_confirmed() {
    let mut sources = sources();
    for slot in 0..5 {
        sources.admit(source(9), slot);
    }
    assert_eq!(sources.admit_next(source(9)), None, "there is no place");
    sources.confirm(source(9));
    assert_eq!(sources.admit_next(source(9)), Some(2));
    assert_eq!(sources.admit_next(source(9)), None);
    sources.confirm(source(9));
    sources.confirm(source(9));
    assert_eq!(sources.admit_next(source(8)), None, "nobody of another source");
    let next = [(); 3].map(|()| sources.admit_next(source(9)));
    assert_eq!(next, [Some(3), Some(4), None]);
    assert_eq!(sources.first_held(), None);
}

#[test]
fn who_leaves_gives_back_a_place_or_leaves_the_line() {
    let mut sources = sources();
    for slot in 0..4 {
        sources.admit(source(9), slot);
    }
    sources.leave(source(9), 2);
    assert!(sources.is_at_bound(source(9)) && !sources.holds(2));
    sources.leave(source(9), 0);
    assert!(!sources.is_at_bound(source(9)) && sources.holds(3));
    assert!(sources.admit_again(source(9), 3), "its client asks again, and there is a place");
    assert!(sources.is_at_bound(source(9)) && !sources.holds(3));
}

#[test]
fn who_asks_again_goes_on_waiting_without_a_place() {
    let mut sources = sources();
    for slot in 0..3 {
        sources.admit(source(9), slot);
    }
    assert!(!sources.admit_again(source(9), 2) && sources.holds(2));
}

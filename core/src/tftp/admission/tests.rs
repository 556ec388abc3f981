use super::*;

const ROOM: u64 = 2 * 1024 * 1024;
const MS: Duration = Duration::from_millis(1);

#[test]
fn the_room_grows_while_clients_are_served_soon_and_somebody_waits() {
    let mut admission = Admission::new(4, ROOM);
    admission.enter(ROOM);
    assert!(!admission.has_room(1468));
    for _ in 0..100 {
        admission.on_progress(MS, 1468);
    }
    assert!(!admission.has_room(1468), "nobody waits");
    admission.queue(2);
    admission.on_progress(MS, 1468);
    assert!(admission.has_room(1468) && !admission.has_room(2 * 1468));
    assert_eq!(admission.first(), Some(2));
}

#[test]
fn the_room_shrinks_when_clients_wait_long() {
    let mut admission = Admission::new(4, ROOM);
    admission.queue(2);
    for _ in 0..10_000 {
        admission.on_progress(MS, 1468);
    }
    admission.enter(10_000_000);
    assert!(admission.has_room(1468));
    for _ in 0..20_000 {
        admission.on_progress(6000 * MS, 1468);
    }
    assert!(admission.is_congested() && !admission.has_room(1468));
    admission.leave(9_000_000);
    assert!(admission.has_room(1468), "what always fits");
    for _ in 0..1000 {
        admission.on_progress(MS, 1468);
    }
    assert!(!admission.is_congested());
}

#[test]
fn the_first_transfer_always_fits() {
    let admission = Admission::new(1, ROOM);
    assert!(admission.has_room(u64::from(u16::MAX) * 65_464));
}

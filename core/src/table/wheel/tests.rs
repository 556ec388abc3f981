use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn at(ticks: u64) -> Instant {
    Instant::from_nanos(ticks << TICK_BITS)
}

fn expired(wheel: &mut TimerWheel, now: Instant) -> Vec<u32> {
    core::iter::from_fn(|| wheel.pop_expired(now)).collect()
}

#[test]
fn timers_expire_in_order_and_once() {
    let mut wheel = TimerWheel::new(4);
    wheel.arm(0, at(100_000));
    wheel.arm(1, at(7));
    wheel.arm(2, at(70));
    assert_eq!(wheel.next_deadline(), Some(at(7)));
    assert_eq!(expired(&mut wheel, at(6)), []);
    assert_eq!(expired(&mut wheel, at(99_999)), [1, 2]);
    assert_eq!(wheel.next_deadline(), Some(at(100_000)));
    assert_eq!(expired(&mut wheel, at(100_000)), [0]);
    assert_eq!(wheel.next_deadline(), None);
    assert!(wheel.is_empty());
}

#[test]
fn a_deadline_in_the_past_is_due_at_once() {
    let mut wheel = TimerWheel::new(1);
    assert_eq!(expired(&mut wheel, at(1000)), []);
    wheel.arm(0, at(3));
    assert_eq!(wheel.next_deadline(), Some(at(1000)));
    assert_eq!(expired(&mut wheel, at(1000)), [0]);
}

#[test]
fn the_end_of_time_is_not_too_far() {
    let mut wheel = TimerWheel::new(2);
    wheel.arm(0, Instant::from_nanos(u64::MAX));
    wheel.arm(1, at(5));
    assert_eq!(expired(&mut wheel, Instant::from_nanos(u64::MAX >> 1)), [1]);
    assert_eq!(expired(&mut wheel, Instant::from_nanos(u64::MAX)), [0]);
}

#[test]
fn far_deadlines_are_told_to_the_tick() {
    let mut wheel = TimerWheel::new(1);
    let deadline = Instant::from_nanos(86_400_123_456_789);
    wheel.arm(0, deadline);
    let next = wheel.next_deadline().expect("armed");
    assert!(next <= deadline && deadline - next < TICK);
}

/// What the wheel must do, in the simplest way: ticks by key.
#[derive(Default)]
struct Model {
    armed: BTreeMap<u32, u64>,
    tick: u64,
}

impl Model {
    fn advance(&mut self, now: u64) -> Vec<(u64, u32)> {
        self.tick = self.tick.max(now);
        let tick = self.tick;
        let mut due: Vec<_> =
            self.armed.iter().filter(|(_, at)| **at <= tick).map(|(k, at)| (*at, *k)).collect();
        due.sort_unstable();
        self.armed.retain(|_, at| *at > tick);
        due
    }
}

fn delay() -> impl Strategy<Value = u64> {
    // As many short as long ones, so that many levels are used; sums stay below 64 bits.
    (0u32..36, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

proptest! {
    #[test]
    fn behaves_like_a_sorted_map(
        operations in proptest::collection::vec((0u8..5, 0u32..12, delay()), 0..300)
    ) {
        let mut wheel = TimerWheel::new(12);
        let mut model = Model::default();
        for (operation, key, delay) in operations {
            match operation {
                0..=2 => {
                    wheel.arm(key, at(model.tick + delay));
                    model.armed.insert(key, model.tick + delay);
                }
                3 => prop_assert_eq!(wheel.cancel(key), model.armed.remove(&key).is_some()),
                _ => {
                    let now = model.tick + delay;
                    let deadlines = model.armed.clone();
                    let mut got: Vec<_> = expired(&mut wheel, at(now))
                        .into_iter().map(|key| (deadlines[&key], key)).collect();
                    prop_assert!(got.is_sorted_by_key(|(tick, _)| *tick), "in order: {got:?}");
                    got.sort_unstable();
                    prop_assert_eq!(got, model.advance(now));
                }
            }
            prop_assert_eq!(wheel.len() as usize, model.armed.len());
            let first = model.armed.values().min().map(|tick| at(*tick));
            let next = wheel.next_deadline();
            prop_assert_eq!(next.is_some(), first.is_some());
            prop_assert!(next <= first, "never late: {next:?} against {first:?}");
            for (key, tick) in &model.armed {
                prop_assert_eq!(wheel.deadline(*key), Some(at(*tick)));
            }
        }
    }

    #[test]
    fn without_cancelling_the_next_deadline_is_exact(
        delays in proptest::collection::vec(delay(), 1..12)
    ) {
        let mut wheel = TimerWheel::new(12);
        for (key, delay) in (0..).zip(&delays) {
            wheel.arm(key, at(*delay));
        }
        let mut sorted = delays.clone();
        sorted.sort_unstable();
        for tick in sorted {
            prop_assert_eq!(wheel.next_deadline(), Some(at(tick)));
            prop_assert!(wheel.pop_expired(at(tick)).is_some());
        }
        prop_assert_eq!(wheel.next_deadline(), None);
    }
}

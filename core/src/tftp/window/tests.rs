use proptest::prelude::*;

use super::*;

/// A window of `size` in which the first `out` blocks are handed out.
fn window(last: u64, size: u16, out: u16) -> Window {
    let mut window = Window::new(last, size);
    if out > 0 {
        window.take(out);
    }
    window
}

#[test]
fn lockstep_goes_block_by_block() {
    let mut window = Window::new(2, 1);
    assert_eq!(window.take(44), Burst { first: 1, count: 1, repeated: 0 });
    assert!(!window.last_is_out());
    assert_eq!(window.on_ack(1), Ack::Progress);
    assert_eq!(window.take(44), Burst { first: 2, count: 1, repeated: 0 });
    assert!(window.last_is_out());
    assert_eq!(window.on_ack(2), Ack::Finished);
}

#[test]
fn a_repeated_ack_in_lockstep_is_never_answered() {
    let mut window = window(10, 1, 1);
    assert_eq!(window.on_ack(1), Ack::Progress);
    window.take(1);
    for _ in 0..10 {
        assert_eq!(window.on_ack(1), Ack::Old);
        assert_eq!(window.pending(), 0);
    }
}

#[test]
fn an_ack_inside_the_window_leaves_the_rest_out_until_it_is_rolled_back() {
    let mut window = window(100, 8, 8);
    assert_eq!(window.on_ack(3), Ack::Partial);
    assert_eq!(window.pending(), 3, "the window has moved on");
    assert_eq!(window.on_ack(3), Ack::Repeated);
    window.rewind();
    assert_eq!(window.take(44), Burst { first: 4, count: 8, repeated: 5 });
}

#[test]
fn an_ack_of_the_rest_clears_a_partial_one() {
    let mut window = window(100, 8, 8);
    assert_eq!(window.on_ack(3), Ack::Partial);
    assert_eq!(window.on_ack(8), Ack::Progress);
    assert_eq!(window.take(44), Burst { first: 9, count: 8, repeated: 0 });
}

#[test]
fn a_repeated_ack_with_nothing_out_is_old() {
    let mut window = window(100, 4, 4);
    assert_eq!(window.on_ack(0), Ack::Repeated, "block 1 is missing, or an echo");
    window.rewind();
    assert_eq!(window.on_ack(0), Ack::Old);
}

#[test]
fn a_late_ack_of_blocks_sent_before_a_timeout_counts() {
    let mut window = window(100, 4, 4);
    window.rewind();
    assert_eq!(window.take(1), Burst { first: 1, count: 1, repeated: 1 });
    assert_eq!(window.on_ack(4), Ack::Progress);
    assert_eq!(window.take(44).first, 5);
}

#[test]
fn what_was_never_sent_is_not_acknowledged() {
    let mut window = window(100, 8, 2);
    assert_eq!(window.on_ack(3), Ack::Unsent);
    assert_eq!(window.on_ack(u16::MAX), Ack::Old, "one before block 0");
    assert_eq!(window.acked(), 0);
}

#[test]
fn numbers_wrap_to_zero() {
    let mut window = Window::new(70_000, 1);
    for block in 1..70_000_u64 {
        assert_eq!(window.take(1).first, block);
        let wire = u16::try_from(block % 65_536).expect("16 bits");
        assert_eq!(window.on_ack(wire), Ack::Progress, "block {block}");
    }
    window.take(1);
    assert_eq!(window.on_ack(u16::try_from(70_000 - 65_536).expect("16 bits")), Ack::Finished);
}

proptest! {
    /// Whatever a peer acknowledges, only blocks of the window go out, and what counts as arrived
    /// has been sent.
    #[test]
    fn bounds_hold_for_any_peer(
        last in 1u64..100_000,
        size in 1u16..=WINDOW_BLOCKS_MAX,
        start in any::<bool>(),
        operations in proptest::collection::vec((0u8..4, any::<u16>(), 1u16..50), 1..200),
    ) {
        let mut window = Window::new(last, size);
        let mut sent = 0;
        if start {
            // Begin somewhere in the middle.
            while window.pending() > 0 && sent < last / 2 {
                let burst = window.take(size);
                sent = burst.first + u64::from(burst.count) - 1;
                if window.on_ack((sent & 0xffff) as u16) == Ack::Finished {
                    return Ok(());
                }
            }
        }
        for (operation, any, near) in operations {
            let acked = window.acked();
            let ack = match operation {
                0 => {
                    if window.pending() > 0 {
                        let burst = window.take(near);
                        prop_assert!(burst.count <= near && burst.repeated <= burst.count);
                        prop_assert!(burst.first > acked);
                        let end = burst.first + u64::from(burst.count) - 1;
                        prop_assert!(end <= last && end <= acked + u64::from(size));
                        sent = sent.max(end);
                    }
                    continue;
                }
                1 => {
                    window.rewind();
                    continue;
                }
                2 => window.on_ack(any),
                _ => window.on_ack((acked & 0xffff) as u16 ^ (near & 7)),
            };
            prop_assert!(window.acked() >= acked && window.acked() <= sent);
            match ack {
                Ack::Progress => prop_assert!(window.acked() > acked && window.pending() > 0),
                Ack::Partial => prop_assert!(window.acked() > acked),
                Ack::Finished => {
                    prop_assert_eq!(window.acked(), last);
                    break;
                }
                Ack::Repeated | Ack::Old | Ack::Unsent => prop_assert_eq!(window.acked(), acked),
            }
        }
    }
}

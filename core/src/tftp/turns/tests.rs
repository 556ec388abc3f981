use super::*;

/// One kind of client: how many there are, what they take in one turn, and how it counts.
type Kind = (u32, u32, Flow);

/// Serves clients that always want more, and tells how many bytes one of each kind got, the least
/// and the most.
fn shares<const N: usize>(kinds: [Kind; N], turns: u32) -> [(u64, u64); N] {
    let count: u32 = kinds.iter().map(|(count, ..)| count).sum();
    let of: Vec<_> =
        (0..N).flat_map(|kind| core::iter::repeat_n(kind, kinds[kind].0 as usize)).collect();
    let mut line = Turns::new(count);
    let mut bytes = vec![0_u64; count as usize];
    for slot in 0..count {
        line.open(slot);
        line.push(slot);
    }
    for _ in 0..turns {
        let slot = line.pop().expect("all want to send");
        let (_, sent, flow) = kinds[of[slot as usize]];
        bytes[slot as usize] += u64::from(sent);
        line.charge(slot, sent, flow);
        line.push(slot);
    }
    core::array::from_fn(|kind| {
        let mut all = bytes.iter().zip(&of).filter(|(_, of)| **of == kind).map(|(bytes, _)| *bytes);
        let first = all.next().expect("there are some of each kind");
        all.fold((first, first), |(least, most), bytes| (least.min(bytes), most.max(bytes)))
    })
}

#[test]
fn blocks_and_windows_of_all_sizes_get_the_same_bytes() {
    let kinds = [
        (20, 5 * 512, Flow::Windows),
        (50, 4 * 1468, Flow::Windows),
        (30, 16 * 1468, Flow::Windows),
        (2, 44 * 1468, Flow::Windows),
    ];
    let shares = shares(kinds, 100_000);
    let least = shares.iter().map(|(least, _)| *least).min().expect("four kinds");
    let most = shares.iter().map(|(_, most)| *most).max().expect("four kinds");
    // All differ by no more than the largest turn.
    assert!(least > 1_000_000 && most - least <= 44 * 1468, "{shares:?}");

    let kinds = [(40, 512, Flow::Lockstep), (40, 1024, Flow::Lockstep), (40, 1468, Flow::Lockstep)];
    let shares = self::shares(kinds, 100_000);
    let least = shares.iter().map(|(least, _)| *least).min().expect("three kinds");
    let most = shares.iter().map(|(_, most)| *most).max().expect("three kinds");
    assert!(least > 500_000 && most - least <= 1024 + 1468, "{shares:?}");
}

#[test]
fn lockstep_gets_what_it_can_take_and_windows_no_less_than_a_quarter_of_that() {
    for (lockstep, windows, burst) in [(10, 10, 44), (50, 3, 16), (100, 60, 4), (1, 20, 44)] {
        let kinds = [(lockstep, 1468, Flow::Lockstep), (windows, burst * 1468, Flow::Windows)];
        let [(single, _), (window, _)] = shares(kinds, 50_000);
        let quarter = single / 4;
        let turn = u64::from(burst * 1468);
        assert!(window.abs_diff(quarter) <= 2 * turn, "{burst}: {single} and {window} bytes");
    }
}

#[test]
fn the_widest_window_does_not_wait_for_ever_in_the_largest_crowd() {
    let kinds = [(20_000, 1468, Flow::Lockstep), (1, 44 * 1468, Flow::Windows)];
    let [_, (window, _)] = shares(kinds, 2_000_000);
    // Once for each 256 MiB, and once at first.
    let waits = 2_000_000 * 1468 / CROWD_APART_MAX;
    assert!(window / (44 * 1468) >= waits, "{window}");
}

#[test]
fn among_equals_turns_go_round() {
    let mut line = Turns::new(3);
    for slot in 0..3 {
        line.open(slot);
        line.push(slot);
    }
    for turn in 0..300 {
        assert_eq!(line.pop(), Some(turn % 3));
        line.charge(turn % 3, 44 * 1472, Flow::Windows);
        line.push(turn % 3);
    }
}

#[test]
fn who_comes_later_begins_where_the_others_are() {
    let mut line = Turns::new(2);
    line.open(0);
    for _ in 0..1000 {
        line.push(0);
        assert_eq!(line.pop(), Some(0));
        line.charge(0, 44 * 1472, Flow::Windows);
    }
    line.open(1);
    let mut turns = [0_u32; 2];
    line.push(0);
    for _ in 0..100 {
        line.push(1);
        let slot = line.pop().expect("both want to send");
        turns[slot as usize] += 1;
        line.charge(slot, 44 * 1472, Flow::Windows);
        line.push(slot);
    }
    assert!(turns[0].abs_diff(turns[1]) <= 1, "{turns:?}");
}

#[test]
fn who_leaves_is_not_served() {
    let mut line = Turns::new(2);
    for slot in 0..2 {
        line.open(slot);
        line.push(slot);
    }
    line.close(0);
    assert_eq!([line.pop(), line.pop()], [Some(1), None]);
    assert!(line.is_empty());
}

#[test]
fn without_anybody_the_line_begins_anew() {
    let mut line = Turns::new(2);
    line.open(0);
    for _ in 0..1000 {
        line.push(0);
        assert_eq!(line.pop(), Some(0));
        line.charge(0, 44 * 1472, Flow::Windows);
    }
    assert!(line.current > 0);
    line.close(0);
    assert_eq!(line.current, 0);
    for slot in [1, 0] {
        line.open(slot);
        line.push(slot);
    }
    assert_eq!([line.pop(), line.pop(), line.pop()], [Some(1), Some(0), None]);
}

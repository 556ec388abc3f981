//! Everybody asks for the same file over TFTP in the same instant.

use std::time::Duration;

use reveille_core::rate::{ByteRate, Rates};
use reveille_tests::sim::{Fallout, Model, Storm, play};

/// Plays a storm in which no packet is lost, and proves what must hold then: no firmware gives up,
/// and nobody is served at less than half the median's rate.
fn calm(storm: &Storm) -> Fallout {
    let fallout = play(storm);
    assert_eq!(fallout.gave_up, 0, "{fallout:#?}");
    assert!(fallout.slowest >= 0.5, "{fallout:#?}");
    // A client is silent for longer than the server waits only where a network is very full.
    let packets = u64::from(storm.clients) * (storm.bytes / 1468 + 1);
    assert!(fallout.retransmits < packets / 100, "{fallout:#?}");
    fallout
}

#[test]
fn ten_thousand_of_all_kinds_on_a_fast_network() {
    let fallout = calm(&Storm::new(10_000, 60_000));
    assert!(fallout.longest_wait < Duration::from_secs(1), "{fallout:#?}");
    assert!(fallout.took < 3 * fallout.floor, "{fallout:#?}");
}

#[test]
fn ten_thousand_of_all_kinds_on_a_gigabit() {
    let storm = Storm { link_bits: 1_000_000_000, ..Storm::new(10_000, 60_000) };
    let fallout = calm(&storm);
    assert!(fallout.took < fallout.floor * 5 / 4, "{fallout:#?}");
}

#[test]
fn ten_thousand_of_all_kinds_on_a_slow_network() {
    let storm = Storm { link_bits: 100_000_000, ..Storm::new(10_000, 20_000) };
    let fallout = calm(&storm);
    assert!(fallout.took < fallout.floor * 5 / 4, "{fallout:#?}");
}

#[test]
fn ten_thousand_of_a_kind() {
    for model in [Model::Uefi, Model::Grub, Model::Uboot] {
        let storm = Storm { models: vec![model], ..Storm::new(10_000, 30_000) };
        let fallout = calm(&storm);
        assert!(fallout.longest_wait < Duration::from_secs(1), "{fallout:#?}");
    }
}

#[test]
fn fifty_thousand() {
    let fallout = calm(&Storm::new(50_000, 8_000));
    assert!(fallout.longest_wait < Duration::from_secs(4), "{fallout:#?}");
}

#[test]
fn ten_thousand_behind_one_address() {
    // Ten times as many as may be unconfirmed at one time: the others are answered as those are.
    for models in [vec![Model::Generator], Model::ALL.to_vec()] {
        let fallout = calm(&Storm { models, translated: true, ..Storm::new(10_000, 60_000) });
        assert!(fallout.longest_wait < Duration::from_secs(1), "{fallout:#?}");
        assert!(fallout.took < 3 * fallout.floor, "{fallout:#?}");
    }
}

#[test]
fn packets_lost_behind_one_address_keep_nobody_out() {
    let storm = Storm {
        lost: 10,
        faults_for: Duration::from_secs(20),
        models: vec![Model::Generator],
        translated: true,
        ..Storm::new(10_000, 30_000)
    };
    let fallout = play(&storm);
    assert_eq!(fallout.gave_up, 0, "{fallout:#?}");
}

#[test]
fn with_little_room_some_wait_for_their_turn_and_nobody_for_too_long() {
    let storm =
        Storm { link_bits: 150_000_000, room_bytes: 512 * 1024, ..Storm::new(5_000, 60_000) };
    let fallout = calm(&storm);
    assert!(fallout.waited > 1000, "{fallout:#?}");
    assert!(fallout.longest_turn <= Duration::from_millis(3500), "{fallout:#?}");
}

#[test]
fn packets_that_are_lost_cost_time_and_nothing_else() {
    for (lost, give_up_max) in [(10, 0), (50, 5)] {
        let storm =
            Storm { lost, faults_for: Duration::from_secs(20), ..Storm::new(3_000, 30_000) };
        let fallout = play(&storm);
        assert!(fallout.gave_up <= give_up_max, "{fallout:#?}");
    }
}

#[test]
fn a_packet_that_is_lost_costs_far_less_than_a_second() {
    // The median's file takes 0.1 s without losses, and 4 s or 14 s if each costs a second. A
    // generator in lockstep repeats its own losses after a second, which no server can mend.
    for (model, expected_ms) in [(Model::Uefi, 1500), (Model::Generator, 10_000)] {
        let storm = Storm {
            lost: 10,
            faults_for: Duration::from_secs(60),
            models: vec![model],
            ..Storm::new(100, 1_000_000)
        };
        let fallout = play(&storm);
        assert!(fallout.median < Duration::from_millis(expected_ms), "{model:?}: {fallout:#?}");
        // A loss costs a window at most.
        let packets = 100 * (1_000_000 / 1468 + 1);
        assert!(fallout.retransmits < packets / 15, "{model:?}: {fallout:#?}");
    }
}

#[test]
fn a_rate_for_all_holds_in_a_storm() {
    let total = ByteRate::new(50_000_000);
    let rates = Rates { total, client: None };
    let fallout = calm(&Storm { rates, ..Storm::new(5_000, 30_000) });
    let expected = Duration::from_secs(3);
    assert!(fallout.took >= expected && fallout.took < expected * 5 / 4, "{fallout:#?}");
}

#[test]
fn a_storm_replays() {
    let storm = Storm { lost: 50, faults_for: Duration::from_secs(5), ..Storm::new(500, 20_000) };
    assert_eq!(play(&storm), play(&storm));
    assert_ne!(play(&storm), play(&Storm { seed: 2, ..storm.clone() }));
}

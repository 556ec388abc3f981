//! Thousands of seeds of a server that keeps its leases in a store that fails, and that crashes.

use reveille_tests::sim::{Kept, play_leases};

const SEEDS: u64 = 600;

/// Plays the seeds, or the one that `REVEILLE_SEED` in the environment names.
fn play_all(seeds: std::ops::Range<u64>) -> Kept {
    let only = std::env::var("REVEILLE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(seeds, |seed: u64| seed..seed + 1);
    let mut sum = Kept::default();
    for seed in seeds {
        let played = std::panic::catch_unwind(|| play_leases(seed));
        let kept = played.unwrap_or_else(|_| panic!("REVEILLE_SEED={seed} fails"));
        sum.acks += kept.acks;
        sum.lives += kept.lives;
        sum.failures += kept.failures;
        sum.records += kept.records;
    }
    sum
}

/// Plays so many seeds and as many times more as `REVEILLE_SEEDS_TIMES` says.
fn play_many(first: u64) {
    let times = std::env::var("REVEILLE_SEEDS_TIMES").ok().and_then(|times| times.parse().ok());
    let sum = play_all(first..first + SEEDS * times.unwrap_or(1));
    if std::env::var_os("REVEILLE_SEED").is_none() {
        let happened = sum.acks > 10 * SEEDS && sum.lives > 3 * SEEDS && sum.failures > 2 * SEEDS;
        assert!(happened && sum.records > sum.acks, "too little happened: {sum:?}");
    }
}

#[test]
fn no_lease_is_lost_and_none_is_given_twice() {
    play_many(0);
}

#[test]
fn no_lease_is_lost_with_other_seeds() {
    play_many(1_000_000);
}

#[test]
fn a_seed_of_leases_replays() {
    assert_eq!(play_leases(5), play_leases(5));
}

//! A hundred seeds of the simulator, and proof that a seed says it all.

use reveille_tests::sim::{Options, Report, run};

const MACHINES: u32 = 1000;

/// Plays one seed. `REVEILLE_SEED` in the environment names the one to look at instead of all,
/// `REVEILLE_MACHINES` another number of machines, and `REVEILLE_TRACE` a machine whose packets
/// are shown.
fn play(seed: u64) -> Report {
    let options = Options {
        trace: number("REVEILLE_TRACE"),
        ..Options::draw(seed, number("REVEILLE_MACHINES").unwrap_or(MACHINES))
    };
    let played = std::panic::catch_unwind(|| run(&options));
    played.unwrap_or_else(|_| panic!("REVEILLE_SEED={seed} fails: {options:#?}"))
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn play_all(seeds: std::ops::Range<u64>) {
    if let Some(seed) = number("REVEILLE_SEED") {
        return show(seed);
    }
    for seed in seeds {
        let report = play(seed);
        assert!(report.events > u64::from(MACHINES), "something happened");
        let advertises = Options::draw(seed, MACHINES).link_unicast;
        assert_eq!(report.counts.advertised > 0, advertises, "iPXE is spared its wait for IPv6");
        assert!(report.counts.up >= u64::from(MACHINES) * 4 / 5, "they reported");
    }
}

#[expect(clippy::print_stdout, reason = "a person looks at this one run")]
fn show(seed: u64) {
    println!("{:#?}\n{:#?}", Options::draw(seed, MACHINES), play(seed));
}

#[test]
fn seeds_00_to_49() {
    play_all(0..50);
}

#[test]
fn seeds_50_to_99() {
    play_all(50..100);
}

#[test]
fn a_seed_replays_byte_for_byte() {
    for seed in [3, 14, 15] {
        let options = Options::draw(seed, 200);
        assert_eq!(run(&options), run(&options), "seed {seed}");
    }
    let other = |seed| run(&Options::draw(seed, 50)).digest;
    assert_ne!(other(1), other(2), "the digest tells runs apart");
}

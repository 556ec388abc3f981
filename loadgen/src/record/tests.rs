//! The recorder and its arithmetic.

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::client::{Note, Reason, Stage};
use crate::time::Instant;

/// The value at a quantile of a sorted list, by definition.
fn oracle(sorted: &[u64], quantile: f64) -> u64 {
    let rank = (quantile * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= expected * 0.001 + 1e-6, "{found} is not {expected}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn quantiles_agree_with_sorting(
        mut times in prop::collection::vec(1_u64..7_200_000_000, 1..300),
    ) {
        let mut recorded = Times::new();
        for micros in &times {
            recorded.record(Duration::from_micros(*micros));
        }
        times.sort_unstable();
        let found = recorded.distribution();
        prop_assert_eq!(found.count, times.len() as u64);
        let pairs = [(found.p50, 0.5), (found.p90, 0.9), (found.p99, 0.99), (found.p999, 0.999)];
        for (value, quantile) in pairs {
            assert_close(value, oracle(&times, quantile) as f64 / 1e6);
        }
        assert_close(found.min, times[0] as f64 / 1e6);
        assert_close(found.max, times[times.len() - 1] as f64 / 1e6);
        let mean = times.iter().sum::<u64>() as f64 / times.len() as f64 / 1e6;
        assert_close(found.mean, mean);
        let percentiles = recorded.percentiles();
        prop_assert_eq!(percentiles.len(), 101);
        prop_assert!(percentiles.is_sorted());
    }

    #[test]
    fn steps_hold_every_time_once(times in prop::collection::vec(1_u64..600_000_000, 1..300)) {
        let mut recorded = Times::new();
        for micros in &times {
            recorded.record(Duration::from_micros(*micros));
        }
        let steps = recorded.steps(60).expect("there are times");
        prop_assert!(steps.counts.len() <= 60);
        prop_assert_eq!(steps.counts.iter().sum::<u64>(), times.len() as u64);
        prop_assert!(steps.counts[0] > 0);
        let min = *times.iter().min().expect("there are times") as f64 / 1e6;
        let end = steps.from_s + steps.step_s * steps.counts.len() as f64;
        let max = *times.iter().max().expect("there are times") as f64 / 1e6;
        prop_assert!(steps.from_s <= min * 1.001 && end >= max * 0.999);
    }
}

#[test]
fn no_time_makes_an_empty_distribution() {
    let times = Times::new();
    assert_eq!(times.distribution(), Distribution::default());
    assert_eq!(times.percentiles(), Vec::<f64>::new());
    assert_eq!(times.steps(60), None);
}

fn plan(machines: usize) -> Plan {
    Plan {
        title: "a test".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        scenario: vec![Setting { name: "clients".to_owned(), value: machines.to_string() }],
        host: Host::default(),
        machines: (0..machines as u32).map(member).collect(),
        models: vec!["ipxe".to_owned(), "grub".to_owned()],
    }
}

const fn at(millis: u64) -> Instant {
    Instant(millis * 1_000_000)
}

fn member(number: u32) -> Member {
    let [a, b, c, d] = number.to_be_bytes();
    Member { mac: [2, 0, a, b, c, d], model: (number % 2) as u8, is_straggler: number == 100 }
}

#[test]
fn a_run_of_four_machines_is_told_completely() {
    let mut recorder = Recorder::new(plan(4));
    let mut note = |number, note, now| recorder.note(number, note, now);
    for number in 0..3 {
        note(number, Note::StageBegan(Stage::PowerOn), at(1000));
        note(number, Note::StageBegan(Stage::Program), at(2000));
    }
    let took = Duration::from_secs(2);
    note(0, Note::StageEnded { stage: Stage::Program, took, retries: 0, bytes: 4000 }, at(4000));
    note(0, Note::StageBegan(Stage::Up), at(4000));
    note(0, Note::Up, at(5000));
    note(1, Note::Resent(Stage::Program), at(3000));
    note(1, Note::Failed { stage: Stage::Program, reason: Reason::TftpError(2) }, at(6000));
    note(2, Note::Vanished(Stage::Program), at(6000));
    assert_eq!(recorder.over(), 3);
    assert_eq!(recorder.counts().off, 1);
    let run = recorder.finish(at(7000), Closing::default());

    let all = Outcomes { total: 4, up: 1, failed: 1, vanished: 1, unfinished: 1 };
    assert_eq!(run.machines.all, all);
    let ipxe = Outcomes { total: 2, up: 1, failed: 0, vanished: 1, unfinished: 0 };
    assert_eq!(run.machines.models[0].outcomes, ipxe);
    assert_close(run.boots.took_s.max, 4.0);
    assert_eq!(run.boots.last_up_at_s, Some(5.0));
    assert_eq!(run.failures.len(), 1);
    assert_eq!(run.failures[0].examples[0].mac, "02:00:00:00:00:01");
    assert_eq!(run.failures[0].examples[0].model, "grub");
    assert_eq!(run.transfers.len(), 1);
    assert_close(run.transfers[0].rate_bytes_per_s.p50, 2000.0);
    assert_eq!(run.transfers[0].fairness, None, "one transfer is no group");
    let program = run.stages.iter().find(|stage| stage.stage == "program").expect("it began");
    assert_eq!((program.began, program.ended, program.failed, program.resent), (3, 1, 1, 1));
    assert_eq!(run.server, None);
}

#[test]
fn transfers_are_compared_with_equals_that_began_together() {
    let mut recorder = Recorder::new(plan(101));
    for number in 0..101 {
        // Those of the second half begin later and are all ten times slower: not unfair. Nor is it
        // that the straggler, who is last, is slower still, nor that one model is twice as fast.
        let begin = if number < 50 { at(0) } else { at(5_000) };
        let seconds = match number {
            0 => 8,
            1..50 => 1 + u64::from(number % 2),
            50..100 => 10,
            _ => 100,
        };
        let took = Duration::from_secs(seconds);
        let ended = Note::StageEnded { stage: Stage::Kernel, took, retries: 0, bytes: 1 << 20 };
        recorder.note(number, Note::StageBegan(Stage::Kernel), begin);
        recorder.note(number, ended, begin + took);
    }
    let run = recorder.finish(at(200_000), Closing::default());
    let fairness = run.transfers[0].fairness.expect("there are groups");
    assert_eq!((fairness.groups, fairness.largest_count), (4, 25));
    assert!((fairness.worst_slowest_of_median - 0.125).abs() < 0.01, "{fairness:?}");
    assert!((run.transfers[0].rate_bytes_per_s.min - 10_485.0).abs() < 1.0);
}

#[test]
fn windows_widen_in_long_runs_and_lose_nothing() {
    let mut cohorts = cohorts::Cohorts::new();
    for second in 0..2000 {
        for _ in 0..5 {
            cohorts.record(at(second * 1000), 1000, Duration::from_secs(1));
        }
    }
    let fairness = cohorts.fairness().expect("windows of 16 seconds hold 80 transfers");
    assert_eq!(fairness.window_s, 16.0);
    assert_eq!((fairness.groups, fairness.largest_count), (125, 80));
    assert_eq!(fairness.worst_slowest_of_median, 1.0);
}

#[test]
fn a_long_run_keeps_a_bounded_number_of_moments() {
    let mut recorder = Recorder::new(plan(1));
    for tick in 0..36_000 {
        recorder.tick(at(tick * 100), Sample { received_bytes: tick, ..Sample::default() });
    }
    let run = recorder.finish(at(3_600_000), Closing::default());
    let ticks = &run.timeline.ticks;
    assert!((300..=601).contains(&ticks.len()), "{}", ticks.len());
    assert_eq!(ticks[0].at_s, 0.0);
    assert_eq!(ticks[ticks.len() - 1].at_s, 3600.0);
    // Evenly spread, but for the end.
    let step = ticks[1].at_s - ticks[0].at_s;
    let pairs = ticks.windows(2).take(ticks.len() - 2);
    assert!(pairs.into_iter().all(|pair| (pair[1].at_s - pair[0].at_s - step).abs() < 0.01));
}

#[test]
fn kinds_of_failures_are_bounded() {
    let mut recorder = Recorder::new(plan(1000));
    for number in 0..1000 {
        let reason = Reason::TftpError(number as u16);
        recorder.note(number, Note::StageBegan(Stage::Program), at(0));
        recorder.note(number, Note::Failed { stage: Stage::Program, reason }, at(1));
    }
    let run = recorder.finish(at(2), Closing::default());
    assert_eq!(run.failures.len(), 65);
    assert_eq!(run.failures.iter().map(|failure| failure.count).sum::<u64>(), 1000);
    assert_eq!(run.failures[0].reason, "other reasons");
    assert_eq!(run.failures[0].examples.len(), 5);
}

#[test]
fn the_server_is_charged_for_the_run_only() {
    let mut recorder = Recorder::new(plan(1));
    let sample = |cpu, rss_bytes| {
        let cpu = Duration::from_secs(cpu);
        Sample { server: Some(ServerSample { cpu, rss_bytes }), ..Sample::default() }
    };
    recorder.tick(at(0), sample(100, 5000));
    recorder.tick(at(1000), sample(101, 9000));
    let closing = Closing { sample: sample(103, 6000), ..Closing::default() };
    let run = recorder.finish(at(2000), closing);
    let expected = Server { cpu_s: 3.0, rss_start_bytes: 5000, rss_peak_bytes: 9000 };
    assert_eq!(run.server, Some(expected));
}

//! Reports of made-up runs, usual and odd ones.

use std::path::PathBuf;

use super::compare::Verdict;
use super::specimen::{STORM, Specimen};
use super::{Comparison, charts, html, json, svg, terminal, words};
use crate::record::Run;

/// Every kind of run that a report has to cope with.
fn specimens() -> Vec<(&'static str, Specimen)> {
    let small = Specimen { machines: 60, ..STORM };
    let middle = Specimen { machines: 1_000, ..STORM };
    vec![
        ("storm", STORM),
        ("other", Specimen { stretch: 1.7, failing: 40, seed: 8, ..middle }),
        ("nobody", Specimen { machines: 0, ..STORM }),
        ("one", Specimen { machines: 1, failing: 0, vanishing: 0, ..STORM }),
        ("all-failed", Specimen { failing: 1000, vanishing: 0, ..middle }),
        ("short", Specimen { stretch: 0.03, ..small }),
        ("long", Specimen { stretch: 9.0, ..middle }),
        ("unwatched", Specimen { is_server_watched: false, ..small }),
    ]
}

/// A run in which every name tries to be markup or to steer the terminal.
fn hostile() -> Run {
    let evil = "<script>alert('1')</script>\"&\u{1b}[2J]]>".to_owned();
    let mut run = Specimen { machines: 200, failing: 300, ..STORM }.run();
    run.title.clone_from(&evil);
    run.started.clone_from(&evil);
    run.host.cpu.clone_from(&evil);
    run.scenario[1].value.clone_from(&evil);
    run.scenario[2].name.clone_from(&evil);
    run.machines.models[0].model.clone_from(&evil);
    run.stages[1].stage.clone_from(&evil);
    run.transfers[0].stage.clone_from(&evil);
    run.timeline.stages[3].clone_from(&evil);
    run.failures[0].reason.clone_from(&evil);
    run.failures[0].examples[0].mac.clone_from(&evil);
    run
}

#[test]
fn the_terminal_tells_a_storm() {
    insta::assert_snapshot!(terminal::report(&STORM.run()));
}

#[test]
fn the_terminal_tells_odd_runs() {
    let text: Vec<String> = specimens()
        .into_iter()
        .filter(|(name, _)| ["nobody", "one", "all-failed"].contains(name))
        .map(|(name, specimen)| format!("== {name}\n{}", terminal::report(&specimen.run())))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn the_terminal_compares() {
    let (a, b) = (STORM.run(), Specimen { stretch: 1.7, failing: 40, seed: 8, ..STORM }.run());
    insta::assert_snapshot!(Comparison::new(&a, &b).terminal());
}

#[test]
fn a_run_compared_with_itself_is_even() {
    let run = STORM.run();
    let comparison = Comparison::new(&run, &run);
    assert!(comparison.rows.iter().all(|row| row.verdict == Verdict::Even));
    assert_eq!(comparison.differences, []);
}

#[test]
fn missing_figures_are_no_merit() {
    let (a, b) = (STORM.run(), Specimen { failing: 1000, vanishing: 0, ..STORM }.run());
    let comparison = Comparison::new(&a, &b);
    let row = |what: &str| {
        let found = comparison.rows.iter().find(|row| row.what == what);
        found.map(|row| (row.b.as_str(), row.verdict)).expect("the row is there")
    };
    assert_eq!(row("Boot: half within"), ("–", Verdict::Even));
    assert_eq!(row("Failed"), ("10,000", Verdict::Worse));
    assert_eq!(row("Server: processor time").1, Verdict::Even);
    assert_eq!(
        comparison.verdict(),
        "Machines came up in A only. 45 machines failed in A, 10,000 in B."
    );
}

#[test]
fn runs_of_different_sizes_are_compared_by_shares() {
    let small = Specimen { machines: 500, failing: 0, vanishing: 0, ..STORM };
    let large = Specimen { machines: 1_000, failing: 1000, vanishing: 0, ..STORM };
    let (a, b) = (small.run(), large.run());
    let comparison = Comparison::new(&a, &b);
    let failed = comparison.rows.iter().find(|row| row.what == "Failed").expect("it is there");
    assert_eq!((failed.a.as_str(), failed.b.as_str()), ("0 %", "100 %"));
    assert_eq!(failed.verdict, Verdict::Worse);
}

#[test]
fn keys_of_the_json_are_stable() {
    let mut run = Specimen { machines: 12, stretch: 0.01, failing: 300, ..STORM }.run();
    run.timeline.ticks.truncate(2);
    run.boots.percentiles_s.truncate(3);
    run.version = "0.0.0".to_owned();
    insta::assert_snapshot!(json::text(&run).expect("all numbers are finite"));
}

#[test]
fn records_survive_json() {
    for (name, specimen) in specimens() {
        let run = specimen.run();
        let text = json::text(&run).expect("all numbers are finite");
        assert_eq!(json::parse(&text).expect("it was just written"), run, "{name}");
    }
}

#[test]
fn a_later_format_is_refused_by_name() {
    let error = json::parse(r#"{"format": 99, "anything": []}"#).expect_err("nobody knows it");
    assert!(error.to_string().contains("format 99"), "{error}");
}

/// The elements of a page: fails if they do not nest, or if an attribute has no quotes.
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a page begins with its type");
    while let Some(begin) = rest.find('<') {
        assert!(!rest[..begin].contains('>'), "a bare > in {:?}", &rest[..begin]);
        rest = &rest[begin + 1..];
        let end = rest.find('>').expect("every tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        assert!(!tag.contains('<'), "a tag within <{tag}>");
        assert!(tag.matches('"').count().is_multiple_of(2), "odd quotes in <{tag}>");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "</{closed}> closes something else");
        } else if !tag.ends_with('/') {
            open.push(name);
            if name == "style" {
                rest = &rest[rest.find("</style>").expect("the style ends")..];
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "elements stay open");
}

/// No page may need anything but itself.
fn assert_self_contained(page: &str) {
    for needle in
        ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<img"]
    {
        assert!(!page.contains(needle), "the page contains {needle}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf "), "a number is none");
}

#[test]
fn pages_are_well_formed_and_need_nothing_else() {
    let runs: Vec<(&str, Run)> =
        specimens().into_iter().map(|(name, specimen)| (name, specimen.run())).collect();
    // Wherever a person wants to look at them.
    let folder = std::env::var_os("LOADGEN_SPECIMENS").map(PathBuf::from);
    for (name, run) in &runs {
        let comparison = Comparison::new(&runs[0].1, run);
        let pages = [
            (format!("{name}.html"), html::report(run).expect("the template is right")),
            (format!("compare-{name}.html"), html::comparison(&comparison).expect("it is right")),
        ];
        for (file, page) in pages {
            assert_well_formed(&page);
            assert_self_contained(&page);
            assert!(page.len() < 700_000, "{file} has {} bytes", page.len());
            if let Some(folder) = &folder {
                html::write(&page, &folder.join(file)).expect("the folder is there");
            }
        }
    }
}

#[test]
fn hostile_names_stay_text() {
    let run = hostile();
    let page = html::report(&run).expect("the template is right");
    assert_well_formed(&page);
    assert_self_contained(&page);
    assert!(page.contains("&lt;script&gt;"));
    let comparison = Comparison::new(&run, &run);
    let page = html::comparison(&comparison).expect("the template is right");
    assert_well_formed(&page);
    assert_self_contained(&page);
    let text = terminal::report(&run) + &comparison.terminal();
    assert!(!text.contains('\u{1b}'), "escape sequences reach the terminal");
}

#[test]
fn files_are_written_whole_and_read_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.json");
    let run = Specimen { machines: 3, ..STORM }.run();
    json::write(&run, &path).expect("the folder is writable");
    assert_eq!(json::read(&path).expect("it was just written"), run);
    let nowhere = folder.path().join("missing/run.json");
    let error = json::write(&run, &nowhere).expect_err("there is no such folder");
    assert!(error.to_string().contains("missing/run.json"), "{error}");
}

#[test]
fn numbers_have_sensible_digits() {
    let seconds = [
        (0.0, "0 s"),
        (0.000_085, "85 µs"),
        (0.000_999_9, "1.0 ms"),
        (0.0031, "3.1 ms"),
        (0.42, "420 ms"),
        (0.9999, "1.00 s"),
        (1.424, "1.42 s"),
        (9.996, "10.0 s"),
        (99.96, "1 min 40 s"),
        (125.4, "2 min 05 s"),
        (3599.9, "1 h 00 min"),
    ];
    for (value, text) in seconds {
        assert_eq!(words::seconds(value), text);
    }
    assert_eq!(words::count(0), "0");
    assert_eq!(words::count(999), "999");
    assert_eq!(words::count(1_234_567), "1,234,567");
    assert_eq!(words::counted(1, "machine"), "1 machine");
    for (value, text) in [
        (0.0, "0 B"),
        (999.0, "999 B"),
        (999.6, "1.0 kB"),
        (8.123e6, "8.1 MB"),
        (99.96e9, "100 GB"),
    ] {
        assert_eq!(words::bytes(value), text);
    }
    assert_eq!(words::share(9_962, 10_000), "99.62 %");
    assert_eq!(words::share(9_999_999, 10_000_000), "> 99.99 %");
    assert_eq!(words::share(1, 10_000_000), "< 0.01 %");
    assert_eq!(words::share(5, 5), "100 %");
    assert_eq!(words::ratio(0.618), "× 0.62");
    assert_eq!(words::ratio(14.12), "× 14.1");
}

#[test]
fn marks_are_round_and_few() {
    use svg::{Axis, Unit};
    let marks = |axis: Axis| axis.texts();
    assert_eq!(
        marks(Axis::round(Unit::Count, 9_962.0, 5)),
        ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]
    );
    assert_eq!(marks(Axis::round(Unit::Count, 1.0, 5)), ["0", "1"]);
    assert_eq!(marks(Axis::round(Unit::Count, 0.0, 5)), ["0", "1"]);
    assert_eq!(
        marks(Axis::exact(Unit::Seconds, 0.0, 83.0, 6)),
        ["0", "15 s", "30 s", "45 s", "60 s", "75 s"]
    );
    assert_eq!(
        marks(Axis::exact(Unit::Seconds, 0.0, 600.0, 6)),
        ["0", "2:00 min", "4:00 min", "6:00 min", "8:00 min", "10:00 min"]
    );
    assert_eq!(
        marks(Axis::round(Unit::BytesPerSecond, 1.3e9, 5)),
        ["0", "500 MB/s", "1 GB/s", "1.5 GB/s"]
    );
    for to in [0.003, 0.9, 2.0, 11.0, 59.0, 61.0, 601.0, 7201.0] {
        let count = marks(Axis::exact(Unit::Seconds, 0.0, to, 6)).len();
        assert!((2..=7).contains(&count), "{count} marks to {to} s");
    }
}

#[test]
fn all_machines_are_in_the_areas_at_every_moment() {
    for (name, specimen) in specimens() {
        let run = specimen.run();
        for tick in &run.timeline.ticks {
            let sum: u32 =
                tick.machines.iter().sum::<u32>() + tick.up + tick.failed + tick.vanished;
            assert_eq!(sum, run.machines.all.total, "{name} at {} s", tick.at_s);
        }
        let end = charts::end_s(&run);
        assert!(end <= run.wall_s + 0.001, "{name}");
    }
}

#[test]
fn a_run_that_was_broken_off_is_no_better() {
    let whole = STORM.run();
    let mut cut = whole.clone();
    let all = &mut cut.machines.all;
    (all.up, all.failed, all.unfinished) = (3, 0, all.total - 3);
    let comparison = Comparison::new(&whole, &cut);
    let verdict = comparison.verdict();
    assert!(verdict.starts_with("B was not finished: 3 of "), "{verdict}");
    let failed = comparison.rows.iter().find(|row| row.what == "Failed").expect("it is counted");
    assert_eq!(failed.verdict, Verdict::Even);
}

//! Reports as one HTML file: pictures and style inside, nothing fetched, no script.

use std::path::Path;

use anyhow::Context as _;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::charts::{self, Chart, Named, Width};
use super::compare::{Difference, Row};
use super::{Comparison, json, stages, summary, terminal, words};
use crate::record::Run;

/// The report of a run.
///
/// # Errors
/// Only if the template is wrong.
pub fn report(run: &Run) -> anyhow::Result<String> {
    let alone: [Named<'_>; 1] = [("", "c-a", run)];
    let mut small = Vec::new();
    small.extend(charts::boots(run));
    small.extend(charts::stage_times(run));
    small.push(charts::throughput(&alone));
    small.push(charts::resends(run));
    small.push(charts::cpu(run));
    if run.server.is_some() {
        small.push(charts::memory(&alone));
    }
    render(
        "report.html",
        ReportPage {
            style: STYLE,
            run,
            mood: summary::mood(run),
            headline: summary::headline(run),
            duration: summary::duration(run),
            others: summary::others(run),
            origin: summary::origin(run),
            parts: parts(run),
            tiles: tiles(run),
            failures: failures(run),
            large: vec![charts::machines(run, charts::end_s(run), Width::Full)],
            small,
            models: models(run),
            stages: stage_rows(run),
            transfers: transfers(run),
            usage: summary::usage(run),
        },
    )
}

/// The comparison of two runs.
///
/// # Errors
/// Only if the template is wrong.
pub fn comparison(comparison: &Comparison<'_>) -> anyhow::Result<String> {
    let Comparison { a, b, rows, differences } = comparison;
    let both: [Named<'_>; 2] = [("A", "c-a", a), ("B", "c-b", b)];
    let end = charts::end_s(a).max(charts::end_s(b));
    let mut small = vec![
        charts::boot_shares(&both),
        charts::up(&both),
        charts::throughput(&both),
        charts::resent(&both),
    ];
    if a.server.is_some() || b.server.is_some() {
        small.push(charts::server_cpu(&both));
        small.push(charts::memory(&both));
    }
    let areas = both.iter().map(|(name, _, run)| {
        let chart = charts::machines(run, end, Width::Full);
        Chart { title: format!("{name}: where the machines are"), ..chart }
    });
    let runs = both.iter().map(|(name, class, run)| RunCard {
        name,
        class,
        title: &run.title,
        origin: summary::origin(run),
        headline: summary::headline(run),
    });
    render(
        "compare.html",
        ComparisonPage {
            style: STYLE,
            verdict: comparison.verdict(),
            runs: runs.collect(),
            rows,
            differences,
            small,
            large: areas.collect(),
        },
    )
}

/// Writes a page into a file, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write(page: &str, path: &Path) -> anyhow::Result<()> {
    json::write_file(path, page)
}

/// What the template of a report asks for.
#[derive(Serialize)]
struct ReportPage<'r> {
    style: &'static str,
    run: &'r Run,
    mood: summary::Mood,
    headline: String,
    duration: Option<String>,
    others: String,
    origin: String,
    parts: Vec<Part>,
    tiles: Vec<Tile>,
    failures: Vec<FailureRow>,
    large: Vec<Chart>,
    small: Vec<Chart>,
    models: Vec<Vec<String>>,
    stages: Vec<StageRow>,
    transfers: Vec<Vec<String>>,
    usage: Vec<(&'static str, String)>,
}

/// What the template of a comparison asks for.
#[derive(Serialize)]
struct ComparisonPage<'r> {
    style: &'static str,
    verdict: String,
    runs: Vec<RunCard<'r>>,
    rows: &'r [Row],
    differences: &'r [Difference],
    small: Vec<Chart>,
    large: Vec<Chart>,
}

#[derive(Serialize)]
struct RunCard<'r> {
    name: &'r str,
    class: &'r str,
    title: &'r str,
    origin: String,
    headline: String,
}

fn render(name: &str, page: impl Serialize) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).context("a template is wrong")?;
    }
    let template = environment.get_template(name).context("a template is missing")?;
    template.render(Serde(page)).context("a template asks for what is not there")
}

/// The names end in `.html`, so whatever is filled in is escaped.
const TEMPLATES: [(&str, &str); 4] = [
    ("charts.html", include_str!("templates/charts.html")),
    ("page.html", include_str!("templates/page.html")),
    ("report.html", include_str!("templates/report.html")),
    ("compare.html", include_str!("templates/compare.html")),
];

const STYLE: &str = include_str!("templates/style.css");

/// A part of the bar that shows what became of all machines.
#[derive(Serialize)]
struct Part {
    class: &'static str,
    text: String,
    percent: f64,
}

fn parts(run: &Run) -> Vec<Part> {
    let all = &run.machines.all;
    let parts = [
        ("c-up", all.up, "came up"),
        ("c-failed", all.failed, "failed"),
        ("c-vanished", all.vanished, "vanished on purpose"),
        ("c-off", all.unfinished, "were still under way"),
    ];
    let parts = parts.into_iter().filter(|(_, count, _)| *count > 0);
    parts
        .map(|(class, count, verb)| Part {
            class,
            text: format!("{} {verb}", words::count(count.into())),
            percent: f64::from(count) / f64::from(all.total) * 100.0,
        })
        .collect()
}

/// A figure that is seen first.
#[derive(Serialize)]
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

fn tiles(run: &Run) -> Vec<Tile> {
    let took = &run.boots.took_s;
    let mut tiles = Vec::new();
    let within = |name, value, note| Tile { name, value: words::seconds(value), note };
    match took.count {
        0 => {}
        1 => tiles.push(within("Up within", took.p50, "of its power-on".to_owned())),
        _ => {
            let slowest = format!("slowest: {}", words::seconds(took.max));
            tiles.push(within("Half were up within", took.p50, "of their power-on".to_owned()));
            tiles.push(within("99 % were up within", took.p99, slowest));
        }
    }
    if let Some(last) = run.boots.last_up_at_s {
        tiles.push(Tile {
            name: "The last one was up",
            value: words::seconds(last),
            note: "after the run began".to_owned(),
        });
    }
    let totals = super::compare::totals(run);
    tiles.push(Tile {
        name: "Delivered",
        value: words::bytes(totals.received_bytes as f64),
        note: if run.wall_s > 0.0 {
            format!("{} on average", words::rate(totals.received_bytes as f64 / run.wall_s))
        } else {
            String::new()
        },
    });
    if let Some(server) = &run.server {
        tiles.push(Tile {
            name: "The server used",
            value: format!("{} CPU", words::seconds(server.cpu_s)),
            note: format!("at most {} of memory", words::bytes(server.rss_peak_bytes as f64)),
        });
    }
    tiles
}

#[derive(Serialize)]
struct FailureRow {
    count: String,
    percent: f64,
    stage: String,
    reason: String,
    examples: Vec<String>,
}

fn failures(run: &Run) -> Vec<FailureRow> {
    let most = run.failures.iter().map(|failure| failure.count).max().unwrap_or(1);
    let row = |failure: &crate::record::Failure| FailureRow {
        count: words::count(failure.count),
        percent: failure.count as f64 / most as f64 * 100.0,
        stage: stages::name(&failure.stage),
        reason: failure.reason.clone(),
        examples: failure
            .examples
            .iter()
            .map(|machine| {
                let at = words::seconds(machine.at_s);
                format!("{} ({}, number {}) at {at}", machine.mac, machine.model, machine.number)
            })
            .collect(),
    };
    run.failures.iter().map(row).collect()
}

fn models(run: &Run) -> Vec<Vec<String>> {
    let row = |model: &crate::record::ModelRecord| {
        let outcomes = &model.outcomes;
        let mut row = vec![model.model.clone()];
        let counts =
            [outcomes.total, outcomes.up, outcomes.failed, outcomes.vanished, outcomes.unfinished];
        row.extend(counts.map(|count| words::count(count.into())));
        row.extend(terminal::times(&model.boot_s));
        row.push(words::count(model.resent));
        row
    };
    run.machines.models.iter().filter(|model| model.outcomes.total > 0).map(row).collect()
}

#[derive(Serialize)]
struct StageRow {
    class: &'static str,
    name: String,
    explanation: &'static str,
    cells: Vec<String>,
}

fn stage_rows(run: &Run) -> Vec<StageRow> {
    let row = |stage: &crate::record::StageRecord| {
        let mut cells = Vec::from([stage.began, stage.ended, stage.failed].map(words::count));
        cells.extend(terminal::times(&stage.took_s));
        cells.extend([stage.resent, stage.told_to_wait].map(words::count));
        StageRow {
            class: stages::class(&stage.stage),
            name: stages::name(&stage.stage),
            explanation: stages::explanation(&stage.stage),
            cells,
        }
    };
    stages::shown(run).map(row).collect()
}

fn transfers(run: &Run) -> Vec<Vec<String>> {
    let row = |transfer: &crate::record::TransferRecord| {
        let rate = &transfer.rate_bytes_per_s;
        let fairness = transfer.fairness.map_or_else(
            || "–".to_owned(),
            |fairness| words::percent(fairness.worst_slowest_of_median),
        );
        vec![
            stages::name(&transfer.stage),
            words::count(transfer.count),
            words::bytes(transfer.bytes as f64),
            words::rate(rate.p50),
            words::rate(rate.min),
            fairness,
        ]
    };
    run.transfers.iter().map(row).collect()
}

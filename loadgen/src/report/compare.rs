//! Two runs side by side.

use core::fmt::Write as _;

use super::terminal::{Table, plain};
use super::{stages, summary, words};
use crate::record::{Distribution, Run};

/// Two runs, and what is different between them.
#[derive(Clone, Debug)]
pub struct Comparison<'r> {
    pub(super) a: &'r Run,
    pub(super) b: &'r Run,
    pub(super) rows: Vec<Row>,
    pub(super) differences: Vec<Difference>,
}

/// A figure of both runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) a: String,
    pub(super) b: String,
    /// The second as a multiple of the first.
    pub(super) ratio: Option<String>,
    pub(super) verdict: Verdict,
}

/// Whether the second run is better than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Better,
    Worse,
    Even,
}

/// A setting that is not the same in both runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Difference {
    pub(super) name: String,
    pub(super) a: String,
    pub(super) b: String,
}

/// What is good about a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Good {
    /// Much, but a little more or less is chance.
    High,
    /// Little, but a little more or less is chance.
    Low,
    /// Every single one counts.
    Most,
    /// Every single one is one too many.
    Least,
    Neither,
}

/// Differences below this part are chance.
const EVEN: f64 = 0.03;

impl<'r> Comparison<'r> {
    /// Compares two runs.
    pub fn new(a: &'r Run, b: &'r Run) -> Self {
        Self { a, b, rows: rows(a, b), differences: differences(a, b) }
    }

    /// The result in a sentence or two.
    pub(super) fn verdict(&self) -> String {
        if let Some(text) = self.unfinished() {
            return text;
        }
        let (a, b) = (&self.a.boots.took_s, &self.b.boots.took_s);
        let mut text = match (a.count, b.count) {
            (0, 0) => "No machine came up in either run.".to_owned(),
            (0, _) => "Machines came up in B only.".to_owned(),
            (_, 0) => "Machines came up in A only.".to_owned(),
            _ => {
                let ratio = b.p50 / a.p50;
                let times = |ratio: f64| words::ratio(ratio).replace("× ", "");
                match ratio {
                    _ if (ratio - 1.0).abs() < EVEN => {
                        "Half of the machines were up after the same time in both runs.".to_owned()
                    }
                    _ if ratio < 1.0 => {
                        format!("The typical boot in B was {} times as fast.", times(1.0 / ratio))
                    }
                    _ => format!("The typical boot in B took {} times as long.", times(ratio)),
                }
            }
        };
        let (a, b) = (self.a.machines.all.failed, self.b.machines.all.failed);
        put(match (a, b) {
            (0, 0) => write!(text, " Nothing failed in either."),
            (a, b) if a == b => write!(text, " {} failed in each.", words::count(a.into())),
            (a, b) => write!(
                text,
                " {} failed in A, {} in B.",
                words::counted(a.into(), "machine"),
                words::count(b.into())
            ),
        });
        text
    }

    /// What there is to say if a run was broken off: its quick machines stand for nobody else.
    fn unfinished(&self) -> Option<String> {
        let mut text = String::new();
        for (name, run) in [("A", self.a), ("B", self.b)] {
            let all = &run.machines.all;
            if all.unfinished > 0 {
                let (up, total) = (words::count(all.up.into()), words::count(all.total.into()));
                put(write!(text, "{name} was not finished: {up} of {total} machines were up. "));
            }
        }
        (!text.is_empty()).then(|| text + "Times and failures cannot be compared.")
    }

    /// The comparison for a terminal.
    pub fn terminal(&self) -> String {
        let mut text = String::new();
        put(writeln!(text, "A  {}", named(self.a)));
        put(writeln!(text, "B  {}", named(self.b)));
        put(writeln!(text, "\n{}\n", self.verdict()));
        let mut table = Table::new(&["", ">A", ">B", ">B / A", ""]);
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Better => "better",
                Verdict::Worse => "worse",
                Verdict::Even => "",
            };
            let ratio = row.ratio.as_deref().unwrap_or("");
            table.row([row.what.as_str(), &row.a, &row.b, ratio, verdict]);
        }
        text.push_str(&table.finish());
        if !self.differences.is_empty() {
            text.push_str("\nThese settings differ, which may be why:\n");
            let mut table = Table::new(&["", "A", "B"]);
            for Difference { name, a, b } in &self.differences {
                table.row([name.as_str(), a, b]);
            }
            text.push_str(&table.finish());
        }
        text
    }
}

fn named(run: &Run) -> String {
    plain(&format!("{} ({})", run.title, summary::started(&run.started)))
}

fn rows(a: &Run, b: &Run) -> Vec<Row> {
    let count = |value: f64| words::count(value.round() as u64);
    let mut rows = Vec::new();
    let mut add = |what: &str, good, show: Show<'_>, read: &dyn Fn(&Run) -> Option<f64>| {
        rows.extend(row(what, good, (read(a), read(b)), show));
    };
    let some = |value: u32| Some(f64::from(value));
    // Whoever serves fewer machines sends less again: that is no merit.
    let is_fair = is_even(f64::from(a.machines.all.up), f64::from(b.machines.all.up));
    let low = if is_fair { Good::Low } else { Good::Neither };
    // Of a run that was broken off only the quick machines are known.
    let is_whole = a.machines.all.unfinished + b.machines.all.unfinished == 0;
    let (least, time) =
        if is_whole { (Good::Least, Good::Low) } else { (Good::Neither, Good::Neither) };
    add("Machines", Good::Neither, &count, &|run| some(run.machines.all.total));
    if a.machines.all.total == b.machines.all.total {
        add("Came up", Good::Most, &count, &|run| some(run.machines.all.up));
        add("Failed", least, &count, &|run| some(run.machines.all.failed));
    } else {
        add("Came up", Good::Most, &words::percent, &|run| part(run, run.machines.all.up));
        add("Failed", least, &words::percent, &|run| part(run, run.machines.all.failed));
    }
    add("Last machine up after", time, &words::seconds, &|run| run.boots.last_up_at_s);
    add("Boot: half within", time, &words::seconds, &|run| half(&run.boots.took_s));
    add("Boot: 99 % within", time, &words::seconds, &|run| most(&run.boots.took_s));
    add("Boot: slowest", time, &words::seconds, &|run| slowest(&run.boots.took_s));
    add("DHCP answers: 99 % within", Good::Low, &words::seconds, &|run| most(&run.dhcp_answer_s));
    add("Sent again", low, &count, &|run| Some(totals(run).resent as f64));
    add("Delivered", Good::Neither, &words::bytes, &|run| Some(delivered(run)));
    add("Delivered a second", Good::High, &words::rate, &|run| a_second(run));
    add("Server: processor time", low, &words::seconds, &|run| Some(run.server?.cpu_s));
    add("Server: processor time a GB", Good::Low, &words::seconds, &cpu_a_gigabyte);
    add("Server: most memory", Good::Low, &words::bytes, &|run| {
        Some(run.server?.rss_peak_bytes as f64)
    });
    for stage in &a.stages {
        let what = format!("{}: 99 % within", stages::name(&stage.stage));
        add(&what, Good::Low, &words::seconds, &|run| {
            most(&run.stages.iter().find(|other| other.stage == stage.stage)?.took_s)
        });
    }
    rows
}

/// How a figure is shown.
type Show<'s> = &'s dyn Fn(f64) -> String;

/// A row, if any of both runs has the figure.
fn row(what: &str, good: Good, values: (Option<f64>, Option<f64>), show: Show<'_>) -> Option<Row> {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), show);
    let (ratio, verdict) = match values {
        (None, None) => return None,
        (Some(a), Some(b)) => ((a > 0.0).then(|| words::ratio(b / a)), good.verdict(a, b)),
        (Some(_), None) | (None, Some(_)) => (None, Verdict::Even),
    };
    Some(Row { what: what.to_owned(), a: shown(values.0), b: shown(values.1), ratio, verdict })
}

impl Good {
    fn verdict(self, a: f64, b: f64) -> Verdict {
        let is_better = match self {
            Self::Neither => return Verdict::Even,
            Self::High | Self::Low if is_even(a, b) => return Verdict::Even,
            Self::Most | Self::Least if a == b => return Verdict::Even,
            Self::High | Self::Most => b > a,
            Self::Low | Self::Least => b < a,
        };
        if is_better { Verdict::Better } else { Verdict::Worse }
    }
}

fn is_even(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.max(b) * EVEN
}

/// A number of machines as a part of all; nothing if there are none.
fn part(run: &Run, number: u32) -> Option<f64> {
    let total = run.machines.all.total;
    (total > 0).then(|| f64::from(number) / f64::from(total))
}

fn half(times: &Distribution) -> Option<f64> {
    (times.count > 0).then_some(times.p50)
}

fn most(times: &Distribution) -> Option<f64> {
    (times.count > 0).then_some(times.p99)
}

fn slowest(times: &Distribution) -> Option<f64> {
    (times.count > 0).then_some(times.max)
}

fn differences(a: &Run, b: &Run) -> Vec<Difference> {
    let value = |run: &Run, name: &str| {
        let setting = run.scenario.iter().find(|setting| setting.name == name);
        setting.map_or_else(|| "not set".to_owned(), |setting| setting.value.clone())
    };
    let mut names: Vec<&str> = Vec::new();
    for setting in a.scenario.iter().chain(&b.scenario) {
        if !names.contains(&setting.name.as_str()) {
            names.push(&setting.name);
        }
    }
    let mut found: Vec<Difference> = names
        .into_iter()
        .map(|name| Difference { name: name.to_owned(), a: value(a, name), b: value(b, name) })
        .collect();
    let hosts = [
        ("processor", a.host.cpu.clone(), b.host.cpu.clone()),
        ("cores", a.host.cores.to_string(), b.host.cores.to_string()),
        ("kernel release", a.host.kernel.clone(), b.host.kernel.clone()),
        ("loadgen", a.version.clone(), b.version.clone()),
    ];
    found.extend(hosts.map(|(name, a, b)| Difference { name: name.to_owned(), a, b }));
    found.retain(|difference| difference.a != difference.b);
    found
}

fn delivered(run: &Run) -> f64 {
    totals(run).received_bytes as f64
}

/// From the beginning to the end of the run.
fn a_second(run: &Run) -> Option<f64> {
    (run.wall_s > 0.0).then(|| delivered(run) / run.wall_s)
}

/// What the server needed for a gigabyte; nothing if next to nothing was delivered.
fn cpu_a_gigabyte(run: &Run) -> Option<f64> {
    let gigabytes = delivered(run) / 1e9;
    (gigabytes >= 0.001).then_some(run.server?.cpu_s / gigabytes)
}

/// The counters at the end of a run.
pub(super) fn totals(run: &Run) -> crate::record::Tick {
    run.timeline.ticks.last().cloned().unwrap_or_default()
}

fn put(written: core::fmt::Result) {
    written.expect("strings take everything");
}

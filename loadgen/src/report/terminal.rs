//! The report of a run for a terminal: plain text, no wider than about 100 columns.

use core::fmt::Write as _;

use super::{stages, summary, words};
use crate::record::{Distribution, Run};

/// Kinds of failures that are told one by one.
const FAILURES_SHOWN: usize = 10;

/// The report.
pub fn report(run: &Run) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        text.push_str(&plain(content));
        text.push('\n');
    };
    line(&run.title);
    line(&summary::origin(run));
    line("");
    line(&summary::headline(run));
    if let Some(duration) = summary::duration(run) {
        for part in wrap(&duration, 78) {
            line(&part);
        }
    }
    for part in wrap(&summary::others(run), 78) {
        line(&part);
    }
    text.push_str(&failures(run));
    text.push_str(&boots(run));
    text.push_str(&models(run));
    text.push_str(&stage_table(run));
    text.push_str(&transfers(run));
    text.push('\n');
    let mut table = Table::new(&["", ""]);
    for (name, value) in summary::usage(run) {
        table.row([name, value.as_str()]);
    }
    text.push_str(&table.finish());
    text
}

fn failures(run: &Run) -> String {
    if run.failures.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[">failed", "where and why", "for example"]);
    for failure in run.failures.iter().take(FAILURES_SHOWN) {
        let example = failure.examples.first().map_or_else(String::new, |example| {
            format!("{} ({}) at {}", example.mac, example.model, words::seconds(example.at_s))
        });
        table.row([
            words::count(failure.count).as_str(),
            &summary::failure(failure),
            example.as_str(),
        ]);
    }
    let mut text = format!("\n{}", table.finish());
    if let Some(rest) = run.failures.get(FAILURES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let count: u64 = rest.iter().map(|failure| failure.count).sum();
        put(writeln!(text, "and {} for {}", words::count(count), more_reasons(rest.len())));
    }
    text
}

fn more_reasons(count: usize) -> String {
    words::counted(count as u64, "other reason")
}

/// A histogram in one line.
fn boots(run: &Run) -> String {
    let Some(steps) = run.boots.histogram.as_ref().filter(|steps| steps.counts.len() > 2) else {
        return String::new();
    };
    let most = steps.counts.iter().copied().max().unwrap_or(1).max(1);
    let bars: String = steps
        .counts
        .iter()
        .map(|count| match count {
            0 => ' ',
            // One is seen, and only the highest fills the line.
            count => {
                BARS[(count * (BARS.len() as u64 - 1)).div_ceil(most) as usize - 1
                    + usize::from(*count == most)]
            }
        })
        .collect();
    let end = steps.from_s + steps.step_s * steps.counts.len() as f64;
    let (from, to) = (words::round_seconds(steps.from_s), words::round_seconds(end));
    format!(
        "\nFrom power-on to up, in steps of {}:\n{from} [{bars}] {to}\n",
        words::round_seconds(steps.step_s)
    )
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn models(run: &Run) -> String {
    let mut table = Table::new(&[
        "model",
        ">machines",
        ">up",
        ">failed",
        ">vanished",
        ">half within",
        ">99 % within",
        ">slowest",
        ">sent again",
    ]);
    for model in run.machines.models.iter().filter(|model| model.outcomes.total > 0) {
        let counts = [
            model.outcomes.total,
            model.outcomes.up,
            model.outcomes.failed,
            model.outcomes.vanished,
        ];
        let [total, up, failed, vanished] = counts.map(|count| words::count(count.into()));
        let [half, most, slowest] = times(&model.boot_s);
        let resent = words::count(model.resent);
        table.row(
            [&model.model, &total, &up, &failed, &vanished, &half, &most, &slowest, &resent]
                .map(String::as_str),
        );
    }
    match run.machines.all.total {
        0 => String::new(),
        _ => format!("\n{}", table.finish()),
    }
}

fn stage_table(run: &Run) -> String {
    if run.stages.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        "stage",
        ">began",
        ">ended",
        ">failed",
        ">half within",
        ">99 % within",
        ">slowest",
        ">sent again",
        ">told to wait",
    ]);
    for stage in stages::shown(run) {
        let counts = [stage.began, stage.ended, stage.failed].map(words::count);
        let [began, ended, failed] = counts;
        let [half, most, slowest] = times(&stage.took_s);
        let name = stages::name(&stage.stage);
        let [resent, waits] = [stage.resent, stage.told_to_wait].map(words::count);
        table.row(
            [&name, &began, &ended, &failed, &half, &most, &slowest, &resent, &waits]
                .map(String::as_str),
        );
    }
    format!("\n{}", table.finish())
}

fn transfers(run: &Run) -> String {
    if run.transfers.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        "files",
        ">fetched",
        ">bytes",
        ">typical rate",
        ">slowest rate",
        ">slowest of its group",
    ]);
    for transfer in &run.transfers {
        let rate = &transfer.rate_bytes_per_s;
        let fairness = transfer.fairness.map_or_else(String::new, |fairness| {
            format!("{} of median", words::percent(fairness.worst_slowest_of_median))
        });
        table.row([
            stages::name(&transfer.stage).as_str(),
            &words::count(transfer.count),
            &words::bytes(transfer.bytes as f64),
            &words::rate(rate.p50),
            &words::rate(rate.min),
            &fairness,
        ]);
    }
    format!("\n{}", table.finish())
}

/// Half, 99 %, slowest; dashes without any.
pub(super) fn times(took_s: &Distribution) -> [String; 3] {
    match took_s.count {
        0 => ["–", "–", "–"].map(str::to_owned),
        _ => [took_s.p50, took_s.p99, took_s.max].map(words::seconds),
    }
}

/// Columns that line up.
#[derive(Debug)]
pub(super) struct Table {
    /// Whether each column is aligned to the right.
    is_right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings; those that begin with `>` are aligned to the right.
    pub(super) fn new(headings: &[&str]) -> Self {
        let is_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let mut table = Self { is_right, rows: Vec::new() };
        if headings.iter().any(|heading| !heading.is_empty()) {
            table.row(headings.iter().map(|heading| heading.trim_start_matches('>')));
        }
        table
    }

    pub(super) fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) {
        self.rows.push(cells.into_iter().map(plain).collect());
    }

    pub(super) fn finish(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.is_right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), is_right) in row.iter().zip(&widths).zip(&self.is_right) {
                put(match is_right {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:<width$}  "),
                });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Text without characters that would steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn put(written: core::fmt::Result) {
    written.expect("strings take everything");
}

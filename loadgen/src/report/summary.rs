//! A run in sentences: what a person wants to know first.

use super::{stages, words};
use crate::record::{Failure, Outcomes, Run};

/// How a run went as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mood {
    /// Everybody who was meant to came up.
    Good,
    /// Some did not.
    Mixed,
    /// Hardly anybody did, or nobody took part.
    Bad,
}

pub(super) fn mood(run: &Run) -> Mood {
    let Outcomes { total, up, vanished, .. } = run.machines.all;
    let meant = total - vanished;
    if total == 0 || u64::from(up) * 2 < u64::from(meant) {
        Mood::Bad
    } else if up < meant {
        Mood::Mixed
    } else {
        Mood::Good
    }
}

/// How many came up.
pub(super) fn headline(run: &Run) -> String {
    let Outcomes { total, up, .. } = run.machines.all;
    let (total, up) = (u64::from(total), u64::from(up));
    match (total, up) {
        (0, _) => "No machine took part.".to_owned(),
        (1, 1) => "The machine came up.".to_owned(),
        (1, _) => "The machine did not come up.".to_owned(),
        _ if up == total => format!("All {} machines came up.", words::count(total)),
        (_, 0) => format!("None of {} machines came up.", words::count(total)),
        _ => {
            let (up, total) = (words::count(up), words::count(total));
            let share = words::share(run.machines.all.up.into(), run.machines.all.total.into());
            format!("{up} of {total} machines came up ({share}).")
        }
    }
}

/// How long it took; nothing if no machine came up.
pub(super) fn duration(run: &Run) -> Option<String> {
    let took = &run.boots.took_s;
    let last = words::seconds(run.boots.last_up_at_s?);
    Some(match took.count {
        0 => return None,
        1 => format!("It was up {} after its power-on.", words::seconds(took.p50)),
        _ => format!(
            "Half of them were up within {} of their power-on, 99 % within {}, the slowest \
             after {}. The last one was up {last} after the run began.",
            words::seconds(took.p50),
            words::seconds(took.p99),
            words::seconds(took.max)
        ),
    })
}

/// What became of those that did not come up.
pub(super) fn others(run: &Run) -> String {
    let Outcomes { total, failed, vanished, unfinished, .. } = run.machines.all;
    if total == 0 {
        return "There is nothing to tell.".to_owned();
    }
    let mut sentences = match failed {
        0 => vec!["Nothing failed.".to_owned()],
        _ => {
            vec![format!("{} failed: {}.", words::counted(failed.into(), "machine"), reasons(run))]
        }
    };
    if vanished > 0 {
        sentences.push(format!("{} vanished on purpose.", words::count(vanished.into())));
    }
    if unfinished > 0 {
        let verb = if unfinished == 1 { "was" } else { "were" };
        let number = words::count(unfinished.into());
        sentences.push(format!("{number} {verb} still under way when the run ended."));
    }
    sentences.join(" ")
}

/// The most frequent reasons.
fn reasons(run: &Run) -> String {
    let (told, rest) = run.failures.split_at(run.failures.len().min(REASONS_TOLD));
    let mut parts: Vec<String> = told
        .iter()
        .map(|failure| {
            let stage = stages::name(&failure.stage);
            format!("{} in «{stage}» ({})", words::count(failure.count), failure.reason)
        })
        .collect();
    if !rest.is_empty() {
        let count: u64 = rest.iter().map(|failure| failure.count).sum();
        parts.push(format!("{} for other reasons", words::count(count)));
    }
    parts.join(", ")
}

/// Reasons that the summary tells.
const REASONS_TOLD: usize = 3;

/// Where and why: `Kernel: TFTP timeout`.
pub(super) fn failure(failure: &Failure) -> String {
    format!("{}: {}", stages::name(&failure.stage), failure.reason)
}

/// Where and when it ran.
pub(super) fn origin(run: &Run) -> String {
    let host = &run.host;
    let mut parts = vec![started(&run.started)];
    if !host.cpu.is_empty() {
        parts.push(host.cpu.clone());
    }
    if host.cores > 0 {
        parts.push(words::counted(host.cores.into(), "core"));
    }
    if host.memory_bytes > 0 {
        parts.push(format!("{} of memory", words::bytes(host.memory_bytes as f64)));
    }
    if !host.kernel.is_empty() {
        parts.push(format!("kernel {}", host.kernel));
    }
    parts.join(" · ")
}

/// The server's use of the machine, as pairs of name and value.
pub(super) fn usage(run: &Run) -> Vec<(&'static str, String)> {
    let bytes = super::compare::totals(run).received_bytes as f64;
    let of_a_core = |cpu_s: f64| match run.wall_s {
        0.0 => String::new(),
        wall_s => format!(" ({} of one core)", words::percent(cpu_s / wall_s)),
    };
    let mut pairs = vec![("Run", words::seconds(run.wall_s)), ("Delivered", delivered(run, bytes))];
    if let Some(server) = &run.server {
        let cpu = match server.cpu_s {
            // The kernel counts in hundredths for programs.
            0.0 => "less than 10 ms".to_owned(),
            cpu_s => format!("{}{}", words::seconds(cpu_s), of_a_core(cpu_s)),
        };
        pairs.push(("Server, processor time", cpu));
        if bytes >= 1e6 && server.cpu_s > 0.0 {
            let a_gigabyte = words::seconds(server.cpu_s / bytes * 1e9);
            pairs.push(("Server, processor time a GB", a_gigabyte));
        }
        let more = server.rss_peak_bytes.saturating_sub(server.rss_start_bytes);
        let (peak, more) = (words::bytes(server.rss_peak_bytes as f64), words::bytes(more as f64));
        pairs.push(("Server, most memory", format!("{peak} ({more} more than at the start)")));
    }
    if run.dhcp_answer_s.count > 0 {
        let [half, most, slowest] = super::terminal::times(&run.dhcp_answer_s);
        let text = format!("half within {half}, 99 % within {most}, slowest {slowest}");
        pairs.push(("DHCP answers", text));
    }
    let own = &run.generator;
    let cpu = format!("{}{}", words::seconds(own.cpu_s), of_a_core(own.cpu_s));
    pairs.push(("Load generator, processor time", cpu));
    if own.syscalls > 0 {
        pairs.push(("Load generator, system calls", words::count(own.syscalls)));
    }
    pairs
}

fn delivered(run: &Run, bytes: f64) -> String {
    match run.wall_s {
        0.0 => words::bytes(bytes),
        wall_s => format!("{} ({} on average)", words::bytes(bytes), words::rate(bytes / wall_s)),
    }
}

/// A moment for people; whatever is no moment stays as it is.
pub(super) fn started(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

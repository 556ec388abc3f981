//! The single-protocol loads.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, bail};
use hdrhistogram::Histogram;

use crate::args::{DhcpArgs, HttpArgs, TftpArgs};
use crate::parts::Cost;
use crate::parts::dhcp::{DhcpLoad, DhcpPath};
use crate::parts::http::{Body, HttpLoad, Until};
use crate::parts::tftp::{Expected, TftpLoad};

pub(super) fn dhcp(args: DhcpArgs) -> anyhow::Result<bool> {
    let path = match (args.giaddr, args.server, args.interface) {
        (Some(giaddr), Some(server), None) => DhcpPath::Relay { giaddr, server },
        (None, None, Some(interface)) => DhcpPath::Frames { interface, broadcast: args.broadcast },
        _ => bail!("say --server and --giaddr, or --interface"),
    };
    let mut load = DhcpLoad::new(path, args.outstanding, args.machines, args.duration);
    load.exchanges = args.exchanges;
    load.rate = args.rate;
    let outcome = load.run()?;
    line("exchanges", outcome.exchanges);
    line("per second", format!("{:.0}", outcome.rate()));
    quantiles("DISCOVER to OFFER", &outcome.offer);
    quantiles("REQUEST to ACK", &outcome.ack);
    quantiles("whole exchange", &outcome.exchange);
    line("sent again", outcome.resent);
    failures(&outcome.failures);
    cost(outcome.cost, outcome.exchanges, "exchange");
    Ok(outcome.failures.is_empty() && outcome.exchanges > 0)
}

pub(super) fn tftp(args: TftpArgs) -> anyhow::Result<bool> {
    let mut load = TftpLoad::new(args.server, args.clients, &args.file, Expected::Anything);
    load.local = args.local;
    load.block_bytes = args.block_size;
    load.window_blocks = args.window;
    load.segments = args.gro;
    load.spread = args.spread;
    load.limit = args.limit;
    load.expected = Expected::Bytes(match &args.expect {
        Some(path) => read(path)?,
        None => load.learn()?,
    });
    let outcome = load.run()?;
    let done = outcome.seconds.len();
    line("completed", format!("{done} of {}", args.clients));
    let rate = outcome.bytes as f64 / 1e6 / outcome.finished_seconds;
    line("MB a second", if done > 0 { format!("{rate:.1}") } else { NONE.to_owned() });
    for (name, part) in [("median", 0.5), ("99th percentile", 0.99), ("slowest", 1.0)] {
        let at = (part * done as f64).ceil() as usize;
        if let Some(seconds) = outcome.seconds.get(at.saturating_sub(1)) {
            line(name, format!("{seconds:.3} s"));
        }
    }
    line("longest wait", format!("{:.3} s", outcome.longest_wait_seconds));
    line("sent again", outcome.resent);
    failures(&outcome.failures);
    cost(outcome.cost, outcome.blocks, "block");
    Ok(outcome.failures.is_empty())
}

pub(super) fn http(args: HttpArgs) -> anyhow::Result<bool> {
    let mut load = HttpLoad::new(args.server, args.connections, &args.path, args.duration);
    load.local = args.local;
    load.limit = args.limit;
    if let Some(count) = args.responses {
        load.until = Until::Responses(count);
    }
    if let Some(path) = &args.expect {
        load.body = Body::Verify(read(path)?);
    }
    let outcome = load.run()?;
    let seconds = outcome.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    line("responses", outcome.responses);
    line("per second", format!("{:.0}", outcome.responses as f64 / seconds));
    line("GB a second", format!("{:.3}", outcome.bytes as f64 / 1e9 / seconds));
    quantiles("response time", &outcome.latency);
    let fairness = outcome.fairness.map(|index| format!("{index:.4}"));
    line("fairness (Jain)", fairness.as_deref().unwrap_or(NONE));
    let evenness = outcome.fairness.map(|_| format!("{:.3}", outcome.slowest_to_median));
    line("slowest / median", evenness.as_deref().unwrap_or(NONE));
    line("connecting took", format!("{:.3} s", outcome.connecting.as_secs_f64()));
    line("connected again", outcome.reconnects);
    failures(&outcome.failures);
    cost(outcome.cost, outcome.responses, "response");
    Ok(outcome.failures.is_empty() && outcome.responses > 0)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn line(name: &str, value: impl Display) {
    println!("{name:<20} {value}");
}

fn failures<C: Display>(failures: &std::collections::BTreeMap<String, C>) {
    for (reason, count) in failures {
        line("failed", format!("{count}: {reason}"));
    }
}

fn quantiles(name: &str, histogram: &Histogram<u64>) {
    if histogram.is_empty() {
        return line(name, NONE);
    }
    let at = |part: f64| histogram.value_at_quantile(part) as f64 / 1e6;
    line(name, format!("p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms", at(0.5), at(0.99), at(1.0)));
}

fn cost(cost: Cost, units: u64, unit: &str) {
    let seconds = cost.cpu.as_secs_f64();
    let each = match units {
        0 => String::new(),
        _ => format!(", {:.2} µs a {unit}", seconds * 1e6 / units as f64),
    };
    line("generator", format!("{:.1} ms CPU{each}, {} enters", seconds * 1e3, cost.enters));
}

/// Where there is no number.
const NONE: &str = "–";

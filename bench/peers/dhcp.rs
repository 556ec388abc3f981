//! DHCP: four-way exchanges, beside Kea, ISC dhcpd and dnsmasq.
//!
//! Clients speak through a relay agent and have no lease at first. perfdhcp goes up the rates
//! until one message in a hundred is not answered, but cannot send much more than 20,000 a second
//! itself. Our own load keeps a number of exchanges under way and takes what it gets.

mod durable;
mod servers;

use std::time::Duration;

use reveille_loadgen::parts::dhcp::{DhcpLoad, DhcpPath};

use crate::contest::{Contender, Contest, Figure, Round};
use crate::meter::Meter;
use crate::pair::{CLIENT, Pair, Path, SERVER, Server};
use servers::{POOL, Site};

/// The highest rate of perfdhcp that each server holds.
pub(crate) fn contest_of_rates() -> Contest {
    let title = format!(
        "DHCP: {CLIENTS} clients behind a relay, perfdhcp, {SECONDS} s a rate, < 1 % unanswered"
    );
    let contenders = contenders(|start, round| ascend(start, round));
    Contest { title, contenders }
}

/// Ten minutes of perfdhcp at four fifths of the highest rate that Reveille holds.
pub(crate) fn contest_of_endurance(seconds: Option<u32>) -> Contest {
    let seconds = seconds.unwrap_or(ENDURANCE_SECONDS);
    let start: Start = |pair| servers::reveille(pair, POOL, "");
    let title = format!(
        "DHCP: {CLIENTS} clients behind a relay, perfdhcp at 80 % of the highest rate held, \
         {seconds} s"
    );
    let contenders = vec![Contender::new("Reveille", move |round| endure(start, seconds, round))];
    Contest { title, contenders }
}

pub(crate) use durable::{contest_of_durability, contest_of_durable_leases};

/// As many exchanges as each server gets done.
pub(crate) fn contest_of_exchanges(outstanding: usize) -> Contest {
    let title = format!(
        "DHCP: {CLIENTS} clients behind a relay, {outstanding} exchanges at a time for {SECONDS} s"
    );
    let contenders = contenders(move |start, round| exchanges(&start, outstanding, CLIENTS, round));
    Contest { title, contenders }
}

/// A million leases beside ten thousand.
pub(crate) fn contest_of_leases() -> Contest {
    let measure = |clients| {
        let start = |pair: &Pair| servers::reveille(pair, LARGE_POOL, "");
        move |round| exchanges(&start, OUTSTANDING, clients, round)
    };
    Contest {
        title: format!(
            "DHCP: clients that have a lease already, {OUTSTANDING} exchanges at a time for \
             {SECONDS} s"
        ),
        contenders: vec![
            Contender::new("10,000 leases", measure(10_000)),
            Contender::new("1,000,000 leases", measure(1_000_000)),
        ],
    }
}

type Start = fn(&Pair) -> Server;

/// All servers, measured alike.
fn contenders(measure: impl Fn(Start, Round) -> Vec<Figure> + Copy + 'static) -> Vec<Contender> {
    let servers: [(&'static str, Start); 5] = [
        ("ISC dhcpd", |pair| servers::isc_dhcpd(pair, &Site::in_memory(pair))),
        ("dnsmasq", |pair| servers::dnsmasq(pair, &Site::in_memory(pair))),
        ("Kea", |pair| servers::kea(pair, &Site::in_memory(pair))),
        ("ceiling", |pair| pair.ceiling(&["dhcp"])),
        ("Reveille", |pair| servers::reveille(pair, POOL, "")),
    ];
    let contender = |(name, start)| Contender::new(name, move |round| measure(start, round));
    servers.into_iter().map(contender).collect()
}

/// Exchanges in a closed loop of clients that have had a lease once before.
fn exchanges(
    start: &impl Fn(&Pair) -> Server,
    outstanding: usize,
    clients: u32,
    round: Round,
) -> Vec<Figure> {
    let pair = Pair::new();
    let server = start(&pair);
    let path = || DhcpPath::Relay { giaddr: CLIENT, server: SERVER };
    let seconds = Duration::from_secs(SECONDS.into());
    let load = DhcpLoad::new(path(), outstanding, clients, seconds);
    let first = DhcpLoad { exchanges: Some(clients.into()), duration: FIRST, ..load.clone() };
    let first = pair.load(Path::Cable, || first.run()).expect("sockets work");
    let meter = Meter::start(&server, round);
    let outcome = pair.load(Path::Cable, || load.run()).expect("sockets work");
    let used = meter.stop();
    let count = outcome.exchanges as f64;
    if round == Round::Counted {
        return vec![Figure::new("system calls per DORA", used.system_calls / count)];
    }
    for (reason, count) in first.failures.iter().chain(&outcome.failures) {
        eprintln!("  {count} failed: {reason}");
    }
    let quantile_ms = |part| outcome.exchange.value_at_quantile(part) as f64 / 1e6;
    vec![
        Figure::new("first DORA/s", first.rate()),
        Figure::new("DORA/s", outcome.rate()),
        Figure::new("failed", (first.failed() + outcome.failed()) as f64),
        Figure::new("messages sent again", (first.resent + outcome.resent) as f64),
        Figure::new("p50 ms", quantile_ms(0.5)),
        Figure::new("p99 ms", quantile_ms(0.99)),
        Figure::new("CPU ms per 1000 DORA", used.cpu_seconds * 1e6 / count),
        Figure::new("DORA/s of a full core", count / used.cpu_seconds),
        Figure::new("server's core busy", used.cpu_seconds / used.seconds),
        Figure::new("memory MiB", used.memory_mib),
        Figure::new("generator ms per 1000 DORA", outcome.cost.cpu.as_secs_f64() * 1e6 / count),
    ]
}

/// Goes up the rates until one is too high, with a fresh server for each.
fn ascend(start: Start, round: Round) -> Vec<Figure> {
    if round == Round::Counted {
        let calls = attempt(start, RATES[0], SECONDS, round).calls;
        return vec![Figure::new("system calls per DORA", calls)];
    }
    let best = climb(start, SECONDS, round);
    vec![
        Figure::new("DORA/s", best.done_per_second),
        Figure::new("unanswered %", best.lost_percent),
        Figure::new("CPU ms per 1000 DORA", best.cpu_ms_per_thousand),
        Figure::new("memory MiB", best.memory_mib),
    ]
}

/// The best of the rates that the server holds.
fn climb(start: Start, seconds: u32, round: Round) -> Attempt {
    let mut best = Attempt::default();
    for rate in RATES {
        let mut attempts = (0..TRIES).map(|_| attempt(start, rate, seconds, round));
        let Some(held) = attempts.find(|attempt| attempt.lost_percent < 1.0) else { break };
        // Beyond its own limit perfdhcp completes less, whatever the server could do.
        if held.done_per_second > best.done_per_second {
            best = held;
        }
    }
    best
}

/// Finds the highest rate, and holds four fifths of it for long.
fn endure(start: Start, seconds: u32, round: Round) -> Vec<Figure> {
    if round == Round::Counted {
        let calls = attempt(start, RATES[0], SECONDS, round).calls;
        return vec![Figure::new("system calls per DORA", calls)];
    }
    let highest = climb(start, seconds.min(SECONDS), round).done_per_second;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small")]
    let rate = (highest * 0.8) as u32;
    let held = attempt(start, rate, seconds, round);
    vec![
        Figure::new("highest DORA/s", highest),
        Figure::new("DORA/s", held.done_per_second),
        Figure::new("messages unanswered", held.lost),
        Figure::new("unanswered %", held.lost_percent),
        Figure::new("CPU ms per 1000 DORA", held.cpu_ms_per_thousand),
        Figure::new("memory MiB", held.memory_mib),
    ]
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    done_per_second: f64,
    /// Messages without an answer.
    lost: f64,
    /// Messages that the server did not answer. What perfdhcp loses itself, because something
    /// else had its core and its receive buffer is small, does not count.
    lost_percent: f64,
    cpu_ms_per_thousand: f64,
    memory_mib: f64,
    /// System calls per exchange.
    calls: f64,
}

fn attempt(start: Start, rate: u32, seconds: u32, round: Round) -> Attempt {
    let pair = Pair::new();
    let server = start(&pair);
    let meter = Meter::start(&server, round);
    let mut command = pair.client_command("perfdhcp");
    command.args(["-4", "-W", "1000000", "-l"]).arg(CLIENT.to_string());
    command.args(["-r", &rate.to_string(), "-R", &CLIENTS.to_string()]);
    command.args(["-p", &seconds.to_string()]).arg(SERVER.to_string());
    let output = command.output().expect("perfdhcp is installed (scripts/install-packages bench)");
    let used = meter.stop();
    let report = String::from_utf8_lossy(&output.stdout);
    let (discovers, offers) = exchange(&report, "DISCOVER-OFFER");
    let (requests, acks) = exchange(&report, "REQUEST-ACK");
    let unanswered = discovers - offers + requests - acks - pair.client_overflows();
    assert!(discovers > 0.0, "{report}{}", String::from_utf8_lossy(&output.stderr));
    let attempt = Attempt {
        done_per_second: acks / f64::from(seconds),
        lost: unanswered.max(0.0),
        lost_percent: unanswered.max(0.0) / (discovers + requests) * 100.0,
        cpu_ms_per_thousand: used.cpu_seconds * 1e6 / acks,
        memory_mib: used.memory_mib,
        calls: used.system_calls / acks,
    };
    eprintln!("  {rate} a second: {attempt:?}");
    attempt
}

/// Packets sent and received of one half of the exchange, from perfdhcp's report.
fn exchange(report: &str, name: &str) -> (f64, f64) {
    let (_, part) = report.split_once(name).unwrap_or_default();
    let number = |key: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    };
    (number("sent packets:"), number("received packets:"))
}

const CLIENTS: u32 = 10_000;
const SECONDS: u32 = 4;
const ENDURANCE_SECONDS: u32 = 600;
/// A rate is too high when so many tries in a row have failed.
const TRIES: u32 = 3;
/// A million and some.
const LARGE_POOL: &str = "10.128.0.0 - 10.147.255.255";
/// Exchanges at a time.
const OUTSTANDING: usize = 64;
/// In what time all clients must have had their first lease.
const FIRST: Duration = Duration::from_secs(60);
const RATES: [u32; 13] =
    [100, 400, 1000, 2000, 4000, 6000, 8000, 9500, 11_000, 13_000, 15_000, 17_500, 20_000];

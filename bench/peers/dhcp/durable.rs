//! Leases on a disk.
//!
//! Each server gets all clients' first requests, then as many exchanges as it ends, then 80 and
//! 50 % of what it reached, begun at a steady pace. Reveille syncs a lease before its ACK leaves,
//! ISC dhcpd and dnsmasq do so too, Kea leaves it to the kernel.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use reveille_loadgen::parts::dhcp::{DhcpLoad, DhcpOutcome, DhcpPath};

use super::LARGE_POOL;
use super::servers::{self, POOL, Site};
use crate::contest::{Contender, Contest, Figure, Round, quantile};
use crate::meter::{Meter, Used};
use crate::pair::{self, CLIENT, Pair, Path, SERVER, Server};

/// All servers with their leases on the disk of temporary files, and Reveille without that.
pub(crate) fn contest_of_durability(clients: u32, seconds: Option<u32>) -> Contest {
    let seconds = seconds.unwrap_or(SECONDS);
    let pool = if clients > 10_000 { MIDDLE_POOL } else { POOL };
    let peer = |name, start: fn(&Pair, &Site) -> Server| {
        let measure = move |round| {
            let pair = Pair::new();
            let site = Site { pool, leases: pair.path("leases"), renewals: true };
            let server = start(&pair, &site);
            Run { pair, server, clients, seconds, keeps: false }.measure(round)
        };
        Contender::new(name, measure)
    };
    let reveille = |name, state: &'static str, keeps| {
        let measure = move |round| {
            let pair = Pair::new();
            let server = servers::reveille(&pair, pool, state);
            Run { pair, server, clients, seconds, keeps }.measure(round)
        };
        Contender::new(name, measure)
    };
    Contest {
        title: title(&format!("{clients} clients"), seconds),
        contenders: vec![
            peer("ISC dhcpd", servers::isc_dhcpd),
            peer("dnsmasq", servers::dnsmasq),
            peer("Kea", servers::kea),
            reveille("in memory", "", false),
            reveille("Reveille", DURABLE, true),
        ],
    }
}

/// A million leases that were imported, beside ten thousand.
pub(crate) fn contest_of_durable_leases(seconds: Option<u32>) -> Contest {
    let seconds = seconds.unwrap_or(SECONDS);
    let measure = move |clients| {
        move |round| {
            let pair = Pair::new();
            import(&pair, clients);
            let server = servers::reveille(&pair, LARGE_POOL, DURABLE);
            Run { pair, server, clients, seconds, keeps: true }.measure(round)
        }
    };
    Contest {
        title: title("leases that were imported", seconds),
        contenders: vec![
            Contender::new("10,000 leases", measure(10_000)),
            Contender::new("1,000,000 leases", measure(1_000_000)),
        ],
    }
}

fn title(what: &str, seconds: u32) -> String {
    format!(
        "DHCP: {what} behind a relay, leases on a disk, {} or {} exchanges at a time for {seconds} \
         s, then 80 and 50 % of what was reached",
        AT_A_TIME[0], AT_A_TIME[1]
    )
}

/// A server that was just started, and what is asked of it.
struct Run {
    pair: Pair,
    server: Server,
    clients: u32,
    seconds: u32,
    /// Whether it is Reveille with a store.
    keeps: bool,
}

/// As many exchanges as the server ends.
struct Saturated {
    outcome: DhcpOutcome,
    used: Used,
    commits: f64,
    records: f64,
}

impl Run {
    fn measure(self, round: Round) -> Vec<Figure> {
        let bare = bare_syncs(&self.pair);
        let first = self.load(AT_A_TIME[0], FIRST);
        let first = self.run(&DhcpLoad { exchanges: Some(self.clients.into()), ..first });
        let [few, many] = AT_A_TIME.map(|at_a_time| self.saturate(at_a_time, round));
        let rates = [few.outcome.rate(), many.outcome.rate()];
        let best = if rates[0] > rates[1] { few } else { many };
        let count = best.outcome.exchanges as f64;
        if round == Round::Counted {
            return vec![Figure::new("system calls per DORA", best.used.system_calls / count)];
        }
        let [busy, half] = [0.8, 0.5].map(|part| self.pace(best.outcome.rate() * part));
        let slowest = self.slowest_sync_ms();
        let cpu = best.used.cpu_seconds;
        let failed = first.failed() + best.outcome.failed() + busy.failed() + half.failed();
        vec![
            Figure::new("bare sync p50 ms", quantile(&bare, 0.5)),
            Figure::new("bare sync p99 ms", quantile(&bare, 0.99)),
            Figure::new("bare syncs/s", bare.len() as f64 / BARE.as_secs_f64()),
            Figure::new("first DORA/s", first.rate()),
            Figure::new("DORA/s, 64 at a time", rates[0]),
            Figure::new("DORA/s, 4096 at a time", rates[1]),
            Figure::new("best DORA/s", best.outcome.rate()),
            Figure::new("CPU ms per 1000 DORA", cpu * 1e6 / count),
            Figure::new("server's core busy", cpu / best.used.seconds),
            Figure::new("memory MiB", best.used.memory_mib),
            Figure::new("syncs/s", best.commits / best.used.seconds),
            Figure::new("records per sync", best.records / best.commits),
            Figure::new("slowest sync ms", slowest),
            Figure::new("at 80 %: DORA/s", busy.rate()),
            Figure::new("at 80 %: ACK p50 ms", quantile_ms(&busy, 0.5)),
            Figure::new("at 80 %: ACK p99 ms", quantile_ms(&busy, 0.99)),
            Figure::new("at 80 %: sent again", busy.resent as f64),
            Figure::new("at 50 %: DORA/s", half.rate()),
            Figure::new("at 50 %: ACK p50 ms", quantile_ms(&half, 0.5)),
            Figure::new("at 50 %: ACK p99 ms", quantile_ms(&half, 0.99)),
            Figure::new("at 50 %: sent again", half.resent as f64),
            Figure::new("failed", failed as f64),
        ]
    }

    fn load(&self, at_a_time: usize, duration: Duration) -> DhcpLoad {
        let path = DhcpPath::Relay { giaddr: CLIENT, server: SERVER };
        DhcpLoad::new(path, at_a_time, self.clients, duration)
    }

    fn run(&self, load: &DhcpLoad) -> DhcpOutcome {
        let outcome = self.pair.load(Path::Cable, || load.run()).expect("sockets work");
        for (reason, count) in &outcome.failures {
            eprintln!("  {count} failed: {reason}");
        }
        outcome
    }

    fn saturate(&self, at_a_time: usize, round: Round) -> Saturated {
        let load = self.load(at_a_time, Duration::from_secs(self.seconds.into()));
        let before = self.store();
        let meter = Meter::start(&self.server, round);
        let outcome = self.run(&load);
        let used = meter.stop();
        let after = self.store();
        let counted = |key| number(&after, key) - number(&before, key);
        Saturated { outcome, used, commits: counted("commits"), records: counted("records") }
    }

    /// Exchanges at a steady rate.
    fn pace(&self, rate: f64) -> DhcpOutcome {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small")]
        let rate = NonZeroU32::new(rate as u32);
        let load = self.load(PACED_AT_A_TIME, Duration::from_secs(self.seconds.into()));
        self.run(&DhcpLoad { rate: rate.or(Some(NonZeroU32::MIN)), ..load })
    }

    fn slowest_sync_ms(&self) -> f64 {
        number(&self.store(), "slowest_sync_us") / 1e3
    }

    /// What `reveille status` says about the store; nothing of another server.
    fn store(&self) -> serde_json::Value {
        if !self.keeps {
            return serde_json::Value::Null;
        }
        let mut command = self.pair.client_command(pair::reveille().to_str().expect("it is text"));
        command.args(["status", "--json", "--config"]).arg(self.pair.path("reveille.toml"));
        let output = command.current_dir(self.pair.path("")).output().expect("it was built");
        let status = serde_json::from_slice::<serde_json::Value>(&output.stdout);
        let status = status.unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        status["store"].clone()
    }
}

/// Makes a store of the leases that clients have.
fn import(pair: &Pair, clients: u32) {
    let configuration = servers::reveille_configuration(pair, LARGE_POOL, DURABLE);
    let configuration = pair.write("reveille.toml", configuration);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let expire = now.expect("it is later than 1970").as_secs() + 3600;
    let mut csv = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,\
                   hostname,state,user_context\n"
        .to_owned();
    for client in 0..clients {
        let address = std::net::Ipv4Addr::from_bits(LARGE_POOL_FIRST.to_bits() + client);
        let [_, high, middle, low] = client.to_be_bytes();
        csv.push_str(&format!(
            "{address},52:54:00:{high:02x}:{middle:02x}:{low:02x},,3600,{expire},1,0,0,,0,\n"
        ));
    }
    let csv = pair.write("kea-leases4.csv", csv);
    let mut command = pair.server_command(pair::reveille());
    command.args(["leases", "import", "--from", "kea", "--config"]).arg(configuration).arg(csv);
    let output = command.output().expect("it was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// In how many milliseconds this disk takes a page at the end of a file and syncs it, sorted.
fn bare_syncs(pair: &Pair) -> Vec<f64> {
    let mut file = File::create(pair.path("bare")).expect("the run's folder is ours");
    let began = Instant::now();
    let mut took = Vec::new();
    // Ends in a second.
    while began.elapsed() < BARE {
        let begun = Instant::now();
        file.write_all(&[took.len() as u8; 4096]).expect("there is room");
        file.sync_data().expect("the disk works");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    took
}

fn number(store: &serde_json::Value, key: &str) -> f64 {
    store[key].as_f64().unwrap_or(f64::NAN)
}

fn quantile_ms(outcome: &DhcpOutcome, part: f64) -> f64 {
    if outcome.ack.is_empty() {
        return f64::NAN;
    }
    outcome.ack.value_at_quantile(part) as f64 / 1e6
}

const DURABLE: &str = "[state]\ndir = \"state\"\n";
const SECONDS: u32 = 2;
/// Peers drop what does not fit into their sockets, and a disk is used best by many.
const AT_A_TIME: [usize; 2] = [64, 4096];
/// More than a server can be late with.
const PACED_AT_A_TIME: usize = 8192;
/// How long clients may take for their first leases; slow servers leave some without.
const FIRST: Duration = Duration::from_secs(12);
/// How long the disk alone is looked at.
const BARE: Duration = Duration::from_secs(1);
/// 1.3 addresses for each of a hundred thousand clients.
const MIDDLE_POOL: &str = "10.77.16.0 - 10.79.15.255";
/// Of [`LARGE_POOL`].
const LARGE_POOL_FIRST: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 128, 0, 0);

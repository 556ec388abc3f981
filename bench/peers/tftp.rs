//! TFTP: many clients that start in the same instant, beside dnsmasq, tftpd-hpa and atftpd.

use std::net::SocketAddrV4;
use std::process::Command;
use std::time::Duration;

use reveille_loadgen::parts::tftp::{Expected, TftpLoad};

use crate::contest::{Contender, Contest, Figure, Round, quantile};
use crate::meter::Meter;
use crate::pair::{FILES_ONLY, Pair, Path, SERVER, Server, noise, packaged};

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) clients: usize,
    pub(crate) file_bytes: usize,
    pub(crate) block_bytes: u16,
    pub(crate) window: u16,
}

/// Whom Reveille is compared with, besides the ceiling.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Dnsmasq,
    TftpdHpa,
    Atftpd,
}

impl Workload {
    /// What all clients fetch in one datagram at a time.
    pub(crate) const fn lockstep(clients: usize, file_bytes: usize) -> Self {
        Self { clients, file_bytes, block_bytes: 1468, window: 1 }
    }

    pub(crate) fn contest(self, peers: &[Peer]) -> Contest {
        let Self { clients, file_bytes, block_bytes, window } = self;
        let mut contenders: Vec<_> = peers
            .iter()
            .map(|peer| match peer {
                Peer::Dnsmasq => self.contender("dnsmasq", dnsmasq),
                Peer::TftpdHpa => self.contender("tftpd-hpa", tftpd_hpa),
                Peer::Atftpd => self.contender("atftpd", atftpd),
            })
            .collect();
        contenders.push(self.contender("ceiling", ceiling));
        contenders.push(self.contender("Reveille", |pair, _| reveille(pair, 1)));
        Contest {
            title: format!(
                "TFTP: {clients} clients at once, {} KiB each, blksize {block_bytes}, \
                 windowsize {window}",
                file_bytes >> 10
            ),
            contenders,
        }
    }

    /// Two shards beside one. The clients have the second core as well.
    pub(crate) fn contest_of_shards(self) -> Contest {
        Contest {
            title: format!(
                "TFTP with two shards: {} clients at once, {} KiB each, windowsize {}",
                self.clients,
                self.file_bytes >> 10,
                self.window
            ),
            contenders: vec![
                self.contender("one shard", |pair, _| reveille(pair, 1)),
                self.contender("two shards", |pair, _| reveille(pair, 2)),
            ],
        }
    }

    fn contender(self, name: &'static str, start: fn(&Pair, &Self) -> Server) -> Contender {
        Contender::new(name, move |round| self.measure(start, round))
    }

    fn measure(&self, start: fn(&Pair, &Self) -> Server, round: Round) -> Vec<Figure> {
        let pair = Pair::new();
        let file = noise(self.file_bytes);
        pair.write(&format!("boot/{NAME}"), &file);
        let server = start(&pair, self);
        let load = TftpLoad {
            block_bytes: self.block_bytes,
            window_blocks: self.window,
            limit: LIMIT,
            ..TftpLoad::new(
                SocketAddrV4::new(SERVER, 69),
                self.clients,
                NAME,
                Expected::Bytes(file),
            )
        };
        let meter = Meter::start(&server, round);
        let outcome = pair.load(Path::Cable, || load.run());
        let outcome = outcome.expect("sockets work in a namespace of ours");
        let used = meter.stop();
        let done = outcome.seconds.len() as f64;
        if round == Round::Counted {
            return vec![Figure::new("system calls per transfer", used.system_calls / done)];
        }
        for (reason, count) in &outcome.failures {
            eprintln!("  {count} failed: {reason}");
        }
        let gigabytes = outcome.bytes as f64 / 1e9;
        let blocks = outcome.bytes as f64 / f64::from(self.block_bytes);
        let median = quantile(&outcome.seconds, 0.5);
        vec![
            Figure::new("done", done),
            Figure::new("failed", outcome.failed() as f64),
            Figure::new("packets sent again", outcome.resent as f64),
            Figure::new("MB/s", gigabytes * 1e3 / outcome.finished_seconds),
            Figure::new("p50 s", median),
            Figure::new("p99 s", quantile(&outcome.seconds, 0.99)),
            Figure::new("last s", outcome.finished_seconds),
            Figure::new("last / p50", quantile(&outcome.seconds, 1.0) / median),
            Figure::new("longest wait s", outcome.longest_wait_seconds),
            Figure::new("CPU s per GB", used.cpu_seconds / gigabytes),
            Figure::new("CPU us per block", used.cpu_seconds * 1e6 / blocks),
            Figure::new("blocks/s of a full core", blocks / used.cpu_seconds),
            Figure::new("server's core busy", used.cpu_seconds / used.seconds),
            Figure::new("memory MiB", used.memory_mib),
            Figure::new("generator CPU s per GB", outcome.cost.cpu.as_secs_f64() / gigabytes),
        ]
    }
}

fn dnsmasq(pair: &Pair, _: &Workload) -> Server {
    let root = format!("--tftp-root={}", pair.path("boot").display());
    let words = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--quiet-tftp",
        "--user=root",
        "--port=0",
        "--enable-tftp",
        "--tftp-max=20000",
        &root,
    ];
    let mut command = pair.server_command("dnsmasq");
    command.args(words);
    let mut server = pair.start(command);
    server.await_log("TFTP root");
    server
}

fn tftpd_hpa(pair: &Pair, _: &Workload) -> Server {
    let mut command = pair.server_command(packaged("usr/sbin/in.tftpd"));
    command.args(["-L", "-4", "-u", "root", "-s"]).arg(pair.path("boot"));
    start_silent(pair, command)
}

fn atftpd(pair: &Pair, _: &Workload) -> Server {
    let mut command = pair.server_command(packaged("usr/sbin/atftpd"));
    command.args(["--daemon", "--no-fork", "--maxthread", "20000", "--user", "root.root"]);
    command.args(["--logfile", "/dev/null", "--verbose=1"]).arg(pair.path("boot"));
    start_silent(pair, command)
}

/// Starts a server that does not tell when it is ready.
fn start_silent(pair: &Pair, command: Command) -> Server {
    let mut server = pair.start(command);
    pair.await_socket(&mut server, 69);
    server
}

fn ceiling(pair: &Pair, workload: &Workload) -> Server {
    let (block, window) = (workload.block_bytes.to_string(), workload.window.to_string());
    let file = pair.path(&format!("boot/{NAME}"));
    let file = file.to_str().expect("the run's paths are text");
    pair.ceiling(&["tftp", file, "--block", &block, "--window", &window])
}

fn reveille(pair: &Pair, shards: usize) -> Server {
    pair.reveille(shards, FILES_ONLY)
}

const NAME: &str = "nbp.efi";
/// Who is not done by then has lost.
const LIMIT: Duration = Duration::from_secs(600);

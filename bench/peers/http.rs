//! HTTP: files and scripts over connections that stay open, beside nginx with sendfile.

use std::net::SocketAddrV4;
use std::time::Duration;

use reveille_loadgen::parts::http::{Body, HttpLoad, Until};

use crate::contest::{Contender, Contest, Figure, Round};
use crate::meter::Meter;
use crate::pair::{FILES_ONLY, Pair, Path, SERVER, Server, noise};

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) path: Path,
    pub(crate) connections: usize,
    pub(crate) file_bytes: usize,
}

impl Workload {
    pub(crate) fn contest(self) -> Contest {
        let Self { path, connections, file_bytes } = self;
        let size = match file_bytes {
            mebi if mebi >= 1 << 20 => format!("{} MiB", mebi >> 20),
            bytes => format!("{bytes} bytes"),
        };
        Contest {
            title: format!(
                "HTTP over {path:?}: {connections} connections, {size} again and again for {} s",
                DURATION.as_secs()
            ),
            contenders: vec![
                self.contender("nginx", nginx),
                self.contender("sendfile", |pair| ceiling(pair, &["--sendfile"])),
                self.contender("ceiling", |pair| ceiling(pair, &[])),
                self.contender("Reveille", |pair| reveille(pair, 1)),
            ],
        }
    }

    /// Two shards beside one. The clients have the second core as well.
    pub(crate) fn contest_of_shards(self) -> Contest {
        let Self { connections, file_bytes, .. } = self;
        Contest {
            title: format!(
                "HTTP with two shards: {connections} connections, {} KiB again and again",
                file_bytes >> 10
            ),
            contenders: vec![
                self.contender("one shard", |pair| reveille(pair, 1)),
                self.contender("two shards", |pair| reveille(pair, 2)),
            ],
        }
    }

    fn contender(self, name: &'static str, start: fn(&Pair) -> Server) -> Contender {
        Contender::new(name, move |round| self.measure(start, round))
    }

    fn measure(&self, start: fn(&Pair) -> Server, round: Round) -> Vec<Figure> {
        let pair = Pair::new();
        let file = noise(self.file_bytes);
        pair.write(&format!("boot/{NAME}"), &file);
        let server = start(&pair);
        let path = format!("/{NAME}");
        let address = SocketAddrV4::new(SERVER, 80);
        let check = HttpLoad {
            until: Until::Responses(1),
            body: Body::Verify(file),
            ..HttpLoad::new(address, 1, &path, DURATION)
        };
        let checked = pair.load(self.path, || check.run()).expect("sockets work");
        assert_eq!(checked.failed(), 0, "it serves the file: {:?}", checked.failures);
        let load = HttpLoad::new(address, self.connections, &path, DURATION);
        let meter = Meter::start(&server, round);
        let outcome = pair.load(self.path, || load.run()).expect("sockets work");
        let used = meter.stop();
        let count = outcome.responses as f64;
        let gigabytes = outcome.bytes as f64 / 1e9;
        if round == Round::Counted {
            return vec![
                Figure::new("system calls per response", used.system_calls / count),
                Figure::new("system calls per MB", used.system_calls / gigabytes / 1e3),
            ];
        }
        for (reason, count) in &outcome.failures {
            eprintln!("  {count} failed: {reason}");
        }
        let seconds = outcome.elapsed.as_secs_f64();
        let quantile_ms = |part| outcome.latency.value_at_quantile(part) as f64 / 1e6;
        vec![
            Figure::new("failed", outcome.failed() as f64),
            Figure::new("GB/s", gigabytes / seconds),
            Figure::new("responses/s", count / seconds),
            Figure::new("p50 ms", quantile_ms(0.5)),
            Figure::new("p99 ms", quantile_ms(0.99)),
            Figure::new("fairness (Jain)", outcome.fairness.unwrap_or(f64::NAN)),
            Figure::new("least / median bytes", outcome.slowest_to_median),
            Figure::new("connecting s", outcome.connecting.as_secs_f64()),
            Figure::new("CPU s per GB", used.cpu_seconds / gigabytes),
            Figure::new("CPU us per response", used.cpu_seconds * 1e6 / count),
            Figure::new("server's core busy", used.cpu_seconds / used.seconds),
            Figure::new("memory MiB", used.memory_mib),
            Figure::new("generator CPU s per GB", outcome.cost.cpu.as_secs_f64() / gigabytes),
        ]
    }
}

/// nginx with the folder `boot` of the run on port 80.
pub(crate) fn nginx(pair: &Pair) -> Server {
    let folder = pair.path("nginx");
    std::fs::create_dir_all(&folder).expect("the run's folder is ours");
    let folder = folder.display();
    let configuration = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/pid;\n\
         worker_rlimit_nofile 20000;\nevents {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000000;\n\
         \x20 open_file_cache max=1000;\n\
         \x20 default_type application/octet-stream;\n\
         \x20 client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n\
         \x20 fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n\
         \x20 scgi_temp_path {folder}/scgi;\n\
         \x20 server {{ listen 80 backlog=4096; root {}; }}\n}}\n",
        pair.path("boot").display()
    );
    let file = pair.write("nginx.conf", configuration);
    let words = ["-c", file.to_str().expect("the run's paths are text"), "-e", "stderr"];
    let mut command = pair.server_command("nginx");
    command.args(words);
    let mut server = pair.start(command);
    pair.await_port(&mut server, 80);
    server
}

fn ceiling(pair: &Pair, options: &[&str]) -> Server {
    let file = pair.path(&format!("boot/{NAME}"));
    let file = file.to_str().expect("the run's paths are text");
    pair.ceiling(&[&["http", file], options].concat())
}

fn reveille(pair: &Pair, shards: usize) -> Server {
    pair.reveille(shards, FILES_ONLY)
}

const NAME: &str = "vmlinuz";
const DURATION: Duration = Duration::from_secs(4);

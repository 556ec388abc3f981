//! HTTP: files and scripts over connections that stay open, beside nginx with sendfile.

use std::net::SocketAddr;
use std::time::Duration;

use crate::contest::{Contender, Contest, Figure, Round, quantile};
use crate::download::{Download, fetch};
use crate::meter::Meter;
use crate::pair::{Pair, Path, SERVER, Server, noise};

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
                self.contender("ceiling", ceiling),
                self.contender("Reveille", |pair| reveille(pair, 1)),
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
        let address = SocketAddr::from((SERVER, 80));
        let (whole, _) = pair.load(self.path, || fetch(address, &format!("/{NAME}")));
        assert!(whole.expect("it serves") == file, "the bytes are those of the file");
        let download = Download {
            server: address,
            connections: self.connections,
            path: "/vmlinuz",
            duration: DURATION,
        };
        let meter = Meter::start(&server, round);
        let (outcome, generator) = pair.load(self.path, || download.run());
        let mut outcome = outcome.expect("it serves all connections");
        let used = meter.stop();
        let count = outcome.responses.len() as f64;
        let gigabytes = outcome.bytes as f64 / 1e9;
        if round == Round::Counted {
            return vec![
                Figure::new("system calls per response", used.system_calls / count),
                Figure::new("system calls per MB", used.system_calls / gigabytes / 1e3),
            ];
        }
        vec![
            Figure::new("GB/s", gigabytes / outcome.seconds),
            Figure::new("responses/s", count / outcome.seconds),
            Figure::new("p50 ms", quantile(&mut outcome.responses, 0.5) * 1e3),
            Figure::new("p99 ms", quantile(&mut outcome.responses, 0.99) * 1e3),
            Figure::new("CPU s per GB", used.cpu_seconds / gigabytes),
            Figure::new("CPU us per response", used.cpu_seconds * 1e6 / count),
            Figure::new("server's core busy", used.cpu_seconds / used.seconds),
            Figure::new("memory MiB", used.memory_mib),
            Figure::new("generator CPU s per GB", generator / gigabytes),
        ]
    }
}

fn nginx(pair: &Pair) -> Server {
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

fn ceiling(pair: &Pair) -> Server {
    let file = pair.path(&format!("boot/{NAME}"));
    pair.ceiling(&["http", file.to_str().expect("the run's paths are text")])
}

pub(crate) fn reveille(pair: &Pair, shards: usize) -> Server {
    pair.reveille(&format!(
        "shards = {shards}\n[[network]]\ninterface = \"eth0\"\ndhcp = \"off\"\n\
         [images]\nroot = \"boot\"\n"
    ))
}

const NAME: &str = "vmlinuz";
const DURATION: Duration = Duration::from_secs(4);

//! HTTP: 64 MiB over 64 connections that stay open, beside nginx with sendfile.

use std::net::SocketAddr;
use std::time::Duration;

use crate::contest::{Contender, Contest, Figure, quantile};
use crate::download::{Download, fetch};
use crate::pair::{Pair, Path, SERVER, Server, noise};

pub(crate) fn contest(path: Path) -> Contest {
    Contest {
        title: format!(
            "HTTP over {path:?}: {CONNECTIONS} connections, {} MiB again and again for {} s",
            FILE_BYTES >> 20,
            DURATION.as_secs()
        ),
        contenders: [
            Contender { name: "nginx", measure: Box::new(move || measure(nginx, path)) },
            Contender { name: "Reveille", measure: Box::new(move || measure(reveille, path)) },
        ],
    }
}

fn measure(start: fn(&Pair) -> Server, path: Path) -> Vec<Figure> {
    let pair = Pair::new();
    let file = noise(FILE_BYTES);
    pair.write("boot/vmlinuz", &file);
    let server = start(&pair);
    let address = SocketAddr::from((SERVER, 80));
    let whole = pair.load(path, || fetch(address, "/vmlinuz")).expect("it serves");
    assert!(whole == file, "the bytes are those of the file");
    let before = server.cpu_seconds();
    let download = Download {
        server: address,
        connections: CONNECTIONS,
        path: "/vmlinuz",
        duration: DURATION,
    };
    let mut outcome = pair.load(path, || download.run()).expect("it serves all connections");
    let cpu = server.cpu_seconds() - before;
    let gigabytes = outcome.bytes as f64 / 1e9;
    vec![
        Figure::new("GB/s", gigabytes / outcome.seconds),
        Figure::new("responses", outcome.responses.len() as f64),
        Figure::new("p50 s", quantile(&mut outcome.responses, 0.5)),
        Figure::new("p99 s", quantile(&mut outcome.responses, 0.99)),
        Figure::new("CPU s per GB", cpu / gigabytes),
        Figure::new("resident MiB", server.resident_mib()),
    ]
}

fn nginx(pair: &Pair) -> Server {
    let folder = pair.path("nginx");
    std::fs::create_dir_all(&folder).expect("the run's folder is ours");
    let folder = folder.display();
    let configuration = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/pid;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000;\n\
         \x20 default_type application/octet-stream;\n\
         \x20 client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n\
         \x20 fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n\
         \x20 scgi_temp_path {folder}/scgi;\n\
         \x20 server {{ listen 80; root {}; }}\n}}\n",
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

fn reveille(pair: &Pair) -> Server {
    pair.reveille(
        "shards = 1\n[[network]]\ninterface = \"eth0\"\ndhcp = \"off\"\n[images]\nroot = \"boot\"\n",
    )
}

const CONNECTIONS: usize = 64;
const FILE_BYTES: usize = 64 << 20;
const DURATION: Duration = Duration::from_secs(5);

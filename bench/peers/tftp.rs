//! TFTP in lockstep: 1,000 clients fetch 1 MiB each, beside dnsmasq.

use std::net::SocketAddr;

use crate::contest::{Contender, Contest, Figure, quantile};
use crate::pair::{Pair, Path, SERVER, Server, noise};
use crate::storm::Storm;

pub(crate) fn contest() -> Contest {
    Contest {
        title: format!(
            "TFTP: {CLIENTS} clients at once, {} KiB each, blksize {BLOCK_BYTES}, lockstep",
            FILE_BYTES >> 10
        ),
        contenders: [
            Contender { name: "dnsmasq", measure: Box::new(|| measure(dnsmasq)) },
            Contender { name: "Reveille", measure: Box::new(|| measure(reveille)) },
        ],
    }
}

fn measure(start: fn(&Pair) -> Server) -> Vec<Figure> {
    let pair = Pair::new();
    let file = noise(FILE_BYTES);
    pair.write("boot/nbp.efi", &file);
    let server = start(&pair);
    let before = server.cpu_seconds();
    let storm = Storm {
        server: SocketAddr::from((SERVER, 69)),
        clients: CLIENTS,
        name: "nbp.efi",
        block_bytes: BLOCK_BYTES,
        file: &file,
    };
    let mut outcome =
        pair.load(Path::Cable, || storm.run()).expect("sockets work in a namespace of ours");
    let cpu = server.cpu_seconds() - before;
    let gigabytes = (outcome.seconds.len() * FILE_BYTES) as f64 / 1e9;
    let last = quantile(&mut outcome.seconds, 1.0);
    vec![
        Figure::new("done", outcome.seconds.len() as f64),
        Figure::new("failed", outcome.failed as f64),
        Figure::new("packets sent again", outcome.resent as f64),
        Figure::new("MB/s", gigabytes * 1e3 / last),
        Figure::new("p50 s", quantile(&mut outcome.seconds, 0.5)),
        Figure::new("p99 s", quantile(&mut outcome.seconds, 0.99)),
        Figure::new("CPU s per GB", cpu / gigabytes),
        Figure::new("resident MiB", server.resident_mib()),
    ]
}

fn dnsmasq(pair: &Pair) -> Server {
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

fn reveille(pair: &Pair) -> Server {
    pair.reveille(
        "shards = 1\n[[network]]\ninterface = \"eth0\"\ndhcp = \"off\"\n[images]\nroot = \"boot\"\n",
    )
}

const CLIENTS: usize = 1000;
const FILE_BYTES: usize = 1 << 20;
/// What fits into an Ethernet frame.
const BLOCK_BYTES: usize = 1468;

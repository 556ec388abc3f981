//! Kea's load generator, in the form of a relay agent: no message goes unanswered.

use std::time::Duration;

use reveille_tests::lab::{Link, Process, Reveille};

use crate::site::{address, serving};

const SECONDS: u32 = 5;
const RATE: u32 = 200;
const CLIENTS: u32 = 400;

#[test]
fn perfdhcp_loses_nothing() {
    let link = Link::new();
    let network = "[[network]]\ninterface = \"eth0\"\nsubnet = \"10.78.0.0/16\"\n\
         relays = [\"10.77.0.9\"]\npool = [\"10.78.1.0 - 10.78.4.255\"]\nlease = \"1h\"\n\n";
    let daemon = Reveille::serve(&link, &serving(&link, network));
    let host = link.host();
    address(&host, 9);
    let mut command = host.command("perfdhcp");
    command.args(["-4", "-l", "10.77.0.9", "-W", "3000000"]);
    command.args(["-r", &RATE.to_string(), "-R", &CLIENTS.to_string()]);
    command.args(["-p", &SECONDS.to_string(), "10.77.0.1"]);
    let mut load = Process::start(command, &link.file("perfdhcp.log"));
    let patience = Duration::from_secs(60);
    load.wait_end(patience).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let report = load.output();
    for exchange in ["DISCOVER-OFFER", "REQUEST-ACK"] {
        let sent = figure(&report, exchange, "sent packets:");
        let received = figure(&report, exchange, "received packets:");
        assert_eq!(sent, received, "{report}\n--- daemon ---\n{}", daemon.log());
        // It may begin less often than it is told, on a busy computer.
        assert!(sent > RATE * SECONDS / 4, "{report}");
    }
}

/// A figure of one half of the exchange, from perfdhcp's report.
fn figure(report: &str, exchange: &str, name: &str) -> u32 {
    let part = report.split_once(exchange).map_or("", |(_, part)| part);
    let line = part.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{report}"))
}

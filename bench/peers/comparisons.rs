//! All comparisons by name.

use crate::Options;
use crate::contest::Contest;
use crate::pair::Path;
use crate::tftp::Peer;
use crate::{dhcp, http, tftp};

/// One command.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    /// Takes so long that it is run only when it is named in full.
    is_long: bool,
    about: &'static str,
    pub(crate) contest: fn(&Options) -> Contest,
}

impl Comparison {
    /// Whether somebody who wrote `word` wants this one: a name means one comparison, the
    /// beginning of names all of them.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        match COMPARISONS.iter().any(|comparison| comparison.name == word) {
            true => self.name == word,
            false => !self.is_long && self.name.starts_with(word),
        }
    }
}

/// The names and what they compare, for the help.
pub(crate) fn list() -> String {
    let mut list = "Comparisons:\n".to_owned();
    for Comparison { name, about, is_long, .. } in COMPARISONS {
        let hint = if *is_long { " (long: only if named in full)" } else { "" };
        list.push_str(&format!("  {name:<20} {about}{hint}\n"));
    }
    list
}

const MIB: usize = 1 << 20;

/// In the order in which they are run.
pub(crate) const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "tftp-100",
        is_long: false,
        about: "TFTP in lockstep, 100 clients, 4 MiB each",
        contest: |_| {
            let peers = [Peer::TftpdHpa, Peer::Atftpd, Peer::Dnsmasq];
            tftp::Workload::lockstep(100, 4 * MIB).contest(&peers)
        },
    },
    Comparison {
        name: "tftp-1000",
        is_long: false,
        about: "TFTP in lockstep, 1,000 clients, 1 MiB each",
        contest: |_| tftp::Workload::lockstep(1000, MIB).contest(&[Peer::Dnsmasq]),
    },
    Comparison {
        name: "tftp-window",
        is_long: false,
        about: "TFTP with windows of 16 blocks, 100 clients, 8 MiB each",
        contest: |_| {
            let workload = tftp::Workload { window: 16, ..tftp::Workload::lockstep(100, 8 * MIB) };
            workload.contest(&[Peer::Atftpd])
        },
    },
    Comparison {
        name: "tftp-10000",
        is_long: false,
        about: "TFTP in lockstep, 10,000 clients at once, 1 MiB each",
        contest: |_| tftp::Workload::lockstep(10_000, MIB).contest(&[Peer::Dnsmasq]),
    },
    Comparison {
        name: "tftp-kernel",
        is_long: true,
        about: "TFTP with windows of 4 blocks, 10,000 clients at once, 14 MiB each",
        contest: |_| {
            let lockstep = tftp::Workload::lockstep(10_000, 14 * MIB);
            tftp::Workload { window: 4, ..lockstep }.contest(&[])
        },
    },
    Comparison {
        name: "http-64x64m",
        is_long: false,
        about: "HTTP, 64 connections, 64 MiB",
        contest: |_| over_cable(64, 64 * MIB),
    },
    Comparison {
        name: "http-64x1m",
        is_long: false,
        about: "HTTP, 64 connections, 1 MiB",
        contest: |_| over_cable(64, MIB),
    },
    Comparison {
        name: "http-1000x64m",
        is_long: false,
        about: "HTTP, 1,000 connections, 64 MiB",
        contest: |_| over_cable(1000, 64 * MIB),
    },
    Comparison {
        name: "http-1000x1m",
        is_long: false,
        about: "HTTP, 1,000 connections, 1 MiB",
        contest: |_| over_cable(1000, MIB),
    },
    Comparison {
        name: "http-alone",
        is_long: false,
        about: "HTTP, a single connection, 217 bytes",
        contest: |_| over_cable(1, 217),
    },
    Comparison {
        name: "http-script",
        is_long: false,
        about: "HTTP, 64 connections, 217 bytes",
        contest: |_| over_cable(64, 217),
    },
    Comparison {
        name: "http-1000-script",
        is_long: false,
        about: "HTTP, 1,000 connections, 217 bytes",
        contest: |_| over_cable(1000, 217),
    },
    Comparison {
        name: "http-10000",
        is_long: false,
        about: "HTTP, 10,000 connections, 1 MiB",
        contest: |_| over_cable(10_000, MIB),
    },
    Comparison {
        name: "loopback-64x64m",
        is_long: false,
        about: "HTTP on one host in packets of 64 KiB, 64 connections, 64 MiB",
        contest: |_| {
            let path = Path::Loopback;
            http::Workload { path, connections: 64, file_bytes: 64 * MIB }.contest()
        },
    },
    Comparison {
        name: "dhcp-exchanges",
        is_long: false,
        about: "DHCP exchanges per second, 64 at a time, 10,000 clients",
        contest: |_| dhcp::contest_of_exchanges(64),
    },
    Comparison {
        name: "dhcp-calm",
        is_long: false,
        about: "DHCP latency, one exchange at a time, 10,000 clients",
        contest: |_| dhcp::contest_of_exchanges(1),
    },
    Comparison {
        name: "dhcp-perfdhcp",
        is_long: true,
        about: "DHCP exchanges per second with perfdhcp, 10,000 clients",
        contest: |_| dhcp::contest_of_rates(),
    },
    Comparison {
        name: "dhcp-endurance",
        is_long: true,
        about: "ten minutes of perfdhcp at 80 % of the highest rate held, 10,000 clients",
        contest: |options| dhcp::contest_of_endurance(options.seconds),
    },
    Comparison {
        name: "dhcp-leases",
        is_long: false,
        about: "DHCP with 1,000,000 leases beside 10,000",
        contest: |_| dhcp::contest_of_leases(),
    },
    Comparison {
        name: "dhcp-durable",
        is_long: true,
        about: "DHCP with leases on a disk, 10,000 clients",
        contest: |options| dhcp::contest_of_durability(10_000, options.seconds),
    },
    Comparison {
        name: "dhcp-durable-100k",
        is_long: true,
        about: "DHCP with leases on a disk, 100,000 clients",
        contest: |options| dhcp::contest_of_durability(100_000, options.seconds),
    },
    Comparison {
        name: "dhcp-durable-leases",
        is_long: true,
        about: "DHCP with 1,000,000 leases on a disk beside 10,000",
        contest: |options| dhcp::contest_of_durable_leases(options.seconds),
    },
    Comparison {
        name: "shards-tftp",
        is_long: false,
        about: "TFTP with two shards beside one",
        contest: |_| tftp::Workload::lockstep(1000, MIB).contest_of_shards(),
    },
    Comparison {
        name: "shards-http",
        is_long: false,
        about: "HTTP with two shards beside one",
        contest: |_| {
            let path = Path::Cable;
            http::Workload { path, connections: 64, file_bytes: 64 * MIB }.contest_of_shards()
        },
    },
    Comparison {
        name: "storm",
        is_long: true,
        about: "whole boots of mixed machines, beside dnsmasq with nginx",
        contest: |options| options.storm.contest(),
    },
];

fn over_cable(connections: usize, file_bytes: usize) -> Contest {
    http::Workload { path: Path::Cable, connections, file_bytes }.contest()
}

//! The DHCP servers, each with one pool behind the clients' relay agent.

use std::path::PathBuf;

use crate::pair::{CLIENT, Pair, SERVER, Server, packaged};

/// What a server lends, and where it writes that down.
pub(super) struct Site {
    pub(super) pool: &'static str,
    pub(super) leases: PathBuf,
    /// Whether ISC dhcpd writes down a renewal in the first quarter of a lease as well, as all the
    /// others do.
    pub(super) renewals: bool,
}

impl Site {
    /// A file in memory: what a disk costs is left out.
    pub(super) fn in_memory(pair: &Pair) -> Self {
        Self { pool: POOL, leases: pair.in_memory("leases"), renewals: false }
    }
}

/// 1.3 addresses for each of ten thousand clients.
pub(super) const POOL: &str = "10.77.16.0 - 10.77.66.255";

/// ISC dhcpd, which syncs each lease that it writes down.
pub(super) fn isc_dhcpd(pair: &Pair, site: &Site) -> Server {
    // It reads frames.
    pair.keep_packets_apart();
    let configuration = format!(
        "authoritative;\nping-check false;\ndefault-lease-time 3600;\n\
         dhcp-cache-threshold {};\n\
         subnet 10.0.0.0 netmask 255.0.0.0 {{\n  range {};\n  option routers {SERVER};\n}}\n",
        if site.renewals { 0 } else { 25 },
        site.pool.replace(" - ", " ")
    );
    let configuration = pair.write("dhcpd.conf", configuration);
    std::fs::write(&site.leases, "").expect("the folder is ours");
    let mut command = pair.server_command(packaged("usr/sbin/dhcpd"));
    command.args(["-4", "-f", "-d", "--no-pid", "-cf"]).arg(configuration);
    command.arg("-lf").arg(&site.leases).arg("eth0");
    let mut server = pair.start(command);
    server.await_log("Server starting service");
    server
}

/// dnsmasq, which writes all leases anew for each.
pub(super) fn dnsmasq(pair: &Pair, site: &Site) -> Server {
    let range = format!("--dhcp-range={},255.0.0.0,1h", site.pool.replace(" - ", ","));
    let leases = format!("--dhcp-leasefile={}", site.leases.display());
    let words = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--quiet-dhcp",
        "--user=root",
        "--port=0",
        "--no-ping",
        "--dhcp-authoritative",
        "--dhcp-lease-max=1000000",
        &range,
        &leases,
    ];
    let mut command = pair.server_command("dnsmasq");
    command.args(words);
    let mut server = pair.start(command);
    server.await_log("IP range");
    server
}

/// Kea as it is shipped: it writes each lease down and syncs none.
pub(super) fn kea(pair: &Pair, site: &Site) -> Server {
    let Site { pool, leases, .. } = site;
    let configuration = format!(
        r#"{{ "Dhcp4": {{
            "interfaces-config": {{ "interfaces": [ "eth0" ], "dhcp-socket-type": "udp" }},
            "control-socket": {{ "socket-type": "unix", "socket-name": "{}" }},
            "lease-database": {{ "type": "memfile", "persist": true, "lfc-interval": 0,
                                 "name": "{}" }},
            "multi-threading": {{ "enable-multi-threading": false }},
            "valid-lifetime": 3600,
            "subnet4": [ {{ "id": 1, "subnet": "10.0.0.0/8",
                "pools": [ {{ "pool": "{pool}" }} ],
                "option-data": [ {{ "name": "routers", "data": "10.77.0.1" }} ] }} ],
            "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO",
                            "output_options": [ {{ "output": "stdout" }} ] }} ]
        }} }}"#,
        pair.path("kea.socket").display(),
        leases.display(),
    );
    let file = pair.write("kea.json", configuration);
    let file = file.to_str().expect("the run's paths are text");
    let mut command = pair.server_command("kea-dhcp4");
    // It insists on folders of its own for process ids and locks.
    let run = pair.path("kea");
    std::fs::create_dir_all(&run).expect("the run's folder is ours");
    command.env("KEA_PIDFILE_DIR", &run).env("KEA_LOCKFILE_DIR", &run).args(["-c", file]);
    let mut server = pair.start(command);
    server.await_log("DHCP4_STARTED");
    server
}

/// Reveille with `state` as its table about leases; without one they live in memory.
pub(super) fn reveille(pair: &Pair, pool: &str, state: &str) -> Server {
    pair.reveille(1, &reveille_configuration(pair, pool, state))
}

/// The same, with the files it names.
pub(super) fn reveille_configuration(pair: &Pair, pool: &str, state: &str) -> String {
    pair.write("boot/vmlinuz", "a kernel");
    format!(
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"10.0.0.0/8\"\n\
         server = \"{SERVER}\"\ndhcp = \"server\"\npool = \"{pool}\"\nrouter = \"{SERVER}\"\n\
         lease = \"1h\"\nrelays = \"{CLIENT}\"\n\
         [images]\nroot = \"boot\"\n[[profile]]\nkernel = \"vmlinuz\"\n{state}"
    )
}

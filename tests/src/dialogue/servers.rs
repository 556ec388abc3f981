//! Servers with the same networks.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::script::mac;
use crate::lab::{Link, Process, packaged, require, reveille};

/// A network that all servers know.
#[derive(Debug)]
pub struct Subnet {
    /// Its name in what is told.
    pub name: &'static str,
    /// Its first address.
    pub address: Ipv4Addr,
    /// Its length of prefix.
    pub prefix: u32,
    /// The relay agent's address in it, which is the router too; on the server's own link only
    /// the router's.
    pub relay: Ipv4Addr,
    /// First and last address for clients.
    pub pool: (Ipv4Addr, Ipv4Addr),
}

/// The server's own link.
pub const LINK: Subnet = wide("the link", 77);
/// A network behind a relay agent.
pub const RELAYED: Subnet = wide("the relayed network", 78);
/// Another one, also chosen by relay agents of [`RELAYED`] and by clients.
pub const FAR: Subnet = wide("the far network", 79);
/// A network of two addresses, both taken.
pub const FULL: Subnet = Subnet {
    name: "the full network",
    address: Ipv4Addr::new(10, 80, 0, 0),
    prefix: 24,
    relay: Ipv4Addr::new(10, 80, 0, 1),
    pool: (Ipv4Addr::new(10, 80, 0, 16), Ipv4Addr::new(10, 80, 0, 17)),
};

/// All networks.
pub const SUBNETS: [&Subnet; 4] = [&LINK, &RELAYED, &FAR, &FULL];

/// The host that all networks but [`LINK`] are behind.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);

/// The server.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// How long leases run, in seconds.
pub const LEASE_SECONDS: u32 = 3600;

const fn wide(name: &'static str, octet: u8) -> Subnet {
    Subnet {
        name,
        address: Ipv4Addr::new(10, octet, 0, 0),
        prefix: 16,
        relay: Ipv4Addr::new(10, octet, 0, if octet == 77 { 2 } else { 1 }),
        pool: (Ipv4Addr::new(10, octet, 16, 0), Ipv4Addr::new(10, octet, 47, 255)),
    }
}

impl Subnet {
    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) >> (32 - self.prefix) == 0
    }

    /// Whether the address is for clients.
    #[must_use]
    pub fn pools(&self, address: Ipv4Addr) -> bool {
        (self.pool.0..=self.pool.1).contains(&address)
    }

    /// An address for clients in the middle of the pool, which no server comes to by counting from
    /// either end; another one for each number.
    #[must_use]
    pub fn free(&self, number: u32) -> Ipv4Addr {
        let (first, last) = (self.pool.0.to_bits(), self.pool.1.to_bits());
        let middle = first.midpoint(last);
        Ipv4Addr::from_bits(middle + number % (last - middle).max(1))
    }

    /// An address that is not for clients; another one for each number.
    #[must_use]
    pub fn unpooled(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() + 0x8000 + number)
    }
}

/// An address that is kept for a client.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The client.
    pub mac: [u8; 6],
    /// The address.
    pub address: Ipv4Addr,
    /// The client's name.
    pub hostname: String,
}

impl Reservation {
    /// What is reserved for the client of a conversation: an address outside the pool.
    #[must_use]
    pub fn of(number: u32) -> Self {
        let address = Ipv4Addr::from_bits(LINK.address.to_bits() + 0x4000 + number);
        Self { mac: mac(number), address, hostname: format!("reserved-{number}") }
    }
}

/// The servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// This project's.
    Reveille,
    /// Kea.
    Kea,
    /// ISC dhcpd.
    Dhcpd,
    /// dnsmasq.
    Dnsmasq,
}

impl Server {
    /// All that Reveille is compared with.
    pub const PEERS: [Self; 3] = [Self::Kea, Self::Dhcpd, Self::Dnsmasq];

    /// Its name in the table of differences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reveille => "reveille",
            Self::Kea => "kea",
            Self::Dhcpd => "dhcpd",
            Self::Dnsmasq => "dnsmasq",
        }
    }

    /// Starts the server on a link, whose server's host gets the addresses and routes of the site.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start(self, link: &Link, reservations: &[Reservation]) -> Process {
        prepare(link);
        let (mut process, ready) = match self {
            Self::Reveille => (start_reveille(link, reservations), "ready for machines"),
            Self::Kea => (start_kea(link, reservations), "DHCP4_STARTED"),
            Self::Dhcpd => (start_dhcpd(link, reservations), "Server starting service"),
            Self::Dnsmasq => (start_dnsmasq(link, reservations), ": DHCP, sockets bound"),
        };
        process.wait_for(ready, START).unwrap_or_else(|timeout| panic!("{timeout:?}"));
        process
    }
}

/// Gives the server's host the addresses and routes of the site.
pub fn prepare(link: &Link) {
    let host = link.server().namespace();
    host.ip("address flush dev eth0");
    host.ip(&format!("address add {SERVER}/{} dev eth0", LINK.prefix));
    for subnet in [&RELAYED, &FAR, &FULL] {
        host.ip(&format!("route add {}/{} via {ROUTER}", subnet.address, subnet.prefix));
    }
}

fn start_reveille(link: &Link, reservations: &[Reservation]) -> Process {
    let configuration = site(reservations) + "[state]\ndir = \"state\"\n";
    let file = link.write("reveille.toml", configuration);
    link.serve(path(&reveille::binary()), |command| {
        command.args(["serve", "--config", path(&file)]).env("NO_COLOR", "1");
        command.current_dir(link.folder());
    })
}

/// Reveille's configuration of the networks and reservations.
#[must_use]
pub fn site(reservations: &[Reservation]) -> String {
    let mut text = String::new();
    for subnet in SUBNETS {
        let Subnet { address, prefix, relay, pool: (first, last), .. } = subnet;
        let relays = if subnet.address == LINK.address {
            String::new()
        } else if subnet.address == FAR.address {
            // The other relay agent may choose this network for its clients.
            format!("relays = [\"{relay}\", \"{}\"]\n", RELAYED.relay)
        } else {
            format!("relays = [\"{relay}\"]\n")
        };
        write!(
            text,
            "[[network]]\ninterface = \"eth0\"\nsubnet = \"{address}/{prefix}\"\n\
             server = \"{SERVER}\"\nrouter = \"{relay}\"\npool = [\"{first} - {last}\"]\n\
             dns = [\"{}\", \"{}\"]\nntp = [\"{NTP}\"]\ndomain = \"{DOMAIN}\"\n\
             lease = \"{LEASE_SECONDS}s\"\nauthoritative = true\nbootp = true\n{relays}\n",
            DNS[0], DNS[1],
        )
        .expect("a string takes text");
    }
    for Reservation { mac, address, hostname } in reservations {
        let mac = colons(mac);
        write!(
            text,
            "[[machine]]\nmac = \"{mac}\"\naddress = \"{address}\"\n\
             hostname = \"{hostname}\"\n\n"
        )
        .expect("a string takes text");
    }
    text
}

fn start_kea(link: &Link, reservations: &[Reservation]) -> Process {
    let hosts = reservations.iter().map(|Reservation { mac, address, hostname }| {
        let mac = colons(mac);
        format!(
            r#"{{ "hw-address": "{mac}", "ip-address": "{address}", "hostname": "{hostname}" }}"#
        )
    });
    let hosts = hosts.collect::<Vec<_>>().join(",\n");
    let subnets = SUBNETS.iter().zip(1..).map(|(subnet, id)| {
        let Subnet { address, prefix, relay, pool: (first, last), .. } = subnet;
        let on_link = subnet.address == LINK.address;
        let hosts = if on_link { hosts.as_str() } else { "" };
        format!(
            r#"{{ "id": {id}, "subnet": "{address}/{prefix}",
                 "pools": [ {{ "pool": "{first} - {last}" }} ],
                 "reservations": [ {hosts} ],
                 "option-data": [ {{ "name": "routers", "data": "{relay}" }} ] }}"#
        )
    });
    let subnets = subnets.collect::<Vec<_>>().join(",\n");
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let bootp_hook = require(format!("/usr/lib/{triplet}/kea/hooks/libdhcp_bootp.so"));
    let run = link.file("kea");
    std::fs::create_dir_all(&run).expect("the run's folder is ours");
    let configuration = format!(
        r#"{{ "Dhcp4": {{
            "interfaces-config": {{ "interfaces": [ "eth0" ], "dhcp-socket-type": "raw" }},
            "lease-database": {{ "type": "memfile", "persist": false }},
            "multi-threading": {{ "enable-multi-threading": false }},
            "authoritative": true,
            "hooks-libraries": [ {{ "library": "{}" }} ],
            "valid-lifetime": {LEASE_SECONDS},
            "calculate-tee-times": true,
            "option-data": [
                {{ "name": "domain-name-servers", "data": "{}, {}" }},
                {{ "name": "ntp-servers", "data": "{NTP}" }},
                {{ "name": "domain-name", "data": "{DOMAIN}" }} ],
            "subnet4": [ {subnets} ],
            "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO",
                            "output_options": [ {{ "output": "stdout" }} ] }} ]
        }} }}"#,
        bootp_hook.display(),
        DNS[0],
        DNS[1],
    );
    let file = link.write("kea.json", configuration);
    link.serve("kea-dhcp4", |command| {
        command.env("KEA_PIDFILE_DIR", &run).env("KEA_LOCKFILE_DIR", &run);
        command.args(["-c", path(&file)]);
    })
}

fn start_dhcpd(link: &Link, reservations: &[Reservation]) -> Process {
    let mut text = format!(
        "authoritative;\nping-check false;\ndhcp-cache-threshold 0;\nddns-update-style none;\n\
         default-lease-time {LEASE_SECONDS};\nmin-lease-time {LEASE_SECONDS};\n\
         max-lease-time {LEASE_SECONDS};\noption domain-name-servers {}, {};\n\
         option ntp-servers {NTP};\noption domain-name \"{DOMAIN}\";\n",
        DNS[0], DNS[1],
    );
    for Subnet { address, prefix, relay, pool: (first, last), .. } in SUBNETS {
        let mask = Ipv4Addr::from_bits(u32::MAX << (32 - prefix));
        write!(
            text,
            "subnet {address} netmask {mask} {{\n  range dynamic-bootp {first} {last};\n  \
             option routers {relay};\n}}\n"
        )
        .expect("a string takes text");
    }
    for Reservation { mac, address, hostname } in reservations {
        let mac = colons(mac);
        write!(
            text,
            "host {hostname} {{\n  hardware ethernet {mac};\n  fixed-address {address};\n  \
             option host-name \"{hostname}\";\n}}\n"
        )
        .expect("a string takes text");
    }
    let configuration = link.write("dhcpd.conf", text);
    let leases = link.write("dhcpd.leases", "");
    link.serve(path(&packaged("usr/sbin/dhcpd")), |command| {
        command.args(["-4", "-f", "-d", "--no-pid", "-cf", path(&configuration)]);
        command.args(["-lf", path(&leases), "eth0"]);
    })
}

fn start_dnsmasq(link: &Link, reservations: &[Reservation]) -> Process {
    let mut text = format!(
        "port=0\nuser=root\ngroup=root\nno-ping\nlog-facility=-\nbind-interfaces\n\
         interface=eth0\nbootp-dynamic\nleasefile-ro\ndhcp-authoritative\n\
         dhcp-lease-max=100000\nno-hosts\nno-resolv\ndhcp-option=option:dns-server,{},{}\n\
         dhcp-option=option:ntp-server,{NTP}\ndhcp-option=option:domain-name,{DOMAIN}\n",
        DNS[0], DNS[1],
    );
    for (Subnet { address: _, prefix, relay, pool: (first, last), .. }, tag) in
        SUBNETS.iter().zip(1..)
    {
        let mask = Ipv4Addr::from_bits(u32::MAX << (32 - prefix));
        write!(
            text,
            "dhcp-range=set:net{tag},{first},{last},{mask},{LEASE_SECONDS}\n\
             dhcp-option=tag:net{tag},option:router,{relay}\n"
        )
        .expect("a string takes text");
    }
    for Reservation { mac, address, hostname } in reservations {
        let mac = colons(mac);
        writeln!(text, "dhcp-host={mac},{address},{hostname}").expect("a string takes text");
    }
    let file = link.write("dnsmasq.conf", text);
    link.serve("dnsmasq", |command| {
        command.arg("--no-daemon").arg(format!("--conf-file={}", file.display()));
    })
}

fn colons(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn path(path: &Path) -> &str {
    reveille::path(path)
}

const DNS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 53), Ipv4Addr::new(10, 77, 0, 54)];
const NTP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 123);
const DOMAIN: &str = "lab.example";

/// How long a server may take until it serves.
const START: Duration = Duration::from_secs(10);

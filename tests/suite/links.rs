//! Interfaces and addresses that come, go and change while the daemon serves.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use reveille_tests::lab::client::{Client, EXCHANGE, Stock};
use reveille_tests::lab::reveille::{binary, path};
use reveille_tests::lab::{Host, Link, Process, Reveille, images};
use rustix::process::Signal;

/// Changes settle for a fifth of a second, and tests run beside each other.
const SETTLED: Duration = Duration::from_secs(10);

/// A site of two networks: on `eth0` of the first link and on `eth1`, whose addresses are
/// 10.88.0.0/24; `more` is appended.
fn site(link: &Link, more: &str) -> String {
    let root = link.file(images::FOLDER);
    std::fs::create_dir_all(&root).expect("the run's folder is ours");
    format!(
        "[[network]]\ninterface = \"eth0\"\npool = [\"10.77.0.100 - 10.77.0.200\"]\n\n{}\
         [images]\nroot = \"{}\"\n\n{more}",
        network("eth1", 88),
        path(&root)
    )
}

fn network(interface: &str, number: u8) -> String {
    format!(
        "[[network]]\ninterface = \"{interface}\"\nsubnet = \"10.{number}.0.0/24\"\n\
         pool = [\"10.{number}.0.100 - 10.{number}.0.200\"]\n\n"
    )
}

/// Connects the server's host with the other link, and gives it its address there.
fn connect(link: &Link, other: &Link, interface: &str, address: &str) {
    other.connect(link.server(), interface);
    link.server().namespace().ip(&format!("address add {address}/24 dev {interface}"));
}

/// Waits until the daemon has said `text` so many times.
fn wait_said(daemon: &Reveille, text: &str, count: usize) {
    let deadline = Instant::now() + SETTLED;
    // Ends at the deadline.
    while daemon.log().matches(text).count() < count {
        assert!(
            Instant::now() < deadline,
            "{text:?} was not said {count} times:\n{}",
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gives a new machine on the link its address; tells address and server.
fn lease(link: &Link, name: &str, daemon: &Reveille) -> (String, String) {
    let host = link.host();
    let mut client = Client::start(Stock::Udhcpc, link, &host, name);
    let bound = client.wait_for("bound", 1, EXCHANGE);
    let report = bound.unwrap_or_else(|timeout| panic!("{timeout:?}\n{}", daemon.log()));
    (report.address, report.server)
}

/// A download in the background, compared with its file later.
struct Download {
    process: Process,
    target: std::path::PathBuf,
    digest: String,
}

impl Download {
    /// Begins to fetch `url`, which takes several seconds.
    fn start(link: &Link, host: &Host, name: &str, url: &str, digest: &str) -> Self {
        let target = link.file(name);
        let mut command = host.command("curl");
        command.args(["-sS", "--fail", "--max-time", "60", "-o"]).arg(&target).arg(url);
        let process = Process::start(command, &link.file(&format!("{name}.log")));
        let deadline = Instant::now() + SETTLED;
        // Ends at the deadline.
        while std::fs::metadata(&target).map_or(0, |file| file.len()) == 0 {
            assert!(Instant::now() < deadline, "{url} does not begin: {}", process.output());
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, target, digest: digest.to_owned() }
    }

    fn finish(mut self, daemon: &Reveille) {
        let ended = self.process.wait_end(Duration::from_secs(60)).expect("the download ends");
        assert!(ended.success(), "{}\n{}", self.process.output(), daemon.log());
        assert_eq!(images::digest(&self.target), self.digest);
    }

    fn runs(&mut self) -> bool {
        self.process.has_ended().is_none()
    }
}

/// The status of an HTTP request for `small.bin`; 000 if nobody answers.
fn status(host: &Host, authority: &str) -> String {
    let mut command = host.command("curl");
    command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5"]);
    let output = command.arg(format!("http://{authority}/small.bin")).output();
    String::from_utf8_lossy(&output.expect("curl is installed").stdout).into_owned()
}

#[test]
fn an_interface_comes_goes_and_comes_again_and_transfers_elsewhere_go_on() {
    let (link, other) = (Link::new(), Link::new());
    let digest = images::write(&link, "large.bin", 24 << 20);
    let slow = "[http]\nrate_per_client = \"3 MB/s\"\n\n[tftp]\nrate_per_client = \"3 MB/s\"\n";
    let mut daemon = Reveille::serve(&link, &site(&link, slow));
    daemon.wait_for("this host has no interface `eth1`", SETTLED).expect("a warning");
    let host = link.host();
    crate::site::address(&host, 9);
    let mut http = Download::start(&link, &host, "by-http", "http://10.77.0.1/large.bin", &digest);
    let mut tftp = Download::start(&link, &host, "by-tftp", "tftp://10.77.0.1/large.bin", &digest);
    for round in 1..=2 {
        connect(&link, &other, "eth1", "10.88.0.1");
        wait_said(&daemon, "served as of now: 10.88.0.0/24 on eth1, our address 10.88.0.1", round);
        let (address, server) = lease(&other, &format!("machine-{round}"), &daemon);
        assert!(address.starts_with("10.88.0."), "{address}");
        assert_eq!(server, "10.88.0.1");
        link.server().namespace().ip("link delete eth1");
        wait_said(&daemon, "no longer served: 10.88.0.0/24 on eth1", round);
    }
    assert!(http.runs() && tftp.runs(), "both outlast the changes: {}", daemon.log());
    http.finish(&daemon);
    tftp.finish(&daemon);
    let (address, _) = lease(&link, "neighbour", &daemon);
    assert!(address.starts_with("10.77.0."), "{address}");
    assert!(daemon.lives());
}

#[test]
fn an_address_that_changes_is_the_servers_new_one() {
    let (link, other) = (Link::new(), Link::new());
    images::write(&link, "small.bin", 1000);
    connect(&link, &other, "eth1", "10.88.0.1");
    let daemon = Reveille::serve(&link, &site(&link, ""));
    let (_, server) = lease(&other, "before", &daemon);
    assert_eq!(server, "10.88.0.1");
    let namespace = link.server().namespace();
    namespace.ip("address delete 10.88.0.1/24 dev eth1");
    namespace.ip("address add 10.88.0.2/24 dev eth1");
    wait_said(&daemon, "served as of now: 10.88.0.0/24 on eth1, our address 10.88.0.2", 1);
    let (_, server) = lease(&other, "after", &daemon);
    assert_eq!(server, "10.88.0.2");
    let host = other.host();
    host.namespace().ip("address add 10.88.0.9/24 dev eth0");
    assert_eq!(status(&host, "10.88.0.2"), "200");
    // A second address that fits makes no difference to who has one.
    namespace.ip("address add 10.88.0.3/24 dev eth1");
    let (_, server) = lease(&other, "later", &daemon);
    assert_eq!(server, "10.88.0.2");
}

#[test]
fn a_link_that_is_switched_off_and_on_again_is_served_again() {
    let (link, other) = (Link::new(), Link::new());
    connect(&link, &other, "eth1", "10.88.0.1");
    let mut daemon = Reveille::serve(&link, &site(&link, ""));
    lease(&other, "before", &daemon);
    for round in 1..=2 {
        link.server().namespace().ip("link set eth1 down");
        wait_said(&daemon, "no longer served: 10.88.0.0/24 on eth1", round);
        link.server().namespace().ip("link set eth1 up");
        wait_said(&daemon, "served as of now: 10.88.0.0/24 on eth1", round);
        let (_, server) = lease(&other, &format!("after-{round}"), &daemon);
        assert_eq!(server, "10.88.0.1");
    }
    assert!(daemon.lives());
}

#[test]
fn a_service_waits_for_its_network() {
    let (link, other) = (Link::new(), Link::new());
    let mut daemon = Reveille::serve(&link, &network("eth1", 88));
    daemon.wait_for("no network can be served yet", SETTLED).expect("it says so");
    let mut command = link.server().command(path(&binary()));
    let checked = command.arg("check").arg(link.file("reveille.toml")).output();
    let checked = checked.expect("the daemon's program");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("warning: this host has no int"), "{said}");
    // First without an address, then under another name, then as it is meant.
    other.connect(link.server(), "eth7");
    let namespace = link.server().namespace();
    namespace.ip("address add 10.88.0.1/24 dev eth7");
    namespace.ip("link set eth7 down");
    namespace.ip("link set eth7 name eth1");
    namespace.ip("link set eth1 up");
    wait_said(&daemon, "served as of now: 10.88.0.0/24 on eth1", 1);
    let (_, server) = lease(&other, "machine", &daemon);
    assert_eq!(server, "10.88.0.1");
    assert!(daemon.lives());
}

#[test]
fn a_reload_takes_other_interfaces_and_ports_without_privileges() {
    let (link, other) = (Link::new(), Link::new());
    images::write(&link, "small.bin", 1000);
    connect(&link, &other, "eth1", "10.88.0.1");
    let before = site(&link, "").replace(&network("eth1", 88), "");
    let daemon = Reveille::serve(&link, &before);
    let capabilities = std::fs::read_to_string(format!("/proc/{}/status", daemon.id()));
    let capabilities = capabilities.expect("it lives");
    let effective = capabilities.lines().find_map(|line| line.strip_prefix("CapEff:"));
    // CAP_DAC_READ_SEARCH and nothing else.
    assert_eq!(effective.map(str::trim), Some("0000000000000004"));
    let host = link.host();
    crate::site::address(&host, 9);
    assert_eq!(status(&host, "10.77.0.1"), "200");
    link.write("reveille.toml", site(&link, "[http]\nport = 8081\n"));
    daemon.signal(Signal::HUP);
    wait_said(&daemon, "served as of now: 10.88.0.0/24 on eth1", 1);
    let (_, server) = lease(&other, "machine", &daemon);
    assert_eq!(server, "10.88.0.1");
    assert_eq!(status(&host, "10.77.0.1:8081"), "200");
    assert_eq!(status(&host, "10.77.0.1"), "000");
    // What is taken is told, and served once it is free.
    let taker = link.server().namespace().run(|| TcpListener::bind("10.77.0.1:8082"));
    link.write("reveille.toml", site(&link, "[http]\nport = 8082\n"));
    daemon.signal(Signal::HUP);
    wait_said(&daemon, "cannot open TCP 10.77.0.1:8082: the port is in use", 1);
    assert_eq!(status(&host, "10.77.0.1:8081"), "000");
    drop(taker.expect("nobody else has it"));
    let deadline = Instant::now() + SETTLED;
    // Ends at the deadline.
    while status(&host, "10.77.0.1:8082") != "200" {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Adds a VLAN of `eth0` to a host, unless this kernel has none.
fn add_vlan(host: &Host, address: &str) -> bool {
    let mut command: Command = host.command("ip");
    command.args(["link", "add", "link", "eth0", "name", "eth0.20", "type", "vlan", "id", "20"]);
    let output = command.output().expect("iproute2 is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Unknown device type") {
        return false;
    }
    assert!(output.status.success(), "{said}");
    host.namespace().ip("link set eth0.20 up");
    host.namespace().ip(&format!("address add {address}/24 dev eth0.20"));
    true
}

#[test]
fn a_link_its_vlan_and_another_link_are_three_networks() {
    let (link, other) = (Link::new(), Link::new());
    connect(&link, &other, "eth1", "10.88.0.1");
    let has_vlans = add_vlan(link.server(), "10.99.0.1");
    let mut configuration = site(&link, "");
    if has_vlans {
        configuration.push_str(&network("eth0.20", 99));
    } else {
        eprintln!("this kernel has no VLANs (8021q): only the two links are served");
    }
    let daemon = Reveille::serve(&link, &configuration);
    let (address, server) = lease(&link, "untagged", &daemon);
    assert!(address.starts_with("10.77.0."), "{address}");
    assert_eq!(server, "10.77.0.1");
    let (address, server) = lease(&other, "other", &daemon);
    assert!(address.starts_with("10.88.0."), "{address}");
    assert_eq!(server, "10.88.0.1");
    if has_vlans {
        let host = link.host();
        assert!(add_vlan(&host, "10.99.0.9"), "this kernel has VLANs");
        let mut command = host.command("busybox");
        command.args(["udhcpc", "-n", "-q", "-f", "-i", "eth0.20", "-s", "/bin/true"]);
        let output = command.output().expect("busybox is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("lease of 10.99.0."), "{said}\n{}", daemon.log());
    }
}

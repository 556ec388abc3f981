//! Two hosts on a cable, each with a core of its own.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use reveille_tests::lab::packaged;
use reveille_tests::lab::{Namespace, Process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;

/// The server's address; the prefix is 8 bits, so that a million clients have room.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The address of the host with all clients.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Reveille's configuration when it serves files to the link and gives no addresses.
pub(crate) const FILES_ONLY: &str =
    "[[network]]\ninterface = \"eth0\"\ndhcp = \"off\"\n[images]\nroot = \"boot\"\n";

/// How long a server may take to start.
pub(crate) const START: Duration = Duration::from_secs(20);

/// Two namespaces with `eth0` each, and a folder for the run's files.
pub(crate) struct Pair {
    server: Namespace,
    client: Namespace,
    folder: TempDir,
    memory: TempDir,
}

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Over the veth pair, with the frames of an Ethernet.
    Cable,
    /// From the server's own host, with packets of 64 KiB.
    Loopback,
}

/// A server that runs; its end is the end of this.
pub(crate) struct Server {
    process: Process,
    /// What serves beside it.
    others: Vec<Process>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let (server, client) = (Namespace::new(), Namespace::new());
        server.ip(&format!("link add eth0 type veth peer name eth0 netns {}", client.path()));
        for (namespace, address) in [(&server, SERVER), (&client, CLIENT)] {
            namespace.ip(&format!("address add {address}/8 dev eth0"));
            namespace.ip("link set eth0 up");
        }
        // A device drops what it is given for up to a second after it was switched on.
        let unused_port = SocketAddr::from((SERVER, 9));
        let refused = client.run(|| TcpStream::connect_timeout(&unused_port, START));
        let kind = refused.map_err(|error| error.kind());
        assert!(matches!(kind, Err(ErrorKind::ConnectionRefused)), "the cable works: {kind:?}");
        let folder = tempfile::Builder::new().prefix("reveille-peers-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let memory = tempfile::Builder::new().prefix("reveille-peers-").tempdir_in("/dev/shm");
        let memory = memory.expect("Linux has a file system in memory");
        std::fs::create_dir(folder.path().join("logs")).expect("the run's folder is ours");
        Self { server, client, folder, memory }
    }

    /// Lets the clients' host be as many machines as there are leases: every address of
    /// 10.77.0.0/16 but the server's is its own.
    pub(crate) fn become_machines(&self) {
        self.client.ip("route add local 10.77.0.0/16 dev lo");
        self.client.ip(&format!("route add {SERVER} dev eth0 src {CLIENT} table local"));
        self.client.ip(&format!("route add {SERVER} dev eth0 src {CLIENT}"));
        // Ten thousand entries do not fit into a kernel's table of neighbours as it comes, and
        // asking for them is not what is measured: one neighbour is the way to all of them.
        self.server.ip(&format!("route add {CLIENT} dev eth0"));
        self.server.ip(&format!("route add 10.77.0.0/16 via {CLIENT} dev eth0"));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in memory, for what a server writes while it is measured.
    pub(crate) fn in_memory(&self, name: &str) -> PathBuf {
        self.memory.path().join(name)
    }

    /// Lets every datagram of the clients be a packet on the cable. Otherwise what is sent at once
    /// may travel as one (UDP_SEGMENT), which sockets take apart, but packet sockets do not.
    pub(crate) fn keep_packets_apart(&self) {
        self.client.ip("link set eth0 gso_max_segs 1");
    }

    /// Writes a file and tells its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("a file has a folder");
        std::fs::create_dir_all(folder).expect("the run's folder is ours");
        std::fs::write(&path, content).expect("the run's folder is ours");
        path
    }

    /// A command of the server, on core 0.
    pub(crate) fn server_command(&self, program: impl AsRef<OsStr>) -> Command {
        self.server_command_on("0", program)
    }

    /// A command of the server on a list of cores.
    pub(crate) fn server_command_on(&self, cores: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.server.command("taskset");
        command.args(["-c", cores]).arg(program).current_dir(self.folder.path());
        command
    }

    /// Starts a server.
    pub(crate) fn start(&self, command: Command) -> Server {
        // taskset -c CORES PROGRAM …
        let program = command.get_args().nth(2).map(PathBuf::from).unwrap_or_default();
        let log = self.path("logs").join(program.file_name().unwrap_or_default());
        let process = Process::start(command, &log);
        Server { process, others: Vec::new() }
    }

    /// Starts Reveille with a configuration and so many shards, each on a core of its own, and
    /// waits until it serves. Leases live in memory unless the configuration has a table about it.
    pub(crate) fn reveille(&self, shards: usize, configuration: &str) -> Server {
        let mut configuration = format!("shards = {shards}\n{configuration}");
        if !configuration.contains("[state]") {
            configuration.push_str("\n[state]\ndir = \"state\"\ndurable = false\n");
        }
        let file = self.write("reveille.toml", configuration);
        let file = file.to_str().expect("the run's paths are text");
        let cores = format!("0-{}", shards - 1);
        let mut command = self.server_command_on(&cores, reveille());
        command.args(["serve", "--config", file]).env("NO_COLOR", "1");
        let mut server = self.start(command);
        server.await_log("ready for machines");
        server
    }

    /// Starts a ceiling and waits until it serves.
    pub(crate) fn ceiling(&self, arguments: &[&str]) -> Server {
        let mut command = self.server_command(sibling("ceilings"));
        command.args(arguments);
        let mut server = self.start(command);
        server.await_log("serving");
        server
    }

    /// Waits until the server's host has a UDP socket on a port.
    pub(crate) fn await_socket(&self, server: &mut Server, port: u16) {
        let deadline = Instant::now() + START;
        let needle = format!(":{port:04X} ");
        let has_socket = || {
            let tables = ["udp", "udp6"].map(|name| {
                std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
            });
            tables.iter().any(|table| table.contains(&needle))
        };
        // Ends at the deadline, or with the server.
        while !self.server.run(has_socket) {
            let has_ended = server.process.has_ended().is_some();
            let log = server.process.output();
            assert!(!has_ended && Instant::now() < deadline, "it does not serve:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server accepts connections on a port.
    pub(crate) fn await_port(&self, server: &mut Server, port: u16) {
        let deadline = Instant::now() + START;
        let address = SocketAddr::from((SERVER, port));
        // Ends at the deadline, or with the server.
        while self.client.run(|| TcpStream::connect(address)).is_err() {
            let has_ended = server.process.has_ended().is_some();
            let log = server.process.output();
            assert!(!has_ended && Instant::now() < deadline, "it does not serve:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs `work` as clients behind `path`, on core 1.
    pub(crate) fn load<T: Send>(&self, path: Path, work: impl FnOnce() -> T + Send) -> T {
        let namespace = match path {
            Path::Cable => &self.client,
            Path::Loopback => &self.server,
        };
        namespace.run(|| {
            let mut cores = CpuSet::new();
            cores.set(1);
            sched_setaffinity(None, &cores).expect("this machine has two cores");
            work()
        })
    }

    /// Datagrams that arrived at a client whose receive buffer was full, since the pair was made.
    pub(crate) fn client_overflows(&self) -> f64 {
        counter(&self.client, "Udp: ", "RcvbufErrors")
    }

    /// TCP segments that the server's host has sent again, since the pair was made.
    pub(crate) fn segments_sent_again(&self) -> f64 {
        counter(&self.server, "Tcp: ", "RetransSegs")
    }

    /// A command of the clients, on core 1.
    pub(crate) fn client_command(&self, program: &str) -> Command {
        let mut command = self.client.command("taskset");
        command.args(["-c", "1", program]);
        command
    }
}

impl Server {
    /// Waits until the server has said `text`.
    pub(crate) fn await_log(&mut self, text: &str) {
        self.process.wait_for(text, START).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    }

    /// This one and another that serves beside it, as one.
    pub(crate) fn beside(mut self, other: Self) -> Self {
        self.others.push(other.process);
        self.others.extend(other.others);
        self
    }

    /// The process ids.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let others = self.others.iter().map(Process::id);
        std::iter::once(self.process.id()).chain(others).collect()
    }
}

/// A counter of a host's kernel (`/proc/net/snmp`).
fn counter(host: &Namespace, protocol: &str, name: &str) -> f64 {
    let table = host.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"));
    let table = table.expect("the kernel counts");
    let mut lines = table.lines().filter(|line| line.starts_with(protocol));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let mut columns = names.split_whitespace().zip(values.split_whitespace());
    let (_, count) = columns.find(|(column, _)| *column == name).expect("it is counted");
    count.parse().expect("it is a number")
}

/// The daemon: `$REVEILLE_BINARY`, else what cargo built beside this program.
pub(crate) fn reveille() -> PathBuf {
    std::env::var_os("REVEILLE_BINARY").map_or_else(|| sibling("reveille"), PathBuf::from)
}

/// A program that cargo built beside this one.
fn sibling(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let binary = this.with_file_name(name);
    let remedy = "cargo build --release -p reveille -p reveille-ceilings -p reveille-peers";
    assert!(binary.exists(), "{} is missing: {remedy}", binary.display());
    binary
}

/// Bytes that no compression and no hole makes smaller.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut rng = reveille_core::rng::Rng::new(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&rng.next_u64().to_ne_bytes());
    }
    bytes.truncate(len);
    bytes
}

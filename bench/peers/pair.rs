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
        Self { server, client, folder: folder.expect("a temporary folder can be made") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
        Server { process: Process::start(command, &self.path("server.log")) }
    }

    /// Starts Reveille with a configuration and so many shards, each on a core of its own, and
    /// waits until it serves.
    pub(crate) fn reveille(&self, shards: usize, configuration: &str) -> Server {
        let configuration = format!("shards = {shards}\n{configuration}");
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
        let table = self.client.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"));
        let table = table.expect("the kernel counts");
        let mut lines = table.lines().filter(|line| line.starts_with("Udp: "));
        let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        let mut columns = names.split_whitespace().zip(values.split_whitespace());
        let (_, count) = columns.find(|(name, _)| *name == "RcvbufErrors").expect("it is counted");
        count.parse().expect("it is a number")
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

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The daemon: `$REVEILLE_BINARY`, else what cargo built beside this program.
fn reveille() -> PathBuf {
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

//! One link: a switch with a server's host and ports for machines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::namespace::Namespace;
use super::process::Process;

/// The address of the server's host on every [`Link`]; the prefix is 24 bits.
pub const SERVER_ADDRESS: &str = "10.77.0.1";

/// A switch and the server's host, with a folder for the files of this run.
#[derive(Debug)]
pub struct Link {
    switch: Namespace,
    server: Host,
    folder: TempDir,
    ports: AtomicU32,
}

impl Link {
    /// A link whose server host has [`SERVER_ADDRESS`]/24 on `eth0`.
    #[must_use]
    pub fn new() -> Self {
        let switch = Namespace::new();
        switch.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
        // The switch itself is no host: it takes no part in IPv6.
        switch.run(|| {
            for file in ["default", "all", "br0"] {
                let path = format!("/proc/sys/net/ipv6/conf/{file}/disable_ipv6");
                std::fs::write(path, "1").ok();
            }
        });
        switch.ip("link set br0 up");
        let ports = AtomicU32::new(0);
        let server = attach(&switch, &ports);
        server.namespace.ip(&format!("address add {SERVER_ADDRESS}/24 dev eth0"));
        let folder = tempfile::Builder::new()
            .prefix("reveille-lab-")
            .tempdir()
            .expect("a temporary folder can be made");
        Self { switch, server, folder, ports }
    }

    /// The host on which servers run.
    #[must_use]
    pub fn server(&self) -> &Host {
        &self.server
    }

    /// The namespace of the switch; machines and captures run here.
    #[must_use]
    pub fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// Where this run keeps its files; removed with the link.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of this run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of this run and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("the run's folder is ours");
        }
        std::fs::write(&path, content).expect("the run's folder is ours");
        path
    }

    /// Another host on the link, with `eth0` up and no address.
    #[must_use]
    pub fn host(&self) -> Host {
        attach(&self.switch, &self.ports)
    }

    /// Connects a host of another link with this one too, by a further interface, which is up.
    pub fn connect(&self, host: &Host, interface: &str) {
        plug(&self.switch, &self.ports, &host.namespace, interface);
    }

    /// A port of the switch for a virtual machine; returns the name of its tap device.
    #[must_use]
    pub fn tap(&self) -> String {
        let name = format!("tap{}", self.ports.fetch_add(1, Ordering::Relaxed));
        self.switch.ip(&format!("tuntap add dev {name} mode tap"));
        self.switch.ip(&format!("link set {name} master br0 up"));
        name
    }

    /// Starts a program on the server's host; its output goes to `<name>.log` of this run.
    pub fn serve(&self, name: &str, prepare: impl FnOnce(&mut Command)) -> Process {
        let mut command = self.server.namespace.command(name);
        prepare(&mut command);
        let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = self.ports.fetch_add(1, Ordering::Relaxed);
        Process::start(command, &self.file(&format!("{file}-{number}.log")))
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

/// A host on a link: a namespace with one interface, `eth0`.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
}

impl Host {
    /// The network namespace of this host.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A command on this host.
    pub fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }
}

fn attach(switch: &Namespace, ports: &AtomicU32) -> Host {
    let namespace = Namespace::new();
    plug(switch, ports, &namespace, "eth0");
    Host { namespace }
}

fn plug(switch: &Namespace, ports: &AtomicU32, namespace: &Namespace, interface: &str) {
    let number = ports.fetch_add(1, Ordering::Relaxed);
    let port = format!("port{number}");
    let path = namespace.path();
    switch.ip(&format!("link add {port} type veth peer name {interface} netns {path}"));
    switch.ip(&format!("link set {port} master br0 up"));
    // The same addresses in every run, so that captures and failures can be compared.
    namespace.ip(&format!("link set {interface} address 02:00:0a:4d:00:{number:02x}"));
    namespace.ip(&format!("link set {interface} up"));
}

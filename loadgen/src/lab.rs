//! A network of its own: two namespaces and a cable between them, which end with the program.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, LinkNameSpaceType, UnshareFlags, sched_setaffinity};

use crate::args::Words;
use crate::stop;

/// The server's address on the lab's network, whose prefix has 16 bits.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The address of the host with all machines.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Machines that find addresses in the lab's network beside its two hosts.
pub(crate) const MACHINES_MAX: u32 = 65_532;

/// The interface at either end.
pub(crate) const INTERFACE: &str = "eth0";

/// Two hosts on a cable. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Lab {
    server: Namespace,
    client: Namespace,
}

/// A server that runs in the lab. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    name: String,
}

/// A network namespace without a name.
#[derive(Debug)]
struct Namespace {
    handle: OwnedFd,
}

impl Lab {
    /// Makes the two hosts.
    ///
    /// # Errors
    /// If we may not, or `ip` is missing.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        let far = client.path();
        server.ip(&format!("link add {INTERFACE} type veth peer name {INTERFACE} netns {far}"))?;
        server.ip(&format!("address add {SERVER}/16 dev {INTERFACE}"))?;
        server.ip(&format!("link set {INTERFACE} up"))?;
        client.ip(&format!("address add {CLIENT}/32 dev {INTERFACE}"))?;
        client.ip(&format!("link set {INTERFACE} up"))?;
        // The client host takes every address but the server's for its own.
        client.ip("route add local 10.77.0.0/16 dev lo")?;
        client.ip(&format!("route add {SERVER} dev {INTERFACE} src {CLIENT} table local"))?;
        client.ip(&format!("route add {SERVER} dev {INTERFACE} src {CLIENT}"))?;
        // Servers ask whether an address is free before they give it away (ICMP echo): nobody
        // answers for machines that are still off.
        client.run(|| fs::write(ECHO_IGNORED, "1"))?.context(ECHO_IGNORED)?;
        // Ten thousand entries do not fit into a kernel's table of neighbours as it comes, and
        // asking for them is not what is looked at: one neighbour is the way to all of them.
        server.ip(&format!("route add {CLIENT} dev {INTERFACE}"))?;
        for half in ["10.77.0.0/17", "10.77.128.0/17"] {
            server.ip(&format!("route add {half} via {CLIENT} dev {INTERFACE}"))?;
        }
        let lab = Self { server, client };
        lab.await_cable()?;
        Ok(lab)
    }

    /// Starts a server, and waits until it listens for DHCP or TFTP.
    ///
    /// # Errors
    /// If it cannot be started, ends at once, or is not ready after `patience`.
    pub(crate) fn serve(
        &self,
        words: &[String],
        cores: CpuSet,
        log: &Path,
        patience: Duration,
    ) -> anyhow::Result<Server> {
        let (program, arguments) = words.split_first().context("no command for a server")?;
        let output = File::create(log).with_context(|| format!("{}", log.display()))?;
        let errors = output.try_clone()?;
        let mut command = self.server.command(program)?;
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        // Whatever it starts ends with it.
        command.process_group(0);
        // SAFETY: between fork and exec the closure makes one system call.
        unsafe { command.pre_exec(move || Ok(sched_setaffinity(None, &cores)?)) };
        let child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let mut server = Server { child, name: program.clone() };
        let deadline = Instant::now() + patience;
        // Ends with the deadline, with the server, or with Ctrl-C.
        while !server.listens() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{program} ended before it served ({status}):\n{}", tail(log));
            }
            ensure!(!stop::requested(), "interrupted");
            ensure!(
                Instant::now() < deadline,
                "{program} does not listen on port 67 or 69 after {} (see --log and \
                 --patience):\n{}",
                Words(patience),
                tail(log)
            );
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// Puts the calling thread on the host with the machines.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn enter(&self) -> anyhow::Result<()> {
        let kind = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(self.client.handle.as_fd(), kind)
            .context("the network namespace of the machines cannot be entered")
    }

    /// A device drops what it is given for up to a second after it was switched on.
    fn await_cable(&self) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                let unused_port = SocketAddr::from((SERVER, 9));
                match TcpStream::connect_timeout(&unused_port, CABLE_PATIENCE) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                    other => bail!("the cable does not work: {other:?}"),
                }
            });
            inside.join().map_err(|_| anyhow::anyhow!("the cable could not be tried"))?
        })
    }
}

impl Server {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its program.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether anything in its namespace listens for DHCP or TFTP.
    fn listens(&self) -> bool {
        let sockets = fs::read_to_string(format!("/proc/{}/net/udp", self.child.id()));
        sockets.is_ok_and(|table| listens(&table))
    }
}

/// Whether a table of UDP sockets has one at port 67 or 69.
fn listens(table: &str) -> bool {
    let mut locals = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    locals.any(|local| local.ends_with(":0043") || local.ends_with(":0045"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let signal = |signal| {
            if let Some(group) = group {
                // It may have ended by itself.
                rustix::process::kill_process_group(group, signal).ok();
            }
        };
        signal(Signal::TERM);
        let deadline = Instant::now() + END_PATIENCE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
        signal(Signal::KILL);
        self.child.wait().ok();
    }
}

impl Namespace {
    fn new() -> anyhow::Result<Self> {
        // A thread of its own enters the new namespace, so that the caller stays where it is.
        let made = std::thread::spawn(|| -> std::io::Result<OwnedFd> {
            // SAFETY: only the network namespace of this short-lived thread changes; no memory
            // and no descriptor is unshared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        })
        .join()
        .map_err(|_| anyhow::anyhow!("a network namespace could not be made"))?;
        let handle = made.context(
            "a network namespace is refused: run it as root, or in `unshare --user \
             --map-root-user --mount`",
        )?;
        let namespace = Self { handle };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A path by which `ip` can name this namespace.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd())
    }

    /// A command that will run in this namespace and end with the thread that started it.
    fn command(&self, program: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        let handle = self.handle.try_clone()?;
        let enter = move || {
            rustix::thread::move_into_link_name_space(
                handle.as_fd(),
                Some(LinkNameSpaceType::Network),
            )?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls and touches no lock
        // and no heap.
        unsafe { command.pre_exec(enter) };
        Ok(command)
    }

    /// Does `work` on a thread in this namespace.
    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| -> anyhow::Result<T> {
                let kind = Some(LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(self.handle.as_fd(), kind)?;
                Ok(work())
            });
            thread.join().map_err(|_| anyhow::anyhow!("a thread of the laboratory has died"))?
        })
    }

    fn ip(&self, words: &str) -> anyhow::Result<()> {
        let output = self.command("ip")?.args(words.split_whitespace()).output();
        let output = output.context("`ip` is needed (Debian: apt-get install iproute2)")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {words}: {}", error.trim());
        Ok(())
    }
}

/// The end of what a server said.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Whether a host leaves ICMP echo requests unanswered.
const ECHO_IGNORED: &str = "/proc/sys/net/ipv4/icmp_echo_ignore_all";

/// How often files and children are looked at while something is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a new cable may drop what is sent.
const CABLE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Lines of a server's output that are shown when it does not serve.
const TAIL_LINES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dhcp_or_tftp_socket_is_found() {
        let head = "  sl  local_address rem_address   st tx_queue\n";
        let line = |port: &str| format!("{head}  82: 00000000:{port} 00000000:0000 07 00000000\n");
        assert!(listens(&line("0043")));
        assert!(listens(&line("0045")));
        assert!(!listens(&line("0044")));
        assert!(!listens(head));
    }
}

//! Recording what passes the switch.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::link::Link;
use super::process::Process;

/// What matters for booting and nothing of the images: DHCP, ProxyDHCP, router solicitation, TFTP
/// requests, OACKs, errors and the first acknowledgements, HTTP heads.
pub const BOOT_PROTOCOLS: &str = "udp port 67 or udp port 68 or udp port 4011 or udp port 69 \
     or icmp6 or udp[8:2] = 5 or udp[8:2] = 6 or (udp[8:2] = 4 and udp[10:2] < 3) \
     or tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420 \
     or tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x48454144 \
     or tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x48545450";

/// The longest request of firmware fits; of images only the beginning is kept.
const SNAP_BYTES: &str = "700";

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running capture of all that passes the switch.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Starts to record; returns once the first packet would be seen.
    ///
    /// # Panics
    /// If tcpdump is not installed or does not start.
    #[must_use]
    pub fn start(link: &Link, name: &str, filter: &str) -> Self {
        Self::record(link, name, filter, SNAP_BYTES)
    }

    /// The same, with every frame whole.
    ///
    /// # Panics
    /// If tcpdump is not installed or does not start.
    #[must_use]
    pub fn whole(link: &Link, name: &str, filter: &str) -> Self {
        Self::record(link, name, filter, "0")
    }

    fn record(link: &Link, name: &str, filter: &str, snap_bytes: &str) -> Self {
        let file = link.file(name);
        let mut command = link.switch().command("tcpdump");
        command
            .args([
                "-i",
                "br0",
                "-n",
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-s",
                snap_bytes,
                "-w",
            ])
            .arg(&file)
            .arg(filter);
        let mut process = Process::start(command, &link.file(&format!("{name}.log")));
        process.wait_for("listening on", Duration::from_secs(10)).expect("tcpdump starts");
        Self { process, file }
    }

    /// Stops and returns the recorded file.
    ///
    /// # Panics
    /// If tcpdump does not end.
    pub fn stop(mut self) -> PathBuf {
        self.process.signal(Signal::INT);
        self.process.wait_end(Duration::from_secs(10)).expect("tcpdump ends when it is asked to");
        self.file.clone()
    }

    /// Stops when everything that passed the switch before is in the file, and returns it. The
    /// filter must let UDP to port 67 pass: a last datagram there marks the end.
    ///
    /// # Panics
    /// If the mark does not come through, or tcpdump does not end.
    pub fn stop_complete(self, link: &Link) -> PathBuf {
        const MARK: &[u8] = b"all that matters has passed";
        let host = link.host();
        host.namespace().ip("address add 169.254.7.7/16 broadcast + dev eth0");
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let sent = host.namespace().run(|| {
                let socket = UdpSocket::bind("169.254.7.7:0")?;
                socket.set_broadcast(true)?;
                socket.send_to(MARK, "169.254.255.255:67")
            });
            sent.expect("the host has an address");
            let content = std::fs::read(&self.file).expect("the run's folder is ours");
            if content.windows(MARK.len()).any(|bytes| bytes == MARK) {
                return self.stop();
            }
            assert!(Instant::now() < deadline, "the capture does not go on");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The file, which grows while the capture runs.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

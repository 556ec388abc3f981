//! Recording what passes the switch.

use std::path::{Path, PathBuf};
use std::time::Duration;

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
                SNAP_BYTES,
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

    /// The file, which grows while the capture runs.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

//! On what machine a comparison was run, and what else it did.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// The machine's state before a comparison.
pub(crate) struct Notes {
    date: String,
    text: String,
    ticks: Ticks,
}

/// Time of all cores, in ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    all: f64,
    idle: f64,
    /// What the hypervisor gave to others.
    stolen: f64,
}

impl Notes {
    /// Looks at the machine.
    pub(crate) fn take() -> Self {
        let mut text = String::new();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models =
            cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let models: Vec<_> = models.map(|(_, model)| model).collect();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory =
            memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        let memory: u64 = memory.unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut line = |name: &str, value: &str| {
            writeln!(text, "{name:<10} {}", value.trim()).expect("a string takes everything");
        };
        line("date", &said_by("date", &["--utc", "--iso-8601=minutes"]));
        line(
            "commit",
            &said_by("git", &["-C", HERE, "describe", "--always", "--dirty", "--abbrev=10"]),
        );
        let model = models.first().copied().unwrap_or_default();
        line("machine", &format!("{} x {model}, {} GiB", models.len(), memory >> 20));
        line("kernel", &said_by("uname", &["-srv"]));
        // New namespaces take it over. Whether it paces decides which pieces suit a server.
        let congestion_control = fs::read_to_string(CONGESTION_CONTROL).unwrap_or_default();
        line("TCP", &congestion_control);
        let disk =
            said_by("df", &["--output=fstype,source", &std::env::temp_dir().to_string_lossy()]);
        let disk = disk.lines().last().unwrap_or_default();
        line("files on", &disk.split_whitespace().collect::<Vec<_>>().join(" at "));
        let query = ["-W", "-f", "${Package} ${Version}, "];
        let versions = said_by("dpkg-query", &[&query, PACKAGES].concat());
        line("packages", versions.trim_end_matches(", "));
        let unpacked = UNPACKED.iter().filter_map(|package| unpacked_version(package));
        line("unpacked", &unpacked.collect::<Vec<_>>().join(", "));
        line(
            "load",
            &format!(
                "{} (1, 5, 15 minutes, before)",
                load.split(' ').take(3).collect::<Vec<_>>().join(" ")
            ),
        );
        let date = said_by("date", &["--utc", "--iso-8601"]).trim().to_owned();
        Self { date, text, ticks: Ticks::now() }
    }

    /// The day, as ISO 8601 writes it.
    pub(crate) fn date(&self) -> String {
        self.date.clone()
    }

    /// The notes, with what happened since they were taken.
    pub(crate) fn finish(mut self) -> String {
        let now = Ticks::now();
        let all = (now.all - self.ticks.all).max(1.0);
        let stolen = (now.stolen - self.ticks.stolen) / all * 100.0;
        let idle = (now.idle - self.ticks.idle) / all * 100.0;
        writeln!(
            self.text,
            "{:<10} {stolen:.1} % stolen, {idle:.0} % idle, of all cores",
            "meanwhile"
        )
        .expect("a string takes everything");
        self.text
    }
}

impl Ticks {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let fields: Vec<f64> =
            line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let at = |index: usize| fields.get(index).copied().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guests are part of user.
        Self { all: fields.iter().take(8).sum(), idle: at(3) + at(4), stolen: at(7) }
    }
}

/// What a program prints, or nothing.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The version of a package that was only unpacked, as apt knows it.
fn unpacked_version(package: &str) -> Option<String> {
    let policy = said_by("apt-cache", &["policy", package]);
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    Some(format!("{package} {version}"))
}

/// What senders go by unless they ask for something else.
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Where this crate was built: the commit is that of its checkout.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

const PACKAGES: &[&str] = &["dnsmasq-base", "kea-dhcp4-server", "nginx-light"];
const UNPACKED: [&str; 3] = ["tftpd-hpa", "atftpd", "isc-dhcp-server"];

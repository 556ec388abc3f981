//! What a storm is told.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::units::{Words, duration, share};
use crate::client::{Journey, Options};
use crate::record::Setting;
use crate::scenario::{Mix, Ramp, Scenario};

/// What boots, and what is done to it.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Machines.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub clients: u32,

    /// What kinds of machines: `mixed` (all but edk2-autoexec; 8 % run GRUB, 2 % are Raspberry Pis,
    /// which fetch everything by TFTP), `chained` (all ways into iPXE), one of bios-pxe, edk2-pxe,
    /// edk2-autoexec, edk2-http, ipxe, grub and raspberry-pi, or a list with shares such as
    /// edk2-pxe:9,ipxe:1.
    #[arg(long, value_name = "MIX", default_value = "mixed", value_parser = mix)]
    pub profile: (String, Mix),

    /// When they are switched on: `all` at once, evenly over a time (`30s`), or rack by rack
    /// (`rack:40/2s`: 40 machines every two seconds).
    #[arg(long, default_value = "all")]
    pub ramp: Ramp,

    /// Share of frames and datagrams that get lost, each way: 0.01 or 1%. TCP is left alone.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub loss: f64,

    /// Share of machines that dawdle before each stage.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub stragglers: f64,

    /// Share of machines that fall silent somewhere, as if unplugged.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub vanish: f64,

    /// Let iPXE wait for an IPv6 router at each stage, as its builds with IPv6 do.
    #[arg(long)]
    pub ipv6: bool,

    /// How long machines work between their last image and the first request of their system.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub system_start: Duration,

    /// What started systems fetch besides what their command line names. {mac}, {mac_hyphen},
    /// {uuid}, {address}, {server} and {node_url} are filled in.
    #[arg(long, value_name = "URL", value_parser = url)]
    pub metadata: Option<String>,

    /// Where started systems report that they are up, if their command line has no `report=`.
    #[arg(long, value_name = "URL", value_parser = url)]
    pub report: Option<String>,

    /// What all that is random comes from: the same seed repeats the plan of a run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// End the run then, whatever is not done.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub limit: Duration,

    /// Processor to run on.
    #[arg(long, value_name = "NUMBER")]
    pub core: Option<usize>,

    /// Write the record of the run here, as JSON.
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// Write a report with pictures here: one page that needs nothing else.
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
}

/// `loadgen storm`.
#[derive(Debug, Args)]
#[command(after_help = "\
The interface has to be connected to the server's network, and this host has to take all leased
addresses for its own, except the server's:
  ip route add local 10.77.0.0/16 dev lo
  ip route add 10.77.0.1 dev eth0 table local
`loadgen lab` makes a network of its own where all that is done.

The exit code is 0 if every machine came up that was meant to, 1 if not, 2 if the run could not be
made.")]
pub struct StormArgs {
    /// The interface that machines are connected to.
    #[arg(long, value_name = "NAME")]
    pub interface: String,

    /// Heed no other DHCP server than this one.
    #[arg(long, value_name = "ADDRESS")]
    pub server: Option<Ipv4Addr>,

    /// Process of the server on this host, to record what it uses; can be given more than once.
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,

    /// What boots.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// `loadgen lab`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  loadgen lab --clients 10000 --html storm.html -- reveille serve --config reveille.toml
  loadgen lab --clients 100 -- dnsmasq --keep-in-foreground --conf-file=dnsmasq.conf

The server finds an eth0 with the address 10.77.0.1/16; the machines are at the other end of its
cable. Everything is gone when the command ends.")]
pub struct LabArgs {
    /// What boots.
    #[command(flatten)]
    pub fleet: FleetArgs,

    /// Processors for the server: a list such as 0,1. Unless told, all but the generator's.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub server_cores: Vec<usize>,

    /// How long the server may take until it listens for DHCP or TFTP.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub patience: Duration,

    /// Keep what the server says here.
    #[arg(long, value_name = "PATH")]
    pub log: Option<PathBuf>,

    /// The server and its arguments. It has to stay in the foreground.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

impl FleetArgs {
    /// What the machines have in common.
    #[must_use]
    pub fn journey(&self) -> Journey {
        Journey::new(Options {
            vanish: self.vanish,
            stragglers: self.stragglers,
            system_start: self.system_start,
            ipv6: self.ipv6,
            metadata: self.metadata.as_deref().map(Into::into),
            report: self.report.as_deref().map(Into::into),
            ..Options::default()
        })
    }

    /// What the run is.
    #[must_use]
    pub fn scenario(&self, interface: &str, server: Option<Ipv4Addr>, pids: &[u32]) -> Scenario {
        Scenario {
            clients: self.clients,
            mix: self.profile.1.clone(),
            ramp: self.ramp,
            loss: self.loss,
            seed: self.seed,
            limit: self.limit,
            interface: interface.to_owned(),
            server,
            pids: pids.to_vec(),
        }
    }

    /// All of it, as it would be typed.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut add = |name: &str, value: String| {
            settings.push(Setting { name: name.to_owned(), value });
        };
        add("clients", self.clients.to_string());
        add("profile", self.profile.0.clone());
        add("ramp", self.ramp.to_string());
        add("loss", self.loss.to_string());
        add("stragglers", self.stragglers.to_string());
        add("vanish", self.vanish.to_string());
        add("ipv6", self.ipv6.to_string());
        add("system-start", Words(self.system_start).to_string());
        for (name, url) in [("metadata", &self.metadata), ("report", &self.report)] {
            if let Some(url) = url {
                add(name, url.clone());
            }
        }
        add("seed", self.seed.to_string());
        add("limit", Words(self.limit).to_string());
        settings
    }
}

/// What started systems may be told to fetch.
fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("{node_url}"));
    let is_url = rest.is_some_and(|rest| !rest.starts_with('/') && !rest.contains(' '));
    if is_url && text != "http://" {
        Ok(text.to_owned())
    } else {
        Err("write a URL such as http://{server}/metadata or {node_url}metadata".to_owned())
    }
}

fn mix(text: &str) -> Result<(String, Mix), String> {
    Mix::parse(text).map(|mix| (text.to_owned(), mix))
}

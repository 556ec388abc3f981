//! The command line: what can be typed, and what its helps say.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use reveille_core::view::Pool;

use crate::explain::ExplainArgs;
use crate::leases::filter::Filter;
use crate::leases::import::Format;
use crate::site::{LogFormat, Site};

/// Where `serve` and `check` look for a configuration that nobody named.
pub const CONFIG_DEFAULT: &str = "/etc/reveille/reveille.toml";

/// Boots machines from the network: DHCP, ProxyDHCP, TFTP and HTTP in one daemon.
#[derive(Debug, Parser)]
#[command(
    name = "reveille",
    version,
    max_term_width = 100,
    after_help = "Run `reveille help boot` for a first boot without any configuration.",
    after_long_help = EXIT_STATUS
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Messages of this process.
    #[command(flatten)]
    pub log: LogArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done, or ended by a signal
  1  failed; the reason is on standard error
  2  the command line made no sense

Environment:
  REVEILLE_LOG  what is logged, over everything else: a level (error, warn, info, debug, trace)
                or a filter such as info,reveille=debug
  NO_COLOR      no colours";

/// What the program is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot every machine on a link with this kernel, without any configuration
    #[command(after_long_help = BOOT_EXAMPLES)]
    Boot(BootArgs),
    /// Serve a site as its configuration file says
    #[command(after_long_help = SERVE_NOTES)]
    Serve(ServeArgs),
    /// Check a configuration file and explain what is wrong with it
    #[command(after_long_help = CHECK_NOTES)]
    Check(CheckArgs),
    /// Say whether the server runs, whether it keeps leases, and how full its pools are
    #[command(after_long_help = STATUS_NOTES)]
    Status(StatusArgs),
    /// List who has which address, or change it
    #[command(after_long_help = LEASES_NOTES)]
    Leases(Box<LeasesArgs>),
    /// Say what a client would get, and which rule decides each part of it
    #[command(after_long_help = EXPLAIN_NOTES)]
    Explain(Box<ExplainArgs>),
    /// List what is done differently for some firmware, and why
    #[command(after_long_help = QUIRKS_NOTES)]
    Quirks(QuirksArgs),
    /// Print completions for a shell
    #[command(after_long_help = COMPLETIONS_NOTES)]
    Completions(CompletionsArgs),
}

/// Messages of this process.
#[derive(Clone, Copy, Debug, Args)]
pub struct LogArgs {
    /// Say more: -v what happens inside, -vv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 100)]
    pub verbose: u8,
    /// How messages are written [default: text, or what the configuration says]
    #[arg(long, value_enum, value_name = "FORMAT", global = true, display_order = 101)]
    pub log_format: Option<LogFormatArg>,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormatArg {
    /// Lines for people
    Text,
    /// One JSON object a line, for machines
    Json,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

const BOOT_EXAMPLES: &str = "\
The link may have a DHCP server of its own: boot programs are then offered beside its addresses
(ProxyDHCP). On a link without one, --dhcp RANGE gives addresses as well. Firmware loads iPXE
first, from the Debian package `ipxe` or from --programs; iPXE loads the kernel by HTTP.

In the command line of the kernel, {{ mac }}, {{ address }} and other gaps are filled with what is
known of each machine. A system that fetches {{ node_url }}up is reported as up:
  --cmdline 'console=ttyS0 report={{ node_url }}up'

Examples:
  A kernel with an initial RAM disk, beside the site's DHCP server:
    reveille boot vmlinuz initrd.img --cmdline \"console=ttyS0\"
  On a bench with nothing but a switch, being the DHCP server as well:
    reveille boot vmlinuz initrd.img --interface eno2 --dhcp 10.0.0.100-10.0.0.200
  In a test: end once two machines have reported, fail if they have not within five minutes:
    timeout 300 reveille boot vmlinuz initrd.img --exit-when-up 2";

/// `reveille boot`
#[derive(Clone, Debug, Args)]
pub struct BootArgs {
    /// The kernel to boot
    #[arg(value_name = "KERNEL", value_hint = ValueHint::FilePath)]
    pub kernel: PathBuf,
    /// Initial RAM disks, loaded in this order
    #[arg(value_name = "INITRD", value_hint = ValueHint::FilePath)]
    pub initrd: Vec<PathBuf>,
    /// Command line of the kernel
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub cmdline: String,
    /// The interface with the machines [default: the only one there is]
    #[arg(short, long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Our own address there, where the interface has several
    #[arg(long, value_name = "ADDRESS")]
    pub server: Option<Ipv4Addr>,
    /// Be the DHCP server and give these addresses, such as 10.0.0.100-10.0.0.200
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_pool, conflicts_with = "proxy")]
    pub dhcp: Option<Pool>,
    /// Offer boot programs beside another DHCP server (this is the default)
    #[arg(long)]
    pub proxy: bool,
    /// The default router that leases name
    #[arg(long, value_name = "ADDRESS", requires = "dhcp")]
    pub router: Option<Ipv4Addr>,
    /// A name server that leases name; may be repeated
    #[arg(long, value_name = "ADDRESS", requires = "dhcp")]
    pub dns: Vec<Ipv4Addr>,
    /// TCP port of the HTTP server
    #[arg(long, value_name = "PORT", default_value_t = 80,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub http_port: u16,
    /// A folder with boot programs (snponly.efi, undionly.kpxe, …), looked into first
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub programs: Option<PathBuf>,
    /// End successfully once this many machines have reported that they are up
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub exit_when_up: Option<u32>,
    /// Who this process becomes once its ports are open, if it was started as root
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

const SERVE_NOTES: &str = "\
Signals:
  SIGHUP           read the configuration anew; if anything is wrong with it, say so and go on
                   with the old one. Running transfers keep their files.
  SIGTERM, SIGINT  take no new work, let running transfers end (a minute at most), then end;
                   a second one ends at once

Files below the images' root may be added and replaced at any time: replace them by renaming,
so that no machine gets half of a new one.

Examples:
  reveille serve
  reveille serve --config /srv/boot/reveille.toml --user reveille --log-format json";

/// `reveille serve`
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT,
          value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Who this process becomes once its ports are open, if it was started as root
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

const EXPLAIN_NOTES: &str = "\
The DHCP engine itself is asked, with the configuration as it is now and the leases of the server
that runs, or of its store. Nothing is sent and nothing changes.

Exit status:
  0  there would be an answer (to one message of a capture, at least)
  1  there would be none; the reason is told
  2  the question, the configuration or the capture makes no sense

Examples:
  reveille explain --mac 52:54:00:12:34:56 --firmware uefi
  reveille explain --mac 52:54:00:12:34:56 --firmware ipxe --arch arm64-uefi --relay 10.1.0.1
  reveille explain --mac 52:54:00:12:34:56 --vendor-class MSFT\\ 5.0 --ask 1,3,6,15,121
  tcpdump -i eth1 -w boot.pcap 'port 67 or port 4011'; reveille explain --pcap boot.pcap";

const QUIRKS_NOTES: &str = "\
A configuration adds to the list, replaces or switches off parts of it:
  [[quirk]]
  name    = \"rack-7\"
  match   = { mac = \"52:54:00\" }
  effects = [\"force-broadcast\"]

Examples:
  reveille quirks
  reveille quirks /etc/reveille/reveille.toml";

/// `reveille quirks`
#[derive(Clone, Debug, Args)]
pub struct QuirksArgs {
    /// The configuration file; without one: what is built in
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

const CHECK_NOTES: &str = "\
Opens no port and changes nothing. Exit status 0 means that `reveille serve` would start with
this file here and now, as far as the file decides.

Examples:
  reveille check
  reveille check ./reveille.toml && systemctl reload reveille";

/// `reveille check`
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = CONFIG_DEFAULT, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// The same, as `serve` takes it
    #[arg(short = 'c', long = "config", value_name = "FILE", hide = true,
          conflicts_with = "config", value_hint = ValueHint::FilePath)]
    pub config_option: Option<PathBuf>,
}

impl CheckArgs {
    /// The file, in whichever way it was given.
    pub fn file(&self) -> &PathBuf {
        self.config_option.as_ref().unwrap_or(&self.config)
    }
}

/// Which server is meant: the one of a configuration, or the one of a state directory.
#[derive(Clone, Debug, Args)]
pub struct StateArgs {
    /// The configuration file of the server
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT, global = true,
          value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Its state directory, where the configuration does not say it
    #[arg(long, value_name = "FOLDER", global = true, value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

impl StateArgs {
    /// The state directory.
    pub fn directory<'s>(&'s self, site: &'s Site) -> &'s Path {
        self.state_dir.as_deref().unwrap_or_else(|| site.state.directory())
    }
}

const STATUS_NOTES: &str = "\
Exit status:
  0  it runs, and leases are kept (or live in memory because the configuration says so)
  1  it does not run, or cannot be asked
  2  it runs and cannot keep leases: no machine is given a new address

Examples:
  reveille status
  reveille status --json | jq .networks";

/// `reveille status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Which server.
    #[command(flatten)]
    pub place: StateArgs,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

const LEASES_NOTES: &str = "\
Asks the server that runs, or reads its store where none does.

Examples:
  reveille leases
  reveille leases --subnet 10.20.0.0/24 --expires-within 10m
  reveille leases --mac 0c:c4:7a --format json
  reveille leases --format csv > backup.csv
  reveille leases release 10.20.1.17
  reveille leases import --from isc --dry-run /var/lib/dhcp/dhcpd.leases";

/// `reveille leases`
#[derive(Clone, Debug, Args)]
pub struct LeasesArgs {
    /// Which server.
    #[command(flatten)]
    pub place: StateArgs,
    /// Which leases.
    #[command(flatten)]
    pub filter: Filter,
    /// How they are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub format: ListFormat,
    /// Something else than a list.
    #[command(subcommand)]
    pub command: Option<LeasesCommand>,
}

/// What can be done with leases.
#[derive(Clone, Debug, Subcommand)]
pub enum LeasesCommand {
    /// Take an address from whoever has it; the client is not told
    Release {
        /// The address
        address: Ipv4Addr,
    },
    /// Take over the leases of another server, while ours does not run
    #[command(after_long_help = IMPORT_NOTES)]
    Import(ImportArgs),
    /// Make a new store of what is whole in a damaged one, while the server does not run
    Repair,
}

/// How leases are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Columns for people
    Table,
    /// A list of objects, each on a line of its own
    Json,
    /// Values with commas between them; can be imported again
    Csv,
}

const IMPORT_NOTES: &str = "\
Addresses outside the networks of the configuration are skipped, and so are clients without an
Ethernet address and addresses that our own leases say something newer about. Every one that is
skipped is told with its line.

Examples:
  reveille leases import --from isc --dry-run /var/lib/dhcp/dhcpd.leases
  reveille leases import --from dnsmasq /var/lib/misc/dnsmasq.leases
  reveille leases import --from kea /var/lib/kea/kea-leases4.csv.2 /var/lib/kea/kea-leases4.csv
  reveille leases import --from reveille backup.csv";

/// `reveille leases import`
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Whose file it is
    #[arg(long, value_enum, value_name = "SERVER")]
    pub from: Format,
    /// Say what would be taken, and take nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The files, oldest first
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

const COMPLETIONS_NOTES: &str = "\
Examples:
  reveille completions bash > /usr/share/bash-completion/completions/reveille
  reveille completions zsh > /usr/local/share/zsh/site-functions/_reveille
  reveille completions fish > ~/.config/fish/completions/reveille.fish";

/// `reveille completions`
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Reads `10.0.0.100-10.0.0.200`; the last address may be cut to its last number.
fn parse_pool(text: &str) -> Result<Pool, String> {
    let usage = || "expected a range of addresses, such as 10.0.0.100-10.0.0.200".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(usage)?;
    let (first, last) = (first.trim(), last.trim());
    let first: Ipv4Addr = first.parse().map_err(|_| usage())?;
    let last: Ipv4Addr = match last.parse::<u8>() {
        Ok(number) => {
            let [a, b, c, _] = first.octets();
            Ipv4Addr::new(a, b, c, number)
        }
        Err(_) => last.parse().map_err(|_| usage())?,
    };
    if first > last {
        return Err(format!("{first} comes after {last}: the lower address goes first"));
    }
    Ok(Pool::new(first, last))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words.split_whitespace())
    }

    fn error(words: &str) -> ErrorKind {
        parse(words).unwrap_err().kind()
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_kernel_is_all_that_boot_needs() {
        let cli = parse("reveille boot vmlinuz").unwrap();
        let Command::Boot(boot) = cli.command else { panic!("it is a boot") };
        assert_eq!(boot.kernel, PathBuf::from("vmlinuz"));
        assert!(boot.initrd.is_empty() && boot.dhcp.is_none() && boot.interface.is_none());
        assert_eq!(boot.http_port, 80);
    }

    #[test]
    fn everything_else_may_be_said() {
        let cli = parse(
            "reveille boot k a b --cmdline=-x -i eno1 --dhcp 10.0.0.100-200 --router 10.0.0.1 \
             --dns 10.0.0.2 --dns 10.0.0.3 --http-port 8080 --exit-when-up 2 -vv --log-format json",
        )
        .unwrap();
        assert_eq!(cli.log.verbose, 2);
        let Command::Boot(boot) = cli.command else { panic!("it is a boot") };
        assert_eq!(boot.initrd.len(), 2);
        assert_eq!(boot.cmdline, "-x");
        let pool = boot.dhcp.unwrap();
        assert_eq!((pool.first.to_string(), pool.size()), ("10.0.0.100".to_owned(), 101));
        assert_eq!((boot.dns.len(), boot.http_port, boot.exit_when_up), (2, 8080, Some(2)));
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(error("reveille boot"), ErrorKind::MissingRequiredArgument);
        assert_eq!(error("reveille boot k --proxy --dhcp 10.0.0.1-2"), ErrorKind::ArgumentConflict);
        assert_eq!(error("reveille boot k --router 10.0.0.1"), ErrorKind::MissingRequiredArgument);
        assert_eq!(error("reveille boot k --http-port 0"), ErrorKind::ValueValidation);
        assert_eq!(error("reveille bot k"), ErrorKind::InvalidSubcommand);
    }

    #[test]
    fn ranges_are_explained() {
        for (text, words) in [
            ("10.0.0.100", "expected a range"),
            ("10.0.0.100-", "expected a range"),
            ("10.0.0.9-10.0.0.1", "10.0.0.9 comes after 10.0.0.1"),
            ("10.0.0.9-300", "expected a range"),
        ] {
            let error = parse_pool(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn check_takes_its_file_either_way() {
        for words in ["reveille check a.toml", "reveille check --config a.toml"] {
            let Command::Check(check) = parse(words).unwrap().command else { panic!("{words}") };
            assert_eq!(check.file(), &PathBuf::from("a.toml"));
        }
        let Command::Check(check) = parse("reveille check").unwrap().command else { panic!() };
        assert_eq!(check.file(), &PathBuf::from(CONFIG_DEFAULT));
    }
}

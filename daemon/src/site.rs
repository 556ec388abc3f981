//! What is meant: a site as its operator describes it, before it meets a host.
//!
//! Plain data. It comes from a file ([`crate::config`]) or from a command line, and whatever is
//! left out stays left out here: [`crate::view::build`] finds it out or takes the default.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;
use reveille_core::mac::MacAddr;
use reveille_core::rate::Rates;
use reveille_core::view::{DhcpMode, Effects, Loader, MatchRule, Menu, Pool, QuirkRule};
use reveille_core::wire::pxe::{ArchType, Uuid};

use crate::store::directory::STATE_DEFAULT;

/// A site: networks, files, and who boots what. The default serves TFTP, HTTP and ProxyDHCP on
/// the only interface, and boots nothing until a profile says what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The networks served. Empty: the one that this host is attached to.
    pub networks: Vec<SiteNetwork>,
    /// Where files come from.
    pub images: ImagesConfig,
    /// Where boot programs come from.
    pub programs: ProgramsConfig,
    /// What machines boot; the first that matches wins.
    pub profiles: Vec<SiteProfile>,
    /// Machines known one by one.
    pub machines: Vec<SiteMachine>,
    /// What is done differently for some firmware.
    pub quirks: Vec<SiteQuirk>,
    /// What PXE firmware asks the person at the machine.
    pub menu: Option<Menu>,
    /// The TFTP server.
    pub tftp: TftpConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Event loops, each on a processor of its own. `None`: one for each processor.
    pub shards: Option<u16>,
    /// Messages.
    pub log: LogConfig,
    /// What outlives the process.
    pub state: StateConfig,
}

impl Site {
    /// Number of event loops.
    pub fn shard_count(&self) -> NonZeroUsize {
        let shards = self.shards.and_then(|shards| NonZeroUsize::new(usize::from(shards)));
        shards.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}

/// An IPv4 network. Whatever is `None` is found out from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteNetwork {
    /// The interface it is reached by.
    pub interface: Option<String>,
    /// Its prefix.
    pub subnet: Option<Ipv4Net>,
    /// Our own address in it, as its clients reach it.
    pub server: Option<Ipv4Addr>,
    /// What we do for DHCP. `None`: a server if there is a pool, else a proxy.
    pub dhcp: Option<DhcpMode>,
    /// Addresses to give.
    pub pools: Vec<Pool>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// How long an address is lent. `None`: [`LEASE_DEFAULT`].
    pub lease: Option<Duration>,
    /// Relay agents that speak for this network. Empty: it is attached directly.
    pub relays: Vec<Ipv4Addr>,
    /// Whether clients with an address from elsewhere are refused. `None`: yes for a server.
    pub authoritative: Option<bool>,
    /// Whether clients of BOOTP get addresses from the pools, which never come back.
    pub bootp: bool,
    /// Whether to spare iPXE its wait for IPv6 by an empty router advertisement. `None`: yes,
    /// unless this host is an IPv6 router.
    pub advertise: Option<bool>,
}

/// A quirk of firmware: a new one, or one that is built in, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteQuirk {
    /// Its name.
    pub name: String,
    /// Why it is needed.
    pub reason: String,
    /// Whom it is for.
    pub rule: QuirkRule,
    /// What is done differently.
    pub effects: Effects,
    /// `false` switches off the one that is built in.
    pub enabled: bool,
}

/// Short, so that a mass reboot of machines that ask under several names does not drain a pool.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// The shortest lease: less than the time in which firmware loads a kernel makes no sense.
pub const LEASE_MIN: Duration = Duration::from_secs(2 * 60);

/// The longest lease that is not a slip of the pen.
pub const LEASE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where files come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagesConfig {
    /// A folder whose files are served under their names relative to it.
    pub root: Option<PathBuf>,
}

/// A file and the name that clients know it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// Normalised: no leading slash, `/` between parts.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Where boot programs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramsConfig {
    /// Folders to look into before those of the system's packages.
    pub folders: Vec<PathBuf>,
    /// Programs named one by one; they win over what is found.
    pub overrides: Vec<ProgramOverride>,
}

/// A boot program that the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramOverride {
    /// What it is.
    pub loader: Loader,
    /// The architectures it is for.
    pub archs: Vec<ArchType>,
    /// Where it is.
    pub path: PathBuf,
}

/// What a group of machines boots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteProfile {
    /// Its name.
    pub name: String,
    /// Whom it is for; the default is everybody.
    pub rule: MatchRule,
    /// The program that loads the kernel.
    pub loader: Loader,
    /// The kernel: a name below the images' root, or an absolute path.
    pub kernel: Option<String>,
    /// Initial RAM disks, loaded in this order; named like the kernel.
    pub initrd: Vec<String>,
    /// The kernel's command line, a template.
    pub cmdline: String,
    /// The operator's own iPXE script instead of the generated one.
    pub ipxe: Option<Script>,
    /// The operator's own pxelinux configuration.
    pub pxelinux: Option<Script>,
    /// The operator's own GRUB configuration.
    pub grub: Option<Script>,
    /// Values for templates.
    pub vars: Vec<(String, String)>,
}

/// A text that the operator wrote for a loader, a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The text.
    pub text: String,
    /// The file it was read from, if it was.
    pub path: Option<PathBuf>,
}

/// A machine that the site knows by name. Any of MAC address, UUID and serial number finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteMachine {
    /// Link-layer addresses.
    pub macs: Vec<MacAddr>,
    /// SMBIOS UUID.
    pub uuid: Option<Uuid>,
    /// SMBIOS serial number.
    pub serial: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Its fixed address.
    pub address: Option<Ipv4Addr>,
    /// Name of its profile, instead of the first that matches.
    pub profile: Option<String>,
    /// Values for templates; they win over those of the profile.
    pub vars: Vec<(String, String)>,
}

/// The TFTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpConfig {
    /// UDP port.
    pub port: u16,
    /// Largest block in bytes.
    pub block_bytes_max: u16,
    /// Most blocks in one window.
    pub window_blocks_max: u16,
    /// Whether transfers are answered from the server's own port instead of ephemeral ones.
    pub single_port: bool,
    /// How fast files go out: all together, and to each client.
    pub rates: Rates,
}

impl Default for TftpConfig {
    fn default() -> Self {
        let policy = reveille_core::view::TftpPolicy::default();
        Self {
            port: 69,
            block_bytes_max: policy.block_bytes_max,
            window_blocks_max: policy.window_blocks_max,
            single_port: false,
            rates: Rates::default(),
        }
    }
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// TCP port.
    pub port: u16,
    /// How fast files go out: all together, and to each client.
    pub rates: Rates,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { port: 80, rates: Rates::default() }
    }
}

/// Messages to the operator; the command line overrides these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Which: a level, or a filter such as `info,reveille=debug`. `None`: `info`.
    pub filter: Option<String>,
    /// How they are written.
    pub format: LogFormat,
}

/// What outlives the process, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The state directory. `None`: [`STATE_DEFAULT`](crate::store::directory::STATE_DEFAULT).
    pub dir: Option<PathBuf>,
    /// Whether a lease is on stable storage before its client hears of it.
    pub durable: bool,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { dir: None, durable: true }
    }
}

impl StateConfig {
    /// The state directory.
    pub fn directory(&self) -> &Path {
        self.dir.as_deref().unwrap_or(Path::new(STATE_DEFAULT))
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Site {
    /// Files that profiles name by absolute path, with the names under which they are served.
    /// Whoever fills the catalogue adds them to the files below [`ImagesConfig::root`]. Those
    /// that are not there are left out: the view blames them where they are named.
    pub fn named_files(&self) -> Vec<NamedFile> {
        let mut files: Vec<NamedFile> = self
            .profiles
            .iter()
            .flat_map(|profile| profile.kernel.iter().chain(&profile.initrd))
            .filter(|file| file.starts_with('/') && Path::new(file).exists())
            .map(|file| NamedFile { name: self.catalogue_name(file), path: PathBuf::from(file) })
            .collect();
        files.sort();
        files.dedup();
        files
    }

    /// The name in the catalogue of a file that a profile names: itself below the root, else
    /// `files/` and its absolute path.
    pub fn catalogue_name(&self, file: &str) -> String {
        let below_root = self.images.root.as_ref().and_then(|root| {
            Path::new(file).strip_prefix(root).ok().and_then(|path| path.to_str())
        });
        let name = match below_root {
            Some(name) => name.to_owned(),
            None if file.starts_with('/') => format!("files{file}"),
            None => file.to_owned(),
        };
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        parts.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_names_below_the_root_or_under_their_whole_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = folder.path().join("vmlinuz");
        std::fs::write(&there, "kernel").expect("a file");
        let path = there.to_str().expect("text").to_owned();
        let profile = SiteProfile {
            kernel: Some(path.clone()),
            initrd: vec!["debian//initrd.img".to_owned(), "/no/such/file".to_owned()],
            ..SiteProfile::default()
        };
        let mut site = Site { profiles: vec![profile], ..Site::default() };
        let named = |name: &str| vec![NamedFile { name: name.to_owned(), path: there.clone() }];
        assert_eq!(site.named_files(), named(&format!("files{path}")));
        assert_eq!(site.catalogue_name("debian//./initrd.img"), "debian/initrd.img");
        site.images.root = Some(folder.path().to_owned());
        assert_eq!(site.named_files(), named("vmlinuz"));
    }
}

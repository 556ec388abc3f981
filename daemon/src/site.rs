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
use reveille_core::view::{
    AttachmentKey, Condition, DhcpMode, Effects, LeaseTerms, Loader, MatchRule, Menu, OptionValue,
    Pool, QuirkRule, Subnet,
};
use reveille_core::wire::pxe::{ArchType, Uuid};

use crate::problem::Place;

use crate::store::directory::STATE_DEFAULT;

/// A site: networks, files, and who boots what. The default serves TFTP, HTTP and ProxyDHCP on
/// the only interface, and boots nothing until a profile says what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The networks served. Empty: the one that this host is attached to.
    pub networks: Vec<SiteNetwork>,
    /// Groups of clients; where two say something, the first is right.
    pub classes: Vec<SiteClass>,
    /// Options for all clients.
    pub options: Vec<OptionValue>,
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
    /// The shared network that it belongs to: those of one name are on one link.
    pub shared: Option<String>,
    /// Addresses to give.
    pub pools: Vec<SitePool>,
    /// Addresses in the pools that are not to be given.
    pub exclude: Vec<Pool>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// How long an address is lent. `None`: [`LEASE_DEFAULT`].
    pub lease: LeaseTerms,
    /// When clients renew, in thousandths of the lease. `None`: 500.
    pub renewal_permille: Option<u16>,
    /// When clients ask any server, likewise. `None`: 875.
    pub rebinding_permille: Option<u16>,
    /// Options for the clients of the network.
    pub options: Vec<OptionValue>,
    /// Relay agents that speak for this network. Empty: it is attached directly.
    pub relays: Vec<Subnet>,
    /// Whether clients with an address from elsewhere are refused. `None`: yes for a server.
    pub authoritative: Option<bool>,
    /// Whether clients of BOOTP get addresses from the pools, which never come back.
    pub bootp: bool,
    /// Whether only machines that the site knows are served. `None`: no.
    pub known_only: Option<bool>,
    /// Whether to ask, beside an offer, whether somebody uses the address. `None`: yes.
    pub conflict_check: Option<bool>,
    /// Open offers that one port behind a relay agent may have. `None`: a part of the pools.
    pub offers_per_port: Option<u32>,
    /// DHCP servers of others that are meant to be here.
    pub other_servers: Vec<Ipv4Addr>,
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

/// Addresses that are given on the same terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePool {
    /// The addresses.
    pub range: Pool,
    /// The class whose members get them. `None`: everybody.
    pub class: Option<String>,
    /// How long they are lent, if not as the network says.
    pub lease: LeaseTerms,
    /// Options for clients that have one of them.
    pub options: Vec<OptionValue>,
}

impl From<Pool> for SitePool {
    fn from(range: Pool) -> Self {
        Self { range, class: None, lease: LeaseTerms::default(), options: Vec::new() }
    }
}

impl SitePool {
    /// Whether the pool is like any other of its network.
    pub fn is_plain(&self) -> bool {
        *self == Self::from(self.range)
    }
}

/// A group of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteClass {
    /// Its name.
    pub name: String,
    /// Who belongs to it.
    pub rule: SiteCondition,
    /// Whether its members get no answer.
    pub denied: bool,
    /// How long addresses are lent to its members.
    pub lease: LeaseTerms,
    /// Options for its members.
    pub options: Vec<OptionValue>,
}

/// A [`Condition`] in which classes have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteCondition {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A member of the class of this name, said at this place.
    Class(String, Place),
    /// What needs no names.
    Is(Condition),
}

/// Short, so that a mass reboot of machines that ask under several names does not drain a pool.
pub const LEASE_DEFAULT: Duration = reveille_core::view::LEASE_DEFAULT;

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

/// A machine that the site knows by name. Any of what it is known by finds it.
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
    /// Client identifier (option 61), as it is on the wire.
    pub client_id: Option<Vec<u8>>,
    /// Where relay agents find it.
    pub attachment: Option<AttachmentKey>,
    /// Its fixed addresses, one in a network.
    pub addresses: Vec<Ipv4Addr>,
    /// Name of its profile, instead of the first that matches.
    pub profile: Option<String>,
    /// Values for templates; they win over those of the profile.
    pub vars: Vec<(String, String)>,
    /// How long addresses are lent to it.
    pub lease: LeaseTerms,
    /// Options for it.
    pub options: Vec<OptionValue>,
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

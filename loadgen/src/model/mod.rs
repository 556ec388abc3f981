//! What differs between machines, as data: the timers and habits of their firmware.
//!
//! Numbers come from the firmware's sources (iPXE, edk2, GRUB), from the PXE specification 2.1
//! and, where there is no source, from captures.

mod firmware;
mod loader;

use crate::time::Duration;

pub use firmware::{BIOS_PXE, EDK2_AUTOEXEC, EDK2_HTTP, EDK2_PXE, GRUB, IPXE, RASPBERRY_PI};
pub(crate) use loader::{
    AUTOEXEC_TFTP, GRUB_HTTP, GRUB_PROBES, GRUB_TFTP, IPXE_FEATURES, IPXE_HTTP, IPXE_TFTP,
    SHIM_PROBES, SHIM_TFTP, SYSTEM_HTTP,
};

/// How long iPXE waits for an IPv6 router before it fetches anything.
pub const ROUTER_PATIENCE: Duration = Duration::from_secs(13);

/// A kind of machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// What people call it.
    pub name: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// How its firmware asks for an address.
    pub(crate) dhcp: &'static DhcpHabits,
    /// How its firmware fetches files that have no URL.
    pub(crate) tftp: &'static TftpHabits,
    /// How its firmware fetches URLs.
    pub(crate) http: &'static HttpHabits,
    /// What its firmware starts.
    pub(crate) loader: Loader,
    /// What its SMBIOS UUID begins with, where that tells its kind.
    pub(crate) uuid_prefix: &'static [u8],
}

/// What a firmware starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// The firmware is iPXE: it runs scripts itself.
    Itself,
    /// iPXE, which asks for an address again; first it may look for `autoexec.ipxe` beside itself.
    Ipxe { dhcp: &'static DhcpHabits, autoexec: bool },
    /// shim if the file is called so, then GRUB.
    Grub,
    /// The Pi's own files, from the root of the server.
    RaspberryPi,
}

/// How a DHCP client asks, waits and chooses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DhcpHabits {
    /// Whether it is iPXE: takes offers and ProxyDHCP as iPXE does, not as PXE ROMs do.
    pub(crate) is_ipxe: bool,
    /// Option 60.
    pub(crate) class: &'static str,
    /// Option 93.
    pub(crate) arch: u16,
    /// Option 94.
    pub(crate) ndi: [u8; 3],
    /// Option 55.
    pub(crate) parameters: &'static [u8],
    /// Option 57.
    pub(crate) size_max: u16,
    /// Which options in which order.
    pub(crate) order: &'static [u8],
    /// Whether it asks for broadcast answers.
    pub(crate) broadcast: bool,
    /// Whether it wants a URL for HTTP Boot.
    pub(crate) wants_url: bool,
    /// Whether it waits for more offers until its window ends.
    pub(crate) collects: bool,
    /// Whether an answer without a boot file is no use.
    pub(crate) needs_file: bool,
    /// Whether it understands options in `file` and `sname`.
    pub(crate) overloads: bool,
    /// Waits after each DISCOVER, in milliseconds; after the last it gives up.
    pub(crate) discover_ms: &'static [u32],
    /// Waits after each REQUEST.
    pub(crate) request_ms: &'static [u32],
    /// How much a wait may be shorter or longer.
    pub(crate) jitter_ms: u32,
    /// Waits after each request to port 4011.
    pub(crate) proxy_ms: &'static [u32],
    /// From which port it asks port 4011.
    pub(crate) proxy_port: u16,
}

/// How a TFTP client asks and waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TftpHabits {
    /// Option `blksize`; 512 is not asked for.
    pub(crate) block_bytes: u16,
    /// Option `windowsize`; 1 is not asked for.
    pub(crate) window: u16,
    /// Whether it asks for the size in a transfer of its own first, which it ends with this error.
    pub(crate) probe: Option<u16>,
    /// Whether `blksize` stands before `tsize`.
    pub(crate) block_first: bool,
    /// Whether it asks for the size along with the file.
    pub(crate) asks_size: bool,
    /// Whether it refuses answers without the size.
    pub(crate) needs_size: bool,
    /// First wait.
    pub(crate) wait_ms: u32,
    /// How the wait changes from try to try.
    pub(crate) growth: Growth,
    /// How often it sends the same packet again.
    pub(crate) retries_max: u16,
    /// Whether it repeats acknowledgements; otherwise it leaves that to the server.
    pub(crate) repeats_acks: bool,
    /// For how long it tries one file at most, in milliseconds; zero for no limit.
    pub(crate) limit_ms: u32,
}

/// How a wait changes from try to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Not at all.
    None,
    /// Twice as long each time, also for the packets after that, and shorter again with every
    /// answer (iPXE).
    Adaptive,
    /// Twice as long each time.
    Double,
    /// So many milliseconds longer each time.
    Add(u32),
}

/// How an HTTP client asks and waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpHabits {
    /// `User-Agent`.
    pub(crate) agent: &'static str,
    /// Whether `Host` has the port.
    pub(crate) port_in_host: bool,
    /// Whether it keeps connections.
    pub(crate) keeps: bool,
    /// Whether it asks for the head first.
    pub(crate) head_first: bool,
    /// How long it waits for the next bytes.
    pub(crate) stall_ms: u32,
    /// How often it asks again after a connection broke or fell silent.
    pub(crate) retries_max: u16,
    /// Before each.
    pub(crate) retry_ms: u32,
    /// Whether it obeys `Retry-After`.
    pub(crate) obeys: bool,
}

/// All kinds of machines.
pub static MODELS: [&Model; 7] =
    [&BIOS_PXE, &EDK2_PXE, &EDK2_AUTOEXEC, &EDK2_HTTP, &IPXE, &GRUB, &RASPBERRY_PI];

impl Model {
    /// The kind of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        MODELS.into_iter().find(|model| model.name == name)
    }

    /// Whether its firmware is UEFI.
    pub(crate) const fn is_efi(&self) -> bool {
        self.dhcp.arch != 0
    }
}

/// A mix of machines.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// What people call it.
    pub name: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// Kinds and their shares, relative to the sum of all.
    pub shares: &'static [(&'static Model, u32)],
}

/// All mixes. Besides these, each model makes a mix of its own name.
pub static PROFILES: [&Profile; 2] = [&MIXED, &CHAINED];

/// A data centre in the middle of its life.
pub static MIXED: Profile = Profile {
    name: "mixed",
    about: "a data centre in the middle of its life",
    shares: &[
        (&EDK2_PXE, 50),
        (&BIOS_PXE, 20),
        (&EDK2_HTTP, 10),
        (&IPXE, 10),
        (&GRUB, 8),
        (&RASPBERRY_PI, 2),
    ],
};

/// Machines that a server needs no files for besides iPXE, a kernel and RAM disks.
pub static CHAINED: Profile = Profile {
    name: "chained",
    about: "every way into iPXE, without GRUB and Raspberry Pis",
    shares: &[(&EDK2_PXE, 55), (&BIOS_PXE, 20), (&EDK2_HTTP, 15), (&IPXE, 10)],
};

//! What is wrong with a boot, told from what happened and from what did not.

use std::fmt;
use std::time::Duration;

use reveille_core::wire::pxe::ArchType;

use super::stage::Stage;
use crate::arch;

/// A finding about one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnosis {
    /// A proxy offer went out, and the machine never asked any server for an address.
    NoDhcpServer,
    /// A proxy offer went out and the machine never came back for it.
    ProxyOfferIgnored,
    /// An address was offered and the machine never asked for it.
    OfferIgnored,
    /// It knows its boot file and does not fetch it.
    NothingFetched,
    /// Its boot program arrived, and then nothing more was heard.
    ProgramSilent,
    /// Its script arrived, and it fetches nothing of what stands in it.
    ScriptSilent,
    /// Every address of its network is taken.
    PoolExhausted,
    /// There is no boot program for what it is.
    NoBootProgram {
        /// What it is.
        arch: Option<ArchType>,
    },
}

impl Diagnosis {
    /// The finding in a word or two, for the front of a line and for counting.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ProxyOfferIgnored | Self::OfferIgnored => "no answer",
            Self::NothingFetched => "no request",
            Self::NoDhcpServer => "no server",
            Self::ProgramSilent | Self::ScriptSilent => "silent",
            Self::PoolExhausted => "no address",
            Self::NoBootProgram { .. } => "no program",
        }
    }

    /// What can be done about it.
    pub const fn help(self) -> &'static str {
        match self {
            Self::NoDhcpServer => {
                "be the DHCP server of this link (--dhcp RANGE, or dhcp = \"server\" and a pool), \
                 or see why the one there is does not answer"
            }
            Self::ProxyOfferIgnored => {
                "some firmware never joins the offers of two servers: be its DHCP server as well \
                 (--dhcp RANGE, or dhcp = \"server\"); and see whether a firewall drops UDP port \
                 4011 or another PXE service answers first"
            }
            Self::OfferIgnored => {
                "it took the offer of another DHCP server, or ours does not reach it: look for a \
                 second server on this link, and at the switch port (spanning tree, VLAN)"
            }
            Self::NothingFetched => {
                "see whether a firewall on this host or on the way drops UDP port 69 and the \
                 ports above 1024 for TFTP, or TCP for HTTP"
            }
            Self::ProgramSilent => {
                "with Secure Boot on, firmware runs signed programs only; or the program does not \
                 fit the machine's firmware or network card"
            }
            Self::ScriptSilent => {
                "its console says why; perhaps the script has an error, or HTTP does not reach \
                 this host"
            }
            Self::PoolExhausted => "make the pool larger or the leases shorter",
            Self::NoBootProgram { arch } => match arch {
                None
                | Some(
                    ArchType::X86_BIOS
                    | ArchType::X86_BIOS_HTTP
                    | ArchType::X64_UEFI
                    | ArchType::X64_UEFI_HTTP
                    | ArchType::EBC
                    | ArchType::EBC_HTTP,
                ) => {
                    "install the package ipxe, or name a folder with a boot program for it: \
                     --programs FOLDER, or folders under [programs]"
                }
                Some(_) => {
                    "Debian's package ipxe has none: build one, and name its folder: \
                     --programs FOLDER, or folders under [programs]"
                }
            },
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDhcpServer => {
                f.write_str("no DHCP server on this link seems to give it an address")
            }
            Self::ProxyOfferIgnored => {
                f.write_str("was offered a boot program and did not come back for it")
            }
            Self::OfferIgnored => f.write_str("was offered an address and did not ask for it"),
            Self::NothingFetched => f.write_str("knows its boot file and does not fetch it"),
            Self::ProgramSilent => f.write_str("loaded its boot program and fell silent"),
            Self::ScriptSilent => f.write_str("loaded its script and fetches nothing it names"),
            Self::PoolExhausted => f.write_str("no address is left for it"),
            Self::NoBootProgram { arch: Some(arch) } => {
                write!(f, "there is no boot program for {}", arch::label(*arch))
            }
            Self::NoBootProgram { arch: None } => {
                f.write_str("did not say what it is, and there is no boot program for it")
            }
        }
    }
}

/// What a machine should do next, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// The finding if it does not.
    pub(super) otherwise: Diagnosis,
    /// How long to wait.
    pub(super) patience: Duration,
}

impl Expectation {
    /// What should follow the completion of `stage`; nothing where silence means nothing.
    pub(super) const fn after(stage: Stage) -> Option<Self> {
        let (otherwise, seconds) = match stage {
            // edk2 listens 4 s for offers, then 8, then 16; others ask at once.
            Stage::Offer => (Diagnosis::OfferIgnored, 35),
            Stage::Ack => (Diagnosis::NothingFetched, 30),
            // iPXE may wait a minute for its link; Secure Boot's refusal is at once.
            Stage::BootProgram => (Diagnosis::ProgramSilent, 75),
            Stage::Script => (Diagnosis::ScriptSilent, 60),
            Stage::Discover | Stage::File | Stage::Kernel | Stage::Initrd | Stage::Up => {
                return None;
            }
        };
        Some(Self { otherwise, patience: Duration::from_secs(seconds) })
    }

    /// What should follow a proxy offer.
    pub(super) const fn after_proxy_offer() -> Self {
        Self { otherwise: Diagnosis::ProxyOfferIgnored, patience: Duration::from_secs(35) }
    }

    /// The same, once it is known whether the machine asks for an address at all.
    pub(super) fn knowing(self, has_requested: bool) -> Self {
        if has_requested || self.otherwise != Diagnosis::ProxyOfferIgnored {
            return self;
        }
        // edk2 chooses among the offers of its first window after 4 s, or after 8 s more.
        Self { otherwise: Diagnosis::NoDhcpServer, patience: Duration::from_secs(14) }
    }

    /// The longest patience there is: nobody has to look at machines silent for longer.
    pub(super) const LONGEST: Duration = Duration::from_secs(75);
}

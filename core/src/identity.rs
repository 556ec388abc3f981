//! Who is asking: what any protocol learned about a machine, in one form.

use crate::mac::MacAddr;
use crate::text::Text;
use crate::view::MachineId;
use crate::wire::pxe::{ArchType, Uuid};

/// A fact of the machine's firmware tables (SMBIOS), made harmless.
pub type Fact = Text<64>;

/// What a request told about the machine behind it. Claims, not proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Link-layer address.
    pub mac: Option<MacAddr>,
    /// SMBIOS UUID in canonical byte order, as far as the sender kept to it: lookups try both.
    pub uuid: Option<Uuid>,
    /// SMBIOS serial number.
    pub serial: Option<Fact>,
    /// SMBIOS product name.
    pub product: Option<Fact>,
    /// SMBIOS manufacturer.
    pub manufacturer: Option<Fact>,
    /// Processor architecture and firmware interface.
    pub arch: Option<ArchType>,
    /// The machine of the view that it is if nothing else here tells, as a protocol found out
    /// otherwise. Not to be kept: a reload numbers machines anew.
    pub machine: Option<MachineId>,
    /// Which program speaks.
    pub firmware: Firmware,
}

/// The program that speaks for a machine at this stage of its boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Firmware {
    /// A PXE option ROM or UEFI PXE: loads by TFTP.
    Pxe,
    /// UEFI HTTP Boot.
    HttpBoot,
    /// iPXE: loads by HTTP, runs scripts.
    Ipxe,
    /// U-Boot.
    UBoot,
    /// A Raspberry Pi's boot ROM, which calls itself an x86 PXE client.
    RaspberryPi,
    /// An operating system or its initramfs: wants an address only.
    #[default]
    System,
}

impl Firmware {
    /// All programs, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Pxe, Self::HttpBoot, Self::Ipxe, Self::UBoot, Self::RaspberryPi, Self::System];

    /// As logs and timelines print it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pxe => "PXE",
            Self::HttpBoot => "HTTP Boot",
            Self::Ipxe => "iPXE",
            Self::UBoot => "U-Boot",
            Self::RaspberryPi => "Raspberry Pi",
            Self::System => "system",
        }
    }
}

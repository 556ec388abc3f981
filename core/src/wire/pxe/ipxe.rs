//! Options 77 and 175: how iPXE says that it is iPXE, and what it can do.

use crate::wire::ParseError;
use crate::wire::reader::Reader;
use crate::wire::tlv::{Framing, Tlv, Tlvs};

/// Option 77: either one raw text, as iPXE sends it, or the length-prefixed list of RFC 3004.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserClass<'a> {
    data: &'a [u8],
    is_list: bool,
}

impl<'a> UserClass<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] for an empty option.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        if data.is_empty() {
            return Err(ParseError::BadLength);
        }
        Ok(Self { data, is_list: is_list(data) })
    }

    /// The classes: the items of the list, or the whole value when lengths do not tile it exactly.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.data);
        let is_list = self.is_list;
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let len = if is_list { usize::from(reader.u8().ok()?) } else { reader.remaining() };
            reader.bytes(len).ok()
        })
    }

    /// Whether one of the classes is `class`.
    pub fn contains(&self, class: &[u8]) -> bool {
        self.iter().any(|item| item == class)
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.data
    }
}

/// Option 175: options that only iPXE knows, encapsulated like options in the options field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpxeOptions<'a>(&'a [u8]);

impl<'a> IpxeOptions<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] when a sub-option leaves the option.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        Tlvs::new(data, Framing::PadAndEnd).check()?;
        Ok(Self(data))
    }

    /// The sub-options in order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        Tlvs::new(self.0, Framing::PadAndEnd)
    }

    /// The first sub-option with `code`.
    pub fn find(&self, code: u8) -> Option<&'a [u8]> {
        Tlvs::new(self.0, Framing::PadAndEnd).find(code)
    }

    /// Whether iPXE was built with a [`feature`].
    pub fn has_feature(&self, feature: u8) -> bool {
        self.find(feature).is_some_and(|version| version.iter().any(|byte| *byte != 0))
    }

    /// The bus address of the network card.
    pub fn bus_id(&self) -> Option<BusId> {
        let mut reader = Reader::new(self.find(sub_option::BUS_ID)?);
        let kind = reader.u8().ok()?;
        let vendor = reader.u16().ok()?;
        let device = reader.u16().ok()?;
        Some(BusId { kind, vendor, device })
    }

    /// Major, minor and patch version, as far as sent.
    pub fn version(&self) -> Option<&'a [u8]> {
        self.find(sub_option::VERSION)
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// What kind of network card iPXE drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusId {
    /// 1 for PCI.
    pub kind: u8,
    /// Vendor id on that bus.
    pub vendor: u16,
    /// Device id on that bus.
    pub device: u16,
}

/// Whether RFC 3004 lengths tile the value exactly, without empty items (§4).
fn is_list(data: &[u8]) -> bool {
    let mut reader = Reader::new(data);
    // Ends: each round takes a byte or more.
    while !reader.is_empty() {
        let item = reader.u8().and_then(|len| reader.bytes(usize::from(len)));
        if !matches!(item, Ok([_, ..])) {
            return false;
        }
    }
    true
}

/// Sub-options of option 175.
pub mod sub_option {
    /// Signed priority of an offer; the highest wins, the last of equals.
    pub const PRIORITY: u8 = 1;
    /// Keep the SAN device registered when a boot from it fails.
    pub const KEEP_SAN: u8 = 8;
    /// Register a SAN device without booting from it.
    pub const SKIP_SAN: u8 = 9;
    /// Remote log server by name.
    pub const SYSLOGS: u8 = 85;
    /// Cross-signed certificate source.
    pub const CROSS_CERT: u8 = 93;
    /// Do not wait for ProxyDHCP.
    pub const NO_PXE_DHCP: u8 = 176;
    /// Bus address of the network card, from the client.
    pub const BUS_ID: u8 = 177;
    /// User name for authentication.
    pub const USER_NAME: u8 = 190;
    /// Password for authentication.
    pub const PASSWORD: u8 = 191;
    /// Version of iPXE, from the client.
    pub const VERSION: u8 = 235;
}

/// Sub-options of option 175 that announce a feature when not zero.
pub mod feature {
    /// PXE extensions of the API.
    pub const PXE_EXT: u8 = 0x10;
    /// iSCSI.
    pub const ISCSI: u8 = 0x11;
    /// ATA over Ethernet.
    pub const AOE: u8 = 0x12;
    /// HTTP.
    pub const HTTP: u8 = 0x13;
    /// HTTPS.
    pub const HTTPS: u8 = 0x14;
    /// TFTP.
    pub const TFTP: u8 = 0x15;
    /// FTP.
    pub const FTP: u8 = 0x16;
    /// DNS.
    pub const DNS: u8 = 0x17;
    /// Linux kernels.
    pub const BZIMAGE: u8 = 0x18;
    /// Multiboot kernels.
    pub const MULTIBOOT: u8 = 0x19;
    /// SLAM.
    pub const SLAM: u8 = 0x1a;
    /// SRP.
    pub const SRP: u8 = 0x1b;
    /// NBI images.
    pub const NBI: u8 = 0x20;
    /// PXE images.
    pub const PXE: u8 = 0x21;
    /// ELF images.
    pub const ELF: u8 = 0x22;
    /// COMBOOT images.
    pub const COMBOOT: u8 = 0x23;
    /// EFI images.
    pub const EFI: u8 = 0x24;
    /// FCoE.
    pub const FCOE: u8 = 0x25;
    /// VLANs.
    pub const VLAN: u8 = 0x26;
    /// Menus.
    pub const MENU: u8 = 0x27;
    /// SDI images.
    pub const SDI: u8 = 0x28;
    /// NFS.
    pub const NFS: u8 = 0x29;
}

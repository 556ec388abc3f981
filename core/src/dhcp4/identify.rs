//! Who is asking, from what a message says about its sender.

use super::trace::ClientRule;
use crate::identity::{ClientIdentity, Firmware};
use crate::mac::MacAddr;
use crate::wire::dhcp4::Header;
use crate::wire::dhcp4_options::{ArchList, Options, code};
use crate::wire::pxe::{ArchType, ClassDetail, Uuid, VendorClass};

/// What a message tells of its sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    mac: Option<MacAddr>,
    uuid: Option<Uuid>,
    arch: Option<ArchType>,
    firmware: Firmware,
    /// What tells which program it is.
    pub(super) by: ClientRule,
}

impl Sender {
    /// The sender of `header` and `options`.
    pub(super) fn of(header: &Header, options: &Options<'_>) -> Self {
        let mac = header.mac().filter(|mac| mac.is_unicast());
        let arch = Archs::of(options).iter().next();
        let (firmware, by) = firmware(mac, arch, options);
        let uuid = options.machine_id.and_then(|id| id.uuid());
        Self { mac, uuid, arch, firmware, by }
    }

    /// The same with room for what other protocols tell.
    #[inline]
    pub(super) fn identity(&self) -> ClientIdentity {
        let Self { mac, uuid, arch, firmware, by: _ } = *self;
        ClientIdentity { mac, uuid, arch, firmware, ..ClientIdentity::default() }
    }
}

/// The program that speaks. The order matters: iPXE also calls itself a PXE client, and so does a
/// Raspberry Pi, of an architecture that it is not.
fn firmware(
    mac: Option<MacAddr>,
    arch: Option<ArchType>,
    options: &Options<'_>,
) -> (Firmware, ClientRule) {
    if options.user_class.is_some_and(|class| class.contains(b"iPXE")) {
        return (Firmware::Ipxe, ClientRule::UserClass);
    }
    if options.ipxe.is_some() || options.malformed.contains(code::IPXE) {
        return (Firmware::Ipxe, ClientRule::IpxeOptions);
    }
    match options.vendor_class.map(VendorClass::parse) {
        Some(VendorClass::Http(_)) => (Firmware::HttpBoot, ClientRule::VendorClass),
        Some(VendorClass::Pxe(_)) if is_raspberry_pi(mac, arch, options) => {
            (Firmware::RaspberryPi, ClientRule::RaspberryPi)
        }
        Some(VendorClass::Pxe(_)) => (Firmware::Pxe, ClientRule::VendorClass),
        Some(VendorClass::UBoot(_)) => (Firmware::UBoot, ClientRule::VendorClass),
        Some(VendorClass::Other(_)) | None => (Firmware::System, ClientRule::Nothing),
    }
}

/// Pi 4 and later name themselves in option 97, Pi 3 and earlier send one fixed option 60 from an
/// address of their maker; all say that they are x86 BIOS machines.
fn is_raspberry_pi(mac: Option<MacAddr>, arch: Option<ArchType>, options: &Options<'_>) -> bool {
    if arch == Some(ArchType::ARM_RPIBOOT) {
        return true;
    }
    if arch.is_some_and(|arch| arch != ArchType::X86_BIOS) {
        return false;
    }
    let names_itself = options
        .machine_id
        .is_some_and(|id| id.as_bytes().get(1..4).is_some_and(|name| name == b"RPi"));
    let of_the_maker = mac.is_some_and(|mac| RASPBERRY_PI.iter().any(|oui| mac.0.starts_with(oui)));
    names_itself || (of_the_maker && options.vendor_class == Some(PI_VENDOR_CLASS))
}

/// The architectures that a client can boot, preferred first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archs<'a> {
    list: Option<ArchList<'a>>,
    /// From option 60, if option 93 is missing.
    detail: Option<ArchType>,
}

impl<'a> Archs<'a> {
    pub(super) fn of(options: &Options<'a>) -> Self {
        let list = options.architectures;
        let class = options.vendor_class.filter(|_| list.is_none());
        let detail = match class.map(VendorClass::parse) {
            Some(VendorClass::Pxe(rest) | VendorClass::Http(rest)) => ClassDetail::parse(rest).arch,
            Some(VendorClass::UBoot(_) | VendorClass::Other(_)) | None => None,
        };
        Self { list, detail }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = ArchType> + use<'a> {
        self.list.into_iter().flat_map(|list| list.iter()).chain(self.detail)
    }
}

const PI_VENDOR_CLASS: &[u8] = b"PXEClient:Arch:00000:UNDI:002001";

/// First octets of the addresses of Raspberry Pi Trading and Raspberry Pi Ltd (IEEE MA-L).
const RASPBERRY_PI: [[u8; 3]; 7] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
    [0x88, 0xa2, 0x9e],
];

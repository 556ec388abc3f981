//! Any option as a typed value.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::kind::OptionKind;
use super::names::DomainNames;
use super::routes::Routes;
use super::values::{ArchList, ClientFqdn, RelayAgent, VendorIdentifying};
use super::{array, text};
use crate::wire::ParseError;
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{IpxeOptions, MachineId, NetworkInterface, UserClass};
use crate::wire::writer::Writer;

/// The value of an option in the form that [`OptionKind::of`] its code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionValue<'a> {
    /// No value.
    Empty,
    /// Yes or no.
    Flag(bool),
    /// One byte.
    U8(u8),
    /// A 16-bit number.
    U16(u16),
    /// A 32-bit number.
    U32(u32),
    /// A signed 32-bit number.
    I32(i32),
    /// 16-bit numbers.
    U16List(U16List<'a>),
    /// Bytes that stand for something each.
    Codes(&'a [u8]),
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// IPv4 addresses.
    Addresses(Addresses<'a>),
    /// Pairs of IPv4 addresses.
    AddressPairs(AddressPairs<'a>),
    /// An IPv6 address.
    Ipv6Address(Ipv6Addr),
    /// A text without its trailing NULs.
    Text(&'a [u8]),
    /// Domain names.
    DomainNames(DomainNames<'a>),
    /// Routes.
    Routes(Routes<'a>),
    /// A message type.
    MessageType(MessageType),
    /// A client's FQDN.
    ClientFqdn(ClientFqdn<'a>),
    /// User classes.
    UserClass(UserClass<'a>),
    /// Architecture types.
    ArchTypes(ArchList<'a>),
    /// A network interface.
    NetworkInterface(NetworkInterface),
    /// A machine identifier.
    MachineId(MachineId<'a>),
    /// Options within the option, without PAD and END.
    SubOptions(RelayAgent<'a>),
    /// Options within the option, with PAD and END.
    PaddedSubOptions(IpxeOptions<'a>),
    /// Data per enterprise number.
    VendorIdentifying(VendorIdentifying<'a>),
    /// Bytes that are not interpreted.
    Opaque(&'a [u8]),
}

impl<'a> OptionValue<'a> {
    /// Reads the (joined) value of option `code`.
    ///
    /// # Errors
    /// [`ParseError::BadLength`], [`ParseError::BadValue`] or [`ParseError::Truncated`] when the
    /// value has not the option's format; [`ParseError::UnknownCode`] for an unknown message type.
    pub fn parse(code: u8, data: &'a [u8]) -> Result<Self, ParseError> {
        Ok(match OptionKind::of(code) {
            OptionKind::Empty => {
                let [] = array(data)?;
                Self::Empty
            }
            OptionKind::Flag => match array(data)? {
                [0] => Self::Flag(false),
                [1] => Self::Flag(true),
                [_] => return Err(ParseError::BadValue),
            },
            OptionKind::U8 => Self::U8(u8::from_be_bytes(array(data)?)),
            OptionKind::U16 => Self::U16(u16::from_be_bytes(array(data)?)),
            OptionKind::U32 => Self::U32(u32::from_be_bytes(array(data)?)),
            OptionKind::I32 => Self::I32(i32::from_be_bytes(array(data)?)),
            OptionKind::U16List => Self::U16List(U16List(elements(data)?)),
            OptionKind::Codes if data.is_empty() => return Err(ParseError::BadLength),
            OptionKind::Codes => Self::Codes(data),
            OptionKind::Address => Self::Address(Ipv4Addr::from_octets(array(data)?)),
            OptionKind::AddressesOrNone if data.is_empty() => Self::Addresses(Addresses(&[])),
            OptionKind::Addresses | OptionKind::AddressesOrNone => {
                Self::Addresses(Addresses(elements(data)?))
            }
            OptionKind::AddressPairs => Self::AddressPairs(AddressPairs(elements(data)?)),
            OptionKind::Ipv6Address => Self::Ipv6Address(Ipv6Addr::from_octets(array(data)?)),
            OptionKind::Text => Self::Text(text(data)?),
            OptionKind::DomainNames => Self::DomainNames(DomainNames::parse(data)?),
            OptionKind::Routes => Self::Routes(Routes::parse(data)?),
            OptionKind::MessageType => {
                Self::MessageType(u8::from_be_bytes(array(data)?).try_into()?)
            }
            OptionKind::ClientFqdn => Self::ClientFqdn(ClientFqdn::parse(data)?),
            OptionKind::UserClass => Self::UserClass(UserClass::parse(data)?),
            OptionKind::ArchTypes => Self::ArchTypes(ArchList::parse(data)?),
            OptionKind::NetworkInterface => Self::NetworkInterface(NetworkInterface::parse(data)?),
            OptionKind::MachineId => Self::MachineId(MachineId::parse(data)?),
            OptionKind::SubOptions => Self::SubOptions(RelayAgent::parse(data)?),
            OptionKind::PaddedSubOptions => Self::PaddedSubOptions(IpxeOptions::parse(data)?),
            OptionKind::VendorIdentifying => {
                Self::VendorIdentifying(VendorIdentifying::parse(data)?)
            }
            OptionKind::Opaque { min } if data.len() < usize::from(min) => {
                return Err(ParseError::BadLength);
            }
            OptionKind::Opaque { .. } => Self::Opaque(data),
        })
    }

    /// Appends the value in its wire form, without code and length.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Empty => {}
            Self::Flag(flag) => writer.put_u8(u8::from(*flag)),
            Self::U8(value) => writer.put_u8(*value),
            Self::U16(value) => writer.put_u16(*value),
            Self::U32(value) => writer.put_u32(*value),
            Self::I32(value) => writer.put_bytes(&value.to_be_bytes()),
            Self::U16List(list) => writer.put_bytes(list.0.as_flattened()),
            Self::Codes(data) | Self::Text(data) | Self::Opaque(data) => writer.put_bytes(data),
            Self::Address(address) => writer.put_bytes(&address.octets()),
            Self::Addresses(list) => writer.put_bytes(list.0.as_flattened()),
            Self::AddressPairs(list) => writer.put_bytes(list.0.as_flattened()),
            Self::Ipv6Address(address) => writer.put_bytes(&address.octets()),
            Self::DomainNames(names) => writer.put_bytes(names.as_bytes()),
            Self::Routes(routes) => writer.put_bytes(routes.as_bytes()),
            Self::MessageType(kind) => writer.put_u8(kind.code()),
            Self::ClientFqdn(fqdn) => {
                writer.put_bytes(&[fqdn.flags, 0, 0]);
                writer.put_bytes(fqdn.name);
            }
            Self::UserClass(class) => writer.put_bytes(class.as_bytes()),
            Self::ArchTypes(list) => writer.put_bytes(list.as_bytes()),
            Self::NetworkInterface(ndi) => writer.put_bytes(&[ndi.kind, ndi.major, ndi.minor]),
            Self::MachineId(id) => writer.put_bytes(id.as_bytes()),
            Self::SubOptions(options) => writer.put_bytes(options.as_bytes()),
            Self::PaddedSubOptions(options) => writer.put_bytes(options.as_bytes()),
            Self::VendorIdentifying(vendors) => writer.put_bytes(vendors.as_bytes()),
        }
    }
}

/// IPv4 addresses that borrow the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses<'a>(&'a [[u8; 4]]);

impl<'a> Addresses<'a> {
    /// The addresses in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        self.0.iter().copied().map(Ipv4Addr::from_octets)
    }
}

/// Pairs of IPv4 addresses that borrow the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPairs<'a>(&'a [[u8; 8]]);

impl<'a> AddressPairs<'a> {
    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> + use<'a> {
        self.0.iter().map(|pair| {
            let [a, b, c, d, e, f, g, h] = *pair;
            (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h))
        })
    }
}

/// 16-bit numbers that borrow the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct U16List<'a>(&'a [[u8; 2]]);

impl<'a> U16List<'a> {
    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().map(|number| u16::from_be_bytes(*number))
    }
}

/// A list of one or more elements of `N` bytes and nothing behind it.
fn elements<const N: usize>(data: &[u8]) -> Result<&[[u8; N]], ParseError> {
    match data.as_chunks() {
        (elements @ [_, ..], []) => Ok(elements),
        _ => Err(ParseError::BadLength),
    }
}

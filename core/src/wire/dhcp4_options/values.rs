//! Values of options that are more than a number or a text.

use core::net::Ipv4Addr;

use crate::wire::ParseError;
use crate::wire::dhcp4::CodeSet;
use crate::wire::pxe::ArchType;
use crate::wire::reader::Reader;
use crate::wire::tlv::{Framing, Tlv, Tlvs};

/// Option 55: the codes the client asks for, in its order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParameterList<'a>(pub &'a [u8]);

impl<'a> ParameterList<'a> {
    /// Whether the client asks for `code`. edk2 HTTP Boot has one uninitialised byte in its list,
    /// so boot options must not depend on it.
    pub fn contains(&self, code: u8) -> bool {
        self.0.contains(&code)
    }

    /// The codes as a set, for whoever asks for several.
    pub fn codes(&self) -> CodeSet {
        let mut codes = CodeSet::EMPTY;
        for code in self.0 {
            codes.insert(*code);
        }
        codes
    }

    /// The codes in the client's order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.0.iter().copied()
    }
}

/// Option 93: the architectures a client can boot, preferred first; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchList<'a>(&'a [u8]);

impl<'a> ArchList<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] unless the option holds one or more 16-bit numbers.
    pub const fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        if data.is_empty() || !data.len().is_multiple_of(2) {
            return Err(ParseError::BadLength);
        }
        Ok(Self(data))
    }

    /// The architectures in the client's order.
    pub fn iter(&self) -> impl Iterator<Item = ArchType> + use<'a> {
        let (types, _) = self.0.as_chunks::<2>();
        types.iter().map(|code| ArchType(u16::from_be_bytes(*code)))
    }

    /// The first architecture.
    pub fn first(&self) -> ArchType {
        self.iter().next().unwrap_or_default()
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Option 81: the name a client wants in the DNS (RFC 4702 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFqdn<'a> {
    /// Bits S, O, E, N from the lowest; E (4) means that `name` is in DNS wire form.
    pub flags: u8,
    /// The name as sent: claims only, sanitise before use.
    pub name: &'a [u8],
}

impl<'a> ClientFqdn<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] for less than the three bytes before the name.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let flags = reader.u8()?;
        // Two result codes that RFC 4702 §2.2 made meaningless.
        reader.u16()?;
        Ok(Self { flags, name: reader.rest() })
    }
}

/// Option 82: what relay agents added (RFC 3046), to be echoed as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAgent<'a>(&'a [u8]);

impl<'a> RelayAgent<'a> {
    /// Agent circuit id (RFC 3046 §3.1).
    pub const CIRCUIT_ID: u8 = 1;
    /// Agent remote id (RFC 3046 §3.2).
    pub const REMOTE_ID: u8 = 2;
    /// Link selection (RFC 3527).
    pub const LINK_SELECTION: u8 = 5;
    /// Server identifier override (RFC 5107).
    pub const SERVER_ID_OVERRIDE: u8 = 11;
    /// Relay id (RFC 6925).
    pub const RELAY_ID: u8 = 12;
    /// The relay agent hears at the port it sends from (RFC 8357 §5.1).
    pub const SOURCE_PORT: u8 = 19;
    /// Virtual subnet selection (RFC 6607 §3.2).
    pub const VIRTUAL_SUBNET: u8 = 151;
    /// Asks for word that 151 was taken into account (RFC 6607 §3.3).
    pub const VIRTUAL_SUBNET_CONTROL: u8 = 152;

    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] when a sub-option leaves the option.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        Tlvs::new(data, Framing::Plain).check()?;
        Ok(Self(data))
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The sub-options in order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        Tlvs::new(self.0, Framing::Plain)
    }

    /// The first sub-option with `code`.
    pub fn find(&self, code: u8) -> Option<&'a [u8]> {
        Tlvs::new(self.0, Framing::Plain).find(code)
    }

    /// The circuit the request came from, by the relay's own naming.
    pub fn circuit_id(&self) -> Option<&'a [u8]> {
        self.find(Self::CIRCUIT_ID)
    }

    /// The far end of the circuit, by the relay's own naming.
    pub fn remote_id(&self) -> Option<&'a [u8]> {
        self.find(Self::REMOTE_ID)
    }

    /// The link to choose the subnet by, in preference to giaddr (RFC 3527 §3).
    pub fn link_selection(&self) -> Option<Ipv4Addr> {
        self.find(Self::LINK_SELECTION).and_then(address)
    }

    /// The address to show as server identifier (RFC 5107 §4).
    pub fn server_id_override(&self) -> Option<Ipv4Addr> {
        self.find(Self::SERVER_ID_OVERRIDE).and_then(address)
    }
}

/// Options 124 and 125: data per enterprise number (RFC 3925).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorIdentifying<'a>(&'a [u8]);

impl<'a> VendorIdentifying<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] when an enterprise's data leaves the option.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        // Ends: each round takes five bytes or more.
        while !reader.is_empty() {
            Self::take(&mut reader)?;
        }
        Ok(Self(data))
    }

    /// Enterprise numbers with their data, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || Self::take(&mut reader).ok())
    }

    /// The data of the first entry of `enterprise`.
    pub fn find(&self, enterprise: u32) -> Option<&'a [u8]> {
        self.iter().find_map(|(number, data)| (number == enterprise).then_some(data))
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    fn take(reader: &mut Reader<'a>) -> Result<(u32, &'a [u8]), ParseError> {
        let enterprise = reader.u32()?;
        let len = reader.u8()?;
        Ok((enterprise, reader.bytes(usize::from(len))?))
    }
}

/// A value that is exactly one address.
fn address(data: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)
}

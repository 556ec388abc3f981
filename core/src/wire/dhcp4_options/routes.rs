//! Classless routes: options 121 and 249 (RFC 3442).

use core::net::Ipv4Addr;

use crate::wire::ParseError;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// One destination and the router towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network, with the host bits clear.
    pub destination: Ipv4Addr,
    /// Bits of the network part, 0 to 32; 0 is the default route.
    pub prefix_len: u8,
    /// The router, unspecified for a network on the link itself.
    pub router: Ipv4Addr,
}

impl Route {
    /// Appends the route in its wire form: only the significant octets of the destination.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.put_u8(self.prefix_len);
        let octets = self.destination.octets();
        writer.put_bytes(octets.get(..octet_count(self.prefix_len)).unwrap_or(&octets));
        writer.put_bytes(&self.router.octets());
    }

    /// Length of the wire form, in bytes.
    pub const fn len_bytes(&self) -> usize {
        octet_count(self.prefix_len).saturating_add(5)
    }
}

/// Routes that borrow the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routes<'a>(&'a [u8]);

impl<'a> Routes<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] for an empty option, [`ParseError::BadValue`] for a prefix above
    /// 32 bits, [`ParseError::Truncated`] when the last route is not complete.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        if data.is_empty() {
            return Err(ParseError::BadLength);
        }
        let mut reader = Reader::new(data);
        // Ends: each round takes five bytes or more.
        while !reader.is_empty() {
            take(&mut reader)?;
        }
        Ok(Self(data))
    }

    /// The routes in order.
    pub fn iter(&self) -> impl Iterator<Item = Route> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || take(&mut reader).ok())
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

fn take(reader: &mut Reader<'_>) -> Result<Route, ParseError> {
    let prefix_len = reader.u8()?;
    if prefix_len > 32 {
        return Err(ParseError::BadValue);
    }
    let significant = reader.bytes(octet_count(prefix_len))?;
    let mut octets = [0; 4];
    for (octet, byte) in octets.iter_mut().zip(significant) {
        *octet = *byte;
    }
    let mask = u32::MAX.checked_shl(32u32.saturating_sub(u32::from(prefix_len))).unwrap_or(0);
    let destination = Ipv4Addr::from_bits(u32::from_be_bytes(octets) & mask);
    Ok(Route { destination, prefix_len, router: Ipv4Addr::from_octets(reader.array()?) })
}

const fn octet_count(prefix_len: u8) -> usize {
    match prefix_len {
        0 => 0,
        1..=8 => 1,
        9..=16 => 2,
        17..=24 => 3,
        _ => 4,
    }
}

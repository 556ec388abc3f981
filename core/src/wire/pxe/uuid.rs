//! Machine identifiers: option 97 (RFC 4578 §2.3) and the UUID in it.

use core::fmt;
use core::str::FromStr;

use crate::digits::{self, WriteAscii};
use crate::wire::ParseError;

/// A UUID in the byte order in which it is printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The UUID that SMBIOS stores as `bytes`: its first three fields are little-endian (SMBIOS 3
    /// §7.2.1).
    pub const fn from_smbios(bytes: [u8; 16]) -> Self {
        Self(bytes).swapped()
    }

    /// The same UUID in the other byte order. Clients disagree on the order, so a lookup tries
    /// both.
    #[must_use]
    pub const fn swapped(self) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// Writes it as its `Display` does.
    pub(crate) fn write_to(self, out: &mut impl WriteAscii) -> fmt::Result {
        let [a, b, c, d, rest @ ..] = self.0;
        let [e, f, g, h, i, j, last @ ..] = rest;
        digits::write_hex(out, &[a, b, c, d])?;
        for group in [[e, f], [g, h], [i, j]] {
            out.write_str("-")?;
            digits::write_hex(out, &group)?;
        }
        out.write_str("-")?;
        digits::write_hex(out, &last)
    }

    /// Whether it can tell machines apart: firmware without a UUID sends all zeros or all ones.
    pub const fn is_usable(self) -> bool {
        !matches!(u128::from_be_bytes(self.0), 0 | u128::MAX)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a UUID, such as 4c4c4544-0039-5810-804b-b9c04f545633")
    }
}

impl core::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// Reads 32 hexadecimal digits of any case, with the usual four hyphens or none.
    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let hyphens = match text.len() {
            36 => true,
            32 => false,
            _ => return Err(ParseUuidError),
        };
        let mut value = 0u128;
        for (at, byte) in text.bytes().enumerate() {
            if hyphens && matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(ParseUuidError);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(ParseUuidError)?;
            value = value << 4 | u128::from(digit);
        }
        Ok(Self(value.to_be_bytes()))
    }
}

/// Option 97 as sent, with the UUID when it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineId<'a>(&'a [u8]);

impl<'a> MachineId<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] for an empty option, or for type 0 without 16 bytes of UUID.
    pub const fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        match data {
            [] => Err(ParseError::BadLength),
            [0, ..] if data.len() != 17 => Err(ParseError::BadLength),
            _ => Ok(Self(data)),
        }
    }

    /// The value on the wire, to be echoed.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The UUID as `dmidecode` prints it, if type 0 holds a usable one. PXE firmware and iPXE send
    /// SMBIOS byte order here.
    pub fn uuid(&self) -> Option<Uuid> {
        let (0, bytes) = self.0.split_first()? else { return None };
        let uuid = Uuid::from_smbios(bytes.try_into().ok()?);
        uuid.is_usable().then_some(uuid)
    }
}

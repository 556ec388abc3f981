//! Options 60 and 94: what kind of boot firmware asks.

use crate::wire::ParseError;
use crate::wire::pxe::ArchType;
use crate::wire::reader::Reader;

/// Option 60, sorted by what its prefix promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorClass<'a> {
    /// `PXEClient…` (RFC 4578 §2.4, PXE 2.1 table 2-1), with what follows: see [`ClassDetail`].
    Pxe(&'a [u8]),
    /// `HTTPClient…` (UEFI 2.10 §24.7.3.1), likewise.
    Http(&'a [u8]),
    /// `U-Boot…`.
    UBoot(&'a [u8]),
    /// Anything else.
    Other(&'a [u8]),
}

/// What follows the prefix: `:Arch:00007:UNDI:003016`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassDetail {
    /// The architecture, which option 93 overrides.
    pub arch: Option<ArchType>,
    /// Major and minor version of the UNDI.
    pub undi: Option<(u16, u16)>,
}

impl<'a> VendorClass<'a> {
    /// Sorts the value of option 60. Never fails.
    pub fn parse(data: &'a [u8]) -> Self {
        if let Some(rest) = data.strip_prefix(PXE_CLIENT) {
            Self::Pxe(rest)
        } else if let Some(rest) = data.strip_prefix(HTTP_CLIENT) {
            Self::Http(rest)
        } else if data.starts_with(b"U-Boot") {
            Self::UBoot(data)
        } else {
            Self::Other(data)
        }
    }
}

impl ClassDetail {
    /// Reads what follows the prefix. Never fails: details that do not parse are absent.
    pub fn parse(text: &[u8]) -> Self {
        let mut detail = Self::default();
        let mut words = text.split(|byte| matches!(byte, b':' | 0));
        // Ends: each round takes a word.
        while let Some(word) = words.next() {
            match word {
                b"Arch" => detail.arch = words.next().and_then(decimal).map(ArchType),
                b"UNDI" => {
                    detail.undi = words.next().and_then(|version| {
                        let (major, minor) = version.split_at_checked(3)?;
                        Some((decimal(major)?, decimal(minor)?))
                    });
                }
                _ => {}
            }
        }
        detail
    }
}

/// Option 94: the client's network interface (RFC 4578 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// 1 for UNDI.
    pub kind: u8,
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
}

impl NetworkInterface {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] unless the option is three bytes.
    pub fn parse(data: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let [kind, major, minor] = reader.array().map_err(|_| ParseError::BadLength)?;
        if reader.is_empty() { Ok(Self { kind, major, minor }) } else { Err(ParseError::BadLength) }
    }
}

/// A decimal number; `None` for anything else than digits whose number is in range.
fn decimal(text: &[u8]) -> Option<u16> {
    let (first, rest) = text.split_first()?;
    rest.iter()
        .try_fold(digit(*first)?, |number, byte| number.checked_mul(10)?.checked_add(digit(*byte)?))
}

fn digit(byte: u8) -> Option<u16> {
    byte.is_ascii_digit().then(|| u16::from(byte & 0xf))
}

/// The prefix of option 60 from and to PXE clients.
pub const PXE_CLIENT: &[u8] = b"PXEClient";
/// The prefix of option 60 from and to UEFI HTTP Boot.
pub const HTTP_CLIENT: &[u8] = b"HTTPClient";

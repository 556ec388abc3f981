//! PXE vocabulary.
use core::fmt;
use core::str::FromStr;

/// Processor architecture and firmware interface (option 93, RFC 4578 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchType(pub u16);

/// A UUID in canonical byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The same with the first three fields in the other byte order.
    pub const fn swapped(self) -> Self {
        let b = self.0;
        Self([
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
            b[14], b[15],
        ])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let mut bytes = [0u8; 16];
        let mut count = 0usize;
        for digit in text.chars().filter(|c| *c != '-') {
            let value = u8::try_from(digit.to_digit(16).ok_or(ParseUuidError)?)
                .map_err(|_| ParseUuidError)?;
            let byte = bytes.get_mut(count / 2).ok_or(ParseUuidError)?;
            *byte = *byte << 4 | value;
            count += 1;
        }
        if count == 32 { Ok(Self(bytes)) } else { Err(ParseUuidError) }
    }
}

//! The link-layer address that names a machine on its wire.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::digits;

/// A 48-bit IEEE 802 address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All ones: every station on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address as a number below 2⁴⁸.
    pub const fn to_bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Whether the address names one station: not a group and not all zeros.
    pub const fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }
}

impl Hash for MacAddr {
    /// As one number, which costs a keyed hash half of what six bytes do.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.to_bits());
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits::write_octets(f, self.0, b':')
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not six octets in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMacError;

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected six octets in hexadecimal, such as 52:54:00:12:34:56")
    }
}

impl core::error::Error for ParseMacError {}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads `52:54:00:12:34:56`, the same with dashes, or twelve digits without separators.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut digits = [0u8; 12];
        let mut count = 0;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b':' | b'-' if text.len() == 17 && at % 3 == 2 => {}
                _ => {
                    let value = char::from(byte).to_digit(16).ok_or(ParseMacError)?;
                    *digits.get_mut(count).ok_or(ParseMacError)? =
                        u8::try_from(value).map_err(|_| ParseMacError)?;
                    count += 1;
                }
            }
        }
        if count != 12 || !matches!(text.len(), 12 | 17) {
            return Err(ParseMacError);
        }
        let mut octets = [0u8; 6];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = pair[0] << 4 | pair[1];
        }
        Ok(Self(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_usual_spellings() {
        let mac = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0xab]);
        for text in ["52:54:00:12:34:ab", "52-54-00-12-34-AB", "5254001234ab"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in
            ["", "52:54:00:12:34", "52:54:00:12:34:ag", "5:2540:0:12:34:ab", "52:54:00:12:34:ab:"]
        {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
        }
        assert_eq!(std::format!("{mac}"), "52:54:00:12:34:ab");
    }
}

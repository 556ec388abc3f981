//! The Internet checksum (RFC 1071).

use core::net::Ipv4Addr;
use core::net::Ipv6Addr;

/// A running ones' complement sum of 16-bit words. Each call of [`Checksum::with`] starts at a word
/// boundary, so only the last piece may be of odd length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    sum: u64,
}

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self { sum: 0 }
    }

    /// Adds `bytes`; an odd last byte counts as the high half of a word.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, tail) = bytes.as_chunks::<2>();
        let mut sum = words
            .iter()
            .fold(self.sum, |sum, word| sum.wrapping_add(u64::from(u16::from_be_bytes(*word))));
        if let [last] = tail {
            sum = sum.wrapping_add(u64::from(u16::from_be_bytes([*last, 0])));
        }
        Self { sum }
    }

    /// Adds the pseudo header of UDP over IPv4 (RFC 768).
    #[must_use]
    pub fn with_ipv4_pseudo(self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> Self {
        self.with(&src.octets()).with(&dst.octets()).with(&[0, protocol]).with(&len.to_be_bytes())
    }

    /// Adds the pseudo header of IPv6 (RFC 8200 §8.1).
    #[must_use]
    pub fn with_ipv6_pseudo(self, src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, len: u32) -> Self {
        self.with(&src.octets())
            .with(&dst.octets())
            .with(&len.to_be_bytes())
            .with(&[0, 0, 0, protocol])
    }

    /// The value to store in the header; 0 when the sum includes a correct stored checksum.
    pub fn finish(self) -> u16 {
        let mut sum = self.sum;
        // Ends: every round drops at least one bit above the lowest 16.
        while let high @ 1.. = sum >> 16 {
            sum = (sum & 0xffff).wrapping_add(high);
        }
        !u16::try_from(sum).unwrap_or(u16::MAX)
    }
}

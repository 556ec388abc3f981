//! A bounded cursor over received bytes.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::ParseError;

/// Takes fields off the front of a slice; asking for more than is left is
/// [`ParseError::Truncated`] and takes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes have not been taken.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether every byte has been taken.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that have not been taken, without taking them.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Takes the next `N` bytes by value.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, ParseError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Takes a 16-bit number in network order.
    pub fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a 32-bit number in network order.
    pub fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a fixed-layout header without copying it.
    pub fn header<T>(&mut self) -> Result<&'a T, ParseError>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let (header, rest) = T::ref_from_prefix(self.rest).map_err(|_| ParseError::Truncated)?;
        self.rest = rest;
        Ok(header)
    }

    /// Takes the bytes before the next NUL, and the NUL itself.
    pub fn until_nul(&mut self) -> Result<&'a [u8], ParseError> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(ParseError::Truncated)?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Ok(text)
    }
}

//! Code, length, value: the layout of DHCPv4 options and of what is encapsulated in them.

use super::ParseError;

/// One element: a code and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What the value means.
    pub code: u8,
    /// The value, at most 255 bytes.
    pub data: &'a [u8],
}

/// Whether code 0 and code 255 stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// 0 is a PAD byte and 255 is END, as in the options field (RFC 2132 §2) and options 43, 175.
    PadAndEnd,
    /// Every code has a length, as in option 82 (RFC 3046 §2.0).
    Plain,
}

/// The elements of an area, front to back. An element that does not fit the area ends the
/// iteration; [`Tlvs::check`] tells whether there is one.
#[derive(Clone, Copy, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
    framing: Framing,
}

impl<'a> Tlvs<'a> {
    /// Reads `area` with the given framing.
    pub const fn new(area: &'a [u8], framing: Framing) -> Self {
        Self { rest: area, framing }
    }

    /// Whether every element lies inside the area.
    pub fn check(mut self) -> Result<(), ParseError> {
        // Ends: each call takes at least one byte off the area.
        while self.try_next()?.is_some() {}
        Ok(())
    }

    /// The value of the first element with `code`.
    pub fn find(mut self, code: u8) -> Option<&'a [u8]> {
        self.find_map(|tlv| (tlv.code == code).then_some(tlv.data))
    }

    /// The next element; `None` at the end of the area or at END.
    pub fn try_next(&mut self) -> Result<Option<Tlv<'a>>, ParseError> {
        // Ends: each round takes one byte off the area.
        while let Some((&code, behind)) = self.rest.split_first() {
            match (code, self.framing) {
                (PAD, Framing::PadAndEnd) => self.rest = behind,
                (END, Framing::PadAndEnd) => {
                    self.rest = &[];
                    return Ok(None);
                }
                _ => {
                    let (&len, behind) = behind.split_first().ok_or(ParseError::Truncated)?;
                    let value = behind.split_at_checked(usize::from(len));
                    let (data, behind) = value.ok_or(ParseError::Truncated)?;
                    self.rest = behind;
                    return Ok(Some(Tlv { code, data }));
                }
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        match self.try_next() {
            Ok(next) => next,
            Err(_) => {
                self.rest = &[];
                None
            }
        }
    }
}

impl core::iter::FusedIterator for Tlvs<'_> {}

/// A byte that fills space between options (RFC 2132 §3.1).
pub const PAD: u8 = 0;
/// The byte after the last option (RFC 2132 §3.2).
pub const END: u8 = 255;

//! Domain names in DNS wire form: option 119 and others (RFC 3397, RFC 1035 §3.1, §4.1.4).

use core::fmt;

use crate::wire::ParseError;
use crate::wire::reader::Reader;

/// Domain names that borrow the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainNames<'a>(&'a [u8]);

/// One name; its labels are what a peer claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DomainName<'a> {
    area: &'a [u8],
    start: usize,
}

impl<'a> DomainNames<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] for an empty option or a name above 255 bytes,
    /// [`ParseError::Truncated`] for a name that leaves the option, [`ParseError::BadValue`] for a
    /// pointer that does not go backwards or a label of unknown kind, [`ParseError::TooMany`] for a
    /// chain of pointers.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        if data.is_empty() {
            return Err(ParseError::BadLength);
        }
        let mut at = 0;
        // Ends: every name takes at least one byte.
        while at < data.len() {
            let mut labels = Labels::new(data, at);
            let mut len = 0usize;
            // Ends: labels lie ever further in, pointers ever further back, and their sum is bounded.
            while let Some(label) = labels.try_next()? {
                len = len.saturating_add(label.len()).saturating_add(1);
                if len > NAME_BYTES_MAX {
                    return Err(ParseError::BadLength);
                }
            }
            at = labels.end_of_name();
        }
        Ok(Self(data))
    }

    /// The names in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = DomainName<'a>> + use<'a> {
        let area = self.0;
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = at;
            let mut labels = (start < area.len()).then(|| Labels::new(area, start))?;
            // Ends: `parse` has walked the same labels.
            while let Ok(Some(_)) = labels.try_next() {}
            at = labels.end_of_name();
            Some(DomainName { area, start })
        })
    }

    /// The value on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> DomainName<'a> {
    /// The labels from the left.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut labels = Labels::new(self.area, self.start);
        core::iter::from_fn(move || labels.try_next().ok().flatten())
    }
}

impl fmt::Display for DomainName<'_> {
    /// Dots between labels; whatever is not printable ASCII is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, label) in self.labels().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}", label.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Walks the labels of one name.
struct Labels<'a> {
    area: &'a [u8],
    reader: Reader<'a>,
    /// Where the next pointer must point before, so that a walk ends.
    limit: usize,
    /// How many pointers may still be followed.
    hops: u8,
    /// Where the name ends in the list, known at its root or its first pointer.
    end: Option<usize>,
}

impl<'a> Labels<'a> {
    fn new(area: &'a [u8], start: usize) -> Self {
        let reader = Reader::new(area.get(start..).unwrap_or_default());
        Self { area, reader, limit: start, hops: HOPS_MAX, end: None }
    }

    fn try_next(&mut self) -> Result<Option<&'a [u8]>, ParseError> {
        // Ends: each round but the last follows a pointer further back than the one before.
        loop {
            let len = self.reader.u8()?;
            match len {
                0 => {
                    self.note_end();
                    // What follows belongs to another name.
                    self.reader = Reader::new(&[0]);
                    return Ok(None);
                }
                1..=63 => return self.reader.bytes(usize::from(len)).map(Some),
                0xc0.. => {
                    let low = self.reader.u8()?;
                    self.note_end();
                    let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    if target >= self.limit {
                        return Err(ParseError::BadValue);
                    }
                    self.hops = self.hops.checked_sub(1).ok_or(ParseError::TooMany)?;
                    self.limit = target;
                    self.reader = Reader::new(self.area.get(target..).unwrap_or_default());
                }
                _ => return Err(ParseError::BadValue),
            }
        }
    }

    fn note_end(&mut self) {
        let here = self.area.len().saturating_sub(self.reader.remaining());
        self.end.get_or_insert(here);
    }

    fn end_of_name(&self) -> usize {
        self.end.unwrap_or(self.area.len())
    }
}

/// The longest name, in bytes with a length byte before each label, without the root
/// (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 254;
/// The most pointers in one name, against chains that cost more than they say; one is usual.
const HOPS_MAX: u8 = 8;

//! Byte ranges (RFC 9110 §14).

/// What a `Range` field asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RangeRequest {
    /// The whole: no field, or one that is to be ignored because its unit is unknown or its form
    /// broken (RFC 9110 §14.2).
    #[default]
    None,
    /// One range.
    Single(ByteRange),
    /// Several ranges, or several fields. A server may answer with the whole.
    Several,
}

/// One range as asked for; offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`, both included, first ≤ last.
    Between {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// `first-`.
    From {
        /// Offset of the first byte.
        first: u64,
    },
    /// `-count`: the end of the file.
    Suffix {
        /// How many bytes.
        count: u64,
    },
}

/// What part of a file answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// All of it: 200.
    Whole,
    /// `first` to `last`, both included: 206.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// Nothing in the file is asked for: 416.
    Unsatisfiable,
}

impl RangeRequest {
    /// Reads the value of a `Range` field.
    pub fn parse(value: &[u8]) -> Self {
        let Some((unit, set)) = split_once(value, b'=') else { return Self::None };
        if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
            return Self::None;
        }
        let mut request = Self::None;
        for item in set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if item.is_empty() {
                continue;
            }
            let Some(range) = ByteRange::parse(item) else { return Self::None };
            request = match request {
                Self::None => Self::Single(range),
                Self::Single(_) | Self::Several => Self::Several,
            };
        }
        request
    }

    /// Takes in one more `Range` field of the same request.
    pub(super) fn and(self, value: &[u8]) -> Self {
        match self {
            Self::None => Self::parse(value),
            Self::Single(_) | Self::Several => Self::Several,
        }
    }

    /// The answer for a file of `len` bytes; several ranges get the whole.
    pub const fn resolve(self, len: u64) -> RangeOutcome {
        match self {
            Self::None | Self::Several => RangeOutcome::Whole,
            Self::Single(range) => range.resolve(len),
        }
    }
}

impl ByteRange {
    fn parse(text: &[u8]) -> Option<Self> {
        let (first, last) = split_once(text, b'-')?;
        match (first, last) {
            ([], []) => None,
            ([], count) => Some(Self::Suffix { count: offset(count)? }),
            (first, []) => Some(Self::From { first: offset(first)? }),
            (first, last) => {
                let (first, last) = (offset(first)?, offset(last)?);
                (first <= last).then_some(Self::Between { first, last })
            }
        }
    }

    /// The part of a file of `len` bytes; an end beyond the file means its end.
    pub const fn resolve(self, len: u64) -> RangeOutcome {
        let Some(end) = len.checked_sub(1) else { return RangeOutcome::Unsatisfiable };
        let (first, last) = match self {
            Self::Between { first, last } if last < end => (first, last),
            Self::Between { first, .. } | Self::From { first } => (first, end),
            Self::Suffix { count: 0 } => return RangeOutcome::Unsatisfiable,
            Self::Suffix { count } => (len.saturating_sub(count), end),
        };
        if first > last {
            return RangeOutcome::Unsatisfiable;
        }
        RangeOutcome::Part { first, last }
    }
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    let (head, tail) = text.split_at_checked(at)?;
    Some((head, tail.get(1..)?))
}

/// A number of digits only; one too large for any file counts as the largest.
fn offset(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    }))
}

//! Why a packet could not be read or written.

use core::fmt;

/// What is wrong with received bytes. The peer is to blame: drop and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// A field, or a length that announces one, runs past the end of the packet.
    Truncated,
    /// A length that its field does not allow.
    BadLength,
    /// A value that its field does not allow.
    BadValue,
    /// A checksum that does not match the bytes it covers.
    BadChecksum,
    /// A code that names no known kind of packet.
    UnknownCode(u16),
    /// One piece of a fragmented datagram; reassembly is the kernel's business.
    Fragment,
    /// More elements than the codec accepts in one packet.
    TooMany,
    /// The lent buffer is too small to join what the packet holds in pieces.
    NoSpace,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "ends before its last field",
            Self::BadLength => "has a field of impossible length",
            Self::BadValue => "has a field of impossible value",
            Self::BadChecksum => "has a wrong checksum",
            Self::UnknownCode(code) => return write!(f, "is of unknown kind {code}"),
            Self::Fragment => "is a fragment",
            Self::TooMany => "has too many elements",
            Self::NoSpace => "has pieces too long to join",
        })
    }
}

impl core::error::Error for ParseError {}

/// Why a packet could not be written. Our own sizes are to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmitError {
    /// The lent buffer is too small.
    NoSpace,
    /// A value is longer than its length field can say.
    TooLong,
    /// A text holds bytes that would end it early or start another field.
    BadText,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "the packet does not fit its buffer",
            Self::TooLong => "a value does not fit its length field",
            Self::BadText => "a text holds forbidden bytes",
        })
    }
}

impl core::error::Error for EmitError {}

//! Option 53.

use crate::wire::ParseError;

/// What a DHCP message asks or answers: option 53 (RFC 2132 §9.6 and later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A client looks for servers.
    Discover,
    /// A server proposes.
    Offer,
    /// A client selects, verifies, renews or rebinds.
    Request,
    /// A client found its address in use.
    Decline,
    /// A server commits.
    Ack,
    /// A server refuses.
    Nak,
    /// A client gives its address back.
    Release,
    /// A client with an address asks for the rest.
    Inform,
    /// RFC 3203.
    ForceRenew,
    /// RFC 4388.
    LeaseQuery,
    /// RFC 4388.
    LeaseUnassigned,
    /// RFC 4388.
    LeaseUnknown,
    /// RFC 4388.
    LeaseActive,
    /// RFC 6926.
    BulkLeaseQuery,
    /// RFC 6926.
    LeaseQueryDone,
    /// RFC 7724.
    ActiveLeaseQuery,
    /// RFC 7724.
    LeaseQueryStatus,
    /// RFC 7724.
    Tls,
}

impl MessageType {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Offer => 2,
            Self::Request => 3,
            Self::Decline => 4,
            Self::Ack => 5,
            Self::Nak => 6,
            Self::Release => 7,
            Self::Inform => 8,
            Self::ForceRenew => 9,
            Self::LeaseQuery => 10,
            Self::LeaseUnassigned => 11,
            Self::LeaseUnknown => 12,
            Self::LeaseActive => 13,
            Self::BulkLeaseQuery => 14,
            Self::LeaseQueryDone => 15,
            Self::ActiveLeaseQuery => 16,
            Self::LeaseQueryStatus => 17,
            Self::Tls => 18,
        }
    }
}

impl TryFrom<u8> for MessageType {
    type Error = ParseError;

    fn try_from(code: u8) -> Result<Self, ParseError> {
        Ok(match code {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            9 => Self::ForceRenew,
            10 => Self::LeaseQuery,
            11 => Self::LeaseUnassigned,
            12 => Self::LeaseUnknown,
            13 => Self::LeaseActive,
            14 => Self::BulkLeaseQuery,
            15 => Self::LeaseQueryDone,
            16 => Self::ActiveLeaseQuery,
            17 => Self::LeaseQueryStatus,
            18 => Self::Tls,
            unknown => return Err(ParseError::UnknownCode(u16::from(unknown))),
        })
    }
}

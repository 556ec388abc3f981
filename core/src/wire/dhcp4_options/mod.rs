//! DHCPv4 options: their codes, their typed values, and the writer for replies.

pub mod code;
mod kind;
mod names;
mod parse;
mod routes;
mod value;
mod values;
mod writer;

use super::ParseError;

pub use kind::OptionKind;
pub use names::{DomainName, DomainNames};
pub use parse::Options;
pub use routes::{Route, Routes};
pub use value::{AddressPairs, Addresses, OptionValue, U16List};
pub use values::{ArchList, ClientFqdn, ParameterList, RelayAgent, VendorIdentifying};
pub use writer::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, MESSAGE_BYTES_SAFE, MessageWriter};

/// A value of exactly `N` bytes.
fn array<const N: usize>(data: &[u8]) -> Result<[u8; N], ParseError> {
    data.try_into().map_err(|_| ParseError::BadLength)
}

/// A text without the NULs that some senders put behind it (RFC 2132 §2).
fn text(data: &[u8]) -> Result<&[u8], ParseError> {
    let end = data.iter().rposition(|byte| *byte != 0).ok_or(ParseError::BadLength)?;
    data.get(..=end).ok_or(ParseError::BadLength)
}

#[cfg(test)]
mod tests;

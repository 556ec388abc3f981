//! DHCPv4 options: their codes, their typed values, and the writer for replies.

pub mod code;
mod parse;
mod values;
mod writer;

pub use parse::Options;
pub use values::{ArchList, ClientFqdn, ParameterList, RelayAgent, VendorIdentifying};
pub use writer::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, MESSAGE_BYTES_SAFE, MessageWriter};

#[cfg(test)]
mod tests;

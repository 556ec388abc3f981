//! Packet codecs: bytes from the network to checked views, and values back to bytes.
//!
//! Every codec has the same shape. `parse` checks all lengths once and gives a view that borrows
//! the packet; whatever follows cannot fail on bounds. `emit` functions write into a buffer the
//! caller lends and return the length written. Nothing here allocates, reads a clock, or keeps
//! state; no input of any length or content panics.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        clippy::expect_used
    )
)]

pub mod arp;
pub mod checksum;
pub mod dhcp4;
pub mod dhcp4_options;
mod error;
pub mod ethernet;
pub mod http;
pub mod icmp;
pub mod ipv4_udp;
pub mod ndp;
pub mod path;
pub mod pxe;
pub mod reader;
pub mod tftp;
pub mod tlv;
pub mod writer;

pub use error::{EmitError, ParseError};

#[cfg(test)]
mod tests;

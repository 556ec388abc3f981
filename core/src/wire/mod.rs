//! Packets as bytes.
pub mod pxe;

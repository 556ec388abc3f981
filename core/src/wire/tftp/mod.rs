//! TFTP packets (RFC 1350) with options (RFC 2347, 2348, 2349, 7440).

mod emit;
mod options;
mod parse;

pub use emit::{
    emit_ack, emit_data_header, emit_error, emit_option_ack, emit_request, emit_write_request,
};
pub use options::{OptionName, OptionSet, TransferOptions};
pub use parse::{Packet, Request, parse};

/// How a file's bytes travel. Boot files are binary, so a server sends them as they are in both
/// of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Eight-bit bytes as they are.
    Octet,
    /// NVT text.
    NetAscii,
    /// Obsolete: to a user instead of a file (RFC 1350 §1).
    Mail,
}

impl Mode {
    /// The name on the wire; received names may be of any case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::NetAscii => "netascii",
            Self::Mail => "mail",
        }
    }
}

/// The code of an ERROR packet (RFC 1350 §5, RFC 2347); unknown codes are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// Not defined: see the text.
    pub const NOT_DEFINED: Self = Self(0);
    /// File not found.
    pub const FILE_NOT_FOUND: Self = Self(1);
    /// Access violation.
    pub const ACCESS_VIOLATION: Self = Self(2);
    /// Disk full or allocation exceeded.
    pub const DISK_FULL: Self = Self(3);
    /// Illegal operation.
    pub const ILLEGAL_OPERATION: Self = Self(4);
    /// Unknown transfer id.
    pub const UNKNOWN_TRANSFER_ID: Self = Self(5);
    /// File already exists.
    pub const FILE_EXISTS: Self = Self(6);
    /// No such user.
    pub const NO_SUCH_USER: Self = Self(7);
    /// Option negotiation failed; edk2 also ends its size probe with it.
    pub const OPTION_REFUSED: Self = Self(8);
}

/// The port of read requests.
pub const SERVER_PORT: u16 = 69;
/// The longest request that is read, in bytes. RFC 2347 allows 512; firmware that pads or appends
/// more is forgiven up to here.
pub const REQUEST_BYTES_MAX: usize = 2048;
/// The most options read from one packet; the rest is ignored.
pub const OPTIONS_MAX: usize = 16;
/// Block size without negotiation, in bytes (RFC 1350 §2).
pub const BLOCK_SIZE_DEFAULT: u16 = 512;
/// Smallest block size, in bytes (RFC 2348 §2).
pub const BLOCK_SIZE_MIN: u16 = 8;
/// Largest block size, in bytes (RFC 2348 §2).
pub const BLOCK_SIZE_MAX: u16 = 65464;
/// Length of what precedes the payload of DATA, in bytes.
pub const DATA_HEADER_BYTES: usize = 4;

/// Read request.
const OPCODE_RRQ: u16 = 1;
/// Write request.
const OPCODE_WRQ: u16 = 2;
/// Data.
const OPCODE_DATA: u16 = 3;
/// Acknowledgement.
const OPCODE_ACK: u16 = 4;
/// Error.
const OPCODE_ERROR: u16 = 5;
/// Option acknowledgement (RFC 2347).
const OPCODE_OACK: u16 = 6;

#[cfg(test)]
mod tests;

//! From a datagram to a [`Packet`].

use super::{
    ErrorCode, Mode, OPCODE_ACK, OPCODE_DATA, OPCODE_ERROR, OPCODE_OACK, OPCODE_RRQ, OPCODE_WRQ,
    OPTIONS_MAX, REQUEST_BYTES_MAX, TransferOptions,
};
use crate::wire::ParseError;
use crate::wire::reader::Reader;

/// A checked packet that borrows the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ.
    ReadRequest(Request<'a>),
    /// WRQ, which a boot server refuses.
    WriteRequest(Request<'a>),
    /// DATA.
    Data {
        /// Block number, which wraps.
        block: u16,
        /// The bytes; fewer than the block size end the transfer.
        payload: &'a [u8],
    },
    /// ACK.
    Ack {
        /// Block number, which wraps; 0 acknowledges an OACK.
        block: u16,
    },
    /// ERROR.
    Error {
        /// What kind of error.
        code: ErrorCode,
        /// What the peer says about it, untrusted.
        message: &'a [u8],
    },
    /// OACK.
    OptionAck(TransferOptions),
}

/// What RRQ and WRQ carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The name as sent; see [`crate::wire::path::normalise`].
    pub file_name: &'a [u8],
    /// The transfer mode.
    pub mode: Mode,
    /// The options.
    pub options: TransferOptions,
}

/// Checks a datagram's payload.
///
/// Trailing bytes are ignored in ACK, and an ERROR without its final NUL is accepted, because ROMs
/// pad and truncate. A request's options end at the first empty name or missing NUL.
///
/// # Errors
/// [`ParseError::Truncated`] for a missing field or NUL, [`ParseError::BadLength`] for a request
/// above [`REQUEST_BYTES_MAX`], [`ParseError::BadValue`] for an empty file name or an unknown mode,
/// [`ParseError::UnknownCode`] for another opcode.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, ParseError> {
    let mut reader = Reader::new(bytes);
    Ok(match reader.u16()? {
        OPCODE_RRQ => Packet::ReadRequest(parse_request(reader)?),
        OPCODE_WRQ => Packet::WriteRequest(parse_request(reader)?),
        OPCODE_DATA => Packet::Data { block: reader.u16()?, payload: reader.rest() },
        OPCODE_ACK => Packet::Ack { block: reader.u16()? },
        OPCODE_ERROR => {
            let code = ErrorCode(reader.u16()?);
            let message = reader.until_nul().unwrap_or(reader.rest());
            Packet::Error { code, message }
        }
        OPCODE_OACK => Packet::OptionAck(parse_options(reader)),
        unknown => return Err(ParseError::UnknownCode(unknown)),
    })
}

fn parse_request(mut reader: Reader<'_>) -> Result<Request<'_>, ParseError> {
    if reader.remaining().saturating_add(2) > REQUEST_BYTES_MAX {
        return Err(ParseError::BadLength);
    }
    let file_name = reader.until_nul()?;
    if file_name.is_empty() {
        return Err(ParseError::BadValue);
    }
    let mode = reader.until_nul()?;
    let mode = [Mode::Octet, Mode::NetAscii, Mode::Mail]
        .into_iter()
        .find(|known| known.name().as_bytes().eq_ignore_ascii_case(mode))
        .ok_or(ParseError::BadValue)?;
    Ok(Request { file_name, mode, options: parse_options(reader) })
}

fn parse_options(mut reader: Reader<'_>) -> TransferOptions {
    let mut options = TransferOptions::default();
    for _ in 0..OPTIONS_MAX {
        let Ok(name @ [_, ..]) = reader.until_nul() else { break };
        let Ok(value) = reader.until_nul() else { break };
        options.read(name, value);
    }
    options
}

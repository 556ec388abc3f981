//! From values to datagrams.

use super::{
    DATA_HEADER_BYTES, ErrorCode, OPCODE_ACK, OPCODE_DATA, OPCODE_ERROR, OPCODE_OACK, OPCODE_RRQ,
    OPCODE_WRQ, Request, TransferOptions,
};
use crate::wire::EmitError;
use crate::wire::writer::Writer;

/// The four bytes before the payload of DATA.
pub const fn emit_data_header(block: u16) -> [u8; DATA_HEADER_BYTES] {
    with_opcode(OPCODE_DATA, block)
}

/// A whole ACK.
pub const fn emit_ack(block: u16) -> [u8; 4] {
    with_opcode(OPCODE_ACK, block)
}

/// Writes an OACK with the options that still have a value, in the order of the request that they
/// came from, names in lower case; gives its length.
///
/// # Errors
/// [`EmitError::NoSpace`]; 128 bytes always suffice.
pub fn emit_option_ack(buffer: &mut [u8], options: &TransferOptions) -> Result<usize, EmitError> {
    let mut writer = Writer::new(buffer);
    writer.put_u16(OPCODE_OACK);
    put_options(&mut writer, options);
    writer.finish()
}

/// Writes an ERROR and gives its length.
///
/// # Errors
/// [`EmitError::NoSpace`], or [`EmitError::BadText`] when the message holds a NUL.
pub fn emit_error(buffer: &mut [u8], code: ErrorCode, message: &str) -> Result<usize, EmitError> {
    let mut writer = Writer::new(buffer);
    writer.put_u16(OPCODE_ERROR);
    writer.put_u16(code.0);
    put_text(&mut writer, message.as_bytes());
    writer.finish()
}

/// Writes an RRQ, for clients in tests and simulations; gives its length.
///
/// # Errors
/// [`EmitError::NoSpace`], or [`EmitError::BadText`] when the name holds a NUL.
pub fn emit_request(buffer: &mut [u8], request: &Request<'_>) -> Result<usize, EmitError> {
    put_request(buffer, OPCODE_RRQ, request)
}

/// Writes a WRQ, for clients in tests and simulations; gives its length.
///
/// # Errors
/// As [`emit_request`].
pub fn emit_write_request(buffer: &mut [u8], request: &Request<'_>) -> Result<usize, EmitError> {
    put_request(buffer, OPCODE_WRQ, request)
}

fn put_request(buffer: &mut [u8], opcode: u16, request: &Request<'_>) -> Result<usize, EmitError> {
    let mut writer = Writer::new(buffer);
    writer.put_u16(opcode);
    put_text(&mut writer, request.file_name);
    put_text(&mut writer, request.mode.name().as_bytes());
    put_options(&mut writer, &request.options);
    writer.finish()
}

fn put_options(writer: &mut Writer<'_>, options: &TransferOptions) {
    for (name, value) in options.iter() {
        put_text(writer, name.name().as_bytes());
        writer.put_fmt(format_args!("{value}"));
        writer.put_u8(0);
    }
}

fn put_text(writer: &mut Writer<'_>, text: &[u8]) {
    if text.contains(&0) {
        writer.fail(EmitError::BadText);
    }
    writer.put_bytes(text);
    writer.put_u8(0);
}

const fn with_opcode(opcode: u16, block: u16) -> [u8; 4] {
    let [a, b] = opcode.to_be_bytes();
    let [c, d] = block.to_be_bytes();
    [a, b, c, d]
}

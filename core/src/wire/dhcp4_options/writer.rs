//! Writes a whole message: header, option 53, the options, relay agent information, END, padding.

use core::net::Ipv4Addr;

use super::code;
use super::routes::Route;
use crate::wire::EmitError;
use crate::wire::dhcp4::{Header, MAGIC_COOKIE, MessageType};
use crate::wire::tlv::{END, PAD};
use crate::wire::writer::Writer;

/// Builds a message in a lent buffer; the buffer's length is the message's limit.
///
/// Options appear in the order of the calls, after option 53. Overload is never used and no option
/// is ever split, because iPXE, shim and GRUB understand neither. Errors are remembered and told by
/// [`MessageWriter::finish`]; nothing panics.
#[derive(Debug)]
pub struct MessageWriter<'b, 'r> {
    writer: Writer<'b>,
    relay_agent: Option<&'r [u8]>,
}

impl<'b, 'r> MessageWriter<'b, 'r> {
    /// Starts a DHCP message: header, cookie and option 53, which Linux and old relays want first.
    pub fn new(buffer: &'b mut [u8], header: &Header, message_type: MessageType) -> Self {
        let mut message = Self::bootp(buffer, header);
        message.put_u8(code::MESSAGE_TYPE, message_type.code());
        message
    }

    /// Starts a message without option 53, the answer to plain BOOTP (RFC 1534 §2).
    pub fn bootp(buffer: &'b mut [u8], header: &Header) -> Self {
        let mut writer = Writer::new(buffer);
        writer.put_header(header);
        writer.put_bytes(&MAGIC_COOKIE);
        Self { writer, relay_agent: None }
    }

    /// Echoes option 82 as the last option (RFC 3046 §2.2), whatever is put after this call. Call it
    /// early, so that [`MessageWriter::fits`] knows of it.
    pub const fn set_relay_agent(&mut self, data: &'r [u8]) {
        self.relay_agent = Some(data);
    }

    /// Whether an option with a value of `len` bytes still fits, so that a lesser option can be left
    /// out instead of failing the message.
    pub fn fits(&self, len: usize) -> bool {
        let tail = self.relay_agent.map_or(1, |data| data.len().saturating_add(3));
        len <= 255 && len.saturating_add(tail).saturating_add(2) <= self.writer.remaining()
    }

    /// Appends an option.
    #[inline]
    pub fn put(&mut self, code: u8, data: &[u8]) {
        put_option(&mut self.writer, code, data);
    }

    /// Appends an option with an empty value.
    pub fn put_flag(&mut self, code: u8) {
        self.put(code, &[]);
    }

    /// Appends an option that is one byte.
    pub fn put_u8(&mut self, code: u8, value: u8) {
        self.put(code, &[value]);
    }

    /// Appends an option that is a 16-bit number.
    pub fn put_u16(&mut self, code: u8, value: u16) {
        self.put(code, &value.to_be_bytes());
    }

    /// Appends an option that is a 32-bit number; times are in seconds.
    pub fn put_u32(&mut self, code: u8, value: u32) {
        self.put(code, &value.to_be_bytes());
    }

    /// Appends an option that is one address.
    pub fn put_address(&mut self, code: u8, address: Ipv4Addr) {
        self.put(code, &address.octets());
    }

    /// Appends an option that is a list of addresses; nothing at all for an empty list, because a
    /// value of zero bytes is illegal there and kills the packet in edk2.
    pub fn put_addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        let len = match u8::try_from(addresses.len().saturating_mul(4)) {
            Ok(0) => return,
            Ok(len) => len,
            Err(_) => return self.writer.fail(EmitError::TooLong),
        };
        self.writer.put_bytes(&[code, len]);
        for address in addresses {
            self.writer.put_bytes(&address.octets());
        }
    }

    /// Appends an option that is a list of routes (RFC 3442); nothing at all for an empty list.
    pub fn put_routes(&mut self, code: u8, routes: &[Route]) {
        let len = routes.iter().map(Route::len_bytes).fold(0, usize::saturating_add);
        let len = match u8::try_from(len) {
            Ok(0) => return,
            Ok(len) => len,
            Err(_) => return self.writer.fail(EmitError::TooLong),
        };
        self.writer.put_bytes(&[code, len]);
        for route in routes {
            route.emit(&mut self.writer);
        }
    }

    /// Appends an option that is a list of domain names in DNS wire form, uncompressed (RFC 3397);
    /// nothing at all for an empty list. A label that is empty or above 63 bytes fails the message.
    pub fn put_domain_names(&mut self, code: u8, names: &[&str]) {
        // A dot becomes the length byte of the label behind it; one more at the front, one for the
        // root.
        let len = names.iter().map(|name| name.trim_end_matches('.').len().saturating_add(2));
        let len = match u8::try_from(len.fold(0, usize::saturating_add)) {
            Ok(0) => return,
            Ok(len) => len,
            Err(_) => return self.writer.fail(EmitError::TooLong),
        };
        self.writer.put_bytes(&[code, len]);
        for name in names {
            for label in name.trim_end_matches('.').split('.') {
                match u8::try_from(label.len()) {
                    Ok(len @ 1..=63) => self.writer.put_u8(len),
                    _ => return self.writer.fail(EmitError::BadText),
                }
                self.writer.put_bytes(label.as_bytes());
            }
            self.writer.put_u8(0);
        }
    }

    /// Appends an option whose value is `text` and a NUL inside the length, as PXE ROMs want option
    /// 67: some cut the last character without it.
    pub fn put_text_nul(&mut self, code: u8, text: &[u8]) {
        let len = text.len().checked_add(1).and_then(|len| u8::try_from(len).ok());
        let Some(len) = len else { return self.writer.fail(EmitError::TooLong) };
        self.writer.put_bytes(&[code, len]);
        self.writer.put_bytes(text);
        self.writer.put_u8(0);
    }

    /// Appends an option and one PAD byte. edk2 overwrites the byte after an unterminated option 67,
    /// and GRUB compares option 60 without a bound: this byte is the NUL that both rely on.
    pub fn put_then_pad(&mut self, code: u8, data: &[u8]) {
        self.put(code, data);
        self.writer.put_u8(PAD);
    }

    /// Ends the message: option 82 if set, END, zeros up to [`MESSAGE_BYTES_MIN`]. Gives the
    /// message's length in bytes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] for a value above 255 bytes, [`EmitError::NoSpace`] when the message
    /// does not fit its buffer.
    pub fn finish(mut self) -> Result<usize, EmitError> {
        if let Some(data) = self.relay_agent {
            put_option(&mut self.writer, code::RELAY_AGENT, data);
        }
        self.writer.put_u8(END);
        let missing = MESSAGE_BYTES_MIN.saturating_sub(self.writer.len());
        self.writer.put_zeros(missing);
        self.writer.finish()
    }
}

#[inline]
fn put_option(writer: &mut Writer<'_>, code: u8, data: &[u8]) {
    let Ok(len) = u8::try_from(data.len()) else { return writer.fail(EmitError::TooLong) };
    if let Some([to_code, to_len, value @ ..]) = writer.slot(data.len().saturating_add(2)) {
        (*to_code, *to_len) = (code, len);
        value.copy_from_slice(data);
    }
}

/// The shortest message to send, in bytes; old ROMs and relays drop shorter ones (RFC 1542 §2.1).
pub const MESSAGE_BYTES_MIN: usize = 300;
/// What every client must accept, in bytes: a datagram of 576 (RFC 2131 §2) less 28 of headers.
pub const MESSAGE_BYTES_SAFE: usize = 548;
/// The longest message to send to anyone, in bytes: edk2 drops longer ones.
pub const MESSAGE_BYTES_MAX: usize = 1472;

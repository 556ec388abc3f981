//! A reply that is being written: what must stand in it, and what may if there is room.

use core::net::Ipv4Addr;

use super::request::Request;
use super::trace::{Decision, LeftOutRule, Level, Recorder};
use crate::view::Network;
use crate::wire::EmitError;
use crate::wire::dhcp4::{CodeSet, Header, MessageType};
use crate::wire::dhcp4_options::{MessageWriter, code};

/// A message writer that takes each option once, and takes note of who wanted it.
#[derive(Debug)]
pub(super) struct Sheet<'b, 'r, 't, R> {
    writer: MessageWriter<'b, 'r>,
    written: CodeSet,
    recorder: &'t mut R,
}

impl<'b, 'r, 't, R: Recorder> Sheet<'b, 'r, 't, R> {
    /// A message that says who sends it, and nothing else yet. Options are never split nor moved
    /// into header fields: iPXE, shim and GRUB understand neither.
    pub(super) fn new(
        request: &Request<'r>,
        network: &Network,
        header: &Header,
        message_type: MessageType,
        buffer: &'b mut [u8],
        recorder: &'t mut R,
    ) -> Self {
        let room = request.options.message_bytes_max().min(buffer.len());
        let mut writer = MessageWriter::new(&mut buffer[..room], header, message_type);
        recorder.note(|| option(code::MESSAGE_TYPE, Level::Protocol));
        if let Some(relay) = request.options.relay_agent {
            writer.set_relay_agent(relay.as_bytes());
            recorder.note(|| option(code::RELAY_AGENT, Level::Echo));
        }
        let mut sheet = Self { writer, written: CodeSet::EMPTY, recorder };
        sheet.must(Level::Protocol, code::SERVER_ID, &request.server_id(network).octets());
        sheet
    }

    /// A message of BOOTP, without an option yet.
    pub(super) fn bootp(
        request: &Request<'r>,
        header: &Header,
        buffer: &'b mut [u8],
        recorder: &'t mut R,
    ) -> Self {
        let mut writer = MessageWriter::bootp(buffer, header);
        if let Some(relay) = request.options.relay_agent {
            writer.set_relay_agent(relay.as_bytes());
            recorder.note(|| option(code::RELAY_AGENT, Level::Echo));
        }
        Self { writer, written: CodeSet::EMPTY, recorder }
    }

    /// Writes an option that the client cannot do without; the message fails if it does not fit.
    pub(super) fn must(&mut self, level: Level, code: u8, data: &[u8]) {
        self.writer.put(code, data);
        self.written.insert(code);
        self.recorder.note(|| option(code, level));
    }

    /// Writes an option that is a 32-bit number and that the client cannot do without.
    pub(super) fn must_u32(&mut self, level: Level, code: u8, value: u32) {
        self.must(level, code, &value.to_be_bytes());
    }

    /// Writes an option if there is room for it; one without a value is none.
    pub(super) fn may(&mut self, level: Level, code: u8, data: &[u8]) {
        if !data.is_empty() && self.has_room(level, code, data.len()) {
            self.writer.put(code, data);
        }
    }

    /// Writes an option with a list of addresses if there is room for it and there are any.
    pub(super) fn may_addresses(&mut self, level: Level, code: u8, addresses: &[Ipv4Addr]) {
        if !addresses.is_empty() && self.has_room(level, code, addresses.len() * 4) {
            self.writer.put_addresses(code, addresses);
        }
    }

    /// Writes an option with a NUL inside, if there is room for it.
    pub(super) fn may_with_nul(&mut self, level: Level, code: u8, text: &[u8]) {
        if self.has_room(level, code, text.len() + 1) {
            self.writer.put_text_nul(code, text);
        }
    }

    /// Writes an option with a PAD behind it, if there is room for it.
    pub(super) fn may_then_pad(&mut self, level: Level, code: u8, data: &[u8]) {
        if self.has_room(level, code, data.len() + 1) {
            self.writer.put_then_pad(code, data);
        }
    }

    /// Takes note of an option that is not written although the configuration has it.
    pub(super) fn note_left_out(&mut self, level: Level, code: u8, why: LeftOutRule) {
        self.recorder.note(|| Decision::LeftOut { code, level, why });
    }

    /// Whether the message has an option with this code.
    pub(super) fn has(&self, code: u8) -> bool {
        self.written.contains(code)
    }

    /// Whether an option with a value of `len` bytes is new and still fits, so that it is written
    /// now; takes note of it either way.
    fn has_room(&mut self, level: Level, code: u8, len: usize) -> bool {
        if self.has(code) {
            return false;
        }
        let fits = self.writer.fits(len);
        if fits {
            self.written.insert(code);
        }
        self.recorder.note(|| match fits {
            true => option(code, level),
            false => Decision::LeftOut { code, level, why: LeftOutRule::NoRoom },
        });
        fits
    }

    /// Ends the message and gives its length.
    ///
    /// # Errors
    /// When what the client cannot do without does not fit.
    pub(super) fn finish(self) -> Result<usize, EmitError> {
        self.writer.finish()
    }
}

const fn option(code: u8, level: Level) -> Decision {
    Decision::Option { code, level }
}

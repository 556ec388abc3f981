//! What a connection receives: heads, bodies, and requests that came too early.

use super::answer::Persistence;
use super::connection::{Invitation, State};
use super::request::{self, Outcome, Request};
use super::server::HttpServer;
use crate::engine::Discard;
use crate::event::Event;
use crate::time::Instant;
use crate::view::View;
use crate::wire::http::Status;

impl HttpServer {
    pub(super) fn on_received(
        &mut self,
        slot: u32,
        bytes: &[u8],
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        if self.connections[slot as usize].deaf {
            return Ok(());
        }
        match self.connections[slot as usize].state {
            State::Idle => {
                self.idle.remove(slot);
                self.read(slot, bytes, now, view)
            }
            State::ReceivingHead => self.read_more(slot, bytes, now, view),
            State::DrainingBody { .. }
            | State::Waiting { .. }
            | State::Responding { .. }
            | State::Sending { .. } => self.absorb(slot, bytes, now),
            State::Closing { .. } => Ok(()),
            State::Free => Err(Discard::UnknownSession),
        }
    }

    /// Reads a request straight from received bytes; nothing is copied if it is whole and alone.
    fn read(&mut self, slot: u32, bytes: &[u8], now: Instant, view: &View) -> Result<(), Discard> {
        let asker = self.asker(slot, now);
        match request::read(bytes, &asker, view) {
            Outcome::Request(request) => {
                let head_bytes = request.head_bytes;
                let discard = self.begin(slot, request, now);
                let absorbed = self.absorb(slot, &bytes[head_bytes..], now);
                discard.map_or(absorbed, Err)
            }
            Outcome::Partial => match self.keep(slot, bytes) {
                Ok(()) => {
                    self.transition_to_receiving_head(slot, now);
                    Ok(())
                }
                Err(discard) => {
                    self.refuse(slot, Status::SERVICE_UNAVAILABLE, now);
                    Err(discard)
                }
            },
            Outcome::Refused(error) => {
                self.refuse(slot, error.status(), now);
                Err(Discard::Malformed)
            }
        }
    }

    /// Adds bytes to a part of a head.
    fn read_more(
        &mut self,
        slot: u32,
        bytes: &[u8],
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let unread = self.connections[slot as usize].unread.as_ref();
        let unread = unread.expect("a part of a head is in a buffer");
        let count = self.buffers.append(unread, bytes);
        // Every head ends with a line feed: without a new one there is nothing new to read, so a
        // head that comes byte by byte is not read again for each of them.
        if !bytes[..count].contains(&b'\n') && !self.buffers.is_full(unread) {
            return Ok(());
        }
        self.read_kept(slot, now, view)?;
        let connection = &self.connections[slot as usize];
        match connection.state {
            State::DrainingBody { .. } | State::Waiting { .. } | State::Responding { .. } => {
                self.absorb(slot, &bytes[count..], now)
            }
            State::Free
            | State::Idle
            | State::ReceivingHead
            | State::Sending { .. }
            | State::Closing { .. } => Ok(()),
        }
    }

    /// Reads a request from the bytes that were kept. What is left of them stays.
    pub(super) fn read_kept(
        &mut self,
        slot: u32,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let asker = self.asker(slot, now);
        let unread = self.connections[slot as usize].unread.as_ref();
        let unread = unread.expect("whoever reads has kept something");
        match request::read(self.buffers.bytes(unread), &asker, view) {
            Outcome::Request(request) => {
                self.consume(slot, request.head_bytes);
                let discard = self.begin(slot, request, now);
                self.drain_kept(slot, now);
                let connection = &self.connections[slot as usize];
                let is_cut = connection.half_closed || connection.deaf;
                if is_cut && matches!(connection.state, State::DrainingBody { left: 1.., .. }) {
                    // The rest of the body will not come.
                    self.transition_to_closing(slot);
                }
                discard.map_or(Ok(()), Err)
            }
            Outcome::Partial => {
                let connection = &self.connections[slot as usize];
                if connection.half_closed || connection.deaf {
                    // Its rest will not come.
                    self.transition_to_closing(slot);
                } else if !matches!(connection.state, State::ReceivingHead) {
                    self.transition_to_receiving_head(slot, now);
                }
                Ok(())
            }
            Outcome::Refused(error) => {
                self.refuse(slot, error.status(), now);
                Err(Discard::Malformed)
            }
        }
    }

    /// Starts to answer a request whose head has been taken off the input.
    fn begin(&mut self, slot: u32, request: Request, now: Instant) -> Option<Discard> {
        let Request { body_bytes, expects_continue, answer, event, head_bytes: _ } = request;
        if let Some(kind) = event {
            self.events.push(Event { at: now, client: answer.client, kind });
        }
        if answer.persistence == Persistence::Close && body_bytes == 0 {
            self.stop_listening(slot);
        }
        if body_bytes == 0 {
            return self.respond(slot, answer, now);
        }
        self.transition_to_draining_body(slot, body_bytes, expects_continue, answer, now);
        answer.sent_away_s().map(|_| Discard::Overload)
    }

    /// Takes bytes behind a request that is being answered: its body first, then what is
    /// pipelined.
    fn absorb(&mut self, slot: u32, bytes: &[u8], now: Instant) -> Result<(), Discard> {
        let taken = self.drain(slot, bytes.len(), now);
        let rest = &bytes[taken..];
        if rest.is_empty() || self.connections[slot as usize].deaf {
            return Ok(());
        }
        self.keep(slot, rest)
    }

    /// The same for bytes that were kept.
    fn drain_kept(&mut self, slot: u32, now: Instant) {
        if let Some(unread) = &self.connections[slot as usize].unread {
            let len = self.buffers.bytes(unread).len();
            let taken = self.drain(slot, len, now);
            self.consume(slot, taken);
        }
    }

    /// Counts as many of `available` bytes as belong to a body, and tells how many those are.
    fn drain(&mut self, slot: u32, available: usize, now: Instant) -> usize {
        let State::DrainingBody { left, invitation, answer } =
            &mut self.connections[slot as usize].state
        else {
            return 0;
        };
        let taken = usize::try_from(*left).map_or(available, |left| left.min(available));
        if taken == 0 {
            return 0;
        }
        *left -= taken as u64;
        if *invitation == Invitation::Due {
            // Who sends already needs no invitation (RFC 9110 §10.1.1).
            *invitation = Invitation::Done;
        }
        if *left == 0 {
            let closes = answer.persistence == Persistence::Close;
            let answer = (*invitation == Invitation::Done).then_some(*answer);
            if closes {
                self.stop_listening(slot);
            }
            if let Some(answer) = answer {
                // That somebody is sent away after a body is not counted once more.
                self.respond(slot, answer, now);
            }
        }
        taken
    }

    /// Answers something that is no request, or does not come to its end, and closes then.
    pub(super) fn refuse(&mut self, slot: u32, status: Status, now: Instant) {
        let mut asker = self.asker(slot, now);
        if status == Status::SERVICE_UNAVAILABLE {
            asker.retry_after_s = Some(self.retry_after_s());
        }
        self.stop_listening(slot);
        self.drop_unread(slot);
        self.transition_to_responding(slot, request::refusal(status, &asker));
    }

    /// Keeps bytes until they can be read; those that do not fit make the connection deaf.
    fn keep(&mut self, slot: u32, bytes: &[u8]) -> Result<(), Discard> {
        let connection = &mut self.connections[slot as usize];
        if connection.unread.is_none() {
            connection.unread = self.buffers.take();
        }
        let kept = match &connection.unread {
            Some(unread) => self.buffers.append(unread, bytes),
            None => 0,
        };
        if kept < bytes.len() {
            connection.deaf = true;
            return Err(Discard::Overload);
        }
        Ok(())
    }

    /// Takes bytes off the front of what was kept.
    fn consume(&mut self, slot: u32, count: usize) {
        let unread = self.connections[slot as usize].unread.as_ref();
        if self.buffers.consume(unread.expect("what is consumed was kept"), count) == 0 {
            self.drop_unread(slot);
        }
    }

    pub(super) fn drop_unread(&mut self, slot: u32) {
        if let Some(unread) = self.connections[slot as usize].unread.take() {
            self.buffers.release(unread);
        }
    }

    /// From now on nothing that arrives matters.
    pub(super) fn stop_listening(&mut self, slot: u32) {
        self.connections[slot as usize].deaf = true;
    }
}

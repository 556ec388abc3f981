//! The only places where a connection changes its state, except that a slot is taken and freed.

use super::answer::Answer;
use super::connection::{Invitation, State, Transfer};
use super::response;
use super::server::HttpServer;
use crate::event::{Event, EventKind, Protocol};
use crate::image::ImageSpan;
use crate::limits;
use crate::time::Instant;
use crate::view::View;

impl HttpServer {
    pub(super) fn transition_to_idle(&mut self, slot: u32, now: Instant) {
        let connection = &mut self.connections[slot as usize];
        assert!(connection.unread.is_none(), "an idle connection has nothing to read");
        assert!(!connection.outstanding, "an idle connection sends nothing");
        connection.state = State::Idle;
        self.idle.push(slot);
        self.timers.arm(slot, now + limits::HTTP_IDLE);
    }

    pub(super) fn transition_to_receiving_head(&mut self, slot: u32, now: Instant) {
        let connection = &mut self.connections[slot as usize];
        assert!(connection.unread.is_some(), "a part of a head is kept");
        connection.state = State::ReceivingHead;
        self.timers.arm(slot, now + limits::HTTP_REQUEST);
    }

    pub(super) fn transition_to_draining_body(
        &mut self,
        slot: u32,
        left: u64,
        expects_continue: bool,
        answer: Answer,
        now: Instant,
    ) {
        assert!(left > 0, "there is a body");
        let invitation = if expects_continue { Invitation::Due } else { Invitation::Done };
        self.connections[slot as usize].state = State::DrainingBody { left, invitation, answer };
        self.timers.arm(slot, now + limits::HTTP_REQUEST);
        if expects_continue {
            self.ready.push(slot);
        }
    }

    pub(super) fn transition_to_responding(&mut self, slot: u32, answer: Answer) {
        if let Some(image) = answer.image() {
            self.pins.pin(image);
        }
        self.connections[slot as usize].state = State::Responding { answer };
        self.timers.cancel(slot);
        self.ready.push(slot);
    }

    /// Others are served first. The file stays as it was when it was asked for.
    pub(super) fn transition_to_waiting(&mut self, slot: u32, answer: Answer, now: Instant) {
        if let Some(image) = answer.image() {
            self.pins.pin(image);
        }
        self.connections[slot as usize].state = State::Waiting { answer };
        self.line.push(slot);
        self.timers.arm(slot, now + limits::HTTP_TURN_MAX);
    }

    /// Writes the head of the response and tells its length and the image bytes behind it.
    pub(super) fn transition_to_sending(
        &mut self,
        slot: u32,
        answer: &Answer,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> (usize, Option<ImageSpan>) {
        let response = response::write(answer, view, head);
        if let Some(bytes) = response.transfer {
            let (protocol, name) = (Protocol::Http, answer.name);
            let kind = EventKind::TransferStarted { protocol, name, bytes };
            self.events.push(Event { at: now, client: answer.client, kind });
        }
        let mut transfer = Transfer::new(answer, &response);
        let body = transfer.next_chunk(self.chunk_bytes());
        self.connections[slot as usize].state = State::Sending { transfer };
        self.timers.arm(slot, now + limits::HTTP_STALL);
        (response.written, body)
    }

    /// The driver is told to close; a transmit that is still outstanding is given up.
    pub(super) fn transition_to_closing(&mut self, slot: u32) {
        self.stop_listening(slot);
        self.drop_unread(slot);
        self.connections[slot as usize].state = State::Closing { told: false };
        self.idle.remove(slot);
        self.line.remove(slot);
        self.timers.cancel(slot);
        self.ready.push(slot);
    }
}

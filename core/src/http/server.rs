//! All connections of a shard, moved from state to state.

use alloc::boxed::Box;
use core::mem;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::admission::Pacing;
use super::answer::Persistence;
use super::buffers::Buffers;
use super::connection::{Connection, Invitation, State};
use super::request::Asker;
use super::response;
use crate::engine::{
    ConnId, Discard, Engine, Origin, Output, Route, SendError, StreamEvent, Transmit,
};
use crate::event::{self, Event, EventQueue};
use crate::image::ImageId;
use crate::limits;
use crate::rng::Rng;
use crate::table::{Handle, ImagePins, ReadyRing, TimerWheel};
use crate::time::Instant;
use crate::view::View;
use crate::wire::http::Status;

/// The HTTP server of one shard.
///
/// The driver owns the connections and names them by slot; all memory is taken at construction.
/// Connections take turns: each transmit carries at most [`limits::STREAM_CHUNK_BYTES`] of an
/// image, then the next connection follows.
#[derive(Debug)]
pub struct HttpServer {
    pub(super) connections: Box<[Connection]>,
    pub(super) buffers: Buffers,
    pub(super) ready: ReadyRing,
    pub(super) timers: TimerWheel,
    /// Idle connections, the longest idle first.
    pub(super) idle: ReadyRing,
    pub(super) pins: ImagePins,
    pub(super) events: EventQueue,
    pub(super) rng: Rng,
    /// Connections in slots that are not free.
    pub(super) live: usize,
    /// More connections than this are too many.
    pub(super) comfortable: usize,
    /// Places for downloads that are taken, and how many there should be.
    pub(super) downloads: u32,
    /// See `downloads`.
    pub(super) downloads_max: u32,
    /// Connections whose download waits for a place, the longest waiting first.
    pub(super) line: ReadyRing,
    /// Downloads with a place, the one first that has taken nothing for longest.
    pub(super) progress: ReadyRing,
    /// The same of those that lost their place because they are slow.
    pub(super) slow: ReadyRing,
    /// How fast files go out.
    pub(super) pacing: Pacing,
    pub(super) is_draining: bool,
}

impl HttpServer {
    /// A server for connections in the slots below `connections`; `seed` decides its jitter.
    ///
    /// # Panics
    /// If `connections` is `u32::MAX`, which the tables use as a mark.
    pub fn new(connections: u32, seed: u64) -> Self {
        let partial_heads = limits::HTTP_PARTIAL_HEADS_MAX.min(connections);
        let reserve = connections / limits::HTTP_RESERVE_SHARE;
        Self {
            connections: (0..connections).map(|_| Connection::FREE).collect(),
            buffers: Buffers::new(partial_heads, limits::HTTP_HEAD_BYTES_MAX),
            ready: ReadyRing::new(connections),
            timers: TimerWheel::new(connections),
            idle: ReadyRing::new(connections),
            pins: ImagePins::new(limits::IMAGES_MAX),
            events: EventQueue::new(limits::EVENTS_MAX),
            rng: Rng::new(seed),
            live: 0,
            comfortable: (connections - reserve) as usize,
            downloads: 0,
            downloads_max: (connections - connections / limits::HTTP_SMALL_SHARE).max(1),
            line: ReadyRing::new(connections),
            progress: ReadyRing::new(connections),
            slow: ReadyRing::new(connections),
            pacing: Pacing::new(connections),
            is_draining: false,
        }
    }

    /// Events that were overwritten before anybody took them.
    pub const fn events_lost(&self) -> u64 {
        self.events.lost()
    }

    fn on_accepted(
        &mut self,
        conn: ConnId,
        peer: SocketAddr,
        local: SocketAddr,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let connection = &mut self.connections[conn.slot as usize];
        assert!(matches!(connection.state, State::Free), "an accepted connection has a free slot");
        assert!(connection.unread.is_none(), "a free slot holds no buffer");
        let own_address = match local.ip().to_canonical() {
            IpAddr::V4(address) if view.is_own_address(IpAddr::V4(address)) => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        self.live += 1;
        *connection = Connection {
            generation: conn.generation,
            peer: peer.ip().to_canonical(),
            local: own_address.unwrap_or(Ipv4Addr::UNSPECIFIED),
            crowds: self.live > self.comfortable,
            state: State::Idle,
            ..Connection::FREE
        };
        if self.is_draining {
            self.transition_to_closing(conn.slot);
            return Err(Discard::Draining);
        }
        if own_address.is_none() {
            self.transition_to_closing(conn.slot);
            return Err(Discard::UnknownNetwork);
        }
        self.make_room(now);
        self.transition_to_idle(conn.slot, now);
        Ok(())
    }

    /// Ends the connection that has been idle for longest if there are too many: clients keep
    /// connections open for long and open them again without harm, but nobody waits long for one.
    /// If all are in use, ends one whose client has taken nothing for long.
    fn make_room(&mut self, now: Instant) {
        if self.live <= self.comfortable {
            return;
        }
        let patience = limits::HTTP_IDLE - limits::HTTP_IDLE_MIN;
        let is_unused = |slot: &u32| {
            let until = self.timers.deadline(*slot).expect("an idle connection has a deadline");
            until <= now + patience
        };
        match self.idle.first().filter(is_unused) {
            Some(slot) => self.transition_to_closing(slot),
            None => self.end_slowest(now),
        }
    }

    fn on_sent(&mut self, slot: u32, now: Instant, view: &View) -> Result<(), Discard> {
        let connection = &mut self.connections[slot as usize];
        if !mem::replace(&mut connection.outstanding, false) {
            return Err(Discard::UnknownSession);
        }
        match &mut connection.state {
            State::Sending { transfer } => {
                if transfer.on_sent() {
                    let is_persistent = transfer.is_persistent();
                    self.end_transfer(slot, event::Outcome::Completed, now);
                    return self.go_on(slot, is_persistent, now, view);
                }
                self.send_more(slot, now);
            }
            State::DrainingBody { left, invitation, answer } => {
                *invitation = Invitation::Done;
                if *left == 0 {
                    let answer = *answer;
                    self.respond(slot, answer, now);
                }
            }
            State::Closing { .. } => {}
            State::Free
            | State::Idle
            | State::ReceivingHead
            | State::Waiting { .. }
            | State::Responding { .. } => {
                panic!("only a state that sends has a transmit outstanding")
            }
        }
        Ok(())
    }

    /// What comes after a response: the next request, or the end.
    pub(super) fn go_on(
        &mut self,
        slot: u32,
        is_persistent: bool,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let connection = &self.connections[slot as usize];
        if is_persistent && connection.unread.is_some() {
            return self.read_kept(slot, now, view);
        }
        if !is_persistent || connection.deaf || connection.half_closed || self.is_draining {
            self.transition_to_closing(slot);
        } else {
            self.transition_to_idle(slot, now);
        }
        Ok(())
    }

    fn on_end_of_stream(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.half_closed = true;
        match connection.state {
            // The rest of a request will not come.
            State::Idle | State::ReceivingHead => self.transition_to_closing(slot),
            State::DrainingBody { left, .. } if left > 0 => self.transition_to_closing(slot),
            // Clients that close their side early still want their answer.
            State::DrainingBody { .. }
            | State::Waiting { .. }
            | State::Responding { .. }
            | State::Sending { .. } => {}
            State::Closing { .. } | State::Free => {}
        }
    }

    fn on_closed(&mut self, slot: u32, now: Instant) {
        self.abandon(slot, event::Outcome::Aborted, now);
        self.stop_listening(slot);
        self.drop_unread(slot);
        self.ready.remove(slot);
        self.idle.remove(slot);
        self.line.remove(slot);
        self.timers.cancel(slot);
        self.pacing.forget(slot);
        let generation = self.connections[slot as usize].generation;
        self.connections[slot as usize] = Connection { generation, ..Connection::FREE };
        assert!(self.live > 0, "a connection that closes was counted");
        self.live -= 1;
    }

    fn on_deadline(&mut self, slot: u32, now: Instant) {
        match self.connections[slot as usize].state {
            State::Idle => self.transition_to_closing(slot),
            State::ReceivingHead => self.refuse(slot, Status::REQUEST_TIMEOUT, now),
            State::DrainingBody { .. } => {
                if self.connections[slot as usize].outstanding {
                    self.transition_to_closing(slot);
                } else {
                    self.refuse(slot, Status::REQUEST_TIMEOUT, now);
                }
            }
            State::Waiting { .. } => self.begin_download(slot, now),
            State::Sending { .. } if !self.connections[slot as usize].outstanding => {
                // Its rate allows more of it, or it waits for us.
                self.timers.arm(slot, now + limits::HTTP_STALL);
                self.ready.push(slot);
            }
            State::Sending { .. } => {
                self.abandon(slot, event::Outcome::TimedOut, now);
                self.transition_to_closing(slot);
            }
            State::Responding { .. } | State::Closing { .. } | State::Free => {
                panic!("a state without a deadline has no timer")
            }
        }
    }

    /// The output of a connection whose turn it is, if it still has one.
    fn output_of(
        &mut self,
        slot: u32,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Option<Output> {
        let connection = &mut self.connections[slot as usize];
        let conn = ConnId { slot, generation: connection.generation };
        if let State::Closing { told } = &mut connection.state {
            return (!mem::replace(told, true)).then_some(Output::Close(conn));
        }
        assert!(!connection.outstanding, "a connection sends one thing at a time");
        let (head_len, body) = match &mut connection.state {
            State::Responding { answer } => {
                let mut answer = *answer;
                if self.is_draining {
                    answer.persistence = Persistence::Close;
                }
                self.transition_to_sending(slot, &answer, head, now, view)
            }
            State::Sending { transfer } => (0, transfer.next_chunk(self.pacing.chunk_bytes())),
            State::DrainingBody { invitation: invitation @ Invitation::Due, .. } => {
                *invitation = Invitation::Sent;
                (response::write_continue(head), None)
            }
            State::DrainingBody { .. }
            | State::Idle
            | State::ReceivingHead
            | State::Waiting { .. }
            | State::Free => {
                return None;
            }
            State::Closing { .. } => unreachable!("closing was dealt with above"),
        };
        self.connections[slot as usize].outstanding = true;
        self.note_progress(slot);
        self.pacing.spend(slot, body.map_or(0, |span| span.len), now);
        Some(Output::Transmit(Transmit {
            route: Route::Stream(conn),
            origin: origin_of(conn),
            head_len: u16::try_from(head_len).expect("a head fits its buffer"),
            body,
            split: None,
        }))
    }

    /// Ends what is being sent, if anything, and tells of it.
    pub(super) fn abandon(&mut self, slot: u32, outcome: event::Outcome, now: Instant) {
        match &self.connections[slot as usize].state {
            State::Sending { .. } => self.end_transfer(slot, outcome, now),
            State::Waiting { answer } | State::Responding { answer } => {
                if let Some(image) = answer.image() {
                    self.pins.unpin(image);
                }
                self.release_place(slot);
            }
            State::DrainingBody { .. }
            | State::Idle
            | State::ReceivingHead
            | State::Closing { .. }
            | State::Free => {}
        }
    }

    /// Whoever calls this moves the connection on to another state.
    pub(super) fn end_transfer(&mut self, slot: u32, outcome: event::Outcome, now: Instant) {
        let State::Sending { transfer } = &self.connections[slot as usize].state else {
            panic!("a transfer that ends was running");
        };
        if let Some(image) = transfer.image() {
            self.pins.unpin(image);
        }
        if let Some(kind) = transfer.ended(outcome, now) {
            self.events.push(Event { at: now, client: transfer.client(), kind });
        }
        self.release_place(slot);
    }

    pub(super) fn asker(&mut self, slot: u32, now: Instant) -> Asker {
        let is_crowded = self.connections[slot as usize].crowds && self.live > self.comfortable;
        let retry_after_s = is_crowded.then(|| self.retry_after_s());
        let Connection { peer, local, .. } = self.connections[slot as usize];
        Asker { peer, local, now, retry_after_s }
    }

    pub(super) fn retry_after_s(&mut self) -> u32 {
        let (shortest, longest) = limits::HTTP_RETRY_AFTER_S;
        shortest + self.rng.below(longest - shortest + 1)
    }

    /// The slot of a connection that lives.
    fn find(&self, conn: ConnId) -> Result<u32, Discard> {
        match self.connections.get(conn.slot as usize) {
            Some(Connection { state: State::Free, .. }) | None => Err(Discard::UnknownSession),
            Some(connection) if connection.generation == conn.generation => Ok(conn.slot),
            Some(_) => Err(Discard::UnknownSession),
        }
    }
}

impl Engine for HttpServer {
    type Input<'i> = StreamEvent<'i>;

    fn handle_input(
        &mut self,
        input: StreamEvent<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let taken = match input {
            StreamEvent::Accepted { conn, peer, local } => {
                self.on_accepted(conn, peer, local, now, view)
            }
            StreamEvent::Received { conn, bytes } => {
                self.on_received(self.find(conn)?, bytes, now, view)
            }
            StreamEvent::Sent { conn } => self.on_sent(self.find(conn)?, now, view),
            StreamEvent::EndOfStream { conn } => {
                self.on_end_of_stream(self.find(conn)?);
                Ok(())
            }
            StreamEvent::Closed { conn } => {
                self.on_closed(self.find(conn)?, now);
                Ok(())
            }
        };
        self.begin_waiting(now);
        taken
    }

    fn handle_timeout(&mut self, now: Instant) {
        // What is left stays due. A deadline that has passed is taken off, and new ones lie in the
        // future.
        for _ in 0..limits::EXPIRIES_MAX {
            let Some(slot) = self.timers.pop_expired(now) else { break };
            self.on_deadline(slot, now);
        }
        self.pacing.expire(now);
        self.begin_waiting(now);
    }

    fn poll_output(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Output> {
        assert!(head.len() >= limits::HEAD_BYTES, "the driver lends a whole head buffer");
        if self.pacing.holds(view.http, now) {
            return None;
        }
        // Ends: each round takes a connection out of the ring.
        while let Some(slot) = self.ready.pop() {
            let output = self.output_of(slot, head, now, view);
            if output.is_some() {
                return output;
            }
        }
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    fn events_lost(&self) -> u64 {
        self.events.lost()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (self.timers.next_deadline(), self.pacing.held_until()) {
            (Some(deadline), Some(held)) => Some(deadline.min(held)),
            (deadline, held) => deadline.or(held),
        }
    }

    fn handle_send_error(&mut self, origin: Origin, error: SendError, now: Instant) {
        let Handle { slot, generation } = Handle::from_bits(origin.0);
        let Ok(slot) = self.find(ConnId { slot, generation }) else { return };
        let outcome = match error {
            SendError::ImageUnreadable => event::Outcome::ImageUnreadable,
            SendError::TooLarge | SendError::Refused => event::Outcome::Aborted,
        };
        // A response that was cut cannot be mended: the client sees its connection end early.
        if mem::replace(&mut self.connections[slot as usize].outstanding, false) {
            self.abandon(slot, outcome, now);
            self.transition_to_closing(slot);
        }
    }

    fn uses_image(&self, image: ImageId) -> bool {
        self.pins.contains(image)
    }

    fn drain(&mut self) {
        self.is_draining = true;
        for slot in (0..).take(self.connections.len()) {
            if matches!(self.connections[slot as usize].state, State::Idle) {
                self.transition_to_closing(slot);
            }
        }
    }

    fn sessions(&self) -> usize {
        self.live
    }
}

fn origin_of(conn: ConnId) -> Origin {
    Origin(Handle { slot: conn.slot, generation: conn.generation }.to_bits())
}

//! Downloads in a crowd: who may begin, who waits, and how fast each goes.
//!
//! A part of the connections is kept for what is small (scripts, sizes, reports), so downloads
//! have a bounded number of places. When all are taken, iPXE is told to come back, which it does
//! as often as it is told, and others wait: firmware gives up when it is refused. They wait no
//! longer than they would for a byte. Whoever takes nothing for long holds no place, and when
//! connections run out, no connection.

use alloc::boxed::Box;
use alloc::vec;
use core::mem;
use core::time::Duration;

use super::answer::{Answer, Content, Persistence};
use super::connection::State;
use super::server::HttpServer;
use crate::engine::Discard;
use crate::event::{self, Event, EventKind, Protocol};
use crate::limits;
use crate::rate::{Pace, Rates};
use crate::time::Instant;

impl HttpServer {
    /// Answers, at once or in its turn; tells if the client was sent away.
    pub(super) fn respond(
        &mut self,
        slot: u32,
        mut answer: Answer,
        now: Instant,
    ) -> Option<Discard> {
        if answer.is_download() && (!self.line.is_empty() || !self.take_place(slot, now)) {
            if !answer.comes_back {
                self.transition_to_waiting(slot, answer, now);
                return None;
            }
            answer.content = Content::RetryAfter(self.retry_after_s());
            answer.persistence = Persistence::Close;
            self.stop_listening(slot);
        }
        let sent_away_s = answer.sent_away_s();
        if let Some(seconds) = sent_away_s {
            let wait = Duration::from_secs(u64::from(seconds));
            let (protocol, name) = (Protocol::Http, answer.name);
            let kind = EventKind::SentAway { protocol, name, wait };
            self.events.push(Event { at: now, client: answer.client, kind });
        }
        self.transition_to_responding(slot, answer);
        sent_away_s.map(|_| Discard::Overload)
    }

    /// Gives a download a place, if there is one.
    fn take_place(&mut self, slot: u32, now: Instant) -> bool {
        let has_room = self.downloads < self.downloads_max || self.reclaim_place(now);
        if has_room {
            self.connections[slot as usize].has_place = true;
            self.downloads += 1;
        }
        has_room
    }

    /// Takes the place of the slowest download, if that is very slow; it goes on without one.
    fn reclaim_place(&mut self, now: Instant) -> bool {
        let Some(slot) = self.progress.first() else { return false };
        let is_slow = self.is_slow(slot, now);
        if is_slow {
            self.release_place(slot);
            self.slow.push(slot);
        }
        is_slow
    }

    /// Whether a download that has something to take has taken nothing for long.
    fn is_slow(&self, slot: u32, now: Instant) -> bool {
        let until = self.timers.deadline(slot);
        let patience = limits::HTTP_STALL - limits::HTTP_SLOW;
        self.connections[slot as usize].outstanding
            && until.is_some_and(|until| until <= now + patience)
    }

    /// Ends the slowest download that has lost its place: there are too many connections.
    pub(super) fn end_slowest(&mut self, now: Instant) {
        // One loses its place first, if nobody needed that before.
        if self.slow.is_empty() {
            self.reclaim_place(now);
        }
        if let Some(slot) = self.slow.first()
            && self.is_slow(slot, now)
        {
            self.abandon(slot, event::Outcome::TimedOut, now);
            self.transition_to_closing(slot);
        }
    }

    /// The download in `slot` has ended, or needs no place any more.
    pub(super) fn release_place(&mut self, slot: u32) {
        self.progress.remove(slot);
        self.slow.remove(slot);
        if mem::take(&mut self.connections[slot as usize].has_place) {
            assert!(self.downloads > 0, "a place that is given back was taken");
            self.downloads -= 1;
        }
    }

    /// A piece was handed out: whoever takes pieces stands behind those who do not.
    pub(super) fn note_progress(&mut self, slot: u32) {
        if self.connections[slot as usize].has_place {
            self.progress.remove(slot);
            self.progress.push(slot);
        } else if self.slow.remove(slot) {
            self.slow.push(slot);
        }
    }

    /// Lets those begin for whom there are places now.
    pub(super) fn begin_waiting(&mut self, now: Instant) {
        for _ in 0..BEGINNINGS_MAX {
            let Some(slot) = self.line.first() else { return };
            if self.downloads >= self.downloads_max && !self.reclaim_place(now) {
                return;
            }
            self.begin_download(slot, now);
        }
    }

    /// Begins a download that waited for a place, or for as long as its client does.
    pub(super) fn begin_download(&mut self, slot: u32, now: Instant) {
        let State::Waiting { answer } = self.connections[slot as usize].state else {
            panic!("only who waits is let in");
        };
        self.line.remove(slot);
        self.connections[slot as usize].has_place = true;
        self.downloads += 1;
        let waited = now - answer.asked_at;
        if waited >= limits::WAIT_TOLD {
            let (protocol, name) = (Protocol::Http, answer.name);
            let kind = EventKind::Waited { protocol, name, waited };
            self.events.push(Event { at: now, client: answer.client, kind });
        }
        if let Some(image) = answer.image() {
            self.pins.unpin(image);
        }
        self.transition_to_responding(slot, answer);
    }

    /// Plans the next piece of a response: now, or when its rate allows.
    pub(super) fn send_more(&mut self, slot: u32, now: Instant) {
        match self.pacing.paced_until(slot, now) {
            Some(due) => self.timers.arm(slot, due),
            None => {
                self.timers.arm(slot, now + limits::HTTP_STALL);
                self.ready.push(slot);
            }
        }
    }

    /// Bytes of the next piece.
    pub(super) fn chunk_bytes(&self) -> u32 {
        self.pacing.chunk_bytes()
    }
}

/// The bounds on rates and who has used how much of them.
#[derive(Debug)]
pub(super) struct Pacing {
    /// The view's, as they were at the last output.
    rates: Rates,
    /// Of all.
    total: Pace,
    /// Of each connection; looked at only with a bound for a client.
    clients: Box<[Pace]>,
    /// Until when all output is held back.
    held_until: Option<Instant>,
}

impl Pacing {
    pub(super) fn new(connections: u32) -> Self {
        Self {
            rates: Rates::default(),
            total: Pace::default(),
            clients: vec![Pace::default(); connections as usize].into_boxed_slice(),
            held_until: None,
        }
    }

    /// Takes in the bounds of now, and tells whether nothing may be sent.
    pub(super) fn holds(&mut self, rates: Rates, now: Instant) -> bool {
        if self.rates != rates {
            // What was due by the old bounds may be due now, or not yet.
            self.rates = rates;
            self.total = Pace::default();
            self.clients.fill(Pace::default());
        }
        let due = self.total.due();
        self.held_until = (rates.total.is_some() && due > now).then_some(due);
        self.held_until.is_some()
    }

    /// When to look again, if output is held back.
    pub(super) const fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// What was held back until now is held back no longer.
    pub(super) fn expire(&mut self, now: Instant) {
        self.held_until = self.held_until.filter(|until| *until > now);
    }

    fn paced_until(&self, slot: u32, now: Instant) -> Option<Instant> {
        self.rates.client?;
        let due = self.clients[slot as usize].due();
        (due > now).then_some(due)
    }

    /// Bytes of one piece: with a slow rate small ones, so that a slow network card need not take
    /// a whole piece at the speed of the wire, and nobody waits long for the others' pieces.
    pub(super) fn chunk_bytes(&self) -> u32 {
        let rates = self.rates.client.into_iter().chain(self.rates.total);
        let Some(rate) = rates.min() else { return limits::STREAM_CHUNK_BYTES };
        let bytes = u32::try_from(rate.bytes_in(PIECE_TIME)).unwrap_or(u32::MAX);
        bytes.clamp(PIECE_BYTES_MIN, limits::STREAM_CHUNK_BYTES)
    }

    /// Takes note of what a connection sends.
    pub(super) fn spend(&mut self, slot: u32, bytes: u32, now: Instant) {
        if let Some(rate) = self.rates.client {
            self.clients[slot as usize].spend(u64::from(bytes), rate, now);
        }
        if let Some(rate) = self.rates.total {
            self.total.spend(u64::from(bytes), rate, now);
        }
    }

    /// Whoever has `slot` next begins anew.
    pub(super) fn forget(&mut self, slot: u32) {
        self.clients[slot as usize] = Pace::default();
    }
}

/// Downloads that begin because of one input.
const BEGINNINGS_MAX: u32 = 64;

/// What a piece holds with a bound on the rate of a client: 20 kB at 10 Mbit/s.
const PIECE_TIME: Duration = Duration::from_millis(16);

/// Three segments: less is not worth a send.
const PIECE_BYTES_MIN: u32 = 4096;

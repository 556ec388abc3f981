//! What a crowd does to transfers: they wait for their turn, and each goes at the pace allowed.

use core::net::IpAddr;

use super::admission::{overdue_at, silent_at};
use super::content::{SendLimits, Source};
use super::server::TftpServer;
use super::session::Session;
use crate::event::{EventKind, Outcome, Protocol};
use crate::limits;
use crate::rate::{BURST, Pace, Rates};
use crate::time::Instant;

impl TftpServer {
    /// Takes a transfer in, which begins now or has to wait; the caller made sure that there is a
    /// place.
    pub(super) fn take_in(&mut self, session: Session, now: Instant) {
        let client = session.path.client;
        if let Source::Image(image) = session.content().source {
            self.pins.pin(image);
        }
        let handle = self.sessions.insert(session).expect("there is room for a new session");
        self.index.insert(self.place_of(client), handle.slot);
        if self.sources.admit(client.ip(), handle.slot) {
            self.proceed(handle.slot, now);
        } else {
            self.keep_holding(handle.slot, now);
        }
    }

    /// Begins a transfer that its source's bound allows, or puts it in line.
    fn proceed(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at(slot).expect("only live sessions proceed");
        // A script is a block or two, and whoever asks for it is nearly done.
        if matches!(session.content().source, Source::Asked(_)) {
            self.documents.queue(slot);
            self.keep_holding(slot, now);
            return;
        }
        let has_room = self.admission.has_room(session.window_bytes());
        if has_room && self.admission.first().is_none() {
            self.begin(slot, now);
        } else {
            self.admission.queue(slot);
            self.keep_waiting(slot, now);
        }
    }

    /// Lets those proceed that their source's bound has held back, now that it has acknowledged
    /// something: two for each that is confirmed, so that places which silence has freed fill up
    /// again.
    pub(super) fn begin_held(&mut self, source: IpAddr, now: Instant) {
        for _ in 0..FOLLOWERS_MAX {
            let Some(slot) = self.sources.admit_next(source) else { return };
            self.proceed(slot, now);
        }
    }

    /// The client of `slot` has asked again: if only its source's bound had held it back, it may
    /// proceed now. Tells whether it does.
    pub(super) fn retry_held(&mut self, slot: u32, now: Instant) -> bool {
        let session = self.sessions.at(slot).expect("only live sessions are asked for again");
        let source = session.path.client.ip();
        let proceeds = self.sources.holds(slot) && self.sources.admit_again(source, slot);
        if proceeds {
            self.proceed(slot, now);
        }
        proceeds
    }

    /// Begins a transfer that has been taken in.
    pub(super) fn begin(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at_mut(slot).expect("only live sessions begin");
        session.begin(now);
        self.running.open(slot);
        let (protocol, name) = (Protocol::Tftp, session.subject.name);
        let (mac, address) = (session.subject.mac, session.path.client.ip());
        let (bytes, waited) = (session.content().len, now - session.started());
        self.admission.unqueue(slot);
        self.admission.enter(session.flight_bytes());
        self.unconfirmed.push(slot);
        if waited >= limits::WAIT_TOLD {
            self.tell(mac, address, EventKind::Waited { protocol, name, waited }, now);
        }
        self.tell(mac, address, EventKind::TransferStarted { protocol, name, bytes }, now);
        self.settle(slot, now);
    }

    fn keep_waiting(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at_mut(slot).expect("only live sessions wait");
        session.wait(overdue_at(session.started(), now));
        self.settle(slot, now);
    }

    /// Nothing but its source's bound matters to a session that is held back, nothing but a buffer
    /// to one that waits for a document, and its client's leaving.
    fn keep_holding(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at_mut(slot).expect("only live sessions are held back");
        session.wait(silent_at(session.heard(), now));
        self.settle(slot, now);
    }

    /// Lets those begin for whom there is room now, the longest waiting first.
    pub(super) fn begin_waiting(&mut self, now: Instant) {
        for _ in 0..BEGINNINGS_MAX {
            let Some(slot) = self.admission.first() else { return };
            let session = self.sessions.at(slot).expect("only live sessions wait");
            if !self.admission.has_room(session.window_bytes()) {
                return;
            }
            self.begin(slot, now);
        }
    }

    /// A session has waited for so long that its client will lose patience: it begins, unless it
    /// would harm those that run, or its client has left.
    pub(super) fn on_overdue(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at(slot).expect("only live sessions wait");
        if now - session.heard() > limits::TFTP_WAIT_SILENT_MAX {
            self.end(slot, Outcome::TimedOut, now);
        } else if self.sources.holds(slot) || self.documents.holds(slot) {
            self.keep_holding(slot, now);
        } else if self.admission.is_congested() {
            self.keep_waiting(slot, now);
        } else {
            self.begin(slot, now);
        }
    }

    /// Makes room for a transfer of `source`, unless that would be held back: ends the oldest one
    /// that nobody has acknowledged, if it had time enough, or else the oldest that is held back.
    /// Tells whether there is a place now.
    pub(super) fn make_room(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.sources.is_at_bound(source) {
            return false;
        }
        let is_late = |slot: &u32| {
            let session = self.sessions.at(*slot).expect("only live sessions wait for an answer");
            now - session.heard() >= limits::TFTP_UNCONFIRMED_MIN
        };
        let late = self.unconfirmed.first().filter(is_late);
        let Some(slot) = late.or_else(|| self.sources.first_held()) else { return false };
        self.end(slot, Outcome::TimedOut, now);
        true
    }

    /// Until when a session with output has to wait because of the bound on its rate.
    pub(super) fn paced_until(
        &self,
        slot: u32,
        session: &Session,
        now: Instant,
    ) -> Option<Instant> {
        self.rates.client?;
        let due = self.paces[slot as usize].due();
        (session.is_confirmed() && session.has_output() && due > now).then_some(due)
    }

    /// What one send may be.
    pub(super) fn send_limits(&self) -> SendLimits {
        let rates = self.rates.client.into_iter().chain(self.rates.total);
        let burst_bytes = match rates.min() {
            Some(rate) => u32::try_from(rate.bytes_in(BURST)).unwrap_or(u32::MAX),
            None => u32::MAX,
        };
        SendLimits { burst_bytes, retry_min: self.admission.retry_min() }
    }

    /// The bounds have changed: what was due by the old ones may be due now, or not yet.
    pub(super) fn on_rates(&mut self, rates: Rates, now: Instant) {
        self.rates = rates;
        self.pace = Pace::default();
        self.paces.fill(Pace::default());
        for slot in 0..self.sessions.capacity() {
            if self.sessions.at(slot).is_some() {
                self.settle(slot, now);
            }
        }
    }

    /// Takes note of what a session sends.
    pub(super) fn spend(&mut self, slot: u32, bytes: u32, now: Instant) {
        if let Some(rate) = self.rates.client {
            self.paces[slot as usize].spend(u64::from(bytes), rate, now);
        }
        if let Some(rate) = self.rates.total {
            self.pace.spend(u64::from(bytes), rate, now);
        }
    }
}

/// Sessions that begin because of one input: one window that ends makes room for as many.
const BEGINNINGS_MAX: u32 = 64;

/// Held sessions of a source that follow one of it that is confirmed.
const FOLLOWERS_MAX: u32 = 2;

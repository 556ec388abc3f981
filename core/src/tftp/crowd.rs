//! What a crowd does to transfers: they wait for their turn, and each goes at the pace allowed.

use super::admission::overdue_at;
use super::server::TftpServer;
use super::session::{SendLimits, Session, Source};
use crate::event::{EventKind, Outcome, Protocol};
use crate::limits;
use crate::rate::BURST;
use crate::time::Instant;

impl TftpServer {
    /// Takes a transfer in, which begins now or has to wait; the caller made sure that there is a
    /// place.
    pub(super) fn take_in(&mut self, session: Session, now: Instant) {
        let client = session.path.client;
        // A script is a block or two, and whoever asks for it is nearly done.
        let passes = match session.content().source {
            Source::Image(image) => {
                self.pins.pin(image);
                false
            }
            Source::Document(_) => true,
        };
        let has_room = self.admission.has_room(session.window_bytes());
        let handle = self.sessions.insert(session).expect("there is room for a new session");
        self.index.insert(self.place_of(client), handle.slot);
        if passes || has_room && self.admission.first().is_none() {
            self.begin(handle.slot, now);
        } else {
            self.admission.queue(handle.slot);
            self.keep_waiting(handle.slot, now);
        }
    }

    /// Begins a transfer that has been taken in.
    fn begin(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at_mut(slot).expect("only live sessions begin");
        session.begin(now);
        let (protocol, name) = (Protocol::Tftp, session.subject.name);
        let (mac, address) = (session.subject.mac, session.path.client.ip());
        let (bytes, waited) = (session.content().len, now - session.started());
        self.admission.unqueue(slot);
        self.admission.enter(session.window_bytes());
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
        } else if self.admission.is_congested() {
            self.keep_waiting(slot, now);
        } else {
            self.begin(slot, now);
        }
    }

    /// Ends the oldest transfer that nobody has acknowledged, if it had time enough; tells whether
    /// there is a place now.
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        let Some(slot) = self.unconfirmed.first() else { return false };
        let session = self.sessions.at(slot).expect("only live sessions wait for an answer");
        let is_late = now - session.heard() >= limits::TFTP_UNCONFIRMED_MIN;
        if is_late {
            self.end(slot, Outcome::TimedOut, now);
        }
        is_late
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
        let burst_bytes = match self.rates.client {
            Some(rate) => u32::try_from(rate.bytes_in(BURST)).unwrap_or(u32::MAX),
            None => u32::MAX,
        };
        SendLimits { burst_bytes, retry_min: self.admission.retry_min() }
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

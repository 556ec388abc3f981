//! Files over HTTP: one connection, one request after the other.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::StreamError;
use super::intake::Intake;
use super::location::Location;
use super::note::Reason;
use super::outbox::{Out, Outbox};
use super::step::Step;
use crate::model::HttpHabits;
use crate::time::{Duration, Instant};
use crate::wire::http::{self, Head, HeadReader, Request};

/// The client, which outlives its requests as its connection does.
#[derive(Debug)]
pub(super) struct Http {
    habits: &'static HttpHabits,
    peer: SocketAddrV4,
    link: Link,
    phase: Phase,
    /// Whether the request in flight asks for the head only.
    asks_head: bool,
    /// Whether the connection has carried a request before this one.
    reused: bool,
    closes: bool,
    reader: HeadReader,
    /// Bytes of the body that are yet to come; until the end of the stream if nobody told.
    remaining: Option<u64>,
    /// What the head said that is worth waiting for, or why the body does not count.
    verdict: Verdict,
    /// Length of the body as an answer to `HEAD` told.
    size: Option<u64>,
    retries: u16,
    wake: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Closed,
    Connecting,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Quiet,
    /// Until the timer; then it asks again.
    Pausing,
    /// Until the head of the answer is complete, or before that the connection.
    Head,
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Status(u16),
    Wait(u16),
}

impl Http {
    pub(super) const fn quiet(habits: &'static HttpHabits) -> Self {
        Self {
            habits,
            peer: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            link: Link::Closed,
            phase: Phase::Quiet,
            asks_head: false,
            reused: false,
            closes: false,
            reader: HeadReader::new(),
            remaining: None,
            verdict: Verdict::Good,
            size: None,
            retries: 0,
            wake: Instant::ZERO,
        }
    }

    /// Fetches what lies at a location of this server.
    pub(super) fn begin(
        &mut self,
        habits: &'static HttpHabits,
        peer: SocketAddrV4,
        out: &mut Outbox,
        now: Instant,
    ) {
        let same = core::ptr::eq(self.habits, habits) && self.peer == peer;
        if self.link != Link::Closed && !same {
            self.close(out);
        }
        (self.habits, self.peer) = (habits, peer);
        self.asks_head = habits.head_first;
        self.size = None;
        self.retries = 0;
        self.ask(out, now);
    }

    pub(super) const fn wake(&self) -> Instant {
        self.wake
    }

    /// Ends the connection if there is one.
    pub(super) fn close(&mut self, out: &mut Outbox) {
        if self.link != Link::Closed {
            out.push(Out::Disconnect);
            self.link = Link::Closed;
        }
        self.phase = Phase::Quiet;
    }

    /// Where to connect to.
    pub(super) const fn peer(&self) -> SocketAddrV4 {
        self.peer
    }

    fn ask(&mut self, out: &mut Outbox, now: Instant) {
        self.phase = Phase::Head;
        self.reader = HeadReader::new();
        self.remaining = None;
        self.verdict = Verdict::Good;
        self.reused = self.link == Link::Open;
        match self.link {
            Link::Open => out.push(Out::HttpRequest),
            Link::Connecting => {}
            Link::Closed => {
                self.link = Link::Connecting;
                out.push(Out::Connect);
            }
        }
        self.watch(now);
    }

    fn watch(&mut self, now: Instant) {
        self.wake = now + Duration::from_millis(u64::from(self.habits.stall_ms));
    }

    /// Writes the request.
    pub(super) fn write(&self, location: &Location, buffer: &mut [u8]) -> Option<usize> {
        let request = Request {
            method: if self.asks_head { "HEAD" } else { "GET" },
            path: location.path.as_str(),
            server: self.peer,
            port_in_host: self.habits.port_in_host,
            agent: self.habits.agent,
            keeps: self.habits.keeps,
        };
        http::request(buffer, &request)
    }

    pub(super) fn handle_timeout(&mut self, out: &mut Outbox, now: Instant) -> Step {
        match self.phase {
            Phase::Quiet => Step::Going,
            Phase::Pausing => {
                self.ask(out, now);
                Step::Going
            }
            Phase::Head | Phase::Body => {
                self.close(out);
                self.again(Reason::Stalled, now)
            }
        }
    }

    /// Another try if the client makes one.
    fn again(&mut self, reason: Reason, now: Instant) -> Step {
        if self.retries >= self.habits.retries_max {
            self.phase = Phase::Quiet;
            return Step::Failed(reason);
        }
        self.retries += 1;
        self.phase = Phase::Pausing;
        self.wake = now + Duration::from_millis(u64::from(self.habits.retry_ms));
        Step::Again
    }

    pub(super) fn connected(&mut self, out: &mut Outbox, now: Instant) {
        if self.link != Link::Connecting {
            return;
        }
        self.link = Link::Open;
        if self.phase == Phase::Head {
            out.push(Out::HttpRequest);
            self.watch(now);
        }
    }

    pub(super) fn failed(&mut self, error: StreamError, out: &mut Outbox, now: Instant) -> Step {
        let was = core::mem::replace(&mut self.link, Link::Closed);
        if was == Link::Closed || !matches!(self.phase, Phase::Head | Phase::Body) {
            return Step::Going;
        }
        if self.is_stale() {
            self.ask(out, now);
            return Step::Going;
        }
        let connecting = was == Link::Connecting || error == StreamError::Refused;
        self.again(if connecting { Reason::ConnectFailed } else { Reason::StreamBroken }, now)
    }

    pub(super) fn ended(&mut self, out: &mut Outbox, now: Instant) -> Step {
        let phase = self.phase;
        let stale = self.is_stale();
        self.close(out);
        match phase {
            Phase::Quiet => Step::Going,
            // The wait goes on without a connection.
            Phase::Pausing => {
                self.phase = phase;
                Step::Going
            }
            Phase::Head if stale => {
                self.ask(out, now);
                Step::Going
            }
            Phase::Body if self.remaining.is_none() => self.finish(out, now),
            Phase::Head | Phase::Body => self.again(Reason::StreamBroken, now),
        }
    }

    /// Whether the server closed a connection that it had kept: then the request is lost, but not
    /// the server.
    fn is_stale(&self) -> bool {
        self.phase == Phase::Head && self.reused && !self.reader.has_begun()
    }

    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        intake: &mut Intake<'_>,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        if self.link != Link::Open {
            return Step::Going;
        }
        if self.phase == Phase::Head {
            match self.reader.feed(bytes) {
                Ok(Some((head, rest))) => {
                    bytes = rest;
                    self.judge(&head, intake);
                }
                Ok(None) => {
                    self.watch(now);
                    return Step::Going;
                }
                Err(http::BadHead) => {
                    self.close(out);
                    return Step::Failed(Reason::BadHttp);
                }
            }
        }
        if self.phase != Phase::Body {
            // Bytes that nobody asked for.
            let pausing = self.phase == Phase::Pausing;
            self.close(out);
            if pausing {
                self.phase = Phase::Pausing;
            }
            return Step::Going;
        }
        self.watch(now);
        let rest = self.remaining.unwrap_or(u64::MAX);
        let (body, beyond) =
            match bytes.split_at_checked(usize::try_from(rest).unwrap_or(usize::MAX)) {
                Some(parts) => parts,
                None => (bytes, &[][..]),
            };
        if self.verdict == Verdict::Good {
            intake.take(body);
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= body.len() as u64;
        }
        self.closes |= !beyond.is_empty();
        if self.remaining == Some(0) { self.finish(out, now) } else { Step::Going }
    }

    fn judge(&mut self, head: &Head, intake: &mut Intake<'_>) {
        self.phase = Phase::Body;
        self.closes = head.closes || !self.habits.keeps;
        let empty = self.asks_head || matches!(head.status, 204 | 304);
        self.remaining = if empty { Some(0) } else { head.len };
        self.verdict = match (head.status, head.retry_after) {
            (200 | 204, _) => Verdict::Good,
            (503 | 429, Some(seconds)) if self.habits.obeys => Verdict::Wait(seconds),
            (status, _) => Verdict::Status(status),
        };
        if self.asks_head {
            self.size = head.len.filter(|_| self.verdict == Verdict::Good);
        } else if self.verdict == Verdict::Good {
            intake.begin();
        }
    }

    /// An answer is complete.
    fn finish(&mut self, out: &mut Outbox, now: Instant) -> Step {
        if self.closes {
            self.close(out);
        }
        self.phase = Phase::Quiet;
        if self.asks_head {
            // Without an answer that helps, firmware tries the file itself.
            self.asks_head = false;
            self.ask(out, now);
            return Step::Going;
        }
        match self.verdict {
            Verdict::Good => Step::Done,
            Verdict::Wait(seconds) => {
                self.phase = Phase::Pausing;
                self.wake = now + Duration::from_secs(u64::from(seconds));
                Step::ToldToWait
            }
            Verdict::Status(404) => Step::Missing(Reason::HttpStatus(404)),
            Verdict::Status(status) => Step::Failed(Reason::HttpStatus(status)),
        }
    }

    /// Bytes of the file as the head told before.
    pub(super) const fn size(&self) -> Option<u64> {
        self.size
    }
}

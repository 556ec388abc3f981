//! One transfer: a file on its way to one client.
//!
//! This is the protocol itself, and an example of how every protocol is written here. A
//! [`Session`] is a value with a [`State`]. Things happen to it (`on_…`), which may change its
//! state (`transition_to_…`) and do no I/O. What has to be sent follows from the state
//! ([`Session::has_output`], [`Session::poll_output`]), and so does the time at which silence
//! becomes a fault ([`Session::deadline`]). Whoever has output waits for a send buffer and for
//! nothing else; whoever waits for the client has a deadline and no output:
//!
//! ```text
//! state               waits for       and then becomes             after silence
//! ──────────────────────────────────────────────────────────────────────────────────────────
//! Waiting             its turn        Offering or Sending          Offering or Sending
//! Offering            send buffer     AwaitingOptionAck            -
//! AwaitingOptionAck   ACK 0           Sending                      Offering
//! Sending             send buffer     AwaitingAck, with the final  -
//!                                     block AwaitingLastAck, with
//!                                     a gap Hesitating
//! AwaitingAck         ACK             Sending                      Sending, cursor moved back
//! AwaitingLastAck     ACK             over                         Sending, cursor moved back
//! Hesitating          ACK             Sending                      Sending, cursor moved back
//! ```
//!
//! A request with options begins as `Offering`, one without as `Sending`, in a crowd both as
//! `Waiting`. An ERROR from the client ends every state, and so does silence after a number of
//! sends.
//!
//! Nothing is kept to send again: blocks are numbered pieces of an image, and a retransmission
//! is the cursor of the [`Window`] moved back.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::content::{Content, Datagrams, SendLimits, head_bytes};
use super::guard::Suspicions;
use super::options::Granted;
use super::patience::{LAST_SENDS_MAX, Patience, UNCONFIRMED_SENDS_MAX};
use super::round_trip::RoundTrip;
use super::turns::Flow;
use super::window::{Ack, Window};
use crate::document::pool::DocumentPool;
use crate::engine::{Discard, InterfaceId, Route, SocketId};
use crate::event::{EventName, Outcome};
use crate::mac::MacAddr;
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::tftp::emit_option_ack;

/// A transfer to one client.
#[derive(Debug)]
pub(super) struct Session {
    /// Between which addresses.
    pub(super) path: Path,
    /// What was asked for.
    pub(super) subject: Subject,
    content: Content,
    granted: Granted,
    /// Whether the client has acknowledged anything: only then its address is no forgery.
    confirmed: bool,
    started: Instant,
    /// When the client last made progress, or asked while it had to wait.
    heard: Instant,
    round_trip: RoundTrip,
    retransmits: u32,
    suspicions: Suspicions,
    state: State,
}

/// Where a transfer stands. Each state carries what it needs, and a deadline if it waits.
///
/// `sends` counts how often the same thing went out without progress: patience is limited.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Others go first, as `admission` says. The client repeats its request in the meantime.
    Waiting { until: Instant },
    /// An OACK has to be sent (RFC 2347).
    Offering { sends: u8 },
    /// The OACK is out. ACK 0 accepts it.
    AwaitingOptionAck { sends: u8, deadline: Instant },
    /// Blocks have to be sent. With `gap` an acknowledgement has told of a missing block.
    Sending { window: Window, sends: u8, gap: bool },
    /// A window is out, and the file goes on behind it.
    AwaitingAck { window: Window, sends: u8, deadline: Instant },
    /// The final block is out. Clients often leave without a last ACK, or it gets lost: whoever
    /// answered before and is silent now is taken for content.
    AwaitingLastAck { window: Window, sends: u8, deadline: Instant },
    /// A window is out, and an acknowledgement has told of a gap: the receiver misses a block and
    /// asks to roll back (RFC 7440 §4), or this was the echo of a block that the network copied.
    /// In doubt, one waits a moment: after an echo, the acknowledgement of the rest is on its way.
    /// Rolling back at once would send blocks twice, their echoes would do so again, and so on.
    Hesitating { window: Window, sends: u8, deadline: Instant },
}

/// Between which addresses a transfer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Our end: its port is our transfer identifier (RFC 1350 §4).
    pub(super) socket: SocketId,
    pub(super) interface: InterfaceId,
    /// Our address as the client knows it.
    pub(super) local: IpAddr,
    /// The client's end: its address and transfer identifier.
    pub(super) client: SocketAddr,
}

/// What was asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// Digest of the whole request, to recognise a repetition.
    pub(super) digest: u64,
    pub(super) name: EventName,
    pub(super) mac: Option<MacAddr>,
}

/// Whether a transfer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    Continues,
    /// It has waited for its turn as long as it should.
    Overdue,
    Ends(Outcome),
}

/// What a repetition of the request that began a transfer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// The answer got lost: it will be sent again.
    Answered,
    /// The answer is about to be sent, or this copy was late.
    Ignored,
    /// The client began anew.
    Restarts,
}

impl Path {
    pub(super) const fn route(&self) -> Route {
        Route::Datagram {
            socket: self.socket,
            interface: self.interface,
            source: self.local,
            destination: self.client,
        }
    }
}

impl Session {
    /// A transfer that answers a request; it waits for [`Session::begin`].
    pub(super) fn new(
        path: Path,
        subject: Subject,
        content: Content,
        granted: Granted,
        now: Instant,
    ) -> Self {
        Self {
            path,
            subject,
            content,
            granted,
            confirmed: false,
            started: now,
            heard: now,
            round_trip: RoundTrip::default(),
            retransmits: 0,
            suspicions: Suspicions::default(),
            state: State::Waiting { until: now },
        }
    }

    /// Lets the client wait for its turn.
    pub(super) fn wait(&mut self, until: Instant) {
        assert!(self.is_waiting(), "what has begun goes on");
        self.state = State::Waiting { until };
    }

    /// Answers: with an OACK if any option was granted, else with the first block at once.
    pub(super) fn begin(&mut self, now: Instant) {
        assert!(self.is_waiting(), "a transfer begins once");
        self.heard = now;
        if self.granted.is_silent() {
            let blocks = self.content.blocks(self.granted.block_bytes);
            self.transition_to_sending(Window::new(blocks, self.granted.window_blocks), 0);
        } else {
            self.transition_to_offering(0);
        }
    }

    /// ACK: what is out has arrived, up to `block`.
    ///
    /// # Errors
    /// [`Discard::Duplicate`] for what was known, [`Discard::Suspect`] for what never was sent.
    pub(super) fn on_ack(&mut self, block: u16, now: Instant) -> Result<Verdict, Discard> {
        let (mut window, sends, gap) = match self.state {
            State::Waiting { .. } => return Err(Discard::Suspect),
            State::Offering { sends } | State::AwaitingOptionAck { sends, .. } => {
                return self.on_option_ack(block, sends, now);
            }
            State::Sending { window, sends, gap } => (window, sends, gap),
            // The client is there: the send that it answers takes no patience.
            State::AwaitingAck { window, sends, .. }
            | State::AwaitingLastAck { window, sends, .. } => {
                (window, sends.saturating_sub(1), false)
            }
            State::Hesitating { window, sends, .. } => (window, sends, true),
        };
        let is_first_answer = matches!(self.state, State::AwaitingAck { sends: 1, .. });
        let ack = window.on_ack(block);
        match ack {
            Ack::Progress | Ack::Finished => self.transition_to_sending(window, 0),
            Ack::Partial => self.transition_to_gap(window, 0, now),
            Ack::Repeated if !gap => {
                self.transition_to_gap(window, sends, now);
                return Ok(Verdict::Continues);
            }
            Ack::Repeated | Ack::Old => return Err(Discard::Duplicate),
            Ack::Unsent => return Err(Discard::Suspect),
        }
        if ack == Ack::Progress && is_first_answer {
            self.round_trip.on_answer(self.heard, now);
        }
        self.confirmed = true;
        self.heard = now;
        let finished = ack == Ack::Finished;
        Ok(if finished { Verdict::Ends(Outcome::Completed) } else { Verdict::Continues })
    }

    /// ACK 0 accepts the options (RFC 2347), also if it comes while the OACK waits to go out once
    /// more.
    fn on_option_ack(&mut self, block: u16, sends: u8, now: Instant) -> Result<Verdict, Discard> {
        if block != 0 || sends == 0 {
            return Err(Discard::Suspect);
        }
        self.confirmed = true;
        self.heard = now;
        let blocks = self.content.blocks(self.granted.block_bytes);
        self.transition_to_sending(Window::new(blocks, self.granted.window_blocks), 0);
        Ok(Verdict::Continues)
    }

    /// Something came in the client's name that the client cannot have meant; tells whether that
    /// was once too often.
    pub(super) fn suspect(&mut self, now: Instant) -> bool {
        self.suspicions.add(now)
    }

    /// The request that began this transfer came again, from the same port.
    pub(super) fn on_request_again(&mut self, now: Instant) -> Repetition {
        if self.confirmed {
            // The network is slow by less than this; only a client that was reset is slower.
            let late_copy = now - self.heard < LATE_COPY;
            return if late_copy { Repetition::Ignored } else { Repetition::Restarts };
        }
        match self.state {
            State::Waiting { .. } => {
                self.heard = now;
                return Repetition::Ignored;
            }
            State::Offering { .. } | State::Sending { .. } => return Repetition::Ignored,
            State::AwaitingOptionAck { sends, .. } => self.transition_to_offering(sends),
            State::AwaitingAck { window, sends, .. }
            | State::AwaitingLastAck { window, sends, .. }
            | State::Hesitating { window, sends, .. } => self.roll_back(window, sends),
        }
        Repetition::Answered
    }

    /// Silence up to the deadline: send again, or lose patience.
    pub(super) fn on_timeout(&mut self) -> Verdict {
        match self.state {
            State::Waiting { .. } => return Verdict::Overdue,
            State::Offering { .. } | State::Sending { .. } => {}
            State::AwaitingOptionAck { sends, .. } if sends >= UNCONFIRMED_SENDS_MAX => {
                return Verdict::Ends(Outcome::TimedOut);
            }
            State::AwaitingOptionAck { sends, .. } => self.transition_to_offering(sends),
            State::AwaitingAck { window, sends, .. }
                if sends >= self.patience(&window).sends_max() =>
            {
                return Verdict::Ends(Outcome::TimedOut);
            }
            State::AwaitingLastAck { sends, .. } if sends >= LAST_SENDS_MAX => {
                let content = self.confirmed;
                return Verdict::Ends(if content { Outcome::Completed } else { Outcome::TimedOut });
            }
            State::AwaitingAck { window, sends, .. }
            | State::AwaitingLastAck { window, sends, .. }
            | State::Hesitating { window, sends, .. } => self.roll_back(window, sends),
        }
        Verdict::Continues
    }

    /// Whether there is something to send.
    pub(super) const fn has_output(&self) -> bool {
        match self.state {
            State::Offering { .. } | State::Sending { .. } => true,
            State::Waiting { .. }
            | State::AwaitingOptionAck { .. }
            | State::AwaitingAck { .. }
            | State::AwaitingLastAck { .. }
            | State::Hesitating { .. } => false,
        }
    }

    /// When silence becomes a fault.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Offering { .. } | State::Sending { .. } => None,
            State::Waiting { until: deadline }
            | State::AwaitingOptionAck { deadline, .. }
            | State::AwaitingAck { deadline, .. }
            | State::AwaitingLastAck { deadline, .. }
            | State::Hesitating { deadline, .. } => Some(deadline),
        }
    }

    /// Writes what is to be sent next into `head`: an OACK, or as many blocks of the window as
    /// one send takes.
    ///
    /// # Panics
    /// Without output; see [`Session::has_output`].
    pub(super) fn poll_output(
        &mut self,
        head: &mut [u8],
        documents: &DocumentPool,
        limits: SendLimits,
        now: Instant,
        rng: &mut Rng,
    ) -> Datagrams {
        match self.state {
            State::Offering { sends } => {
                let sends = sends.saturating_add(1);
                let answer = self.granted.answer(self.content.len);
                let len = emit_option_ack(head, &answer).expect("every OACK fits a head buffer");
                self.retransmits += u32::from(sends > 1);
                let patience = Patience {
                    confirmed: self.confirmed,
                    timeout_s: self.granted.timeout_s,
                    round_trip: None,
                };
                let deadline = now + patience.wait(sends, limits.retry_min, rng);
                self.transition_to_awaiting_option_ack(sends, deadline);
                Datagrams { head_len: head_bytes(len), body: None, split: None }
            }
            State::Sending { mut window, sends, gap } => {
                let block_bytes = self.granted.block_bytes;
                let burst_max = self.content.burst_blocks_max(block_bytes, limits.burst_bytes);
                let burst = window.take(burst_max);
                self.retransmits += u32::from(burst.repeated);
                if window.pending() > 0 {
                    self.state = State::Sending { window, sends, gap };
                } else if gap {
                    self.transition_to_hesitating(window, sends, now);
                } else {
                    let sends = sends.saturating_add(1);
                    let wait = self.patience(&window).wait(sends, limits.retry_min, rng);
                    let deadline = now + wait;
                    self.transition_to_awaiting(window, sends, deadline);
                }
                self.content.emit(burst, block_bytes, head, documents)
            }
            State::Waiting { .. }
            | State::AwaitingOptionAck { .. }
            | State::AwaitingAck { .. }
            | State::AwaitingLastAck { .. }
            | State::Hesitating { .. } => unreachable!("who waits has no output"),
        }
    }

    /// Sends again from the first block that has not arrived.
    fn roll_back(&mut self, mut window: Window, sends: u8) {
        window.rewind();
        self.transition_to_sending(window, sends);
    }

    fn transition_to_offering(&mut self, sends: u8) {
        self.state = State::Offering { sends };
    }

    fn transition_to_awaiting_option_ack(&mut self, sends: u8, deadline: Instant) {
        self.state = State::AwaitingOptionAck { sends, deadline };
    }

    fn transition_to_sending(&mut self, window: Window, sends: u8) {
        self.state = State::Sending { window, sends, gap: false };
    }

    fn transition_to_awaiting(&mut self, window: Window, sends: u8, deadline: Instant) {
        self.state = if window.last_is_out() {
            State::AwaitingLastAck { window, sends, deadline }
        } else {
            State::AwaitingAck { window, sends, deadline }
        };
    }

    /// Somebody misses a block, or not. What the window allows goes out in any case: after an echo
    /// the client waits for it.
    fn transition_to_gap(&mut self, window: Window, sends: u8, now: Instant) {
        if window.pending() > 0 {
            self.state = State::Sending { window, sends, gap: true };
        } else {
            self.transition_to_hesitating(window, sends, now);
        }
    }

    fn transition_to_hesitating(&mut self, window: Window, sends: u8, now: Instant) {
        self.state = State::Hesitating { window, sends, deadline: now + GAP_PATIENCE };
    }

    /// How long to wait for what is sent of `window`.
    fn patience(&self, window: &Window) -> Patience {
        let is_known = self.confirmed && window.acked() >= KNOWN_BLOCKS_MIN;
        Patience {
            confirmed: self.confirmed,
            timeout_s: self.granted.timeout_s,
            // Not for the final block: whoever has that has most likely left.
            round_trip: (is_known && !window.last_is_out()).then_some(self.round_trip),
        }
    }

    /// Whether the client has to wait for its turn.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Bytes that it takes of what may be under way: a window, and no more than a block as long as
    /// nobody has acknowledged anything. A forged request takes no room from others.
    pub(super) fn flight_bytes(&self) -> u64 {
        let first = u64::from(self.granted.block_bytes);
        if self.confirmed { self.window_bytes() } else { self.window_bytes().min(first) }
    }

    /// Bytes that are under way at most while it runs.
    pub(super) fn window_bytes(&self) -> u64 {
        let window = u64::from(self.granted.window_blocks) * u64::from(self.granted.block_bytes);
        window.min(self.content.len)
    }

    /// How it goes on, as far as others are concerned.
    pub(super) const fn flow(&self) -> Flow {
        if self.granted.window_blocks == 1 { Flow::Lockstep } else { Flow::Windows }
    }

    /// What is sent.
    pub(super) const fn content(&self) -> Content {
        self.content
    }

    /// Takes note of what is sent, now that this is known.
    pub(super) fn set_content(&mut self, content: Content) {
        assert!(self.is_waiting(), "what has begun stays as it is");
        self.content = content;
    }

    /// Whether the client has acknowledged anything.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// When the client last made progress, or asked while it had to wait.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// When the request came.
    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// Datagrams sent again.
    pub(super) const fn retransmits(&self) -> u32 {
        self.retransmits
    }

    /// Bytes of the file that have been acknowledged.
    pub(super) fn bytes_acked(&self) -> u64 {
        match &self.state {
            State::Waiting { .. } | State::Offering { .. } | State::AwaitingOptionAck { .. } => 0,
            State::Sending { window, .. }
            | State::AwaitingAck { window, .. }
            | State::AwaitingLastAck { window, .. }
            | State::Hesitating { window, .. } => {
                let bytes = window.acked().saturating_mul(u64::from(self.granted.block_bytes));
                bytes.min(self.content.len)
            }
        }
    }
}

/// A client's round trip is trusted when so many blocks have arrived.
const KNOWN_BLOCKS_MIN: u64 = 4;
/// How long a gap may be an echo: some round trips of a boot network, and nothing beside the
/// second that a timeout costs.
const GAP_PATIENCE: Duration = Duration::from_millis(10);
/// A copy of a request that the network delivers late is not older than this.
const LATE_COPY: Duration = Duration::from_secs(1);

const _: () = assert!(size_of::<Session>() <= 256, "a transfer costs at most 256 bytes");

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

use super::options::Granted;
use super::round_trip::{EarlyWaits, RoundTrip};
use super::turns::Pace;
use super::window::{Ack, Burst, Window};
use crate::document::pool::{DocumentId, DocumentPool};
use crate::engine::{Discard, InterfaceId, Route, SocketId, Split};
use crate::event::{EventName, Outcome};
use crate::image::{ImageId, ImageSpan};
use crate::limits::{SPLIT_BYTES_MAX, SPLIT_SEGMENTS_MAX};
use crate::mac::MacAddr;
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::tftp::{DATA_HEADER_BYTES, emit_data_header, emit_option_ack};

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
    /// Acknowledgements that the client cannot have meant.
    suspicions: u8,
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

/// The bytes to send: where they are, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) source: Source,
    pub(super) len: u64,
}

/// Where the bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Image(ImageId),
    Document(DocumentId),
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

/// What bounds a send beside the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendLimits {
    /// Bytes of one send, unless a single block has more.
    pub(super) burst_bytes: u32,
    /// The shortest wait for an answer.
    pub(super) retry_min: Duration,
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

/// What to send: the head is in the lent buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagrams {
    pub(super) head_len: u16,
    pub(super) body: Option<ImageSpan>,
    pub(super) split: Option<Split>,
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
            suspicions: 0,
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
    pub(super) fn suspect(&mut self) -> bool {
        self.suspicions = self.suspicions.saturating_add(1);
        self.suspicions >= SUSPICIONS_MAX
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
            State::AwaitingAck { window, sends, .. } if sends >= self.sends_max(&window) => {
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
                let deadline = now + self.patience(sends, UNKNOWN, limits.retry_min, rng);
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
                    let early = self.early_waits(&window);
                    let deadline = now + self.patience(sends, early, limits.retry_min, rng);
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

    /// How long to wait after the `sends`-th send of the same thing: twice as long each time, or
    /// what the client asked for, and up to an eighth more, so that clients that lost packets in
    /// the same burst do not come back in another. The first ones are `early`. Never less than
    /// `min`: what waits in a queue of the network would only be sent twice.
    fn patience(&self, sends: u8, early: EarlyWaits, min: Duration, rng: &mut Rng) -> Duration {
        let earlier = sends.saturating_sub(1);
        let wait = match self.granted.timeout_s {
            Some(seconds) if self.confirmed => Duration::from_secs(u64::from(seconds)),
            _ if earlier < early.count => Duration::from_nanos(early.first_ns << earlier),
            Some(_) | None => {
                RETRY_FIRST * (1 << u32::from(earlier - early.count).min(RETRY_DOUBLINGS_MAX))
            }
        };
        let wait = wait.max(min);
        wait + wait * rng.below(128) / 1024
    }

    /// Waits that are shorter than the usual first one, since the client is known to answer
    /// quickly. Not for the final block: whoever has that has most likely left.
    fn early_waits(&self, window: &Window) -> EarlyWaits {
        let is_known = self.confirmed && window.acked() >= KNOWN_BLOCKS_MIN;
        if is_known && self.granted.timeout_s.is_none() && !window.last_is_out() {
            self.round_trip.early_waits(RETRY_FIRST_NS)
        } else {
            UNKNOWN
        }
    }

    /// How often the same thing is sent, early sends beside the usual ones. A forged request must
    /// not make us send much to its victim (RFC 1350 has no proof of address), a client that is
    /// there gets half a minute.
    fn sends_max(&self, window: &Window) -> u8 {
        match self.granted.timeout_s {
            _ if !self.confirmed => UNCONFIRMED_SENDS_MAX,
            Some(seconds) => (PATIENCE_S / seconds.max(1)).max(LAST_SENDS_MAX),
            None => SENDS_MAX + self.early_waits(window).count,
        }
    }

    /// Whether the client has to wait for its turn.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Bytes that are under way at most while it runs.
    pub(super) fn window_bytes(&self) -> u64 {
        let window = u64::from(self.granted.window_blocks) * u64::from(self.granted.block_bytes);
        window.min(self.content.len)
    }

    /// How it goes on, as far as others are concerned.
    pub(super) const fn pace(&self) -> Pace {
        if self.granted.window_blocks == 1 { Pace::Lockstep } else { Pace::Windows }
    }

    /// What is sent.
    pub(super) const fn content(&self) -> Content {
        self.content
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

impl Content {
    /// Number of blocks. The final one is shorter than the others (RFC 1350 §6): if the length
    /// is a multiple of the block size it is empty.
    fn blocks(&self, block_bytes: u16) -> u64 {
        self.len / u64::from(block_bytes) + 1
    }

    /// How many blocks go out in one send. A document is copied into the head, one block at a
    /// time: it has few.
    fn burst_blocks_max(&self, block_bytes: u16, burst_bytes: u32) -> u16 {
        match self.source {
            Source::Document(_) => 1,
            Source::Image(_) => {
                let datagram_bytes = u32::from(block_bytes) + DATA_HEADER_BYTES as u32;
                let blocks = SPLIT_BYTES_MAX.min(burst_bytes) / datagram_bytes;
                u16::try_from(blocks).unwrap_or(u16::MAX).clamp(1, SPLIT_SEGMENTS_MAX)
            }
        }
    }

    /// Writes the DATA headers of `burst` one behind the other and tells which bytes follow.
    fn emit(
        &self,
        burst: Burst,
        block_bytes: u16,
        head: &mut [u8],
        documents: &DocumentPool,
    ) -> Datagrams {
        let offset = (burst.first - 1) * u64::from(block_bytes);
        let wanted = u64::from(burst.count) * u64::from(block_bytes);
        assert!(offset <= self.len, "blocks behind the final one do not exist");
        let len = u32::try_from(wanted.min(self.len - offset)).expect("a send has few bytes");
        let headers = head.chunks_exact_mut(DATA_HEADER_BYTES).take(usize::from(burst.count));
        assert!(headers.len() == usize::from(burst.count), "the head buffer takes all headers");
        for (header, block) in headers.zip(burst.first..) {
            #[expect(clippy::cast_possible_truncation, reason = "numbers on the wire wrap to 0")]
            header.copy_from_slice(&emit_data_header(block as u16));
        }
        let headers_len = usize::from(burst.count) * DATA_HEADER_BYTES;
        match self.source {
            Source::Image(image) => Datagrams {
                head_len: head_bytes(headers_len),
                body: (len > 0).then_some(ImageSpan { image, offset, len }),
                split: (burst.count > 1).then_some(Split {
                    head_len: head_bytes(DATA_HEADER_BYTES),
                    body_len: block_bytes,
                    segments: burst.count,
                }),
            },
            Source::Document(id) => {
                let start = usize::try_from(offset).expect("documents are small");
                let block = &documents.bytes(id)[start..start + len as usize];
                head[headers_len..headers_len + block.len()].copy_from_slice(block);
                let head_len = head_bytes(headers_len + block.len());
                Datagrams { head_len, body: None, split: None }
            }
        }
    }
}

fn head_bytes(len: usize) -> u16 {
    u16::try_from(len).expect("a head buffer has fewer than 64 KiB")
}

/// First wait for an answer. Firmware itself repeats after 0.11 to 5 s.
const RETRY_FIRST: Duration = Duration::from_nanos(RETRY_FIRST_NS);
/// See [`RETRY_FIRST`].
const RETRY_FIRST_NS: u64 = 1_000_000_000;
/// A client about which nothing is known.
const UNKNOWN: EarlyWaits = EarlyWaits { count: 0, first_ns: RETRY_FIRST_NS };
/// A client's round trip is trusted when so many blocks have arrived.
const KNOWN_BLOCKS_MIN: u64 = 4;
/// How long a gap may be an echo: some round trips of a boot network, and nothing beside the
/// second that a timeout costs.
const GAP_PATIENCE: Duration = Duration::from_millis(10);
/// Waits double up to 8 s.
const RETRY_DOUBLINGS_MAX: u32 = 3;
/// Sends of the same blocks, over 1 + 2 + 4 + 8 + 8 s.
const SENDS_MAX: u8 = 5;
/// Sends of an answer before the client has confirmed that it is there.
const UNCONFIRMED_SENDS_MAX: u8 = 3;
/// Sends of the final blocks: the client has most likely left.
const LAST_SENDS_MAX: u8 = 3;
/// Seconds after which a client with a `timeout` of its own is given up, if that allows
/// [`LAST_SENDS_MAX`] sends.
const PATIENCE_S: u8 = 30;
/// A packet of the client's last transfer may come late, and two of them. More come from somebody
/// who guesses what to send in the name of another (`guard`).
const SUSPICIONS_MAX: u8 = 4;
/// A copy of a request that the network delivers late is not older than this.
const LATE_COPY: Duration = Duration::from_secs(1);

const _: () = assert!(size_of::<Session>() <= 256, "a transfer costs at most 256 bytes");

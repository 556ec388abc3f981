//! The engine: finds the transfer that a datagram belongs to, and the one whose turn it is.

use alloc::boxed::Box;
use alloc::vec;
use core::net::{IpAddr, SocketAddr};

use super::admission::Admission;
use super::content::Source;
use super::documents::Documents;
use super::guard::{Guard, check_addresses};
use super::refusal::{Refusal, RefusalQueue};
use super::session::{Path, Session, Verdict};
use super::sources::Sources;
use super::turns::Turns;
use crate::engine::{Datagram, Discard, Engine, Origin, Output, SendError, SocketId, Transmit};
use crate::event::{Client, Event, EventKind, EventQueue, Outcome, Protocol};
use crate::hash::KeyedHash;
use crate::image::ImageId;
use crate::limits;
use crate::mac::MacAddr;
use crate::rate::{Pace, Rates};
use crate::rng::Rng;
use crate::table::index::ChainIndex;
use crate::table::{Handle, ImagePins, ReadyRing, Slab, TICK, TimerWheel};
use crate::time::Instant;
use crate::view::View;
use crate::wire::tftp::{ErrorCode, Packet, parse};

/// What a [`TftpServer`] is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpConfig {
    /// Transfers at one time.
    pub transfers: u32,
    /// Number of transfer sockets, [`SocketId`] 1 to this. Zero selects single-port mode: every
    /// answer leaves by the listener, for clients behind a firewall that knows no TFTP.
    pub transfer_sockets: u16,
    /// Transfers of one source address that are answered before it acknowledges any; at least
    /// one. Requests beyond that wait.
    pub unconfirmed_per_source: u16,
    /// Bytes that may be under way before anything is known about the network.
    pub room_bytes: u64,
    /// Decides jitter, hash keys and the first transfer socket.
    pub seed: u64,
}

impl Default for TftpConfig {
    fn default() -> Self {
        Self {
            transfers: limits::TFTP_TRANSFERS_MAX,
            transfer_sockets: 4,
            unconfirmed_per_source: limits::TFTP_UNCONFIRMED_PER_SOURCE_MAX,
            room_bytes: limits::TFTP_FLIGHT_BYTES_MIN,
            seed: 0,
        }
    }
}

/// The TFTP server of one shard.
///
/// [`SocketId`] 0 is the listener at the well-known port, the others are transfer sockets; see
/// [`TftpConfig::transfer_sockets`].
#[derive(Debug)]
pub struct TftpServer {
    pub(super) sessions: Slab<Session>,
    /// Slots of sessions by the client's address and port: a port has one transfer at a time.
    pub(super) index: ChainIndex,
    pub(super) hash: KeyedHash,
    /// Sessions with output whose client has acknowledged something. They go first: firmware
    /// waits seconds for a first packet, and gives up quickly in the middle.
    pub(super) running: Turns,
    /// Sessions with output that have not been acknowledged yet.
    beginning: ReadyRing,
    /// Who may begin.
    pub(super) admission: Admission,
    /// Sessions that were answered and have not been acknowledged yet, the oldest first.
    pub(super) unconfirmed: ReadyRing,
    /// Turns that `running` had since `beginning` had one.
    turns: u32,
    wheel: TimerWheel,
    /// The view's bounds on rates, as they were at the last output.
    pub(super) rates: Rates,
    /// When anything may be sent next.
    pub(super) pace: Pace,
    /// Until when output is held back because of that.
    held_until: Option<Instant>,
    /// When each session may send next; looked at only with a bound on the rate of a client.
    pub(super) paces: Box<[Pace]>,
    pub(super) documents: Documents,
    pub(super) pins: ImagePins,
    refusals: RefusalQueue,
    pub(super) guard: Guard,
    /// Whom of each source we may answer.
    pub(super) sources: Sources,
    events: EventQueue,
    rng: Rng,
    transfer_sockets: u16,
    next_socket: u16,
    pub(super) draining: bool,
}

impl TftpServer {
    /// A server that allocates all its tables now.
    ///
    /// # Panics
    /// If `config.transfers` or `config.unconfirmed_per_source` is zero.
    pub fn new(config: TftpConfig) -> Self {
        assert!(config.transfers > 0, "a server without places serves nobody");
        let mut rng = Rng::new(config.seed);
        Self {
            sessions: Slab::new(config.transfers),
            index: ChainIndex::new(config.transfers),
            hash: KeyedHash::new(&mut rng),
            running: Turns::new(config.transfers),
            beginning: ReadyRing::new(config.transfers),
            admission: Admission::new(config.transfers, config.room_bytes),
            unconfirmed: ReadyRing::new(config.transfers),
            turns: 0,
            wheel: TimerWheel::new(config.transfers),
            rates: Rates::default(),
            pace: Pace::default(),
            held_until: None,
            paces: vec![Pace::default(); config.transfers as usize].into_boxed_slice(),
            documents: Documents::new(config.transfers),
            pins: ImagePins::new(limits::IMAGES_MAX),
            refusals: RefusalQueue::new(limits::TFTP_REFUSALS_MAX),
            guard: Guard::new(),
            sources: Sources::new(config.transfers, config.unconfirmed_per_source, &mut rng),
            events: EventQueue::new(limits::EVENTS_MAX),
            transfer_sockets: config.transfer_sockets,
            next_socket: rng.below(u32::from(config.transfer_sockets.max(1))) as u16,
            rng,
            draining: false,
        }
    }

    fn on_ack(
        &mut self,
        datagram: &Datagram<'_>,
        block: u16,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let Some(slot) = self.transfer_of(datagram) else {
            return self.on_stray(datagram, now, view);
        };
        let session = self.sessions.at_mut(slot).expect("the index names sessions that live");
        let was_confirmed = session.is_confirmed();
        let (heard, flight_bytes) = (session.heard(), session.flight_bytes());
        let verdict = match session.on_ack(block, now) {
            Ok(verdict) => verdict,
            Err(Discard::Suspect) => return Err(self.suspect(slot, now)),
            Err(discard) => return Err(discard),
        };
        // Of two acknowledgements in one turn nobody knows how long the second took.
        let has_progressed = session.heard() == now && heard != now;
        let window_bytes = session.window_bytes();
        self.admission.enter(session.flight_bytes() - flight_bytes);
        if session.is_confirmed() && !was_confirmed {
            self.sources.confirm(datagram.source.ip());
            self.unconfirmed.remove(slot);
            self.begin_held(datagram.source.ip(), now);
        }
        if has_progressed {
            self.admission.on_progress(now - heard, window_bytes);
        }
        self.obey(slot, verdict, now);
        Ok(())
    }

    /// ERROR ends a transfer at any time and is never answered (RFC 1350 §7). Firmware breaks off
    /// after the OACK of a request that only asked for the size.
    fn on_error(&mut self, datagram: &Datagram<'_>, now: Instant) -> Result<(), Discard> {
        let slot = self.transfer_of(datagram).ok_or(Discard::UnknownSession)?;
        self.end(slot, Outcome::Aborted, now);
        // Whoever breaks off is there.
        self.begin_held(datagram.source.ip(), now);
        Ok(())
    }

    /// A packet from a peer that has no transfer on this socket: it is told so, and no transfer is
    /// disturbed (RFC 1350 §4). Late packets of a transfer that has just ended are no mistake.
    /// One in the name of a client that has a transfer on another socket may be a guess.
    fn on_stray(
        &mut self,
        datagram: &Datagram<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        check_addresses(datagram, view)?;
        let listener = datagram.socket == LISTENER && self.transfer_sockets > 0;
        let ended = self.guard.remembers(self.tail_digest(datagram.socket, datagram.source));
        if !ended && let Some(slot) = self.find(datagram.source) {
            return Err(self.suspect(slot, now));
        }
        if !listener && !ended && self.guard.may_answer_stray(now) {
            self.refusals.push(Refusal {
                path: Path {
                    socket: datagram.socket,
                    interface: datagram.interface,
                    local: datagram.destination.ip(),
                    client: datagram.source,
                },
                code: ErrorCode::UNKNOWN_TRANSFER_ID,
                message: "unknown transfer id",
            })?;
        }
        Err(Discard::UnknownSession)
    }

    /// Somebody acknowledges what the client of `slot` cannot have received. Whoever forges a
    /// client's address sees neither our port nor our blocks, and has to guess: soon it is wrong
    /// too often, and nothing more is sent to its victim.
    fn suspect(&mut self, slot: u32, now: Instant) -> Discard {
        let session = self.sessions.at_mut(slot).expect("only live sessions are suspected");
        if session.suspect(now) {
            self.end(slot, Outcome::Aborted, now);
        }
        Discard::Suspect
    }

    /// Sends an ERROR from a transfer socket: for requests that get no session.
    pub(super) fn refuse(
        &mut self,
        datagram: &Datagram<'_>,
        code: ErrorCode,
        message: &'static str,
    ) -> Result<(), Discard> {
        let path = self.new_path(datagram);
        self.refusals.push(Refusal { path, code, message })
    }

    /// Sends an ERROR to the client of a session. With no room for it the client learns it by our
    /// silence.
    pub(super) fn refuse_on(&mut self, path: Path, code: ErrorCode, message: &'static str) {
        self.refusals.push(Refusal { path, code, message }).ok();
    }

    /// The path of a new transfer: transfer sockets take turns, so that a client that uses one
    /// port again and again can tell its transfers apart. Where the turn of a client starts nobody
    /// can know but who receives our packets.
    pub(super) fn new_path(&mut self, datagram: &Datagram<'_>) -> Path {
        let socket = if self.transfer_sockets == 0 {
            LISTENER
        } else {
            self.next_socket = (self.next_socket + 1) % self.transfer_sockets;
            let start = self.hash.hash(&datagram.source) % u64::from(self.transfer_sockets);
            let start = u16::try_from(start).expect("there are fewer than 65,536 sockets");
            SocketId((start + self.next_socket) % self.transfer_sockets + 1)
        };
        Path {
            socket,
            interface: datagram.interface,
            local: datagram.destination.ip(),
            client: datagram.source,
        }
    }

    /// The transfer that `datagram` is part of: same client and same socket of ours.
    fn transfer_of(&self, datagram: &Datagram<'_>) -> Option<u32> {
        let slot = self.find(datagram.source)?;
        let session = self.sessions.at(slot).expect("the index names sessions that live");
        (session.path.socket == datagram.socket).then_some(slot)
    }

    /// The transfer of `client`, on whatever socket.
    pub(super) fn find(&self, client: SocketAddr) -> Option<u32> {
        self.index.find(self.place_of(client), |slot| {
            self.sessions.at(slot).is_some_and(|session| session.path.client == client)
        })
    }

    /// Where the index looks for `client`. An IPv4 endpoint is hashed as one word: that is done
    /// for every packet, and field by field it costs three times as much.
    pub(super) fn place_of(&self, client: SocketAddr) -> u64 {
        match client {
            SocketAddr::V4(client) => {
                let address = u64::from(client.ip().to_bits());
                self.hash.hash(&(address << 16 | u64::from(client.port())))
            }
            SocketAddr::V6(_) => self.hash.hash(&client),
        }
    }

    /// Ends a transfer and frees all that it holds.
    pub(super) fn end(&mut self, slot: u32, outcome: Outcome, now: Instant) {
        let handle = self.sessions.handle_at(slot).expect("only a live session ends");
        let client = self.sessions.at(slot).expect("only a live session ends").path.client;
        self.index.remove(self.place_of(client), slot);
        let session = self.sessions.remove(handle).expect("only a live session ends");
        self.paces[slot as usize] = Pace::default();
        self.beginning.remove(slot);
        self.admission.unqueue(slot);
        if !session.is_waiting() {
            self.running.close(slot);
            self.admission.leave(session.flight_bytes());
        }
        self.unconfirmed.remove(slot);
        self.wheel.cancel(slot);
        match session.content().source {
            Source::Image(image) => self.pins.unpin(image),
            Source::Document(id) => self.documents.release(id),
            Source::Asked(asked) => self.documents.forget(slot, asked),
        }
        if !session.is_confirmed() {
            self.sources.leave(client.ip(), slot);
        }
        self.guard.remember(session.subject.digest);
        self.guard.remember(self.tail_digest(session.path.socket, client));
        // What has never begun has no end: nobody was told of it.
        if !session.is_waiting() {
            let ended = EventKind::TransferEnded {
                protocol: Protocol::Tftp,
                name: session.subject.name,
                bytes: session.bytes_acked(),
                took: now - session.started(),
                retransmits: session.retransmits(),
                outcome,
            };
            self.tell(session.subject.mac, client.ip(), ended, now);
        }
        if session.is_confirmed() {
            self.begin_held(client.ip(), now);
        }
    }

    fn obey(&mut self, slot: u32, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Continues => self.settle(slot, now),
            Verdict::Overdue => self.on_overdue(slot, now),
            Verdict::Ends(outcome) => self.end(slot, outcome, now),
        }
    }

    /// Puts a session where its state says that it belongs: in line for a send buffer, or on the
    /// timer wheel.
    ///
    /// Deadlines move on with every acknowledgement and seldom come. So a timer that is too early
    /// stays, and is set anew when it expires; only one that is too late is moved at once.
    pub(super) fn settle(&mut self, slot: u32, now: Instant) {
        let session = self.sessions.at(slot).expect("only live sessions are settled");
        if let Some(due) = self.paced_until(slot, session, now) {
            self.running.remove(slot);
            self.beginning.remove(slot);
            self.wheel.arm(slot, due);
            return;
        }
        if !session.has_output() {
            self.running.remove(slot);
            self.beginning.remove(slot);
        } else if session.is_confirmed() {
            self.beginning.remove(slot);
            self.running.push(slot);
        } else {
            self.beginning.push(slot);
        }
        let Some(deadline) = session.deadline() else { return };
        if self.wheel.deadline(slot).is_none_or(|armed| armed > deadline) {
            self.wheel.arm(slot, deadline);
        }
    }

    /// The session whose turn it is to send. Running ones go first, but not for ever.
    fn next_turn(&mut self) -> Option<u32> {
        if self.turns < TURNS_OF_RUNNING && !self.running.is_empty() {
            self.turns += 1;
            return self.running.pop();
        }
        self.turns = 0;
        self.beginning.pop().or_else(|| self.running.pop())
    }

    pub(super) fn tell(
        &mut self,
        mac: Option<MacAddr>,
        address: IpAddr,
        kind: EventKind,
        now: Instant,
    ) {
        self.events.push(Event { at: now, client: Client { mac, address: Some(address) }, kind });
    }

    /// Digest of a request: its sender, the address it was sent to, and its words.
    pub(super) fn request_digest(&self, datagram: &Datagram<'_>) -> u64 {
        self.hash.hash(&(datagram.source, datagram.destination.ip(), datagram.payload))
    }

    /// Digest that stands for packets of `client` to `socket`.
    fn tail_digest(&self, socket: SocketId, client: SocketAddr) -> u64 {
        self.hash.hash(&(socket, client))
    }
}

impl Engine for TftpServer {
    type Input<'i> = Datagram<'i>;

    fn handle_input(
        &mut self,
        datagram: Datagram<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let taken = match parse(datagram.payload).map_err(|_| Discard::Malformed)? {
            Packet::ReadRequest(request) => self.on_read_request(&datagram, &request, now, view),
            Packet::WriteRequest(request) => self.on_write_request(&datagram, &request, now, view),
            Packet::Ack { block } => self.on_ack(&datagram, block, now, view),
            Packet::Error { .. } => self.on_error(&datagram, now),
            Packet::Data { .. } | Packet::OptionAck(_) => match self.transfer_of(&datagram) {
                Some(_) => Err(Discard::NotForServer),
                None => self.on_stray(&datagram, now, view),
            },
        };
        self.begin_waiting(now);
        taken
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.held_until = self.held_until.filter(|until| *until > now);
        // What is left stays due. A session that has expired has output then, or a deadline in the
        // future; a timer that was too early is set to a later tick.
        for _ in 0..limits::EXPIRIES_MAX {
            let Some(slot) = self.wheel.pop_expired(now) else { break };
            let session = self.sessions.at_mut(slot).expect("only live sessions have timers");
            match session.deadline() {
                // It has output. Its rate lets it send again, perhaps a tick early, which the pace
                // makes up for; or it stands in line already.
                None if session.is_confirmed() => {
                    self.running.push(slot);
                }
                None => {}
                Some(deadline) if deadline > now + TICK => self.wheel.arm(slot, deadline),
                Some(_) => {
                    let verdict = session.on_timeout();
                    self.obey(slot, verdict, now);
                }
            }
        }
        self.begin_waiting(now);
    }

    fn poll_output(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Output> {
        assert!(head.len() >= limits::HEAD_BYTES, "heads are lent whole");
        self.begin_document(now, view);
        if let Some(refusal) = self.refusals.pop() {
            return Some(Output::Transmit(Transmit {
                route: refusal.path.route(),
                origin: NO_SESSION,
                head_len: refusal.emit(head),
                body: None,
                split: None,
            }));
        }
        if self.rates != view.tftp.rates {
            self.on_rates(view.tftp.rates, now);
        }
        self.held_until =
            (self.rates.total.is_some() && self.pace.due() > now).then(|| self.pace.due());
        if self.held_until.is_some() {
            return None;
        }
        let slot = self.next_turn()?;
        let limits = self.send_limits();
        let handle = self.sessions.handle_at(slot).expect("only live sessions have output");
        let session = self.sessions.at_mut(slot).expect("only live sessions have output");
        let datagrams =
            session.poll_output(head, self.documents.pool(), limits, now, &mut self.rng);
        let route = session.path.route();
        let body_bytes = datagrams.body.map_or(0, |span| span.len);
        self.running.charge(slot, u32::from(datagrams.head_len) + body_bytes, session.flow());
        self.spend(slot, body_bytes, now);
        self.settle(slot, now);
        Some(Output::Transmit(Transmit {
            route,
            origin: Origin(handle.to_bits()),
            head_len: datagrams.head_len,
            body: datagrams.body,
            split: datagrams.split,
        }))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    fn events_lost(&self) -> u64 {
        self.events.lost()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (self.wheel.next_deadline(), self.held_until) {
            (Some(deadline), Some(due)) => Some(deadline.min(due)),
            (deadline, due) => deadline.or(due),
        }
    }

    fn handle_send_error(&mut self, origin: Origin, error: SendError, now: Instant) {
        let handle = Handle::from_bits(origin.0);
        let Some(session) = self.sessions.get(handle) else { return };
        match error {
            // As if lost on the way: timers repair it, or give up.
            SendError::TooLarge | SendError::Refused => {}
            SendError::ImageUnreadable => {
                let path = session.path;
                self.refuse_on(path, ErrorCode::NOT_DEFINED, "file unreadable");
                self.end(handle.slot, Outcome::ImageUnreadable, now);
            }
        }
    }

    fn uses_image(&self, image: ImageId) -> bool {
        self.pins.contains(image)
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn sessions(&self) -> usize {
        self.sessions.len() as usize
    }
}

/// The socket at the well-known port.
pub(super) const LISTENER: SocketId = SocketId(0);

/// The origin of packets that belong to no session: no slab is that large.
const NO_SESSION: Origin = Origin(u64::MAX);

/// Turns that running transfers have for each that a beginning one has, while both want to send.
const TURNS_OF_RUNNING: u32 = 8;

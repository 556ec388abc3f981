//! One shard: a ring, sockets, buffers, engines, and the loop that moves what arrives into the
//! engines and what they have to say into the ring.
//!
//! [`Shard::turn`] is the whole of it. Nothing here knows a protocol, nothing waits but the one
//! system call at the end of a turn, and every loop has a budget.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_core::engine::{Datagram, Engine, OperatorOrder, Output, Packet, Route, StreamEvent};
use reveille_core::time::Instant;
use reveille_core::view::View;

use crate::buffers::pinned::PinnedImages;
use crate::clock;
use crate::control::{Order, Setup, Shared};
use crate::datagrams::{Datagrams, Sent};
use crate::driven::{Budget, Driven};
use crate::events::EventSender;
use crate::op::{FileIndex, Op};
use crate::persist::PersistLink;
use crate::ring::{Completion, Ring, Wait};
use crate::shards::{EngineKind, Engines, ShardIndex};
use crate::sockets::ShardSockets;
use crate::streams::{Accepted, Happened, Streams};
use crate::token::{Kind, Token};

/// Everything that one thread owns. The ring comes first: fields are dropped in their order, and
/// the kernel must let go of memory before it is freed.
pub(crate) struct Shard<D, T, S> {
    ring: Ring,
    datagrams: Datagrams,
    streams: Streams,
    images: PinnedImages,
    dhcp: Option<Driven<D>>,
    tftp: Driven<T>,
    http: Driven<S>,
    view: Arc<View>,
    shared: Arc<Shared>,
    outlets: Outlets,
    completions: Vec<Completion>,
    mailbox: FileIndex,
    /// Where the store's answers announce themselves, if there is one.
    store: Option<FileIndex>,
    draining: bool,
    /// When images that no table has any more are looked at again.
    release_at: Option<Instant>,
}

/// Where a shard leaves what is for other threads.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) events: EventSender,
    pub(crate) persist: Option<PersistLink>,
}

/// What a shard begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) index: ShardIndex,
    pub(crate) ring: Ring,
    pub(crate) sockets: ShardSockets,
    pub(crate) setup: Setup,
    pub(crate) sizes: Sizes,
}

/// How large a shard is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Datagrams in flight.
    pub(crate) send_slots: u16,
    /// Stream connections.
    pub(crate) connections: u32,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Turn,
    Stop,
}

impl<D, T, S> Shard<D, T, S>
where
    D: for<'i> Engine<Input<'i> = Packet<'i>>,
    T: for<'i> Engine<Input<'i> = Datagram<'i>>,
    S: for<'i> Engine<Input<'i> = StreamEvent<'i>>,
{
    /// Makes the calling thread the owner of ring and sockets and starts all receives.
    ///
    /// # Errors
    /// If buffers cannot be had.
    pub(crate) fn new(
        start: Start,
        engines: Engines<D, T, S>,
        shared: Arc<Shared>,
        outlets: Outlets,
    ) -> io::Result<Self> {
        let Start { mut ring, sockets, setup, sizes, index: _ } = start;
        ring.enable()?;
        let mailbox = ring.add_file(shared.wake())?;
        let store = match &outlets.persist {
            Some(persist) => Some(ring.add_file(persist.answered())?),
            None => None,
        };
        let datagrams = Datagrams::new(&ring, sizes.send_slots)?;
        let streams = Streams::new(&ring, sizes.connections)?;
        let mut shard = Self {
            ring,
            datagrams,
            streams,
            images: PinnedImages::new(setup.images),
            dhcp: engines.dhcp.map(|engine| Driven::new(engine, EngineKind::Dhcp, &shared)),
            tftp: Driven::new(engines.tftp, EngineKind::Tftp, &shared),
            http: Driven::new(engines.http, EngineKind::Http, &shared),
            view: setup.view,
            shared,
            outlets,
            completions: Vec::with_capacity(COMPLETIONS_PER_PASS),
            mailbox,
            store,
            draining: false,
            release_at: None,
        };
        if shard.switch_sockets(&sockets) > 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        shard.listen_to_mailbox();
        shard.listen_to_store();
        Ok(shard)
    }

    /// Turns until told to stop.
    ///
    /// # Errors
    /// If the ring fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.turn()? == Next::Turn {}
        Ok(())
    }

    /// One turn: take what arrived, let deadlines expire, say what there is to say, wait.
    fn turn(&mut self) -> io::Result<Next> {
        let now = clock::now();
        self.shared.counters.turns.add(1);
        if self.take_completions(now)? == Next::Stop {
            return Ok(Next::Stop);
        }
        self.expire(now);
        let is_done = self.produce(now);
        self.report();
        let wait = if is_done { self.wait_until_next_deadline(now) } else { Wait::No };
        self.ring.enter(wait)?;
        Ok(Next::Turn)
    }

    /// Gives what arrived to the engines, a budget of it.
    ///
    /// Sockets are emptied before anything is sent: requests that wait in the kernel while image
    /// bytes go out are answered late or overflow their socket, which is how storms fail.
    fn take_completions(&mut self, now: Instant) -> io::Result<Next> {
        for _ in 0..PASSES_PER_TURN {
            let mut completions = std::mem::take(&mut self.completions);
            self.ring.reap(&mut completions);
            self.shared.counters.completions.add(completions.len() as u64);
            let is_full = completions.len() == COMPLETIONS_PER_PASS;
            let mut packets = 0;
            let mut next = Next::Turn;
            for completion in completions.drain(..) {
                packets += u32::from(completion.is_of(Kind::Receive));
                if self.on_completion(completion, now) == Next::Stop {
                    next = Next::Stop;
                }
            }
            self.completions = completions;
            if next == Next::Stop {
                return Ok(next);
            }
            if packets >= PACKETS_PER_ENTER {
                self.ring.enter(Wait::No)?;
            } else if !is_full {
                break;
            }
        }
        Ok(Next::Turn)
    }

    fn on_completion(&mut self, completion: Completion, now: Instant) -> Next {
        let Some(token) = completion.token else {
            self.shared.counters.completions_stale.add(1);
            return Next::Turn;
        };
        match token.kind {
            Kind::Receive => self.on_packet(token, &completion, now),
            Kind::Send => {
                let sent =
                    self.datagrams.on_sent(&mut self.ring, &mut self.images, token, &completion);
                if let Some(sent) = sent {
                    self.on_packet_sent(sent, now);
                }
            }
            Kind::Accept => {
                let accepted = self.streams.on_accepted(&mut self.ring, token, completion, now);
                self.on_accepted(accepted, now);
            }
            Kind::StreamReceive => {
                let happened = self.streams.on_received(&mut self.ring, token, &completion);
                self.on_stream(token.slot, happened, now);
            }
            Kind::StreamSend => {
                let (ring, images) = (&mut self.ring, &mut self.images);
                let happened = self.streams.on_sent(ring, images, token, &completion, now);
                self.on_stream(token.slot, happened, now);
            }
            Kind::Mailbox => return self.on_mail(&completion, now),
            Kind::Store => self.on_store(&completion, now),
            // What it ended says so itself.
            Kind::Cancel => {}
        }
        Next::Turn
    }

    /// A datagram or frame arrived, or a receive has ended and must be started again.
    fn on_packet(&mut self, token: Token, completion: &Completion, now: Instant) {
        if let Some(filled) = self.datagrams.filled(completion) {
            match self.datagrams.read(token, &filled) {
                Some((EngineKind::Dhcp, packet)) => {
                    if let Some(dhcp) = &mut self.dhcp {
                        dhcp.handle_packet(packet, payload_len(&packet), now, &self.view);
                    }
                }
                Some((EngineKind::Tftp, Packet::Datagram(datagram))) => {
                    let bytes = datagram.payload.len();
                    self.tftp.handle_packet(datagram, bytes, now, &self.view);
                }
                Some(_) | None => self.shared.counters.packets_unreadable.add(1),
            }
            self.datagrams.give_back(filled);
        }
        if completion.outcome() == Err(libc::ENOBUFS) {
            self.shared.counters.buffers_exhausted.add(1);
        }
        if !completion.has_more() {
            self.datagrams.on_receive_ended(&mut self.ring, token, completion, now);
        }
    }

    fn on_packet_sent(&mut self, sent: Sent, now: Instant) {
        match sent.engine {
            EngineKind::Dhcp => {
                if let Some(dhcp) = &mut self.dhcp {
                    dhcp.handle_sent(sent, now);
                }
            }
            EngineKind::Tftp => self.tftp.handle_sent(sent, now),
            EngineKind::Http => unreachable!("streams have their own sends"),
        }
    }

    fn on_accepted(&mut self, accepted: Accepted, now: Instant) {
        let counters = &self.shared.counters;
        match accepted {
            Accepted::Connection(conn, peer, local) => {
                counters.connections_accepted.add(1);
                self.http.handle(StreamEvent::Accepted { conn, peer, local }, now, &self.view);
            }
            Accepted::Nothing => {}
            Accepted::Refused => counters.connections_refused.add(1),
            Accepted::Paused => counters.accept_pauses.add(1),
        }
    }

    /// Tells the engine what happened to the connection in `slot`, and whether that was its end.
    fn on_stream(&mut self, slot: u32, happened: Happened, now: Instant) {
        match happened {
            Happened::Nothing => {}
            Happened::Received(conn, filled) => {
                let bytes = self.streams.bytes(&filled);
                let received = StreamEvent::Received { conn, bytes };
                self.http.handle_packet(received, bytes.len(), now, &self.view);
                self.streams.give_back(filled);
            }
            Happened::EndOfStream(conn) => {
                self.http.handle(StreamEvent::EndOfStream { conn }, now, &self.view);
            }
            Happened::Sent(conn, bytes) => {
                self.http.count_sent(1, bytes);
                self.http.handle(StreamEvent::Sent { conn }, now, &self.view);
            }
            Happened::Failed(origin, error) => self.http.handle_send_error(origin, error, now),
            Happened::Stale => self.shared.counters.outputs_stale.add(1),
            Happened::Exhausted => self.shared.counters.buffers_exhausted.add(1),
        }
        if let Some(conn) = self.streams.settle(slot) {
            self.http.handle(StreamEvent::Closed { conn }, now, &self.view);
        }
    }

    /// Carries out what the control thread asked for.
    fn on_mail(&mut self, completion: &Completion, now: Instant) -> Next {
        if !completion.has_more() {
            self.listen_to_mailbox();
        }
        for order in self.shared.take_orders() {
            match order {
                Order::Stop => return Next::Stop,
                Order::Swap(setup, sockets) => {
                    if let Some(sockets) = sockets {
                        let refused = self.switch_sockets(&sockets);
                        self.shared.counters.sockets_refused.add(refused);
                    }
                    self.view = setup.view;
                    self.images.replace(setup.images);
                    self.release_at = Some(Instant::ZERO);
                }
                Order::Release(address) => {
                    let order = Packet::Operator(OperatorOrder::Release(address));
                    if let Some(dhcp) = &mut self.dhcp {
                        dhcp.handle(order, now, &self.view);
                    }
                }
                Order::Drain => {
                    self.draining = true;
                    self.streams.drain();
                    if let Some(dhcp) = &mut self.dhcp {
                        dhcp.engine.drain();
                    }
                    self.tftp.engine.drain();
                    self.http.engine.drain();
                }
            }
        }
        Next::Turn
    }

    /// Tells the engine that persists what became of it.
    fn on_store(&mut self, completion: &Completion, now: Instant) {
        if !completion.has_more() {
            self.listen_to_store();
        }
        let Some(persist) = &self.outlets.persist else { return };
        for answer in persist.take_answers() {
            if let Some(dhcp) = &mut self.dhcp {
                dhcp.handle(Packet::Store(answer), now, &self.view);
            }
        }
    }

    /// Serves with these sockets from now on, but for so many that the ring did not take.
    fn switch_sockets(&mut self, sockets: &ShardSockets) -> u64 {
        self.datagrams.switch(&mut self.ring, sockets)
            + self.streams.switch(&mut self.ring, sockets)
    }

    /// Lets everything expire whose time has come.
    fn expire(&mut self, now: Instant) {
        if let Some(dhcp) = &mut self.dhcp {
            dhcp.expire(now);
        }
        self.tftp.expire(now);
        self.http.expire(now);
        self.datagrams.expire(&mut self.ring, now);
        // Ends: nothing that expires here arms a timer that is due.
        while let Some(slot) = self.streams.expire(&mut self.ring, now) {
            self.on_stream(slot, Happened::Nothing, now);
        }
        if self.release_at.is_some_and(|at| at <= now) {
            let (dhcp, tftp, http) = (&self.dhcp, &self.tftp.engine, &self.http.engine);
            self.images.release(|image| {
                tftp.uses_image(image)
                    || http.uses_image(image)
                    || dhcp.as_ref().is_some_and(|dhcp| dhcp.engine.uses_image(image))
            });
            self.release_at = self.images.keeps_old().then_some(now + RELEASE_INTERVAL);
        }
    }

    /// Lets the engines say what they have to say, each a budget of it. Whether that was all, or
    /// all until a completion makes room.
    fn produce(&mut self, now: Instant) -> bool {
        let Self { ring, datagrams, images, view, outlets, .. } = self;
        let mut is_done = true;
        if let Some(dhcp) = &mut self.dhcp {
            is_done &=
                dhcp.produce_packets(ring, datagrams, images, &mut outlets.persist, now, view);
        }
        is_done &= self.tftp.produce_packets(ring, datagrams, images, &mut None, now, view);
        is_done & self.produce_streams(now)
    }

    /// The same for the engine that speaks in streams.
    fn produce_streams(&mut self, now: Instant) -> bool {
        let mut budget = Budget::new();
        while budget.is_left() {
            let Some(slot) = self.streams.next_free() else { return true };
            let head = self.streams.head_mut(slot);
            let (conn, happened) = match self.http.engine.poll_output(head, now, &self.view) {
                None => return true,
                Some(Output::Close(conn)) => (conn, self.streams.close(conn, now)),
                Some(Output::Persist { .. }) => panic!("streams leave nothing to persist"),
                Some(Output::Transmit(transmit)) => {
                    budget.spend(&transmit);
                    let Route::Stream(conn) = transmit.route else {
                        panic!("an engine that speaks in streams has no datagrams");
                    };
                    let (ring, images) = (&mut self.ring, &mut self.images);
                    (conn, self.streams.send(ring, images, conn, slot, &transmit))
                }
            };
            self.on_stream(conn.slot, happened, now);
        }
        false
    }

    /// Hands over events and counts.
    fn report(&mut self) {
        if let Some(dhcp) = &mut self.dhcp {
            dhcp.report(&mut self.outlets.events);
        }
        self.tftp.report(&mut self.outlets.events);
        self.http.report(&mut self.outlets.events);
        self.outlets.events.wake();
        if let Some(persist) = &mut self.outlets.persist {
            persist.wake();
        }
        let counters = &self.shared.counters;
        counters.connections.set(u64::from(self.streams.open()));
        counters.splits_refused.set(self.datagrams.splits_refused());
        if self.ring.has_overrun() {
            counters.ring_overruns.add(1);
        }
        if self.draining {
            let sessions = self.dhcp.as_ref().map_or(0, |dhcp| dhcp.engine.sessions())
                + self.tftp.engine.sessions()
                + self.http.engine.sessions();
            let is_idle = self.datagrams.is_idle() && self.streams.open() == 0;
            self.shared.set_drained(sessions == 0 && is_idle);
        }
    }

    fn wait_until_next_deadline(&self, now: Instant) -> Wait {
        let engines = [
            self.dhcp.as_ref().and_then(|dhcp| dhcp.engine.poll_timeout()),
            self.tftp.engine.poll_timeout(),
            self.http.engine.poll_timeout(),
        ];
        let own = [self.streams.next_deadline(), self.datagrams.next_deadline(), self.release_at];
        match engines.into_iter().chain(own).flatten().min() {
            None => Wait::Forever,
            Some(deadline) if deadline <= now => Wait::No,
            Some(deadline) => Wait::AtMost(deadline - now),
        }
    }

    fn listen_to_store(&mut self) {
        if let Some(store) = self.store {
            let token = Token::new(Kind::Store, 0, 0);
            self.ring.submit(&Op::poll_readable(store, token));
        }
    }

    fn listen_to_mailbox(&mut self) {
        let token = Token::new(Kind::Mailbox, 0, 0);
        self.ring.submit(&Op::poll_readable(self.mailbox, token));
    }
}

fn payload_len(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Datagram(datagram) => datagram.payload.len(),
        Packet::Frame(frame) => frame.packet.len(),
        Packet::Store(_) | Packet::Operator(_) => 0,
    }
}

/// Completions taken at one time.
const COMPLETIONS_PER_PASS: usize = 512;

/// How often one turn looks for completions; the rest waits for the next turn, after deadlines and
/// outputs.
const PASSES_PER_TURN: usize = 8;

/// A multishot receive hands over so many packets of its socket in one system call
/// (`MULTISHOT_MAX_RETRY` in the kernel's `io_uring/poll.h`); after as many there may be more.
const PACKETS_PER_ENTER: u32 = 32;

/// How often images that no table has any more are looked at.
const RELEASE_INTERVAL: Duration = Duration::from_secs(1);

//! The connections of a shard: accepted, fed, sent to, and closed without losing what was sent.
//!
//! A connection is over when it is no longer wanted and nothing of it is in flight in the ring.
//! Only then is its descriptor closed and its slot free, and [`Streams::settle`] says so: that is
//! the engine's last event of it.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use reveille_core::engine::{ConnId, Origin, SendError, Transmit};
use reveille_core::image::ImageId;
use reveille_core::table::{Handle, Slab, TimerWheel};
use reveille_core::time::Instant;
use rustix::net::{Shutdown, getpeername, getsockname, shutdown};

use crate::buffers::pinned::PinnedImages;
use crate::buffers::receive::{Filled, ReceiveBuffers};
use crate::buffers::send::{Parts, SendSlots};
use crate::config::SOCKETS_MAX;
use crate::op::{BufferGroup, FileIndex, Op};
use crate::ring::{Completion, Ring};
use crate::sockets::{OpenSocket, Purpose, ShardSockets};
use crate::token::{Kind, Token};

/// Listeners, connections, their buffers and their timers.
#[derive(Debug)]
pub(crate) struct Streams {
    listeners: Slab<Listener>,
    /// The listeners that are served.
    handles: Vec<Handle>,
    connections: Slab<Connection>,
    /// One timer for each connection that is on its way out, one for paused listeners.
    timers: TimerWheel,
    buffers: ReceiveBuffers,
    /// Heads on their way. A slot is held only until the network has its head, and a connection
    /// has at most one send outstanding, so there is one for whoever asks.
    slots: SendSlots<2>,
    draining: bool,
}

/// A socket that accepts.
#[derive(Debug)]
struct Listener {
    socket: OpenSocket,
    file: FileIndex,
    armed: bool,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    phase: Phase,
    /// Whether a receive is in flight.
    receiving: bool,
    /// The send in flight.
    sending: Option<Sending>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Both sides may send.
    Open,
    /// The engine is through with it; the last send is on its way.
    Closing,
    /// We will send no more; the peer still may. Closing now could cost it what we sent: bytes
    /// that nobody reads make the kernel answer with a reset.
    Lingering,
    /// Shut in both directions.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    /// The slot whose head has not been taken yet.
    slot: Option<u32>,
    origin: Origin,
    image: Option<ImageId>,
    /// Bytes of the whole send.
    bytes: u32,
    /// What has not been taken of the image.
    rest: Rest,
}

/// A piece of a pinned image.
#[derive(Clone, Copy, Debug)]
struct Rest {
    first: *const u8,
    len: usize,
}

/// What a completion means to the engine.
#[derive(Debug)]
pub(crate) enum Happened {
    /// Nothing.
    Nothing,
    /// Bytes arrived; the buffer must be given back.
    Received(ConnId, Filled),
    /// The peer will send no more.
    EndOfStream(ConnId),
    /// So many bytes have been taken by the network: the whole send.
    Sent(ConnId, u32),
    /// A send failed, and with it the connection.
    Failed(Origin, SendError),
    /// The engine spoke of a connection that is on its way out.
    Stale,
    /// Every receive buffer was in use.
    Exhausted,
}

/// What came out of an accept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Accepted {
    /// A connection, with the peer's address and ours.
    Connection(ConnId, SocketAddr, SocketAddr),
    /// None: the peer has gone already, or the listener was stopped.
    Nothing,
    /// One that was closed at once because the table is full.
    Refused,
    /// None, and none for a while: no descriptor is left.
    Paused,
}

impl Streams {
    /// Makes room for `capacity` connections; there are no listeners yet.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn new(ring: &Ring, capacity: u32) -> io::Result<Self> {
        Ok(Self {
            listeners: Slab::new(SOCKETS_MAX),
            handles: Vec::new(),
            connections: Slab::new(capacity),
            timers: TimerWheel::new(capacity + 1),
            buffers: ReceiveBuffers::register(ring, GROUP, BUFFERS, BUFFER_BYTES)?,
            slots: SendSlots::new(capacity)?,
            draining: false,
        })
    }

    /// Accepts at these sockets from now on, unless it drains. Connections go on, wherever they
    /// came in. Gives the number of sockets that the ring did not take.
    pub(crate) fn switch(&mut self, ring: &mut Ring, sockets: &ShardSockets) -> u64 {
        if self.draining {
            return 0;
        }
        let is_listener = |socket: &&OpenSocket| socket.purpose == Purpose::Streams;
        let wanted = || sockets.open.iter().filter(is_listener);
        let listeners = &mut self.listeners;
        self.handles.retain(|handle| {
            let listener = listeners.get(*handle).expect("every handle has its listener");
            let stays = wanted().any(|socket| socket.is(&listener.socket));
            if !stays {
                if listener.armed {
                    ring.submit(&Op::cancel(accept_token(*handle)));
                }
                ring.remove_file(listener.file);
                listeners.remove(*handle);
            }
            stays
        });
        let mut refused = 0;
        for socket in wanted() {
            let has = |handle: &Handle| {
                self.listeners.get(*handle).is_some_and(|known| known.socket.is(socket))
            };
            if !self.handles.iter().any(has) && self.add(ring, socket.clone()).is_none() {
                refused += 1;
            }
        }
        self.arm_all(ring);
        refused
    }

    fn add(&mut self, ring: &mut Ring, socket: OpenSocket) -> Option<()> {
        let file = ring.add_file(socket.socket.as_fd()).ok()?;
        // The ring's table of files has no more places than the slab.
        let handle = self.listeners.insert(Listener { socket, file, armed: false }).ok()?;
        self.handles.push(handle);
        Some(())
    }

    /// Number of connections.
    pub(crate) const fn open(&self) -> u32 {
        self.connections.len()
    }

    /// Starts accepting on every listener that does not accept.
    fn arm_all(&mut self, ring: &mut Ring) {
        if self.draining {
            return;
        }
        for handle in &self.handles {
            let listener = self.listeners.get_mut(*handle).expect("every handle has its listener");
            if !std::mem::replace(&mut listener.armed, true) {
                ring.submit(&Op::accept(listener.file, accept_token(*handle)));
            }
        }
    }

    /// Stops listening: peers are refused from now on. Connections go on.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for handle in &self.handles {
            let listener = self.listeners.get(*handle).expect("every handle has its listener");
            // Fails only if it does not listen any more.
            let _not_listening = shutdown(&listener.socket.socket, Shutdown::Both);
        }
    }

    /// Takes in what an accept brought.
    pub(crate) fn on_accepted(
        &mut self,
        ring: &mut Ring,
        token: Token,
        completion: Completion,
        now: Instant,
    ) -> Accepted {
        let handle = self.listeners.handle_at(token.slot);
        let handle = handle.filter(|handle| token.is_of(handle.generation));
        let Some(listener) = handle.and_then(|handle| self.listeners.get_mut(handle)) else {
            // It is served no more, and neither is who came by it at the last moment.
            drop(completion.into_descriptor());
            return Accepted::Nothing;
        };
        listener.armed = completion.has_more();
        let local = listener.socket.local;
        let Ok(socket) = completion.into_descriptor() else {
            // Trying again at once would spin while no descriptor is left.
            self.timers.arm(self.connections.capacity(), now + ACCEPT_PAUSE);
            return if self.draining { Accepted::Nothing } else { Accepted::Paused };
        };
        self.arm_all(ring);
        let Some((peer, local)) = addresses(&socket, local) else { return Accepted::Nothing };
        let connection = Connection { socket, phase: Phase::Open, receiving: true, sending: None };
        let Ok(handle) = self.connections.insert(connection) else { return Accepted::Refused };
        self.receive(ring, handle);
        Accepted::Connection(conn_id(handle), peer, local)
    }

    /// Takes in what a receive brought.
    pub(crate) fn on_received(
        &mut self,
        ring: &mut Ring,
        token: Token,
        completion: &Completion,
    ) -> Happened {
        let handle = self.handle(token);
        let conn = conn_id(handle);
        let connection = self.connections.get_mut(handle).expect("receives end first");
        connection.receiving = completion.has_more();
        let phase = connection.phase;
        match completion.outcome() {
            Ok(0) => match phase {
                Phase::Open => Happened::EndOfStream(conn),
                Phase::Closing | Phase::Lingering | Phase::Over => Happened::Nothing,
            },
            Ok(len) => {
                let id = completion.buffer().expect("received bytes are in a buffer");
                let filled = self.buffers.filled(id, len as usize);
                if !completion.has_more() {
                    self.receive(ring, handle);
                }
                if phase == Phase::Open {
                    return Happened::Received(conn, filled);
                }
                self.buffers.give_back(filled);
                Happened::Nothing
            }
            // Every buffer was in use; they are given back before this is submitted.
            Err(libc::ENOBUFS) => {
                self.receive(ring, handle);
                Happened::Exhausted
            }
            Err(_) => {
                self.abort(handle);
                Happened::Nothing
            }
        }
    }

    /// What arrived in a buffer.
    pub(crate) fn bytes(&self, filled: &Filled) -> &[u8] {
        self.buffers.bytes(filled)
    }

    /// Hands a buffer back to the kernel.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.buffers.give_back(filled);
    }

    /// The send slot that is used next. There is one for each connection.
    pub(crate) fn next_free(&self) -> Option<u32> {
        self.slots.next_free()
    }

    /// The head buffer of that slot.
    pub(crate) fn head_mut(&mut self, slot: u32) -> &mut [u8] {
        self.slots.head_mut(slot)
    }

    /// Sends `transmit`, whose head is in the free slot `slot`, into the connection `conn`.
    pub(crate) fn send(
        &mut self,
        ring: &mut Ring,
        images: &mut PinnedImages,
        conn: ConnId,
        slot: u32,
        transmit: &Transmit,
    ) -> Happened {
        let handle = handle_of(conn);
        let connection = match self.connections.get_mut(handle) {
            Some(connection) if connection.phase == Phase::Open => connection,
            // It broke in this turn; the engine is told before the next one.
            Some(_) | None => return Happened::Stale,
        };
        assert!(connection.sending.is_none(), "an engine waits for `Sent`");
        let rest = match &transmit.body {
            Some(span) => match images.pin(span) {
                Some(first) => Rest { first, len: span.len as usize },
                None => {
                    self.abort(handle);
                    return Happened::Failed(transmit.origin, SendError::ImageUnreadable);
                }
            },
            None => Rest { first: std::ptr::null(), len: 0 },
        };
        let head_len = usize::from(transmit.head_len);
        assert!(head_len + rest.len > 0, "a send of nothing has no end");
        connection.sending = Some(Sending {
            slot: (head_len > 0).then_some(slot),
            origin: transmit.origin,
            image: transmit.body.map(|span| span.image),
            bytes: (head_len + rest.len) as u32,
            rest,
        });
        if head_len > 0 {
            self.slots.take(slot);
            let head = self.slots.head(slot).cast_const();
            let message = self.slots.message_mut(slot);
            message.set_connected();
            let Rest { first: body, len: body_len } = rest;
            message.set_parts(Parts { head, head_len, body, body_len });
        }
        self.submit(ring, handle);
        Happened::Nothing
    }

    /// Takes note that the network took bytes, and sends the rest if it did not take all.
    pub(crate) fn on_sent(
        &mut self,
        ring: &mut Ring,
        images: &mut PinnedImages,
        token: Token,
        completion: &Completion,
        now: Instant,
    ) -> Happened {
        let handle = self.handle(token);
        if let Ok(taken @ 1..) = completion.outcome()
            && !self.advance(handle, taken as usize)
        {
            self.submit(ring, handle);
            return Happened::Nothing;
        }
        let connection = self.connections.get_mut(handle).expect("sends end first");
        let sending = connection.sending.take().expect("a send that completes was in flight");
        let phase = connection.phase;
        if let Some(slot) = sending.slot {
            self.slots.release(slot);
        }
        if let Some(image) = sending.image {
            images.unpin(image);
        }
        let error = match completion.outcome() {
            Ok(1..) => match phase {
                Phase::Open => return Happened::Sent(conn_id(handle), sending.bytes),
                Phase::Closing => {
                    self.linger(handle, now);
                    return Happened::Nothing;
                }
                Phase::Lingering | Phase::Over => return Happened::Nothing,
            },
            Err(libc::EFAULT) if sending.image.is_some() => SendError::ImageUnreadable,
            Ok(0) | Err(_) => SendError::Refused,
        };
        self.abort(handle);
        match phase {
            Phase::Open | Phase::Closing => Happened::Failed(sending.origin, error),
            Phase::Lingering | Phase::Over => Happened::Nothing,
        }
    }

    /// Closes a connection once what was sent has left.
    pub(crate) fn close(&mut self, conn: ConnId, now: Instant) -> Happened {
        let handle = handle_of(conn);
        let Some(connection) = self.connections.get_mut(handle) else { return Happened::Stale };
        if connection.phase != Phase::Open {
            return Happened::Stale;
        }
        if connection.sending.is_none() {
            self.linger(handle, now);
        } else {
            connection.phase = Phase::Closing;
            self.timers.arm(handle.slot, now + CLOSING_MAX);
        }
        Happened::Nothing
    }

    /// Frees the slot of a connection that is over. Its engine hears nothing of it afterwards.
    pub(crate) fn settle(&mut self, slot: u32) -> Option<ConnId> {
        let handle = self.connections.handle_at(slot)?;
        let connection = self.connections.get(handle)?;
        let is_unwanted = match connection.phase {
            Phase::Open | Phase::Closing => false,
            Phase::Lingering | Phase::Over => true,
        };
        if !is_unwanted || connection.receiving || connection.sending.is_some() {
            return None;
        }
        self.timers.cancel(slot);
        self.connections.remove(handle);
        Some(conn_id(handle))
    }

    /// Lets one timer expire that is due: accepting starts again, or a connection that took too
    /// long is cut. Gives the connection's slot.
    pub(crate) fn expire(&mut self, ring: &mut Ring, now: Instant) -> Option<u32> {
        let mut slot = self.timers.pop_expired(now)?;
        if slot == self.connections.capacity() {
            self.arm_all(ring);
            slot = self.timers.pop_expired(now)?;
        }
        if let Some(handle) = self.connections.handle_at(slot) {
            self.abort(handle);
        }
        Some(slot)
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Ends our side and gives the peer time to end its own.
    fn linger(&mut self, handle: Handle, now: Instant) {
        self.timers.arm(handle.slot, now + LINGERING_MAX);
        let connection = self.connections.get_mut(handle).expect("a live connection");
        connection.phase = Phase::Lingering;
        if connection.receiving {
            // Fails only if the connection broke: then the receive ends with that.
            let _broken = shutdown(&connection.socket, Shutdown::Write);
        }
    }

    /// Ends both sides: what is in flight completes soon.
    fn abort(&mut self, handle: Handle) {
        let connection = self.connections.get_mut(handle).expect("a live connection");
        connection.phase = Phase::Over;
        let _broken = shutdown(&connection.socket, Shutdown::Both);
    }

    fn receive(&mut self, ring: &mut Ring, handle: Handle) {
        let connection = self.connections.get_mut(handle).expect("a live connection");
        connection.receiving = true;
        let token = Token::new(Kind::StreamReceive, handle.slot, handle.generation);
        let group = self.buffers.group();
        ring.submit(&Op::receive_stream(connection.socket.as_fd(), group, token));
    }

    /// Leaves out what the network took, and says whether that was all. The slot of a head that
    /// was taken is free again, however long the image behind it takes.
    fn advance(&mut self, handle: Handle, taken: usize) -> bool {
        let connection = self.connections.get_mut(handle).expect("sends end first");
        let sending = connection.sending.as_mut();
        let sending = sending.expect("a send that completes was in flight");
        let Some(slot) = sending.slot else {
            assert!(taken <= sending.rest.len, "the kernel sends no more than it was given");
            sending.rest.first = sending.rest.first.wrapping_add(taken);
            sending.rest.len -= taken;
            return sending.rest.len == 0;
        };
        let left = self.slots.message_mut(slot).advance(taken);
        if left > sending.rest.len {
            return false;
        }
        sending.slot = None;
        self.slots.release(slot);
        sending.rest.first = sending.rest.first.wrapping_add(sending.rest.len - left);
        sending.rest.len = left;
        left == 0
    }

    /// Sends what has not been taken of the connection's send: its head and what the network
    /// takes behind it at once, or the rest of the image in one go.
    fn submit(&mut self, ring: &mut Ring, handle: Handle) {
        let connection = self.connections.get(handle).expect("a live connection");
        let token = Token::new(Kind::StreamSend, handle.slot, handle.generation);
        let sending = connection.sending.as_ref().expect("whoever submits has something to send");
        let socket = connection.socket.as_fd();
        let send = match sending.slot {
            Some(slot) => {
                let message = self.slots.message_mut(slot).header();
                // SAFETY: message and head belong to the slot, which stays taken until the
                // completion of this token; the image is pinned until then; the shard drops the
                // ring before both.
                unsafe { Op::send_stream_message(socket, message, token) }
            }
            None => {
                let Rest { first, len } = sending.rest;
                // SAFETY: the image is pinned until the completion of this token; the shard drops
                // the ring before it.
                unsafe { Op::send_stream(socket, first, len as u32, token) }
            }
        };
        ring.submit(&send);
    }

    /// The connection that an operation belongs to: its slot is not freed before.
    fn handle(&self, token: Token) -> Handle {
        let handle = self.connections.handle_at(token.slot);
        let handle = handle.expect("a connection outlives its operations");
        assert!(token.is_of(handle.generation), "a connection outlives its operations");
        handle
    }
}

/// Both ends of a connection, unless it is gone already.
fn addresses(socket: &OwnedFd, listener: SocketAddrV4) -> Option<(SocketAddr, SocketAddr)> {
    let peer = getpeername(socket).ok()??.try_into().ok()?;
    if !listener.ip().is_unspecified() {
        return Some((peer, SocketAddr::V4(listener)));
    }
    Some((peer, getsockname(socket).ok()?.try_into().ok()?))
}

/// The token of the accept on this listener.
const fn accept_token(handle: Handle) -> Token {
    Token::new(Kind::Accept, handle.slot, handle.generation)
}

const fn conn_id(handle: Handle) -> ConnId {
    ConnId { slot: handle.slot, generation: handle.generation }
}

const fn handle_of(conn: ConnId) -> Handle {
    Handle { slot: conn.slot, generation: conn.generation }
}

/// The group of the buffers that streams are received into.
const GROUP: BufferGroup = BufferGroup(1);

/// Receive buffers: requests are small and seldom come in more than one piece.
const BUFFERS: u16 = 512;

/// Bytes of a receive buffer.
const BUFFER_BYTES: usize = 4096;

/// How long the last send of a connection may take after the engine closed it. Whoever is closed
/// in the middle of a send is slow, and others need the place.
const CLOSING_MAX: Duration = Duration::from_secs(2);

/// How long a peer may take to close its side. Its own close ends the wait.
const LINGERING_MAX: Duration = Duration::from_secs(2);

/// How long accepting rests when no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

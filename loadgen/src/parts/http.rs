//! Many HTTP connections that stay open, each asking for the same file again and again.

mod connection;
mod head;
mod outcome;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

use super::{Cost, latencies, wait};
use crate::clock::{Clock, nanoseconds};
use crate::ring::{Completion, Filled, Group, NAMELESS, ReceiveBuffers, Ring};
use crate::stop;
use connection::{Connection, GENERATION_SHIFT, State, open};
use head::Head;
pub use outcome::HttpOutcome;
use outcome::fairness;

/// What is asked for, by how many, and how long.
#[derive(Clone, Debug)]
pub struct HttpLoad {
    /// The server.
    pub server: SocketAddrV4,
    /// The clients' address; unspecified lets the kernel choose.
    pub local: Ipv4Addr,
    /// Connections; all are open before the first request is sent.
    pub connections: usize,
    /// Path and query of the request.
    pub path: String,
    /// When to stop.
    pub until: Until,
    /// What to do with the bytes.
    pub body: Body,
    /// When to stop connecting or waiting, whatever is not done.
    pub limit: Duration,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this time, in the middle of what is under way.
    Elapsed(Duration),
    /// When so many responses are complete, over all connections.
    Responses(u64),
}

/// What to do with the bytes of responses.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing: the kernel throws them away uncopied, as a sink that costs as little as it can.
    Discard,
    /// Compare them with these.
    Verify(Vec<u8>),
}

impl HttpLoad {
    /// Bodies discarded for some time.
    #[must_use]
    pub fn new(server: SocketAddrV4, connections: usize, path: &str, duration: Duration) -> Self {
        Self {
            server,
            local: Ipv4Addr::UNSPECIFIED,
            connections,
            path: path.to_owned(),
            until: Until::Elapsed(duration),
            body: Body::Discard,
            limit: Duration::from_secs(600),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If sockets or the ring cannot be made. What happens to connections is in the outcome.
    pub fn run(&self) -> anyhow::Result<HttpOutcome> {
        let mut run = Run::new(self)?;
        run.connect_all()?;
        run.load()?;
        Ok(run.outcome())
    }
}

struct Run<'l> {
    load: &'l HttpLoad,
    ring: Ring,
    buffers: ReceiveBuffers,
    connections: Vec<Connection>,
    request: Vec<u8>,
    connecting: usize,
    started: bool,
    asked: u64,
    responses: u64,
    reconnects: u64,
    failures: BTreeMap<String, usize>,
    latency: Histogram<u64>,
    clock: Clock,
    /// When the first request was sent, and the last completion seen.
    began: u64,
    now: u64,
    cost_before: Cost,
    completions: Vec<Completion>,
    /// Length of the last body that was announced.
    body_bytes: u64,
}

impl<'l> Run<'l> {
    fn new(load: &'l HttpLoad) -> anyhow::Result<Self> {
        let ring = Ring::new().context("io_uring cannot be used (Linux 6.1 or newer is needed)")?;
        let (count, size) = match load.body {
            Body::Discard => (1024, DISCARDED_HEAD_BYTES),
            Body::Verify(_) => (128, 32_768),
        };
        let buffers = ReceiveBuffers::register(&ring, GROUP, count, size)?;
        let connections = (0..load.connections).map(|_| Connection::new()).collect();
        let HttpLoad { server, path, .. } = load;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes();
        Ok(Self {
            load,
            ring,
            buffers,
            connections,
            request,
            connecting: 0,
            started: false,
            asked: 0,
            responses: 0,
            reconnects: 0,
            failures: BTreeMap::new(),
            latency: latencies(),
            clock: Clock::start(),
            began: 0,
            now: 0,
            cost_before: Cost::default(),
            completions: Vec::with_capacity(COMPLETIONS_MAX),
            body_bytes: u64::MAX,
        })
    }

    fn connect_all(&mut self) -> anyhow::Result<()> {
        let limit = nanoseconds(self.load.limit);
        let mut next = 0;
        // Ends: every connection is made or fails, or the limit comes.
        while (next < self.connections.len() || self.connecting > 0) && self.may_go_on(limit) {
            while next < self.connections.len() && self.connecting < CONNECTING_MAX {
                self.connect(next)?;
                next += 1;
            }
            self.turn(limit)?;
        }
        self.began = self.now;
        self.cost_before = Cost { cpu: self.clock.cpu(), enters: self.ring.enters() };
        Ok(())
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let limit = nanoseconds(self.load.limit);
        let (end, wanted) = match self.load.until {
            Until::Elapsed(time) => (limit.min(self.began + nanoseconds(time)), u64::MAX),
            Until::Responses(count) => (limit, count),
        };
        self.started = true;
        for index in 0..self.connections.len() {
            if self.connections[index].state == State::Idle {
                self.ask(index)?;
            }
        }
        let failed = |run: &Self| run.failures.values().sum::<usize>();
        // Ends: at the limit, or when all is done or nobody is left.
        while self.may_go_on(end)
            && self.responses < wanted
            && failed(self) < self.connections.len()
        {
            self.turn(end)?;
        }
        Ok(())
    }

    fn may_go_on(&self, end: u64) -> bool {
        self.now < end && !stop::requested()
    }

    fn turn(&mut self, end: u64) -> anyhow::Result<()> {
        self.ring.enter(wait(self.now, Some(end)))?;
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        self.now = self.clock.now();
        for completion in completions.drain(..) {
            self.handle_completion(completion)?;
        }
        self.completions = completions;
        self.buffers.publish();
        Ok(())
    }

    fn connect(&mut self, index: usize) -> anyhow::Result<()> {
        let count = self.load.connections;
        let socket = open(self.load.local).with_context(|| {
            format!("socket {} of {count} cannot be opened (see ulimit -n)", index + 1)
        })?;
        let connection = &mut self.connections[index];
        connection.generation = (connection.generation + 1) & GENERATION_MASK;
        connection.state = State::Connecting;
        connection.armed = false;
        connection.closes = false;
        connection.partial.clear();
        let name = connection.name(index) | CONNECT;
        self.ring.connect(socket.as_raw_fd(), name, self.load.server)?;
        if let Some(old) = connection.socket.replace(socket) {
            self.ring.close(old.into_raw_fd(), NAMELESS)?;
        }
        self.connecting += 1;
        Ok(())
    }

    fn ask(&mut self, index: usize) -> anyhow::Result<()> {
        if let Until::Responses(count) = self.load.until
            && self.asked == count
        {
            return Ok(());
        }
        self.asked += 1;
        let connection = &mut self.connections[index];
        connection.state = State::Head;
        connection.asked = self.now;
        let (fd, name) = (connection.fd(), connection.name(index));
        let request = &self.request;
        self.ring.send(fd, name | SEND, request.len(), |space| {
            space.copy_from_slice(request);
            request.len()
        })?;
        self.listen(index)
    }

    /// Receives what comes next, unless a receive is under way.
    fn listen(&mut self, index: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        if connection.armed {
            return Ok(());
        }
        let (fd, name) = (connection.fd(), connection.name(index));
        match (&self.load.body, connection.state) {
            (Body::Discard, State::Body { received, len }) => {
                let chunk = (len - received).min(DISCARD_BYTES);
                self.ring.discard(fd, name | DISCARD, chunk as u32)?;
            }
            // Small bodies come with their heads, and cost less in buffers than thrown away.
            (Body::Discard, _) if self.body_bytes > SMALL_BODY_BYTES => {
                self.ring.receive_once(fd, name, GROUP)?;
            }
            (Body::Discard | Body::Verify(_), _) => {
                connection.armed = true;
                self.ring.receive(fd, name, GROUP)?;
            }
        }
        Ok(())
    }

    fn handle_completion(&mut self, mut completion: Completion) -> anyhow::Result<()> {
        if completion.name == NAMELESS {
            return Ok(());
        }
        let index = (completion.name & INDEX_MASK) as usize;
        let generation = (completion.name >> GENERATION_SHIFT) as u32 & GENERATION_MASK;
        let current = self.connections[index].generation == generation;
        if let Some(id) = completion.take_filled() {
            if current && let Ok(len) = completion.outcome() {
                self.handle_bytes(index, &id, len)?;
            }
            self.buffers.give_back(id);
        }
        // The bytes may have led to another socket, or to the end of the connection.
        if self.connections[index].generation != generation {
            return Ok(());
        }
        match self.connections[index].state {
            State::Closed | State::Failed => return Ok(()),
            State::Connecting => return self.handle_connected(index, completion),
            State::Idle | State::Head | State::Body { .. } => {}
        }
        if completion.name & SEND != 0 {
            return self.handle_end(index, &errno_text(completion.outcome().err()));
        }
        match completion.outcome() {
            Ok(0) => return self.handle_end(index, "the server closed the connection"),
            Ok(len) if completion.name & DISCARD != 0 => {
                self.connections[index].count(len as u64);
                if self.completes(index) {
                    self.handle_response(index)?;
                } else {
                    self.listen(index)?;
                }
            }
            Ok(_) => {}
            Err(libc::ENOBUFS) => {}
            Err(errno) => return self.handle_end(index, &errno_text(Some(errno))),
        }
        if self.connections[index].armed && !completion.has_more() {
            self.connections[index].armed = false;
            self.buffers.publish();
            self.listen(index)?;
        } else if completion.outcome() == Err(libc::ENOBUFS) {
            self.listen(index)?;
        }
        Ok(())
    }

    fn handle_connected(&mut self, index: usize, completion: Completion) -> anyhow::Result<()> {
        self.connecting -= 1;
        match completion.outcome() {
            Ok(_) => {
                self.connections[index].state = State::Idle;
                if self.started { self.ask(index) } else { Ok(()) }
            }
            Err(errno) => self.fail(index, format!("connect: {}", errno_text(Some(errno)))),
        }
    }

    fn handle_bytes(&mut self, index: usize, id: &Filled, len: usize) -> anyhow::Result<()> {
        let mut bytes = self.buffers.bytes(id, len);
        let connection = &mut self.connections[index];
        let whole;
        if connection.state == State::Head {
            if !connection.partial.is_empty() {
                connection.partial.extend_from_slice(bytes);
                whole = std::mem::take(&mut connection.partial);
                bytes = &whole;
            }
            let head = match Head::parse(bytes) {
                Ok(Some(head)) => head,
                Ok(None) if bytes.len() < HEAD_BYTES_MAX => {
                    connection.partial = bytes.to_vec();
                    if !connection.armed {
                        self.listen(index)?;
                    }
                    return Ok(());
                }
                Ok(None) => {
                    return self.fail(index, "a response head without an end".to_owned());
                }
                Err(reason) => {
                    return self.fail(index, reason.to_owned());
                }
            };
            if head.status != 200 {
                return self.fail(index, format!("status {}", head.status));
            }
            self.body_bytes = head.content_length;
            connection.closes = head.closes;
            connection.state = State::Body { received: 0, len: head.content_length };
            bytes = &bytes[head.len..];
        }
        let State::Body { received, len } = connection.state else {
            let reason = "bytes that nobody asked for".to_owned();
            return self.fail(index, reason);
        };
        if let Body::Verify(file) = &self.load.body {
            let first = received as usize;
            if len != file.len() as u64 || file.get(first..first + bytes.len()) != Some(bytes) {
                return self.fail(index, "bytes that are not those of the file".to_owned());
            }
        }
        if received + bytes.len() as u64 > len {
            return self.fail(index, "more bytes than announced".to_owned());
        }
        connection.count(bytes.len() as u64);
        if self.completes(index) {
            self.handle_response(index)
        } else if self.connections[index].armed {
            Ok(())
        } else {
            self.listen(index)
        }
    }

    fn completes(&self, index: usize) -> bool {
        match self.connections[index].state {
            State::Body { received, len } => received == len,
            State::Closed | State::Connecting | State::Idle | State::Head | State::Failed => false,
        }
    }

    fn handle_response(&mut self, index: usize) -> anyhow::Result<()> {
        self.responses += 1;
        let connection = &mut self.connections[index];
        self.latency.saturating_record(self.now - connection.asked);
        connection.state = State::Idle;
        if connection.closes {
            self.reconnects += 1;
            return self.connect(index);
        }
        self.ask(index)
    }

    /// The connection is gone. Between responses that is the server's right.
    fn handle_end(&mut self, index: usize, reason: &str) -> anyhow::Result<()> {
        if self.connections[index].state == State::Idle {
            self.reconnects += 1;
            return self.connect(index);
        }
        self.fail(index, reason.to_owned())
    }

    /// Gives a connection up. What is queued for its socket goes first, so the ring closes it.
    fn fail(&mut self, index: usize, reason: String) -> anyhow::Result<()> {
        *self.failures.entry(reason).or_default() += 1;
        let connection = &mut self.connections[index];
        connection.state = State::Failed;
        if let Some(socket) = connection.socket.take() {
            self.ring.close(socket.into_raw_fd(), NAMELESS)?;
        }
        Ok(())
    }

    fn outcome(self) -> HttpOutcome {
        let mut shares: Vec<u64> =
            self.connections.iter().map(|connection| connection.bytes).collect();
        shares.sort_unstable();
        let median = shares.get(shares.len() / 2).copied().unwrap_or(0);
        let least = shares.first().copied().unwrap_or(0);
        HttpOutcome {
            responses: self.responses,
            bytes: shares.iter().sum(),
            elapsed: Duration::from_nanos(self.now - self.began),
            connecting: Duration::from_nanos(self.began),
            fairness: fairness(&shares),
            slowest_to_median: least as f64 / median.max(1) as f64,
            reconnects: self.reconnects,
            cost: Cost {
                cpu: self.clock.cpu().saturating_sub(self.cost_before.cpu),
                enters: self.ring.enters() - self.cost_before.enters,
            },
            latency: self.latency,
            failures: self.failures,
        }
    }
}

fn errno_text(errno: Option<i32>) -> String {
    std::io::Error::from_raw_os_error(errno.unwrap_or(0)).to_string()
}

/// Bits of the names of operations, above index and generation.
const SEND: u64 = 1 << 63;
const CONNECT: u64 = 1 << 62;
const DISCARD: u64 = 1 << 61;
const GENERATION_MASK: u32 = 0x00ff_ffff;
const INDEX_MASK: u64 = 0xffff_ffff;

const GROUP: Group = Group(0);

/// Completions in a turn.
const COMPLETIONS_MAX: usize = 1024;

/// Connects under way: fewer than any server's backlog.
const CONNECTING_MAX: usize = 100;

/// Buffers for heads, and for bodies that are so small that they come with them.
const DISCARDED_HEAD_BYTES: usize = 4096;

/// Bodies up to this length are small.
const SMALL_BODY_BYTES: u64 = 2048;

/// Most bytes that are thrown away in one operation.
const DISCARD_BYTES: u64 = 1 << 30;

/// The longest head of a response.
const HEAD_BYTES_MAX: usize = 16_384;

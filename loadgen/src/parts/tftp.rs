//! Many TFTP clients that start together and keep the timers of PXE firmware.

mod client;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context;

use super::{Cost, wait};
use crate::clock::{Clock, nanoseconds};
use crate::deadlines::Deadlines;
use crate::ring::{Completion, Datagram, Filled, Group, ReceiveBuffers, Ring};
use crate::stop;
use client::{Client, State, Step};

/// What is asked for, and by how many.
#[derive(Clone, Debug)]
pub struct TftpLoad {
    /// Where requests go.
    pub server: SocketAddrV4,
    /// The clients' address; unspecified lets the kernel choose.
    pub local: Ipv4Addr,
    /// Clients, each with a socket of its own and one transfer.
    pub clients: usize,
    /// Name of the file in requests.
    pub name: String,
    /// What the server has to send.
    pub expected: Expected,
    /// `blksize` (RFC 2348).
    pub block_bytes: u16,
    /// `windowsize` (RFC 7440); 1 is lockstep and is not asked for.
    pub window_blocks: u16,
    /// Lets the kernel hand over blocks that arrive together as one (UDP_GRO): cheaper for the
    /// generator, and for a server on the same machine, as with a network card that can do it.
    pub segments: bool,
    /// Over which time the clients start; zero is all in the same instant.
    pub spread: Duration,
    /// When to stop whatever is not done.
    pub limit: Duration,
}

/// What the server has to send.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// Anything: transfers are neither compared with anything nor kept.
    Anything,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct TftpOutcome {
    /// Seconds from the first request to the last block of each transfer that was completed, in
    /// ascending order.
    pub seconds: Vec<f64>,
    /// Seconds from the beginning of the run to the end of the last completed transfer.
    pub finished_seconds: f64,
    /// Why transfers failed, and how many.
    pub failures: BTreeMap<String, usize>,
    /// Requests and acknowledgements that were sent again after a time of silence.
    pub resent: u64,
    /// Payload that arrived in order.
    pub bytes: u64,
    /// Blocks that arrived, also those that were of no use.
    pub blocks: u64,
    /// The longest time in seconds that a client waited for something new.
    pub longest_wait_seconds: f64,
    /// What it cost the generator.
    pub cost: Cost,
}

impl TftpOutcome {
    /// Transfers that did not complete.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }
}

impl TftpLoad {
    /// Lockstep of all clients at once with blocks that fill Ethernet frames.
    #[must_use]
    pub fn new(server: SocketAddrV4, clients: usize, name: &str, expected: Expected) -> Self {
        Self {
            server,
            local: Ipv4Addr::UNSPECIFIED,
            clients,
            name: name.to_owned(),
            expected,
            block_bytes: 1468,
            window_blocks: 1,
            segments: false,
            spread: Duration::ZERO,
            limit: Duration::from_secs(600),
        }
    }

    /// Runs it to the end of the last client, or to the limit.
    ///
    /// # Errors
    /// If sockets or the ring cannot be made. What happens to transfers is in the outcome.
    pub fn run(&self) -> anyhow::Result<TftpOutcome> {
        Run::new(self)?.run()
    }

    /// Fetches the file once and returns its bytes, so that a load can expect them.
    ///
    /// # Errors
    /// If it cannot be fetched.
    pub fn learn(&self) -> anyhow::Result<Vec<u8>> {
        let one = Self { clients: 1, spread: Duration::ZERO, ..self.clone() };
        let mut run = Run::new(&one)?;
        run.learned = Some(Vec::new());
        let (outcome, learned) = run.run_and_learn()?;
        match outcome.failures.into_keys().next() {
            None => Ok(learned),
            Some(reason) => anyhow::bail!(
                "{} cannot be fetched by TFTP from {}: {reason}",
                self.name,
                self.server
            ),
        }
    }

    /// The read request (RFC 1350 §5, RFC 2347).
    fn request(&self) -> Vec<u8> {
        let mut packet = vec![0, 1];
        let block_bytes = self.block_bytes.to_string();
        let window_blocks = self.window_blocks.to_string();
        let mut words = vec![&*self.name, "octet", "tsize", "0", "blksize", &block_bytes];
        if self.window_blocks > 1 {
            words.extend(["windowsize", &window_blocks]);
        }
        for word in words {
            packet.extend_from_slice(word.as_bytes());
            packet.push(0);
        }
        packet
    }
}

struct Run<'l> {
    load: &'l TftpLoad,
    ring: Ring,
    buffers: ReceiveBuffers,
    clients: Vec<Client>,
    deadlines: Deadlines,
    request: Vec<u8>,
    learned: Option<Vec<u8>>,
    running: usize,
    clock: Clock,
    outcome: TftpOutcome,
}

impl<'l> Run<'l> {
    fn new(load: &'l TftpLoad) -> anyhow::Result<Self> {
        let ring = Ring::new().context("io_uring cannot be used (Linux 6.1 or newer is needed)")?;
        let (count, size) = if load.segments { (128, 65_536) } else { (1024, 2048) };
        let size = size.max(usize::from(load.block_bytes).next_power_of_two() * 2);
        let buffers = ReceiveBuffers::register(&ring, GROUP, count, size)?;
        let mut run = Self {
            load,
            ring,
            buffers,
            clients: Vec::with_capacity(load.clients),
            deadlines: Deadlines::new(load.clients),
            request: load.request(),
            learned: None,
            running: load.clients,
            clock: Clock::start(),
            outcome: TftpOutcome::default(),
        };
        for index in 0..load.clients {
            run.clients.push(Client::new(load).with_context(|| {
                format!("socket {} of {} cannot be opened (see ulimit -n)", index + 1, load.clients)
            })?);
            run.arm(index as u32)?;
        }
        run.ring.enter(Duration::ZERO)?;
        Ok(run)
    }

    fn run(self) -> anyhow::Result<TftpOutcome> {
        self.run_and_learn().map(|(outcome, _)| outcome)
    }

    fn run_and_learn(mut self) -> anyhow::Result<(TftpOutcome, Vec<u8>)> {
        self.clock = Clock::start();
        let enters_before = self.ring.enters();
        let spread = nanoseconds(self.load.spread);
        for index in 0..self.clients.len() {
            let start = spread as u128 * index as u128 / self.clients.len() as u128;
            self.clients[index].deadline = start as u64;
            self.deadlines.set(index as u32, start as u64);
        }
        let mut completions = Vec::with_capacity(COMPLETIONS_MAX);
        let limit = nanoseconds(self.load.limit);
        let mut now = 0;
        // Ends: every client completes, or fails after its last repetition, or the limit comes.
        while self.running > 0 && now < limit && !stop::requested() {
            self.ring.enter(wait(now, self.deadlines.next()))?;
            self.ring.reap(&mut completions);
            now = self.clock.now();
            for completion in completions.drain(..) {
                self.handle_completion(completion, now)?;
            }
            self.buffers.publish();
            for _ in 0..DUE_MAX {
                let Some(index) = self.deadlines.pop_due(now) else { break };
                self.handle_timeout(index, now)?;
            }
        }
        if self.running > 0 {
            self.outcome.failures.insert("not done in time".to_owned(), self.running);
        }
        self.outcome.seconds.sort_by(f64::total_cmp);
        self.outcome.cost =
            Cost { cpu: self.clock.cpu(), enters: self.ring.enters() - enters_before };
        Ok((self.outcome, self.learned.unwrap_or_default()))
    }

    fn arm(&mut self, index: u32) -> anyhow::Result<()> {
        let fd = self.clients[index as usize].fd();
        Ok(self.ring.receive_from(fd, u64::from(index), GROUP, self.load.segments)?)
    }

    fn handle_completion(&mut self, mut completion: Completion, now: u64) -> anyhow::Result<()> {
        if completion.name & SEND != 0 {
            // What could not be sent is lost, and the timer sends it again. An earlier packet
            // was refused: its answer comes as an error of this one.
            return Ok(());
        }
        let index = completion.name as u32;
        if let (Some(id), Ok(len)) = (completion.take_filled(), completion.outcome()) {
            self.handle_buffer(index, &id, len, now)?;
            self.buffers.give_back(id);
        }
        if !completion.has_more() && self.clients[index as usize].state != State::Ended {
            self.buffers.publish();
            self.arm(index)?;
        }
        Ok(())
    }

    fn handle_buffer(
        &mut self,
        index: u32,
        id: &Filled,
        len: usize,
        now: u64,
    ) -> anyhow::Result<()> {
        let Some(datagram) = self.buffers.datagram(id, len, self.load.segments) else {
            return Ok(());
        };
        let Datagram { source, payload, segment } = datagram;
        let client = &mut self.clients[index as usize];
        let mut verdict = Step::Nothing;
        for packet in payload.chunks(segment.max(1)) {
            if client.state == State::Ended || client.state == State::Waiting {
                return Ok(());
            }
            self.outcome.blocks += 1;
            let step = client.receive(packet, self.load, &mut self.learned);
            if matches!(step, Step::Nothing) {
                continue;
            }
            let waited = (now - client.progressed) as f64 / 1e9;
            self.outcome.longest_wait_seconds = self.outcome.longest_wait_seconds.max(waited);
            client.progressed = now;
            client.sends = 0;
            client.deadline = now + REPEAT_AFTER;
            if client.state == State::Requesting {
                client.state = State::Receiving;
                // What is connected costs the kernel less, and hears nobody else.
                client.socket.connect(&source.into())?;
            }
            verdict = step;
            match &verdict {
                Step::Acknowledge | Step::Completed => {
                    let acknowledgement = [0, 4, (client.block >> 8) as u8, client.block as u8];
                    client.pending = 0;
                    self.ring.send(client.fd(), SEND, 4, |space| {
                        space.copy_from_slice(&acknowledgement);
                        4
                    })?;
                }
                Step::Nothing | Step::Progress | Step::Failed(_) => {}
            }
            if matches!(verdict, Step::Completed | Step::Failed(_)) {
                break;
            }
        }
        self.deadlines.set(index, client.deadline);
        match verdict {
            Step::Nothing | Step::Progress | Step::Acknowledge => {}
            Step::Completed => {
                let began = client.began;
                self.outcome.seconds.push((now - began) as f64 / 1e9);
                self.outcome.finished_seconds = now as f64 / 1e9;
                self.end(index);
            }
            Step::Failed(reason) => self.fail(index, reason),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, index: u32, now: u64) -> anyhow::Result<()> {
        let client = &mut self.clients[index as usize];
        if client.state == State::Ended {
            return Ok(());
        }
        if client.deadline > now {
            self.deadlines.set(index, client.deadline);
            return Ok(());
        }
        if client.sends == SENDS_MAX {
            let during = match client.state {
                State::Receiving => "silence during the transfer",
                State::Waiting | State::Requesting | State::Ended => "no answer to the request",
            };
            self.fail(index, during.to_owned());
            return Ok(());
        }
        if client.state == State::Waiting {
            client.state = State::Requesting;
            client.began = now;
            client.progressed = now;
        } else {
            self.outcome.resent += 1;
        }
        client.deadline = now + (REPEAT_AFTER << client.sends);
        client.sends += 1;
        self.deadlines.set(index, client.deadline);
        if client.state == State::Requesting {
            let request = &self.request;
            self.ring.send_to(client.fd(), SEND, self.load.server, request.len(), |space| {
                space.copy_from_slice(request);
                request.len()
            })?;
        } else {
            client.pending = 0;
            let acknowledgement = [0, 4, (client.block >> 8) as u8, client.block as u8];
            self.ring.send(client.fd(), SEND, 4, |space| {
                space.copy_from_slice(&acknowledgement);
                4
            })?;
        }
        Ok(())
    }

    fn fail(&mut self, index: u32, reason: String) {
        *self.outcome.failures.entry(reason).or_default() += 1;
        self.end(index);
    }

    fn end(&mut self, index: u32) {
        let client = &mut self.clients[index as usize];
        client.state = State::Ended;
        self.outcome.bytes += client.received;
        self.running -= 1;
    }
}

/// A packet is sent at 0, 1, 3, 7 and 15 s; then firmware gives up.
const SENDS_MAX: u32 = 5;

/// The first time of silence after which a packet is sent again, in ns.
const REPEAT_AFTER: u64 = 1_000_000_000;

/// Bit of the names of sends.
const SEND: u64 = 1 << 32;

const GROUP: Group = Group(0);

/// Completions in a turn.
const COMPLETIONS_MAX: usize = 1024;

/// Timeouts in a turn, so that answers to the first requests are not kept waiting by the last.
const DUE_MAX: usize = 256;

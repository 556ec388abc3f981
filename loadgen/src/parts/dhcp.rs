//! Four-way exchanges (DISCOVER, OFFER, REQUEST, ACK), many at a time.

mod message;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use socket2::Socket;

use super::{Cost, latencies, udp_socket, wait};
use crate::clock::{Clock, nanoseconds};
use crate::deadlines::Deadlines;
use crate::frames;
use crate::ring::{Completion, Group, ReceiveBuffers, Ring, SEGMENTS_BYTES_MAX};
use crate::stop;
use crate::wire::ethernet;
use message::{Answer, FRAME_BYTES, Kind, MESSAGE_BYTES, Template};

/// How many exchanges, how, and how long.
#[derive(Clone, Debug)]
pub struct DhcpLoad {
    /// How messages travel.
    pub path: DhcpPath,
    /// Exchanges that are under way at a time, at most; without a rate, each one that ends is
    /// followed by another.
    pub outstanding: usize,
    /// Exchanges that are begun a second, whether or not others have ended. One that has to wait
    /// because too many are under way counts from when it was due.
    pub rate: Option<NonZeroU32>,
    /// MAC addresses that take turns; at least as many as are under way.
    pub machines: u32,
    /// The first three bytes of the MAC addresses.
    pub prefix: [u8; 3],
    /// When to stop.
    pub duration: Duration,
    /// Stop earlier, when so many exchanges are complete.
    pub exchanges: Option<u64>,
}

/// How messages travel.
#[derive(Clone, Debug)]
pub enum DhcpPath {
    /// As a relay agent does: over UDP between `giaddr` and the server, both at port 67.
    Relay {
        /// Our address, which the server must know as that of a relay agent.
        giaddr: Ipv4Addr,
        /// The server's address.
        server: Ipv4Addr,
    },
    /// As machines on the link do: broadcast frames from their own MAC addresses.
    Frames {
        /// Name of the interface.
        interface: String,
        /// Whether machines ask for broadcast answers, as edk2 does.
        broadcast: bool,
    },
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct DhcpOutcome {
    /// Exchanges that ended with an ACK.
    pub exchanges: u64,
    /// Time from the first DISCOVER to the end.
    pub elapsed: Duration,
    /// Nanoseconds from a DISCOVER to its OFFER.
    pub offer: Histogram<u64>,
    /// Nanoseconds from a DISCOVER to the ACK of its exchange.
    pub exchange: Histogram<u64>,
    /// Nanoseconds from a REQUEST to its ACK.
    pub ack: Histogram<u64>,
    /// Messages sent again after a second, and after two, four and eight more.
    pub resent: u64,
    /// Why exchanges failed, and how many.
    pub failures: BTreeMap<String, u64>,
    /// What it cost the generator.
    pub cost: Cost,
}

impl DhcpOutcome {
    /// Exchanges a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.exchanges as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Exchanges that did not end with an ACK.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl DhcpLoad {
    /// `outstanding` exchanges of `machines` machines for `duration`.
    #[must_use]
    pub fn new(path: DhcpPath, outstanding: usize, machines: u32, duration: Duration) -> Self {
        let prefix = [0x52, 0x54, 0x00];
        Self { path, outstanding, rate: None, machines, prefix, duration, exchanges: None }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If sockets or the ring cannot be made, or the figures contradict each other.
    pub fn run(&self) -> anyhow::Result<DhcpOutcome> {
        ensure!(
            (1..=SLOTS_MAX).contains(&self.outstanding),
            "{} exchanges at a time cannot be told apart: choose 1 to {SLOTS_MAX}",
            self.outstanding
        );
        ensure!(
            self.machines as usize >= self.outstanding && self.machines <= MACHINES_MAX,
            "{} machines cannot have {} exchanges at a time: choose {} to {MACHINES_MAX} machines",
            self.machines,
            self.outstanding,
            self.outstanding
        );
        Run::new(self)?.run()
    }
}

/// An exchange.
#[derive(Clone, Copy, Debug)]
struct Slot {
    machine: u32,
    xid: u32,
    state: State,
    began: u64,
    requested: u64,
    sends: u32,
    deadline: u64,
    /// A message of it waits to be sent in this turn.
    queued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Discovering,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Ended,
}

struct Run<'l> {
    load: &'l DhcpLoad,
    ring: Ring,
    buffers: ReceiveBuffers,
    socket: Socket,
    template: Template,
    slots: Vec<Slot>,
    /// Slots whose next message has to be sent.
    outbox: Vec<u32>,
    deadlines: Deadlines,
    /// Slots without an exchange.
    idle: Vec<u32>,
    /// Exchanges begun at the load's rate.
    paced: u64,
    next_machine: u32,
    clock: Clock,
    outcome: DhcpOutcome,
}

impl<'l> Run<'l> {
    fn new(load: &'l DhcpLoad) -> anyhow::Result<Self> {
        let ring = Ring::new().context("io_uring cannot be used (Linux 6.1 or newer is needed)")?;
        let buffers = ReceiveBuffers::register(&ring, GROUP, 1024, 2048)?;
        let (socket, template) = match &load.path {
            DhcpPath::Relay { giaddr, server } => {
                let local = SocketAddrV4::new(*giaddr, 67);
                let socket = udp_socket(local, RECEIVE_BUFFER_BYTES)
                    .and_then(|socket| {
                        socket.connect(&SocketAddrV4::new(*server, 67).into())?;
                        Ok(socket)
                    })
                    .with_context(|| format!("a relay agent cannot be played at {local}"))?;
                (socket, Template::new(*giaddr, false))
            }
            DhcpPath::Frames { interface, broadcast } => {
                let socket = frames::open(interface, ethernet::IPV4, RECEIVE_BUFFER_BYTES)
                    .with_context(|| format!("frames cannot be sent from {interface}"))?;
                (socket, Template::new(Ipv4Addr::UNSPECIFIED, *broadcast))
            }
        };
        let outcome = DhcpOutcome {
            exchanges: 0,
            elapsed: Duration::ZERO,
            offer: latencies(),
            exchange: latencies(),
            ack: latencies(),
            resent: 0,
            failures: BTreeMap::new(),
            cost: Cost::default(),
        };
        Ok(Self {
            load,
            ring,
            buffers,
            socket,
            template,
            slots: Vec::with_capacity(load.outstanding),
            outbox: Vec::with_capacity(load.outstanding),
            deadlines: Deadlines::new(load.outstanding),
            idle: Vec::with_capacity(load.outstanding),
            paced: 0,
            next_machine: 0,
            clock: Clock::start(),
            outcome,
        })
    }

    fn run(mut self) -> anyhow::Result<DhcpOutcome> {
        self.ring.receive(self.socket.as_raw_fd(), RECEIVE, GROUP)?;
        self.clock = Clock::start();
        for index in 0..self.load.outstanding as u32 {
            self.slots.push(Slot::ended());
            self.follow(index, 0);
        }
        let mut completions = Vec::with_capacity(COMPLETIONS_MAX);
        let limit = nanoseconds(self.load.duration);
        let wanted = self.load.exchanges.unwrap_or(u64::MAX);
        let mut now = 0;
        // Ends at the limit, or with the last exchange that is wanted.
        while now < limit && self.outcome.exchanges < wanted && !stop::requested() {
            let due = self.keep_pace(now);
            self.flush()?;
            let deadline = self.deadlines.next().into_iter().chain(due).min();
            self.ring.enter(wait(now, deadline))?;
            self.ring.reap(&mut completions);
            now = self.clock.now();
            for completion in completions.drain(..) {
                self.handle_completion(completion, now)?;
            }
            self.buffers.publish();
            for _ in 0..self.slots.len() {
                let Some(index) = self.deadlines.pop_due(now) else { break };
                self.handle_timeout(index, now);
            }
        }
        self.outcome.elapsed = Duration::from_nanos(now);
        self.outcome.cost = Cost { cpu: self.clock.cpu(), enters: self.ring.enters() };
        Ok(self.outcome)
    }

    /// A slot has no exchange any more: the next one begins at once, unless there is a pace.
    fn follow(&mut self, index: u32, now: u64) {
        if self.load.rate.is_none() {
            self.begin(index, now);
            return;
        }
        self.slots[index as usize].state = State::Ended;
        self.idle.push(index);
    }

    /// Begins what is due. Says when the next one is, if there is room for it.
    fn keep_pace(&mut self, now: u64) -> Option<u64> {
        let rate = self.load.rate?;
        // Ends: each round takes a slot.
        while let Some(index) = self.idle.last().copied() {
            let due = due(self.paced, rate);
            if due > now {
                return Some(due);
            }
            self.idle.pop();
            self.paced += 1;
            self.begin(index, now);
            self.slots[index as usize].began = due;
        }
        None
    }

    /// Begins the next exchange in a slot.
    fn begin(&mut self, index: u32, now: u64) {
        let machine = self.next_machine;
        self.next_machine = (machine + 1) % self.load.machines;
        let slot = &mut self.slots[index as usize];
        // The upper half counts the slot's exchanges, so that late answers miss.
        let xid = (slot.xid.wrapping_add(1 << 16) & 0xffff_0000) | index;
        *slot = Slot { machine, xid, state: State::Discovering, began: now, ..Slot::ended() };
        self.queue(index, now);
    }

    /// Sends the slot's message for its state in this turn.
    fn queue(&mut self, index: u32, now: u64) {
        let slot = &mut self.slots[index as usize];
        slot.deadline = now + (REPEAT_AFTER << slot.sends);
        slot.sends += 1;
        self.deadlines.set(index, slot.deadline);
        if !slot.queued {
            slot.queued = true;
            self.outbox.push(index);
        }
    }

    /// Hands all queued messages to the ring.
    fn flush(&mut self) -> anyhow::Result<()> {
        let (fd, template, prefix) = (self.socket.as_raw_fd(), &self.template, self.load.prefix);
        let slots = &mut self.slots;
        let mut write = |index: u32, space: &mut [u8]| {
            let slot = &mut slots[index as usize];
            slot.queued = false;
            let kind = match slot.state {
                State::Requesting { address, server } => Kind::Request { address, server },
                State::Discovering | State::Ended => Kind::Discover,
            };
            template.write(space, mac(prefix, slot.machine), slot.xid, kind);
        };
        match &self.load.path {
            // All messages have the same length, so the kernel carries many of them as one.
            DhcpPath::Relay { .. } => {
                for batch in self.outbox.chunks(SEGMENTS) {
                    let segment = MESSAGE_BYTES as u16;
                    self.ring.send_segments(fd, SEND, segment, batch.len(), |number, space| {
                        write(batch[number], space);
                    })?;
                }
            }
            DhcpPath::Frames { .. } => {
                for index in &self.outbox {
                    self.ring.send(fd, SEND, FRAME_BYTES, |space| {
                        let (headers, message) = space.split_at_mut(FRAME_BYTES - MESSAGE_BYTES);
                        write(*index, message);
                        message::write_headers(headers, message);
                        FRAME_BYTES
                    })?;
                }
            }
        }
        self.outbox.clear();
        Ok(())
    }

    fn handle_completion(&mut self, mut completion: Completion, now: u64) -> anyhow::Result<()> {
        if completion.name == SEND {
            // Lost, and sent again in a second; the server's port may be closed for a while.
            return Ok(());
        }
        if let (Some(id), Ok(len)) = (completion.take_filled(), completion.outcome()) {
            let bytes = self.buffers.bytes(&id, len);
            let answer = match &self.load.path {
                DhcpPath::Relay { .. } => Answer::parse(bytes),
                DhcpPath::Frames { .. } => frames::dhcp_payload(bytes).and_then(Answer::parse),
            };
            self.buffers.give_back(id);
            if let Some(answer) = answer {
                self.handle_answer(&answer, now);
            }
        }
        if !completion.has_more() {
            self.buffers.publish();
            self.ring.receive(self.socket.as_raw_fd(), RECEIVE, GROUP)?;
        }
        Ok(())
    }

    fn handle_answer(&mut self, answer: &Answer, now: u64) {
        let index = answer.xid & 0xffff;
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if slot.xid != answer.xid || mac(self.load.prefix, slot.machine) != answer.chaddr {
            return;
        }
        match (slot.state, answer.message_type) {
            (State::Discovering, OFFER) => {
                self.outcome.offer.saturating_record(now - slot.began);
                let (address, server) = (answer.yiaddr, answer.server);
                slot.state = State::Requesting { address, server };
                slot.requested = now;
                slot.sends = 0;
                self.queue(index, now);
            }
            (State::Requesting { address, .. }, ACK) if address == answer.yiaddr => {
                self.outcome.exchange.saturating_record(now - slot.began);
                self.outcome.ack.saturating_record(now - slot.requested);
                self.outcome.exchanges += 1;
                self.follow(index, now);
            }
            (State::Requesting { .. }, ACK) => self.fail(index, "ACK of another address", now),
            (State::Requesting { .. }, NAK) => self.fail(index, "NAK", now),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, index: u32, now: u64) {
        let slot = &self.slots[index as usize];
        if slot.state == State::Ended {
            // It has been answered, and nothing is due yet.
        } else if slot.deadline > now {
            let deadline = slot.deadline;
            self.deadlines.set(index, deadline);
        } else if slot.sends == SENDS_MAX {
            let reason = match slot.state {
                State::Requesting { .. } => "no ACK",
                State::Discovering | State::Ended => "no OFFER",
            };
            self.fail(index, reason, now);
        } else {
            self.outcome.resent += 1;
            self.queue(index, now);
        }
    }

    fn fail(&mut self, index: u32, reason: &str, now: u64) {
        *self.outcome.failures.entry(reason.to_owned()).or_default() += 1;
        self.follow(index, now);
    }
}

impl Slot {
    const fn ended() -> Self {
        Self {
            machine: 0,
            xid: 0,
            state: State::Ended,
            began: 0,
            requested: 0,
            sends: 0,
            deadline: 0,
            queued: false,
        }
    }
}

/// When so many exchanges have been begun and the next one is due, at a steady rate a second.
fn due(begun: u64, rate: NonZeroU32) -> u64 {
    let nanoseconds = u128::from(begun) * 1_000_000_000 / u128::from(rate.get());
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

fn mac(prefix: [u8; 3], machine: u32) -> [u8; 6] {
    let [_, high, middle, low] = machine.to_be_bytes();
    [prefix[0], prefix[1], prefix[2], high, middle, low]
}

/// RFC 2132 §9.6.
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// A message is sent at 0, 1, 3, 7 and 15 s.
const SENDS_MAX: u32 = 5;

/// The first time of silence after which a message is sent again, in ns.
const REPEAT_AFTER: u64 = 1_000_000_000;

const RECEIVE: u64 = 0;
const SEND: u64 = 1;
const GROUP: Group = Group(0);

/// Exchanges at a time: half of a transaction identifier tells them apart.
const SLOTS_MAX: usize = 1 << 16;

/// Half of a MAC address numbers machines.
const MACHINES_MAX: u32 = 1 << 24;

/// Messages in one operation.
const SEGMENTS: usize = 64;
const _: () = assert!(SEGMENTS * MESSAGE_BYTES <= SEGMENTS_BYTES_MAX);

/// Completions in a turn.
const COMPLETIONS_MAX: usize = 1024;

/// Answers that wait while the generator does something else.
const RECEIVE_BUFFER_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_neither_drifts_nor_ends() {
        let rate = NonZeroU32::new(30_000).unwrap();
        assert_eq!([0, 1, 2, 3].map(|begun| due(begun, rate)), [0, 33_333, 66_666, 100_000]);
        assert_eq!(due(30_000 * 3600, rate), 3_600_000_000_000);
        assert_eq!(due(u64::MAX, NonZeroU32::MIN), u64::MAX);
    }
}

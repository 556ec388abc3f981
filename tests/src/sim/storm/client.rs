//! Firmware that fetches one file, as small as ten thousand of it have to be.

use std::time::Duration;

use reveille_core::time::Instant;

/// Whose habits a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// edk2: asks for the size, breaks off, asks again; a window of 4; six tries of 4 s.
    Uefi,
    /// A BIOS ROM: asks for the size, breaks off, asks again from the same port.
    Bios,
    /// iPXE: a quarter of a second, doubling, gives up at 16 s.
    Ipxe,
    /// GRUB: 0.4 s and a little more each time, forty times.
    Grub,
    /// PXELINUX: a tenth of a second, growing to 14 s.
    Pxelinux,
    /// U-Boot with a window of 64: ten tries of 5 s.
    Uboot,
    /// A load generator: a second, doubling, five sends of each packet.
    Generator,
}

impl Model {
    /// All firmware.
    pub const ALL: [Self; 6] =
        [Self::Uefi, Self::Bios, Self::Ipxe, Self::Grub, Self::Pxelinux, Self::Uboot];

    const fn block_bytes(self) -> u64 {
        match self {
            Self::Uefi | Self::Uboot | Self::Generator => 1468,
            Self::Bios => 1456,
            Self::Ipxe => 1432,
            Self::Grub => 1024,
            Self::Pxelinux => 1408,
        }
    }

    const fn window(self) -> u64 {
        match self {
            Self::Uefi => 4,
            Self::Uboot => 64,
            Self::Bios | Self::Ipxe | Self::Grub | Self::Pxelinux | Self::Generator => 1,
        }
    }

    /// Whether it asks for the size first.
    const fn probes(self) -> bool {
        matches!(self, Self::Uefi | Self::Bios)
    }

    /// How long it waits after so many repetitions; `None` to give up.
    fn patience(self, tries: u32) -> Option<Duration> {
        let (millis, tries_max) = match self {
            Self::Uefi => (4000, 6),
            Self::Bios => (2000 << tries.min(1), 5),
            Self::Ipxe => (250 << tries.min(6), 6),
            Self::Grub => (400 + 20 * u64::from(tries), 40),
            Self::Pxelinux => ((110 << tries.min(7)).min(14_000), 12),
            Self::Uboot => (5000, 10),
            Self::Generator => (1000 << tries, 5),
        };
        (tries < tries_max).then(|| Duration::from_millis(millis))
    }
}

/// A packet of the server, as far as a client cares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    socket: u16,
    port: u16,
    opcode: u8,
    block: u16,
    span: Option<(u64, u32)>,
    len: u32,
}

impl Arrival {
    pub(super) fn new(socket: u16, port: u16, head: &[u8], span: Option<(u64, u32)>) -> Self {
        let span = span.filter(|(_, len)| *len > 0);
        let len = head.len() as u32 + span.map_or(0, |(_, len)| len);
        let block = u16::from_be_bytes([head[2], head[3]]);
        Self { socket, port, opcode: head[1], block, span, len }
    }

    pub(super) const fn bytes(&self) -> u32 {
        self.len
    }
}

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packet {
    Request,
    /// To one of the server's sockets.
    To(u16, [u8; 4]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not switched on, or pausing after it gave up.
    Off,
    Asking,
    Receiving {
        socket: u16,
    },
    Done,
}

#[derive(Debug)]
pub(super) struct Client {
    model: Model,
    len: u64,
    state: State,
    probing: bool,
    pub(super) port: u16,
    received: u64,
    unacked: u64,
    /// Whether it has told of the block that is missing.
    has_told: bool,
    tries: u32,
    began: Instant,
    asked: Instant,
    heard: Instant,
    /// When patience ends, and for when a timer is planned.
    until: Option<Instant>,
    planned: Option<Instant>,
    pub(super) says: Option<Packet>,
    pub(super) gave_up: u32,
    pub(super) repeats: u32,
    pub(super) longest_wait: Duration,
    pub(super) longest_gap: Duration,
    pub(super) took: Duration,
}

impl Client {
    /// A client that is switched on at `start`, by a timer that is planned for then.
    pub(super) fn new(model: Model, start: Instant, len: u64) -> Self {
        Self {
            model,
            len,
            state: State::Off,
            probing: model.probes(),
            port: 2069,
            received: 0,
            unacked: 0,
            has_told: false,
            tries: 0,
            began: start,
            asked: start,
            heard: start,
            until: Some(start),
            planned: Some(start),
            says: None,
            gave_up: 0,
            repeats: 0,
            longest_wait: Duration::ZERO,
            longest_gap: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The request that it repeats now.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut request = b"\0\x01file\0octet\0".to_vec();
        if self.probing || !self.model.probes() {
            request.extend(b"tsize\x000\0");
        }
        request.extend(format!("blksize\0{}\0", self.model.block_bytes()).bytes());
        if self.model.window() > 1 {
            request.extend(format!("windowsize\0{}\0", self.model.window()).bytes());
        }
        request
    }

    /// A time at which it wants to be woken, if that is not planned yet.
    pub(super) fn timer_to_plan(&mut self) -> Option<Instant> {
        let planned = self.planned;
        let until = self.until.filter(|until| planned.is_none_or(|planned| *until < planned))?;
        self.planned = Some(until);
        Some(until)
    }

    pub(super) fn on_timer(&mut self, now: Instant) {
        if self.planned != Some(now) {
            // A timer that was planned anew for an earlier time.
            return;
        }
        self.planned = None;
        if self.until.is_none_or(|until| until > now) {
            return;
        }
        match self.state {
            State::Off => self.ask(now),
            State::Asking | State::Receiving { .. } => self.on_silence(now),
            State::Done => {}
        }
    }

    fn on_silence(&mut self, now: Instant) {
        self.tries += 1;
        self.repeats += 1;
        if self.model.patience(self.tries).is_none() {
            self.gave_up += 1;
            self.state = State::Off;
            self.probing = self.model.probes();
            self.until = Some(now + Duration::from_secs(10));
            return;
        }
        match self.state {
            State::Asking => self.says = Some(Packet::Request),
            State::Receiving { socket } => self.ack(socket),
            State::Off | State::Done => unreachable!("only who waits loses patience"),
        }
        self.wait(now);
    }

    fn ask(&mut self, now: Instant) {
        if self.model != Model::Bios {
            self.port = if self.port < 60_000 { self.port + 1 } else { 2070 };
        }
        self.state = State::Asking;
        (self.received, self.unacked, self.tries) = (0, 0, 0);
        self.asked = now;
        self.says = Some(Packet::Request);
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        self.until = Some(now + self.model.patience(self.tries).expect("it has not given up"));
    }

    fn ack(&mut self, socket: u16) {
        self.unacked = 0;
        let [a, b] = (self.received as u16).to_be_bytes();
        self.says = Some(Packet::To(socket, [0, 4, a, b]));
    }

    pub(super) fn on_arrival(&mut self, arrival: Arrival, now: Instant) {
        let socket = match self.state {
            State::Off | State::Done => return,
            _ if arrival.port != self.port => return,
            State::Receiving { socket } if socket != arrival.socket => return,
            State::Receiving { socket } => socket,
            State::Asking => arrival.socket,
        };
        match arrival.opcode {
            6 if self.probing => {
                // ERROR, User aborted.
                self.says = Some(Packet::To(socket, [0, 5, 0, 8]));
                self.probing = false;
                self.longest_wait = self.longest_wait.max(now - self.asked);
                self.state = State::Off;
                self.until = Some(now + Duration::from_millis(1));
            }
            6 if self.received == 0 => {
                self.on_answer(socket, now);
                self.ack(socket);
                self.wait(now);
            }
            3 if matches!(self.state, State::Receiving { .. }) => {
                self.on_data(arrival, socket, now);
            }
            // An OACK again, or ERROR of a transfer that is over.
            _ => {}
        }
    }

    fn on_answer(&mut self, socket: u16, now: Instant) {
        if self.state == State::Asking {
            self.longest_wait = self.longest_wait.max(now - self.asked);
            self.state = State::Receiving { socket };
            self.heard = now;
        }
        self.tries = 0;
    }

    fn on_data(&mut self, arrival: Arrival, socket: u16, now: Instant) {
        let next = self.received + 1;
        if arrival.block != next as u16 {
            // Lockstep firmware does not answer what it knows; others tell what they miss, once.
            if self.model.window() > 1 && !self.has_told {
                self.ack(socket);
                self.has_told = true;
            }
            return;
        }
        self.has_told = false;
        let block_bytes = self.model.block_bytes();
        let expected = (self.len - self.received * block_bytes).min(block_bytes);
        let (offset, len) = arrival.span.unwrap_or((self.received * block_bytes, 0));
        assert_eq!(offset, self.received * block_bytes, "every byte is where it belongs");
        assert_eq!(u64::from(len), expected, "blocks are whole");
        self.longest_gap = self.longest_gap.max(now - self.heard);
        self.heard = now;
        self.received = next;
        self.unacked += 1;
        self.tries = 0;
        let is_last = expected < block_bytes;
        if is_last || self.unacked >= self.model.window() {
            self.ack(socket);
        }
        if is_last {
            self.state = State::Done;
            self.until = None;
            self.took = now - self.began;
        } else {
            self.wait(now);
        }
    }
}

//! One file over TFTP, as different firmware fetches it.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::intake::Intake;
use super::note::Reason;
use super::outbox::{Out, Outbox};
use super::step::Step;
use crate::model::{Growth, TftpHabits};
use crate::time::{Duration, Instant};
use crate::wire::tftp::{self, Packet, error, option};

/// The size of blocks that nobody speaks of (RFC 1350).
const BLOCK_BYTES: u16 = 512;
/// iPXE gives up when its next wait would be longer.
const ADAPTIVE_MAX_MS: u32 = 10_000;

/// The transfer.
#[derive(Debug)]
pub(super) struct Tftp {
    habits: &'static TftpHabits,
    /// The server; its port is that of the transfer once it has answered.
    peer: SocketAddrV4,
    answered: bool,
    probing: bool,
    /// Whether it only looks whether the file is there.
    looking: bool,
    block_bytes: u16,
    window: u16,
    unacked: u16,
    /// Blocks that have come.
    blocks: u32,
    received: u64,
    /// Bytes of the file as the server told.
    size: Option<u64>,
    tries: u16,
    wait_ms: u32,
    /// How many answers do not count because waits were too short before (iPXE).
    backoffs: u8,
    sent: Instant,
    wake: Instant,
    limit: Option<Instant>,
}

impl Tftp {
    /// Asks a server for a file. `looking` says that only its existence is of interest.
    pub(super) fn begin(
        habits: &'static TftpHabits,
        server: SocketAddrV4,
        local: Ipv4Addr,
        looking: bool,
        out: &mut Outbox,
        now: Instant,
    ) -> Self {
        let limit = u64::from(habits.limit_ms);
        let mut tftp = Self {
            habits,
            peer: server,
            answered: false,
            probing: habits.probe.is_some(),
            looking,
            block_bytes: BLOCK_BYTES,
            window: 1,
            unacked: 0,
            blocks: 0,
            received: 0,
            size: None,
            tries: 0,
            wait_ms: habits.wait_ms,
            backoffs: 0,
            sent: now,
            wake: now,
            limit: (limit > 0).then(|| now + Duration::from_millis(limit)),
        };
        tftp.ask(local, out, now);
        tftp
    }

    pub(super) const fn wake(&self) -> Instant {
        self.wake
    }

    /// The options of the request.
    pub(super) fn options(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let habits = self.habits;
        let block = (option::BLOCK_SIZE, u32::from(habits.block_bytes));
        let size = (option::TRANSFER_SIZE, 0);
        // A ROM asks for nothing else together with the size.
        let plain_probe = self.probing && habits.window == 1;
        let wants_block = habits.block_bytes != BLOCK_BYTES && !plain_probe;
        let wants_size = self.probing || habits.asks_size;
        let first = if habits.block_first { block } else { size };
        let second = if habits.block_first { size } else { block };
        let wanted = move |option: (&str, u32)| {
            if option.0 == option::BLOCK_SIZE { wants_block } else { wants_size }
        };
        let window = (option::WINDOW_SIZE, u32::from(habits.window));
        [first, second]
            .into_iter()
            .filter(move |option| wanted(*option))
            .chain(Some(window).filter(|_| habits.window > 1 && !plain_probe))
    }

    /// Where requests go to.
    pub(super) const fn peer(&self) -> SocketAddrV4 {
        self.peer
    }

    /// Sends the request from a fresh socket.
    fn ask(&mut self, local: Ipv4Addr, out: &mut Outbox, now: Instant) {
        self.peer.set_port(tftp::PORT);
        self.answered = false;
        (self.block_bytes, self.window) = (BLOCK_BYTES, 1);
        self.tries = 0;
        debug_assert!(!local.is_unspecified(), "there is a lease");
        out.push(Out::OpenDatagram);
        out.push(Out::TftpRequest);
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        let habits = self.habits;
        let wait_ms = match habits.growth {
            Growth::None => habits.wait_ms,
            Growth::Adaptive => self.wait_ms.max(habits.wait_ms),
            Growth::Double => habits.wait_ms << self.tries.min(8),
            Growth::Add(more) => habits.wait_ms + more * u32::from(self.tries),
        };
        self.sent = now;
        self.wake = now + Duration::from_millis(u64::from(wait_ms));
        if let Some(limit) = self.limit {
            self.wake = self.wake.min(limit);
        }
    }

    pub(super) fn handle_timeout(&mut self, out: &mut Outbox, now: Instant) -> Step {
        let too_long = self.limit.is_some_and(|limit| limit <= now);
        let adaptive = self.habits.growth == Growth::Adaptive;
        let too_often = if adaptive {
            self.wait_ms = self.wait_ms.max(self.habits.wait_ms) * 2;
            self.backoffs = self.backoffs.saturating_add(1);
            self.wait_ms > ADAPTIVE_MAX_MS
        } else {
            self.tries >= self.habits.retries_max
        };
        if too_long || too_often {
            out.push(Out::CloseDatagram);
            return Step::Failed(Reason::TftpTimeout);
        }
        self.tries += 1;
        let repeats = !self.answered || self.habits.repeats_acks;
        if !self.answered {
            out.push(Out::TftpRequest);
        } else if repeats {
            self.ack(out);
        }
        self.wait(now);
        if repeats { Step::Again } else { Step::Going }
    }

    fn ack(&mut self, out: &mut Outbox) {
        self.unacked = 0;
        out.push(Out::TftpAck(self.peer, self.blocks as u16));
    }

    /// Something came from the server.
    fn progress(&mut self, now: Instant) {
        self.tries = 0;
        if self.habits.growth == Growth::Adaptive {
            if self.backoffs > 0 {
                self.backoffs -= 1;
            } else {
                let took = now.since(self.sent).as_millis().min(60_000) as u32;
                self.wait_ms = self.wait_ms - self.wait_ms / 8 + took / 2;
            }
        }
        self.wait(now);
    }

    pub(super) fn handle(
        &mut self,
        source: SocketAddrV4,
        payload: &[u8],
        local: Ipv4Addr,
        intake: &mut Intake<'_>,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        let Some(packet) = tftp::parse(payload) else { return Step::Going };
        if !self.answered && source.ip() == self.peer.ip() {
            self.peer = source;
            self.answered = true;
        } else if source != self.peer {
            if !matches!(packet, Packet::Error(_)) {
                out.push(Out::TftpError(source, error::UNKNOWN_TRANSFER));
            }
            return Step::Going;
        }
        match packet {
            Packet::Error(code) => {
                out.push(Out::CloseDatagram);
                match code {
                    error::NOT_FOUND | error::DENIED => Step::Missing(Reason::TftpError(code)),
                    _ => Step::Failed(Reason::TftpError(code)),
                }
            }
            Packet::OptionAck(options) => self.on_options(options, local, out, now),
            Packet::Data { block, payload } => {
                self.on_data(block, payload, local, intake, out, now)
            }
        }
    }

    fn on_options(
        &mut self,
        options: &[u8],
        local: Ipv4Addr,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        if self.blocks > 0 {
            return Step::Going;
        }
        let mut size = None;
        for pair in tftp::pairs(options) {
            let Some((name, value)) = pair else { return self.refuse(out) };
            let asked = self.options().find(|(asked, _)| name.eq_ignore_ascii_case(asked));
            match asked {
                Some((option::TRANSFER_SIZE, _)) => size = Some(value),
                Some((name, limit)) if (1..=u64::from(limit)).contains(&value) => {
                    let value = value as u16;
                    if name == option::BLOCK_SIZE {
                        self.block_bytes = value;
                    } else {
                        self.window = value;
                    }
                }
                _ => return self.refuse(out),
            }
        }
        self.size = size.or(self.size);
        if self.lacks_size() {
            return self.refuse(out);
        }
        if self.looking {
            return self.stop_looking(out);
        }
        if self.probing {
            return self.stop_probing(local, out, now);
        }
        self.ack(out);
        self.progress(now);
        Step::Going
    }

    /// Whether the server should have told the size by now.
    fn lacks_size(&self) -> bool {
        let asked = self.probing || self.habits.asks_size;
        self.habits.needs_size && asked && self.size.is_none()
    }

    fn refuse(&mut self, out: &mut Outbox) -> Step {
        out.push(Out::TftpError(self.peer, error::OPTIONS));
        out.push(Out::CloseDatagram);
        Step::Failed(Reason::BadTftp)
    }

    fn stop_looking(&mut self, out: &mut Outbox) -> Step {
        out.push(Out::TftpError(self.peer, error::OTHER));
        out.push(Out::CloseDatagram);
        Step::Done
    }

    fn stop_probing(&mut self, local: Ipv4Addr, out: &mut Outbox, now: Instant) -> Step {
        let code = self.habits.probe.unwrap_or(error::OTHER);
        out.push(Out::TftpError(self.peer, code));
        out.push(Out::CloseDatagram);
        self.probing = false;
        self.ask(local, out, now);
        Step::Going
    }

    fn on_data(
        &mut self,
        block: u16,
        payload: &[u8],
        local: Ipv4Addr,
        intake: &mut Intake<'_>,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        if self.blocks == 0 && self.lacks_size() {
            return self.refuse(out);
        }
        if self.looking {
            return self.stop_looking(out);
        }
        if self.probing {
            return self.stop_probing(local, out, now);
        }
        if block != (self.blocks as u16).wrapping_add(1) {
            self.ack(out);
            return Step::Going;
        }
        if payload.len() > usize::from(self.block_bytes) {
            return self.refuse(out);
        }
        if self.blocks == 0 {
            intake.begin();
        }
        intake.take(payload);
        self.received += payload.len() as u64;
        self.blocks += 1;
        self.unacked += 1;
        let last = payload.len() < usize::from(self.block_bytes);
        if last || self.unacked >= self.window {
            self.ack(out);
        }
        self.progress(now);
        if !last {
            return Step::Going;
        }
        out.push(Out::CloseDatagram);
        if self.size.is_some_and(|size| size != self.received) {
            return Step::Failed(Reason::WrongLength);
        }
        Step::Done
    }
}

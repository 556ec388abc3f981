//! The machine: its state, and the way from inputs to the part that is at work.

use core::net::Ipv4Addr;
use std::sync::Arc;

use super::dhcp::Dhcp;
use super::flow::Task;
use super::http::Http;
use super::intake::{Facts, Intake, Taker};
use super::location::Location;
use super::note::Notes;
use super::outbox::{Out, Outbox};
use super::plan::Plan;
use super::step::Step;
use super::tftp::Tftp;
use super::{BUFFER_LEN, Command, Identity, Input, Journey, Message, Note, Stage};
use crate::model::Model;
use crate::random::Random;
use crate::time::{Duration, Instant};
use crate::wire::{dhcp4, icmp6, tftp};

/// A machine.
#[derive(Debug)]
pub struct Machine {
    pub(super) identity: Identity,
    pub(super) model: &'static Model,
    pub(super) journey: Arc<Journey>,
    pub(super) rng: Random,
    pub(super) straggles: bool,
    pub(super) fate: Fate,
    pub(super) tally: Tally,
    pub(super) task: Task,
    pub(super) work: Work,
    pub(super) dhcp: Dhcp,
    pub(super) http: Http,
    pub(super) location: Location,
    pub(super) plan: Plan,
    pub(super) taker: Taker,
    /// Bytes of the current file that have come.
    pub(super) len: u64,
    pub(super) out: Outbox,
    pub(super) notes: Notes,
    /// How often a script has tried again.
    pub(super) script_retries: u16,
    /// Boot programs that iPXE got in the place of a script.
    pub(super) programs: u8,
}

/// Where and since when a machine is.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) stage: Option<Stage>,
    pub(super) began: Instant,
    pub(super) retries: u16,
    pub(super) bytes: u64,
}

/// Whether and when a machine goes silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does not.
    Lives,
    /// Some time after it has come to this stage or one behind it.
    Vanishes(Stage),
    /// Now.
    VanishesAt(Instant),
}

/// Which part of the machine is at work.
#[derive(Debug)]
pub(super) enum Work {
    /// None; the machine is off.
    Off,
    /// None until then, when the task begins.
    Pausing(Instant),
    Dhcp,
    /// iPXE waits for an IPv6 router; how many solicitations went out.
    Router(u8, Instant),
    Tftp(Tftp),
    Http,
}

/// Waits after each router solicitation, [`crate::model::ROUTER_PATIENCE`] in all.
const ROUTER_MS: [u64; 4] = [1000, 2000, 4000, 6000];

impl Machine {
    /// A machine that is off. All that is random in its life comes from `seed`.
    pub fn new(
        mut identity: Identity,
        model: &'static Model,
        journey: Arc<Journey>,
        seed: u64,
    ) -> Self {
        let mut rng = Random::new(seed);
        let prefix = model.uuid_prefix;
        identity.uuid[..prefix.len()].copy_from_slice(prefix);
        let straggles = rng.happens(journey.options.stragglers);
        let fate = if rng.happens(journey.options.vanish) {
            let stage = rng.below(EVERYBODYS_STAGES.len() as u64);
            Fate::Vanishes(EVERYBODYS_STAGES[stage as usize])
        } else {
            Fate::Lives
        };
        let tally = Tally { stage: None, began: Instant::ZERO, retries: 0, bytes: 0 };
        Self {
            identity,
            model,
            journey,
            rng,
            straggles,
            fate,
            tally,
            task: Task::PowerOn,
            work: Work::Off,
            dhcp: Dhcp::idle(model.dhcp),
            http: Http::quiet(model.http),
            location: Location::NOWHERE,
            plan: Plan::EMPTY,
            taker: Taker::hash(),
            len: 0,
            out: Outbox::default(),
            notes: Notes::default(),
            script_retries: 0,
            programs: 0,
        }
    }

    /// Who it is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it is.
    pub const fn model(&self) -> &'static Model {
        self.model
    }

    /// Where it is; `None` before power-on and after the end.
    pub const fn stage(&self) -> Option<Stage> {
        self.tally.stage
    }

    /// The address that it was leased; unspecified before that.
    pub const fn address(&self) -> Ipv4Addr {
        self.dhcp.address
    }

    /// Whether it was drawn to dawdle. It pauses before each stage; the driver may read its TCP
    /// stream slowly as well.
    pub const fn is_straggler(&self) -> bool {
        self.straggles
    }

    /// Switches it on, once.
    pub fn power_on(&mut self, now: Instant) {
        if self.tally.stage.is_none() && matches!(self.work, Work::Off) {
            self.enter(Task::PowerOn, now);
        }
    }

    /// Something came in.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        let step = match input {
            Input::Dhcp { source, destination_port, payload } => {
                let open = matches!(destination_port, dhcp4::CLIENT_PORT | dhcp4::PXE_PORT);
                if !open || !matches!(self.work, Work::Dhcp) {
                    return;
                }
                let message = Message { source, payload };
                self.dhcp.handle(
                    message,
                    &self.identity,
                    &mut self.location.path,
                    &mut self.rng,
                    &mut self.out,
                    now,
                )
            }
            Input::Ipv6(packet) => {
                let waits = matches!(self.work, Work::Router(..));
                if !waits || !icmp6::is_advertisement(packet) {
                    return;
                }
                Step::Done
            }
            Input::Datagram { source, payload } => {
                let local = self.dhcp.address;
                let Work::Tftp(tftp) = &mut self.work else { return };
                let facts = facts(&self.identity, self.model, &self.dhcp, &self.location);
                let mut intake = Intake {
                    taker: &mut self.taker,
                    len: &mut self.len,
                    plan: &mut self.plan,
                    facts,
                };
                tftp.handle(source, payload, local, &mut intake, &mut self.out, now)
            }
            Input::Received(bytes) => {
                let facts = facts(&self.identity, self.model, &self.dhcp, &self.location);
                let mut intake = Intake {
                    taker: &mut self.taker,
                    len: &mut self.len,
                    plan: &mut self.plan,
                    facts,
                };
                self.http.received(bytes, &mut intake, &mut self.out, now)
            }
            Input::Connected => {
                self.http.connected(&mut self.out, now);
                return;
            }
            Input::EndOfStream => self.http.ended(&mut self.out, now),
            Input::StreamFailed(error) => self.http.failed(error, &mut self.out, now),
        };
        if !matches!(self.work, Work::Off) {
            self.after(step, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Fate::VanishesAt(at) = self.fate
            && at <= now
        {
            return self.vanish();
        }
        if self.work_wake().is_none_or(|wake| now < wake) {
            return;
        }
        let step = match &mut self.work {
            Work::Off => return,
            Work::Pausing(_) => return self.run(now),
            Work::Dhcp => {
                self.dhcp.handle_timeout(&self.location.path, &mut self.rng, &mut self.out, now)
            }
            Work::Router(sent, _) => {
                if usize::from(*sent) == ROUTER_MS.len() {
                    Step::Done
                } else {
                    self.solicit_router(now);
                    Step::Going
                }
            }
            Work::Tftp(tftp) => tftp.handle_timeout(&mut self.out, now),
            Work::Http => self.http.handle_timeout(&mut self.out, now),
        };
        self.after(step, now);
    }

    /// Sends the next solicitation.
    pub(super) fn solicit_router(&mut self, now: Instant) {
        let sent = if let Work::Router(sent, _) = self.work { sent } else { 0 };
        let wait = Duration::from_millis(ROUTER_MS[usize::from(sent)]);
        self.work = Work::Router(sent + 1, now + wait);
        self.out.push(Out::RouterSolicitation);
    }

    const fn work_wake(&self) -> Option<Instant> {
        match &self.work {
            Work::Off => None,
            Work::Pausing(until) | Work::Router(_, until) => Some(*until),
            Work::Dhcp => Some(self.dhcp.wake()),
            Work::Tftp(tftp) => Some(tftp.wake()),
            Work::Http => Some(self.http.wake()),
        }
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wake = self.work_wake()?;
        match self.fate {
            Fate::VanishesAt(at) => Some(wake.min(at)),
            Fate::Lives | Fate::Vanishes(_) => Some(wake),
        }
    }

    /// What to do next. Payloads lie at the beginning of `buffer`, which has room for
    /// [`BUFFER_LEN`] bytes.
    #[must_use]
    pub fn poll_command(&mut self, buffer: &mut [u8], _now: Instant) -> Option<Command> {
        debug_assert!(buffer.len() >= BUFFER_LEN);
        loop {
            // A message that does not fit is not sent: timeouts deal with that.
            let out = self.out.pop()?;
            if let Some(command) = self.command(out, buffer) {
                return Some(command);
            }
        }
    }

    fn command(&self, out: Out, buffer: &mut [u8]) -> Option<Command> {
        let local = self.dhcp.address;
        Some(match out {
            Out::Dhcp(_) | Out::Proxy => {
                let proxy = out == Out::Proxy;
                let kind = if let Out::Dhcp(kind) = out { kind } else { dhcp4::kind::REQUEST };
                let (source, destination) = self.dhcp.ends(proxy);
                let len = self.dhcp.write(kind, proxy, &self.identity, buffer)?;
                Command::SendDhcp { source, destination, len }
            }
            Out::RouterSolicitation => {
                let packet = icmp6::solicitation(self.identity.mac);
                buffer.get_mut(..packet.len())?.copy_from_slice(&packet);
                Command::SendIpv6 { len: packet.len() }
            }
            Out::OpenDatagram => Command::OpenDatagram { local },
            Out::TftpRequest => {
                let Work::Tftp(transfer) = &self.work else { return None };
                let name = self.location.path.as_bytes();
                let len = tftp::request(buffer, name, transfer.options())?;
                Command::SendDatagram { destination: transfer.peer(), len }
            }
            Out::TftpAck(destination, block) => {
                Command::SendDatagram { destination, len: tftp::ack(buffer, block)? }
            }
            Out::TftpError(destination, code) => {
                let text = match code {
                    tftp::error::UNKNOWN_TRANSFER => "Unknown transfer ID",
                    tftp::error::OPTIONS => "User aborted the transfer",
                    _ => "TFTP Aborted",
                };
                Command::SendDatagram { destination, len: tftp::error(buffer, code, text)? }
            }
            Out::CloseDatagram => Command::CloseDatagram,
            Out::Connect => Command::Connect { local, server: self.http.peer() },
            Out::HttpRequest => Command::Send { len: self.http.write(&self.location, buffer)? },
            Out::Disconnect => Command::Disconnect,
            Out::PowerOff => Command::PowerOff,
        })
    }

    /// What to write down.
    #[must_use]
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop()
    }

    pub(super) fn intake(&mut self) -> Intake<'_> {
        let facts = facts(&self.identity, self.model, &self.dhcp, &self.location);
        Intake { taker: &mut self.taker, len: &mut self.len, plan: &mut self.plan, facts }
    }
}

pub(super) const fn facts<'m>(
    identity: &'m Identity,
    model: &'static Model,
    dhcp: &Dhcp,
    location: &'m Location,
) -> Facts<'m> {
    let (address, boot_server) = (dhcp.address, dhcp.boot_server);
    Facts { identity, model, address, boot_server, location }
}

/// All that a machine needs besides the state of its hash.
const STATE_MAX: usize = 1536;

const _: () = assert!(
    size_of::<Machine>() <= STATE_MAX + size_of::<xxhash_rust::xxh3::Xxh3>(),
    "ten thousand machines share a cache"
);

/// Stages that each machine goes through, whatever its firmware: in one of them it may vanish.
const EVERYBODYS_STAGES: [Stage; 3] = [Stage::Dhcp, Stage::Kernel, Stage::Initrd];

//! The fleet: all machines of a run on one thread, one ring and one clock.
//!
//! A turn enters the kernel, hands what came to the machines that it is for, lets those act whose
//! time has come, and does what they ask for. Machines know protocols; the fleet knows sockets and
//! frames.
//!
//! Frames have a ring of their own, which is emptied first. In one system call the kernel serves
//! only so many of a ring's sockets, one after the other: among those of ten thousand machines the
//! packet socket would wait for seconds, and every answer to a DHCP message in it.

mod commands;
mod endpoints;
mod link;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;

use crate::client::{BUFFER_LEN, Input, Journey, Machine, StreamError};
use crate::clock::{Clock, nanoseconds};
use crate::deadlines::Deadlines;
use crate::random::Random;
use crate::record::{Closing, Plan, Recorder, Run, Sample, ServerSample};
use crate::ring::{Completion, Group, ReceiveBuffers, Ring};
use crate::sample;
use crate::scenario::Scenario;
use crate::stop;
use crate::time::Instant;
use endpoints::{Kind, Name, Places};
use link::Link;
use progress::Progress;

/// All machines of a run.
#[derive(Debug)]
pub struct Fleet<'s> {
    scenario: &'s Scenario,
    // Before the buffers: fields are dropped in their order.
    ring: Ring,
    frame_ring: Ring,
    frames: ReceiveBuffers,
    /// For datagrams.
    packets: ReceiveBuffers,
    /// For streams.
    pieces: ReceiveBuffers,
    link: Link,
    machines: Vec<Machine>,
    places: Places,
    deadlines: Deadlines,
    random: Random,
    recorder: Recorder,
    /// Receives that ended because all buffers were taken.
    unarmed: Vec<Name>,
    running: u32,
    received_bytes: u64,
    lost: u64,
    clock: Clock,
    now: u64,
    command: Box<[u8; BUFFER_LEN]>,
}

impl<'s> Fleet<'s> {
    /// Makes the machines, all of them off, and their connection to the network.
    ///
    /// # Errors
    /// If the interface, sockets or io_uring cannot be used.
    pub fn new(
        scenario: &'s Scenario,
        journey: &Arc<Journey>,
        plan: impl FnOnce(&[Machine], &[u8]) -> Plan,
    ) -> anyhow::Result<Self> {
        let models: Vec<_> = scenario.mix.models().collect();
        let kinds = scenario.mix.deal(scenario.clients, scenario.seed);
        let machines: Vec<_> = (0_u32..)
            .zip(&kinds)
            .map(|(number, kind)| {
                let (identity, seed) = (scenario.identity(number), scenario.machine_seed(number));
                Machine::new(identity, models[usize::from(*kind)], Arc::clone(journey), seed)
            })
            .collect();
        let recorder = Recorder::new(plan(&machines, &kinds));
        let ring = || Ring::new().context("io_uring cannot be used (Linux 6.1 or newer is needed)");
        let (ring, frame_ring) = (ring()?, ring()?);
        let frames = ReceiveBuffers::register(&frame_ring, FRAMES, 512, 2048)?;
        let packets = ReceiveBuffers::register(&ring, PACKETS, 2048, 2048)?;
        let pieces = ReceiveBuffers::register(&ring, PIECES, 128, 32 * 1024)?;
        let link = Link::open(&scenario.interface, journey.options.ipv6)?;
        let places = Places::new(machines.len());
        Ok(Self {
            scenario,
            ring,
            frame_ring,
            frames,
            packets,
            pieces,
            link,
            deadlines: Deadlines::new(machines.len()),
            places,
            machines,
            random: Random::new(scenario.seed ^ LOSS),
            recorder,
            unarmed: Vec::new(),
            running: scenario.clients,
            received_bytes: 0,
            lost: 0,
            clock: Clock::start(),
            now: 0,
            command: Box::new([0; BUFFER_LEN]),
        })
    }

    /// Lets all of them boot, to the end of the last, to the limit, or to Ctrl-C.
    ///
    /// # Errors
    /// If this host cannot play its machines; how they fare is in the record.
    pub fn run(mut self, bar: Option<ProgressBar>) -> anyhow::Result<Run> {
        self.clock = Clock::start();
        self.arm_link()?;
        for number in 0..self.scenario.clients {
            let start = self.scenario.ramp.start(number, self.scenario.clients);
            self.deadlines.set(number, nanoseconds(start));
        }
        let limit = nanoseconds(self.scenario.limit);
        let mut completions = Vec::with_capacity(COMPLETIONS_MAX);
        let mut progress = Progress::new(bar, self.scenario.clients);
        let mut next_tick = 0;
        // Ends: every machine comes up or gives up, or the limit comes.
        while self.running > 0 && self.now < limit && !stop::requested() {
            let until = self.deadlines.next().unwrap_or(u64::MAX).min(next_tick).min(limit);
            self.ring.enter(Duration::from_nanos(until.saturating_sub(self.now)))?;
            self.take_completions(&mut completions)?;
            for _ in 0..DUE_MAX {
                let Some(number) = self.deadlines.pop_due(self.now) else { break };
                self.handle_timeout(number)?;
            }
            if self.now >= next_tick {
                next_tick = self.now + TICK;
                let sample = self.sample();
                self.recorder.tick(Instant(self.now), sample);
                progress.show(self.recorder.counts(), self.now, self.received_bytes);
            }
        }
        progress.end();
        Ok(self.finish())
    }

    /// Hands machines what came for them. Packets are looked for until there are none, so that what
    /// the server has answered is not kept waiting here.
    fn take_completions(&mut self, completions: &mut Vec<Completion>) -> anyhow::Result<()> {
        for _ in 0..PASSES_MAX {
            let more_frames = self.take_frames(completions)?;
            self.ring.reap(completions);
            self.now = self.clock.now();
            let mut datagrams = 0;
            for completion in completions.drain(..) {
                let kind = Name::from_bits(completion.name).map(|name| name.kind);
                datagrams += u32::from(kind == Some(Kind::Datagram));
                self.handle_completion(completion)?;
            }
            self.packets.publish();
            self.pieces.publish();
            self.arm_again()?;
            if datagrams < PACKETS_PER_ENTER && !more_frames {
                break;
            }
            self.ring.enter(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Hands machines the frames that came for them; tells whether there may be more.
    fn take_frames(&mut self, completions: &mut Vec<Completion>) -> anyhow::Result<bool> {
        for _ in 0..PASSES_MAX {
            self.frame_ring.enter(Duration::ZERO)?;
            self.frame_ring.reap(completions);
            self.now = self.clock.now();
            let mut frames = 0;
            for mut completion in completions.drain(..) {
                if let (Some(id), Ok(len)) = (completion.take_filled(), completion.outcome()) {
                    frames += 1;
                    self.handle_frame(&id, len)?;
                    self.frames.give_back(id);
                }
                if !completion.has_more() {
                    let name = Name::from_bits(completion.name).expect("receives have names");
                    self.frame_ring.receive(
                        self.link.socket(name.number),
                        completion.name,
                        FRAMES,
                    )?;
                }
            }
            self.frames.publish();
            if frames < PACKETS_PER_ENTER {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn finish(self) -> Run {
        let sample = self.sample();
        let ours = sample::sample(&[std::process::id()]);
        let closing = Closing {
            sample,
            generator_syscalls: self.ring.enters()
                + self.frame_ring.enters()
                + self.places.syscalls(),
            generator_rss_peak_bytes: ours.resident_peak_bytes,
        };
        self.recorder.finish(Instant(self.now), closing)
    }

    fn sample(&self) -> Sample {
        let server = (!self.scenario.pids.is_empty()).then(|| {
            let server = sample::sample(&self.scenario.pids);
            ServerSample {
                cpu: Duration::from_secs_f64(server.cpu_seconds),
                rss_bytes: server.resident_bytes,
            }
        });
        let generator_cpu = self.clock.cpu();
        Sample { received_bytes: self.received_bytes, generator_cpu, server }
    }

    fn handle_timeout(&mut self, number: u32) -> anyhow::Result<()> {
        let now = Instant(self.now);
        let machine = &mut self.machines[number as usize];
        if self.places.power_on(number) {
            machine.power_on(now);
        } else if self.places.is_on(number) {
            machine.handle_timeout(now);
        } else {
            return Ok(());
        }
        self.drive(number)
    }

    /// Hands a machine what came for it.
    fn handle_input(&mut self, number: u32, input: Input<'_>) -> anyhow::Result<()> {
        if !self.places.is_on(number) {
            return Ok(());
        }
        self.machines[number as usize].handle(input, Instant(self.now));
        self.drive(number)
    }

    /// Does what a machine asks for.
    fn drive(&mut self, number: u32) -> anyhow::Result<()> {
        let now = Instant(self.now);
        // Ends: a machine acts on what it was told, is told nothing meanwhile, and asks for nothing
        // once it is off.
        while self.places.is_on(number)
            && let Some(command) =
                self.machines[number as usize].poll_command(&mut self.command[..], now)
        {
            self.execute(number, command)?;
        }
        let machine = &mut self.machines[number as usize];
        // Ends: notes are made by what was handled.
        while let Some(note) = machine.poll_note() {
            self.recorder.note(number, note, now);
        }
        if let Some(at) = machine.poll_timeout() {
            self.deadlines.set(number, at.0);
        }
        Ok(())
    }

    fn handle_completion(&mut self, mut completion: Completion) -> anyhow::Result<()> {
        let Some(name) = Name::from_bits(completion.name) else { return Ok(()) };
        let (buffer, outcome) = (completion.take_filled(), completion.outcome());
        match name.kind {
            // Frames have arrived: they are taken before the next completions.
            Kind::Frames => {
                if !completion.has_more() {
                    self.unarmed.push(name);
                }
                Ok(())
            }
            Kind::Datagram => {
                if let (Some(id), Ok(len)) = (buffer, outcome) {
                    self.handle_datagram(name, &id, len)?;
                    self.packets.give_back(id);
                }
                if !completion.has_more() && self.places.is(name) {
                    // Firmware does not hear that it was refused (ICMP); it waits in vain.
                    self.unarmed.push(name);
                }
                Ok(())
            }
            Kind::Stream => {
                if let (Some(id), Ok(len)) = (buffer, outcome) {
                    self.handle_piece(name, &id, len)?;
                    self.pieces.give_back(id);
                }
                if completion.has_more() || !self.places.is(name) {
                    return Ok(());
                }
                match outcome {
                    Ok(0) => self.handle_input(name.number, Input::EndOfStream),
                    Ok(_) | Err(libc::ENOBUFS) => {
                        self.unarmed.push(name);
                        Ok(())
                    }
                    Err(errno) => self.handle_stream_error(name, errno),
                }
            }
            Kind::Connect if self.places.is(name) => match outcome {
                Ok(_) => {
                    self.unarmed.push(name.with(Kind::Stream));
                    self.handle_input(name.number, Input::Connected)
                }
                Err(errno) => self.handle_stream_error(name, errno),
            },
            Kind::StreamSend if self.places.is(name) => match outcome {
                Ok(_) => Ok(()),
                Err(errno) => self.handle_stream_error(name, errno),
            },
            // What could not be sent is lost, as on a wire; and what was closed means nothing.
            Kind::DatagramSend | Kind::Connect | Kind::StreamSend => Ok(()),
        }
    }

    fn handle_stream_error(&mut self, name: Name, errno: i32) -> anyhow::Result<()> {
        let error = match errno {
            libc::ECONNREFUSED => StreamError::Refused,
            libc::ECONNRESET | libc::EPIPE => StreamError::Reset,
            libc::ETIMEDOUT | libc::EHOSTUNREACH => StreamError::TimedOut,
            _ => StreamError::Other,
        };
        self.handle_input(name.number, Input::StreamFailed(error))
    }

    fn is_lost(&mut self) -> bool {
        let lost = self.random.happens(self.scenario.loss);
        self.lost += u64::from(lost);
        lost
    }
}

/// Groups of buffers.
const PACKETS: Group = Group(0);
const PIECES: Group = Group(1);
const FRAMES: Group = Group(2);

/// Completions taken at one time.
const COMPLETIONS_MAX: usize = 1024;

/// How often packets are looked for in a turn.
const PASSES_MAX: usize = 8;

/// A multishot receive hands over so many packets of its socket in one system call
/// (`MULTISHOT_MAX_RETRY` in the kernel's `io_uring/poll.h`); after as many there may be more.
const PACKETS_PER_ENTER: u32 = 32;

/// Machines whose time has come in a turn, so that what comes in is not kept waiting.
const DUE_MAX: usize = 256;

/// Nanoseconds between looks at the whole.
const TICK: u64 = 100_000_000;

/// Keeps losses apart from all else that is random.
const LOSS: u64 = 0x6c6f_7373;

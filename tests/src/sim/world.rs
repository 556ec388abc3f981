//! The run: events in the order of time, until every machine is up and everything is quiet.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use reveille_core::engine::ConnId;
use reveille_core::mac::MacAddr;
use reveille_core::rng::Rng;
use reveille_core::time::Instant;

use super::check::Checks;
use super::client::{self, Machine};
use super::host::{Counts, Departure, Down, Host, Payload, Piece, Receiver, TICK, Up};
use super::network::Link;
use super::options::Options;
use super::queue::Queue;
use super::relay::{self, RELAY};
use super::site::{SERVER, Site};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Digest of everything that happened, in order.
    pub digest: u64,
    /// Number of events.
    pub events: u64,
    /// Virtual time until the last machine was up.
    pub took: Duration,
    /// What happened at the server.
    pub counts: Counts,
}

/// Plays a run to its end.
///
/// # Panics
/// If something happens that must not; the message tells how to see it again.
pub fn run(options: &Options) -> Report {
    run_watched(options, |_| {})
}

/// As [`run`], but calls `inside` with `true` before and `false` after each call of an engine.
///
/// # Panics
/// As [`run`].
pub fn run_watched(options: &Options, inside: fn(bool)) -> Report {
    World::new(options, inside).run()
}

#[derive(Debug)]
enum Happening {
    /// Reaches the server.
    AtServer(u32, Up),
    /// Reaches a machine.
    AtMachine(u32, Down),
    /// All that a transmit carried has reached its machine.
    Sent(ConnId),
    /// A machine wakes, if this is still its current timer.
    Timer(u32, u32),
    /// The site's files are replaced.
    Reload,
    /// Somebody resets a machine.
    Reset(u32),
    /// The server's loop turns, if it is not earlier in the meantime.
    Turn,
}

struct World {
    options: Options,
    site: Site,
    host: Host,
    machines: Vec<Machine>,
    /// Who answers at which address.
    addresses: BTreeMap<Ipv4Addr, u32>,
    queue: Queue<Happening>,
    to_server: Link,
    to_machines: Link,
    checks: Checks,
    rng: Rng,
    now: Instant,
    /// The one turn that is planned; others in the queue are stale.
    next_turn: Option<Instant>,
    last_turn: Option<Instant>,
    /// When the last piece of a stream arrives, each way: streams keep their order.
    streams: BTreeMap<(u32, u32), (Instant, Instant)>,
    up: u32,
    ups: Vec<Up>,
    departures: Vec<Departure>,
}

impl World {
    fn new(options: &Options, inside: fn(bool)) -> Self {
        let mut rng = Rng::new(options.seed ^ 0x7265_7665_696c_6c65);
        let host = Host::new(options, inside, &mut rng);
        let mut world = Self {
            site: Site::new(options),
            host,
            machines: (0..options.machines).map(Machine::new).collect(),
            addresses: BTreeMap::new(),
            queue: Queue::new(),
            to_server: Link::new(options),
            to_machines: Link::new(options),
            checks: Checks::new(options.seed),
            rng,
            now: Instant::ZERO,
            next_turn: None,
            last_turn: None,
            streams: BTreeMap::new(),
            up: 0,
            ups: Vec::new(),
            departures: Vec::new(),
            options: options.clone(),
        };
        if let Some(after) = options.reload_after {
            world.queue.add(Instant::ZERO + after, Happening::Reload);
        }
        let spread_ms = u32::try_from(options.spread.as_millis()).expect("spreads are short");
        for id in 0..options.machines {
            let at = Duration::from_millis(u64::from(world.rng.below(spread_ms + 1)));
            world.queue.add(Instant::ZERO + at, Happening::Timer(id, 0));
            world.plan_reset(id);
        }
        world
    }

    fn plan_reset(&mut self, id: u32) {
        let faults_ms = u32::try_from(self.options.faults_for.as_millis()).expect("minutes");
        if self.rng.below(1000) < self.options.resets {
            let at = Duration::from_millis(u64::from(self.rng.below(faults_ms + 1)));
            self.queue.add(Instant::ZERO + at, Happening::Reset(id));
        }
    }

    fn run(mut self) -> Report {
        while self.up < self.options.machines {
            self.step();
        }
        let took = self.now - Instant::ZERO;
        // What is left has to end by itself.
        let quiet = self.now + QUIET;
        self.queue.add(quiet, Happening::Turn);
        while self.now < quiet {
            self.step();
        }
        self.turn();
        self.host.check_empty(self.now, &self.site, &self.checks);
        Report {
            digest: self.checks.digest(),
            events: self.checks.events,
            took,
            counts: self.host.counts,
        }
    }

    fn step(&mut self) {
        let Some((at, what)) = self.queue.pop() else {
            self.checks.fail(self.now, "nothing will happen any more");
        };
        assert!(at >= self.now, "time goes forward");
        self.now = at;
        let in_time = self.now < Instant::ZERO + self.options.faults_for + LIVENESS;
        self.checks.ensure(in_time, self.now, || {
            let late: Vec<_> =
                self.machines.iter().filter(|machine| !machine.is_up()).take(3).collect();
            format!("{} of {} machines are up; {late:#?}", self.up, self.options.machines)
        });
        match what {
            Happening::AtServer(machine, up) => {
                self.note_up(machine, &up);
                self.host.receive(machine, up);
                self.plan_turn(self.now);
            }
            Happening::AtMachine(machine, down) => {
                self.note_down(machine, &down);
                self.with_machine(machine, |machine, context| machine.on_arrival(down, context));
            }
            Happening::Sent(conn) => {
                self.host.sent(conn, self.now, &self.site);
                self.plan_turn(self.now);
            }
            Happening::Timer(machine, timer) => {
                if self.machines[machine as usize].timer == timer {
                    self.checks.note(&(self.now, machine, timer));
                    self.with_machine(machine, Machine::on_timer);
                }
            }
            Happening::Reload => {
                self.checks.note(&self.now);
                self.site.reload();
            }
            Happening::Reset(machine) => {
                self.checks.note(&(self.now, machine));
                self.with_machine(machine, Machine::on_reset);
            }
            Happening::Turn => {
                if self.next_turn.is_some_and(|turn| turn <= self.now) {
                    self.turn();
                }
            }
        }
    }

    /// Lets a machine handle something, and launches what it sends.
    fn with_machine(
        &mut self,
        id: u32,
        handle: impl FnOnce(&mut Machine, &mut client::Context<'_>),
    ) {
        let machine = &mut self.machines[id as usize];
        let was_up = machine.is_up();
        let had = machine.address;
        let mut context =
            client::context(self.now, &self.site, &mut self.checks, &mut self.rng, &mut self.ups);
        handle(machine, &mut context);
        if let Some(at) = context.wake {
            machine.timer += 1;
            self.queue.add(at, Happening::Timer(id, machine.timer));
        }
        if machine.is_up() && !was_up {
            self.up += 1;
        }
        if machine.address != had {
            self.addresses.insert(machine.address, id);
        }
        let mut ups = std::mem::take(&mut self.ups);
        for up in ups.drain(..) {
            self.launch_up(id, up);
        }
        self.ups = ups;
    }

    fn launch_up(&mut self, machine: u32, mut up: Up) {
        if relay::is_behind(machine) {
            match &mut up {
                Up::Datagram { source, destination, payload }
                    if destination.ip().is_broadcast() =>
                {
                    *source = relay::forward(payload);
                    *destination = SocketAddrV4::new(SERVER, 67);
                }
                // Routers pass no link-local packets on.
                Up::Frame { .. } => return,
                Up::Datagram { .. } | Up::Stream { .. } => {}
            }
        }
        match &up {
            Up::Datagram { payload, .. } | Up::Frame { packet: payload, .. } => {
                let copies = self.to_server.carry(payload.len(), self.now, &mut self.rng);
                for delay in copies {
                    self.queue.add(self.now + *delay, Happening::AtServer(machine, up.clone()));
                }
            }
            Up::Stream { serial, .. } => {
                let delay = self.to_server.carry_reliably(self.now, &mut self.rng);
                let (last, _) = self.streams.entry((machine, *serial)).or_default();
                *last = (*last).max(self.now + delay);
                self.queue.add(*last, Happening::AtServer(machine, up));
            }
        }
    }

    /// Plans a turn of the server's loop, not before the last one is over.
    fn plan_turn(&mut self, at: Instant) {
        let turn = Duration::from_micros(u64::from(self.options.turn_us));
        let at = self.last_turn.map_or(at, |last| at.max(last + turn));
        if self.next_turn.is_none_or(|next| at < next) {
            self.next_turn = Some(at);
            self.queue.add(at, Happening::Turn);
        }
    }

    fn turn(&mut self) {
        self.next_turn = None;
        self.last_turn = Some(self.now);
        let mut departures = std::mem::take(&mut self.departures);
        let next = self.host.turn(self.now, &self.site, &mut self.checks, &mut departures);
        for departure in departures.drain(..) {
            self.depart(departure);
        }
        self.departures = departures;
        if let Some(at) = next {
            // A timer may be a tick early: nothing is due, and the next turn comes a tick later.
            let at = if at == self.now { at } else { at.max(self.now + TICK) };
            self.plan_turn(at);
        }
    }

    fn depart(&mut self, departure: Departure) {
        match departure {
            Departure::Datagram { source, to, payload } => {
                let Some((machine, port)) = self.receiver(to, &payload) else { return };
                let bytes = payload.head.len() + payload.body.map_or(0, |span| span.len as usize);
                for delay in self.to_machines.carry(bytes, self.now, &mut self.rng) {
                    let down = Down::Datagram { source, port, payload: payload.clone() };
                    self.queue.add(self.now + *delay, Happening::AtMachine(machine, down));
                }
            }
            Departure::Frame { station, packet } => {
                let machine = Machine::id_of(station);
                for delay in self.to_machines.carry(packet.len(), self.now, &mut self.rng) {
                    let down = Down::Frame { packet: packet.clone() };
                    self.queue.add(self.now + *delay, Happening::AtMachine(machine, down));
                }
            }
            Departure::Pieces { machine, serial, pieces, outstanding } => {
                let delay = self.to_machines.carry_reliably(self.now, &mut self.rng);
                let (_, last) = self.streams.entry((machine, serial)).or_default();
                *last = (*last).max(self.now + delay);
                for piece in pieces {
                    let down = Down::Stream { serial, piece };
                    self.queue.add(*last, Happening::AtMachine(machine, down));
                }
                if let Some(conn) = outstanding {
                    self.queue.add(*last, Happening::Sent(conn));
                }
            }
        }
    }

    /// The machine that takes a datagram, and the port. Broadcasts reach everybody, but only the
    /// one whose hardware address is in them cares.
    fn receiver(&self, to: Receiver, payload: &Payload) -> Option<(u32, u16)> {
        let (machine, port) = match to {
            Receiver::Station { mac, port } => (Machine::id_of(mac), port),
            Receiver::Address(to) if to.ip().is_broadcast() => {
                let mac = payload.head.get(28..34)?.try_into().ok()?;
                (Machine::id_of(MacAddr(mac)), to.port())
            }
            Receiver::Address(to) if *to.ip() == RELAY => {
                (relay::deliver(&payload.head, self.now, &self.checks)?, 68)
            }
            Receiver::Address(to) => (*self.addresses.get(to.ip())?, to.port()),
        };
        (machine < self.options.machines).then_some((machine, port))
    }

    fn note_up(&mut self, machine: u32, up: &Up) {
        if self.options.trace == Some(machine) {
            eprintln!("{:?} up   {up:?}", self.now - Instant::ZERO);
        }
        match up {
            Up::Datagram { source, payload, .. } => {
                self.checks.note(&(self.now, machine, source, payload));
            }
            Up::Frame { packet, .. } => self.checks.note(&(self.now, machine, packet)),
            Up::Stream { serial, .. } => self.checks.note(&(self.now, machine, serial, 'u')),
        }
    }

    fn note_down(&mut self, machine: u32, down: &Down) {
        if self.options.trace == Some(machine) {
            eprintln!("{:?} down {down:?}", self.now - Instant::ZERO);
        }
        match down {
            Down::Datagram { source, port, payload } => {
                let body = payload.body.map(|span| (span.image, span.offset, span.len));
                self.checks.note(&(self.now, machine, source, port, &payload.head, body));
            }
            Down::Frame { packet } => self.checks.note(&(self.now, machine, packet)),
            Down::Stream { serial, piece } => match piece {
                Piece::Bytes(bytes) => self.checks.note(&(self.now, machine, serial, bytes)),
                Piece::Span(span) => {
                    self.checks.note(&(self.now, machine, serial, span.offset, span.len));
                }
                Piece::End => self.checks.note(&(self.now, machine, serial, 'e')),
                Piece::Refused => self.checks.note(&(self.now, machine, serial, 'r')),
            },
        }
    }
}

/// Once faults have stopped, everybody is up within this time: a few rounds of the slowest
/// firmware's timers, with the smallest server.
const LIVENESS: Duration = Duration::from_secs(3600);

/// Longer than any session may live without its client.
const QUIET: Duration = Duration::from_secs(180);

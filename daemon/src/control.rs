//! The control thread: signals, events of the engines, changes on disk, the end.
//!
//! It is one loop on a tokio-uring runtime, in which nothing may wake itself again and again:
//! the ring is entered only when every task waits. Work that takes long (reading images) runs
//! on a thread of its own and comes back as an outcome.

mod links;
pub(crate) mod message;
mod operator;
mod reload;
mod socket;
mod tally;

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use reveille_core::event::EventKind;
use reveille_core::time::Instant;
use reveille_runtime::{EventReceiver, Opener, Server, Setup, ShardPanic, SocketPlan};
use sd_notify::NotifyState;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use self::links::Links;
use self::operator::Operator;
use self::reload::Outcome;
use self::tally::Tally;
use crate::host::LinkWatch;
use crate::images::{Change, Sources, Watch};
use crate::problem::Problem;
use crate::serve::{Origin, Shown, Stock};
use crate::site::Site;
use crate::terminal::{Boots, Style, Terminal};
use crate::timeline::{MACHINES_MAX, Roles, Timelines};
use crate::units::Count;

/// How often the terminal is refreshed and an end is looked for.
const REFRESH: Duration = Duration::from_millis(250);

/// How long events may gather before they are told: people do not see it, and a shard that would
/// wake this thread for every packet pays more for that than for the packet.
const GATHER: Duration = Duration::from_millis(20);

/// A second signal to end within this time is the first one, delivered twice.
const ECHO: Duration = Duration::from_millis(100);

/// How often silent machines are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How often the counters are looked at.
const TALLY: Duration = Duration::from_secs(60);

/// Changes on disk within this time are taken together.
const SETTLE: Duration = Duration::from_millis(500);

/// How long running transfers may go on after the first signal.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// A server that runs, and all that it takes to look after it.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) server: Server,
    /// Opens sockets that are not open yet.
    pub(crate) opener: Opener,
    pub(crate) links: LinkWatch,
    pub(crate) stock: Stock,
    pub(crate) site: Site,
    pub(crate) origin: Origin,
    /// The sockets that are open.
    pub(crate) plan: SocketPlan,
    /// What is served.
    pub(crate) setup: Setup,
    pub(crate) sources: Sources,
    /// What the operator has been warned of.
    pub(crate) warnings: Vec<Problem>,
    pub(crate) roles: Roles,
    pub(crate) terminal: Terminal,
    pub(crate) style: Style,
    pub(crate) exit_when_up: Option<u32>,
    /// Where leases are kept, if they are.
    pub(crate) store: Option<Shown>,
    /// The state directory, if there is one.
    pub(crate) state: Option<PathBuf>,
}

/// Looks after the server until it ends.
///
/// # Errors
/// A failure of a shard, or of the kernel to give what the loop waits for.
pub(crate) fn run(control: Control) -> anyhow::Result<()> {
    let server = tokio_uring::start(async {
        let mut looper = Loop::new(control)?;
        looper.run().await?;
        anyhow::Ok(looper.server)
    })?;
    server.stop();
    server.join().map_err(|panic: ShardPanic| {
        anyhow::Error::new(panic)
            .context("this is a bug in reveille; the other shards were stopped")
    })
}

/// Why the loop has nothing more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has.
    Serving,
    /// It waits for running transfers to end, and perhaps has said so.
    Draining { since: Instant, told: bool },
    /// Everything has ended, or was told to.
    Ended,
}

struct Loop {
    server: Server,
    events: AsyncFd<Queue>,
    signals: Signals,
    timelines: Timelines,
    boots: Boots,
    tally: Tally,
    terminal: Terminal,
    style: Style,
    phase: Phase,
    exit_when_up: Option<u32>,
    site: Site,
    origin: Origin,
    links: Links,
    sources: Sources,
    /// What was warned of and still holds: a change of images does not repeat it.
    warnings: Vec<Problem>,
    /// Away while a job has it.
    stock: Option<Stock>,
    job: Option<JoinHandle<(Stock, Outcome)>>,
    /// What to do when the running job is done.
    next: Wanted,
    watch: Option<Watch>,
    changes: mpsc::Receiver<Change>,
    notice: mpsc::Sender<Change>,
    /// When changes on disk are looked at.
    scan_at: Option<tokio::time::Instant>,
    /// Until when events gather.
    gather_until: Option<tokio::time::Instant>,
    operator: Operator,
}

/// The engines' events, as something that can be waited for.
struct Queue(EventReceiver);

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The descriptor of `queue`, in the care of the reactor.
fn wait_for(queue: Queue) -> std::io::Result<AsyncFd<Queue>> {
    #[expect(deprecated, reason = "what replaces it is unsafe; a queue keeps its descriptor")]
    AsyncFd::with_interest(queue, Interest::READABLE)
}

/// Jobs that wait for their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    reload: bool,
    scan: bool,
    links: bool,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

/// A signal, in the words of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    End,
    Reload,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::End,
            _ = self.interrupt.recv() => Word::End,
            _ = self.reload.recv() => Word::Reload,
        }
    }
}

impl Loop {
    fn new(control: Control) -> anyhow::Result<Self> {
        let Control { server, mut stock, site, origin, sources, warnings, .. } = control;
        let Control { roles, terminal, style, store, state, setup, plan, opener, .. } = control;
        stock.note_served(&setup.view);
        let view = Arc::clone(&setup.view);
        let links = Links::new(control.links, opener, plan, setup.view)
            .context("cannot wait for changes of interfaces")?;
        // Overruns are harmless: any change makes us look at everything.
        let (notice, changes) = mpsc::channel(1);
        let events = wait_for(Queue(server.events().clone())).context("cannot wait for events")?;
        let mut looper = Self {
            events,
            signals: Signals::new().context("cannot wait for signals")?,
            timelines: Timelines::new(MACHINES_MAX, roles),
            boots: Boots::new(terminal.clone(), style),
            tally: Tally::new(server.counters()),
            terminal,
            style,
            phase: Phase::Serving,
            exit_when_up: control.exit_when_up,
            site,
            origin,
            links,
            sources,
            warnings,
            stock: Some(stock),
            job: None,
            next: Wanted::default(),
            watch: None,
            changes,
            notice,
            scan_at: None,
            gather_until: None,
            operator: Operator::new(state.as_deref(), store, view),
            server,
        };
        looper.watch_sources();
        Ok(looper)
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        info!("{}", self.greeting());
        notify(&[NotifyState::Ready]);
        let mut refresh = ticks(REFRESH);
        let mut look = ticks(LOOK);
        let mut tally = ticks(TALLY);
        while self.phase != Phase::Ended {
            tokio::select! {
                ready = self.events.readable(), if self.gather_until.is_none() => {
                    ready.context("cannot wait for events")?.clear_ready();
                    self.take_events();
                    self.gather_until = Some(tokio::time::Instant::now() + GATHER);
                }
                () = until(self.gather_until) => self.gather_until = None,
                word = self.signals.next() => self.on_word(word).await,
                question = self.operator.next() => self.operator.answer(question, &self.server),
                Some(Change) = self.changes.recv() => {
                    self.scan_at.get_or_insert(tokio::time::Instant::now() + SETTLE);
                }
                ready = self.links.watch.readable() => {
                    ready.context("cannot wait for changes of interfaces")?.clear_ready();
                    self.links.note();
                }
                () = until(self.links.due()) => self.on_links().await,
                () = until(self.scan_at) => {
                    self.scan_at = None;
                    self.next.scan = true;
                    self.start_job().await;
                }
                outcome = ended(&mut self.job) => {
                    self.job = None;
                    let (stock, outcome) = outcome.context("reading images failed")?;
                    self.stock = Some(stock);
                    self.on_outcome(outcome);
                    self.start_job().await;
                }
                _ = refresh.tick() => self.on_refresh(),
                _ = look.tick() => self.on_look(),
                _ = tally.tick() => self.tally.tell(self.server.counters()),
            }
        }
        self.finish();
        Ok(())
    }

    /// That everything runs, and how it ends.
    fn greeting(&self) -> String {
        let ends = match (self.exit_when_up, self.terminal.traits().live) {
            (Some(count), _) => format!("; ends when {} up", are_up(count)),
            (None, true) => "; Ctrl-C ends".to_owned(),
            (None, false) => String::new(),
        };
        format!("ready for machines{ends}")
    }

    fn take_events(&mut self) {
        let Self { events, timelines, boots, .. } = self;
        let mut up = 0;
        events.get_ref().0.take_all(|event| {
            up += u32::from(event.kind == EventKind::Up);
            tell_of_store(&event.kind);
            if let Some(entry) = timelines.record(&event) {
                boots.tell(&entry, event.at);
            }
        });
        let enough = self.exit_when_up.is_some_and(|count| self.timelines.up() >= count as usize);
        if up > 0 && enough && self.phase == Phase::Serving {
            self.drain("enough machines are up");
        }
    }

    async fn on_word(&mut self, word: Word) {
        match (word, self.phase) {
            (Word::End, Phase::Serving) => self.drain("asked to end"),
            // `timeout` and some shells signal the process and then its whole group.
            (Word::End, Phase::Draining { since, .. }) if is_echo(since, now()) => {
                debug!("asked twice at once: it counts as once");
            }
            (Word::End, Phase::Draining { .. } | Phase::Ended) => {
                info!("asked twice: ending at once");
                self.phase = Phase::Ended;
            }
            (Word::Reload, Phase::Serving) => {
                self.next.reload = true;
                self.start_job().await;
            }
            (Word::Reload, Phase::Draining { .. } | Phase::Ended) => {
                warn!("asked to reload while ending: ignored");
            }
        }
    }

    fn drain(&mut self, why: &str) {
        notify(&[NotifyState::Stopping]);
        self.server.drain();
        self.phase = Phase::Draining { since: now(), told: false };
        info!("{why}");
    }

    /// Transfers that run. DHCP has none that anybody waits for.
    fn sessions(&self) -> u64 {
        let total = self.server.counters().total();
        total.tftp.sessions + total.http.sessions
    }

    fn on_refresh(&mut self) {
        self.boots.refresh(&self.timelines, now());
        if !self.server.is_running() {
            self.phase = Phase::Ended;
        }
        if let Phase::Draining { since, told } = self.phase {
            if self.server.is_drained() {
                self.phase = Phase::Ended;
            } else if now().saturating_since(since) > DRAIN_MAX {
                warn!("{} did not end in time", Count(self.sessions(), "transfer"));
                self.phase = Phase::Ended;
            } else if !told {
                // Connections on which nothing runs have had the time to be closed.
                let running = Count(self.sessions(), "transfer");
                info!("waiting for {running}; ask again to end at once");
                self.phase = Phase::Draining { since, told: true };
            }
        }
    }

    fn on_look(&mut self) {
        for entry in self.timelines.overdue(now()) {
            self.boots.tell(&entry, now());
        }
        self.operator.watch(now());
        if let Some(stock) = &mut self.stock {
            stock.reclaim();
        }
        // Whoever was writing may have stopped without closing.
        if self.watch.as_ref().is_some_and(Watch::gave_up) {
            self.scan_at.get_or_insert(tokio::time::Instant::now() + SETTLE);
        }
    }

    fn watch_sources(&mut self) {
        let notice = self.notice.clone();
        let notify = move |change| {
            // A full channel holds a notice already.
            let _known = notice.try_send(change);
        };
        match Watch::new(&self.sources, notify) {
            Ok(watch) => {
                self.watch = Some(watch);
                // Reading images takes long, and what changed meanwhile was not seen.
                self.scan_at.get_or_insert(tokio::time::Instant::now() + SETTLE);
            }
            Err(error) => {
                self.watch = None;
                warn!(
                    help = "send SIGHUP after a change, or raise fs.inotify.max_user_watches",
                    "changes of images go unnoticed: {error}"
                );
            }
        }
    }

    fn finish(&mut self) {
        self.take_events();
        self.tally.tell(self.server.counters());
        self.boots.finish();
        let summary = self.timelines.summary();
        match self.style {
            Style::Lines => self.terminal.line(&format!("\n{summary}")),
            Style::Messages => info!("{summary}"),
        }
        debug!("all shards are told to stop");
    }
}

/// `1 machine is`, `2 machines are`.
fn are_up(count: u32) -> String {
    format!("{} {}", Count(u64::from(count), "machine"), if count == 1 { "is" } else { "are" })
}

/// Whether a second signal is the echo of the one at `first`: nobody types that fast.
fn is_echo(first: Instant, second: Instant) -> bool {
    second.saturating_since(first) < ECHO
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits until `at`, or for ever.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a job, or for ever if there is none.
async fn ended<T>(job: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

/// Says who is concerned by a store that fails; why it does is told by its own thread.
fn tell_of_store(kind: &EventKind) {
    if let EventKind::StoreFailed { waiting: waiting @ 1.. } = kind {
        warn!(waiting, "clients that were about to get an address get none: it cannot be kept");
    }
}

/// The time on the clock of the engines' events.
fn now() -> Instant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    Instant::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// Tells systemd, if it started us.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!("systemd cannot be told: {error}");
    }
}

//! One boot of one machine, folded from its events.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use reveille_core::event::{EventKind, Outcome};
use reveille_core::identity::Firmware;
use reveille_core::time::Instant;
use reveille_core::wire::pxe::ArchType;

use super::diagnosis::{Diagnosis, Expectation};
use super::entry::What;
use super::stage::{Roles, Stage, is_probe, plain_name, shown_name};

/// Steps remembered of one boot. A boot by GRUB with all its modules takes about 60; then the
/// modules are still told and counted, but not remembered one by one.
const STEPS_MAX: usize = 24;

/// A machine silent for so long has started anew when it is heard again.
const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// One boot, from the first packet to user space.
#[derive(Clone, Debug)]
pub(super) struct Boot {
    /// Which of the machine's boots: 1 for the first seen.
    pub(super) number: u32,
    /// Its first event.
    pub(super) started: Instant,
    /// Its latest event.
    pub(super) last: Instant,
    /// Who spoke last.
    pub(super) firmware: Firmware,
    /// What it is.
    pub(super) arch: Option<ArchType>,
    /// The furthest stage.
    pub(super) reached: Stage,
    /// Bytes of files sent to it.
    pub(super) bytes: u64,
    /// What it is fetching right now.
    pub(super) fetching: Option<Fetch>,
    /// When user space reported.
    pub(super) up: Option<Instant>,
    steps: Vec<Step>,
    /// What should come next, and since when.
    expected: Option<(Expectation, Instant)>,
    /// Whether it has asked any server for an address.
    has_requested: bool,
    missed: Option<Box<str>>,
    told: Vec<Diagnosis>,
}

/// A file on its way.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) stage: Stage,
    pub(super) name: Box<str>,
    pub(super) bytes: u64,
    pub(super) since: Instant,
}

/// A stage that the boot went through.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) stage: Stage,
    pub(super) firmware: Firmware,
    /// The file, if the stage has one.
    file: Option<FileDigest>,
    pub(super) started: Instant,
    /// Whether the file arrived.
    pub(super) done: bool,
    pub(super) repeats: u32,
}

/// Stands for a file's name: of a file that went by, only its sameness matters, and ten thousand
/// machines remember the same dozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileDigest(u64);

impl FileDigest {
    /// `None` for the empty name.
    fn of(name: &str) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        (!name.is_empty()).then(|| Self(hasher.finish()))
    }
}

/// Whether an event says something new about a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It does.
    Fresh,
    /// Firmware repeats itself.
    Repeated,
}

/// How far the program that speaks has come. Firmware comes first, the system last; a machine
/// that falls back has been reset.
const fn rank(firmware: Firmware) -> u8 {
    match firmware {
        Firmware::Pxe | Firmware::HttpBoot | Firmware::UBoot | Firmware::RaspberryPi => 0,
        Firmware::Ipxe => 1,
        Firmware::System => 2,
    }
}

impl Boot {
    pub(super) fn new(number: u32, at: Instant) -> Self {
        Self {
            number,
            started: at,
            last: at,
            firmware: Firmware::Pxe,
            arch: None,
            reached: Stage::Discover,
            bytes: 0,
            fetching: None,
            up: None,
            steps: Vec::new(),
            expected: None,
            has_requested: false,
            missed: None,
            told: Vec::new(),
        }
    }

    /// Whether an event means that the machine was switched on anew.
    pub(super) fn is_over(&self, kind: &EventKind, at: Instant) -> bool {
        let EventKind::Discover { firmware, .. } = *kind else { return false };
        if firmware == Firmware::System {
            return false;
        }
        let idle = at.saturating_since(self.last) > IDLE_MAX;
        let loaded = self.reached >= Stage::Kernel || self.up.is_some();
        let fell_back = !self.steps.is_empty() && rank(firmware) < rank(self.firmware);
        idle || loaded || fell_back
    }

    /// Takes an event into account.
    pub(super) fn fold(&mut self, kind: &EventKind, at: Instant, roles: &Roles) -> News {
        self.last = at;
        match *kind {
            EventKind::Discover { firmware, arch, .. } => {
                self.firmware = firmware;
                self.arch = arch.or(self.arch);
                let news = self.step(Stage::Discover, "", at);
                if news == News::Fresh {
                    self.expected = None;
                    self.has_requested = false;
                }
                news
            }
            EventKind::Offer { .. } => {
                self.expect(Expectation::after(Stage::Offer), at);
                self.step(Stage::Offer, "", at)
            }
            EventKind::ProxyOffer { .. } => {
                self.expect(Some(Expectation::after_proxy_offer()), at);
                self.step(Stage::Offer, "", at)
            }
            EventKind::Ack { firmware, boot_file, .. } => {
                self.firmware = firmware;
                let loads = !boot_file.is_empty();
                self.expect(Expectation::after(Stage::Ack).filter(|_| loads), at);
                self.step(Stage::Ack, "", at)
            }
            // In the choice of another server's address lies no follow-up to our proxy offer.
            EventKind::Request { .. } => {
                self.has_requested = true;
                News::Repeated
            }
            EventKind::RouterAdvertised
            | EventKind::StoreFailed { .. }
            | EventKind::StoreRecovered => News::Repeated,
            EventKind::TransferStarted { name, bytes, .. } => {
                let name = plain_name(name.as_str());
                let stage = roles.stage_of(name);
                self.expected = None;
                self.fetching = Some(Fetch { stage, name: name.into(), bytes, since: at });
                self.step(stage, name, at);
                News::Fresh
            }
            EventKind::TransferEnded { name, bytes, outcome, .. } => {
                let name = plain_name(name.as_str());
                self.bytes += bytes;
                self.fetching = self.fetching.take().filter(|fetch| *fetch.name != *name);
                let stage = roles.stage_of(name);
                let leads_on = stage != Stage::Script || roles.has_kernel();
                let next = Expectation::after(stage).filter(|_| leads_on);
                self.on_transfer_end(stage, name, outcome, next, at)
            }
            EventKind::NotFound { name, .. } => {
                let known = self.missed.as_deref() == Some(name.as_str());
                self.missed = Some(name.as_str().into());
                if known { News::Repeated } else { News::Fresh }
            }
            EventKind::Up => {
                self.expected = None;
                self.fetching = None;
                self.reached = Stage::Up;
                match self.up.replace(at) {
                    None => News::Fresh,
                    Some(first) => {
                        self.up = Some(first);
                        News::Repeated
                    }
                }
            }
            EventKind::NoAddress => self.tell_once(Diagnosis::PoolExhausted),
            EventKind::NoBootProgram { arch } => self.tell_once(Diagnosis::NoBootProgram { arch }),
            EventKind::Nak { .. }
            | EventKind::Decline { .. }
            | EventKind::Release { .. }
            | EventKind::Refused { .. }
            | EventKind::AddressInUse { .. }
            | EventKind::ForeignServer(_)
            | EventKind::Pool(_)
            | EventKind::Waited { .. } => News::Fresh,
            // It pauses because we said so.
            EventKind::SentAway { .. } => {
                self.expected = None;
                News::Fresh
            }
        }
    }

    fn on_transfer_end(
        &mut self,
        stage: Stage,
        name: &str,
        outcome: Outcome,
        next: Option<Expectation>,
        at: Instant,
    ) -> News {
        match outcome {
            Outcome::Completed => {}
            Outcome::Aborted | Outcome::TimedOut | Outcome::ImageUnreadable => return News::Fresh,
        }
        if stage > self.reached {
            self.reached = stage;
        }
        self.expect(next, at);
        self.step(stage, name, at);
        match self.find(stage, name) {
            Some(step) if step.done => {
                step.repeats += 1;
                News::Repeated
            }
            Some(step) => {
                step.done = true;
                News::Fresh
            }
            None => News::Fresh,
        }
    }

    fn expect(&mut self, expectation: Option<Expectation>, at: Instant) {
        // An operating system that asks for an address owes us nothing.
        let expectation = expectation.filter(|_| self.firmware != Firmware::System);
        // Patience is not renewed by firmware that repeats itself.
        let since = match (expectation, self.expected) {
            (Some(new), Some((old, since))) if new == old => since,
            _ => at,
        };
        self.expected = expectation.map(|expectation| (expectation, since));
    }

    fn tell_once(&mut self, diagnosis: Diagnosis) -> News {
        self.expected = None;
        if self.told.contains(&diagnosis) {
            return News::Repeated;
        }
        self.told.push(diagnosis);
        News::Fresh
    }

    /// Enters a step, or counts that it is repeated.
    fn step(&mut self, stage: Stage, name: &str, at: Instant) -> News {
        if let Some(step) = self.find(stage, name) {
            if step.file.is_none() {
                step.repeats += 1;
            }
            return News::Repeated;
        }
        if stage <= Stage::Ack && stage > self.reached {
            self.reached = stage;
        }
        if self.steps.len() < STEPS_MAX {
            self.steps.push(Step {
                stage,
                firmware: self.firmware,
                file: FileDigest::of(name),
                started: at,
                done: false,
                repeats: 0,
            });
        }
        News::Fresh
    }

    fn find(&mut self, stage: Stage, name: &str) -> Option<&mut Step> {
        let (firmware, file) = (self.firmware, FileDigest::of(name));
        self.steps
            .iter_mut()
            .find(|step| step.stage == stage && step.firmware == firmware && step.file == file)
    }

    /// The finding that is due at `now`, told once.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Diagnosis> {
        let (expected, since) = self.expected?;
        let Expectation { otherwise, patience } = expected.knowing(self.has_requested);
        if now.saturating_since(since) < patience {
            return None;
        }
        self.expected = None;
        (self.tell_once(otherwise) == News::Fresh).then_some(otherwise)
    }

    /// Whether it has not arrived anywhere yet and is still moving.
    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        let patience = if self.fetching.is_some() { IDLE_MAX } else { Expectation::LONGEST };
        self.up.is_none()
            && !self.is_settled()
            && now.saturating_since(self.last) < patience
            && self.firmware != Firmware::System
    }

    /// Whether everything that can be seen from here has happened, short of a report.
    pub(super) fn is_settled(&self) -> bool {
        self.reached >= Stage::Kernel && self.fetching.is_none()
    }

    /// Each remembered step with the time until the next one, or until the end.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&Step, Duration)> {
        let end = self.up.unwrap_or(self.last);
        let next = self.steps.iter().skip(1).map(|step| step.started).chain([end]);
        self.steps.iter().zip(next).map(|(step, next)| (step, next.saturating_since(step.started)))
    }

    /// From the first packet to the report, or to the latest event.
    pub(super) fn took(&self) -> Duration {
        self.up.unwrap_or(self.last).saturating_since(self.started)
    }
}

/// The event in a person's words; `None` where there is nothing to say. `boot` is what is known
/// of the machine's boot.
pub(super) fn describe(kind: &EventKind, roles: &Roles, boot: Option<&Boot>) -> Option<What> {
    let firmware = boot.map_or(Firmware::System, |boot| boot.firmware);
    let file = |name: &str| -> Box<str> { shown_name(name).into() };
    Some(match *kind {
        EventKind::Discover { firmware, arch, .. } => {
            What::Discover { firmware, arch, boot: boot.map_or(1, |boot| boot.number) }
        }
        EventKind::Offer { address, boot_file } => What::Offer {
            firmware,
            address: IpAddr::V4(address),
            boot_file: file(boot_file.as_str()),
        },
        EventKind::ProxyOffer { boot_file } => {
            What::ProxyOffer { boot_file: file(boot_file.as_str()) }
        }
        EventKind::Request { .. } | EventKind::StoreFailed { .. } | EventKind::StoreRecovered => {
            return None;
        }
        EventKind::Ack { firmware, address, lease, boot_file } => What::Ack {
            firmware,
            address: IpAddr::V4(address),
            lease,
            boot_file: file(boot_file.as_str()),
        },
        EventKind::Nak { address } => What::Nak { address: IpAddr::V4(address) },
        EventKind::Decline { address } => What::Decline { address: IpAddr::V4(address) },
        EventKind::Release { address } => What::Release { address: IpAddr::V4(address) },
        EventKind::AddressInUse { address, station } => What::AddressInUse { address, station },
        EventKind::ForeignServer(found) => What::ForeignServer(found),
        EventKind::Pool(usage) if usage.is_news => What::Pool(usage),
        EventKind::Pool(_) => return None,
        EventKind::NoAddress => What::Diagnosis(Diagnosis::PoolExhausted),
        EventKind::NoBootProgram { arch } => What::Diagnosis(Diagnosis::NoBootProgram { arch }),
        EventKind::RouterAdvertised => What::RouterAdvertised,
        EventKind::Waited { name, waited, .. } => {
            What::Waited { name: file(name.as_str()), waited }
        }
        EventKind::SentAway { name, wait, .. } => {
            What::SentAway { name: file(name.as_str()), wait }
        }
        EventKind::TransferStarted { protocol, name, bytes } => What::Began {
            stage: roles.stage_of(name.as_str()),
            protocol,
            name: file(name.as_str()),
            bytes,
        },
        EventKind::TransferEnded { protocol, name, bytes, took, retransmits, outcome } => {
            let stage = roles.stage_of(name.as_str());
            let name = file(name.as_str());
            match outcome {
                Outcome::Completed => {
                    What::Served { stage, protocol, name, bytes, took, retransmits }
                }
                Outcome::Aborted => What::Aborted { name, bytes },
                Outcome::TimedOut => What::TimedOut { stage, name, bytes },
                Outcome::ImageUnreadable => What::Unreadable { name },
            }
        }
        EventKind::NotFound { protocol, name } => {
            What::NotFound { protocol, name: file(name.as_str()), probe: is_probe(name.as_str()) }
        }
        EventKind::Refused { protocol, name } => {
            What::Refused { protocol, name: file(name.as_str()) }
        }
        EventKind::Up => What::Up { bytes: boot.map_or(0, |boot| boot.bytes) },
    })
}

//! The way of a machine from power-on to «up»: which task follows which.

use core::fmt::Write;

use super::grub::GrubReader;
use super::intake::Taker;
use super::ipxe::IpxeReader;
use super::loaders::{GRUB_CONFIGS, PI_FILES};
use super::location::{Location, Scheme};
use super::machine::{Fate, Machine, Work};
use super::outbox::Out;
use super::pi::{PiFile, PiReader};
use super::plan::Item;
use super::settings::Expanded;
use super::step::Step;
use super::text::Text;
use super::tftp::Tftp;
use super::{Note, Reason, Stage};
use crate::model::{self, HttpHabits, Loader, TftpHabits};
use crate::time::{Duration, Instant};

/// What a machine is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    PowerOn,
    /// The firmware asks for an address.
    Dhcp,
    /// The boot program that DHCP named.
    Program,
    /// What shim looks for.
    ShimProbe(u8),
    /// shim's second stage.
    SecondStage,
    /// `autoexec.ipxe` beside the program, then at the root.
    Autoexec(u8),
    /// A file of the Pi's own.
    PiFile(u8),
    /// iPXE asks for an address.
    LoaderDhcp,
    /// iPXE waits for a router.
    Router,
    /// The script that DHCP or another script named.
    Script,
    /// What GRUB looks for.
    GrubProbe(u8),
    /// GRUB's configuration, under one name after the other.
    GrubConfig(u8),
    /// What the script names.
    Image(Item),
    /// What the system fetches; whether it is what the options name.
    Metadata(bool),
    Report,
}

/// How long a machine that vanishes stays in its last stage.
const VANISHES_WITHIN_MS: u64 = 20;

impl Task {
    const fn stage(self) -> Option<Stage> {
        Some(match self {
            Self::PowerOn => Stage::PowerOn,
            Self::Dhcp => Stage::Dhcp,
            Self::Program
            | Self::ShimProbe(_)
            | Self::SecondStage
            | Self::Autoexec(_)
            | Self::PiFile(_) => Stage::Program,
            Self::LoaderDhcp => Stage::DhcpLoader,
            Self::Router | Self::Script | Self::GrubProbe(_) | Self::GrubConfig(_) => Stage::Script,
            Self::Image(Item::Kernel) => Stage::Kernel,
            Self::Image(_) => Stage::Initrd,
            Self::Metadata(_) => Stage::Metadata,
            Self::Report => Stage::Up,
        })
    }

    /// Whether the machine can do without the file.
    fn is_optional(self) -> bool {
        match self {
            Self::ShimProbe(_) | Self::Autoexec(_) | Self::GrubProbe(_) => true,
            Self::PiFile(at) => at == 0 || PI_FILES[usize::from(at) - 1].1,
            Self::GrubConfig(at) => usize::from(at) + 1 < GRUB_CONFIGS,
            Self::PowerOn
            | Self::Dhcp
            | Self::Program
            | Self::SecondStage
            | Self::LoaderDhcp
            | Self::Router
            | Self::Script
            | Self::Image(_)
            | Self::Metadata(_)
            | Self::Report => false,
        }
    }

    /// Whether the file, unless it is a script, is the same for every machine.
    const fn is_verified(self) -> bool {
        matches!(
            self,
            Self::Program
                | Self::ShimProbe(_)
                | Self::SecondStage
                | Self::PiFile(1..)
                | Self::GrubProbe(_)
                | Self::Script
                | Self::Image(_)
        )
    }
}

/// What a script has to name.
const IMAGES: [Item; 3] = [Item::Kernel, Item::Initrd, Item::Script];

impl Machine {
    /// Begins a task, after a pause if it begins a stage.
    pub(super) fn enter(&mut self, task: Task, now: Instant) {
        self.enter_after(Duration::ZERO, task, now);
    }

    pub(super) fn enter_after(&mut self, mut pause: Duration, task: Task, now: Instant) {
        self.task = task;
        let stage = task.stage();
        if stage != self.tally.stage {
            self.begin_stage(stage, now);
            let options = &self.journey.options;
            if self.straggles && task != Task::PowerOn {
                pause += options.straggler_pause;
            }
        }
        self.pause(pause, now);
    }

    fn begin_stage(&mut self, stage: Option<Stage>, now: Instant) {
        self.end_stage(now);
        let Some(stage) = stage else { return };
        self.tally.stage = Some(stage);
        self.notes.push(Note::StageBegan(stage));
        if let Fate::Vanishes(at) = self.fate
            && at <= stage
        {
            let stay = self.rng.below(VANISHES_WITHIN_MS);
            self.fate = Fate::VanishesAt(now + Duration::from_millis(stay));
        }
    }

    fn end_stage(&mut self, now: Instant) {
        if let Some(stage) = self.tally.stage {
            let tally = &self.tally;
            let took = now.since(tally.began);
            let (retries, bytes) = (tally.retries, tally.bytes);
            self.notes.push(Note::StageEnded { stage, took, retries, bytes });
        }
        self.tally.stage = None;
        self.tally.began = now;
        (self.tally.retries, self.tally.bytes) = (0, 0);
    }

    /// Does nothing for a while, then runs the task.
    fn pause(&mut self, pause: Duration, now: Instant) {
        if pause.is_zero() {
            return self.run(now);
        }
        self.work = Work::Pausing(now + pause);
    }

    pub(super) fn vanish(&mut self) {
        if let Some(stage) = self.tally.stage.take() {
            self.notes.push(Note::Vanished(stage));
        }
        self.power_off();
    }

    fn power_off(&mut self) {
        self.work = Work::Off;
        self.tally.stage = None;
        self.fate = Fate::Lives;
        self.out.push(Out::PowerOff);
    }

    pub(super) fn die(&mut self, reason: Reason) {
        if let Some(stage) = self.tally.stage.take() {
            self.notes.push(Note::Failed { stage, reason });
        }
        self.power_off();
    }

    fn up(&mut self, now: Instant) {
        self.end_stage(now);
        self.notes.push(Note::Up);
        self.power_off();
    }

    /// Runs the task.
    pub(super) fn run(&mut self, now: Instant) {
        match self.task {
            Task::PowerOn => self.enter(Task::Dhcp, now),
            Task::Dhcp | Task::LoaderDhcp => self.begin_dhcp(now),
            Task::Router => {
                self.work = Work::Off;
                self.solicit_router(now);
            }
            Task::PiFile(0) => self.fetch(true, now),
            Task::Report if self.location.path.is_empty() => self.up(now),
            Task::Program
            | Task::ShimProbe(_)
            | Task::SecondStage
            | Task::Autoexec(_)
            | Task::PiFile(_)
            | Task::Script
            | Task::GrubProbe(_)
            | Task::GrubConfig(_)
            | Task::Image(_)
            | Task::Metadata(_)
            | Task::Report => self.fetch(false, now),
        }
    }

    fn begin_dhcp(&mut self, now: Instant) {
        self.http.close(&mut self.out);
        self.work = Work::Dhcp;
        self.location = Location::NOWHERE;
        let habits = match (self.task, self.model.loader) {
            (Task::LoaderDhcp, Loader::Ipxe { dhcp, .. }) => dhcp,
            _ => self.model.dhcp,
        };
        self.dhcp.begin(habits, &mut self.rng, &mut self.out, now);
    }

    /// Fetches what lies at the location.
    fn fetch(&mut self, looking: bool, now: Instant) {
        self.taker = match (self.task, self.model.loader) {
            (Task::Script, Loader::Grub) | (Task::GrubConfig(_), _) => {
                Taker::Grub(GrubReader::new())
            }
            (Task::Script | Task::Autoexec(_), _) => Taker::Ipxe(IpxeReader::new()),
            (Task::PiFile(1), _) => Taker::Pi(PiReader::new(PiFile::Configuration)),
            (Task::PiFile(6), _) => Taker::Pi(PiReader::new(PiFile::CommandLine)),
            _ => Taker::hash(),
        };
        let (tftp, http) = self.habits();
        let server = self.location.server;
        match self.location.scheme {
            Scheme::Tftp => {
                let local = self.dhcp.address;
                let transfer = Tftp::begin(tftp, server, local, looking, &mut self.out, now);
                self.work = Work::Tftp(transfer);
            }
            Scheme::Http => {
                self.work = Work::Http;
                self.http.begin(http, server, &mut self.out, now);
            }
        }
    }

    /// Who fetches.
    fn habits(&self) -> (&'static TftpHabits, &'static HttpHabits) {
        match (self.task, self.model.loader) {
            (Task::Metadata(_) | Task::Report, _) => (&model::IPXE_TFTP, &model::SYSTEM_HTTP),
            (Task::ShimProbe(_) | Task::SecondStage, _) => (&model::SHIM_TFTP, self.model.http),
            (Task::Autoexec(_), _) => (&model::AUTOEXEC_TFTP, &model::IPXE_HTTP),
            (Task::Program | Task::PiFile(_), _) | (_, Loader::RaspberryPi) => {
                (self.model.tftp, self.model.http)
            }
            (_, Loader::Grub) => (&model::GRUB_TFTP, &model::GRUB_HTTP),
            (_, Loader::Itself | Loader::Ipxe { .. }) => (&model::IPXE_TFTP, &model::IPXE_HTTP),
        }
    }

    /// What a part of the machine answered.
    pub(super) fn after(&mut self, step: Step, now: Instant) {
        match step {
            Step::Going => {}
            Step::Again => {
                self.tally.retries = self.tally.retries.saturating_add(1);
                if let Some(stage) = self.tally.stage {
                    self.notes.push(Note::Resent(stage));
                }
            }
            Step::ToldToWait => {
                if let Some(stage) = self.tally.stage {
                    self.notes.push(Note::ToldToWait(stage));
                }
            }
            Step::Done => self.done(now),
            Step::Missing(_) if self.task.is_optional() => self.go_on(false, now),
            Step::Missing(reason) => self.fail(reason, now),
            // iPXE goes on without its hook when nobody answers, too.
            Step::Failed(_) if matches!(self.task, Task::Autoexec(_)) => self.go_on(false, now),
            Step::Failed(reason) => self.fail(reason, now),
        }
    }

    /// Something went wrong; a script may say what then.
    fn fail(&mut self, reason: Reason, now: Instant) {
        let scripted = matches!(self.task, Task::Script | Task::Image(_));
        let again = self.script_retries < self.journey.options.script_retries_max;
        if scripted
            && again
            && let Some((wait, location)) = self.retry()
        {
            self.script_retries += 1;
            self.after(Step::Again, now);
            self.location = location;
            self.task = Task::Script;
            return self.pause(Duration::from_secs(u64::from(wait)), now);
        }
        self.die(reason);
    }

    fn retry(&self) -> Option<(u32, Location)> {
        let (wait, url) = self.plan.retry()?;
        let location = self.location.resolve(url.as_bytes())?;
        // A script without a wait comes back at once, but time must pass.
        Some((wait.max(1), location))
    }

    /// A task is done: whether the file is what it should be, then what follows.
    fn done(&mut self, now: Instant) {
        if matches!(self.work, Work::Tftp(_) | Work::Http) {
            self.intake().end();
            self.tally.bytes += self.len;
            if let Some(reason) = self.verify() {
                return self.die(reason);
            }
        }
        self.go_on(true, now);
    }

    /// What is wrong with the file.
    fn verify(&self) -> Option<Reason> {
        let announced = if matches!(self.work, Work::Http) { self.http.size() } else { None };
        if announced.is_some_and(|size| size != self.len) {
            return Some(Reason::WrongLength);
        }
        let found = self.taker.digest(self.len)?;
        if !self.task.is_verified() {
            return None;
        }
        let expected = self.journey.expected(self.location.name().as_str(), found);
        if expected.len != found.len {
            Some(Reason::WrongLength)
        } else if expected != found {
            Some(Reason::WrongBytes)
        } else {
            None
        }
    }

    /// Goes on to the next task; `found` says whether the file of this one exists.
    fn go_on(&mut self, found: bool, now: Instant) {
        match self.task {
            Task::PowerOn => self.enter(Task::Dhcp, now),
            Task::Dhcp | Task::LoaderDhcp => self.after_dhcp(now),
            Task::Program => self.after_program(now),
            Task::ShimProbe(at) => match model::SHIM_PROBES.get(usize::from(at) + 1) {
                Some(name) => self.go_beside(name, Task::ShimProbe(at + 1), now),
                None => self.go_beside("grubx64.efi", Task::SecondStage, now),
            },
            Task::SecondStage => self.begin_grub(now),
            Task::Autoexec(_) if found && self.is_script() => self.after_script(now),
            Task::Autoexec(0) => {
                let server = *self.location.server.ip();
                self.location.set_tftp(server, b"autoexec.ipxe");
                self.enter(Task::Autoexec(1), now);
            }
            Task::Autoexec(_) => self.enter(Task::LoaderDhcp, now),
            Task::PiFile(at) => self.after_pi_file(at, found, now),
            Task::Router => self.enter(Task::Script, now),
            Task::Script if self.is_script() => self.after_script(now),
            Task::Script => {
                // A boot program in the place of a script: it is iPXE again.
                self.programs += 1;
                if self.programs > 2 {
                    return self.die(Reason::BadScript);
                }
                self.enter(Task::LoaderDhcp, now);
            }
            Task::GrubProbe(at) => match usize::from(at) + 1 {
                next if next < model::GRUB_PROBES.len() => self.probe_grub(at + 1, now),
                _ => self.ask_grub_config(0, now),
            },
            Task::GrubConfig(_) if found => self.after_script(now),
            Task::GrubConfig(at) => self.ask_grub_config(at + 1, now),
            Task::Image(_) => self.next_image(now),
            Task::Metadata(last) => self.next_metadata(last, now),
            Task::Report => self.up(now),
        }
    }

    /// A GRUB configuration is always a script.
    fn is_script(&self) -> bool {
        match &self.taker {
            Taker::Ipxe(reader) => reader.is_script(),
            Taker::Grub(_) => true,
            Taker::Hash(_) | Taker::Pi(_) => false,
        }
    }

    pub(super) fn go_beside(&mut self, name: &str, task: Task, now: Instant) {
        if self.location.go_beside(name) {
            self.enter(task, now);
        } else {
            self.die(Reason::BadUrl);
        }
    }

    fn after_dhcp(&mut self, now: Instant) {
        let file = self.location.path;
        let server = self.dhcp.boot_server;
        let is_url = file.as_bytes().windows(3).any(|bytes| bytes == b"://");
        if is_url && !self.location.go(file.as_bytes()) {
            return self.die(Reason::BadUrl);
        }
        if !is_url {
            if server.is_unspecified() {
                return self.die(Reason::NoBootFile);
            }
            self.location.set_tftp(server, file.as_bytes());
        }
        let task = match (self.task, self.model.loader) {
            (Task::Dhcp, Loader::RaspberryPi) => {
                self.plan.clear();
                let mut path = Text::<32>::EMPTY;
                let [.., a, b, c, d] = self.identity.mac;
                let written = write!(path, "{a:02x}{b:02x}{c:02x}{d:02x}/start4.elf");
                debug_assert!(written.is_ok());
                self.location.set_tftp(server, path.as_bytes());
                Task::PiFile(0)
            }
            (Task::Dhcp, Loader::Ipxe { .. } | Loader::Grub) => Task::Program,
            _ if self.journey.options.ipv6 => Task::Router,
            _ => Task::Script,
        };
        self.enter(task, now);
    }

    fn after_program(&mut self, now: Instant) {
        match self.model.loader {
            Loader::Grub if self.location.file_name().windows(4).any(|part| part == b"shim") => {
                self.go_beside(model::SHIM_PROBES[0], Task::ShimProbe(0), now);
            }
            Loader::Grub => self.begin_grub(now),
            Loader::Ipxe { autoexec: true, .. } => {
                self.go_beside("autoexec.ipxe", Task::Autoexec(0), now);
            }
            Loader::Ipxe { autoexec: false, .. } | Loader::Itself | Loader::RaspberryPi => {
                self.enter(Task::LoaderDhcp, now);
            }
        }
    }

    fn after_script(&mut self, now: Instant) {
        let mut folder = Expanded::EMPTY;
        let mut location = self.location.clone();
        if location.scheme == Scheme::Http && location.go_beside("") {
            location.write(&mut folder);
            self.plan.push_url(Item::Folder, None, folder.as_bytes());
        }
        if self.plan.has_overflowed() {
            return self.die(Reason::BadScript);
        }
        if !IMAGES.into_iter().any(|item| self.plan.has(item)) {
            return self.fail(Reason::BadScript, now);
        }
        self.next_image(now);
    }

    pub(super) fn next_image(&mut self, now: Instant) {
        let Some((item, url)) = self.plan.take(&IMAGES) else {
            self.http.close(&mut self.out);
            self.plan.rewind();
            return self.next_metadata(false, now);
        };
        let task = if item == Item::Script { Task::Script } else { Task::Image(item) };
        if self.location.go(url.as_bytes()) {
            self.enter(task, now);
        } else {
            self.die(Reason::BadUrl);
        }
    }
}

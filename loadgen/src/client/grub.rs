//! GRUB configurations, read as they come in.
//!
//! Conditions count as true, and of several menu entries the first is chosen, as GRUB does by
//! itself. What comes after `boot` is for failures: the first `configfile` there, after the
//! `sleep`s before it, is where the machine tries again.

use super::cmdline;
use super::intake::Facts;
use super::plan::{Item, NO_URL, Plan};
use super::settings::{self, Expanded};
use super::words::{Language, Token, Words};

/// The reader.
#[derive(Debug)]
pub(super) struct GrubReader {
    words: Words,
    command: Command,
    count: u16,
    /// How deep in `if`s it is, and at which depth an `else` began that does not count.
    depth: u8,
    skipped: Option<u8>,
    entries: u16,
    booted: bool,
    stopped: bool,
    sleep_s: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    None,
    Other,
    Kernel,
    Initrd,
    Configuration,
    Set,
    Sleep,
    Boot,
}

impl GrubReader {
    pub(super) const fn new() -> Self {
        Self {
            words: Words::new(Language::Grub),
            command: Command::None,
            count: 0,
            depth: 0,
            skipped: None,
            entries: 0,
            booted: false,
            stopped: false,
            sleep_s: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], facts: &Facts<'_>, plan: &mut Plan) {
        while !self.stopped
            && let Some(token) = self.words.next(&mut bytes)
        {
            match token {
                Token::Word => self.on_word(facts, plan),
                Token::End => self.end_command(),
            }
        }
    }

    fn end_command(&mut self) {
        self.booted |= self.command == Command::Boot;
        self.command = Command::None;
        self.count = 0;
    }

    fn on_word(&mut self, facts: &Facts<'_>, plan: &mut Plan) {
        if self.command == Command::None {
            return self.on_first_word();
        }
        if self.skipped.is_some() {
            return;
        }
        let word = settings::grub(self.words.word().as_bytes(), facts, plan);
        self.count = self.count.saturating_add(1);
        self.on_argument(&word, facts, plan);
    }

    fn on_first_word(&mut self) {
        let word = self.words.word().as_bytes();
        match word {
            b"if" => self.depth = self.depth.saturating_add(1),
            b"then" | b"do" | b"{" | b"}" => {}
            b"else" | b"elif" => {
                self.skipped = self.skipped.or(Some(self.depth));
                if word == b"elif" {
                    self.command = Command::Other;
                }
            }
            b"fi" => {
                if self.skipped == Some(self.depth) {
                    self.skipped = None;
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b"menuentry" => {
                self.command = Command::Other;
                self.entries = self.entries.saturating_add(1);
                self.stopped = self.entries > 1;
            }
            b"linux" | b"linuxefi" | b"linux16" => self.command = Command::Kernel,
            b"initrd" | b"initrdefi" | b"initrd16" => self.command = Command::Initrd,
            b"configfile" => self.command = Command::Configuration,
            b"set" => self.command = Command::Set,
            b"sleep" => self.command = Command::Sleep,
            b"boot" => self.command = Command::Boot,
            _ => self.command = Command::Other,
        }
    }

    fn on_argument(&mut self, word: &Expanded, facts: &Facts<'_>, plan: &mut Plan) {
        let bytes = word.as_bytes();
        match (self.command, self.count) {
            (Command::Kernel, 1) if !self.booted => push_path(Item::Kernel, bytes, facts, plan),
            (Command::Kernel, _) if !self.booted => cmdline::read(bytes, plan),
            (Command::Initrd, _) if !self.booted => push_path(Item::Initrd, bytes, facts, plan),
            (Command::Configuration, 1) if !plan.has(Item::Kernel) => {
                push_path(Item::Script, bytes, facts, plan);
                self.stopped = true;
            }
            (Command::Configuration, 1) => {
                if let Some(url) = url_of(bytes, facts) {
                    plan.push_url(Item::Retry, Some(self.sleep_s), url.as_bytes());
                }
                self.stopped = true;
            }
            (Command::Set, 1) => plan.push_variable(&[bytes]),
            (Command::Sleep, 1) => {
                let seconds = word.as_str().parse().unwrap_or(0);
                self.sleep_s = self.sleep_s.saturating_add(seconds);
            }
            _ => {}
        }
    }
}

fn push_path(item: Item, path: &[u8], facts: &Facts<'_>, plan: &mut Plan) {
    match url_of(path, facts) {
        Some(url) => plan.push_url(item, None, url.as_bytes()),
        // It fails when its turn comes.
        None => plan.push_url(item, None, NO_URL),
    }
}

/// What GRUB calls `(tftp,10.0.0.1)/path`, or `/path` for the device that it came from.
fn url_of(path: &[u8], facts: &Facts<'_>) -> Option<Expanded> {
    let mut reference = Expanded::EMPTY;
    match path {
        [b'(', rest @ ..] => {
            let close = rest.iter().position(|byte| *byte == b')')?;
            let (device, path) = (&rest[..close], &rest[close + 1..]);
            let comma = device.iter().position(|byte| *byte == b',');
            if let Some((scheme @ (b"tftp" | b"http"), server)) =
                comma.map(|at| (&device[..at], &device[at + 1..]))
            {
                reference.extend(scheme);
                reference.extend(b"://");
                reference.extend(server);
            }
            reference.extend(path);
        }
        path => reference.extend(path),
    }
    let mut url = Expanded::EMPTY;
    facts.location.resolve(reference.as_bytes())?.write(&mut url);
    Some(url)
}

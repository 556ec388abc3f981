//! iPXE scripts, read as they come in.
//!
//! A script is read once, so what a machine does is what the lines say when every fetch succeeds.
//! What comes after `boot` is for failures: the first `chain` there, after the `sleep`s before it,
//! is where the machine tries again. Jumps go forward only.

use xxhash_rust::xxh3::xxh3_64;

use super::cmdline;
use super::intake::Facts;
use super::plan::{Item, NO_URL, Plan};
use super::settings::{self, Expanded};
use super::text::Text;
use super::words::{Language, Token, Words};

/// The reader.
#[derive(Debug)]
pub(super) struct IpxeReader {
    words: Words,
    magic: Magic,
    command: Command,
    /// Words of the command so far, without options.
    count: u16,
    /// Whether the next word belongs to the option before it.
    option_value: bool,
    skip: Skip,
    /// Whether the last command succeeded.
    ok: bool,
    argument: u64,
    /// What `set` sets.
    name: Text<24>,
    /// Whether the system would have started.
    booted: bool,
    stopped: bool,
    sleep_s: u32,
}

/// How much of `#!ipxe` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magic {
    Coming(u8),
    Good,
}

/// The file is no script.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoScript<'b> {
    /// What was read of it before.
    pub(super) seen: &'static [u8],
    /// What follows.
    pub(super) rest: &'b [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    None,
    Other,
    Kernel,
    Initrd,
    Chain,
    Boot,
    Set,
    IsSet,
    IsEqual,
    Sleep,
    Goto,
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// Until `||` or the end of the line.
    ToOr,
    Line,
    ToLabel(u64),
}

const MAGIC: &[u8] = b"#!ipxe";

impl IpxeReader {
    pub(super) const fn new() -> Self {
        Self {
            words: Words::new(Language::Ipxe),
            magic: Magic::Coming(0),
            command: Command::None,
            count: 0,
            option_value: false,
            skip: Skip::Nothing,
            ok: true,
            argument: 0,
            name: Text::EMPTY,
            booted: false,
            stopped: false,
            sleep_s: 0,
        }
    }

    /// Whether the file is a script at all.
    pub(super) fn is_script(&self) -> bool {
        self.magic == Magic::Good
    }

    /// Reads on.
    ///
    /// # Errors
    /// [`NoScript`], after which there is nothing to read.
    pub(super) fn feed<'b>(
        &mut self,
        mut bytes: &'b [u8],
        facts: &Facts<'_>,
        plan: &mut Plan,
    ) -> Result<(), NoScript<'b>> {
        while let Magic::Coming(count) = self.magic {
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            self.magic = match MAGIC.get(usize::from(count)) {
                Some(expected) if byte == expected => Magic::Coming(count + 1),
                None if byte.is_ascii_whitespace() => Magic::Good,
                _ => return Err(NoScript { seen: &MAGIC[..usize::from(count)], rest: bytes }),
            };
            bytes = rest;
        }
        if self.stopped {
            return Ok(());
        }
        while let Some(token) = self.words.next(&mut bytes) {
            match token {
                Token::Word => self.on_word(facts, plan),
                Token::End => self.on_end(),
            }
        }
        Ok(())
    }

    fn on_end(&mut self) {
        self.end_command();
        match self.skip {
            Skip::Nothing | Skip::ToOr if !self.ok => self.stopped = true,
            Skip::Line | Skip::ToOr => self.skip = Skip::Nothing,
            Skip::Nothing | Skip::ToLabel(_) => {}
        }
    }

    fn on_word(&mut self, facts: &Facts<'_>, plan: &mut Plan) {
        if self.stopped {
            return;
        }
        let word = settings::ipxe(self.words.word().as_bytes(), facts, plan);
        match (self.skip, word.as_bytes()) {
            (_, []) => {}
            (Skip::ToLabel(label), [b':', name @ ..])
                if self.count == 0 && xxh3_64(name) == label =>
            {
                self.skip = Skip::Line;
            }
            (Skip::ToLabel(_), _) => self.count = 1,
            (Skip::ToOr, b"||") => {
                self.skip = Skip::Nothing;
                // Nothing at all is good, too.
                self.ok = true;
                self.begin_command();
            }
            (Skip::Line | Skip::ToOr, _) => {}
            (Skip::Nothing, b"||") => {
                self.end_command();
                if self.skip == Skip::Nothing && self.ok {
                    self.skip = Skip::Line;
                }
                self.ok = true;
            }
            (Skip::Nothing, b"&&") => {
                self.end_command();
                if self.skip == Skip::Nothing && !self.ok {
                    self.skip = Skip::ToOr;
                }
            }
            (Skip::Nothing, b";") => self.end_command(),
            (Skip::Nothing, _) => self.on_plain_word(&word, facts, plan),
        }
    }

    const fn begin_command(&mut self) {
        self.command = Command::None;
        self.count = 0;
        self.option_value = false;
    }

    fn on_plain_word(&mut self, word: &Expanded, facts: &Facts<'_>, plan: &mut Plan) {
        let bytes = word.as_bytes();
        if self.command == Command::None {
            self.command = command(bytes);
            if bytes[0] == b':' {
                self.skip = Skip::Line;
            }
            return;
        }
        if core::mem::take(&mut self.option_value) {
            return;
        }
        if self.count == 0 && bytes[0] == b'-' {
            self.option_value = matches!(bytes, b"-n" | b"--name" | b"-t" | b"--timeout");
            return;
        }
        self.count = self.count.saturating_add(1);
        self.on_argument(word, facts, plan);
    }

    fn on_argument(&mut self, word: &Expanded, facts: &Facts<'_>, plan: &mut Plan) {
        let bytes = word.as_bytes();
        match (self.command, self.count) {
            (Command::Kernel, 1) if !self.booted => push_url(Item::Kernel, bytes, facts, plan),
            (Command::Kernel, _) if !self.booted => cmdline::read(bytes, plan),
            (Command::Initrd, 1) if !self.booted => push_url(Item::Initrd, bytes, facts, plan),
            (Command::Chain, 1) if !self.booted => push_url(Item::Script, bytes, facts, plan),
            // Anything else is the name of an image that is there already.
            (Command::Boot, 1) if !self.booted && bytes.windows(3).any(|w| w == b"://") => {
                push_url(Item::Script, bytes, facts, plan);
            }
            (Command::Chain, 1) => {
                let mut url = Expanded::EMPTY;
                if let Some(location) = facts.location.resolve(bytes) {
                    location.write(&mut url);
                    plan.push_url(Item::Retry, Some(self.sleep_s), url.as_bytes());
                }
                self.stopped = true;
            }
            (Command::Set, 1) => {
                self.name.set(bytes.split(|byte| *byte == b':').next().unwrap_or_default());
            }
            (Command::Set, 2) => {
                plan.push_variable(&[self.name.as_bytes(), b"=", bytes]);
            }
            (Command::IsEqual, 1) => self.argument = xxh3_64(bytes),
            (Command::IsEqual, 2) => self.argument ^= xxh3_64(bytes),
            (Command::Sleep, 1) if self.booted => {
                let seconds = word.as_str().parse().unwrap_or(0);
                self.sleep_s = self.sleep_s.saturating_add(seconds);
            }
            (Command::Goto, 1) => self.argument = xxh3_64(bytes),
            _ => {}
        }
    }

    fn end_command(&mut self) {
        let count = self.count;
        match self.command {
            Command::None => return self.begin_command(),
            Command::IsSet => self.ok = count > 0,
            Command::IsEqual => self.ok = count == 2 && self.argument == 0,
            Command::Goto if !self.booted => self.skip = Skip::ToLabel(self.argument),
            Command::Boot | Command::Chain => self.booted = true,
            Command::Exit => self.stopped = true,
            Command::Other
            | Command::Kernel
            | Command::Initrd
            | Command::Set
            | Command::Sleep
            | Command::Goto => self.ok = true,
        }
        self.begin_command();
    }
}

fn command(word: &[u8]) -> Command {
    match word {
        b"kernel" => Command::Kernel,
        b"initrd" | b"module" | b"imgfetch" => Command::Initrd,
        b"chain" => Command::Chain,
        b"boot" | b"imgexec" => Command::Boot,
        b"set" => Command::Set,
        b"isset" => Command::IsSet,
        b"iseq" => Command::IsEqual,
        b"sleep" => Command::Sleep,
        b"goto" => Command::Goto,
        b"exit" | b"shell" | b"reboot" | b"poweroff" | b"sanboot" => Command::Exit,
        _ => Command::Other,
    }
}

fn push_url(item: Item, reference: &[u8], facts: &Facts<'_>, plan: &mut Plan) {
    let mut url = Expanded::EMPTY;
    match facts.location.resolve(reference) {
        Some(location) => {
            location.write(&mut url);
            plan.push_url(item, None, url.as_bytes());
        }
        // It fails when its turn comes.
        None => plan.push_url(item, None, NO_URL),
    }
}

//! The one way to standard output and standard error.
//!
//! Lines about boots go to standard output, messages to standard error. Where standard output
//! is a terminal, a block below them shows the machines that are booting right now; it is taken
//! away before anything else is written and put back after it, so nothing ever runs into it.

mod boots;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::tcgetwinsize;

pub use self::boots::{Boots, Style};

/// Rows and columns of a terminal that does not tell.
const SIZE_DEFAULT: (u16, u16) = (24, 80);

/// A handle on the process's output; clones are the same output.
#[derive(Clone)]
pub struct Terminal(Arc<Mutex<Screen>>);

struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    traits: Traits,
    size: fn() -> (u16, u16),
    block: Vec<String>,
    /// Rows of the block that are on the screen now.
    drawn: usize,
}

/// What standard output and standard error lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Standard output is a terminal that understands cursor movements.
    pub live: bool,
    /// Colours on standard output.
    pub colour_out: bool,
    /// Colours on standard error.
    pub colour_err: bool,
    /// Standard error is a terminal.
    pub watched: bool,
    /// Standard error goes to the journal of systemd, which keeps times and levels itself.
    pub journal: bool,
}

impl Traits {
    fn of_process() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = able && !set("NO_COLOR");
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            live: out && able,
            colour_out: out && colour,
            colour_err: err && colour,
            watched: err,
            journal: leads_to_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()),
        }
    }
}

/// Whether standard error is the stream that systemd named in the environment: children of a
/// service inherit the name, and may have been sent elsewhere.
fn leads_to_journal(stream: Option<&str>) -> bool {
    let named = stream.and_then(|text| {
        let (device, inode) = text.split_once(':')?;
        Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?))
    });
    let ours = rustix::fs::fstat(io::stderr()).map(|stat| (stat.st_dev, stat.st_ino));
    named.is_some_and(|named| ours == Ok(named))
}

impl Terminal {
    /// The output of this process.
    pub fn of_process() -> Self {
        let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self::new(out, err, Traits::of_process(), window_size)
    }

    fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        traits: Traits,
        size: fn() -> (u16, u16),
    ) -> Self {
        let screen = Screen { out, err, traits, size, block: Vec::new(), drawn: 0 };
        Self(Arc::new(Mutex::new(screen)))
    }

    /// What the output leads to.
    pub fn traits(&self) -> Traits {
        self.with(|screen| screen.traits)
    }

    /// Columns of the terminal, or of the usual one where there is none.
    pub fn columns(&self) -> u16 {
        self.with(|screen| (screen.size)().1)
    }

    /// Writes a line (or several) to standard output.
    pub fn line(&self, text: &str) {
        self.with(|screen| screen.print(|out, _| writeln!(out, "{text}")));
    }

    /// Writes messages, with their line ends, to standard error.
    pub fn message(&self, bytes: &[u8]) {
        self.with(|screen| screen.print(|_, err| err.write_all(bytes)));
    }

    /// Shows these lines below everything else from now on; none takes the block away. Does
    /// nothing where standard output is no terminal.
    pub fn show(&self, block: Vec<String>) {
        self.with(|screen| {
            if screen.traits.live && screen.block != block {
                screen.block = block;
                screen.print(|_, _| Ok(()));
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Screen) -> T) -> T {
        // A panic while writing leaves at worst half a line behind.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Screen {
    /// Takes the block away, lets `write` write, and puts the block back.
    fn print(&mut self, write: impl FnOnce(&mut dyn Write, &mut dyn Write) -> io::Result<()>) {
        // Whoever reads us may be gone (`reveille boot … | head`); boots go on all the same.
        let _gone = self.try_print(write);
    }

    fn try_print(
        &mut self,
        write: impl FnOnce(&mut dyn Write, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.drawn > 0 {
            // To the first column so many rows up, then clear everything from there on.
            write!(self.out, "\x1b[{}F\x1b[J", self.drawn)?;
            self.out.flush()?;
            self.drawn = 0;
        }
        write(&mut self.out, &mut self.err)?;
        if !self.block.is_empty() {
            let (rows, columns) = (self.size)();
            let rows = usize::from(rows).saturating_sub(2).max(1);
            let text = layout(&self.block, rows, usize::from(columns));
            self.drawn = text.len();
            let mut bytes = text.join("\n");
            bytes.push('\n');
            self.out.write_all(bytes.as_bytes())?;
        }
        self.out.flush()
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// At most `rows` of the lines, none wider than the screen: a line that wraps would take two
/// rows and spoil the count.
fn layout(block: &[String], rows: usize, columns: usize) -> Vec<String> {
    let width = columns.saturating_sub(1).max(1);
    let cut = |line: &String| line.chars().take(width).collect::<String>();
    if block.len() <= rows {
        return block.iter().map(cut).collect();
    }
    let shown = rows - 1;
    let more = format!("… and {} more", block.len() - shown);
    block.iter().take(shown).map(cut).chain([cut(&more)]).collect()
}

fn window_size() -> (u16, u16) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        Ok(_) | Err(_) => SIZE_DEFAULT,
    }
}

/// Puts colours around words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// Success.
    Green,
    /// Names of stages.
    Cyan,
    /// What is not so important.
    Dim,
    /// What is.
    Bold,
}

impl Paint {
    /// `text` in this colour, or as it is.
    pub fn paint(self, text: &str, colour: bool) -> String {
        if !colour {
            return text.to_owned();
        }
        let code = match self {
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Green => "1;32",
            Self::Cyan => "36",
            Self::Dim => "2",
            Self::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests;

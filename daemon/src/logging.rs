//! Messages: lines that an operator can read, or JSON for machines.
//!
//! Text goes to standard error as `warning: …` with advice below. In the journal of systemd a
//! line begins with its priority instead, and with neither terminal nor journal with the time.

use std::fmt::{self, Write};
use std::io;
use std::sync::OnceLock;

use anyhow::{Context, anyhow};
use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::site::LogFormat;
use crate::terminal::{Paint, Terminal, Traits};

/// The target of lines about boots: their text says everything that their fields say.
pub const BOOT: &str = "reveille::boot";

/// The variable that overrides what is logged.
pub const VARIABLE: &str = "REVEILLE_LOG";

/// What [`start`] was given.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// How this process logs; nothing before [`start`].
pub fn format() -> Option<LogFormat> {
    FORMAT.get().copied()
}

/// Starts logging for the whole process.
///
/// What is logged comes from, in this order, [`VARIABLE`], `-v` on the command line
/// (`verbosity`), the configuration's `filter`, and `info`.
///
/// # Errors
/// If a filter makes no sense.
pub fn start(
    format: LogFormat,
    verbosity: u8,
    filter: Option<&str>,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let filter = directives(std::env::var(VARIABLE).ok().as_deref(), verbosity, filter)?;
    FORMAT.get_or_init(|| format);
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(Messages(terminal.clone()));
    match format {
        LogFormat::Text => {
            builder.event_format(Lines { traits: terminal.traits(), clock: now }).init();
        }
        LogFormat::Json => {
            builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .init();
        }
    }
    Ok(())
}

fn directives(
    variable: Option<&str>,
    verbosity: u8,
    configured: Option<&str>,
) -> anyhow::Result<EnvFilter> {
    let parse = |text: &str, whence: &str| {
        // A word alone would be taken as the name of a module.
        let alone = text
            .split(',')
            .find(|part| !part.contains('=') && part.trim().parse::<LevelFilter>().is_err());
        let filter = match alone {
            Some(word) => Err(anyhow!("{word:?} is no level")),
            None => EnvFilter::builder().parse(text).map_err(anyhow::Error::from),
        };
        filter.with_context(|| {
            format!("{whence} is {text:?}: expected a level (error, warn, info, debug, trace)")
        })
    };
    // What the embedded database says of its files is told in words of ours where it matters.
    let quiet = |filter: EnvFilter| -> anyhow::Result<EnvFilter> {
        Ok(filter.add_directive("fjall=off".parse()?).add_directive("lsm_tree=off".parse()?))
    };
    match (variable, verbosity, configured) {
        (Some(text), _, _) if !text.is_empty() => parse(text, VARIABLE),
        (_, 0, Some(text)) if text.contains("fjall") => parse(text, "log.level"),
        (_, 0, Some(text)) => parse(text, "log.level").and_then(quiet),
        (_, 0, None) => parse("info", "").and_then(quiet),
        (_, 1, _) => parse("info,reveille=debug,reveille_runtime=debug", "").and_then(quiet),
        (_, _, _) => parse("debug,reveille=trace,reveille_runtime=trace", ""),
    }
}

fn now() -> String {
    Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Gives a writer for each message.
struct Messages(Terminal);

impl<'w> MakeWriter<'w> for Messages {
    type Writer = Message;

    fn make_writer(&'w self) -> Message {
        Message { terminal: self.0.clone(), bytes: Vec::new() }
    }
}

/// Collects one message and hands it over whole.
struct Message {
    terminal: Terminal,
    bytes: Vec<u8>,
}

impl io::Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.terminal.message(&self.bytes);
        }
    }
}

/// Messages as lines for people.
struct Lines {
    traits: Traits,
    clock: fn() -> String,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields =
            Fields { told_in_text: event.metadata().target() == BOOT, ..Fields::default() };
        event.record(&mut fields);
        writer.write_str(&self.line(*event.metadata().level(), &fields))
    }
}

impl Lines {
    fn line(&self, level: Level, fields: &Fields) -> String {
        let Traits { colour_err: colour, journal, watched, .. } = self.traits;
        let mut line = String::new();
        let dim = |text: &str| Paint::Dim.paint(text, colour);
        let (priority, word) = match level {
            Level::ERROR => (3, Paint::Red.paint("error: ", colour)),
            Level::WARN => (4, Paint::Yellow.paint("warning: ", colour)),
            Level::INFO => (6, String::new()),
            Level::DEBUG => (7, dim("debug: ")),
            Level::TRACE => (7, dim("trace: ")),
        };
        let prefix = if journal { format!("<{priority}>") } else { String::new() };
        // A terminal has its own clock beside it; a file has not.
        let stamp = if journal || watched { String::new() } else { format!("{} ", (self.clock)()) };
        let word = if journal { String::new() } else { word };
        // Writing to a string cannot fail.
        let _infallible = writeln!(line, "{prefix}{stamp}{word}{}{}", fields.message, fields.rest);
        if let Some(help) = &fields.help {
            let head = Paint::Cyan.paint("  help: ", colour);
            let _infallible = writeln!(line, "{prefix}{head}{help}");
        }
        line
    }
}

/// What an event carries, sorted.
#[derive(Debug, Default)]
struct Fields {
    told_in_text: bool,
    message: String,
    help: Option<String>,
    rest: String,
}

impl Fields {
    fn take(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        match field.name() {
            "message" => self.message = value.to_string(),
            "help" => self.help = Some(value.to_string()),
            _ if self.told_in_text => {}
            name => {
                let open = if self.rest.pop().is_some() { ", " } else { " (" };
                // Writing to a string cannot fail.
                let _infallible = write!(self.rest, "{open}{name} {value})");
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(traits: Traits) -> Lines {
        Lines { traits, clock: || "2026-01-02 03:04:05.678".to_owned() }
    }

    fn warning() -> Fields {
        Fields {
            message: "no address is left".to_owned(),
            help: Some("make the pool larger".to_owned()),
            rest: " (pool 10.0.0.1)".to_owned(),
            told_in_text: false,
        }
    }

    #[test]
    fn a_file_gets_the_time_and_the_journal_its_priority() {
        assert_eq!(
            lines(Traits::default()).line(Level::WARN, &warning()),
            "2026-01-02 03:04:05.678 warning: no address is left (pool 10.0.0.1)\n  \
             help: make the pool larger\n"
        );
        assert_eq!(
            lines(Traits { journal: true, ..Traits::default() }).line(Level::WARN, &warning()),
            "<4>no address is left (pool 10.0.0.1)\n<4>  help: make the pool larger\n"
        );
    }

    #[test]
    fn a_terminal_gets_colours_and_no_time() {
        let traits = Traits { colour_err: true, watched: true, ..Traits::default() };
        let line = lines(traits).line(Level::INFO, &Fields { help: None, ..warning() });
        assert_eq!(line, "no address is left (pool 10.0.0.1)\n");
        assert!(
            lines(traits).line(Level::WARN, &warning()).starts_with("\x1b[33mwarning: \x1b[0m")
        );
    }

    #[test]
    fn the_loudest_wish_wins_and_nonsense_is_refused() {
        let text = |variable, verbosity, configured| {
            directives(variable, verbosity, configured).unwrap().to_string()
        };
        assert_eq!(text(None, 0, None), "lsm_tree=off,fjall=off,info");
        assert_eq!(text(None, 0, Some("warn")), "lsm_tree=off,fjall=off,warn");
        assert!(text(None, 1, Some("warn")).contains("reveille=debug"));
        assert_eq!(text(Some("error"), 2, Some("warn")), "error");
        for nonsense in ["reveille=loud", "loud", "info,loud"] {
            let error = directives(Some(nonsense), 0, None).unwrap_err();
            let start = format!("REVEILLE_LOG is {nonsense:?}: expected a level");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
}

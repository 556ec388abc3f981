//! The program: takes the command line apart, runs what it says, and words failures.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use mimalloc::MiMalloc;
use reveille::args::{BootArgs, CheckArgs, Cli, Command, CompletionsArgs, LogArgs, ServeArgs};
use reveille::check::Surroundings;
use reveille::host::Host;
use reveille::images::Sources;
use reveille::privileges::User;
use reveille::serve::{self, Explained, Options, Origin, Refused};
use reveille::site::LogFormat;
use reveille::terminal::{Paint, Style, Terminal};
use reveille::{boot, check, config, explain, images, leases, logging, quirks, status};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Ends with status 2 and the usage if the command line makes no sense.
    let Cli { command, log } = Cli::parse();
    let terminal = Terminal::of_process();
    // Its status 1 has another meaning.
    let explains = matches!(command, Command::Explain(_));
    let failed = if explains { ExitCode::from(2) } else { ExitCode::FAILURE };
    let done = match command {
        Command::Boot(args) => run_boot(&args, log, &terminal).map(succeeded),
        Command::Serve(args) => run_serve(&args, log, &terminal).map(succeeded),
        Command::Check(args) => run_check(&args, &terminal).map(succeeded),
        Command::Status(args) => status::run(&args, &terminal),
        Command::Leases(args) => leases::run(&args, &terminal).map(succeeded),
        Command::Explain(args) => explain::run(&args, &terminal),
        Command::Quirks(args) => quirks::run(&args, &terminal).map(succeeded),
        Command::Completions(args) => print_completions(&args).map(succeeded),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tell(&error, log, &terminal);
            failed
        }
    }
}

const fn succeeded((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// Says why the program ends, in the form of all its messages.
fn tell(error: &anyhow::Error, log: LogArgs, terminal: &Terminal) {
    let wanted = logging::format().or_else(|| log.log_format.map(LogFormat::from));
    let is_json = wanted == Some(LogFormat::Json);
    // The command line may have been understood and the configuration not.
    if is_json
        && (logging::format().is_some()
            || logging::start(LogFormat::Json, log.verbose, None, terminal).is_ok())
    {
        let text = words(error, false);
        let text = text.trim_end();
        tracing::error!("{}", text.strip_prefix("error: ").unwrap_or(text));
        return;
    }
    terminal.message(words(error, terminal.traits().colour_err).as_bytes());
}

fn run_boot(args: &BootArgs, log: LogArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let format = log.log_format.map_or(LogFormat::Text, LogFormat::from);
    logging::start(format, log.verbose, None, terminal)?;
    let user = args.user.as_deref().map(User::find).transpose()?;
    let described =
        boot::describe(args).map_err(|problems| Refused::new(&problems, None, terminal))?;
    for note in &described.notes {
        tracing::info!("{note}");
    }
    serve::report(&described.warnings, None);
    serve::run(Options {
        origin: Origin::CommandLine(Box::new(described.site.clone())),
        site: described.site,
        source: None,
        terminal: terminal.clone(),
        style: if format == LogFormat::Json { Style::Messages } else { Style::Lines },
        user,
        exit_when_up: args.exit_when_up,
    })
}

fn run_serve(args: &ServeArgs, log: LogArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let loaded = config::load(&args.config)
        .map_err(|failure| Refused::report(failure.report(terminal.traits().colour_err)))?;
    let config::Configuration { site, source } = loaded;
    let format = log.log_format.map_or(site.log.format, LogFormat::from);
    logging::start(format, log.verbose, site.log.filter.as_deref(), terminal)?;
    let user = args.user.as_deref().map(User::find).transpose()?;
    serve::run(Options {
        origin: Origin::File(args.config.clone()),
        site,
        source: Some(source),
        terminal: terminal.clone(),
        style: Style::Messages,
        user,
        exit_when_up: None,
    })
}

fn run_check(args: &CheckArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let host = Host::read().context("cannot list the interfaces of this host")?;
    let around =
        Surroundings { host: &host, system: Path::new("/"), colour: terminal.traits().colour_err };
    let verdict = check::check(args.file(), &around, |site, named| {
        images::survey(&Sources { root: site.images.root.clone(), named })
    });
    if !verdict.good {
        return Err(Refused::report(verdict.text).into());
    }
    terminal.line(verdict.text.trim_end());
    Ok(())
}

fn print_completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reveille", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}

/// A failure as a person reads it: what, why, and what to do.
fn words(error: &anyhow::Error, colour: bool) -> String {
    // A report has its own heads and marks.
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return format!("{refused}\n");
    }
    let mut text = Paint::Red.paint("error", colour);
    for (at, cause) in error.chain().enumerate() {
        text.push_str(if at == 0 { ": " } else { "\n  because: " });
        text.push_str(&cause.to_string());
    }
    let help = error.chain().find_map(|cause| cause.downcast_ref::<Explained>()?.help.as_deref());
    if let Some(help) = help {
        text.push_str(&format!("\n  {}: {help}", Paint::Cyan.paint("help", colour)));
    }
    text.push('\n');
    text
}

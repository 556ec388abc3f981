//! What the commands do, and what they print.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod parts;
mod storm;

use std::process::ExitCode;

use crate::args::{Args, Command};

/// Does what the command line says. The exit code is 0 only if nothing failed that was not meant
/// to.
///
/// # Errors
/// What kept it from being done at all.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let good = match args.command {
        Command::Storm(args) => storm::storm(&args)?,
        Command::Lab(args) => storm::lab(&args)?,
        Command::Compare(args) => storm::compare(&args)?,
        Command::Dhcp(args) => parts::dhcp(args)?,
        Command::Tftp(args) => parts::tftp(args)?,
        Command::Http(args) => parts::http(args)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

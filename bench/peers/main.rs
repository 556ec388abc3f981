//! Reveille beside the servers it is to replace and beside what the kernel allows, in turn, in
//! one run.
//!
//! ```text
//! cargo build --release -p reveille -p reveille-ceilings -p reveille-peers
//! target/release/peers --help
//! ```
//!
//! Server and clients live in two network namespaces that are joined by a veth pair and have no
//! other way out. The server is started anew for each figure and pinned to core 0, the clients
//! are pinned to core 1. CPU is user and system time of the server's processes; on a veth pair
//! that includes the delivery to the receiver's socket.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod comparisons;
mod contest;
mod dhcp;
mod http;
mod meter;
mod notes;
mod pair;
mod storm;
mod tftp;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser};
use comparisons::COMPARISONS;
use notes::Notes;
use storm::Storm;

/// Reveille beside its peers and the kernel's ceilings, in turn, in one run.
#[derive(Debug, Parser)]
#[command(after_help = comparisons::list())]
struct Arguments {
    /// What to compare, by name or by the beginning of names.
    #[arg(required = true)]
    comparisons: Vec<String>,
    /// Rounds of each comparison.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these contenders.
    #[arg(long)]
    only: Vec<String>,
    /// Leave out the round in which system calls are counted.
    #[arg(long)]
    uncounted: bool,
    /// Also write each comparison into a dated file of this folder (bench/runs).
    #[arg(long)]
    save: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// How large comparisons are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How long `dhcp-endurance` lasts, and each load of `dhcp-durable…`.
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    #[command(flatten)]
    pub(crate) storm: Storm,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let words = &arguments.comparisons;
    let mut count = 0;
    for comparison in
        COMPARISONS.iter().filter(|one| words.iter().any(|word| one.is_meant_by(word)))
    {
        count += 1;
        let notes = Notes::take();
        let date = notes.date();
        let contest = (comparison.contest)(&arguments.options);
        let results = contest.run(arguments.rounds, &arguments.only, !arguments.uncounted);
        let mut report = String::new();
        write!(report, "{results}\n{}", notes.finish()).expect("a string takes everything");
        println!("\n{report}");
        if let Some(folder) = &arguments.save {
            save(folder, &format!("{date}-{}.txt", comparison.name), &report);
        }
    }
    if count == 0 {
        println!("{}", comparisons::list());
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn save(folder: &Path, name: &str, report: &str) {
    fs::create_dir_all(folder).expect("the folder for results can be made");
    fs::write(folder.join(name), report).expect("the folder for results can be written to");
}

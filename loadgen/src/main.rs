//! The command line of the load generator.

use std::process::ExitCode;

use clap::Parser;
use reveille_loadgen::args::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    reveille_loadgen::stop::on_signals();
    match reveille_loadgen::run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}

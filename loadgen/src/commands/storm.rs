//! Storms, and what is said about them.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;

use crate::args::{CompareArgs, FleetArgs, LabArgs, StormArgs};
use crate::client::Machine;
use crate::fleet::Fleet;
use crate::lab::{self, Lab};
use crate::record::{Member, Plan, Run};
use crate::report::{self, Comparison};
use crate::scenario::Scenario;
use crate::{host, stop};

pub(super) fn storm(args: &StormArgs) -> anyhow::Result<bool> {
    let scenario = args.fleet.scenario(&args.interface, args.server, &args.pid);
    check(&args.fleet, &scenario)?;
    if let Some(core) = args.fleet.core {
        host::pin(core)?;
    }
    let whom = args.server.map_or("any server".to_owned(), |server| server.to_string());
    execute(&args.fleet, &scenario, &whom)
}

pub(super) fn lab(args: &LabArgs) -> anyhow::Result<bool> {
    let ours = args.fleet.core.unwrap_or(host::cores() - 1);
    let mut theirs = args.server_cores.clone();
    if theirs.is_empty() {
        theirs = (0..host::cores()).filter(|core| *core != ours).collect();
    }
    if theirs.is_empty() {
        theirs.push(ours);
    }
    let theirs = host::processors(&theirs).context("--server-cores")?;
    host::processors(&[ours]).context("--core")?;
    ensure!(
        args.fleet.clients <= lab::MACHINES_MAX,
        "{} machines: the lab's network has addresses for {}",
        args.fleet.clients,
        lab::MACHINES_MAX
    );
    check(&args.fleet, &args.fleet.scenario(lab::INTERFACE, Some(lab::SERVER), &[]))?;
    let lab = Lab::new()?;
    // A server that does not start says why, also to those who keep no log.
    let unkept = tempfile::NamedTempFile::new()?;
    let log = args.log.as_deref().unwrap_or(unkept.path());
    let server = lab.serve(&args.command, theirs, log, args.patience)?;
    lab.enter()?;
    host::pin(ours)?;
    let scenario = args.fleet.scenario(lab::INTERFACE, Some(lab::SERVER), &[server.pid()]);
    execute(&args.fleet, &scenario, server.name())
}

pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<bool> {
    let (a, b) = (report::json::read(&args.a)?, report::json::read(&args.b)?);
    let comparison = Comparison::new(&a, &b);
    if let Some(path) = &args.html {
        report::html::write(&report::html::comparison(&comparison)?, path)?;
    }
    say(&comparison.terminal())?;
    if let Some(path) = &args.html {
        say(&format!("with pictures: {}\n", path.display()))?;
    }
    Ok(true)
}

/// Prints, unless the reader has gone.
fn say(text: &str) -> std::io::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Finds what would fail in the end before anything begins.
fn check(args: &FleetArgs, scenario: &Scenario) -> anyhow::Result<()> {
    scenario.check()?;
    for path in [&args.json, &args.html].into_iter().flatten() {
        check_writable(path)?;
    }
    ensure!(args.json.is_none() || args.json != args.html, "--json and --html name the same file");
    Ok(())
}

/// Runs a storm and reports it. Whether all came up that were meant to.
fn execute(args: &FleetArgs, scenario: &Scenario, whom: &str) -> anyhow::Result<bool> {
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    let journey = Arc::new(args.journey());
    let fleet = Fleet::new(scenario, &journey, |machines, kinds| {
        plan(args, scenario, whom, machines, kinds)
    })?;
    let run = fleet.run(bar)?;
    if stop::requested() {
        eprintln!("interrupted: this is what there is");
    }
    // Before anything is printed: whoever reads that may stop reading.
    write(args, &run)?;
    say(&report::terminal::report(&run))?;
    for (what, path) in [("record", &args.json), ("report with pictures", &args.html)] {
        if let Some(path) = path {
            say(&format!("{what}: {}\n", path.display()))?;
        }
    }
    Ok(run.machines.all.failed == 0 && run.machines.all.unfinished == 0)
}

fn plan(
    args: &FleetArgs,
    scenario: &Scenario,
    whom: &str,
    machines: &[Machine],
    kinds: &[u8],
) -> Plan {
    let members = machines.iter().zip(kinds).map(|(machine, kind)| Member {
        mac: machine.identity().mac,
        model: *kind,
        is_straggler: machine.is_straggler(),
    });
    Plan {
        title: format!("{} machines ({}) against {whom}", args.clients, args.profile.0),
        started: jiff::Timestamp::now().to_string(),
        scenario: args.settings(),
        host: host::describe(),
        machines: members.collect(),
        models: scenario.mix.models().map(|model| model.name.to_owned()).collect(),
    }
}

fn write(args: &FleetArgs, run: &Run) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        report::json::write(run, path)?;
    }
    if let Some(path) = &args.html {
        report::html::write(&report::html::report(run)?, path)?;
    }
    Ok(())
}

/// Ten minutes of work should not end with a typing error.
fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "{}: there is no folder {}", path.display(), folder.display());
    ensure!(!path.is_dir(), "{} is a folder: name a file in it", path.display());
    Ok(())
}

//! Storms, and what is said about them.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

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
    let theirs = host::processors(&theirs)?;
    let lab = Lab::new()?;
    let server = lab.serve(&args.command, theirs, &args.log, args.patience)?;
    lab.enter()?;
    host::pin(ours)?;
    let scenario = args.fleet.scenario(lab::INTERFACE, Some(lab::SERVER), &[server.pid()]);
    execute(&args.fleet, &scenario, server.name())
}

pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<bool> {
    let (a, b) = (report::json::read(&args.a)?, report::json::read(&args.b)?);
    let comparison = Comparison::new(&a, &b);
    print!("{}", comparison.terminal());
    if let Some(path) = &args.html {
        report::html::write(&report::html::comparison(&comparison)?, path)?;
        println!("with pictures: {}", path.display());
    }
    Ok(true)
}

/// Runs a storm and reports it. Whether all came up that were meant to.
fn execute(args: &FleetArgs, scenario: &Scenario, whom: &str) -> anyhow::Result<bool> {
    scenario.check()?;
    for path in [&args.json, &args.html].into_iter().flatten() {
        check_writable(path)?;
    }
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    let journey = Arc::new(args.journey());
    let fleet = Fleet::new(scenario, &journey, |machines, kinds| {
        plan(args, scenario, whom, machines, kinds)
    })?;
    let run = fleet.run(bar)?;
    if stop::requested() {
        eprintln!("interrupted: this is what there is");
    }
    print!("{}", report::terminal::report(&run));
    write(args, &run)?;
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
        println!("record: {}", path.display());
    }
    if let Some(path) = &args.html {
        report::html::write(&report::html::report(run)?, path)?;
        println!("report with pictures: {}", path.display());
    }
    Ok(())
}

/// Ten minutes of work should not end with a typing error.
fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    anyhow::ensure!(folder.is_dir(), "{}: there is no folder {}", path.display(), folder.display());
    Ok(())
}

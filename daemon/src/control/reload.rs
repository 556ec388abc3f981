//! Other policy while serving: a configuration read again, images that changed.

use std::path::Path;

use reveille_core::time::Instant;
use sd_notify::NotifyState;
use tokio_uring::fs::File;
use tracing::{debug, error, info};

use super::{Loop, Phase, Wanted, notify};
use crate::config::{self, Source};
use crate::images::Fate;
use crate::problem::Problem;
use crate::serve::{self, Origin, Prepared, report};
use crate::site::Site;
use crate::units::{Count, Span};

/// The largest configuration file that is read.
const CONFIG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// What a job is to prepare.
#[derive(Debug)]
pub(super) struct Job {
    site: Site,
    source: Option<Source>,
    why: Why,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Somebody asked for it.
    Reload,
    /// Files have changed.
    Scan,
    /// Interfaces or addresses have changed; files perhaps as well.
    Links,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    job: Job,
    prepared: Result<Prepared, Vec<Problem>>,
}

impl Loop {
    /// Starts what waits for its turn, if nothing runs.
    pub(super) async fn start_job(&mut self) {
        if self.job.is_some() {
            return;
        }
        let wanted = std::mem::take(&mut self.next);
        let job = if wanted.reload {
            // Without the time, systemd takes it for the echo of an earlier reload.
            match NotifyState::monotonic_usec_now() {
                Ok(time) => notify(&[NotifyState::Reloading, time]),
                Err(_) => notify(&[NotifyState::Reloading]),
            }
            match self.read_site().await {
                Ok((site, source)) => Job { site, source, why: Why::Reload, since: super::now() },
                Err(report) => {
                    refuse(&report);
                    // What was to be looked at is so still, for the site of before.
                    if !wanted.scan && !wanted.links {
                        return;
                    }
                    self.look_again(wanted)
                }
            }
        } else if wanted.scan || wanted.links {
            self.look_again(wanted)
        } else {
            return;
        };
        let Some(mut stock) = self.stock.take() else { return };
        let is_written = self.watch.as_ref().map(crate::images::Watch::is_written);
        self.job = Some(tokio::task::spawn_blocking(move || {
            let is_written = |path: &Path| is_written.as_ref().is_some_and(|test| test(path));
            let prepared = stock.prepare(&job.site, is_written);
            (stock, Outcome { job, prepared })
        }));
    }

    /// The same site on other files or interfaces.
    fn look_again(&self, wanted: Wanted) -> Job {
        let why = if wanted.links { Why::Links } else { Why::Scan };
        Job { site: self.site.clone(), source: None, why, since: super::now() }
    }

    /// The site as it stands in its file now, or the report of what is wrong with it.
    async fn read_site(&self) -> Result<(Site, Option<Source>), String> {
        let path = match &self.origin {
            Origin::CommandLine(site) => return Ok(((**site).clone(), None)),
            Origin::File(path) => path,
        };
        let text =
            read(path).await.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        match config::parse(path, text) {
            Ok(configuration) => Ok((configuration.site, Some(configuration.source))),
            Err(failure) => Err(failure.report(false)),
        }
    }

    /// Serves what was prepared, or says why not.
    pub(super) fn on_outcome(&mut self, outcome: Outcome) {
        let Outcome { job: Job { site, source, why, since }, prepared } = outcome;
        if self.phase != Phase::Serving {
            debug!("what has changed is left to the server that runs next");
            return;
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(problems) if why == Why::Reload => {
                let text = match &source {
                    Some(source) => source.report(&problems, false),
                    None => lines(self.origin.reword(problems)),
                };
                return refuse(&text);
            }
            Err(problems) => {
                error!(
                    help = "what was served before is served until this is put right",
                    "images or interfaces have changed and cannot be served:\n{}",
                    lines(self.origin.reword(problems))
                );
                return;
            }
        };
        if serve::transfer_sockets(&site) != serve::transfer_sockets(&self.site) {
            return refuse("`single_port` under [tftp] takes a restart");
        }
        let is_elsewhere = self.is_elsewhere(&site, &prepared);
        let is_same = prepared.changes.is_empty() && !is_elsewhere && !self.links.is_incomplete();
        if why != Why::Reload && is_same {
            debug!("nothing has changed");
            return;
        }
        let is_due = |warning: &&Problem| why == Why::Reload || !self.warnings.contains(warning);
        let warnings: Vec<Problem> = prepared.warnings.iter().filter(is_due).cloned().collect();
        report(&warnings, source.as_ref());
        self.warnings.clone_from(&prepared.warnings);
        for (path, fate) in &prepared.changes {
            debug!("{path} {}", fate_label(*fate));
        }
        let took = Span(super::now().saturating_since(since));
        let changes = Count(prepared.changes.len() as u64, "file");
        match why {
            Why::Reload => info!("reloaded in {took}; {changes} changed"),
            Why::Scan | Why::Links if prepared.changes.is_empty() => {}
            Why::Scan | Why::Links => {
                info!("{changes} changed, served as of now ({})", shown(&prepared));
            }
        }
        if prepared.sources != self.sources {
            self.sources = prepared.sources.clone();
            self.watch_sources();
        }
        self.adopt(&site, prepared);
        self.site = site;
        if why == Why::Reload {
            notify(&[NotifyState::Ready]);
        }
    }
}

fn refuse(report: &str) {
    error!(
        help = "the configuration of before stays in force",
        "the reload is refused:\n{}",
        report.trim_end()
    );
    notify(&[NotifyState::Ready]);
}

fn lines(problems: Vec<Problem>) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The first few names of what changed.
fn shown(prepared: &Prepared) -> String {
    let names: Vec<&str> = prepared
        .changes
        .iter()
        .take(3)
        .map(|(path, _)| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name))
        .collect();
    let more = if prepared.changes.len() > names.len() { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

const fn fate_label(fate: Fate) -> &'static str {
    match fate {
        Fate::Added => "is new",
        Fate::Changed => "has changed",
        Fate::Removed => "is gone",
    }
}

/// Reads a text file without blocking the loop.
async fn read(path: &Path) -> std::io::Result<String> {
    let file = File::open(path).await?;
    let mut text = Vec::new();
    let result = loop {
        let (read, chunk) = file.read_at(vec![0; READ_BYTES], text.len() as u64).await;
        match read {
            Ok(0) => break Ok(()),
            Ok(len) => text.extend_from_slice(&chunk[..len]),
            Err(error) => break Err(error),
        }
        if text.len() > CONFIG_BYTES_MAX {
            break Err(std::io::ErrorKind::FileTooLarge.into());
        }
    };
    file.close().await?;
    result?;
    String::from_utf8(text)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
}

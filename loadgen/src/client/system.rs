//! What the started system fetches, and where it reports.

use core::fmt::Write;

use super::Reason;
use super::flow::Task;
use super::machine::{self, Machine};
use super::plan::Item;
use super::settings::{self, Expanded};
use crate::time::{Duration, Instant};

impl Machine {
    /// What the command line names, then what the options name, then the report.
    pub(super) fn next_metadata(&mut self, last: bool, now: Instant) {
        let starts = !matches!(self.task, Task::Metadata(_));
        if !last {
            if let Some((_, url)) = self.plan.take(&[Item::Metadata]) {
                let good = self.location.go(url.as_bytes());
                return self.begin_system(good, Task::Metadata(false), starts, now);
            }
            if let Some(template) = &self.journey.options.metadata {
                let url = self.fill(template);
                let good = self.location.go(url.as_bytes());
                return self.begin_system(good, Task::Metadata(true), starts, now);
            }
        }
        let told = self.plan.url(Item::Report);
        let option = || self.journey.options.report.as_ref().map(|template| self.fill(template));
        let good = match told.or_else(option) {
            Some(url) => self.location.go(url.as_bytes()),
            None => {
                self.location.path.clear();
                true
            }
        };
        self.begin_system(good, Task::Report, starts, now);
    }

    /// The system takes its time to start.
    pub(super) fn begin_system(&mut self, good: bool, task: Task, starts: bool, now: Instant) {
        if !good {
            return self.die(Reason::BadUrl);
        }
        let start = if starts { self.journey.options.system_start } else { Duration::ZERO };
        self.enter_after(start, task, now);
    }

    /// Fills the gaps of a URL that the options name.
    pub(super) fn fill(&self, template: &str) -> Expanded {
        let mut out = Expanded::EMPTY;
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.extend(before.as_bytes());
            let Some((name, after)) = after.split_once('}') else { break };
            rest = after;
            let facts = machine::facts(&self.identity, self.model, &self.dhcp, &self.location);
            let written = match name {
                "mac" => {
                    settings::mac(&facts, ":", &mut out);
                    Ok(())
                }
                "mac_hyphen" => {
                    settings::mac(&facts, "-", &mut out);
                    Ok(())
                }
                "uuid" => settings::uuid(&self.identity.uuid, &mut out),
                "address" => write!(out, "{}", self.dhcp.address),
                "server" => write!(out, "{}", self.dhcp.boot_server),
                "node_url" => match self.plan.url(Item::Folder) {
                    Some(url) => {
                        out.extend(url.as_bytes());
                        Ok(())
                    }
                    None => write!(out, "http://{}/", self.dhcp.boot_server),
                },
                _ => Ok(()),
            };
            debug_assert!(written.is_ok());
        }
        out.extend(rest.as_bytes());
        out
    }
}

//! The boots of all machines, each as one timeline.
//!
//! The engines tell what happened packet by packet ([`reveille_core::event::Event`]); here their
//! events are put together by machine, repetitions are counted instead of told, and silence is
//! noticed. Pure: time comes with the events, and what is worth telling comes back as [`Entry`].

mod boot;
mod crowd;
mod diagnosis;
mod entry;
mod stage;
mod summary;
mod throttle;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use reveille_core::event::{Event, EventKind};
use reveille_core::mac::MacAddr;
use reveille_core::time::Instant;

use self::boot::{Boot, News, describe};
pub use self::crowd::Crowd;
pub use self::diagnosis::Diagnosis;
pub use self::entry::{Entry, Weight, What, Who, protocol_label};
pub use self::stage::{Roles, Stage, is_probe, plain_name};
pub use self::summary::{Outcome, Summary, SummaryLine};
pub use self::throttle::{Throttle, Verdict};

/// Machines remembered: a full /16. Each takes less than 1 KiB once it has booted.
pub const MACHINES_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// The timelines of the machines heard of most recently.
#[derive(Debug)]
pub struct Timelines {
    machines: LruCache<MacAddr, Machine>,
    by_address: HashMap<IpAddr, MacAddr>,
    roles: Roles,
}

/// What is remembered of a machine.
#[derive(Debug)]
struct Machine {
    boot: Boot,
    address: Option<IpAddr>,
}

/// A machine that is booting right now.
#[derive(Clone, Debug, PartialEq)]
pub struct UnderWay {
    /// Which.
    pub mac: MacAddr,
    /// Since when.
    pub since_start: Duration,
    /// The furthest stage.
    pub stage: Stage,
    /// The file on its way: its name, bytes asked for, and how long it has taken so far.
    pub fetching: Option<(Box<str>, u64, Duration)>,
}

impl Timelines {
    /// Room for `machines`; the one heard of least recently makes room.
    pub fn new(machines: NonZeroUsize, roles: Roles) -> Self {
        Self { machines: LruCache::new(machines), by_address: HashMap::new(), roles }
    }

    /// Takes the roles of another view.
    pub fn set_roles(&mut self, roles: Roles) {
        self.roles = roles;
    }

    /// Folds an event in. Returns what is worth telling, if anything is.
    pub fn record(&mut self, event: &Event) -> Option<Entry> {
        let Some(mac) = self.mac_of(event) else {
            let what = describe(&event.kind, &self.roles, None)?;
            let who = if let EventKind::ForeignServer(found) = event.kind {
                Who::Address(IpAddr::V4(found.server))
            } else if let EventKind::Pool(usage) = event.kind {
                Who::Address(IpAddr::V4(usage.subnet.address))
            } else {
                event.client.address.map_or(Who::Unknown, Who::Address)
            };
            return Some(Entry { who, since_start: None, what });
        };
        let machine = self.machine(mac, event);
        // Firmware asks for an address before it has it, and has it once we acknowledged it.
        let mut address = event.client.address;
        if let EventKind::Ack { address: given, .. } = event.kind {
            address.get_or_insert(IpAddr::V4(given));
        }
        if machine.boot.is_over(&event.kind, event.at) {
            machine.boot = Boot::new(machine.boot.number.saturating_add(1), event.at);
        }
        self.learn(mac, address);
        let roles = &self.roles;
        let boot = &mut self.machines.peek_mut(&mac)?.boot;
        if boot.fold(&event.kind, event.at, roles) == News::Repeated {
            return None;
        }
        let since_start = Some(event.at.saturating_since(boot.started));
        let what = describe(&event.kind, roles, Some(boot))?;
        Some(Entry { who: Who::Mac(mac), since_start, what })
    }

    fn mac_of(&self, event: &Event) -> Option<MacAddr> {
        let by_address = || self.by_address.get(&event.client.address?).copied();
        event.client.mac.or_else(by_address)
    }

    fn machine(&mut self, mac: MacAddr, event: &Event) -> &mut Machine {
        if !self.machines.contains(&mac) {
            let machine = Machine { boot: Boot::new(1, event.at), address: None };
            if let Some((_, old)) = self.machines.push(mac, machine)
                && let Some(address) = old.address
            {
                self.by_address.remove(&address);
            }
        }
        let machine = self.machines.get_mut(&mac);
        machine.expect("it is there or was just put there")
    }

    /// Remembers whose address this is: files are often fetched without saying by whom.
    fn learn(&mut self, mac: MacAddr, address: Option<IpAddr>) {
        let Some(address) = address.filter(|address| !address.is_unspecified()) else { return };
        let Some(machine) = self.machines.peek_mut(&mac) else { return };
        if machine.address == Some(address) {
            return;
        }
        if let Some(old) = machine.address.replace(address) {
            self.by_address.remove(&old);
        }
        if let Some(other) = self.by_address.insert(address, mac)
            && other != mac
            && let Some(other) = self.machines.peek_mut(&other)
        {
            other.address = None;
        }
    }

    /// Findings about machines that fell silent. Meant to be called about once a second.
    pub fn overdue(&mut self, now: Instant) -> Vec<Entry> {
        let longest = diagnosis::Expectation::LONGEST + Duration::from_secs(10);
        let recent = self
            .machines
            .iter_mut()
            .take_while(|(_, machine)| now.saturating_since(machine.boot.last) < longest);
        recent
            .filter_map(|(mac, Machine { boot, .. })| {
                let diagnosis = boot.overdue(now)?;
                Some(Entry {
                    who: Who::Mac(*mac),
                    since_start: Some(now.saturating_since(boot.started)),
                    what: What::Diagnosis(diagnosis),
                })
            })
            .collect()
    }

    /// Machines that are booting right now, the one heard of last first.
    pub fn under_way(&self, now: Instant) -> impl Iterator<Item = UnderWay> {
        let booting = move |(_, machine): &(&MacAddr, &Machine)| machine.boot.is_under_way(now);
        self.machines.iter().filter(booting).map(move |(mac, Machine { boot, .. })| UnderWay {
            mac: *mac,
            since_start: now.saturating_since(boot.started),
            stage: boot.fetching.as_ref().map_or(boot.reached, |fetch| fetch.stage),
            fetching: boot.fetching.as_ref().map(|fetch| {
                let lasting = now.saturating_since(fetch.since);
                (stage::shown_name(&fetch.name).into(), fetch.bytes, lasting)
            }),
        })
    }

    /// How many machines' latest boot has reached user space (and said so).
    pub fn up(&self) -> usize {
        self.machines.iter().filter(|(_, machine)| machine.boot.up.is_some()).count()
    }

    /// All that is remembered, for the end.
    pub fn summary(&self) -> Summary {
        Summary::of(self.machines.iter().map(|(mac, machine)| (*mac, &machine.boot)))
    }
}

#[cfg(test)]
mod tests;

//! Takes leases of other servers over into the store.

use std::net::Ipv4Addr;
use std::path::Path;

use reveille_core::binding::ClientId;
use reveille_core::dhcp4::ClientKey;
use reveille_core::text::Text;
use reveille_core::view::{DhcpMode, Network};

use super::import::{Foreign, ForeignState, Reading, Skipped};
use super::source::{hold, open_store};
use super::{Listed, State};
use crate::serve::Explained;
use crate::store::directory::holder;
use crate::store::disk::Disk;
use crate::store::record::{Record, RecordState};
use crate::store::wall::Wall;
use crate::store::{Store, StoreError};
use crate::units::Count;

/// Leases committed at a time.
const GROUP: usize = 5000;

/// Leases that were skipped and are told one by one.
const TOLD_MAX: usize = 50;

/// What became of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    bound: u64,
    former: u64,
    declined: u64,
    overridden: u64,
    skipped: Vec<Skipped>,
}

/// Takes over what was read, or only says what would be.
pub(super) fn take(
    directory: &Path,
    networks: &[Network],
    reading: &Reading,
    is_dry: bool,
) -> anyhow::Result<Report> {
    if let Some(pid) = holder(directory) {
        return Err(Explained {
            what: format!("a server (process {pid}) uses {}", directory.display()),
            help: Some(
                "stop it first: the leases that it has in its memory are the ones that count while \
                 it runs. Taking over a hundred thousand takes a second"
                    .to_owned(),
            ),
        }
        .into());
    }
    if is_dry && !Disk::exists(directory) {
        return Ok(sort(networks, reading, Wall::now(), |_| Ok(None))?.1);
    }
    let state = hold(directory)?;
    let mut disk = open_store(state.path())?;
    let known = |address: Ipv4Addr| {
        let rows = disk.page(address, 1)?;
        Ok(rows.into_iter().find(|row| row.address == address))
    };
    let (records, report) = sort(networks, reading, Wall::now(), known)?;
    if !is_dry {
        for group in records.chunks(GROUP) {
            disk.commit(group)?;
        }
    }
    Ok(report)
}

type Known = Option<crate::store::Row>;

/// Sorts leases into those to take and those to skip.
fn sort(
    networks: &[Network],
    reading: &Reading,
    now: Wall,
    known: impl Fn(Ipv4Addr) -> Result<Known, StoreError>,
) -> Result<(Vec<Record>, Report), StoreError> {
    let overridden = reading.overridden as u64;
    let mut report = Report { skipped: reading.skipped.clone(), overridden, ..Report::default() };
    let mut records = Vec::new();
    for lease in reading.leases.values() {
        let taken = match record(networks, lease, now) {
            Ok(record) => match refusal(&record, known(lease.address)?, now) {
                None => Ok(record),
                Some(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        match taken {
            Ok(record) => {
                match record.state {
                    RecordState::Bound { .. } => report.bound += 1,
                    RecordState::Released { .. } => report.former += 1,
                    RecordState::Declined { .. } => report.declined += 1,
                }
                records.push(record);
            }
            Err(why) => report.skipped.push(Skipped { line: lease.line, why }),
        }
    }
    report.skipped.sort_by_key(|skipped| skipped.line);
    Ok((records, report))
}

/// A lease in our form, or why it cannot be ours.
fn record(networks: &[Network], lease: &Foreign, now: Wall) -> Result<Record, String> {
    let Foreign { address, mac, client_id, hostname, state, .. } = lease;
    let network = networks
        .iter()
        .filter(|network| network.mode == DhcpMode::Server)
        .find(|network| network.subnet.contains(*address))
        .ok_or_else(|| format!("{address} is in no network of the configuration"))?;
    let state = match *state {
        ForeignState::Bound { until, .. } if until <= now => RecordState::Released { at: until },
        ForeignState::Bound { since, until } => {
            RecordState::Bound { since: since.unwrap_or(now).min(now), until }
        }
        ForeignState::Former { at } => RecordState::Released { at: at.min(now) },
        ForeignState::Declined { until } if until <= now => {
            return Err(format!("{address} was declined, and that is over"));
        }
        ForeignState::Declined { until } => RecordState::Declined { until },
    };
    let client = match (mac, state) {
        (Some(mac), _) => Some(ClientKey::Mac(*mac)),
        (None, RecordState::Declined { .. }) => None,
        (None, RecordState::Bound { .. } | RecordState::Released { .. }) => {
            return Err(format!("the client of {address} has no Ethernet address"));
        }
    };
    Ok(Record {
        address: *address,
        subnet: network.subnet,
        client,
        client_id: ClientId::cut(client_id),
        hostname: Text::sanitised(hostname.as_bytes()),
        state,
    })
}

/// Why our own word about the address counts more.
fn refusal(record: &Record, known: Known, now: Wall) -> Option<String> {
    let address = record.address;
    match known?.record {
        Err(damage) => Some(format!("our own lease of {address} cannot be read: {damage}")),
        Ok(ours) if ours.client == record.client && ours.state.end() >= record.state.end() => {
            Some(format!("our own lease of {address} is newer"))
        }
        Ok(ours) if ours.client == record.client => None,
        Ok(ours) => match Listed::of_record(&ours, now) {
            Listed { state: State::Bound, mac, .. } => {
                Some(format!("{address} is lent to {mac} by us already"))
            }
            Listed { state: State::Declined, .. } => {
                Some(format!("{address} was found in use by somebody else"))
            }
            Listed { .. } => None,
        },
    }
}

impl Report {
    /// For the operator.
    pub(super) fn text(&self, name: &str, is_dry: bool) -> String {
        let Self { bound, former, declined, overridden, skipped } = self;
        let verb = if is_dry { "would be taken" } else { "taken" };
        let mut text = format!(
            "{name}: {} and {former} former ones {verb}, {declined} in use by others, {} skipped\n",
            Count(*bound, "lease"),
            skipped.len()
        );
        if *overridden > 0 {
            text.push_str(&format!("  {overridden} earlier words about the same addresses\n"));
        }
        for Skipped { line, why } in skipped.iter().take(TOLD_MAX) {
            text.push_str(&format!("  line {line}: {why}\n"));
        }
        let more = skipped.len().saturating_sub(TOLD_MAX);
        if more > 0 {
            text.push_str(&format!("  and {more} more\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests;

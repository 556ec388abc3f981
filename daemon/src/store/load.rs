//! Everything that was kept, into the engine's table before the first packet.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use reveille_core::binding::{Binding, BindingState, ClientId, RestoreError};
use reveille_core::text::Text;
use reveille_core::time::Instant;
use reveille_core::view::{Subnet, View};
use tracing::{error, info, warn};

use super::disk::Reader;
use super::record::Damage;
use super::wall::Clocks;
use super::{Row, StoreError};
use crate::units::{Count, Span};

/// Records read at a time.
const PAGE: usize = 4096;

/// Pages that are read before their turn.
const PAGES_AHEAD: usize = 4;

/// Damaged records that are named one by one.
const NAMED_MAX: usize = 10;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Leases that run.
    pub bound: u64,
    /// Addresses whose last client is remembered.
    pub remembered: u64,
    /// Addresses that somebody else was found to use.
    pub declined: u64,
    /// Addresses whose record cannot be read: they are given to nobody.
    pub damaged: Vec<(Ipv4Addr, Damage)>,
    /// Leases that the table does not take.
    pub refused: u64,
    /// Why.
    pub refusal: Option<RestoreError>,
}

/// Reads all leases and hands them to `restore`, which is the engine's table. A second thread
/// reads ahead.
///
/// # Errors
/// If the store cannot be read to its end, or the table has no room for all of it: what is not known
/// cannot be kept from being given away.
pub fn load(
    reader: &Reader,
    view: &View,
    clocks: Clocks,
    mut restore: impl FnMut(&Binding) -> Result<(), RestoreError>,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let (pages, read) = sync_channel(PAGES_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = Some(Ipv4Addr::UNSPECIFIED);
            // Ends: every page begins behind the one before.
            while let Some(from) = next {
                let page = reader.page(from, PAGE);
                next = page.as_ref().ok().and_then(|rows| following(rows, PAGE));
                if pages.send(page).is_err() {
                    // Nobody reads on after a failure.
                    return;
                }
            }
        });
        for page in read {
            for row in page? {
                loaded.take(&row, view, clocks, &mut restore)?;
            }
        }
        Ok(loaded)
    })
}

/// Where the page behind a page of at most `limit` rows begins; `None` after the last.
pub fn following(rows: &[Row], limit: usize) -> Option<Ipv4Addr> {
    let last = rows.last().filter(|_| rows.len() >= limit)?;
    last.address.to_bits().checked_add(1).map(Ipv4Addr::from_bits)
}

/// Keeps an address from being given away, because it may be somebody's. Its network may be one
/// that is not there yet, or that a reload brings: what holds an address counts in whichever
/// network it is asked for.
fn quarantine(address: Ipv4Addr, view: &View) -> Binding {
    let network = view.networks.iter().find(|network| network.subnet.contains(address));
    Binding {
        address,
        subnet: network.map_or(ANYWHERE, |network| network.subnet),
        client: None,
        client_id: ClientId::EMPTY,
        hostname: Text::EMPTY,
        state: BindingState::Declined { until: Instant::MAX },
    }
}

/// For addresses whose network is not known.
const ANYWHERE: Subnet = Subnet { address: Ipv4Addr::UNSPECIFIED, prefix_len: 0 };

impl Loaded {
    fn take(
        &mut self,
        row: &Row,
        view: &View,
        clocks: Clocks,
        restore: &mut impl FnMut(&Binding) -> Result<(), RestoreError>,
    ) -> Result<(), StoreError> {
        let binding = match &row.record {
            Ok(record) => record.binding(clocks),
            Err(damage) => {
                self.damaged.push((row.address, *damage));
                quarantine(row.address, view)
            }
        };
        match restore(&binding) {
            Ok(()) => self.count(&binding, clocks.monotonic),
            // Its address would be given to somebody else.
            Err(
                RestoreError::TableFull { held: true }
                | RestoreError::TooManyNetworks { held: true },
            ) => return Err(StoreError::NoRoom),
            Err(
                refusal @ (RestoreError::TableFull { held: false }
                | RestoreError::TooManyNetworks { held: false }
                | RestoreError::Known),
            ) => {
                self.refused += 1;
                self.refusal = Some(refusal);
            }
        }
        Ok(())
    }

    fn count(&mut self, binding: &Binding, now: Instant) {
        match binding.state {
            BindingState::Bound { until, .. } if until > now => self.bound += 1,
            BindingState::Declined { until } if until > now => self.declined += 1,
            BindingState::Bound { .. }
            | BindingState::Declined { .. }
            | BindingState::Released { .. } => self.remembered += 1,
        }
    }

    /// Tells the operator.
    pub fn tell(&self, took: Duration) {
        info!("{self} loaded in {}", Span(took));
        for (address, damage) in self.damaged.iter().take(NAMED_MAX) {
            error!(
                help = format!(
                    "{address} is given to nobody; `reveille leases release {address}` frees it"
                ),
                "the lease of {address} cannot be read: {damage}"
            );
        }
        let more = self.damaged.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            error!(
                help = "`reveille leases --state damaged` lists them",
                "{more} more leases cannot be read"
            );
        }
        if let Some(refusal) = self.refusal {
            warn!(
                help = "they stay on the disk; `reveille leases` lists them",
                "{} not taken over: {refusal}",
                Count(self.refused, "lease")
            );
        }
    }
}

/// `3 leases and 5 former ones, 1 in use by others`
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Count(self.bound, "lease"))?;
        if self.remembered > 0 {
            write!(f, " and {} former ones", self.remembered)?;
        }
        if self.declined > 0 {
            write!(f, ", {} in use by others", self.declined)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

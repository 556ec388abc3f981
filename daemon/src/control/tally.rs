//! What the counters say, once a minute, and when something needs attention.

use reveille_core::engine::Discard;
use reveille_runtime::{ShardCounters, Snapshot};
use tracing::{debug, warn};

use crate::units::{Bytes, Count};

/// Compares counters with those of the time before.
#[derive(Debug)]
pub(super) struct Tally {
    before: Snapshot,
}

impl Tally {
    pub(super) fn new(start: Snapshot) -> Self {
        Self { before: start }
    }

    /// Tells what happened since the time before.
    pub(super) fn tell(&mut self, now: Snapshot) {
        let (old, new) = (self.before.total(), now.total());
        let lost = events_lost(&now) - events_lost(&self.before);
        if lost > 0 {
            warn!(
                help = "boots went on all the same; timelines of this minute have gaps",
                "{} were lost on their way to the timelines",
                Count(lost, "event")
            );
        }
        for (count, what, help) in concerns(&old, &new) {
            warn!(help, "{} {what}", count);
        }
        if let Some(line) = summary(&old, &new) {
            debug!("last minute: {line}");
        }
        self.before = now;
    }
}

/// Events that no timeline has: the engines' queues were full, or the one to us.
fn events_lost(snapshot: &Snapshot) -> u64 {
    snapshot.events_lost + snapshot.total().events_lost()
}

/// Counters that should stand still, with what to do if they do not.
fn concerns(
    old: &ShardCounters,
    new: &ShardCounters,
) -> impl Iterator<Item = (u64, &'static str, &'static str)> {
    [
        (
            new.buffers_exhausted - old.buffers_exhausted,
            "times every receive buffer was in use",
            "packets may have been dropped; clients ask again. More shards or a faster link help",
        ),
        (
            new.sockets_refused - old.sockets_refused,
            "sockets could not be taken over: nothing is heard at them",
            "raise LimitNOFILE= of the unit, then restart",
        ),
        (
            new.connections_refused - old.connections_refused,
            "HTTP connections were refused: the table is full",
            "more shards have room for more connections",
        ),
        (
            new.accept_pauses - old.accept_pauses,
            "times no descriptor was left for a connection",
            "raise LimitNOFILE= of the unit, or ulimit -n",
        ),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
}

/// A line about what went in and out; nothing if nothing did.
fn summary(old: &ShardCounters, new: &ShardCounters) -> Option<String> {
    let engines = [
        ("DHCP", &old.dhcp, &new.dhcp),
        ("TFTP", &old.tftp, &new.tftp),
        ("HTTP", &old.http, &new.http),
    ];
    let parts: Vec<String> = engines
        .into_iter()
        .filter(|(_, old, new)| new.packets_in > old.packets_in)
        .map(|(name, old, new)| {
            let discards = discards(&old.discards, &new.discards);
            let discards =
                if discards.is_empty() { discards } else { format!(", dropped {discards}") };
            format!(
                "{name} {} in, {} out{discards}",
                new.packets_in - old.packets_in,
                Bytes(new.bytes_out - old.bytes_out)
            )
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn discards(old: &[u64], new: &[u64]) -> String {
    let counts = Discard::ALL.iter().filter_map(|reason| {
        let count = new.get(reason.index())?.checked_sub(*old.get(reason.index())?)?;
        (count > 0).then(|| format!("{count} {}", reason.label()))
    });
    counts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_minute_is_not_told() {
        let counters = ShardCounters::default();
        assert_eq!(summary(&counters, &counters), None);
        assert_eq!(concerns(&counters, &counters).count(), 0);
    }

    #[test]
    fn events_are_lost_in_engines_and_on_the_way() {
        let mut snapshot = Snapshot { events_lost: 2, ..Snapshot::default() };
        let mut shard = ShardCounters::default();
        shard.tftp.events_lost = 30;
        shard.http.events_lost = 100;
        snapshot.shards = vec![shard, shard];
        assert_eq!(events_lost(&snapshot), 262);
    }

    #[test]
    fn traffic_and_discards_are_told_by_engine() {
        let old = ShardCounters::default();
        let mut new = old;
        new.dhcp.packets_in = 4;
        new.dhcp.bytes_out = 1200;
        new.dhcp.discards[Discard::Malformed.index()] = 2;
        new.http.packets_in = 1;
        new.accept_pauses = 3;
        assert_eq!(
            summary(&old, &new).unwrap(),
            "DHCP 4 in, 1.2 kB out, dropped 2 malformed; HTTP 1 in, 0 B out"
        );
        let concerns: Vec<u64> = concerns(&old, &new).map(|(count, _, _)| count).collect();
        assert_eq!(concerns, [3]);
    }
}

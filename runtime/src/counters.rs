//! What a shard counts: one writer each, read by anybody at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use reveille_core::engine::Discard;

use crate::shards::EngineKind;

/// The counters of all shards at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// One for each shard.
    pub shards: Vec<ShardCounters>,
    /// Events that found no room in the queue to the daemon.
    pub events_lost: u64,
}

impl ShardCounters {
    /// Events that found no room in the queues of the engines.
    pub const fn events_lost(&self) -> u64 {
        self.dhcp.events_lost + self.tftp.events_lost + self.http.events_lost
    }
}

impl Snapshot {
    /// The sum over all shards.
    pub fn total(&self) -> ShardCounters {
        let mut total = ShardCounters::default();
        for shard in &self.shards {
            total.add(shard);
        }
        total
    }
}

macro_rules! counters {
    ($(#[$live_doc:meta])* live $live:ident; $(#[$doc:meta])* plain $plain:ident;
     $($(#[$field_doc:meta])* $field:ident,)*) => {
        $(#[$live_doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $live {
            $(pub(crate) $field: Counter,)*
            pub(crate) discards: [Counter; Discard::ALL.len()],
        }

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $plain {
            $($(#[$field_doc])* pub $field: u64,)*
            /// Dropped inputs by reason, in the order of [`Discard::ALL`].
            pub discards: [u64; Discard::ALL.len()],
        }

        impl $live {
            fn snapshot(&self) -> $plain {
                $plain {
                    $($field: self.$field.value(),)*
                    discards: std::array::from_fn(|reason| self.discards[reason].value()),
                }
            }
        }

        impl $plain {
            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
                for (sum, count) in self.discards.iter_mut().zip(other.discards) {
                    *sum += count;
                }
            }
        }
    };
}

counters! {
    /// Of one engine, as its shard writes them.
    live LiveEngineCounters;
    /// What went through one engine.
    plain EngineCounters;
    /// Datagrams or frames received, or reads from streams.
    packets_in,
    /// Their payload bytes.
    bytes_in,
    /// Datagrams or frames sent, or sends to streams.
    packets_out,
    /// Their payload bytes.
    bytes_out,
    /// Sends that the network refused.
    sends_refused,
    /// Sends that were too large for the path.
    sends_too_large,
    /// Sends whose image could not be read.
    images_unreadable,
    /// Events that found no room in the engine's queue.
    events_lost,
    /// Sessions that run now (a gauge).
    sessions,
}

macro_rules! shard_counters {
    ($($(#[$field_doc:meta])* $field:ident,)*) => {
        /// Of one shard, as it writes them.
        #[derive(Debug, Default)]
        pub(crate) struct LiveCounters {
            pub(crate) dhcp: LiveEngineCounters,
            pub(crate) tftp: LiveEngineCounters,
            pub(crate) http: LiveEngineCounters,
            $(pub(crate) $field: Counter,)*
        }

        /// What one shard counted since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct ShardCounters {
            /// Of the DHCP engine.
            pub dhcp: EngineCounters,
            /// Of the TFTP engine.
            pub tftp: EngineCounters,
            /// Of the HTTP engine.
            pub http: EngineCounters,
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl LiveCounters {
            /// Those of one engine.
            pub(crate) const fn engine(&self, kind: EngineKind) -> &LiveEngineCounters {
                match kind {
                    EngineKind::Dhcp => &self.dhcp,
                    EngineKind::Tftp => &self.tftp,
                    EngineKind::Http => &self.http,
                }
            }

            /// The values of now.
            pub(crate) fn snapshot(&self) -> ShardCounters {
                ShardCounters {
                    dhcp: self.dhcp.snapshot(),
                    tftp: self.tftp.snapshot(),
                    http: self.http.snapshot(),
                    $($field: self.$field.value(),)*
                }
            }
        }

        impl ShardCounters {
            fn add(&mut self, other: &Self) {
                self.dhcp.add(&other.dhcp);
                self.tftp.add(&other.tftp);
                self.http.add(&other.http);
                $(self.$field += other.$field;)*
            }
        }
    };
}

shard_counters! {
    /// Turns of the loop.
    turns,
    /// Completions taken from the ring.
    completions,
    /// Completions that came for something that was over.
    completions_stale,
    /// Receives that stopped because every receive buffer was in use.
    buffers_exhausted,
    /// Completions that waited in the kernel because the ring was full.
    ring_overruns,
    /// Packets that could not be taken apart: no sender, no destination, too long.
    packets_unreadable,
    /// Split sends that a device refused and that left one by one.
    splits_refused,
    /// Sockets that the ring did not take, for want of places or memory: nothing arrives at them.
    sockets_refused,
    /// Outputs of an engine for connections that are gone.
    outputs_stale,
    /// Connections accepted.
    connections_accepted,
    /// Connections closed at once because the table was full.
    connections_refused,
    /// Pauses of accepting because no descriptor was left.
    accept_pauses,
    /// Connections open now (a gauge).
    connections,
}

/// A number with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only the owning shard may call it, so no locked instruction is needed.
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

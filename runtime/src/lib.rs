//! The driver of the engines: io_uring, sockets, buffers, mapped images, threads.
//!
//! Nothing here knows what a packet means. [`bind`] opens every socket while the process still
//! has its privileges and probes the kernel, [`Bound::start`] gives each shard (a thread with
//! its own ring, sockets, buffers and engines) its core, and [`Server`] is the hand on all of
//! them: new policy, events, counters, the end. The loop itself is `shard.rs`.

pub mod buffers;
pub mod config;
pub mod control;
pub mod counters;
pub mod error;
pub mod events;
pub mod probe;

mod bind;
mod clock;
mod datagrams;
mod driven;
mod holder;
mod op;
mod ring;
mod shard;
mod shards;
mod socket;
mod streams;
mod token;

pub use bind::{Bound, bind};
pub use buffers::images::{ImageError, ImageMeta, ImageStore, ImageTable};
pub use clock::now;
pub use config::{Config, InterfaceSpec, TftpSpec, UdpSpec};
pub use control::{Server, Setup};
pub use counters::{EngineCounters, ShardCounters, Snapshot};
pub use error::{BindError, BindReason, Endpoint, Holder, ShardPanic, StartError};
pub use events::EventReceiver;
pub use probe::{Feature, FeatureState, Features};
pub use shards::{Engines, ShardIndex};

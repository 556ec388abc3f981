//! The driver of the engines: io_uring, sockets, buffers, mapped images, threads.
//!
//! Nothing here knows what a packet means. [`bind()`] opens every socket while the process still
//! has its privileges and probes the kernel, [`Bound::start`] gives each shard (a thread with
//! its own ring, sockets, buffers and engines) its core, and [`Server`] is the hand on all of
//! them: new policy, events, counters, the end. The loop itself is `shard.rs`.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::sync::Arc;
//!
//! use reveille_core::dhcp4::Dhcp4Server;
//! use reveille_core::http::HttpServer;
//! use reveille_core::tftp::{TftpConfig, TftpServer};
//! use reveille_core::view::View;
//! use reveille_runtime::{Config, Engines, ImageStore, Setup, bind};
//!
//! let mut config = Config::new(NonZeroUsize::MIN);
//! config.sockets.http = vec!["127.0.0.1:8080".parse()?];
//! let connections = config.connections;
//! let bound = bind(config)?; // privileges can be dropped after this
//!
//! let mut store = ImageStore::new();
//! let (image, meta) = store.open("/srv/boot/vmlinuz".as_ref())?;
//! let mut view = View::default(); // networks, files (by `image` and `meta.len`), profiles
//! let setup = Setup { view: Arc::new(view), images: store.table() };
//! let server = bound.start(setup, |shard| Engines::<Dhcp4Server, _, _> {
//!     dhcp: None,
//!     tftp: TftpServer::new(TftpConfig { seed: shard.0 as u64, ..TftpConfig::default() }),
//!     http: HttpServer::new(connections, shard.0 as u64),
//! })?;
//! while server.is_running() {
//!     server.events().wait(std::time::Duration::from_secs(1))?;
//!     server.events().take_all(|event| eprintln!("{event:?}"));
//! }
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod buffers;
pub mod config;
pub mod control;
pub mod counters;
pub mod error;
pub mod events;
pub mod persist;
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
mod sockets;
mod streams;
mod token;
mod wake;

pub use bind::{Bound, bind};
pub use buffers::images::{ImageError, ImageMeta, ImageStore, ImageTable};
pub use clock::now;
pub use config::{Config, InterfaceSpec, SocketPlan, TftpSpec, UdpSpec};
pub use control::{Server, Setup};
pub use counters::{EngineCounters, ShardCounters, Snapshot};
pub use error::{BindError, BindReason, Endpoint, Holder, ShardPanic, StartError};
pub use events::EventReceiver;
pub use persist::PersistPort;
pub use probe::{Feature, FeatureState, Features};
pub use shards::{Engines, ShardIndex};
pub use socket::{Helper, LowPorts, Opener};

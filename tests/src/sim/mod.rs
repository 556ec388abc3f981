//! The simulator: the three engines, a thousand machines and a bad network, in virtual time.
//!
//! One seed draws everything: how many machines of which firmware, when they are switched on,
//! what the network does to packets, how many places and buffers the server has. [`run`] plays it
//! to the end and tells a digest of all that happened; the same seed gives the same digest.
//!
//! ```text
//!   machines (client)  ──► link nodes (network) ──►  inbox ─► engines (host)
//!                      ◄──                       ◄──
//! ```
//!
//! What is proven at every step, by whoever sees it first ([`check`]): no address is given to two
//! machines, no machine gets another one's script or a wrong byte of a file, no packet is too
//! large, no table grows beyond its bound. And at the end: once faults have stopped every machine
//! comes up, and nothing is left in the server.
//!
//! Seams for more: a machine is a small value without heap while it is idle, a link is a list of
//! nodes, bytes of images are spans from end to end and never exist, and time jumps from event to
//! event. So the number of machines is bounded by events alone.

mod check;
mod client;
mod host;
mod leases;
mod network;
mod options;
mod queue;
mod relay;
mod site;
mod store;
mod storm;
mod watch;
mod world;

pub use leases::{Kept, play_leases};
pub use options::Options;
pub use storm::{Fallout, Model, Storm, play};
pub use world::{Report, run, run_watched};

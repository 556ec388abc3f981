//! Tables of fixed capacity: sessions by slot, who may send next, who waits for what time.
//!
//! Everything is sized at construction and nothing here allocates, rehashes or scans later. The
//! three structures know each other only by the slot number, so a session that is removed from
//! its [`Slab`] must leave the [`ReadyRing`] and the [`TimerWheel`] in the same breath.

pub(crate) mod index;
pub(crate) mod links;
mod pins;
mod ready;
pub(crate) mod recent;
mod slab;
mod wheel;

pub use pins::ImagePins;
pub use ready::ReadyRing;
pub use slab::{Handle, Slab};
pub use wheel::{TICK, TimerWheel};

//! Simulated PXE clients, ten thousand at a time, against any boot server.

pub mod client;
pub mod model;
pub mod record;
pub mod report;
pub mod time;
pub mod wire;

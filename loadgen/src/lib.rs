//! Simulated PXE clients, ten thousand at a time, against any boot server.

pub mod args;
pub mod client;
pub mod fleet;
pub mod model;
pub mod parts;
pub mod record;
pub mod report;
pub mod sample;
pub mod scenario;
pub mod stop;
pub mod time;
pub mod wire;

mod clock;
mod commands;
mod deadlines;
mod frames;
mod host;
mod lab;
mod random;
mod ring;

pub use commands::run;

//! The server against a driver and clients in virtual time.

mod admission;
mod answers;
mod crowd;
mod driver;
mod files;
mod pieces;
mod time;

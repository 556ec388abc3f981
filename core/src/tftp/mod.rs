//! The TFTP engine: RFC 1350, with the options of RFC 2347, 2348, 2349 and 7440.
//!
//! - [`session`](self) is one transfer: a small state machine and the place to start reading.
//! - `window` counts blocks, `content` makes datagrams of them, `round_trip` measures the client,
//!   `patience` waits for it, `options` negotiates, `server` is
//!   the [`crate::engine::Engine`] that finds the session for a datagram, `request` decides on new
//!   ones, `admission` and `crowd` let them begin or wait, `sources` bounds what goes to addresses
//!   that have not proved that they asked, `documents` renders what is not a file, `turns` decides
//!   who sends next, `guard` keeps strangers from abusing us,
//!   `refusal` says no.
//!
//! A client asks at port 69 and is answered from another port, its transfer identifier
//! (RFC 1350 §4). A socket for each transfer would cost a descriptor each; instead, a shard has
//! a few transfer sockets and tells transfers apart by the client's address and port.

mod admission;
mod content;
mod crowd;
mod documents;
mod guard;
mod options;
mod patience;
mod refusal;
mod request;
mod round_trip;
mod server;
mod session;
mod sources;
mod turns;
mod window;

pub use server::{TftpConfig, TftpServer};

#[cfg(test)]
mod tests;

//! The HTTP/1.1 server: files, generated documents and reports from booted machines.
//!
//! One connection is one state machine (`connection::State`); a request is turned into an
//! `answer::Answer` by `request` as soon as its head is complete, and the answer into bytes
//! by `response` when the driver has a buffer free. `server` holds all connections of a shard,
//! `input` reads what they receive, `transition` moves them from state to state.
//!
//! What firmware needs of it: HTTP/1.1 with connections that stay open, HEAD with the headers of
//! GET, fields in canonical case, exact media types, a length always, ranges, and no redirects,
//! chunks or encodings. Responses carry no `Date`, because the core has no clock (RFC 9110
//! §6.6.1 asks that of a server without one).

mod admission;
mod answer;
mod buffers;
mod connection;
mod input;
mod request;
mod response;
mod server;
mod transition;

pub use server::HttpServer;

#[cfg(test)]
mod tests;

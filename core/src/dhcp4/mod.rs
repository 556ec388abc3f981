//! DHCPv4 (RFC 2131, 2132) with PXE and UEFI HTTP Boot, as the server of a network or as a
//! ProxyDHCP beside another one.
//!
//! A datagram's way: `request` reads it and finds its network; `server` collapses
//! repeats and lets it wait in `pending`, what is nearly done before what is new; when a send
//! buffer is free, `decide` (or `proxy`) chooses the answer with the help of `lease` and
//! [`crate::boot`], `reply` writes it into the buffer, `route` says where it goes. Each of them
//! notes why with the recorder of `trace`, which the engine's own way does without.

mod configured;
mod conflict;
mod decide;
mod desk;
mod foreign;
mod ground;
mod guard;
mod identify;
mod lease;
mod names;
mod pending;
mod policy;
mod pool;
mod proxy;
mod quota;
mod records;
mod reply;
mod request;
mod route;
mod server;
mod sheet;
mod trace;
mod usage;

pub use guard::GuardCounts;
pub use lease::{ClientKey, Lease, LeaseState};
pub use server::{Dhcp4Config, Dhcp4Server};
pub use trace::{
    AddressRule, AnswerRule, ClientRule, Decision, Explanation, LeftOutRule, Level, NetworkRule,
    Outcome, RouteRule,
};

#[cfg(test)]
mod tests;

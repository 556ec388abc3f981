//! DHCPv4 (RFC 2131, 2132) with PXE and UEFI HTTP Boot, as the server of a network or as a
//! ProxyDHCP beside another one.
//!
//! A datagram's way: `request` reads it and finds its network; `server` collapses
//! repeats and lets it wait in `pending`, what is nearly done before what is new; when a send
//! buffer is free, `decide` (or `proxy`) chooses the answer with the help of `lease` and
//! [`crate::boot`], `reply` writes it into the buffer, `route` says where it goes.

mod decide;
mod desk;
mod ground;
mod identify;
mod lease;
mod pending;
mod pool;
mod proxy;
mod reply;
mod request;
mod route;
mod server;

pub use lease::{ClientKey, Lease, LeaseState};
pub use server::{Dhcp4Config, Dhcp4Server};

#[cfg(test)]
mod tests;

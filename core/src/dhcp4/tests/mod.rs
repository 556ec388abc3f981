//! The engine as its clients see it: packets in, packets out.

mod bootp;
mod captures;
mod clauses;
mod durable;
mod explain;
mod firmware;
mod guard;
mod kit;
mod menu;
mod overload;
mod policy;
mod properties;
mod proxy;
mod quirks;
mod relay;
mod replies;
mod rfc2131;
mod routers;

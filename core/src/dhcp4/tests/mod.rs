//! The engine as its clients see it: packets in, packets out.

mod captures;
mod explain;
mod firmware;
mod kit;
mod overload;
mod properties;
mod proxy;
mod relay;
mod replies;
mod rfc2131;
mod routers;

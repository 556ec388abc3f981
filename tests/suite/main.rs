//! The proofs that need more than one crate: real firmware, stock clients, real packets.

mod baseline;
mod boot;
mod clients;
mod corpora;
mod differential;
mod dissected;
mod documents;
mod flood;
mod golden;
mod guard;
mod hostile;
mod http;
mod kept;
mod leases;
mod lifecycle;
mod links;
mod perfdhcp;
mod relays;
mod sim;
mod site;
mod storm;
mod tftp;
mod tidy;

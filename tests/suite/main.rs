//! The proofs that need more than one crate: real firmware, stock clients, real packets.

mod baseline;
mod corpora;
mod documents;
mod golden;
mod sim;
mod tidy;

//! What the proofs stand on: [`lab`] boots real firmware against a real daemon in private network
//! namespaces.

pub mod lab;
pub mod pcap;
pub mod sim;

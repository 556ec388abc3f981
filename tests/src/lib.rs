//! What the proofs stand on: [`lab`] boots real firmware against a real daemon in private network
//! namespaces, [`dialogue`] compares DHCP servers.

pub mod dialogue;
pub mod lab;
pub mod pcap;
pub mod sim;

//! Conversations of DHCP clients with any server, told in a form in which servers can be compared.
//!
//! A [`script`] says what a client does, whatever it is told; [`talk`] speaks it through a
//! [`station`] that stands for all clients and relay agents of a link; what comes back becomes an
//! [`answer`], in which addresses are told by what they are to the client. Of two servers' answers
//! [`differences`] must explain every difference.

pub mod answer;
pub mod differences;
pub mod firmware;
pub mod message;
pub mod script;
pub mod servers;
pub mod station;
pub mod talk;

//! IPv4 networks: where they are, and what is given away there.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use crate::engine::InterfaceId;

/// What this server does for DHCP on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpMode {
    /// Gives addresses and boot information.
    Server,
    /// Gives boot information beside another server's addresses.
    Proxy,
    /// Nothing; TFTP and HTTP only.
    Off,
}

/// An IPv4 network: directly attached, or behind a relay agent.
#[derive(Clone, Debug)]
pub struct Network {
    /// The interface its packets come by.
    pub interface: InterfaceId,
    /// Our own address as its clients reach it: server identifier, next server, host of URLs.
    pub server: Ipv4Addr,
    /// The network.
    pub subnet: Subnet,
    /// What we do here.
    pub mode: DhcpMode,
    /// Addresses to give, in order.
    pub pools: Vec<Pool>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<Box<str>>,
    /// Option 51: how long an address is lent.
    pub lease: Duration,
    /// Relay agents that may speak for this network (by giaddr). Empty: it is attached directly.
    pub relays: Vec<Ipv4Addr>,
    /// Whether a client with an address from elsewhere is told so (RFC 2131 §4.3.2).
    pub authoritative: bool,
}

/// An IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// An address in it.
    pub address: Ipv4Addr,
    /// Length of the prefix in bits, at most 32.
    pub prefix_len: u8,
}

impl Subnet {
    /// Option 1.
    pub fn mask(self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(u32::from(self.prefix_len));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let mask = self.mask().to_bits();
        address.to_bits() & mask == self.address.to_bits() & mask
    }

    /// The directed broadcast address.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask().to_bits())
    }
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest address, not below `first`.
    pub last: Ipv4Addr,
}

impl Pool {
    /// Number of addresses.
    pub fn size(self) -> u64 {
        u64::from(self.last.to_bits() - self.first.to_bits()) + 1
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

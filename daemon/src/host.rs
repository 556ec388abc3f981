//! The network interfaces of this host, as plain data.

use std::net::Ipv6Addr;

use ipnet::Ipv4Net;
use reveille_core::mac::MacAddr;

/// What this host has to serve with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// All its interfaces, in the order of their index.
    pub interfaces: Vec<HostInterface>,
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterface {
    /// Its name.
    pub name: String,
    /// Its index in the kernel.
    pub index: u32,
    /// Its link-layer address; `None` where the link has none that is 48 bits long.
    pub mac: Option<MacAddr>,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it leads to this host only.
    pub loopback: bool,
    /// Its IPv4 addresses with the prefixes of their networks, in the kernel's order.
    pub addresses: Vec<Ipv4Net>,
    /// Its IPv6 link-local address.
    pub link_local: Option<Ipv6Addr>,
    /// Whether frames can be sent to a station directly (`AF_PACKET` is allowed here).
    pub link_unicast: bool,
    /// Whether this host forwards IPv6 from here: then it may be a router, and an empty router
    /// advertisement from its address would withdraw its own default route from everybody.
    pub forwards_ipv6: bool,
}

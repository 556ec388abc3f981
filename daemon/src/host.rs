//! The network interfaces of this host, as plain data.

mod netlink;
mod watch;

pub(crate) use self::watch::{LinkWatch, Settle};

use std::io;
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
    /// Whether it was made for guests of this host (by a container engine, a hypervisor) or is a
    /// tunnel: no machine boots there unless somebody says so.
    pub internal: bool,
    /// Whether this host forwards IPv6 from here: then it may be a router, and an empty router
    /// advertisement from its address would withdraw its own default route from everybody.
    pub forwards_ipv6: bool,
    /// The bridge, bond or team whose port it is, and which has its packets.
    pub part_of: Option<String>,
}

impl Host {
    /// This host, as the network namespace of the calling thread shows it.
    ///
    /// # Errors
    /// If the kernel refuses to list interfaces or addresses.
    pub fn read() -> io::Result<Self> {
        netlink::read()
    }

    /// The interface with this name.
    pub fn interface(&self, name: &str) -> Option<&HostInterface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// What matters of it to a server: not what comes and goes with each guest of this host, unless
    /// it is `named`.
    pub(crate) fn concern(&self, named: impl Fn(&str) -> bool) -> Vec<HostInterface> {
        let is_of_concern = |interface: &&HostInterface| {
            named(&interface.name) || !interface.internal && interface.part_of.is_none()
        };
        self.interfaces.iter().filter(is_of_concern).cloned().collect()
    }

    /// The interfaces that a server can serve without being told: up, Ethernet, with an IPv4
    /// address, and leading out of this host.
    pub fn candidates(&self) -> impl Iterator<Item = &HostInterface> {
        self.interfaces.iter().filter(|interface| interface.unfit().is_none())
    }
}

impl HostInterface {
    /// The IPv6 link-local address that router advertisements can come from: its own, or the one
    /// that its link-layer address gives (RFC 4291 appendix A). A link without carrier has none
    /// yet, and a host without IPv6 never has.
    pub fn advertise_address(&self) -> Option<Ipv6Addr> {
        let derived = || {
            let MacAddr([a, b, c, d, e, f]) = self.mac?;
            let half = |high, low| u16::from_be_bytes([high, low]);
            let identifier = [half(a ^ 2, b), half(c, 0xff), half(0xfe, d), half(e, f)];
            let [w, x, y, z] = identifier;
            Some(Ipv6Addr::new(0xfe80, 0, 0, 0, w, x, y, z))
        };
        self.link_local.or_else(derived)
    }

    /// Why a server does not serve it without being told, in a few words.
    pub fn unfit(&self) -> Option<&'static str> {
        if self.loopback {
            Some("leads to this host only")
        } else if self.internal {
            Some("is for guests of this host, or a tunnel")
        } else if self.mac.is_none() {
            Some("is not Ethernet")
        } else if self.part_of.is_some() {
            Some("is a port of a bridge or bond")
        } else if !self.up {
            Some("is switched off")
        } else if self.addresses.is_empty() {
            Some("has no IPv4 address")
        } else {
            None
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! IPv4 networks: where they are, and what is given away there.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

use super::{ClassId, LeaseTerms, OptionSet};
use crate::engine::InterfaceId;

/// What this server does for DHCP on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DhcpMode {
    /// Gives addresses and boot information.
    Server,
    /// Gives boot information beside another server's addresses.
    Proxy,
    /// Gives boot information on port 4011 only, beside a DHCP server on this very host: port 67 is
    /// that server's, and its option 60 (`PXEClient`) sends machines here.
    BootServer,
    /// Nothing; TFTP and HTTP only.
    #[default]
    Off,
}

/// An IPv4 network: directly attached, or behind relay agents.
///
/// The default is a network of nothing where nothing is given.
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
    /// Addresses to give, without those that are excluded, in ascending order and apart.
    pub pools: Vec<Pool>,
    /// To whom and how the addresses of the pools are given, by [`Pool::terms`]. A pool whose
    /// terms are not here is for everybody.
    pub terms: Vec<PoolTerms>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<Box<str>>,
    /// How long an address is lent where nothing nearer to the client says it.
    pub lease: LeaseTerms,
    /// When a client is to renew, after so many thousandths of its lease (option 58).
    pub renewal_permille: u16,
    /// When a client is to ask any server, likewise (option 59); not before the renewal.
    pub rebinding_permille: u16,
    /// Options for all clients of the network.
    pub options: OptionSet,
    /// Relay agents that may speak for this network (by giaddr). Empty: it is attached directly.
    pub relays: Vec<Subnet>,
    /// The shared network it belongs to: networks with the same number are on one link.
    pub shared: Option<SharedId>,
    /// Whether a client with an address from elsewhere is told so (RFC 2131 §4.3.2).
    pub authoritative: bool,
    /// Whether only machines that the site knows are served.
    pub known_only: bool,
    /// Whether clients of BOOTP get addresses from the pools, which never come back. Those with an
    /// address of their own are always served.
    pub bootp: bool,
    /// Whether somebody is asked, beside its offer, whether an address is in use.
    pub conflict_check: bool,
    /// Open offers that one port behind a relay agent may have; `None`: a part of the pools.
    pub offers_per_port: Option<u32>,
    /// DHCP servers of others that are meant to be here.
    pub other_servers: Vec<Ipv4Addr>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            interface: InterfaceId(0),
            server: Ipv4Addr::UNSPECIFIED,
            subnet: Subnet { address: Ipv4Addr::UNSPECIFIED, prefix_len: 32 },
            mode: DhcpMode::Off,
            pools: Vec::new(),
            terms: Vec::new(),
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            lease: LeaseTerms::default(),
            renewal_permille: 500,
            rebinding_permille: 875,
            options: OptionSet::default(),
            relays: Vec::new(),
            shared: None,
            authoritative: false,
            known_only: false,
            bootp: false,
            conflict_check: true,
            offers_per_port: None,
            other_servers: Vec::new(),
        }
    }
}

impl Network {
    /// The pool that has `address`.
    pub fn pool_of(&self, address: Ipv4Addr) -> Option<&Pool> {
        let behind = self.pools.partition_point(|pool| pool.first <= address);
        self.pools.get(behind.checked_sub(1)?).filter(|pool| pool.contains(address))
    }

    /// The terms of a pool; `None` for the plain ones.
    pub fn terms_of(&self, pool: &Pool) -> Option<&PoolTerms> {
        self.terms.get(usize::from(pool.terms))
    }

    /// The address at this place in the pools, from 0 on.
    pub fn nth_address(&self, mut place: u64) -> Option<Ipv4Addr> {
        for pool in &self.pools {
            if place < pool.size() {
                return Some(Ipv4Addr::from_bits(
                    pool.first.to_bits() + u32::try_from(place).ok()?,
                ));
            }
            place -= pool.size();
        }
        None
    }

    /// Number of addresses in all pools.
    pub fn pools_size(&self) -> u64 {
        self.pools.iter().map(|pool| pool.size()).sum()
    }
}

/// Number of a shared network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SharedId(pub u16);

/// To whom and how the addresses of a pool are given.
#[derive(Clone, Debug, Default)]
pub struct PoolTerms {
    /// The class whose members may have them; `None`: everybody.
    pub class: Option<ClassId>,
    /// How long they are lent.
    pub lease: LeaseTerms,
    /// Options for clients that have one of them.
    pub options: OptionSet,
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
    /// The lowest address.
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask().to_bits())
    }

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

impl From<Ipv4Addr> for Subnet {
    fn from(address: Ipv4Addr) -> Self {
        Self { address, prefix_len: 32 }
    }
}

/// As operators write it: one address alone without its length.
impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix_len {
            32 => write!(f, "{}", self.address),
            len => write!(f, "{}/{len}", self.address),
        }
    }
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest address, not below `first`.
    pub last: Ipv4Addr,
    /// Position in [`Network::terms`]; ranges of one pool share it.
    pub terms: u16,
}

impl Pool {
    /// A range for everybody.
    pub const fn new(first: Ipv4Addr, last: Ipv4Addr) -> Self {
        Self { first, last, terms: 0 }
    }

    /// Number of addresses.
    pub fn size(self) -> u64 {
        u64::from(self.last.to_bits() - self.first.to_bits()) + 1
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

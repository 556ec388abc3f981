//! What the lease table keeps for each network. Known by the subnet, because the numbers of
//! networks change when the configuration is loaded again.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::lease::LeaseState;
use crate::limits;
use crate::table::links::{Links, List};
use crate::time::Instant;
use crate::view::Subnet;

/// The leases of one network, by what holds them, in the order in which they came to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    subnet: Subnet,
    /// The next address to look at for one that nobody ever had.
    pub(super) cursor: Ipv4Addr,
    /// Addresses looked at in vain since the last that was found.
    pub(super) swept: u64,
    /// Until when looking is not worth while.
    pub(super) rests_until: Instant,
    /// Until when the leases that run are not looked through for one that has ended.
    pub(super) runs_until: Instant,
    pub(super) offered: List,
    storing: List,
    pub(super) bound: List,
    pub(super) declined: List,
    pub(super) idle: List,
    /// Leases on this ground.
    pub(super) count: u32,
    pub(super) declined_count: u32,
}

impl Ground {
    const fn new(subnet: Subnet) -> Self {
        Self {
            subnet,
            cursor: Ipv4Addr::UNSPECIFIED,
            swept: 0,
            rests_until: Instant::ZERO,
            runs_until: Instant::ZERO,
            offered: List::EMPTY,
            storing: List::EMPTY,
            bound: List::EMPTY,
            declined: List::EMPTY,
            idle: List::EMPTY,
            count: 0,
            declined_count: 0,
        }
    }

    /// The network.
    pub(super) const fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Adds the lease in `slot` to the list of its state.
    pub(super) fn link(&mut self, links: &mut Links, state: LeaseState, slot: u32) {
        links.push_last(self.list_mut(state), slot);
        self.count += 1;
        self.declined_count += u32::from(matches!(state, LeaseState::Declined { .. }));
    }

    /// Takes the lease in `slot` off the list of its state.
    pub(super) fn unlink(&mut self, links: &mut Links, state: LeaseState, slot: u32) {
        links.remove(self.list_mut(state), slot);
        assert!(self.count > 0, "a lease was counted on its ground");
        self.count -= 1;
        self.declined_count -= u32::from(matches!(state, LeaseState::Declined { .. }));
    }

    const fn list_mut(&mut self, state: LeaseState) -> &mut List {
        match state {
            LeaseState::Offered { .. } => &mut self.offered,
            LeaseState::Storing { .. } => &mut self.storing,
            LeaseState::Bound { .. } => &mut self.bound,
            LeaseState::Declined { .. } => &mut self.declined,
            LeaseState::Idle => &mut self.idle,
        }
    }
}

/// The grounds of all networks.
#[derive(Clone, Debug)]
pub(super) struct Grounds(Vec<Ground>);

impl Grounds {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(limits::DHCP_NETWORKS_MAX))
    }

    /// The ground of `subnet`.
    pub(super) fn find(&self, subnet: Subnet) -> Option<u16> {
        let same = |ground: &Ground| {
            ground.subnet.prefix_len == subnet.prefix_len && ground.subnet.contains(subnet.address)
        };
        u16::try_from(self.0.iter().position(same)?).ok()
    }

    /// The ground of `subnet`, perhaps a new one, perhaps in the place of one without leases.
    /// `None` if there are too many.
    pub(super) fn find_or_add(&mut self, subnet: Subnet) -> Option<u16> {
        if let Some(found) = self.find(subnet) {
            return Some(found);
        }
        let at = if self.0.len() < limits::DHCP_NETWORKS_MAX {
            self.0.push(Ground::new(subnet));
            self.0.len() - 1
        } else {
            let unused = self.0.iter().position(|ground| ground.count == 0)?;
            self.0[unused] = Ground::new(subnet);
            unused
        };
        u16::try_from(at).ok()
    }

    pub(super) fn at(&self, ground: u16) -> &Ground {
        &self.0[usize::from(ground)]
    }

    pub(super) fn at_mut(&mut self, ground: u16) -> &mut Ground {
        &mut self.0[usize::from(ground)]
    }

    pub(super) fn len(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }
}

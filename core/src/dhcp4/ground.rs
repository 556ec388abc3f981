//! What the lease table keeps for each network, apart for pools of different terms, so that a free
//! address for the members of a class is found without a look at those of others. Known by the
//! subnet, because the numbers of networks change when the configuration is loaded again.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::lease::LeaseState;
use crate::limits;
use crate::table::links::{Links, List};
use crate::time::Instant;
use crate::view::Subnet;

/// The leases of one network on the same terms, by what holds them, in the order in which they came
/// to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    subnet: Subnet,
    /// [`crate::view::Pool::terms`]. When a reload numbered them anew, leases move as they are met.
    pub(super) terms: u16,
    /// The ground of the same network with the plain terms: clients are known by it.
    home: u16,
    /// Grounds that have this one for their home, besides itself.
    parts: u16,
    /// The next address to look at for one that nobody ever had.
    pub(super) cursor: Ipv4Addr,
    /// Addresses looked at in vain since the last that was found.
    pub(super) swept: u64,
    /// Until when looking is not worth while.
    pub(super) rests_until: Instant,
    /// Until when the leases that run are not looked through for one that has ended.
    pub(super) runs_until: Instant,
    /// Until when addresses may be asked for that were promised to more than one client.
    pub(super) promised_until: Instant,
    pub(super) offered: List,
    storing: List,
    pub(super) bound: List,
    pub(super) declined: List,
    pub(super) idle: List,
    /// Leases on this ground.
    pub(super) count: u32,
    pub(super) declined_count: u32,
    pub(super) offered_count: u32,
    pub(super) idle_count: u32,
}

impl Ground {
    const fn new(subnet: Subnet, terms: u16, home: u16) -> Self {
        Self {
            subnet,
            terms,
            home,
            parts: 0,
            cursor: Ipv4Addr::UNSPECIFIED,
            swept: 0,
            rests_until: Instant::ZERO,
            runs_until: Instant::ZERO,
            promised_until: Instant::ZERO,
            offered: List::EMPTY,
            storing: List::EMPTY,
            bound: List::EMPTY,
            declined: List::EMPTY,
            idle: List::EMPTY,
            count: 0,
            declined_count: 0,
            offered_count: 0,
            idle_count: 0,
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
        if let Some(count) = self.count_mut(state) {
            *count += 1;
        }
    }

    /// Takes the lease in `slot` off the list of its state.
    pub(super) fn unlink(&mut self, links: &mut Links, state: LeaseState, slot: u32) {
        links.remove(self.list_mut(state), slot);
        assert!(self.count > 0, "a lease was counted on its ground");
        self.count -= 1;
        if let Some(count) = self.count_mut(state) {
            *count -= 1;
        }
    }

    const fn count_mut(&mut self, state: LeaseState) -> Option<&mut u32> {
        match state {
            LeaseState::Offered { .. } => Some(&mut self.offered_count),
            LeaseState::Declined { .. } => Some(&mut self.declined_count),
            LeaseState::Idle => Some(&mut self.idle_count),
            LeaseState::Storing { .. } | LeaseState::Bound { .. } => None,
        }
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
pub(super) struct Grounds {
    list: Vec<Ground>,
    /// Where each ground is, in ascending order of [`place`].
    places: Vec<(u64, u16)>,
}

impl Grounds {
    pub(super) fn new() -> Self {
        let room = limits::DHCP_GROUNDS_FIRST;
        Self { list: Vec::with_capacity(room), places: Vec::with_capacity(room) }
    }

    /// The ground of `subnet` with the plain terms.
    pub(super) fn find(&self, subnet: Subnet) -> Option<u16> {
        self.find_part(subnet, 0)
    }

    /// The same with these terms.
    pub(super) fn find_part(&self, subnet: Subnet, terms: u16) -> Option<u16> {
        let at = self.places.binary_search_by_key(&place(subnet, terms), |(place, _)| *place);
        self.places.get(at.ok()?).map(|(_, ground)| *ground)
    }

    /// The ground of `subnet`, perhaps a new one, perhaps in the place of one without leases.
    /// `None` if there are too many.
    pub(super) fn find_or_add(&mut self, subnet: Subnet) -> Option<u16> {
        self.find_or_add_part(subnet, 0)
    }

    /// The same for the pools of these terms.
    pub(super) fn find_or_add_part(&mut self, subnet: Subnet, terms: u16) -> Option<u16> {
        let wanted = place(subnet, terms);
        if let Ok(at) = self.places.binary_search_by_key(&wanted, |(place, _)| *place) {
            return Some(self.places[at].1);
        }
        let home = if terms == 0 { None } else { Some(self.find_or_add(subnet)?) };
        let at = self.vacant(home)?;
        let id = u16::try_from(at).ok()?;
        let ground = Ground::new(subnet, terms, home.unwrap_or(id));
        if let Some(home) = home {
            self.at_mut(home).parts += 1;
        }
        match self.list.get_mut(at) {
            Some(old) => *old = ground,
            None => self.list.push(ground),
        }
        let before = self.places.partition_point(|(place, _)| *place < wanted);
        self.places.insert(before, (wanted, id));
        Some(id)
    }

    /// A place in the list: a new one, or that of a ground without leases, which is forgotten.
    fn vacant(&mut self, keep: Option<u16>) -> Option<usize> {
        if self.list.len() < limits::DHCP_GROUNDS_MAX {
            return Some(self.list.len());
        }
        let keep = keep.map(usize::from);
        let mut unused = self.list.iter().enumerate();
        let (at, ground) = unused
            .find(|(at, ground)| ground.count == 0 && ground.parts == 0 && Some(*at) != keep)?;
        let Ground { subnet, terms, home, .. } = *ground;
        if usize::from(home) != at {
            self.at_mut(home).parts -= 1;
        }
        self.places.retain(|(known, _)| *known != place(subnet, terms));
        Some(at)
    }

    /// The ground by which the clients of `ground` are known.
    pub(super) fn home(&self, ground: u16) -> u16 {
        self.at(ground).home
    }

    pub(super) fn at(&self, ground: u16) -> &Ground {
        &self.list[usize::from(ground)]
    }

    pub(super) fn at_mut(&mut self, ground: u16) -> &mut Ground {
        &mut self.list[usize::from(ground)]
    }

    pub(super) fn len(&self) -> u16 {
        u16::try_from(self.list.len()).unwrap_or(u16::MAX)
    }
}

/// What grounds are found by.
fn place(subnet: Subnet, terms: u16) -> u64 {
    u64::from(subnet.first().to_bits()) << 32
        | u64::from(subnet.prefix_len) << 16
        | u64::from(terms)
}

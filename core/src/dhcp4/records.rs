//! What is under way to the store that keeps bindings: tickets, and changes that no message waits
//! for.

use alloc::collections::VecDeque;
use core::net::Ipv4Addr;

use crate::binding::Ticket;
use crate::limits;
use crate::view::Subnet;

/// Whether bindings are kept beyond the life of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// They are not.
    Nothing,
    /// The store does.
    Everything,
    /// The store should, and cannot.
    NothingNew,
}

/// An address about which the store has to learn something: whatever holds it when it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) address: Ipv4Addr,
    pub(super) subnet: Subnet,
    /// The last request that tells it, once it is told.
    ticket: Ticket,
}

#[derive(Clone, Debug)]
pub(super) struct Records {
    pub(super) keeping: Keeping,
    issued: Ticket,
    stored: Ticket,
    /// What was told comes first, in the order of its tickets.
    changes: VecDeque<Change>,
    told: usize,
}

impl Records {
    pub(super) fn new(durable: bool) -> Self {
        let room = if durable { limits::DHCP_PERSISTS_MAX as usize } else { 0 };
        Self {
            keeping: if durable { Keeping::Everything } else { Keeping::Nothing },
            issued: Ticket(0),
            stored: Ticket(0),
            changes: VecDeque::with_capacity(room),
            told: 0,
        }
    }

    /// Whether there is room to [note](Self::note) one more change, and one for each message that
    /// waits.
    pub(super) fn has_room(&self) -> bool {
        self.keeping == Keeping::Nothing || self.changes.len() < limits::DHCP_CHANGES_MAX as usize
    }

    /// Notes that something else holds `address` now. There must be room, or a message that waited
    /// for the store and does so no more.
    pub(super) fn note(&mut self, address: Ipv4Addr, subnet: Subnet) {
        if self.keeping != Keeping::Nothing {
            let room = limits::DHCP_PERSISTS_MAX as usize;
            assert!(self.changes.len() < room, "room was looked for");
            self.changes.push_back(Change { address, subnet, ticket: Ticket(0) });
        }
    }

    /// The change to tell next, which [`Self::tell`] or [`Self::skip`] must follow.
    pub(super) fn next_change(&self) -> Option<Change> {
        (self.keeping == Keeping::Everything).then(|| self.changes.get(self.told).copied())?
    }

    /// The next change is told; gives its ticket.
    pub(super) fn tell(&mut self) -> Ticket {
        let ticket = self.issue();
        self.skip();
        ticket
    }

    /// A request for the same address was made since the change: that one tells it.
    pub(super) fn skip(&mut self) {
        self.changes[self.told].ticket = self.issued;
        self.told += 1;
        self.settle();
    }

    pub(super) const fn issue(&mut self) -> Ticket {
        self.issued.0 += 1;
        self.issued
    }

    /// Everything up to `ticket` is stored.
    pub(super) fn on_stored(&mut self, ticket: Ticket) {
        // What a failure voided may be stored late: it is older than all that is waited for.
        self.stored = self.stored.max(ticket.min(self.issued));
        self.settle();
    }

    /// Nothing is stored but what was.
    pub(super) const fn on_failed(&mut self) {
        self.keeping = Keeping::NothingNew;
        self.told = 0;
    }

    pub(super) fn is_stored(&self, ticket: Ticket) -> bool {
        ticket <= self.stored
    }

    /// Changes that are not stored yet, unless there is no hope for them.
    pub(super) fn waiting(&self) -> usize {
        match self.keeping {
            Keeping::Everything => self.changes.len(),
            Keeping::Nothing | Keeping::NothingNew => 0,
        }
    }

    fn settle(&mut self) {
        // Ends: each round takes a change out.
        while self.told > 0 && self.changes.front().is_some_and(|c| c.ticket <= self.stored) {
            self.changes.pop_front();
            self.told -= 1;
        }
    }
}

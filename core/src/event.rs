//! What happened, told once: the raw material of timelines, logs and metrics.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use crate::identity::Firmware;
use crate::limits;
use crate::mac::MacAddr;
use crate::text::Text;
use crate::time::Instant;
use crate::view::Subnet;
use crate::wire::pxe::{ArchType, Uuid};

/// Something that happened to one client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// To whom.
    pub client: Client,
    /// What.
    pub kind: EventKind,
}

/// Whom an event is about: as much as the packet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Client {
    /// Its link-layer address, where known.
    pub mac: Option<MacAddr>,
    /// Its network address, where it has one.
    pub address: Option<IpAddr>,
}

/// A file name as a client asked for it, made harmless and cut for display.
pub type EventName = Text<{ limits::EVENT_NAME_BYTES }>;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    /// A client looks for servers (DHCPDISCOVER).
    Discover {
        /// Who speaks: firmware or a later stage.
        firmware: Firmware,
        /// Its architecture (option 93).
        arch: Option<ArchType>,
        /// Its SMBIOS UUID (option 97).
        uuid: Option<Uuid>,
    },
    /// It was offered an address.
    Offer {
        /// The address.
        address: Ipv4Addr,
        /// The boot file in the offer; empty for none.
        boot_file: EventName,
    },
    /// It was offered a boot program beside another server's address (ProxyDHCP).
    ProxyOffer {
        /// The boot file; empty if it is handed out on port 4011.
        boot_file: EventName,
    },
    /// It asks for an address (DHCPREQUEST), perhaps another server's.
    Request {
        /// Who speaks.
        firmware: Firmware,
        /// The address it wants.
        address: Ipv4Addr,
    },
    /// It got a lease, or boot information from port 4011.
    Ack {
        /// Who speaks.
        firmware: Firmware,
        /// Its address.
        address: Ipv4Addr,
        /// How long it may keep it; zero if the address is not ours.
        lease: Duration,
        /// The boot file; empty for none.
        boot_file: EventName,
    },
    /// It was told to start over (DHCPNAK).
    Nak {
        /// The address it wanted.
        address: Ipv4Addr,
    },
    /// It found the address in use (DHCPDECLINE).
    Decline {
        /// The address.
        address: Ipv4Addr,
    },
    /// It gave the address back (DHCPRELEASE).
    Release {
        /// The address.
        address: Ipv4Addr,
    },
    /// No address was left for it.
    NoAddress,
    /// Another host uses the address that it was offered, so the address rests.
    AddressInUse {
        /// The address.
        address: Ipv4Addr,
        /// The host's station; `None` behind a relay agent, where it cannot be seen.
        station: Option<MacAddr>,
    },
    /// Another DHCP server answers where we do.
    ForeignServer(ForeignServer),
    /// How much of a network's pools is in use.
    Pool(PoolUsage),
    /// Its architecture has no boot program here.
    NoBootProgram {
        /// What it is.
        arch: Option<ArchType>,
    },
    /// Its wait for an IPv6 router was ended by an empty router advertisement.
    RouterAdvertised,
    /// A client had to wait for its turn, because too many others came at the same time.
    Waited {
        /// How it asked.
        protocol: Protocol,
        /// What for.
        name: EventName,
        /// How long.
        waited: Duration,
    },
    /// A client was told to come back, because too many others came at the same time.
    SentAway {
        /// How it asked.
        protocol: Protocol,
        /// What for.
        name: EventName,
        /// After how long.
        wait: Duration,
    },
    /// A file goes out.
    TransferStarted {
        /// How.
        protocol: Protocol,
        /// Which.
        name: EventName,
        /// How much of it was asked for.
        bytes: u64,
    },
    /// A file transfer ended.
    TransferEnded {
        /// How.
        protocol: Protocol,
        /// Which.
        name: EventName,
        /// Bytes of the file that were sent (over TFTP: acknowledged).
        bytes: u64,
        /// From the first request on.
        took: Duration,
        /// Datagrams sent again.
        retransmits: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// A client asked for something that is not here.
    NotFound {
        /// How.
        protocol: Protocol,
        /// What.
        name: EventName,
    },
    /// A client asked for something that it may not (a write, a path outside, a bad method).
    Refused {
        /// How.
        protocol: Protocol,
        /// What.
        name: EventName,
    },
    /// Leases cannot be stored any more: nobody gets a new one.
    StoreFailed {
        /// Clients who were about to get one.
        waiting: u32,
    },
    /// Leases are stored again.
    StoreRecovered,
    /// User space says that it runs.
    Up,
}

/// A DHCP server of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignServer {
    /// As it names itself (option 54).
    pub server: Ipv4Addr,
    /// Its station, if it was seen.
    pub station: Option<MacAddr>,
    /// The network whose clients it answers.
    pub subnet: Subnet,
    /// The interface by which that was seen.
    pub link: LinkName,
    /// As a ProxyDHCP we work beside another server. This is that one, so that the new one is a
    /// second.
    pub beside: Option<Ipv4Addr>,
}

/// The name of an interface.
pub type LinkName = Text<15>;

/// The addresses of a network's pools, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// The network.
    pub subnet: Subnet,
    /// Addresses in its pools.
    pub size: u64,
    /// Addresses that are lent, or about to be.
    pub bound: u32,
    /// Addresses that are offered and not yet asked for.
    pub offered: u32,
    /// Addresses that rest because another host was found to use them.
    pub resting: u32,
    /// How full that is.
    pub level: PoolLevel,
    /// Whether the level is another than before, and so somebody's business.
    pub is_news: bool,
}

impl PoolUsage {
    /// Addresses that nobody else can have.
    pub fn used(&self) -> u64 {
        u64::from(self.bound) + u64::from(self.offered) + u64::from(self.resting)
    }
}

/// How full pools are. A level is left only when there is a little more room than it takes to
/// reach it, so that a pool at its border does not tell it with every lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolLevel {
    /// There is room.
    Normal,
    /// Four fifths are in use.
    High,
    /// 95 of a hundred are in use.
    Critical,
    /// None is left.
    Full,
}

/// How a file travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 1350 and its extensions.
    Tftp,
    /// HTTP/1.1.
    Http,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything asked for arrived.
    Completed,
    /// The client broke off. Firmware does so after asking for the size: no failure.
    Aborted,
    /// The client fell silent.
    TimedOut,
    /// The image could not be read.
    ImageUnreadable,
}

/// The events of one engine that its driver has not taken yet: bounded, newest kept.
///
/// Memory is reserved at once and touched as far as events have ever gathered.
#[derive(Debug)]
pub struct EventQueue {
    /// The places that have been used; the rest of the capacity is reserved.
    ring: Vec<Event>,
    capacity: usize,
    first: usize,
    len: usize,
    lost: u64,
}

impl EventQueue {
    /// Room for `capacity` events.
    ///
    /// # Panics
    /// If `capacity` is zero.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a queue without room loses every event");
        Self { ring: Vec::with_capacity(capacity), capacity, first: 0, len: 0, lost: 0 }
    }

    /// Adds an event; the oldest makes room if nobody took it.
    pub fn push(&mut self, event: Event) {
        if self.len == self.capacity {
            self.first = (self.first + 1) % self.capacity;
            self.len -= 1;
            self.lost += 1;
        }
        let place = (self.first + self.len) % self.capacity;
        if place < self.ring.len() {
            self.ring[place] = event;
        } else {
            assert!(place == self.ring.len(), "places are used one after the other");
            self.ring.push(event);
        }
        self.len += 1;
    }

    /// Takes the oldest event.
    pub fn pop(&mut self) -> Option<Event> {
        if self.len == 0 {
            return None;
        }
        let event = self.ring[self.first];
        self.len -= 1;
        // An empty queue begins again at its first place, whose memory is warm.
        self.first = if self.len == 0 { 0 } else { (self.first + 1) % self.capacity };
        Some(event)
    }

    /// Events that were overwritten before anybody took them.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn numbered(number: u64) -> Event {
        let client = Client { mac: None, address: None };
        Event { at: Instant::from_nanos(number), client, kind: EventKind::Up }
    }

    proptest! {
        /// Whatever the order of pushes and pops: the newest are kept, in order, the rest counted.
        #[test]
        fn a_queue_keeps_the_newest(
            capacity in 1_usize..9,
            pushes in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let mut queue = EventQueue::new(capacity);
            let (mut model, mut lost) = (VecDeque::new(), 0);
            for (number, push) in (0..).zip(pushes) {
                if push {
                    if model.len() == capacity {
                        model.pop_front();
                        lost += 1;
                    }
                    model.push_back(number);
                    queue.push(numbered(number));
                } else {
                    let popped = queue.pop().map(|event| event.at.as_nanos());
                    prop_assert_eq!(popped, model.pop_front());
                }
            }
            prop_assert_eq!(queue.lost(), lost);
            while let Some(number) = model.pop_front() {
                prop_assert_eq!(queue.pop().map(|event| event.at.as_nanos()), Some(number));
            }
            prop_assert!(queue.pop().is_none());
        }
    }
}

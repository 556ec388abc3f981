//! Which rule decided each part of an answer, for people who ask why.
//!
//! The engine takes its decisions in one place whether anybody wants to know of them or not: what
//! decides notes what it did with a [`Recorder`]. That of the engine is [`Unrecorded`], which has
//! no size and takes note of nothing.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::boot::{Choice, Plan};
use crate::engine::{Discard, Route};
use crate::identity::Firmware;
use crate::view::{ClassId, MachineId, MachineRule, Subnet};
use crate::wire::pxe::ArchType;

/// Takes note of decisions while an answer is made.
pub(super) trait Recorder {
    /// Whether notes are taken at all: what is worth looking up only for a note is not, without.
    const TAKES_NOTES: bool;

    /// A decision was taken. `decision` is only called by who wants to know.
    fn note(&mut self, decision: impl FnOnce() -> Decision);
}

/// Takes note of nothing.
#[derive(Debug)]
pub(super) struct Unrecorded;

impl Recorder for Unrecorded {
    const TAKES_NOTES: bool = false;

    #[inline]
    fn note(&mut self, _decision: impl FnOnce() -> Decision) {}
}

impl Recorder for Vec<Decision> {
    const TAKES_NOTES: bool = true;

    fn note(&mut self, decision: impl FnOnce() -> Decision) {
        self.push(decision());
    }
}

/// What a server would do about a message, and why: see
/// [`Dhcp4Server::explain`](super::Dhcp4Server::explain).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decisions in the order in which they were taken.
    pub decisions: Vec<Decision>,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is dropped and counted.
    Dropped(Discard),
    /// It is understood and gets no answer.
    Silence,
    /// It is answered.
    Reply {
        /// Where the answer goes.
        route: Route,
        /// The DHCP message, without headers of lower layers.
        message: Vec<u8>,
    },
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Who is asking.
    Client {
        /// The program that speaks.
        firmware: Firmware,
        /// Its architecture.
        arch: Option<ArchType>,
        /// What told so.
        by: ClientRule,
    },
    /// Which network the client is on.
    Network {
        /// The network's subnet.
        subnet: Subnet,
        /// What told so.
        by: NetworkRule,
    },
    /// The client is a machine that the site knows by name.
    Machine {
        /// The machine.
        machine: MachineId,
        /// The key that it was recognised by.
        by: MachineRule,
    },
    /// The client is a member of this class.
    Class(ClassId),
    /// The address that the client is to have.
    Address {
        /// The address.
        address: Ipv4Addr,
        /// Why this one.
        by: AddressRule,
    },
    /// What the client is to load, and which profile says so.
    Boot {
        /// What it loads.
        plan: Plan,
        /// How the profile was found.
        by: Choice,
    },
    /// A quirk of the client's firmware changes the answer: its position in the list of
    /// [`Quirks`](crate::view::Quirks).
    Quirk(usize),
    /// What kind of answer it gets.
    Answer(AnswerRule),
    /// Where the answer goes.
    Route(RouteRule),
    /// An option stands in the answer.
    Option {
        /// Its code.
        code: u8,
        /// Who wants it there.
        level: Level,
    },
    /// An option that somebody wants in the answer was left out.
    LeftOut {
        /// Its code.
        code: u8,
        /// Who wanted it there.
        level: Level,
        /// Why it is not there.
        why: LeftOutRule,
    },
}

/// Why an option is not in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOutRule {
    /// The client takes no longer message.
    NoRoom,
    /// The client does not ask for it (option 55), and it is not to be sent unasked.
    NotAsked,
    /// The server says itself what the client needs to boot.
    OwnInstead,
}

/// What tells who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRule {
    /// Option 77 says `iPXE`.
    UserClass,
    /// Option 175, which only iPXE sends.
    IpxeOptions,
    /// Option 60.
    VendorClass,
    /// Option 97 or 93 of a Raspberry Pi, or its maker's addresses with the option 60 it sends.
    RaspberryPi,
    /// What it told before: it repeats too little now.
    Remembered,
    /// Nothing that boot firmware says.
    Nothing,
}

/// What tells which network a client is on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkRule {
    /// The relay agent's choice of link (RFC 3527).
    LinkSelection,
    /// The client's choice of subnet (RFC 3011), through a relay agent.
    SubnetSelection,
    /// The subnet of the relay agent's address (RFC 2131 §4.3.1).
    RelayAgent,
    /// The first network that lists the relay agent.
    ListedRelayAgent,
    /// The address that the client has or wants, on the link it is on.
    Address,
    /// The address that a client beyond a router has.
    RoutedAddress,
    /// The interface.
    Interface,
    /// Another network on the link has the client's address, or room for one.
    SharedLink,
}

/// Why an address is the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// It is reserved for the machine.
    Reserved,
    /// The client had it last.
    Kept,
    /// The client wishes it, and nobody else has it.
    Wished,
    /// It is free.
    Free,
}

/// What kind of answer a message gets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerRule {
    /// An offer.
    Offer,
    /// The address is lent.
    Ack,
    /// Configuration without an address.
    Inform,
    /// The address is not for the client.
    Nak,
    /// Boot information beside another server's offer.
    ProxyOffer,
    /// Boot information from the boot server port.
    BootAck,
    /// No address is left.
    NoAddress,
    /// Another server may know the client, or there is nothing to boot.
    Silence,
}

/// Where an answer goes (RFC 2131 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteRule {
    /// To the relay agent.
    Relay,
    /// To the relay agent, at the port it asked from (RFC 8357).
    RelayPort,
    /// To the address that the client has.
    ClientAddress,
    /// To the address and port that the message came from.
    Sender,
    /// To the station, since it has no address yet.
    Station,
    /// To everybody, since the client says that it hears nothing else.
    BroadcastFlag,
    /// To everybody, since a quirk wants it.
    BroadcastQuirk,
    /// To everybody, since the client has no address that could be used.
    Broadcast,
}

/// Who wants an option in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The protocol.
    Protocol,
    /// The client, which sent it.
    Echo,
    /// What is to be booted.
    Boot,
    /// The configuration for everybody.
    Site,
    /// The network's configuration.
    Network,
    /// The configuration of the pool that the address is of.
    Pool,
    /// The configuration of a class that the client belongs to.
    Class(ClassId),
    /// The machine's configuration.
    Machine,
}

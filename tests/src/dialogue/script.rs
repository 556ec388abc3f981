//! What clients say, drawn from a seed.

use std::net::Ipv4Addr;

use reveille_core::rng::Rng;

use super::message::kind;
use super::servers::{FAR, FULL, LINK, RELAYED, Subnet};
use super::talk::RESERVED;

/// One client's part. It does not depend on what the server says.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its place among all; MAC address and transactions follow from it.
    pub number: u32,
    /// What it is about.
    pub name: &'static str,
    /// Where the client is.
    pub place: Place,
    /// What the client always does.
    pub habits: Habits,
    /// What it says.
    pub steps: Vec<Step>,
}

/// Where a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the server's link.
    Link,
    /// Behind a relay agent with this address, which adds these sub-options of option 82, or no
    /// option 82 without any.
    Relay(Ipv4Addr, Vec<(u8, Vec<u8>)>),
}

/// What a client always does.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Option 61.
    pub client_id: Option<Vec<u8>>,
    /// Sets the broadcast flag.
    pub broadcast: bool,
    /// The field `secs`.
    pub secs: u16,
    /// Further options, in their order.
    pub options: Vec<(u8, Vec<u8>)>,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it is.
    pub says: Says,
    /// As whom.
    pub identity: Identity,
    /// It is sent twice, with the same transaction.
    pub twice: bool,
}

/// As whom a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// With the client's own MAC address and client identifier.
    Usual,
    /// With another client identifier.
    OtherClientId,
    /// Without client identifier.
    NoClientId,
    /// With another MAC address.
    OtherMac,
}

/// A message of a client, by its state (RFC 2131 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// DISCOVER, with a wish or none.
    Discover(Option<Wanted>),
    /// REQUEST after an offer: which address, and of which server (`None`: the one that offered).
    Select(Wanted, Option<Ipv4Addr>),
    /// REQUEST after a reboot.
    InitReboot(Wanted),
    /// REQUEST by unicast.
    Renew(Wanted),
    /// REQUEST by broadcast with the address in use.
    Rebind(Wanted),
    /// DECLINE.
    Decline(Wanted),
    /// RELEASE.
    Release(Wanted),
    /// INFORM, with the client's address or none.
    Inform(Option<Wanted>),
    /// A BOOTP request.
    Bootp,
}

/// An address, by what it is to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The last one it was told.
    Own,
    /// One that another client of the network has.
    Taken,
    /// One that yet another client has.
    AlsoTaken,
    /// This one.
    At(Ipv4Addr),
}

impl Says {
    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Discover(_) => "discover",
            Self::Select(..) => "select",
            Self::InitReboot(_) => "init-reboot",
            Self::Renew(_) => "renew",
            Self::Rebind(_) => "rebind",
            Self::Decline(_) => "decline",
            Self::Release(_) => "release",
            Self::Inform(_) => "inform",
            Self::Bootp => "bootp",
        }
    }

    /// The message type; `None` for BOOTP.
    #[must_use]
    pub fn kind(self) -> Option<u8> {
        match self {
            Self::Discover(_) => Some(kind::DISCOVER),
            Self::Select(..) | Self::InitReboot(_) | Self::Renew(_) | Self::Rebind(_) => {
                Some(kind::REQUEST)
            }
            Self::Decline(_) => Some(kind::DECLINE),
            Self::Release(_) => Some(kind::RELEASE),
            Self::Inform(_) => Some(kind::INFORM),
            Self::Bootp => None,
        }
    }

    /// The address that the message names.
    #[must_use]
    pub fn wanted(self) -> Option<Wanted> {
        match self {
            Self::Discover(wanted) | Self::Inform(wanted) => wanted,
            Self::Select(wanted, _)
            | Self::InitReboot(wanted)
            | Self::Renew(wanted)
            | Self::Rebind(wanted)
            | Self::Decline(wanted)
            | Self::Release(wanted) => Some(wanted),
            Self::Bootp => None,
        }
    }
}

impl Place {
    /// The network that this place belongs to.
    #[must_use]
    pub fn subnet(&self) -> &'static Subnet {
        let Self::Relay(giaddr, agent) = self else { return &LINK };
        let chosen = agent.iter().find(|(code, _)| *code == LINK_SELECTION);
        let address = match chosen.map(|(_, value)| value.as_slice()) {
            Some([a, b, c, d]) => Ipv4Addr::new(*a, *b, *c, *d),
            Some(_) | None => *giaddr,
        };
        let all = [&LINK, &RELAYED, &FAR, &FULL];
        all.into_iter().find(|subnet| subnet.contains(address)).unwrap_or(&LINK)
    }
}

/// So many conversations; the same for the same seed.
#[must_use]
pub fn conversations(seed: u64, count: u32) -> Vec<Conversation> {
    let mut rng = Rng::new(seed);
    (0..count).map(|number| conversation(&mut rng, number)).collect()
}

fn conversation(rng: &mut Rng, number: u32) -> Conversation {
    let mut place = place(rng);
    let mut habits = habits(rng, number);
    let (name, says) = course(rng, number, &mut place, &mut habits);
    let identity = Identity::Usual;
    let mut steps: Vec<_> =
        says.into_iter().map(|says| Step { says, identity, twice: false }).collect();
    change(rng, name, &mut habits, &mut steps);
    Conversation { number, name, place, habits, steps }
}

/// What makes some courses special besides what is said.
fn change(rng: &mut Rng, name: &str, habits: &mut Habits, steps: &mut [Step]) {
    let changed = match name {
        "another client identifier" => Identity::OtherClientId,
        "client identifier lost" => Identity::NoClientId,
        "another network card" => Identity::OtherMac,
        "twice" => {
            let twice = rng.below(2) as usize;
            steps[twice].twice = true;
            return;
        }
        _ => return,
    };
    habits.client_id.get_or_insert_with(|| b"\0a name for itself".to_vec());
    for step in &mut steps[2..] {
        step.identity = changed;
    }
}

type Course = (&'static str, Vec<Says>);

/// What a conversation is about, and what is said.
fn course(rng: &mut Rng, number: u32, place: &mut Place, habits: &mut Habits) -> Course {
    use Says::{Bootp, Decline, Discover, Inform, InitReboot, Rebind, Release, Renew, Select};
    use Wanted::{AlsoTaken, At, Own, Taken};
    let begin = [Discover(None), Select(Own, None)];
    let then = |more: &[Says]| [&begin[..], more].concat();
    let subnet = place.subnet();
    let free = At(subnet.free(number));
    let unpooled = At(subnet.unpooled(number));
    let wrong = match rng.below(4) {
        0 => free,
        1 => unpooled,
        2 => Taken,
        _ => At(Ipv4Addr::new(192, 168, 7, 9)),
    };
    let elsewhere = Some(Ipv4Addr::new(10, 77, 0, 99));
    match rng.below(23) {
        0 => ("a whole lease", then(&[Renew(Own), Rebind(Own), Release(Own), Discover(None)])),
        1 => ("a wish", vec![Discover(Some(wrong)), Select(Own, None), Renew(Own)]),
        2 => ("reboot of a stranger", vec![InitReboot(wrong), Discover(None)]),
        3 => ("reboot", then(&[InitReboot(Own), Renew(Own)])),
        4 => ("reboot elsewhere", then(&[InitReboot(wrong), InitReboot(Own)])),
        5 => ("another server", vec![Discover(None), Select(Own, elsewhere), Select(Own, None)]),
        6 => ("not what was offered", vec![Discover(None), Select(wrong, None)]),
        7 => ("decline", then(&[Decline(Own), Discover(None), Select(Own, None)])),
        8 => ("release, then reboot", then(&[Release(Own), InitReboot(Own)])),
        9 => ("inform", vec![Inform(Some(unpooled)), Inform(Some(unpooled))]),
        10 => ("inform without address", vec![Inform(None)]),
        11 => ("twice", then(&[Renew(Own)])),
        12 => ("another client identifier", then(&[Discover(None), Select(Own, None)])),
        13 => ("client identifier lost", then(&[Renew(Own), Discover(None)])),
        14 => ("another network card", then(&[Discover(None), Select(Own, None)])),
        15 => ("renewal of a stranger", vec![Renew(wrong), Rebind(wrong)]),
        16 => ("release of what is another's", then(&[Release(AlsoTaken), Renew(Own)])),
        17 => ("decline of what is another's", then(&[Decline(AlsoTaken), Renew(Own)])),
        18 => {
            *place = Place::Relay(FULL.relay, Vec::new());
            let asks = rng.below(2) == 0;
            habits.options.extend(asks.then(|| (AUTO_CONFIGURE, vec![1])));
            ("a full network", vec![Discover(None), InitReboot(At(FULL.free(number)))])
        }
        19 => {
            *place = Place::Relay(Ipv4Addr::new(10, 99, 0, 1), Vec::new());
            ("an unknown relay agent", vec![Discover(None), InitReboot(free)])
        }
        20 => {
            let target = [FAR.address, RELAYED.address, Ipv4Addr::new(10, 99, 0, 0)];
            let target = target[rng.below(3) as usize];
            habits.options.push((SUBNET_SELECTION, target.octets().to_vec()));
            ("subnet selection", then(&[]))
        }
        21 => ("bootp", vec![Bootp, Bootp]),
        _ => {
            *place = Place::Link;
            (RESERVED, then(&[InitReboot(At(LINK.free(number))), Renew(Own)]))
        }
    }
}

fn place(rng: &mut Rng) -> Place {
    if rng.below(2) == 0 {
        return Place::Link;
    }
    let mut agent = Vec::new();
    if rng.below(4) != 0 {
        agent.push((1, b"rack7/port12".to_vec()));
        agent.push((2, vec![2, 0, 0, 7, 7, 7]));
    }
    match rng.below(7) {
        0 => return Place::Relay(FAR.relay, agent),
        1 => agent.push((LINK_SELECTION, FAR.address.octets().to_vec())),
        2 => agent.push((SERVER_ID_OVERRIDE, RELAYED.relay.octets().to_vec())),
        3 => agent.push((12, b"relay-7".to_vec())),
        4 => agent.push((151, vec![1, 0, 0, 7, 0, 0, 0, 9])),
        _ => {}
    }
    Place::Relay(RELAYED.relay, agent)
}

fn habits(rng: &mut Rng, number: u32) -> Habits {
    let client_id = match rng.below(4) {
        0 => Some([&[1][..], &mac(number)].concat()),
        1 => Some(format!("\0client {number}").into_bytes()),
        2 => {
            let iaid = number.to_be_bytes();
            Some([&[255][..], &iaid, &[0, 2, 0, 0, 0xab, 0x11], &iaid, &iaid].concat())
        }
        _ => None,
    };
    let mut options = Vec::new();
    let mut some = |one_in: u32, code: u8, values: &[&[u8]]| {
        if rng.below(one_in) == 0 {
            let value = values[rng.below(u32::try_from(values.len()).unwrap_or(1)) as usize];
            options.push((code, value.to_vec()));
        }
    };
    some(2, 12, &[b"machine-7", b"not a name!", b"a.b.example"]);
    some(3, 60, &[b"MSFT 5.0", b"udhcp 1.35.0", b"a vendor nobody knows"]);
    some(4, 57, &[&[2, 64], &[5, 220], &[1, 44], &[0, 9]]);
    some(6, 51, &[&[0, 0, 2, 88], &[0, 1, 81, 128], &[0xff; 4], &[0, 0, 0, 1]]);
    some(8, 81, &[b"\x00\0\0machine-8", b"\x05\0\0\x09machine-9\x07example\0", b"\x04\0\0"]);
    some(12, 77, &[b"\x05class", b"plain"]);
    some(16, 116, &[&[1], &[0]]);
    let lists: [&[u8]; 5] = [
        &[1, 3, 6, 12, 15, 28, 42],
        &[1, 15, 3, 6, 44, 46, 47, 31, 33, 121, 249, 43],
        &[42, 28, 15, 6, 3, 1],
        &[66, 67, 43],
        &[54, 51, 58, 59, 1, 3],
    ];
    if rng.below(5) != 0 {
        options.push((55, lists[rng.below(5) as usize].to_vec()));
    }
    let secs = [0, 4, 65535][rng.below(3) as usize];
    Habits { client_id, broadcast: rng.below(2) == 0, secs, options }
}

/// The Ethernet address of a conversation's client.
#[must_use]
pub fn mac(number: u32) -> [u8; 6] {
    let [_, b, c, d] = number.to_be_bytes();
    [0x02, 0xc1, 0x1e, b, c, d]
}

/// RFC 3527.
const LINK_SELECTION: u8 = 5;
/// RFC 5107.
const SERVER_ID_OVERRIDE: u8 = 11;
/// RFC 2563.
const AUTO_CONFIGURE: u8 = 116;
/// RFC 3011.
const SUBNET_SELECTION: u8 = 118;

//! Speaking scripts to a server.
//!
//! Nothing waits for a time to pass: after some messages a client that is known asks for its lease
//! anew, and what was not answered before it got that will not be. Servers answer in order, and
//! what waits for stable storage waits in order too.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::answer::{Answer, Context};
use super::message::{Message, kind};
use super::script::{Conversation, Identity, Place, Says, Step, Wanted, mac};
use super::servers::{LINK, ROUTER, Reservation, SERVER, SUBNETS};
use super::station::{Heard, Station};
use crate::lab::Link;

/// What came of one step.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// There was nothing to say: the server had told no address before.
    Unsaid,
    /// What was said, and what was answered.
    Said(Message, Vec<Answer>),
}

impl Outcome {
    /// What was said, if anything.
    #[must_use]
    pub const fn said(&self) -> Option<&Message> {
        match self {
            Self::Unsaid => None,
            Self::Said(message, _) => Some(message),
        }
    }
}

/// A client's side of all conversations with one server.
#[derive(Debug)]
pub struct Talk {
    station: Station,
    server: [u8; 6],
    transactions: u32,
    /// For each network in order, who has an address there.
    holders: BTreeMap<Ipv4Addr, Vec<Ipv4Addr>>,
    /// What cannot be read, or belongs to nobody.
    strange: Vec<String>,
}

/// Replies by the client's Ethernet address and the transaction.
type Inbox = BTreeMap<([u8; 6], u32), Vec<Heard>>;

/// What a client remembers.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// The address that it was told last.
    own: Option<Ipv4Addr>,
    /// Who told it.
    server: Option<Ipv4Addr>,
    /// Its last transaction.
    xid: u32,
}

/// How a message goes out.
struct Letter {
    message: Message,
    /// To the server alone, from the client's address.
    unicast: bool,
    relayed: bool,
    twice: bool,
}

impl Talk {
    /// Comes to the server's link, where some clients get their leases first.
    ///
    /// # Errors
    /// If the server does not answer them.
    pub fn new(link: &Link) -> Result<Self, String> {
        let host = link.host();
        let mut station = Station::on(&host);
        station.answer_for(ROUTER, ROUTER_MAC);
        let server = station.resolve((ROUTER, ROUTER_MAC), SERVER).ok_or("no answer to ARP")?;
        let holders = BTreeMap::new();
        let mut talk = Self { station, server, transactions: 1, holders, strange: Vec::new() };
        for (subnet, number) in SUBNETS.iter().zip(0..) {
            let place = match subnet.address == LINK.address {
                true => Place::Link,
                false => Place::Relay(subnet.relay, Vec::new()),
            };
            // The full network has two addresses.
            for second in [0, 100] {
                let address = talk.settle(HOLDERS + number + second, &place)?;
                talk.holders.entry(subnet.address).or_default().push(address);
            }
        }
        Ok(talk)
    }

    /// Speaks all conversations side by side, each message after the answer to the one before.
    ///
    /// # Errors
    /// If the server stops to answer, or sends what is no DHCP message or for nobody.
    pub fn speak(mut self, all: &[Conversation]) -> Result<Vec<Vec<Outcome>>, String> {
        let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); all.len()];
        let mut clients = vec![Client { own: None, server: None, xid: 0 }; all.len()];
        let batches = all.chunks(BATCH).zip(clients.chunks_mut(BATCH));
        for ((chunk, clients), outcomes) in batches.zip(outcomes.chunks_mut(BATCH)) {
            let steps = chunk.iter().map(|conversation| conversation.steps.len());
            for step in 0..steps.max().unwrap_or(0) {
                self.speak_step(step, chunk, clients, outcomes)?;
            }
        }
        if self.strange.is_empty() { Ok(outcomes) } else { Err(self.strange.join("\n")) }
    }

    /// The same step of some conversations.
    fn speak_step(
        &mut self,
        step: usize,
        conversations: &[Conversation],
        clients: &mut [Client],
        outcomes: &mut [Vec<Outcome>],
    ) -> Result<(), String> {
        let letters: Vec<_> = conversations
            .iter()
            .zip(&mut *clients)
            .map(|(conversation, client)| {
                let step = conversation.steps.get(step)?;
                self.letter(conversation, step, client)
            })
            .collect();
        let mut heard = self.exchange(letters.iter().flatten())?;
        let parties = conversations.iter().zip(clients).zip(outcomes);
        for (((conversation, client), outcomes), letter) in parties.zip(letters) {
            if conversation.steps.len() <= step {
                continue;
            }
            let Some(Letter { message, .. }) = letter else {
                outcomes.push(Outcome::Unsaid);
                continue;
            };
            let context = context(conversation, &message, client.own);
            let heard = heard.remove(&(message.mac, message.xid)).unwrap_or_default();
            let answers = heard.iter().map(|heard| Answer::of(heard, &context)).collect();
            if let Some((told, by)) = heard.iter().find_map(address_told) {
                client.own = Some(told);
                client.server = by.or(client.server);
                // An offer is not yet its own.
                if heard.iter().any(|heard| heard.reply.kind() == kind::ACK) {
                    self.station.announce(told, reachable_at(told, message.mac));
                }
            }
            outcomes.push(Outcome::Said(message, answers));
        }
        self.strange.extend(heard.into_values().flatten().map(|heard| {
            let Heard { station, destination, reply, .. } = heard;
            let (mac, xid, kind) = (reply.mac(), reply.xid, reply.kind());
            format!(
                "an answer to nobody: kind {kind} for {mac:02x?}, transaction {xid:08x}, to \
                 {destination} at {station:02x?}"
            )
        }));
        Ok(())
    }

    /// The message of a step; `None` if there is no address to speak of.
    fn letter(
        &mut self,
        conversation: &Conversation,
        step: &Step,
        client: &mut Client,
    ) -> Option<Letter> {
        let Conversation { number, place, habits, .. } = conversation;
        let (says, subnet) = (step.says, place.subnet());
        let named = match says.wanted() {
            Some(Wanted::Own) => Some(client.own?),
            Some(Wanted::Taken) => Some(self.holders[&subnet.address][0]),
            Some(Wanted::AlsoTaken) => Some(self.holders[&subnet.address][1]),
            Some(Wanted::At(address)) => Some(address),
            None => None,
        };
        let mut message = self.message(mac(*number));
        // An offer is taken in its own transaction (RFC 2131 §4.4.1).
        if matches!(says, Says::Select(..)) {
            message.xid = client.xid;
        }
        client.xid = message.xid;
        message.secs = habits.secs;
        message.flags = if habits.broadcast { 0x8000 } else { 0 };
        let in_use =
            matches!(says, Says::Renew(_) | Says::Rebind(_) | Says::Release(_) | Says::Inform(_));
        if let Some(address) = named.filter(|_| in_use) {
            message.ciaddr = address;
            self.station.answer_for(address, reachable_at(address, message.mac));
        }
        message.options.extend(says.kind().map(|kind| (53, vec![kind])));
        let client_id = match step.identity {
            Identity::OtherClientId => Some(b"\0another name".to_vec()),
            Identity::NoClientId => None,
            Identity::OtherMac => {
                message.mac[1] ^= 0x80;
                habits.client_id.clone()
            }
            Identity::Usual => habits.client_id.clone(),
        };
        message.options.extend(client_id.map(|id| (61, id)));
        if let Some(address) = named.filter(|_| !in_use) {
            message.options.push((50, address.octets().to_vec()));
        }
        let server = match says {
            Says::Select(_, Some(server)) => Some(server),
            Says::Select(_, None) | Says::Decline(_) | Says::Release(_) => client.server,
            Says::Discover(_)
            | Says::InitReboot(_)
            | Says::Renew(_)
            | Says::Rebind(_)
            | Says::Inform(_)
            | Says::Bootp => None,
        };
        message.options.extend(server.map(|server| (54, server.octets().to_vec())));
        if says != Says::Bootp {
            message.options.extend(habits.options.iter().cloned());
        }
        let unicast = matches!(says, Says::Renew(_) | Says::Release(_));
        let relayed = *place != Place::Link && !unicast;
        if relayed {
            through_relay(&mut message, place);
        }
        if unicast {
            message.flags = 0;
        }
        Some(Letter { message, unicast, relayed, twice: step.twice })
    }

    /// Sends, and collects what comes back until the server has answered all that it will.
    fn exchange<'l>(&mut self, letters: impl Iterator<Item = &'l Letter>) -> Result<Inbox, String> {
        for letter in letters {
            for _ in 0..=u32::from(letter.twice) {
                self.post(letter);
            }
        }
        let mut heard = Inbox::new();
        let offered = self.ask(&mut heard, kind::DISCOVER, None)?;
        self.ask(&mut heard, kind::REQUEST, Some(offered))?;
        // An answer may have waited for ARP, which was answered before this goes out.
        self.ask(&mut heard, kind::DISCOVER, None)?;
        Ok(heard)
    }

    /// A message of the client whose answers end a round; tells the address in the answer.
    fn ask(
        &mut self,
        heard: &mut Inbox,
        kind: u8,
        offered: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, String> {
        let mut message = self.message(mac(SENTINEL));
        message.flags = 0x8000;
        message.options.push((53, vec![kind]));
        if let Some(offered) = offered {
            message.options.push((50, offered.octets().to_vec()));
            message.options.push((54, SERVER.octets().to_vec()));
        }
        let letter = Letter { message, unicast: false, relayed: false, twice: false };
        self.post(&letter);
        let deadline = Instant::now() + PATIENCE;
        while let Some(result) = self.station.hear(deadline) {
            match result {
                Err(strange) => self.strange.push(strange),
                Ok(found) => {
                    let key = (found.reply.mac(), found.reply.xid);
                    if key == (letter.message.mac, letter.message.xid) {
                        return Ok(found.reply.yiaddr);
                    }
                    heard.entry(key).or_default().push(found);
                }
            }
        }
        Err("the server answers no more".to_owned())
    }

    /// Gets a lease.
    fn settle(&mut self, number: u32, place: &Place) -> Result<Ipv4Addr, String> {
        let mut own = None;
        for kind in [kind::DISCOVER, kind::REQUEST] {
            let mut message = self.message(mac(number));
            message.flags = 0x8000;
            message.options.push((53, vec![kind]));
            if let Some(address) = own {
                let address: Ipv4Addr = address;
                message.options.push((50, address.octets().to_vec()));
                message.options.push((54, SERVER.octets().to_vec()));
            }
            let relayed = *place != Place::Link;
            if relayed {
                through_relay(&mut message, place);
            }
            let key = (message.mac, message.xid);
            let letter = Letter { message, unicast: false, relayed, twice: false };
            let mut heard = self.exchange([&letter].into_iter())?;
            let answer = heard.remove(&key).and_then(|heard| address_told(heard.first()?));
            let answer = answer.map(|(address, _)| address);
            own = Some(answer.ok_or_else(|| format!("no lease in {}", place.subnet().name))?);
        }
        Ok(own.expect("two answers came"))
    }

    fn message(&mut self, mac: [u8; 6]) -> Message {
        self.transactions += 1;
        Message {
            hops: 0,
            xid: 0x5e00_0000 + self.transactions,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            mac,
            options: Vec::new(),
        }
    }

    fn post(&self, letter: &Letter) {
        let Letter { message, unicast, relayed, .. } = letter;
        let payload = message.encode();
        let to_server = SocketAddrV4::new(SERVER, 67);
        let (stations, source, destination) = if *relayed {
            ((ROUTER_MAC, self.server), SocketAddrV4::new(message.giaddr, 67), to_server)
        } else if *unicast {
            let from = reachable_at(message.ciaddr, message.mac);
            ((from, self.server), SocketAddrV4::new(message.ciaddr, 68), to_server)
        } else {
            let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
            ((message.mac, [0xff; 6]), SocketAddrV4::new(message.ciaddr, 68), everybody)
        };
        self.station.send(stations, source, destination, &payload);
    }
}

/// Whose Ethernet address is next on the way to an address: the client's own on the link.
fn reachable_at(address: Ipv4Addr, mac: [u8; 6]) -> [u8; 6] {
    if LINK.contains(address) { mac } else { ROUTER_MAC }
}

fn through_relay(message: &mut Message, place: &Place) {
    let Place::Relay(giaddr, agent) = place else { return };
    message.giaddr = *giaddr;
    message.hops = 1;
    let mut value = Vec::new();
    for (code, data) in agent {
        value.push(*code);
        value.push(u8::try_from(data.len()).expect("sub-options are short"));
        value.extend(data);
    }
    if !value.is_empty() {
        message.options.push((82, value));
    }
}

fn context<'a>(
    conversation: &Conversation,
    message: &'a Message,
    own: Option<Ipv4Addr>,
) -> Context<'a> {
    let option = message.options.iter().find(|(code, _)| *code == 50);
    let option = option.and_then(|(_, value)| value.as_slice().try_into().ok());
    let in_use = (!message.ciaddr.is_unspecified()).then_some(message.ciaddr);
    let is_reserved = conversation.name == RESERVED;
    Context {
        message,
        own,
        named: option.map(Ipv4Addr::from_octets).or(in_use),
        router: ROUTER_MAC,
        reserved: is_reserved.then(|| Reservation::of(conversation.number).address),
    }
}

/// The address that an OFFER or ACK gives, and the server's identifier.
fn address_told(heard: &Heard) -> Option<(Ipv4Addr, Option<Ipv4Addr>)> {
    let reply = &heard.reply;
    let gives = matches!(reply.kind(), kind::OFFER | kind::ACK | 0);
    let address = Some(reply.yiaddr).filter(|address| gives && !address.is_unspecified())?;
    let server = reply.option(54).and_then(|value| value.try_into().ok());
    Some((address, server.map(Ipv4Addr::from_octets)))
}

/// What a conversation about a reserved address is called.
pub const RESERVED: &str = "a reserved address";

/// Fewer than the smallest receive buffer of a server takes.
const BATCH: usize = 16;

/// How long a server may take for so many messages.
const PATIENCE: Duration = Duration::from_secs(10);

const ROUTER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x03];

/// Numbers of clients that take part in no conversation.
const HOLDERS: u32 = 0x00f0_0000;
const SENTINEL: u32 = 0x00ff_0000;

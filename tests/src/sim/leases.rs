//! A server that keeps its leases, a store that fails, and crashes: whatever happens in whatever
//! order, no lease that a client was told of is lost, and no address is two clients' at one time.
//!
//! Smaller than a whole site, so that thousands of seeds are played in seconds: a few clients, a
//! pool that is about as large as they are many, and steps that are drawn one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::binding::{Binding, BindingState, Ticket};
use reveille_core::dhcp4::{ClientKey, Dhcp4Config, Dhcp4Server, LeaseState};
use reveille_core::engine::{
    Datagram, Engine, InterfaceId, OperatorOrder, Output, Packet, SocketId, StoreAnswer,
};
use reveille_core::limits;
use reveille_core::mac::MacAddr;
use reveille_core::rng::Rng;
use reveille_core::time::Instant;
use reveille_core::view::{DhcpMode, Interface, LeaseTerms, Network, Pool, Subnet, View};

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Leases that clients were told of.
    pub acks: u64,
    /// Lives of the server.
    pub lives: u64,
    /// Times that the store failed.
    pub failures: u64,
    /// Changes that the store has.
    pub records: u64,
}

/// Plays one seed.
///
/// # Panics
/// If something happens that must not.
pub fn play_leases(seed: u64) -> Kept {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
    world.end();
    world.kept
}

struct World {
    rng: Rng,
    view: View,
    server: Dhcp4Server,
    now: Instant,
    store: Store,
    clients: Vec<Client>,
    /// Who was told that an address is its own, and until when.
    promises: BTreeMap<Ipv4Addr, (usize, Instant)>,
    head: Vec<u8>,
    kept: Kept,
}

#[derive(Clone, Debug, Default)]
struct Client {
    xid: u32,
    offered: Option<Ipv4Addr>,
    /// The last address that it had.
    address: Option<Ipv4Addr>,
}

/// What is on the disk, and what is on its way there.
#[derive(Debug, Default)]
struct Store {
    written: BTreeMap<Ipv4Addr, Binding>,
    asked: VecDeque<(Ticket, Binding)>,
    /// The last that was written, which the server may not have heard yet.
    last: Option<Ticket>,
    fails: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6c65_6173_6573);
        let mut view = View::default();
        view.interfaces.push(Interface {
            name: "boot".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            link_unicast: false,
            advertise_from: None,
        });
        let lease = Duration::from_secs([30, 200, 3600][rng.below(3) as usize]);
        view.networks.push(Network {
            interface: InterfaceId(0),
            server: SERVER,
            subnet: Subnet { address: SERVER, prefix_len: 24 },
            mode: DhcpMode::Server,
            pools: vec![pool(100, 5 + rng.below(8) as u8)],
            lease: LeaseTerms::fixed(lease),
            authoritative: rng.below(4) > 0,
            ..Network::default()
        });
        let server = Dhcp4Server::new(config(&mut rng));
        Self {
            rng,
            view,
            server,
            now: Instant::ZERO + Duration::from_secs(1),
            store: Store::default(),
            clients: vec![Client::default(); CLIENTS],
            promises: BTreeMap::new(),
            head: vec![0; limits::HEAD_BYTES],
            kept: Kept { lives: 1, ..Kept::default() },
        }
    }

    fn step(&mut self) {
        let client = self.rng.below(CLIENTS as u32) as usize;
        match self.rng.below(100) {
            0..20 => {
                self.discover(client);
                // Whoever looks for an address anew has none to ask for before it is answered.
                self.poll();
            }
            20..45 => self.select(client),
            45..55 => self.renew(client),
            55..58 => self.reboot(client),
            58..61 => self.give_up(client, RELEASE),
            61..62 => self.give_up(client, DECLINE),
            62..63 => self.take_back(),
            63..64 => self.reload(),
            64..82 => self.store_some(),
            82..84 => self.fail(),
            84..88 => self.recover(),
            88..89 => self.crash(),
            89..97 => self.pass_at_most(Duration::from_secs(3)),
            _ => self.pass_at_most(Duration::from_secs(200)),
        }
        // What an engine has to say may wait for a send buffer.
        if self.rng.below(4) > 0 {
            self.poll();
        }
    }

    /// A client without a lease, or one that gives up the one it has, looks for one.
    fn discover(&mut self, client: usize) {
        self.promises.retain(|_, (holder, _)| *holder != client);
        self.clients[client].xid = self.rng.next_u64() as u32;
        self.clients[client].offered = None;
        self.send(client, DISCOVER, Ipv4Addr::UNSPECIFIED, None, None);
    }

    fn select(&mut self, client: usize) {
        if let Some(offered) = self.clients[client].offered {
            self.send(client, REQUEST, Ipv4Addr::UNSPECIFIED, Some(offered), Some(SERVER));
        }
    }

    fn renew(&mut self, client: usize) {
        let own = self.promises.iter().find(|(_, (holder, _))| *holder == client);
        if let Some((address, (_, until))) = own
            && *until > self.now
        {
            let address = *address;
            self.clients[client].xid = self.rng.next_u64() as u32;
            self.send(client, REQUEST, address, None, None);
        }
    }

    fn reboot(&mut self, client: usize) {
        self.clients[client].xid = self.rng.next_u64() as u32;
        if let Some(address) = self.clients[client].address {
            self.send(client, REQUEST, Ipv4Addr::UNSPECIFIED, Some(address), None);
        }
    }

    fn give_up(&mut self, client: usize, kind: u8) {
        let Some(address) = self.clients[client].address else { return };
        if self.promises.get(&address).is_some_and(|(holder, _)| *holder == client) {
            self.promises.remove(&address);
        }
        self.clients[client].offered = None;
        let (ciaddr, wish) =
            if kind == RELEASE { (address, None) } else { (Ipv4Addr::UNSPECIFIED, Some(address)) };
        self.send(client, kind, ciaddr, wish, Some(SERVER));
    }

    fn take_back(&mut self) {
        let address = Ipv4Addr::from([10, 0, 0, 100 + self.rng.below(12) as u8]);
        let order = Packet::Operator(OperatorOrder::Release(address));
        if self.server.handle_input(order, self.now, &self.view).is_ok() {
            self.promises.remove(&address);
        }
    }

    fn reload(&mut self) {
        let first = 100 + self.rng.below(4) as u8;
        self.view.networks.edit()[0].pools = vec![pool(first, 4 + self.rng.below(8) as u8)];
    }

    /// The store writes some of what it was asked for, and says so, or not yet.
    fn store_some(&mut self) {
        if self.store.fails {
            return;
        }
        let count = self.rng.below(self.store.asked.len() as u32 + 1) as usize;
        self.write(count);
        if self.rng.below(8) > 0 {
            self.say_stored();
        }
    }

    fn write(&mut self, count: usize) {
        for (ticket, binding) in self.store.asked.drain(..count) {
            self.store.written.insert(binding.address, binding);
            self.kept.records += 1;
            self.store.last = Some(ticket);
        }
    }

    fn say_stored(&mut self) {
        if let Some(last) = self.store.last {
            self.say(StoreAnswer::Stored(last));
        }
    }

    fn fail(&mut self) {
        if !self.store.fails {
            self.kept.failures += 1;
            // A part of it is on the disk all the same.
            let count = self.rng.below(self.store.asked.len() as u32 + 1) as usize;
            self.write(count);
            self.store.fails = true;
            self.store.asked.clear();
            self.say(StoreAnswer::Failed);
        }
    }

    fn recover(&mut self) {
        if std::mem::take(&mut self.store.fails) {
            self.say(StoreAnswer::Recovered);
        }
    }

    /// The server ends without a word; what was on its way to the disk is there, or a part of it.
    fn crash(&mut self) {
        let count = self.rng.below(self.store.asked.len() as u32 + 1) as usize;
        self.write(count);
        self.store.asked.clear();
        (self.store.last, self.store.fails) = (None, false);
        self.now = self.now + Duration::from_millis(u64::from(self.rng.below(5000)));
        self.server = Dhcp4Server::new(config(&mut self.rng));
        for binding in self.store.written.values() {
            self.server.restore(binding, self.now).expect("there is room");
        }
        self.kept.lives += 1;
    }

    fn pass_at_most(&mut self, time: Duration) {
        let ms = u32::try_from(time.as_millis()).expect("minutes");
        let ms = self.rng.below(ms);
        self.pass(Duration::from_millis(u64::from(ms)));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn say(&mut self, answer: StoreAnswer) {
        let told = self.server.handle_input(Packet::Store(answer), self.now, &self.view);
        told.expect("a store is heard");
    }

    fn send(
        &mut self,
        client: usize,
        kind: u8,
        ciaddr: Ipv4Addr,
        wish: Option<Ipv4Addr>,
        server: Option<Ipv4Addr>,
    ) {
        let mut payload = vec![0; 236];
        payload[..3].copy_from_slice(&[1, 1, 6]);
        payload[4..8].copy_from_slice(&self.clients[client].xid.to_be_bytes());
        payload[12..16].copy_from_slice(&ciaddr.octets());
        payload[28..34].copy_from_slice(&mac(client).0);
        payload.extend([99, 130, 83, 99, 53, 1, kind]);
        for (code, address) in [(50, wish), (54, server)] {
            if let Some(address) = address {
                payload.extend([code, 4]);
                payload.extend(address.octets());
            }
        }
        payload.push(255);
        let datagram = Datagram {
            socket: SocketId(0),
            interface: InterfaceId(0),
            source: SocketAddr::from((ciaddr, 68)),
            destination: SocketAddr::from((Ipv4Addr::BROADCAST, 67)),
            payload: &payload,
        };
        // Whether it is taken is the server's to say: clients ask again.
        let _taken = self.server.handle_input(Packet::Datagram(datagram), self.now, &self.view);
    }

    fn poll(&mut self) {
        while let Some(output) = self.server.poll_output(&mut self.head, self.now, &self.view) {
            match output {
                Output::Persist { ticket, binding } => {
                    assert!(!self.store.fails, "nothing is asked of a store that fails");
                    self.store.asked.push_back((ticket, binding));
                }
                Output::Transmit(transmit) => self.arrive(usize::from(transmit.head_len)),
                Output::Close(_) => panic!("there are no streams"),
            }
        }
        while self.server.poll_event().is_some() {}
    }

    /// A reply reaches its client.
    fn arrive(&mut self, len: usize) {
        let message = &self.head[..len];
        let address = Ipv4Addr::from(<[u8; 4]>::try_from(&message[16..20]).expect("four"));
        let client = usize::from(message[33]);
        if message[4..8] != self.clients[client].xid.to_be_bytes() {
            return;
        }
        let kind = option(message, 53).expect("every message has its type")[0];
        if let Some((holder, until)) = self.promises.get(&address).copied()
            && kind != NAK
        {
            assert!(holder == client || until <= self.now, "{address} is client {holder}'s");
        }
        match kind {
            OFFER => self.clients[client].offered = Some(address),
            ACK => {
                let lease = option(message, 51).expect("a lease has an end");
                let lease = u32::from_be_bytes(lease.try_into().expect("four"));
                self.on_ack(client, address, Duration::from_secs(u64::from(lease)));
            }
            NAK => {
                self.promises.retain(|_, (holder, _)| *holder != client);
                self.clients[client].address = None;
            }
            _ => panic!("no reply is of type {kind}"),
        }
    }

    fn on_ack(&mut self, client: usize, address: Ipv4Addr, lease: Duration) {
        let until = self.now + lease;
        let record = self.store.written.get(&address).expect("what is promised is stored");
        assert_eq!(record.client, Some(key(client)), "{record:?}");
        let BindingState::Bound { until: end, .. } = record.state else {
            panic!("promised: {record:?}");
        };
        assert!(end >= until, "{:?} more than is stored", until - end);
        self.promises.retain(|_, (holder, _)| *holder != client);
        self.promises.insert(address, (client, until));
        self.clients[client].address = Some(address);
        self.kept.acks += 1;
    }

    /// Whoever was told that an address is its own has it.
    fn check(&mut self) {
        let now = self.now;
        self.promises.retain(|_, (_, until)| *until > now);
        for (address, (client, until)) in &self.promises {
            let lease = self.server.leases().find(|lease| lease.address == *address);
            let lease = lease.unwrap_or_else(|| panic!("{address} of client {client} is lost"));
            assert_eq!(lease.client, Some(key(*client)), "{address}");
            match lease.state() {
                LeaseState::Bound { until: end } => assert!(end >= *until, "{address}"),
                LeaseState::Storing { .. } => {}
                other @ (LeaseState::Offered { .. }
                | LeaseState::Declined { .. }
                | LeaseState::Idle) => panic!("{address} of client {client} is {other:?}"),
            }
            let record = self.store.written[address];
            assert_eq!(record.client, Some(key(*client)), "{address}");
        }
    }

    /// Once everything works again, nobody waits for ever.
    fn end(&mut self) {
        self.recover();
        for _ in 0..3 {
            self.poll();
            self.write(self.store.asked.len());
            self.say_stored();
        }
        assert_eq!(self.server.sessions(), 0, "something still waits");
        self.check();
        self.pass(Duration::from_secs(5000));
        self.view.networks.edit()[0].pools = vec![pool(100, CLIENTS as u8 + 4)];
        for client in 0..CLIENTS {
            self.discover(client);
            self.poll();
            self.select(client);
            self.poll();
            self.write(self.store.asked.len());
            self.say_stored();
            self.poll();
        }
        assert_eq!(self.promises.len(), CLIENTS, "everybody has an address");
        self.check();
    }
}

fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = &message[240..];
    loop {
        match rest {
            [] | [255, ..] => return None,
            [0, tail @ ..] => rest = tail,
            [found, len, tail @ ..] => {
                let (value, behind) = tail.split_at(usize::from(*len));
                if *found == code {
                    return Some(value);
                }
                rest = behind;
            }
            [_] => panic!("an option without a length"),
        }
    }
}

fn config(rng: &mut Rng) -> Dhcp4Config {
    Dhcp4Config { leases_max: 64, seed: rng.next_u64(), identifier_key: [3; 16], durable: true }
}

fn pool(first: u8, size: u8) -> Pool {
    Pool::new(Ipv4Addr::from([10, 0, 0, first]), Ipv4Addr::from([10, 0, 0, first + size - 1]))
}

fn mac(client: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, 7, client as u8])
}

fn key(client: usize) -> ClientKey {
    ClientKey::Mac(mac(client))
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENTS: usize = 10;
const STEPS: u32 = 250;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;

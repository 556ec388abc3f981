//! A client that fetches a file as firmware does, and a network that loses, copies and delays.

use alloc::collections::BTreeMap;

use super::*;
use crate::rng::Rng;
use crate::wire::tftp::{Packet, parse};

/// How a client asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) len: u64,
    pub(super) block_bytes: u64,
    pub(super) window: u64,
    /// Whether it asks with options at all; without, blocks have 512 bytes.
    pub(super) options: bool,
}

/// What the network does, in 1/1000.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) lost: u32,
    pub(super) copied: u32,
    /// Delays are random up to this, so that packets overtake each other.
    pub(super) delay_ms: u32,
}

/// What a fetch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: u64,
    /// DATA that arrived at the client.
    pub(super) datagrams: u64,
    pub(super) took: Duration,
}

struct Client {
    fetch: Fetch,
    address: SocketAddr,
    /// The server's port, once it has answered.
    socket: Option<SocketId>,
    block_bytes: u64,
    window: u64,
    /// Blocks received in order.
    received: u64,
    /// Of these, since the last ACK.
    unacked: u64,
    datagrams: u64,
    finished: bool,
    resend_at: Instant,
    tries: u32,
}

#[derive(Clone)]
enum Flying {
    ToServer(SocketId, Vec<u8>),
    ToClient(Sent),
}

enum Reply {
    None,
    Request,
    Ack(u16),
}

impl Client {
    fn request(&self) -> Vec<u8> {
        let options = [
            (OptionName::BlockSize, self.fetch.block_bytes),
            (OptionName::TransferSize, 0),
            (OptionName::WindowSize, self.fetch.window),
        ];
        let options = if self.fetch.options { &options[..] } else { &[] };
        rrq(&std::format!("{}", self.fetch.len), options)
    }

    fn ack(&mut self) -> Reply {
        self.unacked = 0;
        Reply::Ack((self.received & 0xffff) as u16)
    }

    fn on_datagram(&mut self, sent: &Sent, now: Instant) -> Reply {
        if *self.socket.get_or_insert(sent.socket) != sent.socket {
            return Reply::None;
        }
        match parse(&sent.bytes).expect("the server's packets are well formed") {
            Packet::OptionAck(options) => {
                assert!(self.fetch.options, "options only if asked");
                assert_eq!(options.transfer_size, Some(self.fetch.len));
                self.block_bytes = u64::from(options.block_size.expect("asked"));
                self.window = u64::from(options.window_size.expect("asked"));
                if self.received > 0 {
                    return Reply::None;
                }
                self.wait(now, 0);
                self.ack()
            }
            Packet::Data { block, payload } => self.on_data(block, payload, now),
            other @ (Packet::ReadRequest(_)
            | Packet::WriteRequest(_)
            | Packet::Ack { .. }
            | Packet::Error { .. }) => panic!("no packet for this client: {other:?}"),
        }
    }

    /// As edk2 does: out of order is answered with what came last in order.
    fn on_data(&mut self, block: u16, payload: &[u8], now: Instant) -> Reply {
        self.datagrams += 1;
        let next = self.received + 1;
        if block != (next & 0xffff) as u16 {
            return self.ack();
        }
        assert_eq!(payload, &data(self.fetch.len, self.block_bytes, next)[4..], "block {next}");
        self.received = next;
        self.unacked += 1;
        self.wait(now, 0);
        self.finished = (payload.len() as u64) < self.block_bytes;
        if self.finished || self.unacked >= self.window { self.ack() } else { Reply::None }
    }

    fn on_timeout(&mut self, now: Instant) -> Reply {
        self.wait(now, self.tries + 1);
        assert!(self.tries < 30, "no progress in 30 tries: {:?}", self.fetch);
        if self.socket.is_none() { Reply::Request } else { self.ack() }
    }

    fn wait(&mut self, now: Instant, tries: u32) {
        self.tries = tries;
        self.resend_at = now + Duration::from_millis(700 + u64::from(tries) * 50);
    }
}

/// Fetches a file over a bad network, until the server has forgotten the transfer as well.
pub(super) fn fetch(lab: &mut Lab, fetch: Fetch, faults: Faults, seed: u64) -> Fetched {
    let mut rng = Rng::new(seed);
    let began = lab.now;
    let mut client = Client {
        fetch,
        address: client(2070),
        socket: None,
        block_bytes: 512,
        window: 1,
        received: 0,
        unacked: 0,
        datagrams: 0,
        finished: false,
        resend_at: lab.now,
        tries: 0,
    };
    // What is in flight, by time of arrival and order of sending.
    let mut flight: BTreeMap<(Instant, u64), Flying> = BTreeMap::new();
    let mut order = 0;
    let mut launch = |flight: &mut BTreeMap<_, _>, now: Instant, packet: Flying| {
        let copies = 1 + u32::from(rng.below(1000) < faults.copied);
        for _ in 0..copies {
            if rng.below(1000) < faults.lost {
                continue;
            }
            let delay = 100 + u64::from(rng.below(1000 * faults.delay_ms + 1));
            order += 1;
            flight.insert((now + Duration::from_micros(delay), order), packet.clone());
        }
    };
    let mut done_at = None;
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns < 1_000_000, "no end: {fetch:?} {}", client.datagrams);
        for sent in lab.poll_all() {
            launch(&mut flight, lab.now, Flying::ToClient(sent));
        }
        if client.finished && lab.server.sessions() == 0 && flight.is_empty() {
            break;
        }
        let timer = (!client.finished).then_some(client.resend_at);
        let arrival = flight.keys().next().map(|(at, _)| *at);
        let next = [timer, arrival, lab.server.poll_timeout()].into_iter().flatten().min();
        lab.now = next.expect("somebody waits for something").max(lab.now);
        lab.server.handle_timeout(lab.now);
        let reply = if arrival.is_some_and(|at| at <= lab.now) {
            match flight.pop_first().expect("just seen").1 {
                Flying::ToServer(socket, bytes) => {
                    lab.deliver(socket, client.address, &bytes).ok();
                    Reply::None
                }
                // Nobody listens any more at a client that has all.
                Flying::ToClient(_) if client.finished => Reply::None,
                Flying::ToClient(sent) => client.on_datagram(&sent, lab.now),
            }
        } else if timer.is_some_and(|at| at <= lab.now) {
            client.on_timeout(lab.now)
        } else {
            Reply::None
        };
        match reply {
            Reply::None => {}
            Reply::Request => {
                let packet = Flying::ToServer(SocketId(0), client.request());
                launch(&mut flight, lab.now, packet);
            }
            Reply::Ack(block) => {
                let socket = client.socket.expect("an answer came");
                let packet = Flying::ToServer(socket, emit_ack(block).to_vec());
                launch(&mut flight, lab.now, packet);
            }
        }
        if client.finished && done_at.is_none() {
            done_at = Some(lab.now);
        }
    }
    let bytes = (client.received - 1) * client.block_bytes + fetch.len % client.block_bytes;
    let took = done_at.expect("the loop ends when it is") - began;
    Fetched { bytes, datagrams: client.datagrams, took }
}

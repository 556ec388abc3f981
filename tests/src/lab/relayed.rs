//! Many machines behind one relay agent, as far as a DHCP server sees them: each is a number.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use super::link::Host;

/// Exchanges under way at one time.
const WINDOW: usize = 32;

/// A relay agent, and what its machines were told.
#[derive(Debug)]
pub struct Relayed {
    socket: UdpSocket,
    address: Ipv4Addr,
    server: SocketAddrV4,
    xid: u32,
    /// Who was given which address in an ACK that arrived.
    pub leases: BTreeMap<u32, Ipv4Addr>,
    /// Addresses that were confirmed to two machines, with both.
    pub doubles: Vec<(Ipv4Addr, u32, u32)>,
    /// How long the last lease of each machine is, in seconds.
    pub seconds: BTreeMap<u32, u32>,
    holders: BTreeMap<Ipv4Addr, u32>,
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    machine: u32,
    kind: u8,
    address: Ipv4Addr,
    seconds: u32,
}

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

impl Relayed {
    /// An agent with `address` on `host`, which asks `server`.
    ///
    /// # Panics
    /// If the host has no such address.
    #[must_use]
    pub fn new(host: &Host, address: Ipv4Addr, server: Ipv4Addr) -> Self {
        let socket = host.namespace().run(|| UdpSocket::bind((address, 67)));
        let socket = socket.expect("the address is the host's");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("it is no zero");
        let server = SocketAddrV4::new(server, 67);
        let (leases, holders, seconds) = <_>::default();
        Self { socket, address, server, xid: 0, leases, doubles: Vec::new(), seconds, holders }
    }

    /// Lets machines ask for an address, one after the other and again from the first, until
    /// `until`. Each does all of it: DISCOVER and REQUEST.
    pub fn work(&mut self, machines: std::ops::Range<u32>, until: Instant) {
        let mut next = machines.clone().cycle();
        for machine in next.by_ref().take(WINDOW.min(machines.len())) {
            self.send(machine, DISCOVER, None, false);
        }
        let mut heard = Instant::now();
        // Ends at `until`.
        while Instant::now() < until {
            if self.listen() {
                heard = Instant::now();
                self.send(next.next().expect("it has no end"), DISCOVER, None, false);
            } else if heard.elapsed() > Duration::from_millis(100) {
                // Messages may be lost.
                heard = Instant::now();
                self.send(next.next().expect("it has no end"), DISCOVER, None, false);
            }
        }
    }

    /// Takes what has arrived and was not looked at, without asking for more.
    pub fn take_rest(&mut self) {
        while let Some(said) = self.receive() {
            if said.kind == ACK {
                self.note(said);
            }
        }
    }

    /// Lets a machine ask for an address; whether it was confirmed one within `patience`.
    pub fn obtain(&mut self, machine: u32, patience: Duration) -> bool {
        self.leases.remove(&machine);
        self.send(machine, DISCOVER, None, false);
        self.hear(machine, patience)
    }

    /// Lets a machine prolong its lease, by the agent; whether it was confirmed within `patience`.
    ///
    /// # Panics
    /// If it has none.
    pub fn renew(&mut self, machine: u32, patience: Duration) -> bool {
        let address = self.leases.remove(&machine).expect("a machine with a lease");
        self.send(machine, REQUEST, Some(address), true);
        let is_heard = self.hear(machine, patience);
        self.leases.entry(machine).or_insert(address);
        is_heard
    }

    fn hear(&mut self, machine: u32, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        // Ends at the deadline.
        while Instant::now() < deadline {
            self.listen();
            if self.leases.contains_key(&machine) {
                return true;
            }
        }
        false
    }

    /// Hears one message and answers it; whether an exchange has come to its end.
    fn listen(&mut self) -> bool {
        match self.receive() {
            Some(said) if said.kind == OFFER => {
                self.send(said.machine, REQUEST, Some(said.address), false);
                false
            }
            Some(said) if said.kind == ACK => {
                self.note(said);
                true
            }
            Some(_) | None => false,
        }
    }

    fn note(&mut self, said: Said) {
        let Said { machine, address, seconds, .. } = said;
        if let Some(other) = self.holders.insert(address, machine).filter(|other| *other != machine)
        {
            self.doubles.push((address, other, machine));
        }
        self.leases.insert(machine, address);
        self.seconds.insert(machine, seconds);
    }

    fn send(&mut self, machine: u32, kind: u8, address: Option<Ipv4Addr>, is_renewal: bool) {
        self.xid += 1;
        let mut bytes = vec![0; 240];
        bytes[..4].copy_from_slice(&[1, 1, 6, 1]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.address.octets());
        bytes[28..34].copy_from_slice(&mac(machine));
        bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend_from_slice(&[53, 1, kind, 55, 3, 1, 3, 51]);
        match address {
            Some(address) if is_renewal => bytes[12..16].copy_from_slice(&address.octets()),
            Some(address) => {
                bytes.extend_from_slice(&[50, 4]);
                bytes.extend_from_slice(&address.octets());
                bytes.extend_from_slice(&[54, 4]);
                bytes.extend_from_slice(&self.server.ip().octets());
            }
            None => {}
        }
        bytes.push(255);
        bytes.resize(300, 0);
        // A server that was killed refuses, which is no fault here.
        self.socket.send_to(&bytes, self.server).ok();
    }

    fn receive(&mut self) -> Option<Said> {
        let mut bytes = [0; 1500];
        match self.socket.recv(&mut bytes) {
            Ok(len) => read(&bytes[..len]),
            Err(error) => {
                let is_harmless = matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                );
                assert!(is_harmless, "{error}");
                None
            }
        }
    }
}

/// The Ethernet address of a machine.
#[must_use]
pub fn mac(machine: u32) -> [u8; 6] {
    let [a, b, c, d] = machine.to_be_bytes();
    [2, 0x4b, a, b, c, d]
}

fn read(bytes: &[u8]) -> Option<Said> {
    let mac: [u8; 6] = bytes.get(28..34)?.try_into().ok()?;
    let machine = u32::from_be_bytes(mac[2..].try_into().ok()?);
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(16..20)?).ok()?);
    let mut said = Said { machine, kind: 0, address, seconds: 0 };
    let mut rest = bytes.get(240..)?;
    // Ends: every option is longer than nothing.
    while let [code, len, after @ ..] = rest {
        if *code == 255 {
            break;
        }
        let (value, after) = after.split_at_checked(usize::from(*len))?;
        match (code, value) {
            (53, [kind]) => said.kind = *kind,
            (51, value) => said.seconds = u32::from_be_bytes(value.try_into().ok()?),
            _ => {}
        }
        rest = after;
    }
    Some(said)
}

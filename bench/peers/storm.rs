//! Many TFTP clients that start at once and behave like PXE firmware.
//!
//! They write and read packets by rules of their own, so that a mistake in Reveille's codecs
//! cannot hide here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

/// What is asked for, and by how many.
#[derive(Clone, Debug)]
pub(crate) struct Storm<'f> {
    pub(crate) server: SocketAddr,
    pub(crate) clients: usize,
    pub(crate) name: &'static str,
    pub(crate) block_bytes: usize,
    /// What the server is to send.
    pub(crate) file: &'f [u8],
}

/// What became of a storm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Seconds from the start to the end of each transfer that was completed.
    pub(crate) seconds: Vec<f64>,
    pub(crate) failed: usize,
    pub(crate) resent: usize,
}

struct Client {
    socket: UdpSocket,
    /// The transfer's other end, once it has answered.
    server: Option<SocketAddr>,
    /// Bytes received in order.
    received: usize,
    /// Number of the last block received in order.
    block: u16,
    last: Vec<u8>,
    /// How often the last packet was sent.
    sends: u32,
    deadline: Instant,
    ended: bool,
}

/// What a packet did to its client.
enum Step {
    Nothing,
    Progress,
    Completed,
    Failed(String),
}

impl Storm<'_> {
    /// Runs it to the end of the last client.
    pub(crate) fn run(&self) -> io::Result<Outcome> {
        let ring = epoll::create(epoll::CreateFlags::empty())?;
        let start = Instant::now();
        let mut clients = Vec::with_capacity(self.clients);
        let mut deadlines = BinaryHeap::new();
        for index in 0..self.clients {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&ring, &socket, data, epoll::EventFlags::IN)?;
            clients.push(Client::new(socket, self.request()));
        }
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(self.server)?;
            deadlines.push(Reverse((client.deadline, index)));
        }
        let mut outcome = Outcome::default();
        let mut running = self.clients;
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 256];
        // Ends: every client completes, or fails after its last repetition.
        while running > 0 {
            let tick = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let (events, _) = epoll::wait(&ring, &mut events, Some(&tick))?;
            for event in events {
                let client = &mut clients[event.data.u64() as usize];
                match client.receive(self)? {
                    Step::Nothing | Step::Progress => {}
                    Step::Completed => {
                        outcome.seconds.push(start.elapsed().as_secs_f64());
                        running -= 1;
                    }
                    Step::Failed(why) => {
                        eprintln!("a client failed: {why}");
                        outcome.failed += 1;
                        running -= 1;
                    }
                }
            }
            let now = Instant::now();
            // Ends: what is due is taken off, and comes back with a later time or not at all.
            while let Some(Reverse((due, index))) = deadlines.peek().copied() {
                if due > now {
                    break;
                }
                deadlines.pop();
                let client = &mut clients[index];
                if client.ended {
                    continue;
                }
                if client.deadline <= now {
                    if client.sends == SENDS_MAX {
                        client.ended = true;
                        outcome.failed += 1;
                        running -= 1;
                        continue;
                    }
                    outcome.resent += 1;
                    client.send(self.server)?;
                }
                deadlines.push(Reverse((client.deadline, index)));
            }
        }
        Ok(outcome)
    }

    fn request(&self) -> Vec<u8> {
        let mut packet = vec![0, 1];
        let block_bytes = self.block_bytes.to_string();
        for text in [self.name, "octet", "tsize", "0", "blksize", &block_bytes] {
            packet.extend_from_slice(text.as_bytes());
            packet.push(0);
        }
        packet
    }
}

impl Client {
    fn new(socket: UdpSocket, request: Vec<u8>) -> Self {
        Self {
            socket,
            server: None,
            received: 0,
            block: 0,
            last: request,
            sends: 0,
            deadline: Instant::now(),
            ended: false,
        }
    }

    /// Sends the last packet (again) and sets the time for the next repetition: 1, 2, 4, 8 s.
    fn send(&mut self, server: SocketAddr) -> io::Result<()> {
        match self.socket.send_to(&self.last, self.server.unwrap_or(server)) {
            Ok(_) => {}
            // Lost, like any other datagram.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.deadline = Instant::now() + Duration::from_secs(1 << self.sends);
        self.sends += 1;
        Ok(())
    }

    /// Takes in one packet. Those that are left raise the socket again.
    fn receive(&mut self, storm: &Storm<'_>) -> io::Result<Step> {
        let mut buffer = [0; 2048];
        let (len, from) = match self.socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Nothing),
            Err(error) => return Err(error),
        };
        if self.ended || self.server.is_some_and(|server| server != from) {
            return Ok(Step::Nothing);
        }
        let step = match &buffer[..len] {
            [0, 6, ..] if self.received == 0 && self.block == 0 => {
                self.server = Some(from);
                Step::Progress
            }
            [0, 3, high, low, data @ ..] => {
                self.server = Some(from);
                self.on_data(u16::from_be_bytes([*high, *low]), data, storm)
            }
            [0, 5, _, code, text @ ..] => {
                Step::Failed(format!("error {code}: {}", String::from_utf8_lossy(text)))
            }
            _ => Step::Nothing,
        };
        match step {
            Step::Progress | Step::Completed => {
                let [high, low] = self.block.to_be_bytes();
                self.last = vec![0, 4, high, low];
                self.sends = 0;
                self.send(from)?;
            }
            Step::Nothing | Step::Failed(_) => {}
        }
        self.ended = matches!(step, Step::Completed | Step::Failed(_));
        Ok(step)
    }

    fn on_data(&mut self, block: u16, data: &[u8], storm: &Storm<'_>) -> Step {
        if block != self.block.wrapping_add(1) {
            return Step::Nothing;
        }
        let expected = storm.file.get(self.received..self.received + data.len());
        if expected != Some(data) {
            return Step::Failed(format!("block {block} is not what the file holds"));
        }
        self.block = block;
        self.received += data.len();
        match data.len() < storm.block_bytes {
            true if self.received == storm.file.len() => Step::Completed,
            true => Step::Failed(format!("the file ends after {} bytes", self.received)),
            false => Step::Progress,
        }
    }
}

/// A packet is sent at 0, 1, 3, 7 and 15 s; then firmware gives up.
const SENDS_MAX: u32 = 5;

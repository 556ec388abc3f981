//! What happens between a machine and the server: packets pass a list of nodes.

use std::fmt::Debug;
use std::time::Duration;

use reveille_core::rng::Rng;
use reveille_core::time::Instant;

use super::options::Options;

/// A node that packets pass. It sees the copies of one packet as the delays that they have so
/// far, and may change them, remove some, or add some.
pub(super) trait Node: Debug {
    fn pass(&mut self, copies: &mut Vec<Duration>, ip_bytes: usize, now: Instant, rng: &mut Rng);
}

/// One direction of the network.
#[derive(Debug)]
pub(super) struct Link {
    nodes: Vec<Box<dyn Node>>,
    copies: Vec<Duration>,
}

impl Link {
    pub(super) fn new(options: &Options) -> Self {
        let until = Instant::ZERO + options.faults_for;
        let (shortest, longest) = options.delay_us;
        Self {
            nodes: vec![
                Box::new(Mtu { bytes: usize::from(options.mtu) }),
                Box::new(Lose { per_mille: options.lost, until }),
                Box::new(Copy { per_mille: options.copied, until }),
                Box::new(Delay { shortest_us: shortest, range_us: longest - shortest }),
            ],
            copies: Vec::new(),
        }
    }

    /// When the copies of a datagram with `payload` bytes arrive; none if it is lost.
    pub(super) fn carry(&mut self, payload: usize, now: Instant, rng: &mut Rng) -> &[Duration] {
        self.copies.clear();
        self.copies.push(Duration::ZERO);
        for node in &mut self.nodes {
            node.pass(&mut self.copies, payload + UDP_HEADERS_BYTES, now, rng);
        }
        &self.copies
    }

    /// How long a piece of a stream is on its way: what is lost is sent again by TCP.
    pub(super) fn carry_reliably(&mut self, now: Instant, rng: &mut Rng) -> Duration {
        let mut waited = Duration::ZERO;
        // Ends: at most nine in ten packets are lost, and in the end none.
        loop {
            if let Some(delay) = self.carry(0, now + waited, rng).first() {
                return waited + *delay;
            }
            waited += TCP_RETRANSMISSION;
        }
    }
}

/// Drops what is larger than the path takes.
#[derive(Debug)]
struct Mtu {
    bytes: usize,
}

impl Node for Mtu {
    fn pass(&mut self, copies: &mut Vec<Duration>, ip_bytes: usize, _: Instant, _: &mut Rng) {
        if ip_bytes > self.bytes {
            copies.clear();
        }
    }
}

/// Loses packets at random.
#[derive(Debug)]
struct Lose {
    per_mille: u32,
    until: Instant,
}

impl Node for Lose {
    fn pass(&mut self, copies: &mut Vec<Duration>, _: usize, now: Instant, rng: &mut Rng) {
        if now < self.until {
            copies.retain(|_| rng.below(1000) >= self.per_mille);
        }
    }
}

/// Delivers some packets twice.
#[derive(Debug)]
struct Copy {
    per_mille: u32,
    until: Instant,
}

impl Node for Copy {
    fn pass(&mut self, copies: &mut Vec<Duration>, _: usize, now: Instant, rng: &mut Rng) {
        if now < self.until && !copies.is_empty() && rng.below(1000) < self.per_mille {
            copies.push(copies[0]);
        }
    }
}

/// Takes its time, each packet its own.
#[derive(Debug)]
struct Delay {
    shortest_us: u32,
    range_us: u32,
}

impl Node for Delay {
    fn pass(&mut self, copies: &mut Vec<Duration>, _: usize, _: Instant, rng: &mut Rng) {
        for copy in copies {
            let delay = self.shortest_us + rng.below(self.range_us + 1);
            *copy += Duration::from_micros(u64::from(delay));
        }
    }
}

const UDP_HEADERS_BYTES: usize = 28;
const TCP_RETRANSMISSION: Duration = Duration::from_millis(200);

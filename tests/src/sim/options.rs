//! What a seed decides.

use std::time::Duration;

use reveille_core::rng::Rng;

/// All that differs between two runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything else comes from.
    pub seed: u64,
    /// A machine whose packets are shown on standard error.
    pub trace: Option<u32>,
    /// Machines.
    pub machines: u32,
    /// They are switched on within this time.
    pub spread: Duration,
    /// Until then the network misbehaves, and machines are reset.
    pub faults_for: Duration,
    /// Machines that are reset in the middle of what they do, in 1/1000.
    pub resets: u32,
    /// When the site's files are replaced by new ones, if at all.
    pub reload_after: Option<Duration>,
    /// Packets lost, in 1/1000, each way.
    pub lost: u32,
    /// Packets that arrive twice, in 1/1000.
    pub copied: u32,
    /// Delay of a packet one way; a range so that packets overtake each other.
    pub delay_us: (u32, u32),
    /// Largest IP packet.
    pub mtu: u16,
    /// Datagrams that wait at the server; more are lost, as in a socket's buffer.
    pub inbox: usize,
    /// Inputs and outputs of one turn of the server's loop, and how long a turn takes.
    pub turn_inputs: usize,
    /// See [`Options::turn_inputs`].
    pub turn_outputs: usize,
    /// See [`Options::turn_inputs`].
    pub turn_us: u32,
    /// TFTP transfers at one time.
    pub tftp_transfers: u32,
    /// Bytes that TFTP may have under way before it knows the network; with few, clients wait.
    pub tftp_room_bytes: u64,
    /// TFTP transfer sockets; 0 for single-port mode.
    pub tftp_sockets: u16,
    /// Bound on blocks in one window.
    pub window_blocks_max: u16,
    /// HTTP connections at one time.
    pub http_connections: u32,
    /// Addresses that are left when every machine has one.
    pub spare_addresses: u32,
    /// Whether there are addresses for seven machines in ten only, so that they have to be used
    /// again: leases are short then, and machines that are up give theirs back or disappear.
    pub scarce_addresses: bool,
    /// Whether iPXE is asked for the machine's facts before it gets its script.
    pub asks_for_facts: bool,
    /// Whether frames can be sent to stations that have no address yet.
    pub link_unicast: bool,
    /// Bytes of the first boot program and of the kernel.
    pub program_bytes: u64,
    /// See [`Options::program_bytes`].
    pub kernel_bytes: u64,
    /// How long it takes to store a lease, a range, in microseconds; `None` if leases are not stored.
    /// Where they are, the store fails for a while and the DHCP server crashes once.
    pub store_sync_us: Option<(u32, u32)>,
}

impl Options {
    /// Draws the options of `seed` for so many machines.
    pub fn draw(seed: u64, machines: u32) -> Self {
        let mut rng = Rng::new(seed);
        let mut pick = |choices: &[u32]| choices[rng.below(choices.len() as u32) as usize];
        let delay = pick(&[50, 200, 1000]);
        Self {
            seed,
            trace: None,
            machines,
            spread: Duration::from_millis(u64::from(pick(&[0, 1000, 10_000, 60_000]))),
            faults_for: Duration::from_secs(u64::from(pick(&[0, 30, 120]))),
            resets: pick(&[0, 0, 20, 200]),
            reload_after: match pick(&[0, 0, 5, 30]) {
                0 => None,
                seconds => Some(Duration::from_secs(u64::from(seconds))),
            },
            lost: pick(&[0, 1, 10, 50]),
            copied: pick(&[0, 0, 10, 50]),
            delay_us: (delay, delay + pick(&[0, 100, 2000])),
            mtu: if pick(&[0, 0, 0, 1]) == 0 { 1500 } else { 1400 },
            inbox: pick(&[277, 2000, 100_000]) as usize,
            turn_inputs: pick(&[16, 64, 256]) as usize,
            turn_outputs: pick(&[16, 64, 256]) as usize,
            turn_us: pick(&[10, 50, 200, 2000]),
            tftp_transfers: pick(&[64, 256, 2048]),
            tftp_sockets: u16::try_from(pick(&[0, 1, 4, 8])).expect("small"),
            window_blocks_max: u16::try_from(pick(&[1, 4, 64])).expect("small"),
            http_connections: pick(&[64, 256, 2048]),
            spare_addresses: pick(&[0, 1, 100]),
            scarce_addresses: pick(&[0, 0, 1]) == 1,
            asks_for_facts: pick(&[0, 0, 1]) == 1,
            link_unicast: pick(&[0, 1, 1]) == 1,
            program_bytes: u64::from(pick(&[0, 1456, 14_680, 70_001, 120_000])),
            kernel_bytes: u64::from(pick(&[1, 300_000, 5_000_000])),
            tftp_room_bytes: u64::from(pick(&[1, 20_000, 200_000, 1 << 28])),
            store_sync_us: match pick(&[0, 0, 1000, 20_000, 1_000_000]) {
                0 => None,
                sync => Some((sync / 2, sync)),
            },
        }
    }
}

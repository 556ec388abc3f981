//! One client: what it does with each packet that comes.

use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, RawFd};

use socket2::Socket;

use super::{Expected, TftpLoad};
use crate::parts::udp_socket;

pub(super) struct Client {
    pub(super) socket: Socket,
    pub(super) state: State,
    /// Options in force.
    pub(super) block_bytes: usize,
    pub(super) window_blocks: u16,
    /// Number of the last block that came in order.
    pub(super) block: u16,
    /// Blocks in order that are not acknowledged yet.
    pub(super) pending: u16,
    /// A gap was reported, and nothing in order came since.
    pub(super) gap_reported: bool,
    pub(super) received: u64,
    /// How often the last packet was sent.
    pub(super) sends: u32,
    pub(super) began: u64,
    /// When something new came last.
    pub(super) progressed: u64,
    /// When to send again.
    pub(super) deadline: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Requesting,
    Receiving,
    Ended,
}

/// What a packet did to its client.
pub(super) enum Step {
    Nothing,
    Progress,
    Acknowledge,
    Completed,
    Failed(String),
}

impl Client {
    pub(super) fn new(load: &TftpLoad) -> std::io::Result<Self> {
        let window_bytes = usize::from(load.window_blocks) * usize::from(load.block_bytes) * 4;
        let socket = udp_socket(SocketAddrV4::new(load.local, 0), window_bytes.max(16_384))?;
        if load.segments {
            rustix::net::sockopt::set_ip_mtu_discover(
                &socket,
                rustix::net::sockopt::Ipv4PathMtuDiscovery::DONT,
            )?;
            enable_segments(&socket)?;
        }
        Ok(Self {
            socket,
            state: State::Waiting,
            block_bytes: 512,
            window_blocks: 1,
            block: 0,
            pending: 0,
            gap_reported: false,
            received: 0,
            sends: 0,
            began: 0,
            progressed: 0,
            deadline: 0,
        })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Takes in one packet.
    pub(super) fn receive(
        &mut self,
        packet: &[u8],
        load: &TftpLoad,
        learned: &mut Option<Vec<u8>>,
    ) -> Step {
        match packet {
            [0, 3, high, low, data @ ..] => {
                self.on_data(u16::from_be_bytes([*high, *low]), data, load, learned)
            }
            [0, 6, options @ ..] if self.state == State::Requesting => self.on_options(options),
            // Ours has not arrived: the server repeats itself.
            [0, 6, ..] if self.block == 0 && self.received == 0 => Step::Acknowledge,
            [0, 5, high, low, text @ ..] => {
                let text = text.strip_suffix(&[0]).unwrap_or(text);
                let code = u16::from_be_bytes([*high, *low]);
                Step::Failed(format!("ERROR {code}: {}", String::from_utf8_lossy(text)))
            }
            _ => Step::Nothing,
        }
    }

    /// RFC 2347: the server repeats the options that it takes.
    fn on_options(&mut self, options: &[u8]) -> Step {
        let mut words = options.split(|byte| *byte == 0);
        // Ends with the packet.
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            let value = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            match (name.to_ascii_lowercase().as_slice(), value) {
                (b"blksize", Some(value)) => self.block_bytes = usize::from(value),
                (b"windowsize", Some(value)) => self.window_blocks = value,
                _ => {}
            }
        }
        Step::Acknowledge
    }

    fn on_data(
        &mut self,
        block: u16,
        data: &[u8],
        load: &TftpLoad,
        learned: &mut Option<Vec<u8>>,
    ) -> Step {
        if block != self.block.wrapping_add(1) {
            // RFC 7440 §4: a gap is answered with the last block in order, once. A repeated block
            // is never answered (RFC 1123 §4.2.3.1).
            let ahead = block.wrapping_sub(self.block) < 0x8000 && block != self.block;
            if ahead && self.window_blocks > 1 && !self.gap_reported {
                self.gap_reported = true;
                return Step::Acknowledge;
            }
            return Step::Nothing;
        }
        match (&load.expected, learned) {
            (_, Some(learned)) => learned.extend_from_slice(data),
            (Expected::Bytes(file), None) => {
                let first = self.received as usize;
                if file.get(first..first + data.len()) != Some(data) {
                    return Step::Failed("bytes that are not those of the file".to_owned());
                }
            }
            (Expected::Anything, None) => {}
        }
        self.block = block;
        self.received += data.len() as u64;
        self.pending += 1;
        self.gap_reported = false;
        if data.len() < self.block_bytes {
            return match &load.expected {
                Expected::Bytes(file) if file.len() as u64 != self.received => {
                    Step::Failed("fewer bytes than the file has".to_owned())
                }
                Expected::Bytes(_) | Expected::Anything => Step::Completed,
            };
        }
        if self.pending >= self.window_blocks { Step::Acknowledge } else { Step::Progress }
    }
}

/// UDP_GRO, which no crate of ours knows.
fn enable_segments(socket: &Socket) -> std::io::Result<()> {
    let on: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    let value = (&raw const on).cast();
    // SAFETY: the value is readable for its length, and the kernel copies it.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, value, len) }
    {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

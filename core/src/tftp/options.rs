//! What a client is granted of the options that it asked for (RFC 2347).

use core::net::SocketAddr;

use super::window::WINDOW_BLOCKS_MAX;
use crate::view::{Interface, TftpPolicy};
use crate::wire::tftp::{BLOCK_SIZE_DEFAULT, BLOCK_SIZE_MIN, OptionName, TransferOptions};

/// The most that is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes of a block.
    block_bytes: u16,
    /// Blocks of a window.
    window_blocks: u16,
}

impl Bounds {
    /// Blocks are never so large that a datagram would be cut into fragments: boot ROMs cannot
    /// put them together again.
    pub(super) fn new(policy: &TftpPolicy, interface: &Interface, client: SocketAddr) -> Self {
        let headers = if client.is_ipv4() { IPV4_HEADERS_BYTES } else { IPV6_HEADERS_BYTES };
        let block_bytes = policy.block_bytes_max.min(interface.mtu.saturating_sub(headers));
        Self {
            block_bytes: block_bytes.max(BLOCK_SIZE_MIN),
            window_blocks: policy.window_blocks_max.clamp(1, WINDOW_BLOCKS_MAX),
        }
    }
}

/// How a transfer runs, and which options have to be acknowledged for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// Bytes of a block.
    pub(super) block_bytes: u16,
    /// Blocks of a window.
    pub(super) window_blocks: u16,
    /// Seconds until something is sent again.
    pub(super) timeout_s: Option<u8>,
    /// Options of the OACK, in the order of the request.
    acknowledged: [Option<OptionName>; 4],
}

/// Decides on the options of a request: only such as were `asked` for, because firmware takes an
/// extra one for a fault, and only values not above what was asked (RFC 2348, RFC 7440 §3).
/// `timeout` is repeated or left out (RFC 2349 §2).
pub(super) fn negotiate(asked: &TransferOptions, bounds: Bounds) -> Granted {
    let timeout_s = asked.timeout_s.filter(|seconds| *seconds <= TIMEOUT_S_MAX);
    let mut acknowledged = [None; 4];
    let granted = asked.iter().map(|(name, _)| name).filter(|name| match name {
        OptionName::Timeout => timeout_s.is_some(),
        OptionName::BlockSize | OptionName::TransferSize | OptionName::WindowSize => true,
    });
    for (place, name) in acknowledged.iter_mut().zip(granted) {
        *place = Some(name);
    }
    Granted {
        block_bytes: asked.block_size.map_or(BLOCK_SIZE_DEFAULT, |b| b.min(bounds.block_bytes)),
        window_blocks: asked.window_size.map_or(1, |blocks| blocks.min(bounds.window_blocks)),
        timeout_s,
        acknowledged,
    }
}

impl Granted {
    /// Whether there is nothing to acknowledge: then the answer is the first block, no OACK.
    pub(super) fn is_silent(&self) -> bool {
        self.acknowledged == [None; 4]
    }

    /// The options of the OACK; `tsize` is the real `len` of the file in bytes (RFC 2349 §3).
    pub(super) fn answer(&self, len: u64) -> TransferOptions {
        let acknowledged = self.acknowledged.into_iter().flatten();
        acknowledged.fold(TransferOptions::default(), |answer, name| {
            let value = match name {
                OptionName::BlockSize => u64::from(self.block_bytes),
                OptionName::WindowSize => u64::from(self.window_blocks),
                OptionName::Timeout => u64::from(self.timeout_s.unwrap_or_default()),
                OptionName::TransferSize => len,
            };
            answer.with(name, value)
        })
    }
}

/// IP, UDP and TFTP headers of DATA: 20 + 8 + 4.
const IPV4_HEADERS_BYTES: u16 = 32;
/// 40 + 8 + 4.
const IPV6_HEADERS_BYTES: u16 = 52;
/// A client that wants to wait longer between two sends would hold its place here for minutes
/// after it is gone.
const TIMEOUT_S_MAX: u8 = 16;

#[cfg(test)]
mod tests;

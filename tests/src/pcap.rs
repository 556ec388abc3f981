//! Reading the captures of `tests/data`.

use std::path::Path;

/// Reads the frames of a classic little-endian pcap file of Ethernet, as tcpdump writes it here.
///
/// # Panics
/// If the file is something else or ends within a frame.
#[must_use]
pub fn frames(file: &Path) -> Vec<Vec<u8>> {
    const MAGIC: [u8; 4] = 0xa1b2_c3d4_u32.to_le_bytes();
    const ETHERNET: u32 = 1;
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(bytes[..4], MAGIC, "{} is no pcap file", file.display());
    assert_eq!(number(&bytes, 20), ETHERNET);
    let mut rest = &bytes[24..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = number(rest, 8) as usize;
        frames.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    frames
}

/// What the transport layer of an IPv4 frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'f> {
    /// 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// What follows the transport header.
    pub payload: &'f [u8],
}

/// The UDP or TCP payload of a frame; `None` for anything else.
///
/// # Panics
/// If the frame was cut within a header.
#[must_use]
pub fn segment(frame: &[u8]) -> Option<Segment<'_>> {
    if frame[12..14] != [0x08, 0x00] {
        return None;
    }
    let protocol = frame[23];
    let total = usize::from(short(frame, 16));
    let transport = &frame[14 + usize::from(frame[14] & 0x0f) * 4..frame.len().min(14 + total)];
    let header = match protocol {
        6 => usize::from(transport[12] >> 4) * 4,
        17 => 8,
        _ => return None,
    };
    Some(Segment {
        protocol,
        source: short(transport, 0),
        destination: short(transport, 2),
        payload: &transport[header..],
    })
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

//! Ethernet II frames.

/// Bytes before the payload.
pub const HEADER_LEN: usize = 14;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;

/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// EtherType of ARP.
pub const ARP: u16 = 0x0806;

/// The address of all stations.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// Where multicast to all IPv6 routers goes (RFC 2464 §7).
pub const ALL_ROUTERS: [u8; 6] = [0x33, 0x33, 0, 0, 0, 2];

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// To whom.
    pub destination: [u8; 6],
    /// From whom.
    pub source: [u8; 6],
    /// What the payload is.
    pub ethertype: u16,
    /// What follows the header, padding of short frames included.
    pub payload: &'f [u8],
}

/// Reads a frame; `None` if it is cut.
pub fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let (header, payload) = frame.split_first_chunk::<HEADER_LEN>()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *header;
    Some(Frame {
        destination: [a, b, c, d, e, f],
        source: [g, h, i, j, k, l],
        ethertype: u16::from_be_bytes([m, n]),
        payload,
    })
}

/// The header that goes before a payload.
pub fn header(destination: [u8; 6], source: [u8; 6], ethertype: u16) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source);
    header[12..].copy_from_slice(&ethertype.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut frame = header(BROADCAST, [2, 0, 0, 0, 0, 7], IPV4).to_vec();
        frame.extend(b"payload");
        let expected = Frame {
            destination: BROADCAST,
            source: [2, 0, 0, 0, 0, 7],
            ethertype: IPV4,
            payload: b"payload",
        };
        assert_eq!(parse(&frame), Some(expected));
        assert_eq!(parse(&frame[..13]), None);
    }
}

//! TFTP (RFC 1350) with options (RFC 2347, 2348, 2349, 7440).

use core::fmt::Write;

use super::Sink;

/// The port of servers.
pub const PORT: u16 = 69;

/// Error codes.
pub mod error {
    /// Not defined.
    pub const OTHER: u16 = 0;
    /// File not found.
    pub const NOT_FOUND: u16 = 1;
    /// Access violation.
    pub const DENIED: u16 = 2;
    /// Unknown transfer.
    pub const UNKNOWN_TRANSFER: u16 = 5;
    /// Options that cannot be met (RFC 2347).
    pub const OPTIONS: u16 = 8;
}

/// Names of options.
pub mod option {
    /// Bytes in a block.
    pub const BLOCK_SIZE: &str = "blksize";
    /// Bytes in the file.
    pub const TRANSFER_SIZE: &str = "tsize";
    /// Blocks between acknowledgements.
    pub const WINDOW_SIZE: &str = "windowsize";
}

/// What a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'p> {
    /// A block of the file.
    Data {
        /// Its number, from one, modulo 65,536.
        block: u16,
        /// Its bytes.
        payload: &'p [u8],
    },
    /// The options that the server takes: pairs of texts that end with zero.
    OptionAck(&'p [u8]),
    /// The end.
    Error(u16),
}

/// Writes a request to read; `None` if it does not fit.
pub fn request<'o>(
    out: &mut [u8],
    name: &[u8],
    options: impl IntoIterator<Item = (&'o str, u32)>,
) -> Option<usize> {
    let mut sink = Sink::new(out);
    sink.bytes(&[0, 1]);
    sink.bytes(name);
    sink.bytes(b"\0octet\0");
    for (name, value) in options {
        write!(sink, "{name}\0{value}\0").ok()?;
    }
    sink.finish()
}

/// Writes an acknowledgement.
pub fn ack(out: &mut [u8], block: u16) -> Option<usize> {
    let [a, b] = block.to_be_bytes();
    let mut sink = Sink::new(out);
    sink.bytes(&[0, 4, a, b]);
    sink.finish()
}

/// Writes an error.
pub fn error(out: &mut [u8], code: u16, text: &str) -> Option<usize> {
    let [a, b] = code.to_be_bytes();
    let mut sink = Sink::new(out);
    sink.bytes(&[0, 5, a, b]);
    sink.bytes(text.as_bytes());
    sink.bytes(&[0]);
    sink.finish()
}

/// Reads what a server sent; `None` if it is not for a client that reads.
pub fn parse(payload: &[u8]) -> Option<Packet<'_>> {
    match *payload {
        [0, 3, a, b, ref payload @ ..] => {
            Some(Packet::Data { block: u16::from_be_bytes([a, b]), payload })
        }
        [0, 5, a, b, ..] => Some(Packet::Error(u16::from_be_bytes([a, b]))),
        [0, 6, ref options @ ..] => Some(Packet::OptionAck(options)),
        _ => None,
    }
}

/// The pairs of an option acknowledgement; `None` in the place of one that cannot be read.
pub fn pairs(options: &[u8]) -> impl Iterator<Item = Option<(&str, u64)>> {
    let mut rest = options;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut parts = rest.splitn(3, |byte| *byte == 0);
        let name = parts.next().and_then(|name| str::from_utf8(name).ok());
        let value = parts.next().and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        // Without a zero after the value the rest is nothing, and so is the pair.
        let after = parts.next();
        rest = after.unwrap_or_default();
        Some(name.zip(value).filter(|_| after.is_some()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_firmware_writes_them() {
        let mut out = [0; 64];
        let len = request(&mut out, b"a/b.efi", [("tsize", 0), ("blksize", 1468)]);
        let expected = b"\0\x01a/b.efi\0octet\0tsize\x000\0blksize\x001468\0";
        assert_eq!(len, Some(expected.len()));
        assert_eq!(out[..expected.len()], expected[..]);
        assert_eq!(request(&mut out[..12], b"a/b.efi", []), None);
    }

    #[test]
    fn pairs_that_are_cut_are_noticed() {
        let read: Vec<_> = pairs(b"tsize\x00123\0BLKSIZE\x0012\0").collect();
        assert_eq!(read, [Some(("tsize", 123)), Some(("BLKSIZE", 12))]);
        assert_eq!(pairs(b"tsize\x00123").collect::<Vec<_>>(), [None]);
        assert_eq!(pairs(b"tsize\0x\0").collect::<Vec<_>>(), [None]);
        assert_eq!(pairs(b"tsize").collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn what_servers_send_is_told_apart() {
        assert_eq!(parse(b"\0\x03\0\x07xy"), Some(Packet::Data { block: 7, payload: b"xy" }));
        assert_eq!(parse(b"\0\x05\0\x01gone\0"), Some(Packet::Error(1)));
        assert_eq!(parse(b"\0\x06a\x001\0"), Some(Packet::OptionAck(b"a\x001\0")));
        for other in [&b"\0\x03\0"[..], b"\0\x01x\0octet\0", b"\0\x04\0\x01", b"", b"\0"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}

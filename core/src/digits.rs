//! Numbers as text, without the detours of `core::fmt`: names and URLs are made for each DHCP
//! message, and formatting them would take as long as all the rest of an answer.

use core::fmt;
use core::net::Ipv4Addr;

/// Where numbers go.
pub(crate) trait WriteAscii: fmt::Write {
    /// Writes text that is ASCII. Whoever keeps bytes need not have it proven.
    fn write_ascii(&mut self, text: &[u8]) -> fmt::Result {
        // Only ASCII ever gets in, so the conversion cannot fail.
        self.write_str(core::str::from_utf8(text).unwrap_or_default())
    }
}

impl WriteAscii for fmt::Formatter<'_> {}

/// Writes `bytes` in lower-case hexadecimal, without anything between them.
pub(crate) fn write_hex(out: &mut impl WriteAscii, bytes: &[u8]) -> fmt::Result {
    // Ends: each round takes a byte or more off `bytes`.
    for chunk in bytes.chunks(HEX_CHUNK) {
        let mut text = [0; 2 * HEX_CHUNK];
        for (pair, byte) in text.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&hex(*byte));
        }
        out.write_ascii(&text[..2 * chunk.len()])?;
    }
    Ok(())
}

/// Writes six octets in lower-case hexadecimal with `separator` between them.
pub(crate) fn write_octets(
    out: &mut impl WriteAscii,
    octets: [u8; 6],
    separator: u8,
) -> fmt::Result {
    let mut text = [separator; 17];
    for (place, octet) in text.chunks_mut(3).zip(octets) {
        place[..2].copy_from_slice(&hex(octet));
    }
    out.write_ascii(&text)
}

/// Writes `number` in decimal.
pub(crate) fn write_decimal(out: &mut impl WriteAscii, number: u16) -> fmt::Result {
    let mut text = [0; 5];
    let start = put_decimal(&mut text, number);
    out.write_ascii(&text[start..])
}

/// Writes `address` in dotted decimal.
pub(crate) fn write_address(out: &mut impl WriteAscii, address: Ipv4Addr) -> fmt::Result {
    let mut text = [b'.'; 15];
    let mut start = text.len();
    for (at, octet) in address.octets().into_iter().enumerate().rev() {
        start = put_decimal(&mut text[..start], octet.into());
        // The dot before it is there already.
        start -= usize::from(at > 0);
    }
    out.write_ascii(&text[start..])
}

/// Writes `number` at the end of `text` and tells where it starts.
fn put_decimal(text: &mut [u8], number: u16) -> usize {
    let mut rest = number;
    let mut start = text.len();
    // Ends: a 16-bit number has five digits at most.
    loop {
        start -= 1;
        text[start] = DIGITS[usize::from(rest % 10)];
        rest /= 10;
        if rest == 0 {
            return start;
        }
    }
}

fn hex(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes written at once: a UUID.
const HEX_CHUNK: usize = 16;

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    impl WriteAscii for String {}

    fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
        let mut text = String::new();
        write(&mut text).unwrap();
        text
    }

    #[test]
    fn numbers_look_as_the_standard_library_writes_them() {
        for number in [0, 7, 10, 99, 100, 255, 1000, 9999, 10_000, u16::MAX] {
            assert_eq!(written(|out| write_decimal(out, number)), std::format!("{number}"));
        }
        for octets in [[0, 0, 0, 0], [10, 0, 0, 1], [255; 4], [192, 168, 7, 99], [1, 23, 4, 200]] {
            let address = Ipv4Addr::from(octets);
            assert_eq!(written(|out| write_address(out, address)), std::format!("{address}"));
        }
    }

    #[test]
    fn bytes_are_written_as_two_digits_each() {
        assert_eq!(written(|out| write_hex(out, &[])), "");
        assert_eq!(written(|out| write_hex(out, &[0x00, 0x0f, 0xa5])), "000fa5");
        assert_eq!(written(|out| write_hex(out, &[0x1e; 33])), "1e".repeat(33));
        let mac = [0x52, 0x54, 0, 1, 2, 0xab];
        assert_eq!(written(|out| write_octets(out, mac, b'-')), "52-54-00-01-02-ab");
    }
}

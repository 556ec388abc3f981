//! Rates as configurations write them: `10 Mbit/s`, `2.5 Gbit/s`, `300 MB/s`.

use reveille_core::rate::ByteRate;

/// Names of units and the bits a second that each stands for.
const UNITS: [(&str, u64); 6] = [
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
];

/// The slowest rate in bits a second: a kernel takes half an hour at that. Below it, firmware
/// would wait longer for one packet than it does.
pub const SLOWEST_BITS: u64 = 64_000;

/// Reads a rate.
///
/// # Errors
/// What is wrong, in words that continue "is no rate: ".
pub fn parse(text: &str) -> Result<ByteRate, &'static str> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim_start());
    if number.is_empty() {
        return Err("a number comes first");
    }
    let (_, bits) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or("units are kbit/s to Gbit/s and kB/s to GB/s")?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| "this is no number")?;
    let digits = u32::try_from(part.len()).unwrap_or(u32::MAX);
    if digits > 3 {
        return Err("three digits behind the point are enough");
    }
    let part: u64 = part.parse().map_err(|_| "this is no number")?;
    let thousandths = part * 10_u64.pow(3 - digits);
    let bits_per_second = whole
        .checked_mul(*bits)
        .and_then(|rate| rate.checked_add(thousandths * bits / 1000))
        .ok_or("no network is as fast")?;
    if bits_per_second < SLOWEST_BITS {
        return Err("firmware gives up below 64 kbit/s");
    }
    ByteRate::new(bits_per_second / 8).ok_or("nothing would be sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, bytes) in [
            ("10 Mbit/s", 1_250_000),
            ("10Mbit/s", 1_250_000),
            ("2.5 Gbit/s", 312_500_000),
            ("0.125 GB/s", 125_000_000),
            ("300 MB/s", 300_000_000),
            (" 64 kbit/s ", 8_000),
            ("8 kB/s", 8_000),
        ] {
            assert_eq!(parse(text).map(ByteRate::bytes_per_second), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "10",
            "10 Mbps",
            "Mbit/s",
            "-1 Mbit/s",
            "1.2.3 Mbit/s",
            ". Mbit/s",
            "1. Mbit/s",
            "1.0001 Mbit/s",
            "63 kbit/s",
            "0 Gbit/s",
            "99999999999999999999 Gbit/s",
            "9999999999999 GB/s",
            "10 mbit/s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

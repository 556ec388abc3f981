//! Numbers as people read them.

use std::fmt;
use std::io;
use std::time::Duration;

/// A number of bytes: `512 B`, `23.4 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        // Rounding first keeps 999,999 from becoming "1000 kB".
        let mut tenths = self.0.saturating_add(50) / 100;
        let mut units = ["kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            if tenths < 10_000 {
                break;
            }
            tenths = (tenths + 500) / 1000;
            unit = larger;
        }
        match tenths {
            0..1000 => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
            _ => write!(f, "{} {unit}", tenths / 10),
        }
    }
}

/// A length of time: `85 µs`, `3 ms`, `1.42 s`, `2 min 05 s`, `3 h 20 min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let seconds = self.0.as_secs();
        if micros < 1000 {
            write!(f, "{micros} µs")
        } else if seconds < 1 {
            write!(f, "{} ms", micros / 1000)
        } else if seconds < 100 {
            write!(f, "{}.{:02} s", seconds, micros / 10_000 % 100)
        } else if seconds < 3600 {
            write!(f, "{} min {:02} s", seconds / 60, seconds % 60)
        } else if seconds < 48 * 3600 {
            write!(f, "{} h {:02} min", seconds / 3600, seconds / 60 % 60)
        } else {
            write!(f, "{} days", seconds / 86_400)
        }
    }
}

/// Bytes in a time: `118 MB/s`. Nothing for a time too short to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64, pub Duration);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.1.as_nanos().max(1);
        let per_second = u128::from(self.0) * 1_000_000_000 / nanos;
        write!(f, "{}/s", Bytes(u64::try_from(per_second).unwrap_or(u64::MAX)))
    }
}

/// `1 machine`, `2 machines`.
#[derive(Clone, Copy, Debug)]
pub struct Count<'a>(pub u64, pub &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

/// Why the system refused something, without the number that only programmers know.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'e>(pub &'e io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.split_once(" (os error").map_or(&text, |(reason, _)| reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (100_000, "100 kB"),
            (999_999, "1.0 MB"),
            (8_123_456, "8.1 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn spans_grow_their_units() {
        for (millis, text) in [
            (0, "0 µs"),
            (3, "3 ms"),
            (1_420, "1.42 s"),
            (59_999, "59.99 s"),
            (125_000, "2 min 05 s"),
            (12_000_000, "3 h 20 min"),
            (500_000_000, "5 days"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn rates_survive_no_time_at_all() {
        assert_eq!(Rate(1_000_000, Duration::from_millis(100)).to_string(), "10.0 MB/s");
        assert!(Rate(1, Duration::ZERO).to_string().ends_with("/s"));
    }

    #[test]
    fn reasons_have_no_numbers() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(Reason(&error).to_string(), "No such file or directory");
        assert_eq!(Reason(&io::Error::other("because")).to_string(), "because");
    }
}

//! Lengths of time as configurations write them: `90s`, `30m`, `12h`, `7d`, `1h 30m`.

use std::time::Duration;

/// Letters and the seconds that each stands for, longest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Reads a duration.
///
/// # Errors
/// What is wrong, in words that continue "is no length of time: ".
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty");
    }
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 =
            rest[..digits].parse().map_err(|_| "a number must come before each unit")?;
        rest = rest[digits..].trim_start();
        let unit = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let (_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == &rest[..unit])
            .ok_or("units are s, m, h and d")?;
        rest = rest[unit..].trim_start();
        seconds = number
            .checked_mul(*factor)
            .and_then(|more| seconds.checked_add(more))
            .ok_or("it is longer than time")?;
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes whole seconds of a duration in the same way.
pub fn compact(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut parts = Vec::new();
    for (name, factor) in UNITS {
        if seconds >= factor {
            parts.push(format!("{}{name}", seconds / factor));
            seconds %= factor;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, seconds) in
            [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("1h 30m", 5400)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(parse(&compact(Duration::from_secs(seconds))), parse(text));
        }
        assert_eq!(compact(Duration::from_secs(90)), "1m 30s");
        assert_eq!(compact(Duration::ZERO), "0s");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m", "30", "30 minutes", "3.5h", "-1h", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("18446744073709551615d").is_err());
    }
}

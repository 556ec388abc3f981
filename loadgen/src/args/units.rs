//! Words for quantities.

use std::time::Duration;

/// A duration: `250ms`, `30s`, `10m`, `1h`, or plain seconds.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let number_len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let factor = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time: write 500ms, 30s, 10m or 1h")),
    };
    let number: f64 =
        number.parse().map_err(|_| "write a number and a unit, such as 30s or 500ms".to_owned())?;
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}

/// A duration as it would be typed: `250ms`, `30s`, `10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Duration);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match (seconds, millis) {
            (0, 1..) => write!(f, "{millis}ms"),
            (_, 1..) => write!(f, "{}s", self.0.as_secs_f64()),
            (3600.., 0) if seconds.is_multiple_of(3600) => write!(f, "{}h", seconds / 3600),
            (60.., 0) if seconds.is_multiple_of(60) => write!(f, "{}m", seconds / 60),
            (_, 0) => write!(f, "{seconds}s"),
        }
    }
}

/// A part of a whole: `0.01` or `1%`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |rest| (rest, 100.0));
    let number: f64 = number.parse().map_err(|_| "write a share as 0.01 or 1%".to_owned())?;
    let share = number / divisor;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(format!("{text} is no share: 0 to 1, or 0% to 100%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds("30s"), Ok(30.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        assert_eq!(seconds("1.5m"), Ok(90.0));
        assert_eq!(seconds("2h"), Ok(7200.0));
        assert_eq!(seconds("7"), Ok(7.0));
        for wrong in ["", "s", "3 days", "-3s", "1..5s", "30 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_told_as_they_are_typed() {
        for text in ["0s", "250ms", "30s", "1.5s", "10m", "90s", "2h"] {
            assert_eq!(duration(text).map(|time| Words(time).to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn shares_are_parts_of_a_whole() {
        assert_eq!(share("0.01"), Ok(0.01));
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("1"), Ok(1.0));
        for wrong in ["", "%", "1.01", "-1%", "150%", "nan", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}

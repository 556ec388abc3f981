//! When machines are switched on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::args::{Words, duration};

/// When machines are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ramp {
    /// All in the same instant.
    All,
    /// Evenly over this time.
    Over(Duration),
    /// Rack by rack.
    Racks {
        /// Machines in a rack, which start in the same instant.
        machines: u32,
        /// Time between racks.
        gap: Duration,
    },
}

impl Ramp {
    /// When machine `number` of `count` starts, from the beginning of the run.
    #[must_use]
    pub fn start(self, number: u32, count: u32) -> Duration {
        match self {
            Self::All => Duration::ZERO,
            Self::Over(time) => time.mul_f64(f64::from(number) / f64::from(count.max(1))),
            Self::Racks { machines, gap } => gap.saturating_mul(number / machines.max(1)),
        }
    }
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let Some(rack) = text.strip_prefix("rack:") else {
            let time = duration(text)
                .map_err(|_| format!("{text:?} is no ramp: write all, 30s or rack:40/2s"))?;
            return Ok(if time.is_zero() { Self::All } else { Self::Over(time) });
        };
        let (machines, gap) = rack
            .split_once('/')
            .ok_or("write rack:40/2s for 40 machines every two seconds".to_owned())?;
        let machines = machines.parse().ok().filter(|machines| *machines > 0);
        let machines = machines.ok_or("a rack has at least one machine: rack:40/2s".to_owned())?;
        Ok(Self::Racks { machines, gap: duration(gap)? })
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Over(time) => write!(f, "{}", Words(*time)),
            Self::Racks { machines, gap } => write!(f, "rack:{machines}/{}", Words(*gap)),
        }
    }
}

//! The exported table, which can be imported again: a backup that any program can read.

use super::import::{Foreign, ForeignState, Reading};
use super::{Listed, State};
use crate::store::wall::Wall;

/// The first line.
pub const HEAD: &str = "address,network,mac,client_id,hostname,state,since,until";

/// A lease as a line. No field has a comma or a quote in it: names are sanitised.
pub(super) fn line(lease: &Listed) -> String {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let address = lease.address.map(|address| address.to_string()).unwrap_or_default();
    let Listed { network, mac, client_id, hostname, state, since, until, .. } = lease;
    let (since, until) = (number(*since), number(*until));
    let state = state.label();
    format!("{address},{network},{mac},{client_id},{hostname},{state},{since},{until}")
}

/// Reads what was exported.
pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, head)| head.trim_end() != HEAD) {
        reading.skip(1, format!("the file does not begin with `{HEAD}`"));
        return reading;
    }
    for (at, line) in lines {
        match lease(at + 1, line) {
            Ok(lease) => reading.take(lease),
            Err(why) => reading.skip(at + 1, why),
        }
    }
    reading
}

fn lease(line: usize, text: &str) -> Result<Foreign, String> {
    let fields: Vec<&str> = text.trim_end().split(',').collect();
    let [address, _network, mac, client_id, hostname, state, since, until] = fields[..] else {
        return Err("a lease has eight fields".to_owned());
    };
    let time = |text: &str| match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(|seconds| Some(Wall::from_seconds(seconds)))
            .map_err(|_| format!("`{text}` is no time")),
    };
    let (since, until) = (time(since)?, time(until)?.unwrap_or(Wall::NEVER));
    let state = match state {
        word if word == State::Bound.label() => ForeignState::Bound { since, until },
        word if word == State::Expired.label() || word == State::Released.label() => {
            ForeignState::Former { at: until }
        }
        word if word == State::Declined.label() => ForeignState::Declined { until },
        other => return Err(format!("there is nothing to take of a lease that is {other}")),
    };
    let mac = match mac {
        "" => None,
        text => Some(text.parse().map_err(|_| format!("`{text}` is no MAC address"))?),
    };
    let client_id = match client_id {
        "" => Vec::new(),
        text => super::import::hex(text).ok_or(format!("`{text}` is no client identifier"))?,
    };
    let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
    Ok(Foreign { line, address, mac, client_id, hostname: hostname.to_owned(), state })
}

//! Which leases are listed.

use std::time::Duration;

use ipnet::Ipv4Net;
use reveille_core::mac::MacAddr;
use serde::{Deserialize, Serialize};

use super::{Listed, State};
use crate::config::duration;
use crate::store::wall::Wall;

/// All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct Filter {
    /// Addresses in this network only
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subnet: Option<Ipv4Net>,
    /// Of clients whose MAC address begins like this: 52:54:00:12:34:56, or 52:54:00
    #[arg(long, value_name = "MAC", value_parser = parse_mac)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mac: Option<String>,
    /// In this state only
    #[arg(long, value_enum, value_name = "STATE")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<State>,
    /// That end within this time: 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "state")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_within: Option<u64>,
    /// That have ended
    #[arg(long, conflicts_with_all = ["state", "expires_within"])]
    #[serde(default)]
    pub expired: bool,
}

impl Filter {
    /// Whether `lease` is listed at `now`.
    pub fn takes(&self, lease: &Listed, now: Wall) -> bool {
        let Self { subnet, mac, state, expires_within, expired } = self;
        let in_subnet = |subnet: &Ipv4Net| lease.address.is_some_and(|a| subnet.contains(&a));
        let is_soon = |seconds: u64| {
            let last = now.plus(Duration::from_secs(seconds)).as_seconds();
            lease.state == State::Bound && lease.until.is_some_and(|until| until <= last)
        };
        subnet.as_ref().is_none_or(in_subnet)
            && mac.as_ref().is_none_or(|mac| lease.mac.starts_with(mac.as_str()))
            && state.is_none_or(|state| lease.state == state)
            && expires_within.is_none_or(is_soon)
            && (!expired || matches!(lease.state, State::Expired | State::Released))
    }
}

/// A MAC address or its beginning, in whole octets, as addresses are written.
fn parse_mac(text: &str) -> Result<String, String> {
    if let Ok(mac) = text.parse::<MacAddr>() {
        return Ok(mac.to_string());
    }
    let text = text.to_lowercase().replace('-', ":");
    let text = text.trim_end_matches(':');
    let is_octet = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < 6 && parts.iter().all(|part| is_octet(part)) {
        return Ok(format!("{text}:"));
    }
    Err("expected a MAC address or its first octets, such as 52:54:00".to_owned())
}

fn parse_time(text: &str) -> Result<u64, String> {
    duration::parse(text).map(|time| time.as_secs()).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(state: State, until: u64) -> Listed {
        Listed {
            address: Some("10.0.1.2".parse().expect("an address")),
            mac: "52:54:00:12:34:56".to_owned(),
            state,
            until: Some(until),
            ..Listed::default()
        }
    }

    #[test]
    fn everything_given_must_fit() {
        let now = Wall::from_seconds(1000);
        let bound = lease(State::Bound, 1300);
        let takes = |filter: Filter| filter.takes(&bound, now);
        assert!(takes(Filter::default()));
        let subnet = |text: &str| Filter {
            subnet: Some(text.parse().expect("a prefix")),
            ..Filter::default()
        };
        assert!(takes(subnet("10.0.0.0/16")));
        assert!(!takes(subnet("10.0.0.0/24")));
        let mac =
            |text: &str| Filter { mac: Some(parse_mac(text).expect(text)), ..Filter::default() };
        assert!(
            takes(mac("52-54-00-12-34-56")) && takes(mac("52:54")) && takes(mac("525400123456"))
        );
        assert!(!takes(mac("52:55")));
        let within = |seconds| Filter { expires_within: Some(seconds), ..Filter::default() };
        assert!(takes(within(300)) && !takes(within(299)));
        let expired = Filter { expired: true, ..Filter::default() };
        assert!(!takes(expired.clone()));
        assert!(expired.takes(&lease(State::Expired, 900), now));
        assert!(!within(300).takes(&lease(State::Expired, 900), now));
    }

    #[test]
    fn half_an_octet_is_no_beginning() {
        for text in ["5", "52:5", "52:54:00:12:34:56:78", "", "zz"] {
            assert!(parse_mac(text).is_err(), "{text:?}");
        }
    }
}

//! dnsmasq: a line for each lease, `EXPIRY MAC ADDRESS NAME CLIENT-ID`, behind which those of
//! DHCPv6 follow a line with its server's identifier.

use reveille_core::mac::MacAddr;

use super::{Foreign, ForeignState, Reading, hex};
use crate::store::wall::Wall;

pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut is_v6 = false;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [] => {}
            ["duid", ..] => is_v6 = true,
            [..] if is_v6 => reading.skip(number, "it is a lease of DHCPv6"),
            [expiry, mac, address, hostname, client_id, ..] => {
                match lease(number, expiry, mac, address, hostname, client_id) {
                    Ok(lease) => reading.take(lease),
                    Err(why) => reading.skip(number, why),
                }
            }
            [..] => reading.skip(number, "a lease has five fields"),
        }
    }
    reading
}

fn lease(
    line: usize,
    expiry: &str,
    mac: &str,
    address: &str,
    hostname: &str,
    client_id: &str,
) -> Result<Foreign, String> {
    let until = match expiry.parse() {
        Ok(0) => Wall::NEVER,
        Ok(seconds) => Wall::from_seconds(seconds),
        Err(_) => return Err(format!("`{expiry}` is no time of expiry")),
    };
    let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
    // Other links than Ethernet have their number before a dash.
    let (link, digits) = match mac.split_once('-') {
        Some((link, digits)) if !digits.contains('-') => (link, digits),
        Some(_) | None => ("01", mac),
    };
    let octets = hex(digits).and_then(|octets| <[u8; 6]>::try_from(octets).ok());
    let mac = match (link, octets) {
        ("01", Some(octets)) => Some(MacAddr(octets)),
        ("01", None) => return Err(format!("`{mac}` is no MAC address")),
        _ => None,
    };
    let client_id = match client_id {
        "*" => Vec::new(),
        text => hex(text).ok_or_else(|| format!("`{text}` is no client identifier"))?,
    };
    let hostname = if hostname == "*" { String::new() } else { hostname.to_owned() };
    let state = ForeignState::Bound { since: None, until };
    Ok(Foreign { line, address, mac, client_id, hostname, state })
}

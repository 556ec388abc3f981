//! A relay agent: machines behind it reach the server's DHCP through it (RFC 1542 §4, RFC 3046).

use std::net::{Ipv4Addr, SocketAddrV4};

use reveille_core::mac::MacAddr;
use reveille_core::time::Instant;

use super::check::Checks;
use super::client::Machine;

/// The relay agent's address in the network that it serves.
pub(super) const RELAY: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

/// Whether a machine is behind the relay agent: one in four.
pub(super) const fn is_behind(machine: u32) -> bool {
    machine % 4 == 3
}

/// Passes a broadcast on to the server: tells from where it seems to come, and changes it.
pub(super) fn forward(payload: &mut Vec<u8>) -> SocketAddrV4 {
    payload[3] += 1;
    payload[24..28].copy_from_slice(&RELAY.octets());
    let end = payload.iter().rposition(|byte| *byte == 255).expect("options have an end");
    payload.truncate(end);
    payload.extend(AGENT);
    payload.push(255);
    payload.resize(payload.len().max(300), 0);
    SocketAddrV4::new(RELAY, 67)
}

/// Passes a reply on: tells for which machine it is.
pub(super) fn deliver(payload: &[u8], now: Instant, checks: &Checks) -> Option<u32> {
    let mac = MacAddr(payload.get(28..34)?.try_into().ok()?);
    let echoed = payload.windows(AGENT.len()).any(|window| window == AGENT);
    let good = payload[24..28] == RELAY.octets() && echoed;
    checks.ensure(good, now, || format!("the relay agent cannot tell whose it is: {payload:02x?}"));
    Some(Machine::id_of(mac))
}

/// Option 82 with a circuit: comes back as it was sent.
const AGENT: [u8; 8] = [82, 6, 1, 4, b'p', b'o', b'r', b't'];

//! iPXE's wait for an IPv6 router, which comes before it loads anything, also by IPv4.

use std::net::Ipv6Addr;
use std::time::Duration;

use reveille_core::mac::MacAddr;

use super::{Context, Step};
use crate::sim::host::Up;
use crate::sim::site::ADVERTISER;

/// Solicitations that go out, until an advertisement comes or patience ends.
#[derive(Debug)]
pub(super) struct Router {
    tries: usize,
}

impl Router {
    pub(super) fn start(context: &mut Context<'_>) -> Self {
        let router = Self { tries: 0 };
        router.solicit(context);
        router
    }

    /// Without a router iPXE goes on by IPv4, seconds later.
    pub(super) fn on_timer(&mut self, context: &mut Context<'_>) -> Step<()> {
        self.tries += 1;
        if self.tries >= WAITS_MS.len() {
            return Step::Done(());
        }
        self.solicit(context);
        Step::Going
    }

    fn solicit(&self, context: &mut Context<'_>) {
        let own = link_local(context.mac);
        // ICMPv6 router solicitation with the source link-layer address option (RFC 4861 §4.1).
        let mut message = vec![133, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        message.extend(context.mac.0);
        let sum = checksum(own, ALL_ROUTERS, &message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut packet = vec![0x60, 0, 0, 0, 0, 16, 58, 255];
        packet.extend(own.octets());
        packet.extend(ALL_ROUTERS.octets());
        packet.extend(message);
        context.ups.push(Up::Frame { source: context.mac, packet });
        context.wait(Duration::from_millis(WAITS_MS[self.tries]));
    }
}

/// Checks that an advertisement ends the wait and does nothing else: it is for this machine, from
/// no router, and configures nothing.
pub(super) fn check_advertisement(packet: &[u8], context: &Context<'_>) {
    let own = link_local(context.mac);
    let well_formed = packet.len() >= 56
        && packet[..4] == [0x60, 0, 0, 0]
        && usize::from(packet[4]) << 8 | usize::from(packet[5]) == packet.len() - 40
        && packet[6..8] == [58, 255]
        && packet[8..24] == ADVERTISER.octets()
        && packet[24..40] == own.octets()
        && checksum(ADVERTISER, own, &packet[40..]) == 0;
    context.ensure(well_formed, || format!("no good advertisement: {packet:02x?}"));
    // Type, flags, router lifetime; options of the kinds 1 (link-layer address) and 5 (MTU) only.
    let harmless = packet[40] == 134 && packet[45] == 0 && packet[46..48] == [0, 0];
    let mut options = &packet[56..];
    let mut kinds = Vec::new();
    // Ends: an option has at least eight bytes.
    while let [kind, len, ..] = *options {
        kinds.push(kind);
        options = options.get(usize::from(len.max(1)) * 8..).unwrap_or_default();
    }
    let harmless = harmless && kinds.iter().all(|kind| matches!(kind, 1 | 5));
    context.ensure(harmless, || format!("it configures something: {packet:02x?}"));
}

/// The address that a station makes of its hardware address (RFC 4291 appendix A).
fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// The ICMPv6 checksum (RFC 4443 §2.3); zero over a message that has the right one.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let len = u32::try_from(message.len()).expect("messages are short");
    let mut covered = [source.octets(), destination.octets()].concat();
    covered.extend(len.to_be_bytes());
    covered.extend([0, 0, 0, 58]);
    covered.extend(message);
    let sum: u32 = covered
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice")
}

const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Waits after each solicitation: 13 s in all.
const WAITS_MS: [u64; 4] = [1000, 2000, 4000, 6000];

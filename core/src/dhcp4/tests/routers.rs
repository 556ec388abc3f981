//! Router solicitations of machines that boot.

use core::net::Ipv6Addr;
use std::vec::Vec;

use super::kit::*;
use crate::engine::{Discard, InterfaceId, Route};
use crate::event::EventKind;
use crate::limits;
use crate::mac::MacAddr;
use crate::wire::ndp::{self, ALL_ROUTERS, Message, link_local};

fn solicitation(station: MacAddr) -> Vec<u8> {
    let mut packet = [0; 128];
    let len =
        ndp::emit_solicitation(&mut packet, link_local(station), ALL_ROUTERS, station).unwrap();
    packet[..len].to_vec()
}

/// An advertisement of a real router: the empty one with a lifetime, its checksum set right.
fn router(lifetime: u16) -> Vec<u8> {
    let mut packet = [0; 128];
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    let len = ndp::emit_empty_advertisement(&mut packet, from, ndp::ALL_NODES, mac(0x99)).unwrap();
    let old = u16::from_be_bytes([packet[42], packet[43]]);
    packet[46..48].copy_from_slice(&lifetime.to_be_bytes());
    // RFC 1624: the checksum of a message in which one word changed from 0 to `lifetime`.
    let sum = u32::from(!old) + u32::from(lifetime);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
    assert!(matches!(
        ndp::parse(&packet[..len]),
        Ok(Message::Advertisement(advertisement)) if advertisement.router_lifetime_s == lifetime
    ));
    packet[..len].to_vec()
}

/// A site where machine 1 runs iPXE.
fn booting() -> Site {
    let mut site = Site::new();
    site.ask(&discover(1).ipxe(7));
    site.events();
    site
}

/// The advertisement that is sent next, checked.
fn advertised(site: &mut Site) -> Option<MacAddr> {
    let sent = site.poll()?;
    let Route::Link { interface: InterfaceId(0), station } = sent.route else {
        panic!("not to one station: {:?}", sent.route)
    };
    let Ok(Message::Advertisement(advertisement)) = ndp::parse(&sent.bytes) else {
        panic!("not an advertisement")
    };
    assert_eq!(advertisement.source, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    assert_eq!(advertisement.destination, link_local(station));
    assert_eq!(advertisement.link_layer, Some(SERVER_MAC));
    assert!(!advertisement.is_router());
    assert_eq!(site.events(), [EventKind::RouterAdvertised]);
    Some(station)
}

#[test]
fn an_ipxe_that_boots_here_is_answered() {
    let mut site = booting();
    assert_eq!(site.frame(mac(1), false, &solicitation(mac(1))), Ok(()));
    assert_eq!(advertised(&mut site), Some(mac(1)));
    assert!(site.poll().is_none());
}

#[test]
fn nobody_else_is() {
    let mut site = booting();
    site.ask(&discover(2).pxe(7));
    site.ask(&discover(3));
    for last in [2, 3, 4] {
        let result = site.frame(mac(last), false, &solicitation(mac(last)));
        assert_eq!(result, Err(Discard::UnknownSession));
    }
    // Not this host itself, nor one without an address.
    assert_eq!(site.frame(mac(1), true, &solicitation(mac(1))), Err(Discard::NotForServer));
    let mut packet = [0; 128];
    let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let len = ndp::emit_solicitation(&mut packet, global, ALL_ROUTERS, mac(1)).unwrap();
    assert_eq!(site.frame(mac(1), false, &packet[..len]), Err(Discard::BadSource));
    assert_eq!(site.frame(mac(1), false, &[0x60; 40]), Err(Discard::NotForServer));
    assert_eq!(site.frame(mac(1), false, &[]), Err(Discard::Malformed));
    // Nor when the boot is long past.
    site.pass(limits::BOOTING_FOR.as_secs());
    let late = site.frame(mac(1), false, &solicitation(mac(1)));
    assert_eq!(late, Err(Discard::UnknownSession));
    assert!(site.poll().is_none());
}

#[test]
fn a_solicitation_may_come_before_its_discover() {
    let mut site = Site::new();
    let early = site.frame(mac(1), false, &solicitation(mac(1)));
    assert_eq!(early, Err(Discard::UnknownSession));
    site.pass(1);
    // The offer makes it known as iPXE; then the advertisement follows, once.
    assert_eq!(site.send(&discover(1).ipxe(7)), Ok(()));
    assert!(Reply::read(site.poll().unwrap()).is_link_to(mac(1)));
    site.events();
    assert_eq!(advertised(&mut site), Some(mac(1)));
    site.ask(&discover(1).ipxe(7).xid(9));
    // Too long ago: whoever waited has given up.
    let mut site = Site::new();
    assert!(site.frame(mac(1), false, &solicitation(mac(1))).is_err());
    site.pass(limits::SOLICITATION_WAIT.as_secs());
    site.ask(&discover(1).ipxe(7));
}

#[test]
fn silent_where_a_real_router_is() {
    for outgoing in [false, true] {
        let mut site = booting();
        assert_eq!(site.frame(mac(0x99), outgoing, &router(9000)), Ok(()));
        for seconds in [0, 8999] {
            site.pass(seconds);
            site.ask(&discover(1).ipxe(7));
            let result = site.frame(mac(1), false, &solicitation(mac(1)));
            assert_eq!(result, Err(Discard::SwitchedOff));
        }
        site.pass(1);
        site.ask(&discover(1).ipxe(7));
        assert_eq!(site.frame(mac(1), false, &solicitation(mac(1))), Ok(()));
    }
}

#[test]
fn a_router_that_comes_while_an_answer_waits_silences_it() {
    let mut site = booting();
    assert_eq!(site.frame(mac(1), false, &solicitation(mac(1))), Ok(()));
    assert_eq!(site.frame(mac(0x99), false, &router(30)), Ok(()));
    assert!(site.poll().is_none());
    site.pass(limits::ROUTER_HOLD.as_secs());
    site.ask(&discover(1).ipxe(7));
    assert_eq!(site.frame(mac(1), false, &solicitation(mac(1))), Ok(()));
}

#[test]
fn our_own_empty_advertisements_are_no_routers() {
    let mut site = booting();
    assert_eq!(site.frame(SERVER_MAC, true, &router(0)), Ok(()));
    assert_eq!(site.frame(mac(1), false, &solicitation(mac(1))), Ok(()));
}

#[test]
fn can_be_switched_off() {
    let mut site = booting();
    site.view.interfaces[0].advertise_from = None;
    let result = site.frame(mac(1), false, &solicitation(mac(1)));
    assert_eq!(result, Err(Discard::SwitchedOff));
}

#[test]
fn a_flood_is_bounded() {
    let mut site = booting();
    let packet = solicitation(mac(1));
    let mut sent = 0;
    for _ in 0..2 * limits::ADVERTISEMENTS_PER_SECOND {
        match site.frame(mac(1), false, &packet) {
            Ok(()) => sent += usize::from(site.poll().is_some()),
            result => assert_eq!(result, Err(Discard::Overload)),
        }
    }
    assert_eq!(sent, limits::ADVERTISEMENTS_PER_SECOND as usize);
    site.pass(1);
    assert_eq!(site.frame(mac(1), false, &packet), Ok(()));
}

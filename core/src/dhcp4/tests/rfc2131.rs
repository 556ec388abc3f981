//! RFC 2131, clause by clause, as the server of a network.

use core::net::Ipv4Addr;
use std::vec;
use std::vec::Vec;

use super::kit::*;
use crate::dhcp4::LeaseState;
use crate::engine::Discard;
use crate::event::EventKind;
use crate::limits;
use crate::view::{DhcpMode, MachineKey, Pool};
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::Uuid;

fn request(last: u8) -> Ask {
    ask(MessageType::Request, last)
}

/// A client that boots again and wants the address it remembers.
fn init_reboot(last: u8, address: Ipv4Addr) -> Ask {
    request(last).option(50, &address.octets())
}

#[test]
fn discover_offer_request_ack() {
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    assert_eq!(offer.kind(), MessageType::Offer);
    assert_eq!(offer.yiaddr(), host(100));
    assert_eq!(offer.option(54).unwrap(), SERVER.octets());
    assert_eq!(offer.option(1).unwrap(), [255, 255, 255, 0]);
    assert_eq!(offer.option(3).unwrap(), host(254).octets());
    assert_eq!(offer.option(6).unwrap(), host(53).octets());
    assert_eq!(offer.option(51).unwrap(), 1800u32.to_be_bytes());
    let ack = site.ask(&select(&discover(1), &offer));
    assert_eq!(ack.kind(), MessageType::Ack);
    assert_eq!(ack.yiaddr(), host(100));
    let held: Vec<_> = site.server.leases().map(|lease| (lease.address, lease.state())).collect();
    let until = site.now + core::time::Duration::from_secs(1800);
    assert_eq!(held, [(host(100), LeaseState::Bound { until })]);
}

#[test]
fn renewal_comes_before_half_of_the_lease_and_spreads() {
    let mut site = Site::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let offer = site.ask(&discover(1));
        let number = |code| u32::from_be_bytes(offer.option(code).unwrap().try_into().unwrap());
        let (t1, t2) = (number(58), number(59));
        assert!((810..=900).contains(&t1), "{t1}");
        assert!(t1 < t2 && t2 <= 1575 && t2 < number(51), "{t2}");
        seen.insert(t1);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn each_client_keeps_its_address_over_all_stages_of_its_boot() {
    let mut site = Site::new();
    let address = site.lease(1);
    site.lease(2);
    // iPXE, the kernel and systemd-networkd each call themselves something else.
    for id in [&[1, 0x52, 0x54, 0, 0, 0, 1][..], &[255, 1, 2, 3, 4, 0, 2, 0, 0]] {
        let offer = site.ask(&discover(1).option(61, id));
        assert_eq!(offer.yiaddr(), address);
        assert_eq!(offer.option(61).unwrap(), id, "RFC 6842");
    }
    // Long after the lease ended, as long as nobody needs it.
    site.pass(1_000_000);
    assert_eq!(site.ask(&discover(1)).yiaddr(), address);
}

#[test]
fn a_wish_is_fulfilled_if_the_address_is_free() {
    let mut site = Site::new();
    let wish = |last: u8, address: u8| discover(last).option(50, &host(address).octets());
    assert_eq!(site.ask(&wish(1, 105)).yiaddr(), host(105));
    // Taken; outside the pool; ours; the router's; broadcast; elsewhere.
    for address in [105, 20, 1, 254, 255, 0] {
        assert_eq!(site.ask(&wish(2, address)).yiaddr(), host(100));
    }
    let elsewhere = discover(2).option(50, &[192, 168, 1, 100]);
    assert_eq!(site.ask(&elsewhere).yiaddr(), host(100));
}

#[test]
fn never_gives_what_is_not_to_give() {
    let mut view = view();
    // Network address, ours, one free, one reserved; one free, the router's, broadcast.
    view.networks.edit()[0].pools =
        std::vec![Pool::new(host(0), host(3)), Pool::new(host(253), host(255)),];
    reserve(&mut view, MachineKey::Mac(mac(9)), host(3));
    let mut site = Site::with(view);
    assert_eq!([1, 2].map(|last| site.lease(last)), [host(2), host(253)]);
    site.ask_in_vain(&discover(3));
    assert_eq!(site.lease(9), host(3));
}

#[test]
fn nothing_left_is_no_answer_and_an_event() {
    let mut site = Site::new();
    for last in 1..=10 {
        site.lease(last);
    }
    site.events();
    site.ask_in_vain(&discover(11));
    assert!(site.events().contains(&EventKind::NoAddress));
    // A lease that ended makes room; the one that ended first goes first.
    site.pass(1801);
    assert_eq!(site.ask(&discover(11)).yiaddr(), host(100));
    assert_eq!(site.ask(&discover(12)).yiaddr(), host(101));
}

#[test]
fn nobody_is_to_choose_an_address_by_itself() {
    let mut site = Site::new();
    site.view.networks.edit()[0].pools.clear();
    let offer = site.ask(&discover(1).option(116, &[1]));
    assert_eq!((offer.kind(), offer.yiaddr()), (MessageType::Offer, ANY));
    assert_eq!(offer.option(116).unwrap(), [0], "RFC 2563");
    assert_eq!(offer.to, socket(BROADCAST, 68));
    site.ask_in_vain(&discover(2));
}

#[test]
fn an_offer_is_held_for_slow_firmware() {
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    for last in 2..=10 {
        site.lease(last);
    }
    site.pass(limits::OFFER_ALONE.as_secs() - 1);
    site.ask_in_vain(&discover(11));
    // Then another client may be promised the address, but who asks first has it.
    site.pass(limits::OFFER_HOLD.as_secs() - limits::OFFER_ALONE.as_secs());
    assert_eq!(site.ask(&discover(11)).yiaddr(), offer.yiaddr());
    assert_eq!(site.ask(&select(&discover(1), &offer)).kind(), MessageType::Ack);
}

#[test]
fn the_offer_is_withdrawn_when_the_client_chooses_another_server() {
    let mut site = Site::new();
    for last in 1..=9 {
        site.lease(last);
    }
    let offer = site.ask(&discover(10));
    let other = request(10).option(50, &[10, 0, 0, 200]).option(54, &[10, 0, 0, 2]);
    assert_eq!(site.send(&other), Err(Discard::OtherServer));
    assert!(site.events().iter().any(|event| matches!(event, EventKind::Request { .. })));
    assert_eq!(site.ask(&discover(11)).yiaddr(), offer.yiaddr());
}

#[test]
fn selecting_what_was_not_offered_is_refused() {
    let mut site = Site::new();
    let mine = site.lease(1);
    let offer = site.ask(&discover(2));
    for address in [mine, host(20), SERVER, host(108)] {
        let wrong = select(&discover(2), &offer).option(50, &address.octets());
        let nak = site.ask(&wrong);
        assert_eq!(nak.kind(), MessageType::Nak, "{address}");
        assert_eq!(nak.option(54).unwrap(), SERVER.octets(), "iPXE ignores a NAK without");
        assert_eq!((nak.yiaddr(), nak.siaddr(), nak.ciaddr()), (ANY, ANY, ANY));
        assert_eq!(nak.option(51), None);
    }
}

#[test]
fn selecting_survives_a_restart_of_the_server() {
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    let mut restarted = Site::new();
    let ack = restarted.ask(&select(&discover(1), &offer));
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
}

#[test]
fn init_reboot_of_a_client_that_is_known() {
    for (address, authoritative, expected) in [
        (host(100), true, MessageType::Ack),
        (host(100), false, MessageType::Ack),
        // We know it under another address.
        (host(103), true, MessageType::Nak),
        (host(103), false, MessageType::Nak),
        (Ipv4Addr::new(192, 168, 7, 7), true, MessageType::Nak),
    ] {
        let mut site = Site::new();
        site.lease(1);
        site.view.networks.edit()[0].authoritative = authoritative;
        let reply = site.ask(&init_reboot(1, address));
        assert_eq!(reply.kind(), expected, "{address} {authoritative}");
    }
}

#[test]
fn init_reboot_of_a_client_that_is_not_known() {
    for (address, authoritative, expected) in [
        // It had the address from us before we were started anew, if there is no other server.
        (host(103), true, Some(MessageType::Ack)),
        (host(103), false, None),
        (host(20), true, Some(MessageType::Nak)),
        (host(20), false, None),
        (Ipv4Addr::new(192, 168, 7, 7), true, Some(MessageType::Nak)),
        (Ipv4Addr::new(192, 168, 7, 7), false, None),
        // Somebody else has it.
        (host(100), true, Some(MessageType::Nak)),
        (host(100), false, None),
    ] {
        let mut site = Site::new();
        site.lease(1);
        site.view.networks.edit()[0].authoritative = authoritative;
        assert_eq!(site.send(&init_reboot(2, address)), Ok(()));
        let reply = site.poll().map(Reply::read);
        assert_eq!(reply.map(|reply| reply.kind()), expected, "{address} {authoritative}");
    }
}

#[test]
fn renewing_and_rebinding_extend_the_lease() {
    let mut site = Site::new();
    let address = site.lease(1);
    // RENEWING goes to us, REBINDING to everybody.
    for destination in [SERVER, BROADCAST] {
        site.pass(900);
        let renew = request(1).ciaddr(address).to(socket(destination, 67));
        let ack = site.ask(&renew);
        assert_eq!(ack.kind(), MessageType::Ack);
        assert_eq!((ack.yiaddr(), ack.ciaddr()), (address, address));
        assert_eq!(ack.to, socket(address, 68));
        let until = site.now + core::time::Duration::from_secs(1800);
        let lease = site.server.leases().next().unwrap();
        assert_eq!(lease.state(), LeaseState::Bound { until });
    }
}

#[test]
fn a_client_that_boots_again_keeps_its_lease_meanwhile() {
    let mut site = Site::new();
    site.lease(1);
    let before = site.server.leases().next().unwrap().state();
    site.ask(&discover(1));
    assert_eq!(site.server.leases().next().unwrap().state(), before);
}

#[test]
fn a_declined_address_rests() {
    let mut site = Site::new();
    let address = site.lease(1);
    let decline = |last: u8| {
        ask(MessageType::Decline, last).option(50, &host(100).octets()).option(54, &SERVER.octets())
    };
    // Nobody can decline for another, nor at another server.
    assert_eq!(site.send(&decline(2)), Err(Discard::UnknownSession));
    let elsewhere = decline(1).option(54, &[10, 0, 0, 2]);
    assert_eq!(site.send(&elsewhere), Err(Discard::OtherServer));
    site.ask_in_vain(&decline(1));
    assert!(site.events().contains(&EventKind::Decline { address }));
    assert_eq!(site.ask(&discover(1)).yiaddr(), host(101));
    let again = discover(2).option(50, &address.octets());
    assert_eq!(site.ask(&again).yiaddr(), host(102));
    site.pass(limits::DECLINE_HOLD.as_secs());
    let again = discover(3).option(50, &address.octets());
    assert_eq!(site.ask(&again).yiaddr(), address);
}

#[test]
fn declining_cannot_empty_the_pool() {
    let mut site = Site::new();
    for round in 0..40 {
        let offer = site.ask(&discover(round));
        site.ask(&select(&discover(round), &offer));
        let decline = ask(MessageType::Decline, round)
            .option(50, &offer.yiaddr().octets())
            .option(54, &SERVER.octets());
        site.ask_in_vain(&decline);
    }
}

#[test]
fn a_released_address_stays_with_its_client_until_it_is_needed() {
    let mut site = Site::new();
    let address = site.lease(1);
    let release =
        |last: u8| ask(MessageType::Release, last).ciaddr(host(100)).option(54, &SERVER.octets());
    assert_eq!(site.send(&release(2)), Err(Discard::UnknownSession));
    site.ask_in_vain(&release(1));
    assert!(site.events().contains(&EventKind::Release { address }));
    for last in 2..=10 {
        site.lease(last);
    }
    assert_eq!(site.ask(&discover(1)).yiaddr(), address);
    site.ask_in_vain(&release(1));
    assert_eq!(site.lease(11), address);
    site.ask_in_vain(&discover(1));
}

#[test]
fn inform_gets_everything_but_an_address() {
    let mut site = Site::new();
    let inform = ask(MessageType::Inform, 1).ciaddr(host(20)).option(55, &[15, 42]);
    let ack = site.ask(&inform);
    assert_eq!(ack.kind(), MessageType::Ack);
    assert_eq!((ack.yiaddr(), ack.ciaddr()), (ANY, host(20)));
    assert_eq!(ack.to, socket(host(20), 68));
    assert_eq!([51, 58, 59].map(|code| ack.option(code)), [None, None, None]);
    assert_eq!(ack.text(15).unwrap(), "example.org");
    assert_eq!(ack.option(42).unwrap(), host(123).octets());
    assert_eq!(site.server.leases().count(), 0);
}

#[test]
fn reserved_addresses() {
    let uuid = Uuid::from_smbios([0x11; 16]);
    let mut view = view();
    reserve(&mut view, MachineKey::Mac(mac(1)), host(104));
    reserve(&mut view, MachineKey::Mac(mac(2)), host(50));
    reserve(&mut view, MachineKey::Uuid(uuid), host(51));
    // In no network of this site.
    reserve(&mut view, MachineKey::Mac(mac(4)), Ipv4Addr::new(192, 168, 0, 4));
    let mut site = Site::with(view);
    assert_eq!(site.lease(1), host(104));
    assert_eq!(site.lease(2), host(50));
    let firmware = discover(3).pxe(7);
    let offer = site.ask(&firmware);
    assert_eq!(offer.yiaddr(), host(51));
    assert_eq!(site.ask(&select(&firmware, &offer)).kind(), MessageType::Ack);
    // The kernel of that machine tells no UUID, but has the same MAC address.
    assert_eq!(site.lease(3), host(51));
    assert_eq!(site.lease(4), host(100));
    // The rest of the pool goes to others, the reserved address to nobody else.
    let given: Vec<_> = (5..=12).map(|last| site.lease(last)).collect();
    assert!(!given.contains(&host(104)), "{given:?}");
    site.ask_in_vain(&discover(13));
    assert_eq!(site.ask(&init_reboot(14, host(104))).kind(), MessageType::Nak);
}

#[test]
fn a_reservation_made_by_a_reload_is_kept() {
    let mut site = Site::new();
    assert_eq!(site.lease(1), host(100));
    assert_eq!(site.lease(2), host(101));
    // The address of one goes to the other, which must wait until it is free.
    reserve(&mut site.view, MachineKey::Mac(mac(2)), host(100));
    assert_eq!(site.lease(2), host(101));
    let renew = request(1).ciaddr(host(100));
    // Without a machine of its own the holder keeps what it has.
    assert_eq!(site.ask(&renew).kind(), MessageType::Ack);
    site.pass(1801);
    assert_eq!(site.lease(2), host(100));
    assert_eq!(site.ask(&renew.clone().xid(7)).kind(), MessageType::Nak);
    assert_eq!(site.lease(1), host(102));
}

#[test]
fn leases_survive_a_reload() {
    let mut site = Site::new();
    let address = site.lease(1);
    // Another network comes first now, so that all numbers change.
    let mut other = site.view.networks[0].clone();
    other.subnet.address = Ipv4Addr::new(10, 1, 0, 0);
    other.relays = vec![Ipv4Addr::new(10, 1, 0, 1).into()];
    site.view.networks.edit().insert(0, other);
    assert_eq!(site.ask(&request(1).ciaddr(address)).kind(), MessageType::Ack);
    assert_eq!(site.ask(&discover(1)).yiaddr(), address);
    // The pool moved: the old address is not to be used any longer.
    site.view.networks.edit()[1].pools = vec![Pool::new(host(200), host(201))];
    let nak = site.ask(&request(1).xid(1).ciaddr(address));
    assert_eq!(nak.kind(), MessageType::Nak);
    assert_eq!(site.lease(1), host(200));
}

#[test]
fn clients_without_an_ethernet_address_are_known_by_their_identifier() {
    let mut site = Site::new();
    let infiniband = |last: u8| {
        let mut ask = discover(9).option(61, &[255, 0, 0, 0, last]).broadcast();
        ask.header.htype = 32;
        ask.header.hlen = 0;
        ask.header.chaddr = [0; 16];
        ask.xid(u32::from(last))
    };
    let first = site.ask(&infiniband(1));
    assert_eq!(first.to, socket(BROADCAST, 68));
    assert_ne!(site.ask(&infiniband(2)).yiaddr(), first.yiaddr());
    assert_eq!(site.ask(&infiniband(1)).yiaddr(), first.yiaddr());
    // Nothing to know it by.
    assert_eq!(site.send(&infiniband(1).without(61)), Err(Discard::Malformed));
}

#[test]
fn what_no_client_sends_is_dropped() {
    let mut site = Site::new();
    let mut reply = discover(1);
    reply.header.op = 2;
    assert_eq!(site.send(&reply), Err(Discard::NotForServer));
    for kind in [MessageType::Offer, MessageType::Ack, MessageType::Nak, MessageType::LeaseQuery] {
        assert_eq!(site.send(&ask(kind, 1)), Err(Discard::NotForServer));
    }
    for source in [socket(ANY, 0), socket(BROADCAST, 68), socket(SERVER, 68)] {
        assert_eq!(site.send(&discover(1).from(source)), Err(Discard::BadSource));
    }
    // A REQUEST that names no address.
    site.ask_in_vain(&request(1));
    site.view.networks.edit()[0].mode = DhcpMode::Off;
    assert_eq!(site.send(&discover(1)), Err(Discard::SwitchedOff));
    site.view.networks.edit().clear();
    assert_eq!(site.send(&discover(1)), Err(Discard::UnknownNetwork));
}

//! Storms: repeats, priorities, a queue that is full, and the end.

use std::vec::Vec;

use super::kit::*;
use crate::engine::{Discard, Engine};
use crate::limits;
use crate::mac::MacAddr;
use crate::wire::dhcp4::{Header, MessageType};

/// A client of a storm.
fn storm(kind: MessageType, number: u32) -> Ask {
    let [a, b, c, d] = number.to_be_bytes();
    let mut ask = ask(kind, 0);
    ask.header = Header::request(number, MacAddr([2, 7, a, b, c, d]));
    ask
}

#[test]
fn repeats_of_what_waits_are_collapsed() {
    let mut site = Site::new();
    assert_eq!(site.send(&discover(1)), Ok(()));
    assert_eq!(site.send(&discover(1)), Err(Discard::Duplicate));
    // Not repeats: another transaction, another message of the same one.
    assert_eq!(site.send(&discover(1).xid(7)), Ok(()));
    let request = ask(MessageType::Request, 1).option(50, &host(100).octets());
    assert_eq!(site.send(&request), Ok(()));
    assert_eq!(site.server.sessions(), 3);
    assert_eq!(core::iter::from_fn(|| site.poll()).count(), 3);
    assert_eq!(site.server.sessions(), 0);
    // A repeat of what was answered is answered again, in the same way.
    let [first, second] = [site.ask(&discover(2)), site.ask(&discover(2))];
    assert_eq!(first.yiaddr(), second.yiaddr());
}

#[test]
fn what_is_nearly_done_goes_first() {
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    for last in 2..6 {
        assert_eq!(site.send(&discover(last)), Ok(()));
    }
    assert_eq!(site.send(&select(&discover(1), &offer)), Ok(()));
    let replies: Vec<_> = core::iter::from_fn(|| site.poll()).map(Reply::read).collect();
    let kinds: Vec<_> = replies.iter().map(Reply::kind).collect();
    assert_eq!(kinds[0], MessageType::Ack);
    assert_eq!(kinds[1..], [MessageType::Offer; 4]);
    // First come, first served among equals.
    let order: Vec<_> = replies[1..].iter().map(|reply| reply.message[33]).collect();
    assert_eq!(order, [2, 3, 4, 5]);
}

#[test]
fn a_full_queue_drops_the_oldest_discover() {
    let mut site = Site::new();
    for number in 0..limits::DHCP_PENDING_MAX {
        assert_eq!(site.send(&storm(MessageType::Discover, number)), Ok(()));
    }
    let new = storm(MessageType::Discover, 1_000_000);
    assert_eq!(site.send(&new), Err(Discard::Overload));
    let urgent = storm(MessageType::Inform, 1_000_001).ciaddr(host(20));
    assert_eq!(site.send(&urgent), Err(Discard::Overload));
    // Both wait, and the two oldest are gone, so they may come again.
    assert_eq!(site.send(&new), Err(Discard::Duplicate));
    assert_eq!(site.send(&urgent), Err(Discard::Duplicate));
    assert_eq!(site.send(&storm(MessageType::Discover, 2)), Err(Discard::Duplicate));
    assert_eq!(site.send(&storm(MessageType::Discover, 0)), Err(Discard::Overload));
    assert_eq!(site.server.sessions(), limits::DHCP_PENDING_MAX as usize);
    assert_eq!(Reply::read(site.poll().unwrap()).to, socket(host(20), 68));
}

#[test]
fn a_queue_full_of_requests_takes_no_more() {
    let mut site = Site::new();
    let inform = |number| storm(MessageType::Inform, number).ciaddr(host(20));
    for number in 0..limits::DHCP_PENDING_MAX {
        assert_eq!(site.send(&inform(number)), Ok(()));
    }
    assert_eq!(site.send(&storm(MessageType::Discover, 1_000_000)), Err(Discard::Overload));
    assert_eq!(site.send(&inform(1_000_000)), Err(Discard::Overload));
    assert_eq!(site.send(&inform(0)), Err(Discard::Duplicate));
    assert_eq!(core::iter::from_fn(|| site.poll()).count(), limits::DHCP_PENDING_MAX as usize);
}

#[test]
fn while_draining_boots_end_and_none_begins() {
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    assert_eq!(site.send(&discover(2)), Ok(()));
    site.server.drain();
    assert_eq!(site.send(&discover(3)), Err(Discard::Draining));
    assert_eq!(site.send(&select(&discover(1), &offer)), Ok(()));
    assert_eq!(site.server.sessions(), 2);
    assert_eq!(core::iter::from_fn(|| site.poll()).count(), 2);
    assert_eq!(site.server.sessions(), 0);
}

#[test]
fn a_reload_while_a_message_waits_counts() {
    let mut site = Site::new();
    assert_eq!(site.send(&discover(1)), Ok(()));
    site.view.networks.edit().clear();
    assert!(site.poll().is_none());
    assert_eq!(site.server.sessions(), 0);
}

//! Who is served, who is sent away, and how the server ends.

use core::net::Ipv4Addr;
use core::time::Duration;

use super::driver::{Response, World, get, image};
use crate::engine::{ConnId, Discard, Engine, SendError, StreamEvent};
use crate::event::{EventKind, Outcome};
use crate::limits;

#[test]
fn only_our_own_addresses_are_served() {
    let mut world = World::new(2);
    assert_eq!(world.connect_to(Ipv4Addr::new(192, 0, 2, 1)), Err(Discard::UnknownNetwork));
    world.run();
    assert!(world.take_closed(0).is_empty(), "no answer");
    assert_eq!(world.server.sessions(), 0);
}

#[test]
fn ipxe_comes_back_later_and_other_firmware_is_served_from_the_reserve() {
    let mut world = World::new(32);
    let early: Vec<_> = (0..30).map(|_| world.connect()).collect();
    let (mut shortest, mut longest) = (u32::MAX, 0);
    for _ in 0..300 {
        let slot = world.connect();
        let taken = world.send(slot, &get("/one", &["User-Agent: iPXE/1.0.0+"]));
        assert_eq!(taken, Err(Discard::Overload));
        let received = world.take_closed(slot);
        let (response, _) = Response::parse(&received, false);
        assert_eq!((response.status, response.header("Connection")), (503, Some("close")));
        let wait: u32 = response.header("Retry-After").unwrap().parse().unwrap();
        (shortest, longest) = (shortest.min(wait), longest.max(wait));
    }
    assert_eq!((shortest, longest), limits::HTTP_RETRY_AFTER_S, "spread over the whole range");

    let firmware = world.ask(&get("/one", &["User-Agent: UefiHttpBoot/1.0"]));
    assert_eq!(firmware.status, 200);
    world.send(early[0], &get("/one", &["User-Agent: iPXE/1.0.0+"])).unwrap();

    // A place becomes free while the connection is open.
    let slot = world.connect();
    world.reset(early[1]);
    world.send(slot, &get("/one", &["User-Agent: iPXE/1.0.0+"])).unwrap();
    assert_eq!(Response::parse(&world.peers[&slot].received, false).0.status, 200);
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let mut world = World::new(32);
    for _ in 0..30 {
        world.connect();
        world.advance(Duration::from_millis(100));
    }
    // The first two have been idle for long, but one has just asked for something again.
    world.advance(limits::HTTP_IDLE_MIN - Duration::from_millis(2900));
    world.send(0, &get("/one", &[])).unwrap();
    let late = world.connect();
    world.run();
    assert!(world.take_closed(1).is_empty(), "the longest idle one is closed");
    assert_eq!(world.server.sessions(), 30);

    let later = world.connect();
    world.run();
    assert!(world.peers.iter().all(|(_, peer)| !peer.is_closed), "the others were just used");
    for slot in [0, late, later] {
        world.send(slot, &get("/one", &[])).unwrap();
    }
}

#[test]
fn without_a_buffer_a_part_of_a_head_is_sent_away() {
    let connections = limits::HTTP_PARTIAL_HEADS_MAX + 10;
    let mut world = World::new(connections);
    for _ in 0..limits::HTTP_PARTIAL_HEADS_MAX {
        let slot = world.connect();
        world.send(slot, "GET /o").unwrap();
    }
    let slot = world.connect();
    assert_eq!(world.send(slot, "GET /o"), Err(Discard::Overload));
    let received = world.take_closed(slot);
    let (response, _) = Response::parse(&received, false);
    assert_eq!(response.status, 503);
    assert!(response.header("Retry-After").is_some());

    // A whole head needs none, and what was begun goes on.
    assert_eq!(world.ask(&get("/one", &[])).status, 200);
    world.send(0, "ne HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(Response::parse(&world.peers[&0].received, false).0.status, 200);
    let slot = world.connect();
    world.send(slot, "GET /o").unwrap();
}

#[test]
fn draining_ends_idle_connections_and_lets_the_others_finish() {
    let mut world = World::new(8);
    let (idle, busy, asking) = (world.connect(), world.connect(), world.connect());
    world.send(asking, "GET /o").unwrap();
    world.is_stalled = true;
    world.send(busy, &get("/vmlinuz", &[])).unwrap();
    world.server.drain();
    world.run();
    assert!(world.take_closed(idle).is_empty());
    assert_eq!(world.server.sessions(), 2);
    assert_eq!(world.connect_to(super::driver::SERVER), Err(Discard::Draining));
    world.run();
    assert!(world.take_closed(0).is_empty());

    world.is_stalled = false;
    world.sent(busy);
    assert_eq!(Response::parse(&world.take_closed(busy), false).0.body.len(), 600_000);
    world.send(asking, "ne HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let received = world.take_closed(asking);
    let (response, _) = Response::parse(&received, false);
    assert_eq!((response.status, response.header("Connection")), (200, Some("close")));
    assert_eq!(world.server.sessions(), 0);
}

#[test]
fn a_client_that_closed_its_side_still_gets_its_answers() {
    let mut world = World::new(4);
    world.is_stalled = true;
    let slot = world.connect();
    world.send(slot, &(get("/vmlinuz", &[]) + &get("/one", &[]) + "GET /unfinished")).unwrap();
    world.end(slot);
    world.is_stalled = false;
    world.sent(slot);
    let received = world.take_closed(slot);
    let (first, rest) = Response::parse(&received, false);
    let (second, rest) = Response::parse(rest, false);
    assert_eq!((first.body.len(), second.body.len(), rest.len()), (600_000, 1, 0));

    for text in ["", "GET /o", "POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"] {
        let slot = world.connect();
        if !text.is_empty() {
            world.send(slot, text).unwrap();
        }
        world.end(slot);
        assert!(world.take_closed(slot).is_empty(), "{text}: nobody waits for an answer");
    }
    assert_eq!(world.server.sessions(), 0);
}

#[test]
fn a_broken_transfer_is_told_and_released() {
    let mut world = World::new(4);
    world.is_stalled = true;
    let slot = world.connect();
    world.send(slot, &get("/vmlinuz", &[])).unwrap();
    world.sent(slot);
    world.told();
    world.reset(slot);
    let told = world.told();
    let [EventKind::TransferEnded { bytes, outcome, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!((bytes, outcome), (u64::from(limits::STREAM_CHUNK_BYTES), Outcome::Aborted));
    assert!(!world.server.uses_image(image(4)));

    // Also before anything was sent.
    let slot = world.connect();
    world.deliver(slot, get("/vmlinuz", &[]).as_bytes()).unwrap();
    world.reset(slot);
    assert!(!world.server.uses_image(image(4)));
    assert_eq!(world.told(), []);
}

#[test]
fn an_unreadable_image_ends_its_connection() {
    let mut world = World::new(4);
    world.is_stalled = true;
    let slot = world.connect();
    world.send(slot, &get("/vmlinuz", &[])).unwrap();
    world.told();
    let origin = world.peers[&slot].outstanding.unwrap();
    world.server.handle_send_error(origin, SendError::ImageUnreadable, world.now);
    world.run();
    assert!(world.peers[&slot].is_closed);
    let told = world.told();
    let [EventKind::TransferEnded { bytes: 0, outcome, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!(outcome, Outcome::ImageUnreadable);
    assert!(!world.server.uses_image(image(4)));
    world.server.handle_send_error(origin, SendError::ImageUnreadable, world.now);
    assert!(!world.step(), "a stale error changes nothing");
}

#[test]
fn stale_names_find_nothing() {
    let mut world = World::new(2);
    let slot = world.connect();
    let old = world.conn(slot);
    world.reset(slot);
    let slot = world.connect();
    assert_eq!(slot, old.slot);
    let beyond = ConnId { slot: 99, generation: 0 };
    for conn in [old, beyond] {
        for event in [
            StreamEvent::Received { conn, bytes: b"GET" },
            StreamEvent::Sent { conn },
            StreamEvent::EndOfStream { conn },
            StreamEvent::Closed { conn },
        ] {
            let taken = world.server.handle_input(event, world.now, &world.view);
            assert_eq!(taken, Err(Discard::UnknownSession), "{event:?}");
        }
    }
    assert_eq!(world.server.sessions(), 1);
}

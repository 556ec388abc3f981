//! Clients that are slow or gone.

use core::time::Duration;

use super::driver::{Response, World, get, image};
use crate::engine::Engine;
use crate::event::{EventKind, Outcome};
use crate::limits;
use crate::table::TICK;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_connection_stays_long_enough_for_firmware() {
    let mut world = World::new(4);
    let slot = world.connect();
    for _ in 0..3 {
        world.advance(Duration::from_secs(30));
        world.send(slot, &get("/one", &[])).unwrap();
    }
    let deadline = world.server.poll_timeout().unwrap();
    assert!(deadline + TICK >= world.now + limits::HTTP_IDLE);
    world.advance(limits::HTTP_IDLE - SECOND);
    assert!(!world.peers[&slot].is_closed);
    world.advance(SECOND);
    assert!(world.peers[&slot].is_closed);
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_head_has_to_arrive_in_time_however_often_it_grows() {
    let mut world = World::new(4);
    let slot = world.connect();
    world.send(slot, "GET /one").unwrap();
    for _ in 0..14 {
        world.advance(SECOND);
        world.send(slot, "X").unwrap();
    }
    assert!(!world.peers[&slot].is_closed);
    world.advance(SECOND);
    let received = world.take_closed(slot);
    let (response, _) = Response::parse(&received, false);
    assert_eq!((response.status, response.header("Connection")), (408, Some("close")));
}

#[test]
fn a_body_has_to_arrive_in_time() {
    let mut world = World::new(4);
    let slot = world.connect();
    world.send(slot, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").unwrap();
    world.advance(limits::HTTP_REQUEST);
    assert_eq!(Response::parse(&world.take_closed(slot), false).0.status, 408);

    // The invitation to send it does not get through.
    world.is_stalled = true;
    let slot = world.connect();
    let fields = ["Content-Length: 9", "Expect: 100-continue"];
    world.send(slot, &super::driver::request("POST", "/one", &fields)).unwrap();
    world.advance(limits::HTTP_REQUEST);
    assert!(world.peers[&slot].is_closed);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_and_one_that_crawls_is_not() {
    let mut world = World::new(4);
    world.is_stalled = true;
    let slot = world.connect();
    world.send(slot, &get("/vmlinuz", &[])).unwrap();
    for _ in 0..2 {
        world.advance(limits::HTTP_STALL - SECOND);
        assert!(!world.peers[&slot].is_closed);
        world.sent(slot);
    }
    world.told();
    world.advance(limits::HTTP_STALL);
    assert!(world.peers[&slot].is_closed);
    let told = world.told();
    let [EventKind::TransferEnded { bytes, outcome, took, .. }] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(outcome, Outcome::TimedOut);
    assert_eq!(bytes, 2 * u64::from(limits::STREAM_CHUNK_BYTES), "only what really left");
    assert_eq!(took, limits::HTTP_STALL * 3 - SECOND * 2);
    assert!(!world.server.uses_image(image(4)));
    assert_eq!(world.server.sessions(), 0);
}

#[test]
fn early_calls_do_nothing() {
    let mut world = World::new(4);
    let slot = world.connect();
    for _ in 0..100 {
        world.advance(Duration::from_micros(1));
        assert!(!world.step());
    }
    assert!(!world.peers[&slot].is_closed);
    assert_eq!(world.told(), []);
}

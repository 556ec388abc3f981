//! Downloads in a crowd: places, turns, slow readers, rates.

use core::time::Duration;

use super::driver::{Response, World, get, whole};
use crate::engine::{Discard, Engine};
use crate::event::EventKind;
use crate::limits;
use crate::rate::{ByteRate, Rates};

/// Connections of a server with twelve places for downloads.
const CONNECTIONS: u32 = 16;
const PLACES: usize = 12;

/// A world in which all places are taken by clients that take nothing; tells their slots.
fn crowded() -> (World, Vec<u32>) {
    let mut world = World::new(CONNECTIONS);
    world.is_stalled = true;
    let slots: Vec<_> = (0..PLACES).map(|_| begin(&mut world, "curl/8")).collect();
    assert!(slots.iter().all(|slot| !world.peers[slot].received.is_empty()));
    (world, slots)
}

/// Begins a download.
fn begin(world: &mut World, agent: &str) -> u32 {
    let slot = world.connect();
    world.send(slot, &get("/vmlinuz", &[&format!("User-Agent: {agent}")])).unwrap();
    slot
}

/// Takes all of a download.
fn finish(world: &mut World, slot: u32) {
    while world.peers[&slot].outstanding.is_some() {
        world.sent(slot);
    }
    let (response, _) = Response::parse(&world.peers[&slot].received, false);
    assert_eq!(response.body, whole(4, 600_000));
}

#[test]
fn downloads_wait_for_their_turn_and_small_answers_do_not() {
    let (mut world, slots) = crowded();
    let first = begin(&mut world, "UefiHttpBoot/1.0");
    let second = begin(&mut world, "UefiHttpBoot/1.0");
    assert!(world.peers[&first].received.is_empty() && world.peers[&second].received.is_empty());
    world.is_stalled = false;
    assert_eq!(world.ask(&get("/one", &[])).status, 200);
    assert_eq!(world.ask("HEAD /vmlinuz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    world.is_stalled = true;
    world.advance(Duration::from_millis(1500));
    world.told();
    finish(&mut world, slots[3]);
    assert!(!world.peers[&first].received.is_empty(), "the first is served");
    assert!(world.peers[&second].received.is_empty(), "the second waits on");
    let waited = |kind: &EventKind| {
        let EventKind::Waited { waited, .. } = kind else { return None };
        Some(*waited)
    };
    let waits: Vec<_> = world.told().iter().filter_map(waited).collect();
    assert_eq!(waits, [Duration::from_millis(1500)]);
    finish(&mut world, first);
    finish(&mut world, second);
}

#[test]
fn ipxe_is_sent_away_and_told_of() {
    let (mut world, slots) = crowded();
    world.told();
    world.is_stalled = false;
    let slot = world.connect();
    let taken = world.send(slot, &get("/vmlinuz", &["User-Agent: iPXE/1.21"]));
    assert_eq!(taken, Err(Discard::Overload));
    let received = world.take_closed(slot);
    let (response, _) = Response::parse(&received, false);
    assert_eq!(response.status, 503);
    let seconds: u64 = response.header("Retry-After").unwrap().parse().unwrap();
    let told = world.told();
    assert!(told.iter().any(|kind| {
        matches!(kind, EventKind::SentAway { wait, .. } if wait.as_secs() == seconds)
    }));
    world.is_stalled = true;
    finish(&mut world, slots[0]);
    let slot = begin(&mut world, "iPXE/1.21");
    finish(&mut world, slot);
}

#[test]
fn nobody_waits_longer_than_firmware_does() {
    let (mut world, _) = crowded();
    let slot = begin(&mut world, "UefiHttpBoot/1.0");
    world.advance(limits::HTTP_TURN_MAX - Duration::from_millis(10));
    assert!(world.peers[&slot].received.is_empty());
    world.advance(Duration::from_millis(10));
    finish(&mut world, slot);
}

#[test]
fn slow_readers_lose_their_places_and_in_the_end_their_connections() {
    let (mut world, slots) = crowded();
    world.advance(limits::HTTP_SLOW - Duration::from_secs(1));
    world.sent(slots[0]);
    world.advance(Duration::from_secs(1));
    // Eleven have taken nothing for ten seconds: they hold up nobody, but go on.
    let quick: Vec<_> = (0..3).map(|_| begin(&mut world, "curl/8")).collect();
    assert!(quick.iter().all(|slot| !world.peers[slot].received.is_empty()));
    assert!(slots.iter().all(|slot| !world.peers[slot].is_closed));
    finish(&mut world, slots[1]);
    // One connection more than there should be: a slow one makes room.
    let closed = |world: &World| slots.iter().filter(|slot| world.peers[slot].is_closed).count();
    assert_eq!(closed(&world), 0);
    world.connect();
    world.run();
    assert_eq!(closed(&world), 1);
    for slot in quick {
        finish(&mut world, slot);
    }
}

#[test]
fn a_connection_that_breaks_while_it_waits_leaves_the_line() {
    let (mut world, slots) = crowded();
    let gone = begin(&mut world, "curl/8");
    let next = begin(&mut world, "curl/8");
    world.reset(gone);
    world.reset(slots[0]);
    assert!(!world.peers[&next].received.is_empty());
    for slot in slots.into_iter().skip(1).chain([next]) {
        world.reset(slot);
    }
    assert_eq!(world.server.sessions(), 0);
    assert_eq!(world.server.downloads, 0);
}

#[test]
fn rates_hold_for_each_and_for_all() {
    let rate = ByteRate::new(1_000_000);
    for (rates, count, expected) in [
        (Rates { client: rate, total: None }, 1, 10_000_000),
        (Rates { client: rate, total: None }, 4, 40_000_000),
        (Rates { total: rate, client: None }, 4, 10_000_000),
    ] {
        let mut world = World::new(CONNECTIONS);
        world.view.http = rates;
        let slots: Vec<_> = (0..count).map(|_| world.connect()).collect();
        for slot in &slots {
            world.send(*slot, &get("/huge.iso", &[])).unwrap();
        }
        let start = world.now;
        while world.now < start + Duration::from_secs(10) {
            let due = world.server.poll_timeout().expect("somebody waits");
            world.advance((due - world.now).max(Duration::from_micros(100)));
        }
        let bytes: Vec<_> = slots.iter().map(|slot| world.peers[slot].received.len()).collect();
        let sum: usize = bytes.iter().sum();
        // Three parts of a thousand more: heads, and the first and last pieces.
        let most_at_all = expected + expected / 250;
        assert!((expected..most_at_all).contains(&sum), "{sum} bytes, {expected} were to come");
        // Two pieces of what a rate lets out at once.
        let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
        assert!(most - least <= 33_000, "{bytes:?}");
    }
}

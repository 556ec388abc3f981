//! Requests in pieces, requests in heaps, and bytes that are no requests.

use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::driver::{Response, World, get, request, whole};
use crate::engine::{Discard, Engine};
use crate::limits;

/// Requests of every kind and how each is answered.
fn conversation() -> (String, Vec<(bool, u16, usize)>) {
    let parts = [
        (get("/ipxe/snponly.efi", &["User-Agent: curl/8"]), false, 200, 1000),
        (request("HEAD", "/vmlinuz", &[]), true, 200, 0),
        (request("POST", "/one", &["Content-Length: 7"]) + "GET / H", false, 405, 19),
        (get("/ipxe/snponly.efi", &["Range: bytes=10-19"]), false, 206, 10),
        (get("/missing", &[]), false, 404, 10),
        (get("/node/52-54-00-01-02-03/boot.ipxe", &[]), false, 200, 59),
        ("\r\n".to_owned() + &get("/empty", &[]), false, 200, 0),
        (get("/one", &["Connection: close"]), false, 200, 1),
    ];
    let text = parts.iter().map(|part| &*part.0).collect();
    (text, parts.iter().map(|part| (part.1, part.2, part.3)).collect())
}

fn check(received: &[u8], expected: &[(bool, u16, usize)]) {
    let mut rest = received;
    for (is_head, status, len) in expected {
        let (response, behind) = Response::parse(rest, *is_head);
        assert_eq!((response.status, response.body.len()), (*status, *len));
        rest = behind;
    }
    assert!(rest.is_empty());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (text, expected) = conversation();
    let mut world = World::new(2);
    let slot = world.connect();
    world.send(slot, &text).unwrap();
    check(&world.take_closed(slot), &expected);
}

#[test]
fn a_conversation_may_be_cut_anywhere() {
    let (text, expected) = conversation();
    let mut world = World::new(2);
    for cut in 1..text.len() {
        for answers_between in [false, true] {
            let slot = world.connect();
            let (before, after) = text.as_bytes().split_at(cut);
            world.deliver(slot, before).unwrap();
            if answers_between {
                world.run();
            }
            world.deliver(slot, after).unwrap();
            world.run();
            check(&world.take_closed(slot), &expected);
        }
    }
}

#[test]
fn a_conversation_may_come_byte_by_byte() {
    let (text, expected) = conversation();
    for answers_between in [false, true] {
        let mut world = World::new(2);
        let slot = world.connect();
        for byte in text.bytes() {
            world.deliver(slot, &[byte]).unwrap();
            if answers_between {
                world.run();
            }
        }
        world.run();
        check(&world.take_closed(slot), &expected);
    }
}

#[test]
fn requests_that_do_not_fit_are_not_answered_but_those_before_are() {
    let mut world = World::new(2);
    let slot = world.connect();
    let one = get("/one", &[]);
    let count = limits::HTTP_HEAD_BYTES_MAX / one.len() + 10;
    world.deliver(slot, get("/empty", &[]).as_bytes()).unwrap();
    assert_eq!(world.deliver(slot, one.repeat(count).as_bytes()), Err(Discard::Overload));
    world.run();
    let received = world.take_closed(slot);
    let mut rest = &*received;
    let mut answered = 0;
    while !rest.is_empty() {
        let (response, behind) = Response::parse(rest, false);
        assert_eq!(response.status, 200);
        answered += 1;
        rest = behind;
    }
    assert_eq!(answered, 1 + limits::HTTP_HEAD_BYTES_MAX / one.len());
}

#[test]
fn a_head_of_exactly_the_largest_size_is_read() {
    let frame = get("/one", &["X: "]).len();
    for (extra, status) in [(0, 200), (1, 431)] {
        let field = format!("X: {}", "a".repeat(limits::HTTP_HEAD_BYTES_MAX - frame + extra));
        let text = get("/one", &[&field]);
        assert_eq!(World::new(2).ask(&text).status, status, "in one piece");
        let mut world = World::new(2);
        let slot = world.connect();
        for piece in text.as_bytes().chunks(100) {
            world.deliver(slot, piece).ok();
        }
        world.run();
        let (response, _) = Response::parse(&world.peers[&slot].received, false);
        assert_eq!(response.status, status, "in pieces");
    }
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<Vec<u8>> = [
        "GET ",
        "HEAD ",
        "POST ",
        "/one",
        "/vmlinuz",
        "/../x",
        "/node/52-54-00-01-02-03/up",
        "/node/52-54-00-01-02-03/boot.ipxe?facts=1&serial=%41",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "Host: x\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 70000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "Range: bytes=1-\r\n",
        "Connection: close\r\n",
        "\r\n",
        "\r\n\r\n",
        "GET /one HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    .into_iter()
    .map(|word| word.as_bytes().to_vec())
    .collect();
    let piece = prop_oneof![
        8 => prop::sample::select(words),
        1 => vec(any::<u8>(), 0..20),
        1 => (1usize..9000).prop_map(|len| vec![b'a'; len]),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[derive(Clone, Debug)]
enum Step {
    Piece(usize),
    Run,
    Wait(u64),
    End,
    Stall(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1usize..400).prop_map(Step::Piece),
        2 => (1usize..20_000).prop_map(Step::Piece),
        3 => Just(Step::Run),
        1 => (0u64..100).prop_map(Step::Wait),
        1 => Just(Step::End),
        1 => any::<bool>().prop_map(Step::Stall),
    ];
    vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever arrives in whatever pieces, every connection ends, and nothing is left behind.
    #[test]
    fn any_bytes_end_in_peace(bytes in anything(), steps in steps()) {
        let mut world = World::new(2);
        let slot = world.connect();
        let mut rest = &*bytes;
        let mut has_ended = false;
        for step in steps {
            if world.peers[&slot].is_closed {
                break;
            }
            match step {
                Step::Piece(len) if !rest.is_empty() && !has_ended => {
                    let (piece, behind) = rest.split_at(len.min(rest.len()));
                    world.deliver(slot, piece).ok();
                    rest = behind;
                }
                Step::Piece(_) | Step::Run => world.run(),
                Step::Wait(seconds) => world.advance(Duration::from_secs(seconds)),
                Step::End if !has_ended => {
                    has_ended = true;
                    world.end(slot);
                }
                Step::End => {}
                Step::Stall(is_stalled) => {
                    world.is_stalled = is_stalled;
                    if !is_stalled && world.peers[&slot].outstanding.is_some() {
                        world.sent(slot);
                    }
                }
            }
        }
        world.run();
        // Nobody waits for ever: idle, head, body or stalled.
        for _ in 0..4 {
            world.advance(limits::HTTP_STALL);
        }
        prop_assert!(world.peers[&slot].is_closed);
        prop_assert_eq!(world.server.sessions(), 0);
        prop_assert_eq!(world.server.poll_timeout(), None);
        for (_, image, _) in super::driver::FILES {
            prop_assert!(!world.server.uses_image(super::driver::image(image)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A file fetched by any series of ranges is the file.
    #[test]
    fn ranges_put_together_are_the_image(cuts in vec(1u64..600_000, 0..8)) {
        let mut world = World::new(2);
        let slot = world.connect();
        let mut bounds = cuts;
        bounds.extend([0, 600_000]);
        bounds.sort_unstable();
        bounds.dedup();
        for pair in bounds.windows(2) {
            let range = format!("Range: bytes={}-{}", pair[0], pair[1] - 1);
            prop_assert_eq!(world.send(slot, &get("/vmlinuz", &[&range])), Ok(()));
        }
        let received = core::mem::take(&mut world.peers.get_mut(&slot).unwrap().received);
        let mut rest = &*received;
        let mut body = Vec::new();
        while !rest.is_empty() {
            let (response, behind) = Response::parse(rest, false);
            prop_assert_eq!(response.status, 206);
            body.extend(response.body);
            rest = behind;
        }
        prop_assert_eq!(body, whole(4, 600_000));
    }
}

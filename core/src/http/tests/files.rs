//! Files: headers, ranges, conditions.

use super::driver::{CLIENT, DATE, FILES, Response, World, get, image, request, whole};
use crate::engine::Engine;
use crate::event::{Client, EventKind, Outcome, Protocol};
use crate::limits;
use crate::mac::MacAddr;
use core::net::IpAddr;

#[test]
fn a_file_comes_with_the_headers_that_firmware_reads() {
    let mut world = World::new(4);
    let slot = world.connect();
    world.send(slot, &get("/ipxe/snponly.efi", &[])).unwrap();
    let head = "HTTP/1.1 200 OK\r\n\
                Content-Type: application/efi\r\n\
                Content-Length: 1000\r\n\
                Accept-Ranges: bytes\r\n\
                ETag: \"3-tag\"\r\n\
                Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
    let mut expected = head.as_bytes().to_vec();
    expected.extend(whole(3, 1000));
    let peer = &world.peers[&slot];
    assert_eq!(peer.received, expected);
    assert_eq!(peer.transmits.len(), 1, "head and body leave together");
    assert!(!peer.is_closed, "the connection stays open");

    world.send(slot, &request("HEAD", "/ipxe/snponly.efi", &[])).unwrap();
    let peer = &world.peers[&slot];
    assert_eq!(&peer.received[expected.len()..], head.as_bytes(), "HEAD has the headers of GET");
}

#[test]
fn every_file_arrives_whole_whatever_its_length() {
    for (name, slot, len) in FILES.into_iter().filter(|(_, _, len)| *len < 1_000_000) {
        let response = World::new(2).ask(&get(&format!("/{name}"), &[]));
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.body, whole(slot, u32::try_from(len).unwrap()), "{name}");
    }
}

#[test]
fn a_large_file_leaves_in_chunks_that_take_turns() {
    let mut world = World::new(4);
    let (a, b) = (world.connect(), world.connect());
    world.deliver(a, get("/vmlinuz", &[]).as_bytes()).unwrap();
    world.deliver(b, get("/vmlinuz", &[]).as_bytes()).unwrap();
    for _ in 0..2 {
        assert!(world.step() && world.step());
        assert_eq!(world.peers[&a].transmits.len(), world.peers[&b].transmits.len());
    }
    world.run();
    for slot in [a, b] {
        let (response, rest) = Response::parse(&world.peers[&slot].received, false);
        assert_eq!(response.body, whole(4, 600_000));
        assert!(rest.is_empty());
        let lens: Vec<_> = world.peers[&slot]
            .transmits
            .iter()
            .map(|transmit| transmit.body.unwrap().len)
            .collect();
        let (last, full) = lens.split_last().expect("a file of some size takes a transmit");
        assert!(full.len() > 1 && full.iter().all(|len| *len == limits::STREAM_CHUNK_BYTES));
        assert_eq!(*last, 600_000 % limits::STREAM_CHUNK_BYTES);
    }
    assert!(!world.server.uses_image(image(4)), "what was sent is released");
}

#[test]
fn names_are_normalised_without_a_redirect() {
    for path in [
        "/ipxe/snponly.efi",
        "//ipxe//snponly.efi",
        "/./ipxe/./snponly.efi",
        "/ipxe%2fsnponly%2Eefi",
        "/ipxe/snponly.efi?cache=no&x",
        "http://anything.example:8080/ipxe/snponly.efi",
        "/node/52-54-00-01-02-03.7/ipxe/snponly.efi",
        "/ipxe\\snponly.efi",
    ] {
        let response = World::new(2).ask(&get(path, &[]));
        assert_eq!((response.status, response.body.len()), (200, 1000), "{path}");
    }
}

#[test]
fn ranges_at_every_edge() {
    let mut world = World::new(2);
    let whole_file = whole(3, 1000);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-999", 0, 999),
        ("bytes=999-", 999, 999),
        ("bytes=999-999", 999, 999),
        ("bytes=500-99999999999999999999999", 500, 999),
        ("bytes=-1", 999, 999),
        ("bytes=-1000", 0, 999),
        ("bytes=-5000", 0, 999),
        ("BYTES=10-19", 10, 19),
    ] {
        let response = world.ask(&get("/ipxe/snponly.efi", &[&format!("Range: {range}")]));
        assert_eq!(response.status, 206, "{range}");
        let expected = format!("bytes {first}-{last}/1000");
        assert_eq!(response.header("Content-Range"), Some(&*expected), "{range}");
        assert_eq!(response.header("ETag"), Some("\"3-tag\""));
        assert_eq!(response.body, whole_file[first..=last], "{range}");
    }
    for range in ["bytes=1000-", "bytes=1000-2000", "bytes=-0"] {
        let response = world.ask(&get("/ipxe/snponly.efi", &[&format!("Range: {range}")]));
        assert_eq!(response.status, 416, "{range}");
        assert_eq!(response.header("Content-Range"), Some("bytes */1000"), "{range}");
    }
    for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=5-4", "bytes=a-b", "bytes=", "0-5"] {
        let response = world.ask(&get("/ipxe/snponly.efi", &[&format!("Range: {range}")]));
        assert_eq!((response.status, response.body.len()), (200, 1000), "{range}");
    }
}

#[test]
fn an_empty_file_has_no_range() {
    let mut world = World::new(2);
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        let response = world.ask(&get("/empty", &[&format!("Range: {range}")]));
        assert_eq!(response.status, 416, "{range}");
        assert_eq!(response.header("Content-Range"), Some("bytes */0"), "{range}");
    }
}

#[test]
fn offsets_beyond_four_gigabytes_are_exact() {
    let mut world = World::new(8);
    for (range, first, last) in [
        ("bytes=4294967290-4294967300", 4_294_967_290_u64, 4_294_967_300_u64),
        ("bytes=4999999999-", 4_999_999_999, 4_999_999_999),
        ("bytes=-10", 4_999_999_990, 4_999_999_999),
    ] {
        let slot = world.connect();
        world.send(slot, &get("/huge.iso", &[&format!("Range: {range}")])).unwrap();
        let (response, _) = Response::parse(&world.peers[&slot].received, false);
        let expected = format!("bytes {first}-{last}/5000000000");
        assert_eq!(response.header("Content-Range"), Some(&*expected));
        let span = world.peers[&slot].transmits[0].body.unwrap();
        assert_eq!((span.offset, u64::from(span.len)), (first, last - first + 1));
    }
    let head = world.ask(&request("HEAD", "/huge.iso", &[]));
    assert_eq!(head.header("Content-Length"), Some("5000000000"));
}

#[test]
fn conditions_decide_in_the_order_of_the_rfc() {
    let mut world = World::new(2);
    let date = format!("If-Modified-Since: {DATE}");
    let unmodified = format!("If-Unmodified-Since: {DATE}");
    let older = "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT";
    let newer = "If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT";
    let if_range_date = format!("If-Range: {DATE}");
    for (fields, status) in [
        (&["If-None-Match: \"3-tag\""][..], 304),
        (&["If-None-Match: W/\"3-tag\""], 304),
        (&["If-None-Match: \"a\", \"3-tag\""], 304),
        (&["If-None-Match: *"], 304),
        (&["If-None-Match: \"a\""], 200),
        (&["If-None-Match: \"a\"", &date], 200),
        (&[&date], 304),
        (&[newer], 304),
        (&["If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT"], 200),
        (&["If-Modified-Since: yesterday"], 200),
        (&["If-Match: \"3-tag\""], 200),
        (&["If-Match: *"], 200),
        (&["If-Match: W/\"3-tag\""], 412),
        (&["If-Match: \"a\""], 412),
        (&[&unmodified], 200),
        (&[older], 412),
        (&["If-Match: \"3-tag\"", older], 200),
        (&["If-Match: \"a\"", "If-None-Match: \"3-tag\""], 412),
        (&["Range: bytes=1-2", "If-Match: \"3-tag\""], 206),
        (&["Range: bytes=1-2", &unmodified], 206),
        (&["Range: bytes=1-2", "If-Match: \"a\""], 412),
        (&["Range: bytes=1-2", "If-Range: \"3-tag\""], 206),
        (&["Range: bytes=1-2", "If-Range: \"a\""], 200),
        (&["Range: bytes=1-2", "If-Range: W/\"3-tag\""], 200),
        (&["Range: bytes=1-2", &if_range_date], 206),
        (&["Range: bytes=1-2", "If-Range: Mon, 07 Nov 1994 08:49:37 GMT"], 200),
        (&["Range: bytes=1-2", "If-None-Match: \"3-tag\""], 304),
        (&["Range: bytes=5000-", "If-Range: \"a\""], 200),
    ] {
        let response = world.ask(&get("/ipxe/snponly.efi", fields));
        assert_eq!(response.status, status, "{fields:?}");
        if status == 304 {
            assert_eq!(response.header("ETag"), Some("\"3-tag\""));
            assert_eq!(response.header("Content-Length"), None);
        }
    }
    let head = world.ask(&request("HEAD", "/ipxe/snponly.efi", &["Range: bytes=1-2"]));
    assert_eq!(head.status, 200, "ranges are for GET");
    assert_eq!(world.ask(&request("HEAD", "/one", &["If-None-Match: *"])).status, 304);
}

#[test]
fn a_reload_does_not_change_an_answer_that_was_decided() {
    let mut world = World::new(2);
    let slot = world.connect();
    world.deliver(slot, get("/vmlinuz", &[]).as_bytes()).unwrap();
    assert!(world.server.uses_image(image(4)), "in use from the request on");
    let mut file = world.view.catalogue.get("vmlinuz").unwrap().clone();
    file.image = image(9);
    file.len = 7;
    file.etag = "\"new\"".into();
    world.view.catalogue.insert("vmlinuz".into(), file);
    world.run();
    let (response, _) = Response::parse(&world.peers[&slot].received, false);
    assert_eq!(response.header("ETag"), Some("\"4-tag\""));
    assert_eq!(response.body, whole(4, 600_000));
    assert_eq!(world.ask(&get("/vmlinuz", &[])).header("ETag"), Some("\"new\""));
}

#[test]
fn fields_that_the_site_has_not_are_left_out() {
    let mut world = World::new(2);
    let mut file = world.view.catalogue.get("one").unwrap().clone();
    file.etag = "".into();
    file.last_modified = "".into();
    world.view.catalogue.insert("bare".into(), file.clone());
    file.etag = format!("\"{}\"", "x".repeat(limits::ETAG_BYTES_MAX)).into();
    world.view.catalogue.insert("long".into(), file.clone());
    file.etag = "\"a\r\nSet-Cookie: b\"".into();
    world.view.catalogue.insert("broken".into(), file);
    for name in ["bare", "long"] {
        let response = world.ask(&get(&format!("/{name}"), &["If-Modified-Since: never"]));
        assert_eq!(response.status, 200, "{name}");
        assert_eq!((response.header("ETag"), response.header("Last-Modified")), (None, None));
    }
    let response = world.ask(&get("/broken", &[]));
    assert_eq!((response.status, response.header("Set-Cookie")), (500, None));
    assert!(!world.server.uses_image(image(2)));
}

#[test]
fn a_transfer_is_told_with_the_machine_and_the_bytes() {
    let mut world = World::new(2);
    world.ask(&get("/node/52-54-00-01-02-03.7/vmlinuz", &["Range: bytes=100-299"]));
    let client =
        Client { mac: Some(MacAddr([0x52, 0x54, 0, 1, 2, 3])), address: Some(IpAddr::V4(CLIENT)) };
    assert!(world.events.iter().all(|event| event.client == client));
    let told = world.told();
    let [
        EventKind::TransferStarted { protocol: Protocol::Http, name: started, bytes: 200 },
        EventKind::TransferEnded { name: ended, bytes: 200, outcome, .. },
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    assert_eq!((started.as_str(), ended.as_str()), ("vmlinuz", "vmlinuz"));
    assert_eq!(*outcome, Outcome::Completed);

    world.ask(&request("HEAD", "/vmlinuz", &[]));
    world.ask(&get("/vmlinuz", &["If-None-Match: *"]));
    assert_eq!(world.told(), [], "nothing is transferred by these");
}

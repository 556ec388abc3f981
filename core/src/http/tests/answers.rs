//! Everything that is no file: documents, reports, refusals.

use super::driver::{Response, World, get, profile, request};
use crate::document::{Field, Segment};
use crate::engine::Discard;
use crate::event::{EventKind, Protocol};
use crate::limits;
use crate::view::{Machine, MachineKey};

const NODE: &str = "/node/52-54-00-01-02-03.7";

#[test]
fn a_script_is_generated_for_the_machine_that_asks() {
    let mut world = World::new(2);
    let script = world.ask(&get(&format!("{NODE}/boot.ipxe"), &["User-Agent: iPXE/1.21.1"]));
    assert_eq!(script.status, 200);
    assert_eq!(script.header("Content-Type"), Some("text/plain"));
    let expected = "#!ipxe\n# 52:54:00:01:02:03 \nkernel http://10.0.0.1/vmlinuz\n";
    assert_eq!(script.text(), expected);
    assert!(matches!(
        world.told().as_slice(),
        [EventKind::TransferStarted { bytes: 59, .. }, EventKind::TransferEnded { bytes: 59, .. }]
    ));

    let head = world.ask(&request("HEAD", &format!("{NODE}/boot.ipxe"), &[]));
    assert_eq!(head.header("Content-Length"), Some("59"));
    assert_eq!(world.told(), []);
}

#[test]
fn facts_come_by_the_query_and_are_made_harmless() {
    let mut world = World::new(2);
    world
        .view
        .machines
        .insert(&[MachineKey::Serial("S 1".into())], Machine::default())
        .expect("the first machine");
    let bare = world.ask(&get(&format!("{NODE}/boot.ipxe"), &[]));
    assert!(bare.text().contains("boot.ipxe?facts=1&uuid=${uuid}"), "{}", bare.text());

    for (query, serial) in [
        ("facts=1&uuid=x&serial=AB%20%2b1&product=P&manufacturer=M", "AB +1"),
        ("facts=1&serial=%0A%24%7Bx%7D", "__x_"),
        ("facts=1&serial=%FF%fe", "__"),
        ("facts=1&serial=", ""),
        ("facts=1&serial=%4", ""),
        ("facts=1", ""),
        ("facts=1&&=&a&serial=1%3d=2", "1__2"),
    ] {
        let script = world.ask(&get(&format!("{NODE}/boot.ipxe?{query}"), &[]));
        let line = format!("# 52:54:00:01:02:03 {serial}\n");
        assert!(script.text().contains(&line), "{query}: {}", script.text());
    }
    let script = world.ask(&get("/boot.ipxe?facts=1&mac=52:54:00:0a:0b:0c&arch=7", &[]));
    assert!(script.text().contains("# 52:54:00:0a:0b:0c "), "{}", script.text());
    let unknown = world.ask(&get("/boot.ipxe?facts=1&mac=zz&arch=70000", &[]));
    assert!(unknown.text().contains("node/${mac:hexhyp}/boot.ipxe"), "{}", unknown.text());
}

#[test]
fn documents_of_any_length_are_answered() {
    let mut world = World::new(2);
    let long = |len: usize| vec![Segment::Text("x".repeat(len).into())];
    for (segments, status, len) in [
        (vec![], 200, 0),
        (long(limits::DOCUMENT_BYTES), 200, limits::DOCUMENT_BYTES),
        (long(limits::DOCUMENT_BYTES + 1), 500, "Internal Server Error\n".len()),
        (vec![Segment::Field(Field::Serial)], 200, 0),
    ] {
        world.view.profiles = vec![profile(segments)];
        let response = world.ask(&get(&format!("{NODE}/boot.ipxe"), &[]));
        assert_eq!((response.status, response.body.len()), (status, len));
    }
}

#[test]
fn a_profile_that_a_reload_took_away_is_not_found() {
    let mut world = World::new(2);
    let slot = world.connect();
    world.deliver(slot, get(&format!("{NODE}/boot.ipxe"), &[]).as_bytes()).unwrap();
    world.view.profiles.clear();
    world.run();
    assert_eq!(Response::parse(&world.peers[&slot].received, false).0.status, 404);
}

#[test]
fn user_space_reports_that_it_runs() {
    let mut world = World::new(2);
    for (method, fields, body) in [
        ("GET", &[][..], ""),
        ("HEAD", &[], ""),
        ("POST", &[], ""),
        ("POST", &["Content-Length: 5"], "hello"),
    ] {
        let text = request(method, "/node/52-54-00-01-02-03/up", fields) + body;
        let response = world.ask(&text);
        assert_eq!(response.status, 204, "{method}");
        assert_eq!(response.header("Content-Length"), None);
        assert_eq!(world.told(), [EventKind::Up], "{method}");
    }
    let response = world.ask(&request("PUT", "/node/52-54-00-01-02-03/up", &[]));
    assert_eq!((response.status, response.header("Allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(world.ask(&get("/up", &[])).status, 404, "without a machine it is only a name");
}

#[test]
fn what_is_missing_is_said_at_once() {
    let mut world = World::new(2);
    for path in ["/missing", "/", "/ipxe", "/ipxe/", "/node/52-54-00-01-02-03/missing"] {
        let response = world.ask(&get(path, &[]));
        assert_eq!((response.status, response.text()), (404, "Not Found\n"), "{path}");
        let told = world.told();
        assert!(
            matches!(told[..], [EventKind::NotFound { protocol: Protocol::Http, .. }]),
            "{path}: {told:?}"
        );
    }
    let head = world.ask(&request("HEAD", "/missing", &[]));
    assert_eq!(head.header("Content-Length"), Some("10"));
}

#[test]
fn other_methods_are_refused() {
    let mut world = World::new(2);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        let response = world.ask(&request(method, "/one", &[]));
        assert_eq!((response.status, response.header("Allow")), (405, Some("GET, HEAD")));
        assert!(matches!(world.told()[..], [EventKind::Refused { .. }]), "{method}");
    }
    for line in ["OPTIONS * HTTP/1.1", "CONNECT 10.0.0.9:22 HTTP/1.1"] {
        let response = world.ask(&format!("{line}\r\nHost: x\r\n\r\n"));
        assert_eq!(response.status, 405, "{line}");
    }
}

#[test]
fn nobody_climbs_out() {
    let mut world = World::new(2);
    for path in [
        "/../etc/passwd",
        "/ipxe/../one",
        "/%2e%2e/%2e%2e/etc/shadow",
        "/..%2fetc/passwd",
        "/..%5cwindows",
        "/ipxe/..",
        "/a%00b",
        "/a%0d%0aSet-Cookie:%20x",
        "/%ff",
        "/%zz",
        "/%",
    ] {
        let response = world.ask(&get(path, &[]));
        assert_eq!(response.status, 400, "{path}");
        assert!(matches!(world.told()[..], [EventKind::Refused { .. }]), "{path}");
    }
    assert_eq!(world.ask(&get("/%252e%252e/one", &[])).status, 404, "decoded once only");
    assert_eq!(world.ask(&get(&format!("/{}", "a".repeat(256)), &[])).status, 414);
}

#[test]
fn what_is_no_request_is_answered_once_and_closed() {
    let mut world = World::new(2);
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000));
    let long_field = get("/one", &[&format!("X: {}", "a".repeat(9000))]);
    let many = get("/one", &["A: b"; 70]);
    for (text, status) in [
        ("GET /one HTTP/1.1\r\n\r\n", 400),
        ("GET /one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET one HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}\x03\x03", 400),
        ("GET /one HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (&long_line, 414),
        (&long_field, 431),
        (&many, 431),
    ] {
        let slot = world.connect();
        let shown: String = text.chars().take(40).collect();
        assert_eq!(world.send(slot, text), Err(Discard::Malformed), "{shown}");
        let received = world.take_closed(slot);
        let (response, rest) = Response::parse(&received, false);
        assert_eq!((response.status, rest.len()), (status, 0), "{shown}");
        assert_eq!(response.header("Connection"), Some("close"), "{shown}");
    }
}

#[test]
fn clients_of_http_1_0_are_closed_unless_they_ask() {
    let mut world = World::new(4);
    let slot = world.connect();
    world.send(slot, "GET /one HTTP/1.0\r\n\r\n").unwrap();
    let received = world.take_closed(slot);
    let (response, _) = Response::parse(&received, false);
    assert_eq!((response.status, response.header("Connection")), (200, Some("close")));

    let slot = world.connect();
    world.send(slot, "GET /one HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
    let (response, _) = Response::parse(&world.peers[&slot].received, false);
    assert_eq!(response.header("Connection"), Some("keep-alive"));
    assert!(!world.peers[&slot].is_closed);
}

#[test]
fn connection_close_is_obeyed() {
    let mut world = World::new(4);
    let slot = world.connect();
    let pipelined = get("/one", &["Connection: close"]) + &get("/one", &[]);
    world.send(slot, &pipelined).unwrap();
    let received = world.take_closed(slot);
    let (response, rest) = Response::parse(&received, false);
    assert_eq!((response.header("Connection"), rest.len()), (Some("close"), 0));
}

#[test]
fn a_body_is_read_up_to_a_bound() {
    let mut world = World::new(4);
    let max = usize::try_from(limits::HTTP_BODY_BYTES_MAX).unwrap();
    let slot = world.connect();
    let text = request("POST", "/one", &[&format!("Content-Length: {max}")]);
    let after = get("/one", &[]);
    world.send(slot, &(text + &"x".repeat(max) + &after)).unwrap();
    let (first, rest) = Response::parse(&world.peers[&slot].received, false);
    let (second, rest) = Response::parse(rest, false);
    assert_eq!((first.status, second.status, rest.len()), (405, 200, 0));

    for (field, status) in [
        (format!("Content-Length: {}", max + 1), 413),
        (format!("Content-Length: {}", u64::MAX), 413),
        ("Transfer-Encoding: chunked".to_owned(), 411),
    ] {
        let slot = world.connect();
        world.send(slot, &request("POST", "/one", &[&field])).unwrap();
        let received = world.take_closed(slot);
        let (response, _) = Response::parse(&received, false);
        assert_eq!((response.status, response.header("Connection")), (status, Some("close")));
    }
}

#[test]
fn a_client_that_waits_is_invited_to_send_its_body() {
    let mut world = World::new(4);
    let slot = world.connect();
    let fields = ["Content-Length: 4", "Expect: 100-continue"];
    let text = request("POST", "/node/52-54-00-01-02-03/up", &fields);
    world.send(slot, &text).unwrap();
    assert_eq!(world.peers[&slot].received, b"HTTP/1.1 100 Continue\r\n\r\n");
    world.send(slot, "body").unwrap();
    let (_, rest) = Response::parse(&world.peers[&slot].received, false);
    assert_eq!(Response::parse(rest, false).0.status, 204);

    // A body that is already there needs no invitation, a request without one neither.
    assert_eq!(world.ask(&(text.clone() + "body")).status, 204);
    assert_eq!(world.ask(&get("/one", &["Expect: 100-continue"])).status, 200);

    // The body may come while the invitation is still on its way.
    world.is_stalled = true;
    let slot = world.connect();
    world.send(slot, &text).unwrap();
    world.send(slot, "body").unwrap();
    world.is_stalled = false;
    world.sent(slot);
    let (invitation, rest) = Response::parse(&world.peers[&slot].received, false);
    let (response, rest) = Response::parse(rest, false);
    assert_eq!((invitation.status, response.status, rest.len()), (100, 204, 0));
}

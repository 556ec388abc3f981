//! Datagrams in and out over loopback.

use std::net::{SocketAddr, UdpSocket};

use reveille_runtime::ImageStore;

use crate::kit::{self, PATIENCE};
use crate::packets::{Request, split_head};

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn receive(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) = client.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

#[test]
fn a_reply_comes_from_where_the_request_went() {
    let running = kit::start(kit::config(1), &ImageStore::new());
    let client = client();
    for server in [running.dhcp[0], running.tftp] {
        client.send_to(&Request::Describe(7).to_bytes(), server).unwrap();
        let (reply, from) = receive(&client);
        assert_eq!(String::from_utf8(reply).unwrap(), format!("{server} 0 7"));
        assert_eq!(from, SocketAddr::V4(server));
    }
    let counters = running.server.counters().total();
    assert_eq!((counters.dhcp.packets_in, counters.tftp.packets_in), (1, 1));
    running.stop();
}

#[test]
fn ten_thousand_requests_are_answered_in_order() {
    let running = kit::start(kit::config(2), &ImageStore::new());
    let client = client();
    for burst in 0..100 {
        let numbers = burst * 100..(burst + 1) * 100;
        for number in numbers.clone() {
            client.send_to(&Request::Describe(number).to_bytes(), running.tftp).unwrap();
        }
        for number in numbers {
            let (reply, _) = receive(&client);
            assert!(String::from_utf8(reply).unwrap().ends_with(&format!(" {number}")));
        }
    }
    running.stop();
}

#[test]
fn a_transfer_socket_has_its_own_port() {
    let mut store = ImageStore::new();
    let bytes = kit::pattern(1, 1000);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(1), &store);
    let client = client();
    let mut ports = vec![running.tftp.port()];
    for socket in [1, 2] {
        let request = Request::Fetch(socket, kit::span(image, 100, 800));
        client.send_to(&request.to_bytes(), running.tftp).unwrap();
        let (reply, from) = receive(&client);
        assert_eq!(reply[..4], *b"head");
        assert_eq!(reply[4..], bytes[100..900]);
        assert!(!ports.contains(&from.port()));
        ports.push(from.port());
    }
    running.stop();
}

/// Asks for one split send and checks every datagram of it.
pub(crate) fn fetch_split(
    client: &UdpSocket,
    server: SocketAddr,
    request: Request,
    bytes: &[u8],
    body_len: usize,
) {
    client.send_to(&request.to_bytes(), server).unwrap();
    for segment in 0..=bytes.len() / body_len {
        let (reply, _) = receive(client);
        let body = &bytes[segment * body_len..bytes.len().min((segment + 1) * body_len)];
        assert_eq!(reply[..4], split_head(segment), "head of datagram {segment}");
        assert_eq!(reply[4..], *body, "body of datagram {segment}");
    }
}

#[test]
fn a_split_arrives_as_datagrams_of_equal_shape() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = kit::pattern(2, 100_000);
    let mut store = ImageStore::new();
    let (image, _) = store.open(&kit::file(folder.path(), "image", &bytes)).unwrap();
    let running = kit::start(kit::config(1), &store);
    let client = client();
    // The last datagram is short, empty, or alone with a body; 44 are the most.
    for (len, body_len) in [(10_000, 1468), (14_680, 1468), (512, 512), (43 * 1468 + 1, 1468)] {
        let span = kit::span(image, 77, len);
        let request = Request::Split(span, body_len);
        let body = &bytes[77..77 + len];
        fetch_split(&client, running.tftp.into(), request, body, usize::from(body_len));
    }
    let counters = running.server.counters().total();
    assert_eq!(counters.splits_refused, 0, "loopback takes split sends");
    running.stop();
}

#[test]
fn discards_are_counted_by_reason() {
    let running = kit::start(kit::config(1), &ImageStore::new());
    let client = client();
    client.send_to(&Request::Discard.to_bytes(), running.tftp).unwrap();
    client.send_to(&Request::Describe(1).to_bytes(), running.tftp).unwrap();
    receive(&client);
    let counters = running.server.counters().total();
    let reason = reveille_core::engine::Discard::NotAllowed.index();
    assert_eq!(counters.tftp.discards[reason], 1);
    assert_eq!(counters.tftp.discards.iter().sum::<u64>(), 1);
    running.stop();
}

#[test]
fn what_does_not_fit_into_a_buffer_is_counted_and_dropped() {
    let running = kit::start(kit::config(1), &ImageStore::new());
    let client = client();
    client.send_to(&[0; 4000], running.tftp).unwrap();
    client.send_to(&Request::Describe(1).to_bytes(), running.tftp).unwrap();
    receive(&client);
    assert_eq!(running.server.counters().total().packets_unreadable, 1);
    running.stop();
}

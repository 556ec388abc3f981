//! The end of a server, and the beginnings that fail.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use reveille_runtime::{BindReason, Endpoint, ImageStore, bind};

use crate::kit;
use crate::packets::Request;
use crate::streamer::{Note, request};
use crate::streams::{connect, read_answer};

#[test]
fn draining_finishes_what_runs_and_takes_nothing_new() {
    const LEN: usize = 32 << 20;
    let mut store = ImageStore::new();
    let bytes = kit::pattern(15, LEN);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(2), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, LEN as u64, false)).unwrap();
    assert!(matches!(running.note(), Note::Accepted(_)));
    stream.peek(&mut [0]).unwrap();
    assert!(!running.server.is_drained());
    running.server.drain();
    for _shard in 0..2 {
        running.notes_until(|note| *note == Note::Drained);
    }
    kit::eventually("refusal", || TcpStream::connect(running.http).is_err());
    assert!(!running.server.is_drained(), "a transfer runs");
    assert_eq!(read_answer(&mut stream, LEN), bytes);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    drop(stream);
    kit::eventually("the end of the drain", || running.server.is_drained());
    running.stop();
}

#[test]
fn dropping_a_server_ends_it() {
    let running = kit::start(kit::config(2), &ImageStore::new());
    let address = running.http;
    let _stream = connect(&running);
    drop(running);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_shard_that_panics_stops_the_others() {
    let running = kit::start(kit::config(2), &ImageStore::new());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(running.server.is_running());
    client.send_to(&Request::Panic.to_bytes(), running.dhcp[0]).unwrap();
    let failure = running.server.join().unwrap_err();
    assert_eq!((failure.shard, failure.message.as_str()), (0, "as asked for"));
}

#[test]
fn a_port_in_use_names_its_holder() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = kit::config(2);
    config.sockets.http = vec![tcp.local_addr().unwrap().to_string().parse().unwrap()];
    let error = bind(config).unwrap_err();
    assert!(matches!(error.endpoint, Endpoint::Tcp { .. }));
    let BindReason::InUse { holder: Some(holder) } = &error.reason else { panic!("{error}") };
    assert_eq!(holder.pid, std::process::id());
    assert!(error.hint().unwrap().contains(&holder.name));

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = kit::config(2);
    config.sockets.tftp.as_mut().unwrap().listen =
        udp.local_addr().unwrap().to_string().parse().unwrap();
    let error = bind(config).unwrap_err();
    assert!(matches!(error.reason, BindReason::InUse { holder: Some(_) }), "{error}");
}

#[test]
fn a_second_server_does_not_share_the_ports_of_the_first() {
    let running = kit::start(kit::config(2), &ImageStore::new());
    let mut config = kit::config(2);
    config.sockets.tftp.as_mut().unwrap().listen = running.tftp;
    assert!(matches!(bind(config).unwrap_err().reason, BindReason::InUse { .. }));
    let mut config = kit::config(2);
    config.sockets.http = vec![running.http];
    assert!(matches!(bind(config).unwrap_err().reason, BindReason::InUse { .. }));
    running.stop();
}

#[test]
fn an_address_that_is_not_ours_is_refused() {
    let mut config = kit::config(1);
    config.sockets.http = vec!["192.0.2.1:80".parse().unwrap()];
    let error = bind(config).unwrap_err();
    assert!(matches!(error.reason, BindReason::NoAddress), "{error}");
    assert!(error.hint().is_some());
}

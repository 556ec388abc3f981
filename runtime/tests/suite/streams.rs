//! Connections over loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use reveille_runtime::ImageStore;
use sha2::{Digest, Sha256};

use crate::kit::{self, PATIENCE, Running};
use crate::streamer::{HEAD, Note, request};

pub(crate) fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one answer of `len` bytes behind the head.
pub(crate) fn read_answer(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut answer = vec![0; HEAD.len() + len];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..HEAD.len()], *HEAD);
    answer.split_off(HEAD.len())
}

#[test]
fn a_hundred_mebibytes_arrive_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = kit::pattern(3, 100 << 20);
    let mut store = ImageStore::new();
    let (image, meta) = store.open(&kit::file(folder.path(), "image", &bytes)).unwrap();
    assert_eq!(meta.len, 100 << 20);
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, meta.len, true)).unwrap();
    let answer = read_answer(&mut stream, 100 << 20);
    assert_eq!(Sha256::digest(&answer), Sha256::digest(&bytes));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the last answer ends the connection");
    drop(stream);
    let counters = || running.server.counters().total();
    assert_eq!(counters().http.bytes_out, meta.len + HEAD.len() as u64);
    kit::eventually("the end of the connection", || counters().connections == 0);
    running.stop();
}

#[test]
fn several_requests_share_a_connection() {
    let mut store = ImageStore::new();
    let bytes = kit::pattern(4, 1 << 20);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    for offset in [0, 1, 4095, 4096, 500_000] {
        let len = bytes.len() - offset;
        stream.write_all(&request(image, offset as u64, len as u64, false)).unwrap();
        assert_eq!(read_answer(&mut stream, len), bytes[offset..]);
    }
    // Two at once, and the second in two pieces.
    let two = [request(image, 0, 10, false), request(image, 20, 10, true)].concat();
    stream.write_all(&two[..30]).unwrap();
    assert_eq!(read_answer(&mut stream, 10), bytes[..10]);
    stream.write_all(&two[30..]).unwrap();
    assert_eq!(read_answer(&mut stream, 10), bytes[20..30]);
    running.stop();
}

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let mut store = ImageStore::new();
    let bytes = kit::pattern(5, 8 << 20);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, bytes.len() as u64, true)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut stream, bytes.len()), bytes);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let Note::Accepted(conn) = running.note() else { panic!("accepted first") };
    assert_eq!(running.note(), Note::EndOfStream(conn));
    assert_eq!(running.note(), Note::Closed(conn));
    running.stop();
}

#[test]
fn what_nobody_reads_does_not_cut_the_answer() {
    let mut store = ImageStore::new();
    let bytes = kit::pattern(6, 4 << 20);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, bytes.len() as u64, true)).unwrap();
    // More than the engine wants; it closes after the answer without having looked at this.
    stream.write_all(&[0; 10]).unwrap();
    let mut answer = vec![0; HEAD.len() + bytes.len() / 2];
    stream.read_exact(&mut answer).unwrap();
    stream.write_all(&[0; 10]).unwrap();
    let mut rest = vec![0; bytes.len() - bytes.len() / 2];
    stream.read_exact(&mut rest).unwrap();
    stream.write_all(&[0; 10]).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "an end, not a reset");
    running.stop();
}

#[test]
fn a_client_that_goes_away_is_closed_once() {
    let mut store = ImageStore::new();
    let image = store.from_bytes(kit::pattern(7, 32 << 20)).unwrap();
    let running = kit::start(kit::config(1), &store);
    for _ in 0..20 {
        let mut stream = connect(&running);
        stream.write_all(&request(image, 0, 32 << 20, true)).unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        // Bytes that nobody reads: the kernel answers the rest with a reset.
        drop(stream);
        let notes = running.notes_until(|note| matches!(note, Note::Closed(_)));
        let closed = notes.iter().filter(|note| matches!(note, Note::Closed(_)));
        assert_eq!(closed.count(), 1);
    }
    assert_eq!(running.notes.try_iter().count(), 0, "nothing comes after `Closed`");
    running.stop();
}

#[test]
fn a_thousand_connections_at_once() {
    const COUNT: usize = 1000;
    const LEN: usize = 100_000;
    let mut store = ImageStore::new();
    let bytes = kit::pattern(8, COUNT * 8 + LEN);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let running = kit::start(kit::config(2), &store);
    let mut streams: Vec<_> = (0..COUNT).map(|_| connect(&running)).collect();
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&request(image, index as u64 * 8, LEN as u64, index % 2 == 0)).unwrap();
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        assert_eq!(read_answer(stream, LEN), bytes[index * 8..index * 8 + LEN]);
    }
    drop(streams);
    let connections = || running.server.counters().total().connections;
    kit::eventually("the end of all connections", || connections() == 0);
    let total = running.server.counters().total();
    assert_eq!(total.connections_accepted, COUNT as u64);
    running.stop();
}

#[test]
fn a_full_table_refuses_and_recovers() {
    let mut config = kit::config(1);
    config.connections = 4;
    let mut store = ImageStore::new();
    let image = store.from_bytes(kit::pattern(9, 100)).unwrap();
    let running = kit::start(config, &store);
    let mut streams: Vec<_> = (0..4).map(|_| connect(&running)).collect();
    for stream in &mut streams {
        stream.write_all(&request(image, 0, 100, false)).unwrap();
        read_answer(stream, 100);
    }
    let mut fifth = connect(&running);
    let refused = fifth.read(&mut [0]);
    assert!(matches!(refused, Ok(0) | Err(_)), "no place, no answer");
    let total = || running.server.counters().total();
    kit::eventually("the count", || total().connections_refused == 1);
    streams.truncate(3);
    kit::eventually("a free place", || total().connections == 3);
    let mut sixth = connect(&running);
    sixth.write_all(&request(image, 0, 100, false)).unwrap();
    read_answer(&mut sixth, 100);
    running.stop();
}

#[test]
fn a_client_that_never_closes_is_cut() {
    let mut store = ImageStore::new();
    let image = store.from_bytes(kit::pattern(21, 100)).unwrap();
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, 100, true)).unwrap();
    read_answer(&mut stream, 100);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the server has closed its side");
    let Note::Accepted(conn) = running.note() else { panic!("accepted first") };
    assert_eq!(running.note(), Note::Closed(conn));
    // Bytes for a connection that is gone are answered with a reset.
    kit::eventually("the reset", || stream.write_all(&[0]).is_err());
    running.stop();
}

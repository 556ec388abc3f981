//! Images that change while they are sent.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::UdpSocket;

use reveille_core::engine::SendError;
use reveille_runtime::{ImageError, ImageStore};

use crate::kit::{self, PATIENCE};
use crate::packets::Request;
use crate::streamer::{HEAD, Note, request};
use crate::streams::{connect, read_answer};

#[test]
fn a_running_stream_keeps_its_image() {
    const LEN: usize = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let mut store = ImageStore::new();
    let old_bytes = kit::pattern(10, LEN);
    let (old, _) = store.open(&kit::file(folder.path(), "old", &old_bytes)).unwrap();
    let running = kit::start(kit::config(1), &store);
    let mut stream = connect(&running);
    stream.write_all(&request(old, 0, LEN as u64, true)).unwrap();
    let mut answer = vec![0; HEAD.len() + LEN];
    stream.read_exact(&mut answer[..1000]).unwrap();

    store.retire(old);
    let new_bytes = kit::pattern(11, 1000);
    let (new, _) = store.open(&kit::file(folder.path(), "new", &new_bytes)).unwrap();
    assert_ne!(new.slot, old.slot, "the old slot is in use");
    running.server.swap(kit::setup(&store));
    let mut second = connect(&running);
    second.write_all(&request(new, 0, 1000, false)).unwrap();
    assert_eq!(read_answer(&mut second, 1000), new_bytes);
    assert_eq!(store.reclaim(), 1, "the old image is still being sent");

    stream.read_exact(&mut answer[1000..]).unwrap();
    assert_eq!(answer[HEAD.len()..], old_bytes);
    kit::eventually("the old image's end", || store.reclaim() == 0);
    let (third, _) = store.open(&folder.path().join("new")).unwrap();
    assert_eq!((third.slot, third.generation), (old.slot, old.generation + 1));
    running.stop();
}

#[test]
fn a_truncated_image_ends_its_sends_and_nothing_else() {
    const LEN: u64 = 16 << 20;
    let folder = tempfile::tempdir().unwrap();
    let mut store = ImageStore::new();
    let path = kit::file(folder.path(), "image", &kit::pattern(12, LEN as usize));
    let (image, _) = store.open(&path).unwrap();
    let sound = store.from_bytes(kit::pattern(13, 1000)).unwrap();
    let running = kit::start(kit::config(1), &store);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();

    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, LEN, true)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.len() <= HEAD.len() + (1 << 20), "what is gone cannot be sent");
    let notes = running.notes_until(|note| matches!(note, Note::Closed(_)));
    assert!(notes.contains(&Note::Failed(SendError::ImageUnreadable)));

    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reply = [0; 2048];
    for request in [
        Request::Fetch(0, kit::span(image, LEN - 1000, 1000)),
        Request::Split(kit::span(image, LEN - 10_000, 10_000), 1468),
    ] {
        client.send_to(&request.to_bytes(), running.tftp).unwrap();
        let len = client.recv(&mut reply).unwrap();
        assert_eq!(reply[..len], *b"ImageUnreadable");
    }
    let mut stream = connect(&running);
    stream.write_all(&request(sound, 0, 1000, true)).unwrap();
    assert_eq!(read_answer(&mut stream, 1000), kit::pattern(13, 1000));
    let total = running.server.counters().total();
    assert_eq!((total.http.images_unreadable, total.tftp.images_unreadable), (1, 2));
    running.stop();
}

#[test]
fn a_span_past_the_end_is_unreadable() {
    let mut store = ImageStore::new();
    let image = store.from_bytes(kit::pattern(14, 100)).unwrap();
    let running = kit::start(kit::config(1), &store);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = Request::Fetch(0, kit::span(image, 50, 51));
    client.send_to(&request.to_bytes(), running.tftp).unwrap();
    let mut reply = [0; 100];
    let len = client.recv(&mut reply).unwrap();
    assert_eq!(reply[..len], *b"ImageUnreadable");
    running.stop();
}

#[test]
fn only_regular_files_are_images() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = ImageStore::new();
    assert!(matches!(store.open(folder.path()), Err(ImageError::NotAFile { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(store.open(&missing), Err(ImageError::Unreadable { .. })));
    let (empty, meta) = store.open(&kit::file(folder.path(), "empty", b"")).unwrap();
    assert_eq!(meta.len, 0);
    store.retire(empty);
    store.retire(empty);
    assert_eq!(store.reclaim(), 0);
    assert!(store.table().is_empty());
}

use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;

#[test]
fn a_dropped_ring_ends_what_was_queued_as_well() {
    // Again and again: the kernel may be quick enough by chance.
    for _ in 0..20 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let mut ring = Ring::new().unwrap();
        ring.enable().unwrap();
        let file = ring.add_file(socket.as_fd()).unwrap();
        ring.submit(&Op::poll_readable(file, Token::new(Kind::Mailbox, 0, 0)));
        drop(ring);
        drop(socket);
        UdpSocket::bind(local).expect("no operation holds the socket any more");
    }
}

#[test]
fn places_of_files_are_used_again() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ring = Ring::new().unwrap();
    ring.enable().unwrap();
    let first = ring.add_file(socket.as_fd()).unwrap();
    let left = ring.free_files.len();
    let others: Vec<_> = (0..left).map(|_| ring.add_file(socket.as_fd()).unwrap()).collect();
    assert!(!others.contains(&first));
    let full = ring.add_file(socket.as_fd()).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::EMFILE));
    ring.remove_file(first);
    assert_eq!(ring.add_file(socket.as_fd()).unwrap(), first);
}

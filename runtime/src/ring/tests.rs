use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use super::*;
use crate::op::FileIndex;

#[test]
fn a_dropped_ring_ends_what_was_queued_as_well() {
    // Again and again: the kernel may be quick enough by chance.
    for _ in 0..20 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let mut ring = Ring::new().unwrap();
        ring.enable().unwrap();
        ring.register_files(&[socket.as_raw_fd()]).unwrap();
        ring.submit(&Op::poll_readable(FileIndex(0), Token::new(Kind::Mailbox, 0, 0)));
        drop(ring);
        drop(socket);
        UdpSocket::bind(local).expect("no operation holds the socket any more");
    }
}

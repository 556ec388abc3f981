use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use super::*;

const GROUP: Group = Group(0);

fn any() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there")
}

fn address_of(socket: &UdpSocket) -> SocketAddrV4 {
    match socket.local_addr().expect("it is bound") {
        std::net::SocketAddr::V4(address) => address,
        std::net::SocketAddr::V6(_) => unreachable!("it was bound to an IPv4 address"),
    }
}

/// Enters until `count` completions are there.
fn collect(ring: &mut Ring, count: usize) -> Vec<Completion> {
    let mut all = Vec::with_capacity(64);
    for _ in 0..100 {
        ring.enter(Duration::from_millis(100)).expect("the ring lives");
        ring.reap(&mut all);
        if all.len() >= count {
            return all;
        }
    }
    panic!("{count} completions were awaited, these came: {all:?}");
}

#[test]
fn datagrams_arrive_with_their_sender() {
    let mut ring = Ring::new().expect("io_uring is there");
    let buffers = ReceiveBuffers::register(&ring, GROUP, 4, 2048).expect("memory is there");
    let (ours, theirs) = (any(), any());
    ring.receive_from(ours.as_raw_fd(), 7, GROUP, false).expect("it is queued");
    ring.send_to(theirs.as_raw_fd(), NAMELESS, address_of(&ours), 16, |space| {
        space[..5].copy_from_slice(b"hello");
        5
    })
    .expect("it is queued");
    let mut completions = collect(&mut ring, 1);
    let [completion] = &mut completions[..] else { panic!("sends complete silently") };
    assert_eq!(completion.name, 7);
    assert!(completion.has_more());
    let (id, len) =
        (completion.take_filled().expect("it has one"), completion.outcome().expect("ok"));
    let datagram = buffers.datagram(&id, len, false).expect("it is one");
    assert_eq!(datagram.payload, b"hello");
    assert_eq!(datagram.source, address_of(&theirs));
    assert_eq!(datagram.segment, 5);
}

#[test]
fn segments_are_datagrams_of_their_own() {
    let mut ring = Ring::new().expect("io_uring is there");
    let (ours, theirs) = (any(), any());
    theirs.connect(address_of(&ours)).expect("loopback is there");
    ring.send_segments(theirs.as_raw_fd(), NAMELESS, 3, 4, |number, space| {
        space.fill(number as u8);
    })
    .expect("it is queued");
    ring.enter(Duration::ZERO).expect("the ring lives");
    for number in 0..4 {
        let mut bytes = [0; 16];
        assert_eq!(ours.recv(&mut bytes).expect("it was sent"), 3);
        assert_eq!(bytes[..3], [number; 3]);
    }
}

#[test]
fn the_arena_is_used_again_and_again() {
    let mut ring = Ring::new().expect("io_uring is there");
    let (ours, theirs) = (any(), any());
    theirs.connect(address_of(&ours)).expect("loopback is there");
    let mut bytes = [0; 2048];
    for round in 0..1000_u32 {
        ring.send(theirs.as_raw_fd(), NAMELESS, 1400, |space| {
            space[..4].copy_from_slice(&round.to_be_bytes());
            1400
        })
        .expect("room is made");
        ring.enter(Duration::ZERO).expect("the ring lives");
        assert_eq!(ours.recv(&mut bytes).expect("it was sent"), 1400);
        assert_eq!(bytes[..4], round.to_be_bytes());
    }
}

#[test]
fn a_connection_can_be_made_discarded_and_closed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    let mut ring = Ring::new().expect("io_uring is there");
    let buffers = ReceiveBuffers::register(&ring, GROUP, 4, 2048).expect("memory is there");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .expect("sockets are there");
    let fd = std::os::fd::IntoRawFd::into_raw_fd(socket);
    ring.connect(fd, 1, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("it is queued");
    let completions = collect(&mut ring, 1);
    assert_eq!((completions[0].name, completions[0].result), (1, 0));
    let (mut peer, _) = listener.accept().expect("it connected");
    io::Write::write_all(&mut peer, &[1; 5000]).expect("it takes them");
    ring.discard(fd, 2, 4999).expect("it is queued");
    let completions = collect(&mut ring, 1);
    assert_eq!((completions[0].name, completions[0].result), (2, 4999));
    ring.receive(fd, 3, GROUP).expect("it is queued");
    let mut completions = collect(&mut ring, 1);
    let id = completions[0].take_filled().expect("it has one");
    assert_eq!(buffers.bytes(&id, 1), [1]);
    ring.close(fd, NAMELESS).expect("it is queued");
    let completions = collect(&mut ring, 1);
    assert_eq!((completions[0].name, completions[0].outcome()), (3, Err(libc::ECANCELED)));
    assert_eq!(io::Read::read(&mut peer, &mut [0; 8]).expect("an end"), 0);
}

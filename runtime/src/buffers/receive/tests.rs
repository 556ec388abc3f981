use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;
use crate::op::Op;
use crate::ring::{Completion, Wait};
use crate::token::{Kind, Token};

const COUNT: u16 = 4;

/// Enters until a completion comes, and takes at most `limit` of them.
fn take(ring: &mut Ring, limit: usize) -> Vec<Completion> {
    let mut completions = Vec::with_capacity(limit);
    ring.enter(Wait::AtMost(Duration::from_secs(10))).unwrap();
    ring.reap(&mut completions);
    assert!(!completions.is_empty(), "nothing came in ten seconds");
    completions
}

#[test]
fn a_receive_that_runs_out_of_buffers_loses_nothing() {
    let mut ring = Ring::new().unwrap();
    ring.enable().unwrap();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    let file = ring.add_file(server.as_fd()).unwrap();
    let mut buffers = ReceiveBuffers::register(&ring, BufferGroup(0), COUNT, 256).unwrap();
    // SAFETY: zeros are a header without room for anything but payload.
    let template: libc::msghdr = unsafe { std::mem::zeroed() };
    let arm = |ring: &mut Ring| {
        let token = Token::new(Kind::Receive, 0, 0);
        // SAFETY: the template is declared before anything is in flight and outlives the ring's
        // last use here; it is never changed.
        ring.submit(&unsafe { Op::receive(file, &raw const template, BufferGroup(0), token) });
    };
    for number in 0..20_u8 {
        client.send(&[number; 3]).unwrap();
    }
    arm(&mut ring);
    let (mut received, mut exhausted) = (Vec::new(), 0);
    while received.len() < 20 {
        for completion in take(&mut ring, 64) {
            match completion.outcome() {
                Ok(len) => {
                    let filled = buffers.filled(completion.buffer().unwrap(), len as usize);
                    let bytes = buffers.bytes(&filled);
                    // The kernel's header comes first.
                    assert_eq!(bytes.len(), 16 + 3);
                    received.push(bytes[16]);
                    buffers.give_back(filled);
                }
                Err(errno) => {
                    assert_eq!(errno, libc::ENOBUFS);
                    exhausted += 1;
                }
            }
            if !completion.has_more() {
                arm(&mut ring);
            }
        }
    }
    assert_eq!(received, (0..20).collect::<Vec<u8>>());
    assert!(exhausted > 0, "twenty datagrams do not fit into four buffers");
    drop(ring);
}

#[test]
#[should_panic(expected = "the kernel fills buffers that it was given")]
fn a_buffer_that_does_not_exist_is_a_bug() {
    let mut ring = Ring::new().unwrap();
    ring.enable().unwrap();
    let buffers = ReceiveBuffers::register(&ring, BufferGroup(0), COUNT, 256).unwrap();
    drop(ring);
    let _filled = buffers.filled(COUNT, 1);
}

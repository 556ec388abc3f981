//! Random operations: whatever peers do, nothing panics, no byte is wrong, and everything ends.

use proptest::prelude::*;

use super::*;
use crate::engine::SendError;
use crate::wire::tftp::{Packet, parse};

#[derive(Clone, Debug)]
enum Operation {
    Request { port: u8, len: usize, block_bytes: Option<u64>, window: Option<u64>, tsize: bool },
    Ack { port: u8, socket: u16, back: u16 },
    Error { port: u8, socket: u16 },
    Garbage { port: u8, socket: u16, bytes: Vec<u8> },
    Poll { count: u8 },
    Wait { ms: u64 },
    Unreadable { pick: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let port = 0u8..6;
    let socket = 0u16..4;
    prop_oneof![
        3 => (
            port.clone(),
            0usize..9,
            proptest::option::of(0u64..3000),
            proptest::option::of(0u64..100),
            any::<bool>(),
        )
            .prop_map(|(port, len, block_bytes, window, tsize)| {
                Operation::Request { port, len, block_bytes, window, tsize }
            }),
        8 => (port.clone(), socket.clone(), 0u16..4)
            .prop_map(|(port, socket, back)| Operation::Ack { port, socket, back }),
        1 => (port.clone(), socket.clone())
            .prop_map(|(port, socket)| Operation::Error { port, socket }),
        1 => (port, socket, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(port, socket, bytes)| Operation::Garbage { port, socket, bytes }),
        6 => (0u8..5).prop_map(|count| Operation::Poll { count }),
        2 => (0u64..5000).prop_map(|ms| Operation::Wait { ms }),
        1 => any::<usize>().prop_map(|pick| Operation::Unreadable { pick }),
    ]
}

/// What the test knows of a client: the last request's file and block size, and the last block
/// that was sent to it, by socket.
#[derive(Clone, Copy, Default)]
struct Known {
    len: u64,
    block_bytes: u64,
    acknowledged: Option<u64>,
    last: Option<(SocketId, u16)>,
}

struct World {
    lab: Lab,
    known: [Known; 6],
}

impl World {
    fn poll(&mut self) -> bool {
        let sent = self.lab.poll();
        let any = !sent.is_empty();
        for sent in sent {
            let known = &mut self.known[usize::from(sent.to.port() - 1000)];
            match parse(&sent.bytes).expect("the server's packets are well formed") {
                Packet::Data { block, payload } => {
                    // Files here have fewer than 65,536 blocks unless blocks are tiny: compare
                    // with each block that this number can mean.
                    let block_bytes = known.acknowledged.unwrap_or(known.block_bytes);
                    let blocks = known.len / block_bytes + 1;
                    let fits = (u64::from(block)..=blocks).step_by(65_536).any(|candidate| {
                        candidate > 0 && data(known.len, block_bytes, candidate)[4..] == *payload
                    });
                    assert!(fits, "block {block} of {} by {block_bytes}", known.len);
                    known.last = Some((sent.socket, block));
                }
                Packet::OptionAck(options) => {
                    known.acknowledged = Some(options.block_size.map_or(512, u64::from));
                    assert!(options.transfer_size.is_none_or(|size| size == known.len));
                    known.last = Some((sent.socket, 0));
                }
                Packet::Error { .. } => {}
                other @ (Packet::ReadRequest(_) | Packet::WriteRequest(_) | Packet::Ack { .. }) => {
                    panic!("no packet for a client: {other:?}")
                }
            }
        }
        any
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Request { port, len, block_bytes, window, tsize } => {
                // A client takes what was sent to it before it asks for something else.
                while self.poll() {}
                let len = LENGTHS[len];
                let mut options = Vec::new();
                options.extend(block_bytes.map(|bytes| (OptionName::BlockSize, bytes)));
                options.extend(window.map(|blocks| (OptionName::WindowSize, blocks)));
                options.extend(tsize.then_some((OptionName::TransferSize, 0)));
                let before = self.lab.server.sessions();
                let request = rrq(&std::format!("{len}"), &options);
                let known = &mut self.known[usize::from(port)];
                let result = self.lab.ask(client(1000 + u16::from(port)), &request);
                if result.is_ok() {
                    let last = known.last;
                    *known = Known { len, block_bytes: 512, acknowledged: None, last };
                }
                assert!(self.lab.server.sessions() <= before + 1);
            }
            Operation::Ack { port, socket, back } => {
                let (socket, block) =
                    self.known[usize::from(port)].last.unwrap_or((SocketId(socket), 0));
                let payload = emit_ack(block.wrapping_sub(back));
                self.lab.deliver(socket, client(1000 + u16::from(port)), &payload).ok();
            }
            Operation::Error { port, socket } => {
                let error = b"\0\x05\0\x08stop\0";
                self.lab.deliver(SocketId(socket), client(1000 + u16::from(port)), error).ok();
            }
            Operation::Garbage { port, socket, bytes } => {
                // A request by chance would change what the client knows.
                if bytes.first() != Some(&0) {
                    let client = client(1000 + u16::from(port));
                    self.lab.deliver(SocketId(socket), client, &bytes).ok();
                }
            }
            Operation::Poll { count } => {
                for _ in 0..count {
                    self.poll();
                }
            }
            Operation::Wait { ms } => self.lab.advance(Duration::from_millis(ms)),
            Operation::Unreadable { pick } => {
                if !self.lab.origins.is_empty() {
                    let origin = self.lab.origins[pick % self.lab.origins.len()];
                    let now = self.lab.now;
                    self.lab.server.handle_send_error(origin, SendError::ImageUnreadable, now);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_peers_do(operations in proptest::collection::vec(operation(), 0..120)) {
        let config = TftpConfig { transfers: 4, transfer_sockets: 3, ..TftpConfig::default() };
        let mut world = World { lab: Lab::with(config), known: Default::default() };
        for operation in operations {
            world.apply(operation);
            prop_assert!(world.lab.server.sessions() <= 4);
        }
        // Everybody leaves: all transfers end by themselves, in bounded time.
        let left_at = world.lab.now;
        while world.lab.server.sessions() > 0 {
            while world.poll() {}
            if world.lab.server.sessions() > 0 {
                world.lab.expire();
            }
            prop_assert!(world.lab.now - left_at < Duration::from_secs(60));
        }
        while world.poll() {}
        prop_assert_eq!(world.lab.server.poll_timeout(), None);
        prop_assert!(world.lab.server.documents.pool().is_empty());
        for len in LENGTHS {
            prop_assert!(!world.lab.server.uses_image(image_of(len)));
        }
    }
}

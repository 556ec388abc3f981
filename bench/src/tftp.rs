//! A TFTP server with transfers that do not end.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Route, SocketId, Transmit};
use reveille_core::limits::HEAD_BYTES;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_core::wire::tftp::emit_ack;

use crate::{SERVER, site};

/// The server, and clients that take turns.
#[derive(Debug)]
pub struct TftpWorld {
    server: TftpServer,
    view: View,
    now: Instant,
    clients: Vec<Client>,
    next: usize,
    window: u16,
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    address: SocketAddr,
    /// The server's end of the transfer.
    socket: SocketId,
    /// The last block that it has.
    block: u16,
}

impl TftpWorld {
    /// So many clients that wait for the next window of so many blocks.
    #[must_use]
    pub fn new(clients: u32, window: u16) -> Self {
        let config = TftpConfig::default();
        let transfers = config.transfers.max(clients + clients / 4);
        // All may begin at once: who has to wait is not what is measured.
        let config = TftpConfig { transfers, room_bytes: u64::MAX / 2, ..config };
        let mut world = Self {
            server: TftpServer::new(config),
            view: site(),
            now: Instant::from_nanos(1),
            clients: Vec::with_capacity(clients as usize),
            next: 0,
            window,
            head: vec![0; HEAD_BYTES],
        };
        let mut request = b"\0\x01endless\0octet\0blksize\x001468\0".to_vec();
        request.extend(format!("windowsize\0{window}\0").bytes());
        for number in 0..clients {
            let address = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0100 + number), 2070));
            let acknowledged = world.exchange(SocketId(0), address, &request);
            let Route::Datagram { socket, .. } = acknowledged.route else { panic!("a datagram") };
            world.exchange(socket, address, &emit_ack(0));
            while world.server.poll_event().is_some() {}
            world.clients.push(Client { address, socket, block: 0 });
        }
        world
    }

    /// The next client has the whole window and asks for the next one, of which it tells the
    /// bytes.
    pub fn acknowledge(&mut self) -> u32 {
        self.now = self.now + Duration::from_micros(1);
        let client = &mut self.clients[self.next];
        client.block = client.block.wrapping_add(self.window);
        let Client { address, socket, block } = *client;
        self.next = (self.next + 1) % self.clients.len();
        let transmit = black_box(self.exchange(socket, address, &emit_ack(block)));
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        transmit.body.map_or(0, |span| span.len)
    }

    fn exchange(&mut self, socket: SocketId, source: SocketAddr, payload: &[u8]) -> Transmit {
        let destination = SocketAddr::from((SERVER, 69));
        let datagram = Datagram { socket, interface: InterfaceId(0), source, destination, payload };
        self.server.handle_input(datagram, self.now, &self.view).expect("a good client");
        let output = self.server.poll_output(&mut self.head, self.now, &self.view);
        let Some(Output::Transmit(transmit)) = output else { panic!("an answer: {output:?}") };
        transmit
    }
}

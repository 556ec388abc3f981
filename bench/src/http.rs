//! An HTTP server with connections that all stay open.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::engine::{ConnId, Engine, Output, StreamEvent};
use reveille_core::http::HttpServer;
use reveille_core::limits::HEAD_BYTES;
use reveille_core::time::Instant;
use reveille_core::view::View;

use crate::{SERVER, site};

/// The server, and connections that take turns.
#[derive(Debug)]
pub struct HttpWorld {
    server: HttpServer,
    view: View,
    now: Instant,
    connections: u32,
    next: u32,
    head: Vec<u8>,
}

impl HttpWorld {
    /// So many connections that were just accepted.
    #[must_use]
    pub fn new(connections: u32) -> Self {
        let now = Instant::from_nanos(1);
        // Room for more, so that nobody is sent away.
        let mut world = Self {
            server: HttpServer::new(connections + connections / 4 + 4, 1),
            view: site(),
            now,
            connections,
            next: 0,
            head: vec![0; HEAD_BYTES],
        };
        for slot in 0..connections {
            world.input(StreamEvent::Accepted {
                conn: ConnId { slot, generation: 0 },
                peer: SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0100 + slot), 40_000)),
                local: SocketAddr::from((SERVER, 80)),
            });
        }
        world
    }

    /// One request on the next connection, to the end of its response; tells in how many pieces
    /// that was sent.
    pub fn serve(&mut self, request: &[u8]) -> usize {
        self.now = self.now + Duration::from_micros(1);
        let conn = ConnId { slot: self.next, generation: 0 };
        self.next = (self.next + 1) % self.connections;
        self.input(StreamEvent::Received { conn, bytes: request });
        let mut transmits = 0;
        while let Some(output) = self.server.poll_output(&mut self.head, self.now, &self.view) {
            let Output::Transmit(transmit) = output else { panic!("the connection stays open") };
            black_box(transmit);
            transmits += 1;
            self.input(StreamEvent::Sent { conn });
        }
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        transmits
    }

    fn input(&mut self, event: StreamEvent<'_>) {
        self.server.handle_input(event, self.now, &self.view).expect("a good client");
    }
}

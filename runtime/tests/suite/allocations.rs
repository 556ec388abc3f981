//! A shard allocates nothing for a packet: its engines send back how often its thread has
//! allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::{TcpStream, UdpSocket};

use reveille_core::engine::{
    Datagram, Discard, Engine, Origin, Output, Route, SendError, StreamEvent, Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_runtime::{Engines, ImageStore, bind};

use crate::kit::{self, PATIENCE};
use crate::packets::PacketReplier;

/// The system's allocator, counting by thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is left to the system's allocator; the counter needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of this method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Answers whatever arrives with the count of its thread's allocations, and a span.
struct Frugal<S> {
    waiting: VecDeque<Route>,
    body: ImageSpan,
    speaks: PhantomData<S>,
}

impl<S> Frugal<S> {
    fn new(body: ImageSpan) -> Self {
        let waiting = VecDeque::with_capacity(64);
        Self { waiting, body, speaks: PhantomData }
    }
}

macro_rules! frugal {
    ($speaks:ident, $input:ident, |$self:ident, $value:ident| $take:block) => {
        struct $speaks;

        impl Engine for Frugal<$speaks> {
            type Input<'i> = $input<'i>;

            fn handle_input(
                &mut $self,
                $value: $input<'_>,
                _: Instant,
                _: &View,
            ) -> Result<(), Discard> {
                $take
                Ok(())
            }

            fn handle_timeout(&mut self, _: Instant) {}

            fn poll_output(&mut self, head: &mut [u8], _: Instant, _: &View) -> Option<Output> {
                let route = self.waiting.pop_front()?;
                head[..8].copy_from_slice(&ALLOCATIONS.get().to_le_bytes());
                let body = Some(self.body);
                let origin = Origin(0);
                Some(Output::Transmit(Transmit { route, origin, head_len: 8, body, split: None }))
            }

            fn poll_event(&mut self) -> Option<Event> {
                None
            }

            fn poll_timeout(&self) -> Option<Instant> {
                None
            }

            fn handle_send_error(&mut self, _: Origin, error: SendError, _: Instant) {
                panic!("{error:?}");
            }

            fn uses_image(&self, _: ImageId) -> bool {
                true
            }

            fn drain(&mut self) {}

            fn sessions(&self) -> usize {
                0
            }
        }
    };
}

frugal!(Datagrams, Datagram, |self, datagram| {
    self.waiting.push_back(Route::Datagram {
        socket: datagram.socket,
        interface: datagram.interface,
        source: datagram.destination.ip(),
        destination: datagram.source,
    });
});

frugal!(Streams, StreamEvent, |self, event| {
    if let StreamEvent::Received { conn, .. } = event {
        self.waiting.push_back(Route::Stream(conn));
    }
});

#[test]
fn a_packet_costs_no_allocation() {
    let mut store = ImageStore::new();
    let image = store.from_bytes(kit::pattern(30, 1000)).unwrap();
    let bound = bind(kit::config(1)).unwrap();
    let (tftp, http) = (bound.tftp().unwrap(), bound.http()[0]);
    let body = kit::span(image, 0, 1000);
    let server = bound.start(kit::setup(&store), |_| Engines {
        dhcp: None::<PacketReplier>,
        tftp: Frugal::<Datagrams>::new(body),
        http: Frugal::<Streams>::new(body),
    });
    let server = server.unwrap();

    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 1008];
    let mut count = |over_udp: bool| {
        if over_udp {
            client.send_to(b"?", tftp).unwrap();
            client.recv(&mut answer).unwrap();
        } else {
            stream.write_all(b"?").unwrap();
            stream.read_exact(&mut answer).unwrap();
        }
        u64::from_le_bytes(answer[..8].try_into().unwrap())
    };
    // The first packets may still fill tables.
    for _ in 0..10 {
        count(true);
        count(false);
    }
    let before = count(true);
    for number in 0..5000 {
        count(number % 2 == 0);
    }
    assert_eq!(count(true), before);
    server.stop();
    server.join().unwrap();
}

//! The way of bindings to a store, and of its answers and the operator's orders to the engine.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::channel;

use reveille_core::binding::{Binding, BindingState, ClientId, Ticket};
use reveille_core::engine::{
    Discard, Engine, OperatorOrder, Origin, Output, Packet, Route, SendError, StoreAnswer, Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::ImageId;
use reveille_core::text::Text;
use reveille_core::time::Instant;
use reveille_core::view::{Subnet, View};
use reveille_runtime::{Engines, ImageStore, PersistPort, Server, bind};

use crate::kit::{self, PATIENCE};
use crate::packets::Replier;
use crate::streamer::Streamer;

/// Keeps something for each datagram, and tells its client whatever it hears.
#[derive(Default)]
struct Keeper {
    client: Option<Route>,
    to_ask: u64,
    asked: u64,
    words: VecDeque<String>,
}

impl Engine for Keeper {
    type Input<'i> = Packet<'i>;

    fn handle_input(&mut self, input: Packet<'_>, _: Instant, _: &View) -> Result<(), Discard> {
        match input {
            Packet::Datagram(datagram) => {
                self.client = Some(Route::Datagram {
                    socket: datagram.socket,
                    interface: datagram.interface,
                    source: datagram.destination.ip(),
                    destination: datagram.source,
                });
                self.to_ask += u64::from(datagram.payload[0]);
            }
            Packet::Store(answer) => self.words.push_back(format!("{answer:?}")),
            Packet::Operator(order) => self.words.push_back(format!("{order:?}")),
            Packet::Frame(_) => return Err(Discard::NotForServer),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self, head: &mut [u8], now: Instant, _: &View) -> Option<Output> {
        if self.asked < self.to_ask {
            self.asked += 1;
            let address = Ipv4Addr::from_bits(self.asked as u32);
            let binding = Binding {
                address,
                subnet: Subnet { address, prefix_len: 8 },
                client: None,
                client_id: ClientId::EMPTY,
                hostname: Text::EMPTY,
                state: BindingState::Released { at: now },
            };
            return Some(Output::Persist { ticket: Ticket(self.asked), binding });
        }
        let route = self.client?;
        let word = self.words.pop_front()?;
        head[..word.len()].copy_from_slice(word.as_bytes());
        let head_len = word.len() as u16;
        Some(Output::Transmit(Transmit {
            route,
            origin: Origin(0),
            head_len,
            body: None,
            split: None,
        }))
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
        false
    }

    fn drain(&mut self) {}

    fn sessions(&self) -> usize {
        0
    }
}

struct Running {
    server: Server,
    port: PersistPort,
    client: UdpSocket,
}

fn start() -> Running {
    let mut bound = bind(kit::config(2)).unwrap();
    let port = bound.persist_port().unwrap();
    let dhcp = bound.dhcp()[0];
    let (sender, _notes) = channel();
    let server = bound.start(kit::setup(&ImageStore::new()), |shard| Engines {
        dhcp: (shard.0 == 0).then(Keeper::default),
        tftp: Replier::default(),
        http: Streamer::new(sender.clone()),
    });
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(dhcp).unwrap();
    Running { server: server.unwrap(), port, client }
}

impl Running {
    fn word(&self) -> String {
        let mut buffer = [0; 100];
        let len = self.client.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    /// Takes so many requests, and gives their tickets.
    fn take(&self, count: usize) -> Vec<u64> {
        let mut tickets = Vec::new();
        while tickets.len() < count {
            assert!(self.port.wait(PATIENCE).unwrap(), "{} of {count}", tickets.len());
            self.port.take_all(|ticket, binding| {
                assert_eq!(u64::from(binding.address.to_bits()), ticket.0);
                tickets.push(ticket.0);
            });
        }
        tickets
    }
}

#[test]
fn a_store_is_asked_and_heard() {
    let running = start();
    running.client.send(&[3]).unwrap();
    assert_eq!(running.take(3), [1, 2, 3]);
    running.port.answer(StoreAnswer::Stored(Ticket(3)));
    assert_eq!(running.word(), "Stored(Ticket(3))");
    running.port.answer(StoreAnswer::Failed);
    assert_eq!(running.word(), "Failed");
    running.client.send(&[1]).unwrap();
    assert_eq!(running.take(1), [4]);
    running.server.stop();
    running.server.join().unwrap();
    assert!(running.port.is_closed() && running.port.wait(PATIENCE).unwrap());
}

#[test]
fn a_store_that_falls_behind_loses_nothing() {
    let running = start();
    // Several times as much as there is room for.
    let wanted = 3 * reveille_core::limits::DHCP_PERSISTS_MAX as usize / 255 * 255;
    for _ in 0..wanted / 255 {
        running.client.send(&[255]).unwrap();
    }
    let tickets = running.take(wanted);
    assert!(tickets.iter().copied().eq(1..=wanted as u64), "in order and complete");
    running.port.answer(StoreAnswer::Stored(Ticket(wanted as u64)));
    assert_eq!(running.word(), format!("Stored(Ticket({wanted}))"));
}

#[test]
fn a_store_that_is_gone_has_failed() {
    let Running { server, port, client } = start();
    client.send(&[0]).unwrap();
    drop(port);
    let mut buffer = [0; 100];
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"Failed");
    drop(server);
}

#[test]
fn an_operator_is_heard() {
    let running = start();
    running.client.send(&[0]).unwrap();
    let addresses = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    for address in addresses {
        running.server.order_release(address);
    }
    for address in addresses {
        assert_eq!(running.word(), format!("{:?}", OperatorOrder::Release(address)));
    }
}

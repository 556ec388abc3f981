//! Interfaces and sockets that come and go while shards run.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use reveille_core::engine::{
    Datagram, Discard, Engine, InterfaceId, Origin, Output, Packet, SendError, SocketId,
};
use reveille_core::event::Event;
use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_runtime::{
    BindReason, Config, Engines, Helper, ImageStore, InterfaceSpec, LowPorts, Opener, Server,
    Setup, SocketPlan, UdpSpec, bind,
};

use crate::frames::{send, tap};
use crate::kit::{self, PATIENCE};
use crate::namespace::{in_namespace, index, ip};
use crate::packets::Replier;
use crate::streamer::{Streamer, request};
use crate::streams::{connect, read_answer};

/// Tells what datagrams arrive, by which socket and interface.
struct Ear(Sender<(SocketId, InterfaceId, Vec<u8>)>);

impl Engine for Ear {
    type Input<'i> = Packet<'i>;

    fn handle_input(&mut self, input: Packet<'_>, _: Instant, _: &View) -> Result<(), Discard> {
        let Packet::Datagram(Datagram { socket, interface, payload, .. }) = input else {
            return Err(Discard::NotForServer);
        };
        let _nobody_listens = self.0.send((socket, interface, payload.to_vec()));
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self, _: &mut [u8], _: Instant, _: &View) -> Option<Output> {
        None
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

type Heard = Receiver<(SocketId, InterfaceId, Vec<u8>)>;

/// A server that listens on these interfaces, at port 67 of each; those with index 0 are away.
fn plan(interfaces: &[(&str, u32)]) -> SocketPlan {
    let mut plan = SocketPlan::new();
    for ((name, index), id) in interfaces.iter().zip(0..) {
        plan.interfaces.push(InterfaceSpec { name: (*name).to_owned(), index: *index });
        if *index != 0 {
            plan.dhcp.push(UdpSpec {
                id: SocketId(id),
                local: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67),
                device: Some(InterfaceId(id)),
                broadcast: true,
                group: None,
            });
            plan.frames.push(InterfaceId(id));
        }
    }
    plan
}

fn start(plan: SocketPlan) -> (Server, Heard) {
    let mut config = Config::new(NonZeroUsize::MIN);
    config.sockets = plan;
    let (ear, heard) = channel();
    let mut ear = Some(Ear(ear));
    let server = bind(config).unwrap().start(setup(), |_| Engines {
        dhcp: ear.take(),
        tftp: Replier::default(),
        http: Streamer::new(channel().0),
    });
    (server.unwrap(), heard)
}

fn setup() -> Setup {
    Setup { view: Arc::default(), images: ImageStore::new().table() }
}

/// A pair of interfaces, of which `name` is the server's.
fn make_link(name: &str) {
    ip(&format!("link add {name} type veth peer name {name}-peer"));
    for name in [name.to_owned(), format!("{name}-peer")] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").unwrap();
        ip(&format!("link set {name} up"));
    }
}

/// A broadcast from a machine without an address, as it leaves its network card.
fn broadcast(payload: &[u8]) -> Vec<u8> {
    let len = 28 + payload.len() as u8;
    let mut packet = vec![0x45, 0, 0, len, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(&[255, 255, 255, 255]);
    let sum: u32 = packet.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&folded.to_be_bytes());
    packet.extend_from_slice(&[0, 68, 0, 67, 0, 8 + payload.len() as u8, 0, 0]);
    packet.extend_from_slice(payload);
    packet
}

const MACHINE: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const EVERYBODY: MacAddr = MacAddr([0xff; 6]);

fn shout(name: &str, payload: &[u8]) {
    let machine = tap(&format!("{name}-peer"));
    send(&machine, MACHINE, EVERYBODY, libc::ETH_P_IP as u16, &broadcast(payload));
}

fn expect(heard: &Heard, id: u16, payload: &[u8]) {
    let next = heard.recv_timeout(PATIENCE).expect("something is heard");
    assert_eq!(next, (SocketId(id), InterfaceId(id), payload.to_vec()));
}

#[test]
fn interfaces_come_and_go_and_keep_their_names() {
    in_namespace(|| {
        make_link("one");
        make_link("two");
        let (one, two) = (index("one"), index("two"));
        let (mut server, heard) = start(plan(&[("one", one), ("two", two)]));
        shout("one", b"first");
        expect(&heard, 0, b"first");
        // One that is gone: the other keeps its place, and the shard does not end.
        ip("link delete one");
        shout("two", b"second");
        expect(&heard, 1, b"second");
        let errors = server.switch(&plan(&[("one", 0), ("two", two)]), setup(), &mut Opener::Own);
        assert!(errors.is_empty(), "{errors:?}");
        shout("two", b"third");
        expect(&heard, 1, b"third");
        // Back under its name, and one more.
        make_link("one");
        make_link("three");
        let all = [("one", index("one")), ("two", two), ("three", index("three"))];
        let errors = server.switch(&plan(&all), setup(), &mut Opener::Own);
        assert!(errors.is_empty(), "{errors:?}");
        kit::eventually("the new sockets", || {
            shout("three", b"fourth");
            heard.try_recv().is_ok_and(|next| next.1 == InterfaceId(2))
        });
        shout("one", b"fifth");
        // Those who shouted before that may be heard late.
        let next = heard.iter().find(|next| next.1 != InterfaceId(2)).unwrap();
        assert_eq!(next, (SocketId(0), InterfaceId(0), b"fifth".to_vec()));
        // Downs and ups that nobody is told of.
        ip("link set two down");
        ip("link set two up");
        shout("two", b"sixth");
        expect(&heard, 1, b"sixth");
        assert!(server.is_running());
        server.stop();
        server.join().unwrap();
    });
}

#[test]
fn what_belongs_to_a_vlan_does_not_come_from_its_parent() {
    in_namespace(|| {
        make_link("one");
        let (server, heard) = start(plan(&[("one", index("one"))]));
        let machine = tap("one-peer");
        // VLAN 20 (IEEE 802.1Q): the tag stands before the protocol.
        let tagged = [&[0, 20, 8, 0][..], &broadcast(b"tagged")].concat();
        send(&machine, MACHINE, EVERYBODY, 0x8100, &tagged);
        shout("one", b"untagged");
        expect(&heard, 0, b"untagged");
        server.stop();
        server.join().unwrap();
        assert_eq!(heard.try_recv().ok(), None);
    });
}

#[test]
fn a_helper_opens_what_this_thread_may_not() {
    in_namespace(|| {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        make_link("one");
        let ports = LowPorts { udp: [67; 3], tcp: [80; 2] };
        let mut helper = Opener::Helper(Helper::start(ports, || Ok(())).unwrap());
        let (mut server, heard) = start(plan(&[("one", 0)]));
        let machine = tap("one-peer");
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).unwrap();
        let wanted = plan(&[("one", index("one"))]);
        let errors = server.switch(&wanted, setup(), &mut Opener::Own);
        assert!(matches!(errors[0].reason, BindReason::NoPermission { .. }), "{errors:?}");
        let errors = server.switch(&wanted, setup(), &mut helper);
        assert!(errors.is_empty(), "{errors:?}");
        UdpSocket::bind("0.0.0.0:67").expect_err("it takes a privilege");
        send(&machine, MACHINE, EVERYBODY, libc::ETH_P_IP as u16, &broadcast(b"hello"));
        expect(&heard, 0, b"hello");
        server.stop();
        server.join().unwrap();
    });
}

#[test]
fn listeners_come_and_go_and_connections_stay() {
    const LEN: usize = 16 << 20;
    let mut store = ImageStore::new();
    let bytes = kit::pattern(23, LEN);
    let image = store.from_bytes(bytes.clone()).unwrap();
    let config = kit::config(2);
    let mut wanted = config.sockets.clone();
    let running = kit::start(config, &store);
    let mut stream = connect(&running);
    stream.write_all(&request(image, 0, LEN as u64, false)).unwrap();
    stream.peek(&mut [0]).unwrap();
    let kit::Running { mut server, http, tftp, .. } = running;
    // Another address instead of the first.
    wanted.http = vec!["127.0.0.2:0".parse().unwrap()];
    let errors = server.switch(&wanted, kit::setup(&store), &mut Opener::Own);
    assert!(errors.is_empty(), "{errors:?}");
    kit::eventually("refusal", || TcpStream::connect(http).is_err());
    assert_eq!(read_answer(&mut stream, LEN), bytes);
    // The others have not changed.
    let second = UdpSocket::bind(tftp).expect_err("it is still served");
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
    // Nothing at all, and everything again.
    let errors = server.switch(&SocketPlan::new(), kit::setup(&store), &mut Opener::Own);
    assert!(errors.is_empty(), "{errors:?}");
    kit::eventually("free ports", || UdpSocket::bind(tftp).is_ok());
    wanted.http = vec![http];
    wanted.tftp.as_mut().unwrap().listen = tftp;
    let errors = server.switch(&wanted, kit::setup(&store), &mut Opener::Own);
    assert!(errors.is_empty(), "{errors:?}");
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(&request(image, 0, 1000, true)).unwrap();
    assert_eq!(read_answer(&mut stream, 1000), bytes[..1000]);
    server.stop();
    server.join().unwrap();
}

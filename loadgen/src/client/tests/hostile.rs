//! No server makes a machine panic, nor makes it send without end.

use std::net::SocketAddrV4;
use std::sync::Arc;

use proptest::prelude::*;

use super::world::{MAC, SERVER, identity};
use crate::client::{BUFFER_LEN, Command, Input, Journey, Machine, Options, StreamError};
use crate::model::MODELS;
use crate::time::{Duration, Instant};

#[derive(Clone, Debug)]
enum Event {
    Wait(u16),
    Timer,
    Dhcp(u16, Vec<u8>),
    GoodDhcp(u8, Vec<u8>, Vec<u8>),
    Datagram(bool, Vec<u8>),
    Data(u16, u16),
    OptionAck(Vec<u8>),
    Connected,
    Received(Vec<u8>),
    Ok(Vec<u8>),
    End,
    Failed,
    Ipv6(Vec<u8>),
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "kernel",
        "initrd",
        "chain",
        "boot",
        "http://10.77.0.1/x",
        "tftp://10.77.0.1/y",
        "${mac}",
        "${",
        "}",
        "||",
        "&&",
        ";",
        "\n",
        "\\\n",
        "sleep 3",
        "goto a",
        ":a",
        "set v",
        "isset",
        "iseq a",
        "linux",
        "configfile",
        "(tftp,10.77.0.1)/z",
        "if",
        "fi",
        "else",
        "menuentry",
        "report=http://10.77.0.1/up",
        "ds=nocloud;s=http://10.77.0.1/",
        "$root",
        "'",
        "\"",
        "#",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40)
        .prop_map(|words| format!("#!ipxe\n{}", words.join(" ")).into_bytes())
}

fn event() -> impl Strategy<Value = Event> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..600);
    let short = || proptest::collection::vec(any::<u8>(), 0..40);
    let file = proptest::sample::select(vec![
        b"x.efi".to_vec(),
        b"http://10.77.0.1/a/boot.ipxe".to_vec(),
        b"tftp://10.77.0.1/boot.ipxe".to_vec(),
        b"shimx64.efi".to_vec(),
        b"http://".to_vec(),
        Vec::new(),
    ]);
    prop_oneof![
        1 => any::<u16>().prop_map(Event::Wait),
        6 => Just(Event::Timer),
        1 => (any::<u16>(), bytes()).prop_map(|(port, bytes)| Event::Dhcp(port, bytes)),
        6 => (1..8_u8, file, short()).prop_map(|(kind, file, options)| {
            Event::GoodDhcp(kind, file, options)
        }),
        1 => (any::<bool>(), bytes()).prop_map(|(peer, bytes)| Event::Datagram(peer, bytes)),
        4 => (0..9_u16, 0..1500_u16).prop_map(|(block, len)| Event::Data(block, len)),
        2 => proptest::sample::select(vec![
            b"tsize\x0010\0".to_vec(), b"blksize\x001468\0".to_vec(), b"blksize\x000\0".to_vec(),
            b"tsize\x005\0blksize\x008\0windowsize\x004\0".to_vec(), b"x\0".to_vec(),
        ]).prop_map(Event::OptionAck),
        2 => Just(Event::Connected),
        1 => bytes().prop_map(Event::Received),
        4 => script().prop_map(Event::Ok),
        1 => Just(Event::End),
        1 => Just(Event::Failed),
        1 => bytes().prop_map(Event::Ipv6),
    ]
}

/// The driver's half of the contract, and what the machine may not do.
struct Driver {
    machine: Machine,
    now: Instant,
    xid: [u8; 4],
    datagram: bool,
    stream: bool,
    off: bool,
}

impl Driver {
    fn drain(&mut self) {
        let mut buffer = [0; BUFFER_LEN];
        let mut count = 0;
        while let Some(command) = self.machine.poll_command(&mut buffer, self.now) {
            assert!(!self.off, "{command:?} after the end");
            count += 1;
            match command {
                Command::SendDhcp { len, .. } => {
                    assert!((300..=BUFFER_LEN).contains(&len));
                    self.xid.copy_from_slice(&buffer[4..8]);
                }
                Command::SendIpv6 { .. } => {}
                Command::OpenDatagram { .. } => {
                    assert!(!self.datagram, "two sockets");
                    self.datagram = true;
                }
                Command::SendDatagram { .. } => assert!(self.datagram, "no socket"),
                Command::CloseDatagram => assert!(std::mem::take(&mut self.datagram)),
                Command::Connect { .. } => {
                    assert!(!self.stream, "two connections");
                    self.stream = true;
                }
                Command::Send { .. } => assert!(self.stream, "no connection"),
                Command::Disconnect => assert!(std::mem::take(&mut self.stream)),
                Command::PowerOff => {
                    (self.datagram, self.stream, self.off) = (false, false, true);
                }
            }
        }
        assert!(count <= 8, "{count} commands for one input");
        while self.machine.poll_note().is_some() {}
        assert_eq!(self.off, self.machine.poll_timeout().is_none(), "it waits or is off");
    }

    fn play(&mut self, event: &Event) {
        let peer = SocketAddrV4::new(SERVER, 50_000);
        let other = SocketAddrV4::new(SERVER, 50_001);
        let source = SocketAddrV4::new(SERVER, 67);
        let datagram = |payload: &[u8]| -> Vec<u8> { payload.to_vec() };
        match event {
            Event::Wait(ms) => self.now = self.now + Duration::from_millis(u64::from(*ms)),
            Event::Timer => {
                if let Some(at) = self.machine.poll_timeout() {
                    self.now = self.now.max(at);
                }
                self.machine.handle_timeout(self.now);
            }
            Event::Dhcp(port, payload) => {
                let input = Input::Dhcp { source, destination_port: *port, payload };
                self.machine.handle(input, self.now);
            }
            Event::GoodDhcp(kind, file, options) => {
                let mut request = [0; 8];
                request[4..].copy_from_slice(&self.xid);
                let address = if kind % 3 == 0 { [0; 4] } else { [10, 77, 9, 9] };
                let mut all = vec![1, 4, 255, 255, 0, 0];
                if options.len() % 2 == 0 {
                    all.extend([175, 3, 176, 1, 1]);
                }
                if options.len() % 3 == 0 {
                    all.extend(b"\x3c\x09PXEClient");
                }
                all.extend(if options.len() > 30 { &options[..] } else { &[] });
                let kind = if *kind == 7 { 5 } else { *kind };
                let payload = super::faults::reply(kind, &request, address.into(), file, &all);
                assert_eq!(payload[28..34], MAC);
                for port in [67, 4011] {
                    let source = SocketAddrV4::new(SERVER, port);
                    let input = Input::Dhcp { source, destination_port: 68, payload: &payload };
                    self.machine.handle(input, self.now);
                    self.drain();
                }
            }
            Event::Datagram(good, payload) if self.datagram => {
                let source = if *good { peer } else { other };
                self.machine.handle(Input::Datagram { source, payload }, self.now);
            }
            Event::Data(block, len) if self.datagram => {
                let [a, b] = block.to_be_bytes();
                let mut payload = datagram(&[0, 3, a, b]);
                payload.resize(4 + usize::from(*len), b'x');
                self.machine.handle(Input::Datagram { source: peer, payload: &payload }, self.now);
            }
            Event::OptionAck(options) if self.datagram => {
                let payload = [&[0, 6][..], options].concat();
                self.machine.handle(Input::Datagram { source: peer, payload: &payload }, self.now);
            }
            Event::Connected if self.stream => self.machine.handle(Input::Connected, self.now),
            Event::Received(bytes) if self.stream => {
                self.machine.handle(Input::Received(bytes), self.now);
            }
            Event::Ok(body) if self.stream => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let all = [head.as_bytes(), body].concat();
                self.machine.handle(Input::Received(&all), self.now);
            }
            Event::End if self.stream => self.machine.handle(Input::EndOfStream, self.now),
            Event::Failed if self.stream => {
                self.stream = false;
                self.machine.handle(Input::StreamFailed(StreamError::Other), self.now);
            }
            Event::Ipv6(packet) => self.machine.handle(Input::Ipv6(packet), self.now),
            Event::Datagram(..)
            | Event::Data(..)
            | Event::OptionAck(_)
            | Event::Connected
            | Event::Received(_)
            | Event::Ok(_)
            | Event::End
            | Event::Failed => {}
        }
        self.drain();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_server_breaks_a_machine(
        model in 0..MODELS.len(),
        ipv6 in any::<bool>(),
        events in proptest::collection::vec(event(), 1..80),
    ) {
        let options = Options { ipv6, script_retries_max: 3, ..Options::default() };
        let journey = Arc::new(Journey::new(options));
        let mut driver = Driver {
            machine: Machine::new(identity(), MODELS[model], journey, 3),
            now: Instant(1),
            xid: [0; 4],
            datagram: false,
            stream: false,
            off: false,
        };
        driver.machine.power_on(driver.now);
        driver.drain();
        for event in &events {
            driver.play(event);
        }
        // Without a server every machine ends.
        for _ in 0..4000 {
            if driver.off {
                break;
            }
            driver.play(&Event::Timer);
        }
        prop_assert!(driver.off, "{:?}", driver.machine);
    }
}

//! ProxyDHCP: an address from one server, the boot file from another.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::faults::{ADDRESS, Bench, reply};
use super::world::SERVER;
use crate::client::{Command, Note, Reason, Stage};
use crate::model::{BIOS_PXE, EDK2_PXE, IPXE};
use crate::time::Duration;

const MASK: [u8; 6] = [1, 4, 255, 255, 0, 0];
const CLASS: &[u8] = b"\x3c\x09PXEClient";
/// `PXEClient` and discovery control: use the file of the offer.
const DIRECT: &[u8] = b"\x3c\x09PXEClient\x2b\x04\x06\x01\x08\xff";

fn payload(commands: &[(Command, Vec<u8>)]) -> &[u8] {
    &commands.last().expect("it sent something").1
}

fn requested(commands: &[(Command, Vec<u8>)]) -> String {
    let request = commands.iter().find(|(command, bytes)| {
        matches!(command, Command::SendDatagram { .. }) && bytes.starts_with(b"\0\x01")
    });
    let (_, bytes) = request.expect("it asks for a file");
    String::from_utf8_lossy(bytes[2..].split(|byte| *byte == 0).next().expect("a name")).into()
}

#[test]
fn a_proxy_that_names_the_file_is_believed_at_once() {
    for model in [&EDK2_PXE, &BIOS_PXE] {
        let mut bench = Bench::new(model);
        let discover = bench.drain();
        bench.dhcp(&reply(2, payload(&discover), ADDRESS, b"", &MASK));
        bench.dhcp(&reply(2, payload(&discover), Ipv4Addr::UNSPECIFIED, b"proxy.efi", DIRECT));
        let request = bench.wait();
        let commands = bench.dhcp(&reply(5, payload(&request), ADDRESS, b"", &MASK));
        assert_eq!(requested(&commands), "proxy.efi", "{}", model.name);
    }
}

#[test]
fn a_proxy_that_does_not_is_asked_on_its_own_port() {
    let mut bench = Bench::new(&EDK2_PXE);
    let discover = bench.drain();
    bench.dhcp(&reply(2, payload(&discover), ADDRESS, b"", &MASK));
    bench.dhcp(&reply(2, payload(&discover), Ipv4Addr::UNSPECIFIED, b"", CLASS));
    let request = bench.wait();
    let asked = bench.dhcp(&reply(5, payload(&request), ADDRESS, b"", &MASK));
    let source = SocketAddrV4::new(ADDRESS, 4011);
    let destination = SocketAddrV4::new(SERVER, 4011);
    let Command::SendDhcp { len, .. } = asked[0].0 else { panic!("{asked:?}") };
    assert_eq!(asked[0].0, Command::SendDhcp { source, destination, len });
    let message = payload(&asked);
    assert_eq!((message[10], &message[12..16]), (0, &ADDRESS.octets()[..]));
    let before = bench.now;
    let answer = reply(5, message, Ipv4Addr::UNSPECIFIED, b"late.efi", CLASS);
    assert!(bench.dhcp_from(67, &answer).is_empty(), "from the wrong port");
    assert!(bench.dhcp_from(4011, &answer).is_empty(), "it waits until its window ends");
    let commands = bench.wait();
    assert_eq!(bench.now.since(before), Duration::from_secs(1));
    assert_eq!(requested(&commands), "late.efi");
}

#[test]
fn uefi_fails_when_nobody_listens_on_that_port() {
    let mut bench = Bench::new(&EDK2_PXE);
    let discover = bench.drain();
    bench.dhcp(&reply(2, payload(&discover), ADDRESS, b"x.efi", &[&MASK[..], CLASS].concat()));
    let request = bench.wait();
    let before = bench.now;
    bench.dhcp(&reply(5, payload(&request), ADDRESS, b"x.efi", &[&MASK[..], CLASS].concat()));
    for _ in 0..4 {
        bench.wait();
    }
    assert_eq!(bench.now.since(before), Duration::from_secs(10));
    let reason = Reason::NoBootServer;
    assert_eq!(bench.ended(), Some(Note::Failed { stage: Stage::Dhcp, reason }));
}

#[test]
fn ipxe_waits_for_a_proxy_and_then_goes_on_without() {
    let mut bench = Bench::new(&IPXE);
    let before = bench.now;
    let discover = bench.drain();
    let offer = reply(2, payload(&discover), ADDRESS, b"x.ipxe", &MASK);
    assert!(bench.dhcp(&offer).is_empty());
    let repeated = bench.wait();
    assert_eq!(repeated.len(), 1);
    let request = bench.wait();
    assert_eq!(bench.now.since(before), Duration::from_secs(3));
    let commands = bench.dhcp(&reply(5, payload(&request), ADDRESS, b"x.ipxe", &MASK));
    assert_eq!(requested(&commands), "x.ipxe");
}

#[test]
fn ipxe_asks_a_proxy_and_goes_on_when_it_is_silent() {
    for answers in [true, false] {
        let mut bench = Bench::new(&IPXE);
        let discover = bench.drain();
        bench.dhcp(&reply(2, payload(&discover), ADDRESS, b"own.ipxe", &MASK));
        let proxy = reply(2, payload(&discover), Ipv4Addr::UNSPECIFIED, b"", CLASS);
        let request = bench.dhcp(&proxy);
        let asked = bench.dhcp(&reply(5, payload(&request), ADDRESS, b"own.ipxe", &MASK));
        let Command::SendDhcp { source, destination, .. } = asked[0].0 else { panic!("{asked:?}") };
        assert_eq!((source.port(), destination.port()), (68, 4011));
        let mut commands = if answers {
            let answer = reply(5, payload(&asked), Ipv4Addr::UNSPECIFIED, b"proxy.ipxe", CLASS);
            bench.dhcp_from(4011, &answer)
        } else {
            Vec::new()
        };
        let before = bench.now;
        while !commands.iter().any(|(command, _)| matches!(command, Command::OpenDatagram { .. })) {
            commands = bench.wait();
        }
        assert_eq!(requested(&commands), if answers { "proxy.ipxe" } else { "own.ipxe" });
        let limit = if answers { 0 } else { 3750 };
        assert_eq!(bench.now.since(before).as_millis(), limit);
    }
}

//! What real clients sent, as recorded on a wire (`tests/data`), meets this engine: each stage of
//! each boot must get what that stage needs.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::string::String;
use std::vec::Vec;

use super::kit::*;
use crate::engine::Route;
use crate::identity::Firmware;
use crate::mac::MacAddr;
use crate::view::{Loader, Machine, MachineKey, Subnet};
use crate::wire::dhcp4::{Message, MessageType};
use crate::wire::pxe::ArchType;
use crate::wire::{ethernet, ndp};

/// The server of the recorded network.
const LAB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The frames of a capture file: a header of 24 bytes, and one of 16 before each frame.
fn frames(capture: &[u8]) -> Vec<&[u8]> {
    assert_eq!(capture[..4], [0xd4, 0xc3, 0xb2, 0xa1], "little-endian microseconds");
    let mut rest = &capture[24..];
    let mut frames = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<16>() {
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let (frame, tail) = tail.split_at(len);
        frames.push(frame);
        rest = tail;
    }
    frames
}

/// Sender, receiver and payload of a UDP datagram in a frame, without a look at its checksum:
/// what a kernel sends over a virtual link has none yet.
fn datagram(frame: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let is_udp = frame[12..15] == [8, 0, 0x45] && frame[23] == 17;
    let end = |address: usize, port: usize| {
        let octets: [u8; 4] = frame[address..address + 4].try_into().unwrap();
        let port = u16::from_be_bytes([frame[port], frame[port + 1]]);
        socket(Ipv4Addr::from(octets), port)
    };
    is_udp.then(|| (end(26, 34), end(30, 36), &frame[42..]))
}

/// A site on the recorded network in which the client gets the recorded address.
fn site(capture: &[u8], proxy: bool, loader: Loader) -> Site {
    let mut site = if proxy { Site::proxy() } else { Site::new() };
    site.view.profiles = std::vec![profile("all", loader)];
    site.view.programs.insert(Loader::Pxelinux, ArchType::X86_BIOS, "pxelinux.0".into());
    site.view.programs.insert(Loader::Grub, ArchType::X64_UEFI, "grubx64.efi".into());
    let mut networks = site.view.networks.edit();
    let network = &mut networks[0];
    network.server = LAB;
    network.subnet = Subnet { address: LAB, prefix_len: 24 };
    network.routers = std::vec![LAB];
    drop(networks);
    for frame in frames(capture) {
        if let Some((from, _, payload)) = datagram(frame)
            && from.port() == 67
            && let Ok(message) = Message::parse(payload)
            && let Some(mac) = message.header().mac()
            && !message.header().yiaddr().is_unspecified()
        {
            let address = Some(message.header().yiaddr());
            let machine =
                Machine { addresses: address.into_iter().collect(), ..Machine::default() };
            // The same again at each reply of the recorded server.
            let _known = site.view.machines.insert(&[MachineKey::Mac(mac)], machine);
        }
    }
    site
}

/// What the engine answered to one message.
#[derive(Debug, PartialEq)]
struct Answered {
    kind: MessageType,
    file: String,
}

/// Plays the client's side of a capture and gives the answers, repeats in a row only once.
fn replay(site: &mut Site, capture: &[u8]) -> Vec<Answered> {
    let mut answers = Vec::new();
    for frame in frames(capture) {
        let (header, packet) = ethernet::parse(frame).unwrap();
        let sender = header.source;
        site.pass(1);
        if let Ok(ndp::Message::Solicitation(_)) = ndp::parse(packet) {
            let _refused = site.frame(sender, false, packet);
        }
        let Some((from, to, payload)) = datagram(frame) else { continue };
        // Also other servers speak on these ports.
        if !matches!(to.port(), 67 | 4011) || from.port() == 67 || *from.ip() == LAB {
            continue;
        }
        let ask = discover(1).from(from).to(to);
        let _refused = site.send_bytes(&ask, payload);
        while let Some(sent) = site.poll() {
            if !is_dhcp(&sent) {
                continue;
            }
            let reply = Reply::read(sent);
            let answer = Answered { kind: reply.kind(), file: reply.file() };
            if answers.last() != Some(&answer) {
                answers.push(answer);
            }
        }
    }
    answers
}

fn is_dhcp(sent: &Sent) -> bool {
    !matches!(sent.route, Route::Link { .. }) || sent.bytes[0] >> 4 == 4
}

fn expect(answers: &[Answered], expected: &[(MessageType, &str)]) {
    let answers: Vec<_> = answers.iter().map(|answer| (answer.kind, &*answer.file)).collect();
    assert_eq!(answers, expected);
}

use MessageType::{Ack, Offer};

#[test]
fn bios_with_an_ipxe_rom() {
    let capture = include_bytes!("../../../../tests/data/bios-ipxe-http.pcap");
    let answers = replay(&mut site(capture, false, Loader::Ipxe), capture);
    let script = "http://10.77.0.1/node/52-54-00-77-00-01.0/boot.ipxe";
    expect(&answers, &[(Offer, script), (Ack, script)]);
}

#[test]
fn ovmf_pxe_then_ipxe() {
    let capture = include_bytes!("../../../../tests/data/uefi-pxe-snponly.pcap");
    let answers = replay(&mut site(capture, false, Loader::Ipxe), capture);
    let program = "node/52-54-00-77-00-02.7/ipxe/snponly.efi";
    let script = "http://10.77.0.1/node/52-54-00-77-00-02.7/boot.ipxe";
    expect(&answers, &[(Offer, program), (Ack, program), (Offer, script), (Ack, script)]);
}

#[test]
fn ovmf_http_boot_then_ipxe() {
    let capture = include_bytes!("../../../../tests/data/uefi-http-boot.pcap");
    let answers = replay(&mut site(capture, false, Loader::Ipxe), capture);
    let program = "http://10.77.0.1/node/52-54-00-77-00-03.16/ipxe/snponly.efi";
    let script = "http://10.77.0.1/node/52-54-00-77-00-03.7/boot.ipxe";
    expect(&answers, &[(Offer, program), (Ack, program), (Offer, script), (Ack, script)]);
}

#[test]
fn a_bios_rom_that_hides_that_it_is_ipxe_then_undionly() {
    let capture = include_bytes!("../../../../tests/data/bios-pxe-undionly.pcap");
    let answers = replay(&mut site(capture, false, Loader::Ipxe), capture);
    let program = "node/52-54-00-77-00-08.0/ipxe/undionly.kpxe";
    let script = "http://10.77.0.1/node/52-54-00-77-00-08.0/boot.ipxe";
    expect(&answers, &[(Offer, program), (Ack, program), (Offer, script), (Ack, script)]);
}

#[test]
fn pxelinux_and_grub() {
    let capture = include_bytes!("../../../../tests/data/bios-pxelinux.pcap");
    let answers = replay(&mut site(capture, false, Loader::Pxelinux), capture);
    let program = "node/52-54-00-77-00-04.0/pxelinux.0";
    expect(&answers, &[(Offer, program), (Ack, program)]);
    let capture = include_bytes!("../../../../tests/data/uefi-grub.pcap");
    let answers = replay(&mut site(capture, false, Loader::Grub), capture);
    let program = "node/52-54-00-77-00-05.7/grubx64.efi";
    expect(&answers, &[(Offer, program), (Ack, program)]);
}

#[test]
fn ovmf_beside_another_server() {
    let capture = include_bytes!("../../../../tests/data/uefi-pxe-proxy.pcap");
    let mut site = site(capture, true, Loader::Ipxe);
    let answers = replay(&mut site, capture);
    let program = "node/52-54-00-77-00-07.7/ipxe/snponly.efi";
    let script = "http://10.77.0.1/node/52-54-00-77-00-07.7/boot.ipxe";
    expect(&answers, &[(Offer, ""), (Ack, program), (Offer, script)]);
    // It is seen on its way through the other server, too.
    let watched = site.events().into_iter().any(|event| {
        matches!(
            event,
            crate::event::EventKind::Request { firmware: Firmware::Pxe, address }
                if address == Ipv4Addr::new(10, 77, 0, 104)
        )
    });
    assert!(watched);
}

#[test]
fn an_ipxe_rom_beside_another_server() {
    let capture = include_bytes!("../../../../tests/data/bios-ipxe-proxy.pcap");
    let answers = replay(&mut site(capture, true, Loader::Ipxe), capture);
    let script = "http://10.77.0.1/node/52-54-00-77-00-06.0/boot.ipxe";
    expect(&answers, &[(Offer, script), (Ack, script)]);
}

#[test]
fn stock_clients_get_addresses_and_nothing_to_boot() {
    for (capture, expected) in [
        (&include_bytes!("../../../../tests/data/udhcpc.pcap")[..], &[(Offer, ""), (Ack, "")][..]),
        (include_bytes!("../../../../tests/data/dhclient.pcap"), &[(Offer, ""), (Ack, "")]),
        (include_bytes!("../../../../tests/data/dhcpcd.pcap"), &[(Offer, ""), (Ack, "")]),
    ] {
        let mut site = site(capture, false, Loader::Ipxe);
        let answers = replay(&mut site, capture);
        expect(&answers, expected);
        // Each of them gave its address back in the end.
        let states: Vec<_> = site.server.leases().map(|lease| lease.state()).collect();
        assert_eq!(states, [crate::dhcp4::LeaseState::Idle]);
    }
}

#[test]
fn each_ipxe_is_spared_its_wait_for_a_router() {
    for (capture, station) in [
        (&include_bytes!("../../../../tests/data/bios-ipxe-http.pcap")[..], 1),
        (include_bytes!("../../../../tests/data/uefi-pxe-snponly.pcap"), 2),
    ] {
        let mut site = site(capture, false, Loader::Ipxe);
        replay(&mut site, capture);
        let mut packet = [0; 128];
        let mac = MacAddr([0x52, 0x54, 0, 0x77, 0, station]);
        let link_local = ndp::link_local(mac);
        let len = ndp::emit_solicitation(&mut packet, link_local, ndp::ALL_ROUTERS, mac).unwrap();
        assert_eq!(site.frame(mac, false, &packet[..len]), Ok(()));
        assert!(site.poll().is_some());
    }
}

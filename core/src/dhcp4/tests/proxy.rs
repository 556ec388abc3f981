//! Boot information beside another server's addresses.

use super::kit::*;
use crate::engine::Discard;
use crate::event::EventKind;
use crate::identity::Firmware;
use crate::view::DhcpMode;
use crate::wire::dhcp4::MessageType;

const CLIENT: core::net::Ipv4Addr = core::net::Ipv4Addr::new(10, 0, 0, 77);

/// What firmware asks on port 4011 after another server gave it an address.
fn boot_request(kind: MessageType, port: u16) -> Ask {
    let mut request = ask(kind, 1).ciaddr(CLIENT);
    request.source = socket(CLIENT, port);
    request.to(socket(SERVER, 4011))
}

#[test]
fn bios_gets_its_file_in_the_offer() {
    let mut site = Site::proxy();
    let offer = site.ask(&discover(1).pxe(0));
    assert_eq!(offer.kind(), MessageType::Offer);
    assert_eq!((offer.yiaddr(), offer.siaddr()), (ANY, SERVER));
    assert_eq!(offer.option(54).unwrap(), SERVER.octets());
    assert_eq!(offer.text(60).unwrap(), "PXEClient");
    assert_eq!(offer.option(43).unwrap(), [6, 1, 8, 255]);
    assert_eq!(offer.option(97).unwrap()[1..], [0x11; 16]);
    assert_eq!(offer.file(), "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe");
    // Nobody has an address yet that it could go to.
    assert_eq!(offer.to, socket(BROADCAST, 68));
    // Configuration is the other server's.
    assert_eq!([1, 3, 6, 51, 58].map(|code| offer.option(code)), [const { None }; 5]);
}

#[test]
fn uefi_gets_its_file_on_port_4011() {
    let mut site = Site::proxy();
    let offer = site.ask(&discover(1).pxe(7));
    assert_eq!((offer.yiaddr(), offer.siaddr()), (ANY, SERVER));
    assert_eq!((offer.text(60).unwrap().as_str(), offer.option(43)), ("PXEClient", None));
    assert_eq!((offer.file().as_str(), offer.option(67)), ("", None));
    assert_eq!(offer.to, socket(BROADCAST, 68));
    // OVMF asks from port 4011, others from 68.
    for (kind, port) in
        [(MessageType::Request, 4011), (MessageType::Request, 68), (MessageType::Inform, 68)]
    {
        let ack = site.ask(&boot_request(kind, port).pxe(7));
        assert_eq!(ack.kind(), MessageType::Ack);
        assert_eq!((ack.from, ack.to), (socket(SERVER, 4011), socket(CLIENT, port)));
        assert_eq!((ack.yiaddr(), ack.ciaddr(), ack.siaddr()), (ANY, CLIENT, SERVER));
        assert_eq!(ack.file(), "node/52-54-00-00-00-01.7/ipxe/snponly.efi");
        assert_eq!((ack.text(60).unwrap().as_str(), ack.option(43)), ("PXEClient", None));
        assert_eq!(ack.option(54).unwrap(), SERVER.octets());
        assert_eq!(ack.option(51), None);
    }
    let events = site.events();
    assert!(events.iter().any(|event| matches!(event, EventKind::ProxyOffer { .. })));
    assert!(events.iter().any(|event| matches!(event, EventKind::Ack { .. })));
}

#[test]
fn ipxe_gets_its_script_in_an_offer_that_it_takes_for_a_proxys() {
    let mut site = Site::proxy();
    let offer = site.ask(&discover(1).ipxe(7));
    let url = "http://10.0.0.1/node/52-54-00-00-00-01.7/boot.ipxe";
    assert_eq!((offer.yiaddr(), offer.siaddr()), (ANY, SERVER));
    assert_eq!((offer.file().as_str(), offer.text(67).unwrap().as_str()), (url, url));
    assert_eq!((offer.text(60).unwrap().as_str(), offer.option(43)), ("PXEClient", None));
    let ack = site.ask(&boot_request(MessageType::Request, 68).ipxe(7));
    assert_eq!((ack.file().as_str(), ack.to), (url, socket(CLIENT, 68)));
}

#[test]
fn a_bare_request_is_understood_by_what_its_sender_told_before() {
    let mut site = Site::proxy();
    site.ask(&discover(1).ipxe(0));
    let bare = boot_request(MessageType::Request, 68).option(60, b"PXEClient").xid(0);
    assert_eq!(site.ask(&bare).file(), "http://10.0.0.1/node/52-54-00-00-00-01.0/boot.ipxe");
    // Much later nothing is known any more, not even what could run there.
    site.pass(3600);
    site.ask_in_vain(&bare.xid(1));
}

#[test]
fn beside_a_server_on_this_host_only_port_4011_is_ours() {
    let mut site = Site::proxy();
    site.view.networks.edit()[0].mode = DhcpMode::BootServer;
    let item = [71, 4, 0x80, 0, 0, 0, 255];
    for ask in [
        discover(1).pxe(0),
        discover(1).ipxe(0),
        ask(MessageType::Request, 1).ciaddr(CLIENT).pxe(0).option(43, &item),
        ask(MessageType::Release, 1).ciaddr(CLIENT),
    ] {
        assert_eq!(site.send(&ask), Err(Discard::OtherServer), "{:?}", ask.options);
        assert!(site.poll().is_none());
    }
    let node = "node/52-54-00-00-00-01";
    for (asked, file) in [
        (boot_request(MessageType::Request, 4011).pxe(0), ".0/ipxe/undionly.kpxe"),
        (boot_request(MessageType::Inform, 68).pxe(7), ".7/ipxe/snponly.efi"),
        (boot_request(MessageType::Request, 68).ipxe(7), ".7/boot.ipxe"),
    ] {
        let ack = site.ask(&asked);
        assert_eq!((ack.kind(), ack.from), (MessageType::Ack, socket(SERVER, 4011)));
        assert_eq!(ack.text(60).unwrap(), "PXEClient");
        assert!(ack.file().ends_with(&std::format!("{node}{file}")), "{}", ack.file());
        assert_eq!((ack.yiaddr(), ack.siaddr()), (ANY, SERVER));
    }
}

#[test]
fn http_boot_gets_its_url_in_the_offer() {
    let offer = Site::proxy().ask(&discover(1).http_boot(16));
    assert_eq!(offer.yiaddr(), ANY);
    assert_eq!(offer.file(), "http://10.0.0.1/node/52-54-00-00-00-01.16/ipxe/snponly.efi");
    assert_eq!((offer.text(60).unwrap().as_str(), offer.behind(60)), ("HTTPClient", Some(0)));
}

#[test]
fn what_the_other_server_answers_is_left_to_it() {
    let mut site = Site::proxy();
    let to_the_other = |ask: Ask| ask.option(54, &[10, 0, 0, 2]).option(50, &CLIENT.octets());
    for ask in [
        discover(1),
        discover(1).option(60, b"udhcp 1.36.1"),
        discover(1).option(60, b"U-Boot.armv8"),
        to_the_other(ask(MessageType::Request, 1).pxe(0)),
        to_the_other(ask(MessageType::Request, 1)),
        ask(MessageType::Request, 1).ciaddr(CLIENT).pxe(0),
        ask(MessageType::Inform, 1).ciaddr(CLIENT).pxe(0),
        to_the_other(ask(MessageType::Decline, 1)),
        ask(MessageType::Release, 1).ciaddr(CLIENT),
        boot_request(MessageType::Request, 68),
        boot_request(MessageType::Discover, 68).pxe(0),
    ] {
        assert_eq!(site.send(&ask), Err(Discard::OtherServer), "{:?}", ask.options);
        assert!(site.poll().is_none());
    }
}

#[test]
fn the_other_servers_clients_are_watched_if_they_boot() {
    let mut site = Site::proxy();
    let request =
        ask(MessageType::Request, 1).option(54, &[10, 0, 0, 2]).option(50, &CLIENT.octets());
    assert_eq!(site.send(&request), Err(Discard::OtherServer));
    assert_eq!(site.events(), []);
    assert_eq!(site.send(&request.clone().pxe(0)), Err(Discard::OtherServer));
    assert_eq!(site.events(), [EventKind::Request { firmware: Firmware::Pxe, address: CLIENT }]);
    // Its kernel asks too.
    site.ask(&discover(1).pxe(0));
    site.events();
    assert_eq!(site.send(&request), Err(Discard::OtherServer));
    assert_eq!(site.events(), [EventKind::Request { firmware: Firmware::System, address: CLIENT }]);
}

#[test]
fn boot_server_types_of_others_are_theirs() {
    let mut site = Site::proxy();
    let item = |kind: u8| {
        boot_request(MessageType::Request, 68).pxe(0).option(43, &[71, 4, 0, kind, 0, 0, 255])
    };
    let multicast = core::net::Ipv4Addr::new(224, 0, 1, 2);
    assert_eq!(site.send(&item(5).to(socket(multicast, 4011))), Err(Discard::NotForServer));
    assert_eq!(site.send(&item(5).to(socket(BROADCAST, 4011))), Err(Discard::NotForServer));
    // Who asks us alone means us, and sees the type again.
    let ack = site.ask(&item(5));
    assert_eq!(ack.option(43).unwrap(), [6, 1, 8, 71, 4, 0, 5, 0, 0, 255]);
    assert_eq!(ack.file(), "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe");
}

#[test]
fn without_a_program_there_is_no_offer_but_an_event() {
    let mut site = Site::proxy();
    site.ask_in_vain(&discover(1).pxe(2));
    assert!(site.events().iter().any(|event| matches!(event, EventKind::NoBootProgram { .. })));
}

#[test]
fn port_4011_is_served_where_we_give_addresses_too() {
    let mut site = Site::new();
    let ack = site.ask(&boot_request(MessageType::Request, 4011).pxe(7));
    assert_eq!(ack.file(), "node/52-54-00-00-00-01.7/ipxe/snponly.efi");
    assert_eq!(site.server.leases().count(), 0);
}

//! Menus of PXE firmware and the boot servers behind them (PXE 2.1).

use std::vec;

use super::kit::*;
use crate::engine::Discard;
use crate::view::{BootService, BootTarget, Menu};
use crate::wire::dhcp4::MessageType;
use core::net::Ipv4Addr;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);

fn menu() -> Menu {
    let service = |kind, text: &str, target| BootService { kind, text: text.into(), target };
    Menu {
        prompt: "F8".into(),
        timeout_s: 10,
        services: vec![
            service(0, "disk", BootTarget::Local),
            service(0x8000, "own", BootTarget::Own),
            service(0x8001, "tool", BootTarget::File("tools/memtest.0".into())),
            service(2, "else", BootTarget::Servers(vec![host(9)])),
        ],
        broadcast: false,
        multicast: None,
    }
}

fn site(mut site: Site) -> Site {
    site.view.menu = Some(menu());
    site
}

/// Boot server discovery of one type.
fn discovery(kind: u16, layer: u16) -> Ask {
    let [high, low] = kind.to_be_bytes();
    let [first, second] = layer.to_be_bytes();
    let mut ask = ask(MessageType::Request, 1).pxe(0).ciaddr(CLIENT);
    ask.source = socket(CLIENT, 68);
    ask.option(43, &[71, 4, high, low, first, second, 255]).to(socket(SERVER, 4011))
}

#[test]
fn the_menu_stands_in_offer_and_ack_in_the_place_of_a_file() {
    let expected = [
        &[6, 1, 7][..],
        // Servers of each type that is not the local disk, in one sub-option.
        &[8, 21, 0x80, 0, 1, 10, 0, 0, 1, 0x80, 1, 1, 10, 0, 0, 1, 0, 2, 1, 10, 0, 0, 9],
        &[9, 27, 0, 0, 4],
        b"disk",
        &[0x80, 0, 3],
        b"own",
        &[0x80, 1, 4],
        b"tool",
        &[0, 2, 4],
        b"else",
        &[10, 3, 10],
        b"F8",
        &[255],
    ]
    .concat();
    let mut server = site(Site::new());
    let offer = server.ask(&discover(1).pxe(7));
    let ack = server.ask(&select(&discover(1).pxe(7), &offer));
    let proxy_offer = site(Site::proxy()).ask(&discover(1).pxe(0));
    for reply in [offer, ack, proxy_offer] {
        assert_eq!(reply.option(43).unwrap(), expected);
        assert_eq!((reply.file().as_str(), reply.option(67)), ("", None));
        assert_eq!((reply.text(60).unwrap().as_str(), reply.siaddr()), ("PXEClient", SERVER));
    }
    server.view.menu.as_mut().unwrap().broadcast = true;
    assert_eq!(server.ask(&discover(1).pxe(0)).option(43).unwrap()[..3], [6, 1, 6]);
    server.view.menu.as_mut().unwrap().multicast = Some(Ipv4Addr::new(224, 0, 1, 2));
    let options = server.ask(&discover(1).pxe(0)).option(43).unwrap();
    assert_eq!(options[..9], [6, 1, 4, 7, 4, 224, 0, 1, 2]);
}

#[test]
fn no_menu_for_who_cannot_show_one() {
    // iPXE, HTTP Boot and Pis have their own ways; UEFI beside another server asks on port 4011.
    for (mut site, ask) in [
        (site(Site::new()), discover(1).ipxe(0)),
        (site(Site::new()), discover(1).http_boot(16)),
        (site(Site::proxy()), discover(1).pxe(7)),
    ] {
        let reply = site.ask(&ask);
        assert_eq!(reply.option(43), None, "{:?}", ask.options);
    }
}

#[test]
fn a_choice_gets_its_file_and_sees_its_type_again() {
    let own = "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe";
    for mut site in [site(Site::new()), site(Site::proxy())] {
        for (kind, file) in [(0x8000, own), (0x8001, "tools/memtest.0"), (0, own)] {
            let ack = site.ask(&discovery(kind, 0));
            assert_eq!((ack.kind(), ack.file().as_str()), (MessageType::Ack, file));
            let [high, low] = kind.to_be_bytes();
            assert_eq!(ack.option(43).unwrap(), [6, 1, 8, 71, 4, high, low, 0, 0, 255]);
            assert_eq!((ack.siaddr(), ack.to), (SERVER, socket(CLIENT, 68)));
            assert_eq!((ack.yiaddr(), ack.ciaddr()), (ANY, CLIENT));
        }
    }
}

#[test]
fn a_boot_server_is_found_by_unicast_multicast_and_broadcast() {
    for to in [
        socket(SERVER, 4011),
        socket(Ipv4Addr::new(239, 1, 2, 3), 4011),
        socket(BROADCAST, 4011),
        socket(BROADCAST, 67),
    ] {
        for mut site in [site(Site::new()), site(Site::proxy())] {
            let ack = site.ask(&discovery(0x8001, 0).to(to));
            assert_eq!((ack.file().as_str(), ack.from.port()), ("tools/memtest.0", to.port()));
        }
    }
}

#[test]
fn types_that_are_in_no_menu_of_ours_are_left_alone() {
    // Unknown, another server's, and one that asks for credentials.
    for (kind, layer) in [(5, 0), (2, 0), (0x8001, 0x8000)] {
        for to in [socket(SERVER, 4011), socket(BROADCAST, 67)] {
            let sent = site(Site::new()).send(&discovery(kind, layer).to(to));
            assert_eq!(sent, Err(Discard::NotForServer), "{kind} {layer} {to}");
        }
    }
    // Unless we are one of the other servers.
    let mut listed = site(Site::new());
    let servers = vec![host(9), SERVER];
    listed.view.menu.as_mut().unwrap().services[3].target = BootTarget::Servers(servers);
    listed.ask(&discovery(2, 0));
    // Without a menu nobody was told of any type.
    let broadcast = discovery(0x8001, 0).to(socket(BROADCAST, 67));
    assert_eq!(Site::new().send(&broadcast), Err(Discard::NotForServer));
}

#[test]
fn ipxe_finds_the_type_in_the_answer_too() {
    let mut site = site(Site::new());
    site.ask(&discover(1).ipxe(0));
    let bare = discovery(0x8001, 0).without(93).option(60, b"PXEClient");
    let ack = site.ask(&bare);
    assert_eq!(ack.option(43).unwrap(), [71, 4, 0x80, 1, 0, 0, 255]);
    assert_eq!(ack.file(), "tools/memtest.0");
}

#[test]
fn a_menu_must_fit_into_its_option() {
    assert_eq!(menu().check(), Ok(()));
    let mut long = menu();
    long.services[0].text = "x".repeat(200).into();
    assert!(long.check().is_err());
}

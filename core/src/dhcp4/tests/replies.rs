//! The form of replies: sizes, order, echoes, and where they go.

use super::kit::*;
use crate::view::MachineKey;
use crate::wire::dhcp4::MessageType;

#[test]
fn unknown_clients_get_no_more_than_548_bytes() {
    let mut site = Site::new();
    site.view.networks.edit()[0].dns = (0..60).map(host).collect();
    site.view.networks.edit()[0].ntp = (0..60).map(host).collect();
    let long = discover(1).pxe(7).option(61, &[7; 200]).option(55, &[42, 15]);
    for (size, limit) in [
        (None, 548),
        (Some(0u16), 548),
        (Some(576), 548),
        (Some(1000), 972),
        (Some(1472), 1444),
        (Some(1500), 1472),
        (Some(65535), 1472),
    ] {
        let ask = match size {
            None => long.clone().without(57),
            Some(size) => long.clone().option(57, &size.to_be_bytes()),
        };
        let reply = site.ask(&ask);
        let len = reply.message.len();
        assert!(len <= limit, "{len} bytes for {size:?}");
        // What it cannot do without is there at any size, whole.
        assert_eq!(reply.option(1).unwrap().len(), 4);
        assert_eq!(reply.option(43).unwrap(), [6, 1, 8, 255]);
        assert_eq!(reply.option(61).unwrap(), [7; 200]);
        assert!(reply.option(67).is_some());
    }
}

#[test]
fn short_replies_are_padded_to_300_bytes() {
    let mut site = Site::new();
    site.view.networks.edit()[0].routers.clear();
    site.view.networks.edit()[0].dns.clear();
    assert_eq!(site.ask(&discover(1)).message.len(), 300);
    let nak = site.ask(&ask(MessageType::Request, 1).option(50, &[1, 2, 3, 4]));
    assert_eq!((nak.kind(), nak.message.len()), (MessageType::Nak, 300));
}

#[test]
fn what_the_client_sent_comes_back() {
    let mut site = Site::new();
    let mut ask = discover(1).option(61, b"\x01id").xid(0xdead_beef).broadcast();
    // klibc compares all 16 bytes.
    ask.header.chaddr[6..].copy_from_slice(b"padding...");
    ask.header.set_secs(7);
    let reply = site.ask(&ask);
    let sent = ask.bytes();
    for (what, range) in
        [("htype, hlen", 1..3), ("xid", 4..8), ("flags", 10..12), ("chaddr", 28..44)]
    {
        assert_eq!(reply.message[range.clone()], sent[range], "{what}");
    }
    assert_eq!(reply.message[3], 0, "hops");
    assert_eq!(reply.option(61).unwrap(), b"\x01id");
    assert!(reply.message[44..108].iter().all(|byte| *byte == 0), "sname");
}

#[test]
fn options_stand_in_the_order_that_old_clients_want_and_never_twice() {
    let mut site = Site::new();
    for ask in [
        discover(1),
        discover(2).pxe(0),
        discover(3).ipxe(7).option(61, b"\x01x"),
        discover(4).http_boot(16).option(82, &[1, 1, 5]),
    ] {
        let codes = site.ask(&ask).codes();
        assert_eq!(codes[..2], [53, 54]);
        assert!(!codes.contains(&52), "no overload");
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), codes.len(), "{codes:?}");
        if ask.options.iter().any(|(code, _)| *code == 82) {
            assert_eq!(codes.last(), Some(&82));
        }
    }
}

#[test]
fn the_parameter_list_decides_on_what_is_not_essential() {
    let mut view = view();
    reserve(&mut view, MachineKey::Mac(mac(1)), host(50));
    let mut site = Site::with(view);
    let plain = site.ask(&discover(1));
    assert_eq!([12, 15, 28, 42].map(|code| plain.option(code)), [const { None }; 4]);
    let asked = site.ask(&discover(1).option(55, &[12, 15, 28, 42, 66, 150]));
    assert_eq!(asked.text(12).unwrap(), "n0017");
    assert_eq!(asked.text(15).unwrap(), "example.org");
    assert_eq!(asked.option(28).unwrap(), host(255).octets());
    assert_eq!(asked.option(42).unwrap(), host(123).octets());
    assert_eq!([66, 150].map(|code| asked.option(code)), [None, None], "it does not boot");
    let boots = site.ask(&discover(1).pxe(0).option(55, &[66, 150]));
    assert_eq!(boots.text(66).unwrap(), "10.0.0.1");
    assert_eq!(boots.option(150).unwrap(), SERVER.octets());
    // One byte of the list of UEFI HTTP Boot is random: boot options do not depend on it.
    let boots = site.ask(&discover(1).http_boot(16).option(55, &[1, 3]));
    assert!(boots.option(67).is_some() && boots.option(60).is_some());
}

#[test]
fn a_name_that_is_none_is_not_handed_out() {
    for name in ["", "bad name", "a..b", "${x}", &"x".repeat(64)] {
        let mut view = view();
        let machine = crate::view::Machine { hostname: Some(name.into()), ..Default::default() };
        view.machines.insert(&[MachineKey::Mac(mac(1))], machine).unwrap();
        let reply = Site::with(view).ask(&discover(1).option(55, &[12]));
        assert_eq!(reply.option(12), None, "{name:?}");
    }
}

#[test]
fn replies_go_where_rfc_2131_says() {
    // A client without an address is reached by its station alone.
    let mut site = Site::new();
    let offer = site.ask(&discover(1));
    assert!(offer.is_link_to(mac(1)));
    assert_eq!((offer.from, offer.to), (socket(SERVER, 67), socket(host(100), 68)));
    // Unless it says that it cannot hear that.
    let offer = site.ask(&discover(1).broadcast());
    assert_eq!((offer.from, offer.to), (socket(SERVER, 67), socket(BROADCAST, 68)));
    // Or we may not send frames.
    site.view.interfaces[0].link_unicast = false;
    assert_eq!(site.ask(&discover(1)).to, socket(BROADCAST, 68));
    site.view.interfaces[0].link_unicast = true;
    // A client with an address is reached by it; one whose address is wrong by broadcast.
    let address = site.lease(1);
    let renew = ask(MessageType::Request, 1).ciaddr(address).broadcast();
    assert_eq!(site.ask(&renew).to, socket(address, 68));
    let wrong = ask(MessageType::Request, 2).ciaddr(address);
    let nak = site.ask(&wrong);
    assert_eq!((nak.kind(), nak.to), (MessageType::Nak, socket(BROADCAST, 68)));
    // An INFORM that leaves out its address.
    let inform = ask(MessageType::Inform, 3).from(socket(host(20), 68));
    assert_eq!(site.ask(&inform).to, socket(host(20), 68));
}

#[test]
fn split_options_are_joined() {
    let mut site = Site::new();
    let class = b"PXEClient:Arch:00007:UNDI:003001";
    let mut ask = discover(1).pxe(7).without(60);
    for part in class.chunks(10) {
        ask.options.push((60, part.to_vec()));
    }
    assert_eq!(site.ask(&ask).text(60).unwrap(), "PXEClient");
}

#[test]
fn padding_may_make_a_request_longer_than_we_keep() {
    let mut site = Site::new();
    let ask = discover(1);
    let mut payload = ask.bytes();
    payload.resize(1472, 0);
    assert_eq!(site.send_bytes(&ask, &payload), Ok(()));
    assert_eq!(Reply::read(site.poll().unwrap()).yiaddr(), host(100));
    *payload.last_mut().unwrap() = 1;
    assert_eq!(site.send_bytes(&ask, &payload), Err(crate::engine::Discard::Malformed));
}

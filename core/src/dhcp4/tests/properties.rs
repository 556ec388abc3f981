//! Whatever comes in: nothing panics, and what goes out is well formed.

use std::vec::Vec;

use proptest::prelude::*;

use super::kit::*;
use crate::engine::Route;
use crate::wire::dhcp4::MessageType;

fn message_type() -> impl Strategy<Value = MessageType> {
    prop_oneof![
        4 => Just(MessageType::Discover),
        4 => Just(MessageType::Request),
        1 => Just(MessageType::Inform),
        1 => Just(MessageType::Decline),
        1 => Just(MessageType::Release),
    ]
}

/// Options that the engine looks at, with values that are nearly right.
fn option() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let bytes = |range| proptest::collection::vec(any::<u8>(), range);
    prop_oneof![
        (Just(50), (95u8..115).prop_map(|last| host(last).octets().to_vec())),
        (Just(54), (0u8..3).prop_map(|last| host(last).octets().to_vec())),
        (Just(55), bytes(1..40)),
        (Just(57), any::<u16>().prop_map(|size| size.to_be_bytes().to_vec())),
        (
            Just(60),
            (0u16..12).prop_map(|arch| {
                std::format!("PXEClient:Arch:{arch:05}:UNDI:003001").into_bytes()
            })
        ),
        (Just(60), Just(b"HTTPClient".to_vec())),
        (Just(61), bytes(1..255)),
        (Just(77), Just(b"iPXE".to_vec())),
        (Just(82), bytes(1..255)),
        (Just(82), Just(std::vec![1, 2, 3, 4])),
        (Just(93), (0u16..42).prop_map(|arch| arch.to_be_bytes().to_vec())),
        (Just(97), bytes(1..20)),
        (
            any::<u8>().prop_filter("no framing", |code| !matches!(code, 0 | 52 | 53 | 255)),
            bytes(1..60)
        ),
    ]
}

prop_compose! {
    fn any_ask()(
        kind in message_type(),
        last in 1u8..16,
        options in proptest::collection::vec(option(), 0..6),
        broadcast in any::<bool>(),
        ciaddr in proptest::option::weighted(0.2, 95u8..115),
        giaddr in proptest::option::weighted(0.2, 1u8..4),
        at_pxe_port in proptest::bool::weighted(0.2),
    ) -> Ask {
        let mut ask = ask(kind, last);
        for (code, data) in options {
            ask = ask.option(code, &data);
        }
        if broadcast {
            ask = ask.broadcast();
        }
        if let Some(last) = ciaddr {
            ask = ask.ciaddr(host(last));
        }
        if let Some(net) = giaddr {
            ask = ask.giaddr(core::net::Ipv4Addr::new(10, net, 0, 1));
        }
        ask.to(socket(BROADCAST, if at_pxe_port { 4011 } else { 67 }))
    }
}

fn any_site(proxy: bool) -> Site {
    let mut site = if proxy { Site::proxy() } else { Site::new() };
    let mut relayed = site.view.networks[0].clone();
    relayed.subnet.address = core::net::Ipv4Addr::new(10, 1, 0, 0);
    relayed.relays = std::vec![core::net::Ipv4Addr::new(10, 1, 0, 1).into()];
    site.view.networks.push(relayed);
    site
}

/// What holds for every reply to `ask`, beside what [`Reply::read`] checks.
fn check(ask: &Ask, sent: Sent) {
    let is_link = matches!(sent.route, Route::Link { .. });
    let reply = Reply::read(sent);
    let limit = ask
        .options
        .iter()
        .find(|(code, _)| *code == 57)
        .map_or(548, |(_, size)| usize::from(u16::from_be_bytes([size[0], size[1]])).max(576) - 28)
        .min(1472);
    assert!(reply.message.len() <= limit, "{} bytes of {limit}", reply.message.len());
    let codes = reply.codes();
    assert_eq!(codes[..2], [53, 54]);
    let mut once = codes.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), codes.len(), "{codes:?}");
    if let Some(at) = codes.iter().position(|code| *code == 82) {
        assert_eq!(at, codes.len() - 1, "82 is last");
    }
    let sent = ask.bytes();
    assert_eq!(reply.message[4..8], sent[4..8], "xid");
    assert_eq!(reply.message[24..44], sent[24..44], "giaddr and chaddr");
    if matches!(reply.kind(), MessageType::Offer | MessageType::Ack)
        && !reply.yiaddr().is_unspecified()
    {
        assert_eq!(reply.option(1).unwrap().len(), 4);
        assert_eq!(reply.option(51).unwrap().len(), 4);
    }
    // A frame goes to a station that has no address but the one it is told.
    if is_link {
        assert_eq!((*reply.to.ip(), ask.header.ciaddr()), (reply.yiaddr(), ANY));
        assert!(!reply.yiaddr().is_unspecified() && !ask.header.is_broadcast());
    }
}

proptest! {
    #[test]
    fn replies_are_well_formed(
        asks in proptest::collection::vec(any_ask(), 1..30),
        proxy in any::<bool>(),
    ) {
        let mut site = any_site(proxy);
        for ask in asks {
            if site.send(&ask).is_ok() {
                while let Some(sent) = site.poll() {
                    check(&ask, sent);
                }
            }
        }
    }

    #[test]
    fn no_bytes_panic(payload in proptest::collection::vec(any::<u8>(), 0..1500), at in 236usize..300) {
        let mut site = any_site(false);
        let frame = discover(1);
        // Garbage of any length, and garbage behind a header that is right.
        let _garbage = site.send_bytes(&frame, &payload);
        let mut mixed = frame.bytes();
        mixed.truncate(at.min(mixed.len()));
        mixed.extend_from_slice(&payload[..payload.len().min(600)]);
        let _mixed = site.send_bytes(&frame, &mixed);
        while site.poll().is_some() {}
        let _frame = site.frame(mac(1), false, &payload);
    }
}

//! Clauses of the RFCs on DHCP, each as a table; `docs/PROTOCOLS.md` lists them.

use core::net::Ipv4Addr;
use std::vec;
use std::vec::Vec;

use super::kit::*;
use crate::engine::Discard;
use crate::view::{MachineKey, Pool, Subnet};
use crate::wire::dhcp4::MessageType;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// The site with a network behind a relay agent.
fn relayed() -> Site {
    let mut view = view();
    let mut network = view.networks[0].clone();
    network.subnet = Subnet { address: Ipv4Addr::new(10, 1, 0, 0), prefix_len: 24 };
    network.pools[0] = Pool::new(Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(10, 1, 0, 20));
    network.relays = vec![RELAY.into()];
    view.networks.push(network);
    Site::with(view)
}

/// The five replies of a server, each with the message that it answers.
fn replies(site: &mut Site, like: impl Fn(Ask) -> Ask) -> [(&'static str, Ask, Reply); 5] {
    let discover = like(discover(1));
    let offer = site.ask(&discover);
    let request = select(&discover, &offer);
    let ack = site.ask(&request);
    let renew = like(ask(MessageType::Request, 1).ciaddr(ack.yiaddr())).xid(77);
    let renewed = site.ask(&renew);
    let wrong = like(ask(MessageType::Request, 1).option(50, &[1, 2, 3, 4])).xid(78);
    let nak = site.ask(&wrong);
    let inform = like(ask(MessageType::Inform, 1).ciaddr(ack.yiaddr())).xid(79);
    let informed = site.ask(&inform);
    [
        ("OFFER", discover, offer),
        ("ACK", request, ack),
        ("ACK of a renewal", renew, renewed),
        ("NAK", wrong, nak),
        ("ACK to INFORM", inform, informed),
    ]
}

#[test]
fn fields_of_replies_are_those_of_table_3() {
    let mut site = Site::new();
    for (name, ask, reply) in replies(&mut site, |mut ask| {
        ask.header.set_secs(9);
        ask.header.hops = 3;
        ask.header.chaddr[6..].copy_from_slice(b"0123456789");
        ask
    }) {
        let (sent, message) = (ask.bytes(), &reply.message);
        // op, htype, hlen, hops, xid, secs, flags.
        assert_eq!(message[..4], [2, 1, 6, 0], "{name}");
        assert_eq!(message[4..8], sent[4..8], "{name}");
        assert_eq!(message[8..10], [0, 0], "{name}");
        assert_eq!(message[10..12], sent[10..12], "{name}");
        let ciaddr = match name {
            "OFFER" | "NAK" => ANY,
            _ => ask.header.ciaddr(),
        };
        assert_eq!(reply.ciaddr(), ciaddr, "{name}");
        let yiaddr = match name {
            "NAK" | "ACK to INFORM" => ANY,
            _ => host(100),
        };
        assert_eq!(reply.yiaddr(), yiaddr, "{name}");
        assert_eq!((reply.siaddr(), reply.giaddr()), (ANY, ANY), "{name}");
        assert_eq!(message[28..44], sent[28..44], "{name}: chaddr");
        assert!(message[44..236].iter().all(|byte| *byte == 0), "{name}: sname and file");
    }
}

#[test]
fn options_of_replies_are_those_of_table_3() {
    // What each kind of reply must have (+) and must not have (-).
    let table: [(&str, &[u8], &[u8]); 5] = [
        ("OFFER", &[51, 53, 54], &[50, 52, 55, 56, 57]),
        ("ACK", &[51, 53, 54], &[50, 52, 55, 56, 57]),
        ("ACK of a renewal", &[51, 53, 54], &[50, 52, 55, 56, 57]),
        ("NAK", &[53, 54, 56], &[1, 3, 6, 50, 51, 52, 55, 57, 58, 59, 60, 66, 67]),
        ("ACK to INFORM", &[53, 54], &[50, 51, 52, 55, 57, 58, 59]),
    ];
    let like = |ask: Ask| {
        ask.option(55, &[1, 3, 6, 12, 15]).option(57, &1400u16.to_be_bytes()).option(61, b"\x01id")
    };
    let replies = replies(&mut Site::new(), like);
    for ((name, with, without), (same, _, reply)) in table.into_iter().zip(replies) {
        assert_eq!(name, same);
        let codes = reply.codes();
        assert!(with.iter().all(|code| codes.contains(code)), "{name}: {codes:?}");
        assert!(!without.iter().any(|code| codes.contains(code)), "{name}: {codes:?}");
        // RFC 6842 §3: the identifier comes back in every reply.
        assert_eq!(reply.option(61).unwrap(), b"\x01id", "{name}");
    }
}

#[test]
fn requests_are_told_apart_by_what_they_fill_in() {
    use MessageType::{Ack, Nak};
    let mine = host(100);
    // (54, 50, ciaddr) of RFC 2131 table 4; what a client with a lease gets, and one without.
    let table = [
        ("SELECTING", Some(SERVER), Some(mine), ANY, Some(Ack), Some(Nak)),
        ("SELECTING, another address", Some(SERVER), Some(host(20)), ANY, Some(Nak), Some(Nak)),
        ("INIT-REBOOT", None, Some(mine), ANY, Some(Ack), Some(Nak)),
        ("INIT-REBOOT, elsewhere", None, Some(RELAY), ANY, Some(Nak), Some(Nak)),
        ("RENEWING", None, None, mine, Some(Ack), Some(Nak)),
        ("REBINDING, elsewhere", None, None, RELAY, Some(Nak), Some(Nak)),
        ("nothing", None, None, ANY, None, None),
    ];
    for (name, server, wanted, ciaddr, known, unknown) in table {
        for (last, expected) in [(1, known), (2, unknown)] {
            let mut site = Site::new();
            site.lease(1);
            let mut ask = ask(MessageType::Request, last);
            if let Some(server) = server {
                ask = ask.option(54, &server.octets());
            }
            if let Some(wanted) = wanted {
                ask = ask.option(50, &wanted.octets());
            }
            if !ciaddr.is_unspecified() {
                ask.header.set_ciaddr(ciaddr);
            }
            assert_eq!(site.send(&ask), Ok(()), "{name}");
            let reply = site.poll().map(|sent| Reply::read(sent).kind());
            assert_eq!(reply, expected, "{name}, client {last}");
        }
    }
}

#[test]
fn seconds_hops_and_unknown_flags_decide_nothing() {
    for (secs, hops, flag) in [(0, 0, false), (1, 0, true), (u16::MAX, 16, false), (5, 255, true)] {
        let mut ask = discover(1);
        ask.header.set_secs(secs);
        ask.header.hops = hops;
        let mut bytes = ask.bytes();
        // All flags but the one for broadcast are reserved; they come back as they were.
        bytes[10..12].copy_from_slice(&[0x7f * u8::from(flag), 0xff * u8::from(flag)]);
        let reply = Site::new().ask_bytes(&ask, &bytes);
        assert_eq!(reply.yiaddr(), host(100));
        assert!(reply.is_link_to(mac(1)));
        assert_eq!(reply.message[10..12], bytes[10..12]);
    }
}

#[test]
fn options_in_overloaded_fields_are_read() {
    // Option 50 in `file`, 61 in `sname`, in pieces (RFC 2131 §4.1, RFC 3396 §5).
    let ask = discover(1).option(52, &[3]).option(61, b"\x01");
    let mut bytes = ask.bytes();
    bytes[108..115].copy_from_slice(&[50, 4, 10, 0, 0, 105, 255]);
    bytes[44..49].copy_from_slice(&[61, 2, b'i', b'd', 255]);
    let reply = Site::new().ask_bytes(&ask, &bytes);
    assert_eq!(reply.yiaddr(), host(105));
    assert_eq!(reply.option(61).unwrap(), b"\x01id");
    assert_eq!(reply.option(52), None);
}

#[test]
fn every_sub_option_of_82_comes_back() {
    // Circuit, remote, class, link, subscriber, RADIUS, authentication, vendor, flags, server-id,
    // relay id, port, VSS and its control, and one that nobody knows.
    for sub in [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 19, 151, 152, 200] {
        let data: &[u8] = match sub {
            5 => &[10, 1, 0, 0],
            11 => &[10, 1, 0, 1],
            19 | 152 => &[],
            _ => b"\x00data",
        };
        let len = u8::try_from(data.len()).unwrap();
        let information = [&[sub, len], data, &[99, 1, 7]].concat();
        let mut site = relayed();
        for (name, _, reply) in replies(&mut site, |ask| ask.giaddr(RELAY).option(82, &information))
        {
            assert_eq!(reply.option(82).unwrap(), information, "{sub} in {name}");
            assert_eq!(reply.codes().last(), Some(&82), "{sub} in {name}");
            assert_eq!(reply.giaddr(), RELAY, "{sub} in {name}");
        }
    }
}

#[test]
fn a_relay_agent_hears_at_the_port_that_it_sends_from_if_it_says_so() {
    // Sub-option 19 of RFC 8357; without a relay agent it means nothing.
    for (information, port) in
        [(&[19, 0][..], 40_000), (&[1, 1, 7], 67), (&[1, 1, 7, 19, 0], 40_000)]
    {
        let like = |ask: Ask| ask.giaddr(RELAY).option(82, information).from(socket(RELAY, 40_000));
        for (name, _, reply) in replies(&mut relayed(), like) {
            assert_eq!(reply.to, socket(RELAY, port), "{name}");
        }
    }
    let plain = Site::new().ask(&discover(1).option(82, &[19, 0]).from(socket(ANY, 1068)));
    assert_eq!(plain.to.port(), 68);
}

#[test]
fn a_chosen_subnet_is_named_again() {
    let subnet = [10, 1, 0, 0];
    let like = |ask: Ask| ask.giaddr(RELAY).option(118, &subnet);
    for (name, _, reply) in replies(&mut relayed(), like) {
        let told = (name != "NAK").then(|| subnet.to_vec());
        assert_eq!(reply.option(118), told, "{name}");
    }
    let elsewhere = discover(1).giaddr(RELAY).option(118, &[10, 9, 0, 0]);
    assert_eq!(relayed().send(&elsewhere), Err(Discard::UnknownNetwork));
}

#[test]
fn the_clients_domain_name_is_answered() {
    let mut view = view();
    reserve(&mut view, MachineKey::Mac(mac(2)), host(50));
    let mut site = Site::with(view);
    // (client, option 81 as sent, as answered): never by us (N), overridden if it wanted us to (O).
    for (last, asked, told) in [
        (1, &b"\x00\0\0pc"[..], Some(&b"\x08\xff\xffpc.example.org"[..])),
        (1, b"\x01\0\0pc.home", Some(b"\x0a\xff\xffpc.example.org")),
        (1, b"\x05\0\0\x02pc\0", Some(b"\x0e\xff\xff\x02pc\x07example\x03org\0")),
        (2, b"\x01\0\0pc", Some(b"\x0a\xff\xffn0017.example.org")),
        (1, b"\x01\0\0$(reboot)", Some(b"\x0a\xff\xffreboot.example.org")),
        (1, b"\x01\0\0", None),
        (1, b"\x01\0", None),
    ] {
        let offer = site.ask(&discover(last).option(81, asked));
        let ack = site.ask(&select(&discover(last).option(81, asked), &offer));
        for reply in [offer, ack] {
            assert_eq!(reply.option(81).as_deref(), told, "{asked:?}");
        }
    }
    // Nobody gets the option who did not send it, whatever it asks for.
    assert_eq!(site.ask(&discover(3).option(55, &[81])).option(81), None);
}

#[test]
fn what_only_servers_or_lease_queries_say_is_not_answered() {
    use MessageType as M;
    for kind in [
        M::Offer,
        M::Ack,
        M::Nak,
        // RFC 3203, RFC 4388, RFC 6926, RFC 7724.
        M::ForceRenew,
        M::LeaseQuery,
        M::LeaseUnassigned,
        M::LeaseUnknown,
        M::LeaseActive,
        M::BulkLeaseQuery,
        M::LeaseQueryDone,
        M::ActiveLeaseQuery,
        M::LeaseQueryStatus,
        M::Tls,
    ] {
        assert_eq!(Site::new().send(&ask(kind, 1)), Err(Discard::NotForServer), "{kind:?}");
    }
}

#[test]
fn options_that_ask_for_more_than_we_give_change_nothing() {
    let plain = Site::new().ask(&discover(1));
    for (what, code, data) in [
        ("rapid commit (RFC 4039 §3.1: a server may)", 80, &[][..]),
        ("vendor classes of enterprises unknown to us", 124, &[0, 0, 1, 55, 2, 1, 0]),
        ("vendor options of enterprises unknown to us", 125, &[0, 0, 1, 55, 2, 1, 0]),
        ("the same, cut off", 125, &[0, 0, 1, 55, 9, 1]),
        ("network interface (RFC 4578 §2.2)", 94, &[1, 3, 16]),
        ("forcerenew nonce (RFC 6704)", 145, &[1]),
        ("a name server for us", 6, &[9, 9, 9, 9]),
        ("configuration by itself where there is an address (RFC 2563)", 116, &[1]),
        ("the same, off", 116, &[0]),
        ("an option without a meaning", 222, &[1, 2, 3]),
    ] {
        let ask = discover(1).option(code, data);
        let reply = Site::new().ask(&ask);
        assert_eq!(reply.codes(), plain.codes(), "{what}");
        assert_eq!(reply.yiaddr(), plain.yiaddr(), "{what}");
    }
}

#[test]
fn identifiers_of_every_kind_come_back_and_choose_no_other_address() {
    let ids: Vec<Vec<u8>> = vec![
        vec![1, 0x52, 0x54, 0, 0, 0, 1],
        // RFC 4361 §6.1: IAID and DUID by link-layer address and time, by vendor, by UUID.
        [&[255, 0, 0, 0, 1, 0, 1][..], &[0, 1, 1, 2, 3, 4, 5, 6]].concat(),
        [&[255, 0, 0, 0, 1, 0, 2][..], &[0, 0, 1, 55, 9, 9]].concat(),
        [&[255, 0, 0, 0, 1, 0, 4][..], &[7; 16]].concat(),
        vec![0, 0],
        b"\0text".to_vec(),
        vec![9; 255],
    ];
    let mut site = Site::new();
    for id in ids {
        let reply = site.ask(&discover(1).option(61, &id));
        assert_eq!(reply.option(61).unwrap(), id);
        assert_eq!(reply.yiaddr(), host(100));
    }
}

#[test]
fn another_servers_offer_taken_another_servers_address_left() {
    // RFC 2131 §4.3.2: REQUEST, §4.3.3: DECLINE, §4.3.4: RELEASE, each with an option 54.
    for kind in [MessageType::Request, MessageType::Decline, MessageType::Release] {
        for (server, expected) in
            [(SERVER, Err(Discard::UnknownSession)), (host(2), Err(Discard::OtherServer))]
        {
            let mut message = ask(kind, 1).option(54, &server.octets());
            message.header.set_ciaddr(host(100));
            message = message.option(50, &host(100).octets());
            let sent = Site::new().send(&message);
            if kind == MessageType::Request && server == SERVER {
                assert_eq!(sent, Ok(()));
            } else {
                assert_eq!(sent, expected, "{kind:?} {server}");
            }
        }
    }
}

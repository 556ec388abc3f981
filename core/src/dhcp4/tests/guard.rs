//! Addresses that others use, servers of others, floods, and pools that run out.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::kit::*;
use crate::dhcp4::LeaseState;
use crate::engine::{Datagram, Discard, Engine, InterfaceId, Packet, Route, SocketId};
use crate::event::{EventKind, PoolLevel};
use crate::limits;
use crate::mac::MacAddr;
use crate::view::{DhcpMode, Pool};
use crate::wire::arp::{self, Arp, Operation};
use crate::wire::dhcp4::{Header, MessageType};
use crate::wire::icmp::{self, Echo};
use crate::wire::{dhcp4_options, ipv4_udp};

const SQUATTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x66]);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 250);

/// A site where offered addresses are asked for.
fn checking() -> Site {
    let mut view = view();
    view.networks.edit()[0].conflict_check = true;
    Site::with(view)
}

/// A site whose clients are behind a relay agent.
fn relayed(pool: u8) -> Site {
    let mut site = checking();
    let mut networks = site.view.networks.edit();
    networks[0].relays = vec![RELAY.into()];
    networks[0].pools = vec![Pool::new(host(100), host(99 + pool))];
    drop(networks);
    site
}

/// A client of a flood.
fn made_up(kind: MessageType, number: u32) -> Ask {
    let [_, b, c, d] = number.to_be_bytes();
    let mut ask = ask(kind, 0);
    ask.header = Header::request(number, MacAddr([2, 7, 7, b, c, d]));
    ask
}

/// The offer to a DISCOVER, whatever else is sent beside it.
fn offer(site: &mut Site, ask: &Ask) -> Option<Reply> {
    site.send(ask).unwrap();
    let offer = site.poll().map(Reply::read);
    while site.poll().is_some() {}
    offer
}

/// The offer, and the address that was asked for beside it.
fn offer_and_probe(site: &mut Site, ask: &Ask) -> (Reply, Option<Ipv4Addr>) {
    site.send(ask).unwrap();
    let offer = Reply::read(site.poll().unwrap());
    let probes = core::iter::from_fn(|| site.poll()).map(|probe| {
        let station = MacAddr::BROADCAST;
        assert_eq!(probe.route, Route::Link { interface: InterfaceId(0), station });
        let arp = arp::parse(&probe.bytes).unwrap();
        assert_eq!(
            (arp.operation, arp.sender, arp.claim()),
            (Operation::Request, SERVER_MAC, None)
        );
        arp.target_address
    });
    // The control, for the address that nobody has, goes before the others.
    let probes: Vec<Ipv4Addr> = probes.skip_while(|address| *address == CONTROL).collect();
    assert!(probes.len() <= 1, "one probe beside one offer: {probes:?}");
    (offer, probes.first().copied())
}

fn claim(site: &mut Site, station: MacAddr, address: Ipv4Addr) -> Result<(), Discard> {
    let mut packet = [0; arp::PACKET_BYTES];
    let reply = Arp {
        operation: Operation::Reply,
        sender: station,
        sender_address: address,
        target: SERVER_MAC,
        target_address: ANY,
    };
    arp::emit(&mut packet, &reply).unwrap();
    site.frame(station, false, &packet)
}

#[test]
fn an_address_is_asked_for_beside_its_offer_and_not_again_for_a_while() {
    let mut site = checking();
    let (first, probe) = offer_and_probe(&mut site, &discover(1));
    assert_eq!(probe, Some(first.yiaddr()));
    assert_eq!(offer_and_probe(&mut site, &discover(1)).1, None);
    assert_eq!(site.ask(&select(&discover(1), &first)).kind(), MessageType::Ack);
    // Its own address needs no question, however long ago the last was.
    site.pass(600);
    assert_eq!(offer_and_probe(&mut site, &discover(1)).1, None);
    // One that was given up long ago does.
    site.pass(3600);
    assert_eq!(offer_and_probe(&mut site, &discover(1)).1, Some(first.yiaddr()));
}

#[test]
fn an_address_that_another_host_uses_is_taken_back_and_rests() {
    let mut site = checking();
    let (first, _) = offer_and_probe(&mut site, &discover(1));
    let address = first.yiaddr();
    site.events();
    assert_eq!(claim(&mut site, SQUATTER, address), Ok(()));
    assert_eq!(site.events(), [EventKind::AddressInUse { address, station: Some(SQUATTER) }]);
    assert_eq!(site.server.guard_counts().conflicts, 1);
    let state = site.server.leases().find(|lease| lease.address == address).unwrap().state();
    assert_eq!(state, LeaseState::Declined { until: site.now + limits::DECLINE_HOLD });
    // Said again it is no news.
    assert_eq!(claim(&mut site, SQUATTER, address), Err(Discard::NotForServer));
    assert_eq!(site.ask(&select(&discover(1), &first)).kind(), MessageType::Nak);
    for last in 1..5 {
        let (other, _) = offer_and_probe(&mut site, &discover(last));
        assert_ne!(other.yiaddr(), address);
    }
}

/// The address of the network itself.
const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

#[test]
fn who_answers_for_everybody_uses_no_address() {
    let mut site = checking();
    let (first, _) = offer_and_probe(&mut site, &discover(1));
    for address in [CONTROL, first.yiaddr()] {
        assert_eq!(claim(&mut site, SQUATTER, address), Err(Discard::NotForServer));
    }
    assert_eq!(site.ask(&select(&discover(1), &first)).kind(), MessageType::Ack);
    // Another station that has one address has it, and the control is not asked for each time.
    let (second, _) = offer_and_probe(&mut site, &discover(2));
    assert_eq!(claim(&mut site, mac(77), second.yiaddr()), Ok(()));
    // Long after, the control is asked for again, and the station is known before its claims.
    site.pass(limits::CONFLICT_FRESH.as_secs() + 1);
    site.send(&discover(3)).unwrap();
    let third = Reply::read(site.poll().unwrap());
    let asked = core::iter::from_fn(|| site.poll())
        .map(|probe| arp::parse(&probe.bytes).unwrap().target_address);
    assert_eq!(asked.collect::<Vec<_>>(), [CONTROL, third.yiaddr()]);
    assert_eq!(claim(&mut site, SQUATTER, third.yiaddr()), Err(Discard::NotForServer));
}

#[test]
fn a_lease_that_was_faster_than_the_answer_ends_at_the_next_request() {
    let mut site = checking();
    let (first, _) = offer_and_probe(&mut site, &discover(1));
    let address = first.yiaddr();
    assert_eq!(site.ask(&select(&discover(1), &first)).kind(), MessageType::Ack);
    assert_eq!(claim(&mut site, SQUATTER, address), Ok(()));
    let renew = ask(MessageType::Request, 1).ciaddr(address).to(socket(SERVER, 67));
    assert_eq!(site.ask(&renew).kind(), MessageType::Nak);
    assert_ne!(offer_and_probe(&mut site, &discover(1)).0.yiaddr(), address);
}

#[test]
fn who_may_use_an_address_takes_it_from_nobody() {
    let mut site = checking();
    let (first, _) = offer_and_probe(&mut site, &discover(1));
    let address = first.yiaddr();
    for (station, claimed) in [
        (mac(1), address),
        (SERVER_MAC, address),
        (MacAddr::BROADCAST, address),
        (SQUATTER, host(109)),
        (SQUATTER, ANY),
    ] {
        let heard = claim(&mut site, station, claimed);
        assert_eq!(heard, Err(Discard::NotForServer), "{station} {claimed}");
    }
    assert_eq!(site.frame(SQUATTER, false, &[0, 1, 8]), Err(Discard::Malformed));
    // Too late: it was free when it was asked for.
    site.now = site.now + limits::CONFLICT_WAIT;
    assert_eq!(claim(&mut site, SQUATTER, address), Err(Discard::NotForServer));
    assert_eq!(site.ask(&select(&discover(1), &first)).yiaddr(), address);
}

#[test]
fn networks_say_whether_addresses_are_asked_for() {
    let mut site = checking();
    site.view.networks.edit()[0].conflict_check = false;
    assert_eq!(offer_and_probe(&mut site, &discover(1)).1, None);
    // Without packet sockets there is no way.
    site.view.networks.edit()[0].conflict_check = true;
    site.view.interfaces[0].link_unicast = false;
    assert_eq!(offer_and_probe(&mut site, &discover(2)).1, None);
}

#[test]
fn probes_wait_for_everybody_and_are_few() {
    let mut site = checking();
    site.view.networks.edit()[0].pools = vec![Pool::new(Ipv4Addr::new(10, 0, 0, 2), host(239))];
    let storm = limits::CONFLICT_PENDING_MAX + 50;
    for number in 0..storm {
        site.send(&made_up(MessageType::Discover, number)).unwrap();
    }
    let sent: Vec<_> = core::iter::from_fn(|| site.poll()).collect();
    let is_probe = |sent: &&Sent| sent.bytes[0] == 0;
    let probes = sent.iter().filter(is_probe).count();
    assert_eq!(probes, limits::CONFLICT_PROBES_WAITING);
    let first = sent.iter().position(|sent| is_probe(&sent)).unwrap();
    assert!(sent[first..].iter().all(|sent| is_probe(&sent)), "probes come last");
    // A second has its number of them.
    let mut site = checking();
    site.view.networks.edit()[0].subnet.prefix_len = 16;
    site.view.networks.edit()[0].pools =
        vec![Pool::new(Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 3, 255))];
    let count = |site: &mut Site, numbers: core::ops::Range<u32>| {
        let mut probes = 0;
        for number in numbers {
            site.send(&made_up(MessageType::Discover, number)).unwrap();
            probes += core::iter::from_fn(|| site.poll()).filter(|sent| is_probe(&sent)).count();
        }
        probes
    };
    let most = limits::CONFLICT_PROBES_PER_SECOND;
    assert_eq!(count(&mut site, 0..most + 20), most as usize);
    site.pass(1);
    assert_eq!(count(&mut site, 500..510), 10);
}

/// Sends DISCOVER through the relay agent; gives the offer and the echo beside it.
fn offer_and_echo(site: &mut Site, ask: &Ask) -> (Reply, Echo) {
    site.send(ask).unwrap();
    let offer = Reply::read(site.poll().unwrap());
    let echo = site.poll().unwrap();
    let expected = Route::Datagram {
        socket: SocketId::ECHO,
        interface: InterfaceId(0),
        source: IpAddr::V4(SERVER),
        destination: SocketAddr::from((offer.yiaddr(), 0)),
    };
    assert_eq!(echo.route, expected);
    (offer, icmp::parse_message(&echo.bytes).unwrap())
}

fn echo_reply(site: &mut Site, from: Ipv4Addr, echo: Echo) -> Result<(), Discard> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    packet.extend(from.octets());
    packet.extend(SERVER.octets());
    packet.extend([0; 8]);
    icmp::emit(&mut packet[20..], Echo { is_reply: true, ..echo }).unwrap();
    let datagram = Datagram {
        socket: SocketId::ECHO,
        interface: InterfaceId(0),
        source: SocketAddr::from((from, 0)),
        destination: SocketAddr::from((SERVER, 0)),
        payload: &packet,
    };
    site.server.handle_input(Packet::Datagram(datagram), site.now, &site.view)
}

#[test]
fn behind_a_relay_agent_an_echo_asks() {
    let mut site = relayed(10);
    let ask = discover(1).giaddr(RELAY);
    let (first, echo) = offer_and_echo(&mut site, &ask);
    let address = first.yiaddr();
    let strange = Echo { identifier: echo.identifier ^ 1, ..echo };
    assert_eq!(echo_reply(&mut site, address, strange), Err(Discard::NotForServer));
    assert_eq!(echo_reply(&mut site, host(109), echo), Err(Discard::NotForServer));
    site.events();
    assert_eq!(echo_reply(&mut site, address, echo), Ok(()));
    assert_eq!(site.events(), [EventKind::AddressInUse { address, station: None }]);
    assert_eq!(site.ask(&select(&ask, &first)).kind(), MessageType::Nak);
    // Who has the address by now may well answer itself.
    let ask = discover(2).giaddr(RELAY);
    let (second, echo) = offer_and_echo(&mut site, &ask);
    assert_ne!(second.yiaddr(), address);
    assert_eq!(site.ask(&select(&ask, &second)).kind(), MessageType::Ack);
    assert_eq!(echo_reply(&mut site, second.yiaddr(), echo), Err(Discard::UnknownSession));
}

/// A reply of another server, as it is seen on the link.
fn reply_of(server: Ipv4Addr, kind: MessageType) -> Vec<u8> {
    let mut buffer = [0; 600];
    let mut header = Header::request(7, mac(1));
    header.op = 2;
    let mut writer =
        dhcp4_options::MessageWriter::new(&mut buffer[ipv4_udp::HEADERS_BYTES..], &header, kind);
    writer.put(54, &server.octets());
    let len = writer.finish().unwrap();
    let len = ipv4_udp::emit(&mut buffer, socket(server, 67), socket(BROADCAST, 68), len).unwrap();
    buffer[..len].to_vec()
}

fn foreign(site: &mut Site) -> Vec<(Ipv4Addr, Option<MacAddr>, Option<Ipv4Addr>)> {
    let events = site.events().into_iter();
    let found = events.filter_map(|event| {
        let EventKind::ForeignServer(found) = event else { return None };
        assert_eq!(found.link.as_str(), "eth0");
        Some((found.server, found.station, found.beside))
    });
    found.collect()
}

#[test]
fn another_server_is_told_once_in_a_while() {
    let mut site = Site::new();
    let choice = ask(MessageType::Request, 1).option(54, &host(9).octets());
    let choice = choice.option(50, &host(77).octets());
    assert_eq!(site.send(&choice), Err(Discard::OtherServer));
    assert_eq!(foreign(&mut site), [(host(9), None, None)]);
    assert_eq!(site.frame(SQUATTER, false, &reply_of(host(9), MessageType::Offer)), Ok(()));
    assert_eq!(foreign(&mut site), []);
    site.pass(600);
    assert_eq!(site.frame(SQUATTER, false, &reply_of(host(9), MessageType::Ack)), Ok(()));
    assert_eq!(foreign(&mut site), [(host(9), Some(SQUATTER), None)]);
    assert_eq!(site.frame(SQUATTER, false, &reply_of(host(8), MessageType::Nak)), Ok(()));
    assert_eq!(foreign(&mut site), [(host(8), Some(SQUATTER), None)]);
    assert_eq!(site.server.guard_counts().foreign_sightings, 4);
}

#[test]
fn what_is_ours_or_no_reply_or_wanted_is_not_told() {
    let mut site = Site::new();
    site.view.networks.edit()[0].other_servers = vec![host(9)];
    let wanted = reply_of(host(9), MessageType::Offer);
    assert_eq!(site.frame(SQUATTER, false, &wanted), Ok(()));
    let ours = reply_of(SERVER, MessageType::Offer);
    assert_eq!(site.frame(SQUATTER, false, &ours), Err(Discard::BadSource));
    let mut theirs = reply_of(host(8), MessageType::Offer);
    // Not summed yet, as between hosts of one machine.
    theirs[26] ^= 1;
    assert_eq!(site.frame(SERVER_MAC, true, &theirs), Err(Discard::BadSource));
    let question = reply_of(host(8), MessageType::Discover);
    assert_eq!(site.frame(SQUATTER, false, &question), Err(Discard::NotForServer));
    for cut in 0..theirs.len() {
        assert!(site.frame(SQUATTER, false, &theirs[..cut]).is_err());
    }
    assert_eq!(foreign(&mut site), []);
}

#[test]
fn beside_a_proxy_one_server_is_wanted_and_two_are_news() {
    let mut site = Site::proxy();
    assert_eq!(site.frame(SQUATTER, false, &reply_of(host(9), MessageType::Offer)), Ok(()));
    assert_eq!(foreign(&mut site), []);
    // The second is known by the choice of a client.
    let choice = ask(MessageType::Request, 1).pxe(7).option(54, &host(8).octets());
    assert_eq!(site.send(&choice), Err(Discard::OtherServer));
    assert_eq!(foreign(&mut site), [(host(8), None, Some(host(9)))]);
}

#[test]
fn servers_made_up_by_the_thousand_are_not_told_by_the_thousand() {
    let mut site = Site::new();
    for number in 0..1000_u16 {
        let server = Ipv4Addr::from(0x0a05_0000 + u32::from(number));
        let choice = ask(MessageType::Request, 1).option(54, &server.octets());
        site.send(&choice).unwrap_err();
    }
    assert_eq!(foreign(&mut site).len(), limits::FOREIGN_SERVERS_MAX);
}

#[test]
fn a_port_that_makes_up_clients_empties_no_pool() {
    let mut site = relayed(50);
    let at = |ask: Ask, port: u8| ask.giaddr(RELAY).option(82, &[1, 2, 0, port]);
    let neighbour = at(discover(1), 9);
    let patient = offer(&mut site, &neighbour).expect("the pool is empty");
    for number in 0..600 {
        let flood = at(made_up(MessageType::Discover, number), 7);
        assert!(offer(&mut site, &flood).is_some());
    }
    let offered = |site: &Site| {
        let is_offered =
            |lease: &&_| matches!(crate::dhcp4::Lease::state(lease), LeaseState::Offered { .. });
        site.server.leases().filter(is_offered).count()
    };
    assert_eq!(offered(&site), 1 + 12, "a quarter of the pool, and the neighbour's");
    assert_eq!(site.server.guard_counts().offers_taken_back, 600 - 12);
    // Those who came before, and those who come now.
    assert_eq!(site.ask(&select(&neighbour, &patient)).yiaddr(), patient.yiaddr());
    for last in 2..30 {
        let ask = at(discover(last), last);
        let offer = offer(&mut site, &ask).expect("an address for other ports");
        assert_eq!(site.ask(&select(&ask, &offer)).yiaddr(), offer.yiaddr());
    }
    // The limit is the operator's to choose.
    let mut site = relayed(50);
    site.view.networks.edit()[0].offers_per_port = Some(3);
    for number in 0..20 {
        offer(&mut site, &at(made_up(MessageType::Discover, number), 7)).unwrap();
    }
    assert_eq!(offered(&site), 3);
}

#[test]
fn an_offer_that_was_taken_back_holds_while_nobody_needs_the_address() {
    let mut site = relayed(50);
    site.view.networks.edit()[0].offers_per_port = Some(1);
    let at = |ask: Ask| ask.giaddr(RELAY).option(82, &[1, 2, 0, 7]);
    let offers: Vec<_> = (1..30)
        .map(|last| {
            let ask = at(discover(last));
            let offer = offer(&mut site, &ask).unwrap();
            (ask, offer)
        })
        .collect();
    for (ask, offer) in offers {
        let ack = site.ask(&select(&ask, &offer));
        assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
    }
}

#[test]
fn a_flood_keeps_nobody_out_for_longer_than_offers_are_alone() {
    let mut site = Site::new();
    let known = site.lease(1);
    for number in 0..1000 {
        offer(&mut site, &made_up(MessageType::Discover, number));
    }
    assert!(offer(&mut site, &discover(2)).is_none(), "offers of this second are not shared");
    let refusals = site.events().into_iter().filter(|event| *event == EventKind::NoAddress);
    assert_eq!(refusals.count(), limits::REFUSALS_TOLD_PER_SECOND as usize);
    site.now = site.now + limits::OFFER_ALONE;
    for number in 1000..2000 {
        offer(&mut site, &made_up(MessageType::Discover, number));
    }
    // Who asks first has it, and nobody else then.
    let promised = offer(&mut site, &discover(2)).expect("a promise");
    site.pass(4);
    for number in 2000..3000 {
        offer(&mut site, &made_up(MessageType::Discover, number));
    }
    let ack = site.ask(&select(&discover(2), &promised));
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, promised.yiaddr()));
    // Who has an address keeps it all the while.
    let renew = ask(MessageType::Request, 1).ciaddr(known).to(socket(SERVER, 67));
    assert_eq!(site.ask(&renew).yiaddr(), known);
    // What was never promised to somebody is not his.
    let mut wrong = select(&discover(3), &promised);
    wrong.header = Header::request(3, mac(3));
    assert_eq!(site.ask(&wrong).kind(), MessageType::Nak);
}

#[test]
fn what_a_raspberry_pi_was_offered_stays_its_own_for_longer() {
    let mut site = Site::new();
    site.view.networks.edit()[0].pools = vec![Pool::new(host(100), host(100))];
    let mut pi = discover(1).option(60, b"PXEClient:Arch:00000:UNDI:002001");
    pi.header = Header::request(1, MacAddr([0xb8, 0x27, 0xeb, 0, 0, 1]));
    assert!(offer(&mut site, &pi).is_some());
    site.now = site.now + limits::OFFER_ALONE;
    assert!(offer(&mut site, &discover(2)).is_none());
    site.now = site.now + limits::OFFER_ALONE_SILENT;
    assert_eq!(offer(&mut site, &discover(2)).unwrap().yiaddr(), host(100));
}

fn levels(site: &mut Site) -> Vec<(PoolLevel, u64)> {
    let events = site.events().into_iter();
    let news = events.filter_map(|event| {
        let EventKind::Pool(usage) = event else { return None };
        usage.is_news.then_some((usage.level, usage.used()))
    });
    news.collect()
}

#[test]
fn a_pool_that_runs_out_says_so_before_and_after() {
    let mut site = Site::new();
    for last in 1..=7 {
        site.lease(last);
    }
    assert_eq!(levels(&mut site), []);
    site.lease(8);
    assert_eq!(levels(&mut site), [(PoolLevel::High, 8)]);
    site.lease(9);
    assert_eq!(levels(&mut site), []);
    site.lease(10);
    assert_eq!(levels(&mut site), [(PoolLevel::Full, 10)]);
    assert!(offer(&mut site, &discover(11)).is_none());
    assert_eq!(levels(&mut site), []);
    // All leases end; who comes next finds room.
    site.pass(7200);
    site.lease(12);
    assert_eq!(levels(&mut site), [(PoolLevel::Normal, 1)]);
}

#[derive(Clone, Debug)]
enum Step {
    Discover { client: u8 },
    Request { client: u8 },
    Flood { first: u32 },
    Claim { last: u8 },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u8..20).prop_map(|client| Step::Discover { client }),
        4 => (1_u8..20).prop_map(|client| Step::Request { client }),
        2 => any::<u16>().prop_map(|first| Step::Flood { first: u32::from(first) }),
        1 => (100_u8..110).prop_map(|last| Step::Claim { last }),
        2 => (1_u64..9).prop_map(|seconds| Step::Pass { seconds }),
        1 => (60_u64..2000).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    /// However many are promised the same address: it is lent to one at a time.
    #[test]
    fn no_address_is_lent_twice(steps in prop::collection::vec(step(), 0..120)) {
        let mut site = checking();
        let mut offers: BTreeMap<u8, Reply> = BTreeMap::new();
        let mut lent: BTreeMap<Ipv4Addr, (u8, crate::time::Instant)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Discover { client } => {
                    offers.remove(&client);
                    if let Some(offer) = offer(&mut site, &discover(client)) {
                        offers.insert(client, offer);
                    }
                }
                Step::Request { client } => {
                    let Some(offer) = offers.remove(&client) else { continue };
                    let address = offer.yiaddr();
                    site.send(&select(&discover(client), &offer)).unwrap();
                    let reply = Reply::read(site.poll().expect("ACK or NAK"));
                    while site.poll().is_some() {}
                    if reply.kind() == MessageType::Ack {
                        let end = site.now + Duration::from_secs(1800);
                        if let Some((other, until)) = lent.insert(address, (client, end)) {
                            prop_assert!(other == client || until <= site.now, "{address}");
                        }
                        lent.retain(|known, (owner, _)| *owner != client || *known == address);
                    }
                }
                Step::Flood { first } => {
                    for number in first..first + 30 {
                        offer(&mut site, &made_up(MessageType::Discover, number));
                    }
                }
                Step::Claim { last } => {
                    // Whose address rests has to ask for another one.
                    if claim(&mut site, SQUATTER, host(last)).is_ok() {
                        lent.remove(&host(last));
                    }
                }
                Step::Pass { seconds } => site.pass(seconds),
            }
        }
    }
}

#[test]
fn only_servers_watch_their_pools() {
    let mut site = Site::proxy();
    assert_eq!(site.view.networks[0].mode, DhcpMode::Proxy);
    site.send(&discover(1).pxe(7)).unwrap();
    while site.poll().is_some() {}
    assert_eq!(levels(&mut site), []);
}

//! RFC 2131 §3.1: a lease is on stable storage before its client hears of it.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::kit::*;
use crate::binding::{Binding, BindingState, ClientId, RestoreError, Ticket};
use crate::dhcp4::{ClientKey, Dhcp4Config, Dhcp4Server, LeaseState};
use crate::engine::{Discard, Engine, OperatorOrder, Output, Packet, StoreAnswer};
use crate::event::EventKind;
use crate::limits;
use crate::text::Text;
use crate::time::Instant;
use crate::view::{DhcpMode, LeaseTerms, MachineKey, Pool, Subnet};
use crate::wire::dhcp4::MessageType;

const LEASE: Duration = Duration::from_secs(1800);

/// A site that keeps its leases, and what it asked its store for.
struct Kept {
    site: Site,
    asked: Vec<Binding>,
}

impl Kept {
    fn new() -> Self {
        let mut site = Site::new();
        site.server = Dhcp4Server::new(config(1024));
        Self { site, asked: Vec::new() }
    }

    /// Lets the engine say all that it has to say.
    fn poll(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut head = vec![0xa5; limits::HEAD_BYTES];
        while let Some(output) =
            self.site.server.poll_output(&mut head, self.site.now, &self.site.view)
        {
            match output {
                Output::Transmit(transmit) => {
                    let bytes = head[..usize::from(transmit.head_len)].to_vec();
                    replies.push(Reply::read(Sent { route: transmit.route, bytes }));
                }
                Output::Persist { ticket, binding } => {
                    self.asked.push(binding);
                    assert_eq!(ticket.0, self.asked.len() as u64, "tickets go up one by one");
                }
                Output::Close(_) => panic!("there are no streams"),
            }
        }
        replies
    }

    /// The replies to a message.
    fn send(&mut self, ask: &Ask) -> Vec<Reply> {
        assert_eq!(self.site.send(ask), Ok(()));
        self.poll()
    }

    fn tell(&mut self, packet: Packet<'_>) -> Vec<Reply> {
        assert_eq!(self.site.server.handle_input(packet, self.site.now, &self.site.view), Ok(()));
        self.poll()
    }

    fn say(&mut self, answer: StoreAnswer) -> Vec<Reply> {
        self.tell(Packet::Store(answer))
    }

    /// The store has everything that it was asked for.
    fn store(&mut self) -> Vec<Reply> {
        self.say(StoreAnswer::Stored(Ticket(self.asked.len() as u64)))
    }

    /// DISCOVER and REQUEST, which waits for the store now.
    fn request(&mut self, last: u8) -> (Ask, Ipv4Addr) {
        let offer = self.send(&discover(last)).pop().expect("an offer");
        let request = select(&discover(last), &offer);
        let asked = self.asked.len();
        assert_eq!(self.send(&request).len(), 0, "no word before it is stored");
        assert_eq!(self.asked.len(), asked + 1);
        (request, offer.yiaddr())
    }

    fn lease(&mut self, last: u8) -> Ipv4Addr {
        let (_, address) = self.request(last);
        let ack = only(self.store());
        assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, address));
        address
    }

    fn state(&self, address: Ipv4Addr) -> LeaseState {
        let mut leases = self.site.server.leases();
        leases.find(|lease| lease.address == address).expect("it is known").state()
    }

    fn last_asked(&self) -> (Ipv4Addr, Option<ClientKey>, BindingState) {
        let binding = self.asked.last().expect("something is asked for");
        (binding.address, binding.client, binding.state)
    }
}

fn config(leases_max: u32) -> Dhcp4Config {
    Dhcp4Config { leases_max, seed: 1, identifier_key: [7; 16], durable: true }
}

fn only(mut replies: Vec<Reply>) -> Reply {
    assert_eq!(replies.len(), 1);
    replies.pop().expect("one reply")
}

fn key(last: u8) -> Option<ClientKey> {
    Some(ClientKey::Mac(mac(last)))
}

fn seconds(reply: &Reply, code: u8) -> u32 {
    u32::from_be_bytes(reply.option(code).unwrap().try_into().unwrap())
}

fn renewal(last: u8, address: Ipv4Addr) -> Ask {
    ask(MessageType::Request, last).ciaddr(address).to(socket(SERVER, 67)).xid(77)
}

fn release(last: u8, address: Ipv4Addr) -> Ask {
    ask(MessageType::Release, last)
        .option(54, &SERVER.octets())
        .ciaddr(address)
        .to(socket(SERVER, 67))
}

fn decline(last: u8, address: Ipv4Addr) -> Ask {
    ask(MessageType::Decline, last).option(54, &SERVER.octets()).option(50, &address.octets())
}

#[test]
fn an_ack_waits_for_the_store() {
    let mut kept = Kept::new();
    let (request, address) = kept.request(1);
    assert!(matches!(kept.state(address), LeaseState::Storing { .. }));
    assert_eq!(kept.site.server.sessions(), 1);
    assert_eq!(kept.site.send(&request), Err(Discard::Duplicate));
    let until = kept.site.now + LEASE + limits::DHCP_STORE_GRACE;
    assert_eq!(
        kept.asked,
        [Binding {
            address,
            subnet: kept.site.view.networks[0].subnet,
            client: key(1),
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state: BindingState::Bound { since: kept.site.now, until },
        }]
    );
    let ack = only(kept.store());
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, address));
    assert_eq!(seconds(&ack, 51), 1800);
    assert_eq!(kept.state(address), LeaseState::Bound { until });
    assert_eq!(kept.site.server.sessions(), 0);
    // Who repeats its request gets the same again, once that is stored.
    assert_eq!(kept.send(&request).len(), 0);
    assert_eq!(only(kept.store()).yiaddr(), address);
}

#[test]
fn offers_and_informs_wait_for_nobody() {
    let mut kept = Kept::new();
    assert_eq!(only(kept.send(&discover(1))).kind(), MessageType::Offer);
    let inform = ask(MessageType::Inform, 2).ciaddr(host(77));
    assert_eq!(only(kept.send(&inform)).kind(), MessageType::Ack);
    let elsewhere = ask(MessageType::Request, 3).option(50, &[192, 168, 0, 1]);
    assert_eq!(only(kept.send(&elsewhere)).kind(), MessageType::Nak);
    assert_eq!(kept.asked, []);
}

#[test]
fn people_are_told_who_a_lease_belongs_to() {
    type Said<'a> = &'a [(u8, &'a [u8])];
    let mut kept = Kept::new();
    reserve(&mut kept.site.view, MachineKey::Mac(mac(3)), host(200));
    let names: [(u8, Said<'_>, &[u8], &str); 4] = [
        (1, &[(61, b"\x01abc"), (12, b"pc \n1")], b"\x01abc", "pc _1"),
        (2, &[(81, b"\0\0\0b.example.org")], b"", "b.example.org"),
        (3, &[(12, b"whatever")], b"", "n0017"),
        // In the form of DNS messages, which is no name to show.
        (4, &[(81, b"\x04\0\0\x01b\0")], b"", ""),
    ];
    for (last, options, client_id, hostname) in names {
        let said = |ask: Ask| options.iter().fold(ask, |ask, (code, data)| ask.option(*code, data));
        let offer = only(kept.send(&said(discover(last))));
        assert_eq!(kept.send(&select(&said(discover(last)), &offer)).len(), 0);
        let binding = kept.asked.last().unwrap();
        assert_eq!(binding.client_id.as_bytes(), client_id, "{last}");
        assert_eq!(binding.hostname.as_str(), hostname, "{last}");
    }
}

#[test]
fn acks_leave_in_the_order_of_their_requests() {
    let mut kept = Kept::new();
    let addresses = [1, 2, 3].map(|last| kept.request(last).1);
    assert_eq!(only(kept.say(StoreAnswer::Stored(Ticket(1)))).yiaddr(), addresses[0]);
    let rest: Vec<_> = kept.store().iter().map(Reply::yiaddr).collect();
    assert_eq!(rest, addresses[1..]);
    assert_eq!(kept.store().len(), 0, "an answer that comes twice");
}

#[test]
fn a_slow_store_shortens_what_is_promised() {
    for (waits, promised) in [(0, 1800), (2, 1800), (3, 1799), (32, 1770), (1801, 1)] {
        let mut kept = Kept::new();
        kept.request(1);
        kept.site.pass(waits);
        let ack = only(kept.store());
        assert_eq!(seconds(&ack, 51), promised, "after {waits} s");
        let (t1, t2) = (seconds(&ack, 58), seconds(&ack, 59));
        assert!(t1 <= promised / 2 && t1 <= t2 && t2 <= promised, "{t1} {t2}");
    }
    // What is over is not promised any more.
    let mut kept = Kept::new();
    let (_, address) = kept.request(1);
    kept.site.pass(1802);
    assert_eq!(kept.store().len(), 0);
    assert!(!kept.state(address).is_held(kept.site.now));
}

#[test]
fn an_address_is_held_while_its_lease_is_stored() {
    let mut kept = Kept::new();
    kept.site.view.networks.edit()[0].pools = vec![Pool::new(host(100), host(100))];
    let (request, address) = kept.request(1);
    kept.site.pass(limits::OFFER_HOLD.as_secs() + 1);
    assert_eq!(kept.send(&discover(2)).len(), 0, "no address is left");
    let other = ask(MessageType::Request, 2).option(50, &address.octets());
    assert_eq!(only(kept.send(&other)).kind(), MessageType::Nak);
    // Its own client may look for it again meanwhile.
    assert_eq!(only(kept.send(&discover(1))).yiaddr(), address);
    assert_eq!(kept.site.send(&request), Err(Discard::Duplicate));
    assert_eq!(only(kept.store()).yiaddr(), address);
}

#[test]
fn a_client_that_begins_anew_is_answered_once() {
    let mut kept = Kept::new();
    let (request, address) = kept.request(1);
    let again = request.clone().xid(0xabcd);
    assert_eq!(kept.send(&again).len(), 0);
    assert_eq!((kept.asked.len(), kept.site.server.sessions()), (1, 1));
    assert_eq!(kept.site.send(&again), Err(Discard::Duplicate));
    let ack = only(kept.store());
    assert_eq!((ack.yiaddr(), &ack.message[4..8]), (address, &0xabcd_u32.to_be_bytes()[..]));
}

#[test]
fn what_is_given_up_while_it_is_stored_is_not_acknowledged() {
    type Ends = fn(&mut Kept, Ipv4Addr) -> Vec<Reply>;
    let ends: [(Ends, bool); 3] = [
        (|kept, address| kept.send(&release(1, address)), true),
        (|kept, address| kept.send(&decline(1, address)), false),
        (|kept, address| kept.tell(Packet::Operator(OperatorOrder::Release(address))), true),
    ];
    for (end, is_released) in ends {
        let mut kept = Kept::new();
        let (_, address) = kept.request(1);
        assert_eq!(end(&mut kept, address).len(), 0);
        assert_eq!(kept.store().len(), 0);
        let now = kept.site.now;
        let expected = if is_released {
            (address, key(1), BindingState::Released { at: now })
        } else {
            let until = now + limits::DECLINE_HOLD;
            (address, None, BindingState::Declined { until })
        };
        assert_eq!(kept.last_asked(), expected);
        assert_eq!(kept.state(address).is_held(now), !is_released);
        assert_eq!(kept.site.server.sessions(), 0);
    }
}

#[test]
fn a_release_is_stored_before_the_next_lease_of_the_address() {
    let mut kept = Kept::new();
    kept.site.view.networks.edit()[0].pools = vec![Pool::new(host(100), host(100))];
    let address = kept.lease(1);
    assert_eq!(kept.send(&release(1, address)).len(), 0);
    assert_eq!(kept.lease(2), address);
    let states: Vec<_> = kept.asked.iter().map(|asked| (asked.client, asked.state)).collect();
    let since = kept.site.now;
    let bound = BindingState::Bound { since, until: since + LEASE + limits::DHCP_STORE_GRACE };
    let released = BindingState::Released { at: since };
    assert_eq!(states, [(key(1), bound), (key(1), released), (key(2), bound)]);
}

#[test]
fn an_address_that_a_reload_takes_away_is_refused() {
    let mut kept = Kept::new();
    let (_, address) = kept.request(1);
    kept.site.view.networks.edit()[0].pools = vec![Pool::new(host(120), host(129))];
    assert_eq!(only(kept.store()).kind(), MessageType::Nak);
    let released = BindingState::Released { at: kept.site.now };
    assert_eq!(kept.last_asked(), (address, key(1), released));

    type Change = fn(&mut Kept);
    let changes: [Change; 3] = [
        |kept| kept.site.view.networks.edit()[0].mode = DhcpMode::Off,
        |kept| kept.site.view.networks.edit()[0].mode = DhcpMode::Proxy,
        |kept| kept.site.view.networks.edit().clear(),
    ];
    for change in changes {
        let mut kept = Kept::new();
        let (_, address) = kept.request(1);
        change(&mut kept);
        assert_eq!(kept.store().len(), 0, "nobody is served here");
        assert_eq!(
            kept.last_asked(),
            (address, key(1), BindingState::Released { at: kept.site.now })
        );
        assert_eq!(kept.state(address), LeaseState::Idle);
    }
}

#[test]
fn no_state_of_the_store_has_two_leases_of_one_client() {
    // The client's address is reserved elsewhere by a reload: it leaves the old one first.
    let mut kept = Kept::new();
    let old = kept.lease(1);
    reserve(&mut kept.site.view, MachineKey::Mac(mac(1)), host(200));
    let wants = ask(MessageType::Request, 1).option(50, &host(200).octets());
    assert_eq!(kept.send(&wants).len(), 0);
    let asked: Vec<_> = kept.asked[1..].iter().map(|asked| (asked.address, asked.client)).collect();
    assert_eq!(asked, [(old, None), (host(200), key(1))]);
    assert_eq!(only(kept.store()).yiaddr(), host(200));
    // With an offer between, likewise.
    let mut kept = Kept::new();
    let old = kept.lease(1);
    reserve(&mut kept.site.view, MachineKey::Mac(mac(1)), host(200));
    assert_eq!(kept.lease(1), host(200));
    let asked: Vec<_> = kept.asked[1..].iter().map(|asked| (asked.address, asked.client)).collect();
    assert_eq!(asked, [(old, None), (host(200), key(1))]);
}

#[test]
fn a_failing_store_ends_new_leases_and_says_so_once() {
    let mut kept = Kept::new();
    let known = kept.lease(1);
    let (request, address) = kept.request(2);
    kept.site.pass(100);
    kept.site.events();
    assert_eq!(kept.say(StoreAnswer::Failed).len(), 0, "what is not stored is not promised");
    assert_eq!(kept.say(StoreAnswer::Failed).len(), 0);
    assert_eq!(kept.site.events(), [EventKind::StoreFailed { waiting: 1 }]);
    assert!(matches!(kept.state(address), LeaseState::Offered { .. }), "held for its client");
    for refused in [
        discover(3),
        request.clone(),
        ask(MessageType::Request, 3).option(50, &host(105).octets()),
        discover(1),
    ] {
        assert_eq!(kept.site.send(&refused), Err(Discard::StoreFailing));
    }
    // What needs no store is answered as ever.
    let inform = ask(MessageType::Inform, 4).ciaddr(host(77));
    assert_eq!(only(kept.send(&inform)).kind(), MessageType::Ack);
    let taken = ask(MessageType::Request, 4).option(50, &known.octets());
    assert_eq!(only(kept.send(&taken)).kind(), MessageType::Nak);
    // A lease that is stored is told as it is.
    let ack = only(kept.send(&renewal(1, known)));
    assert_eq!((ack.kind(), seconds(&ack, 51)), (MessageType::Ack, 1702));
    kept.site.pass(1701);
    assert_eq!(seconds(&only(kept.send(&renewal(1, known))), 51), 1);
    kept.site.pass(1);
    assert_eq!(kept.site.send(&renewal(1, known)), Err(Discard::StoreFailing));
    assert_eq!(kept.asked.len(), 2);

    assert_eq!(kept.say(StoreAnswer::Recovered).len(), 0);
    // What failed may be in the store nevertheless.
    assert_eq!(kept.last_asked(), (address, key(2), BindingState::Released { at: kept.site.now }));
    assert_eq!(kept.say(StoreAnswer::Recovered).len(), 0);
    let told = kept.site.events();
    assert_eq!(told.iter().filter(|kind| **kind == EventKind::StoreRecovered).count(), 1);
    assert_eq!(kept.lease(2), address);
}

#[test]
fn a_renewal_that_cannot_be_stored_is_answered_by_what_is() {
    let mut kept = Kept::new();
    let address = kept.lease(1);
    kept.site.pass(900);
    assert_eq!(kept.send(&renewal(1, address)).len(), 0);
    let ack = only(kept.say(StoreAnswer::Failed));
    assert_eq!((ack.kind(), ack.yiaddr(), seconds(&ack, 51)), (MessageType::Ack, address, 902));
    assert_eq!(kept.site.server.sessions(), 0);
}

#[test]
fn what_waited_at_a_failure_is_not_released_by_an_old_answer() {
    let mut kept = Kept::new();
    let first = kept.request(1).1;
    assert_eq!(kept.request(2).1, host(101));
    assert_eq!(only(kept.say(StoreAnswer::Stored(Ticket(1)))).yiaddr(), first);
    assert_eq!(kept.say(StoreAnswer::Failed).len(), 0);
    // The store had it nevertheless, and says so late.
    assert_eq!(kept.say(StoreAnswer::Stored(Ticket(2))).len(), 0);
    assert_eq!(kept.say(StoreAnswer::Recovered).len(), 0);
    let (_, third) = kept.request(3);
    assert_eq!(kept.say(StoreAnswer::Stored(Ticket(2))).len(), 0);
    assert_eq!(only(kept.store()).yiaddr(), third);
}

#[test]
fn what_is_stored_at_a_failure_is_acknowledged() {
    let mut kept = Kept::new();
    let (_, address) = kept.request(1);
    let store = Packet::Store(StoreAnswer::Stored(Ticket(1)));
    assert_eq!(kept.site.server.handle_input(store, kept.site.now, &kept.site.view), Ok(()));
    assert_eq!(only(kept.say(StoreAnswer::Failed)).yiaddr(), address);
}

#[test]
fn changes_are_told_again_after_a_failure() {
    let mut kept = Kept::new();
    let [first, second, third] = [1, 2, 3].map(|last| kept.lease(last));
    assert_eq!(kept.send(&release(1, first)).len(), 0);
    assert_eq!(kept.asked.len(), 4);
    assert_eq!(kept.site.server.sessions(), 1, "a release waits to be stored");
    assert_eq!(kept.say(StoreAnswer::Failed).len(), 0);
    assert_eq!(kept.site.server.sessions(), 0, "nobody waits for a store that fails");
    assert_eq!(kept.send(&decline(2, second)).len(), 0);
    assert_eq!(kept.tell(Packet::Operator(OperatorOrder::Release(third))).len(), 0);
    assert_eq!(kept.asked.len(), 4, "nothing is asked of a store that fails");
    assert_eq!(kept.say(StoreAnswer::Recovered).len(), 0);
    let asked: Vec<_> = kept.asked[4..].iter().map(|asked| asked.address).collect();
    assert_eq!(asked, [first, second, third]);
    assert!(matches!(kept.asked[5].state, BindingState::Declined { .. }));
    kept.store();
    assert_eq!(kept.site.server.sessions(), 0);
}

#[test]
fn an_operator_releases_what_is_known() {
    let mut kept = Kept::new();
    let address = kept.lease(1);
    kept.site.events();
    assert_eq!(kept.tell(Packet::Operator(OperatorOrder::Release(address))).len(), 0);
    assert_eq!(kept.site.events(), [EventKind::Release { address }]);
    assert_eq!(kept.state(address), LeaseState::Idle);
    let unknown = Packet::Operator(OperatorOrder::Release(host(9)));
    let told = kept.site.server.handle_input(unknown, kept.site.now, &kept.site.view);
    assert_eq!(told, Err(Discard::UnknownSession));
    // It remains the client's while nobody else needs it.
    assert_eq!(kept.lease(1), address);
}

#[test]
fn draining_waits_for_the_store() {
    let mut kept = Kept::new();
    let (_, address) = kept.request(1);
    kept.site.server.drain();
    assert_eq!(kept.site.server.sessions(), 1);
    assert_eq!(only(kept.store()).yiaddr(), address);
    assert_eq!(kept.site.server.sessions(), 0);
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let site = Site::new();
    let subnet = site.view.networks[0].subnet;
    let wide = Subnet { prefix_len: 16, ..subnet };
    let mut server = Dhcp4Server::new(config(limits::DHCP_CHANGES_MAX + 1));
    let address = |number: u32| Ipv4Addr::from_bits(subnet.address.to_bits() + 256 + number);
    for number in 0..=limits::DHCP_CHANGES_MAX {
        let until = Instant::MAX;
        let binding = Binding {
            address: address(number),
            subnet: wide,
            client: Some(ClientKey::Other(u128::from(number).to_be_bytes())),
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state: BindingState::Bound { since: site.now, until },
        };
        assert_eq!(server.restore(&binding, site.now), Ok(()));
    }
    let mut release = |number| {
        let order = Packet::Operator(OperatorOrder::Release(address(number)));
        server.handle_input(order, site.now, &site.view)
    };
    for number in 0..limits::DHCP_CHANGES_MAX {
        assert_eq!(release(number), Ok(()));
    }
    assert_eq!(release(limits::DHCP_CHANGES_MAX), Err(Discard::Overload));
    let last = server.leases().find(|lease| lease.address == address(limits::DHCP_CHANGES_MAX));
    assert!(last.unwrap().state().is_held(site.now), "what is not noted has not happened");
}

#[test]
fn infinite_leases_stay() {
    let mut kept = Kept::new();
    kept.site.view.networks.edit()[0].lease = LeaseTerms::fixed(limits::LEASE_INFINITE);
    let (_, address) = kept.request(1);
    let ack = only(kept.store());
    for code in [51, 58, 59] {
        assert_eq!(ack.option(code).unwrap(), [0xff; 4], "option {code}");
    }
    let until = Instant::MAX;
    assert_eq!(kept.last_asked().2, BindingState::Bound { since: kept.site.now, until });
    kept.site.pass(1_000_000_000);
    assert_eq!(kept.state(address), LeaseState::Bound { until });
    let other = ask(MessageType::Request, 2).option(50, &address.octets());
    assert_eq!(only(kept.send(&other)).kind(), MessageType::Nak);
    kept.say(StoreAnswer::Failed);
    assert_eq!(only(kept.send(&renewal(1, address))).option(51).unwrap(), [0xff; 4]);
}

#[test]
fn a_server_takes_up_the_leases_of_its_earlier_life() {
    let mut kept = Kept::new();
    let subnet = kept.site.view.networks[0].subnet;
    let now = kept.site.now;
    let later = now + Duration::from_secs(500);
    let bound = |until| BindingState::Bound { since: Instant::ZERO, until };
    for (last, client, state) in [
        (100, key(1), bound(later)),
        (101, key(2), bound(now)),
        (102, None, BindingState::Declined { until: later }),
        (103, key(3), BindingState::Released { at: Instant::ZERO }),
        (104, key(4), bound(Instant::MAX)),
        // One client, two addresses: the one that is lent to it counts.
        (105, key(5), BindingState::Released { at: Instant::ZERO }),
        (106, key(5), bound(later)),
        // Both are: the one that it got last.
        (107, key(6), bound(Instant::MAX)),
        (108, key(6), BindingState::Bound { since: now, until: later }),
    ] {
        let address = host(last);
        let (client_id, hostname) = (ClientId::EMPTY, Text::EMPTY);
        let binding = Binding { address, subnet, client, client_id, hostname, state };
        assert_eq!(kept.site.server.restore(&binding, now), Ok(()));
        assert_eq!(kept.site.server.restore(&binding, now), Err(RestoreError::Known));
    }
    for (last, address) in [(1, 100), (2, 101), (3, 103), (4, 104), (5, 106), (6, 108)] {
        assert_eq!(only(kept.send(&discover(last))).yiaddr(), host(address), "client {last}");
    }
    // Others get what is left: nobody had 109, and 105 is nobody's any more.
    assert_eq!(
        [7, 8].map(|last| only(kept.send(&discover(last))).yiaddr()),
        [host(109), host(105)]
    );
    assert_eq!(kept.send(&discover(9)).len(), 0);
    let ack = kept.send(&renewal(1, host(100)));
    assert_eq!(ack.len(), 0);
    assert_eq!(only(kept.store()).yiaddr(), host(100));

    let mut small = Dhcp4Server::new(config(1));
    let mut binding = *kept.asked.last().unwrap();
    assert_eq!(small.restore(&binding, now), Ok(()));
    binding.address = host(101);
    assert_eq!(small.restore(&binding, now), Err(RestoreError::TableFull { held: true }));
}

#[test]
fn what_is_to_rest_for_ever_does() {
    let mut kept = Kept::new();
    let binding = Binding {
        address: host(100),
        subnet: kept.site.view.networks[0].subnet,
        client: None,
        client_id: ClientId::EMPTY,
        hostname: Text::EMPTY,
        state: BindingState::Declined { until: Instant::MAX },
    };
    assert_eq!(kept.site.server.restore(&binding, kept.site.now), Ok(()));
    for last in 1..=6 {
        let address = kept.lease(last);
        assert_eq!(kept.send(&decline(last, address)).len(), 0);
        kept.store();
    }
    assert_eq!(kept.state(host(100)), LeaseState::Declined { until: Instant::MAX });
    // The others come back one by one, so that nobody can empty a pool this way.
    let resting = kept.site.server.leases().filter(|lease| lease.state().is_held(kept.site.now));
    assert_eq!(resting.count(), 2);
}

#[test]
fn what_rests_for_ever_does_so_in_a_network_that_comes_later() {
    let mut kept = Kept::new();
    let pools = kept.site.view.networks[0].pools.clone();
    for address in pools[0].first.to_bits()..pools[0].last.to_bits() {
        let binding = Binding {
            address: address.into(),
            // The one that every address is of: its own was not known.
            subnet: Subnet { address: Ipv4Addr::UNSPECIFIED, prefix_len: 0 },
            client: None,
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state: BindingState::Declined { until: Instant::MAX },
        };
        assert_eq!(kept.site.server.restore(&binding, kept.site.now), Ok(()));
    }
    // One is left, and nobody gets another by wishing for it.
    let wish = discover(1).option(50, &pools[0].first.octets());
    assert_eq!(only(kept.send(&wish)).yiaddr(), pools[0].last);
    assert_eq!(kept.send(&discover(2)).len(), 0);
}

#[test]
fn clients_without_ethernet_are_found_again() {
    let infiniband = || {
        let mut ask = discover(1).option(61, b"\0\x20guid").broadcast();
        (ask.header.htype, ask.header.hlen) = (32, 0);
        ask.header.chaddr = [0; 16];
        ask
    };
    let mut kept = Kept::new();
    let offer = only(kept.send(&infiniband()));
    assert_eq!(kept.send(&select(&infiniband(), &offer)).len(), 0);
    let binding = kept.asked[0];
    assert_eq!(binding.client_id.as_bytes(), b"\0\x20guid");
    // Another seed, the same key.
    let mut later = Kept::new();
    later.site.server = Dhcp4Server::new(Dhcp4Config { seed: 99, ..config(16) });
    assert_eq!(later.site.server.restore(&binding, later.site.now), Ok(()));
    let init_reboot = {
        let mut ask = infiniband().option(50, &binding.address.octets());
        ask.kind = MessageType::Request;
        ask
    };
    later.site.view.networks.edit()[0].authoritative = false;
    assert_eq!(later.send(&init_reboot).len(), 0);
    assert_eq!(only(later.store()).yiaddr(), binding.address);
}

impl Kept {
    fn restore(
        &mut self,
        last: u8,
        client: Option<ClientKey>,
        state: BindingState,
    ) -> Result<(), RestoreError> {
        let binding = Binding {
            address: host(last),
            subnet: self.site.view.networks[0].subnet,
            client,
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state,
        };
        self.site.server.restore(&binding, self.site.now)
    }
}

#[test]
fn a_lease_that_runs_takes_the_place_of_one_that_is_over() {
    let mut kept = Kept::new();
    kept.site.server = Dhcp4Server::new(config(2));
    let now = kept.site.now;
    let over = BindingState::Released { at: Instant::ZERO };
    let runs = BindingState::Bound { since: now, until: now + LEASE };
    assert_eq!(kept.restore(107, key(1), over), Ok(()));
    assert_eq!(kept.restore(108, key(2), over), Ok(()));
    let full = |held| Err(RestoreError::TableFull { held });
    assert_eq!(kept.restore(109, key(3), over), full(false));
    assert_eq!(kept.restore(100, key(4), runs), Ok(()));
    assert_eq!(kept.restore(101, key(5), runs), Ok(()));
    assert_eq!(kept.restore(102, key(6), runs), full(true));
    assert_eq!([100, 101].map(|last| kept.state(host(last)).is_held(now)), [true; 2]);
}

#[test]
fn of_two_leases_of_a_client_the_last_one_counts() {
    let mut kept = Kept::new();
    let now = kept.site.now;
    let bound = |since, until| BindingState::Bound { since, until };
    let early = Instant::ZERO + Duration::from_secs(100);
    for (last, client, since, until) in [
        (101, 1, early, now + LEASE / 2),
        (105, 1, now, now + LEASE),
        (102, 2, now, now + LEASE),
        (106, 2, early, Instant::MAX),
        // Where nobody knows when they began, the one that ends last.
        (103, 3, Instant::ZERO, now + LEASE / 2),
        (107, 3, Instant::ZERO, now + LEASE),
    ] {
        assert_eq!(kept.restore(last, key(client), bound(since, until)), Ok(()));
    }
    for (client, last) in [(1, 105), (2, 102), (3, 107)] {
        assert_eq!(kept.send(&renewal(client, host(last))).len(), 0);
        let ack = only(kept.store());
        assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, host(last)));
    }
    // The others are nobody's, and nobody gets them while somebody may use them.
    assert_eq!([101, 106, 103].map(|last| kept.state(host(last)).is_held(now)), [true; 3]);
}

fn bootp(ask: &Ask) -> Vec<u8> {
    let mut bytes = ask.bytes()[..236].to_vec();
    bytes.extend([99, 130, 83, 99, 255]);
    bytes.resize(300, 0);
    bytes
}

#[test]
fn while_the_store_fails_no_lease_that_ends_is_given_for_good() {
    let mut kept = Kept::new();
    kept.site.view.networks.edit()[0].bootp = true;
    let address = kept.lease(1);
    let forever = kept.ask_bootp(2);
    assert_eq!(forever.len(), 0);
    let good = only(kept.store()).yiaddr();
    kept.say(StoreAnswer::Failed);
    assert_eq!(kept.ask_bootp(1).len(), 0, "recorded for half an hour");
    assert!(matches!(kept.state(address), LeaseState::Bound { until } if until < Instant::MAX));
    assert_eq!(only(kept.ask_bootp(2)).yiaddr(), good, "what is stored for good is");
}

impl Kept {
    /// The replies to a request of BOOTP.
    fn ask_bootp(&mut self, last: u8) -> Vec<Reply> {
        let ask = discover(last);
        assert_eq!(self.site.send_bytes(&ask, &bootp(&ask)), Ok(()));
        self.poll()
    }
}

#[test]
fn bootp_does_not_take_the_record_of_a_request() {
    let mut kept = Kept::new();
    kept.site.view.networks.edit()[0].bootp = true;
    let (_, address) = kept.request(1);
    assert_eq!(kept.ask_bootp(1).len(), 0);
    let ack = only(kept.store());
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, address));
    assert!(matches!(kept.state(address), LeaseState::Bound { until } if until < Instant::MAX));
    // It repeats its request, and that has a record of its own.
    assert_eq!(kept.ask_bootp(1).len(), 0);
    assert_eq!(only(kept.store()).yiaddr(), address);
    assert_eq!(kept.state(address), LeaseState::Bound { until: Instant::MAX });
}

#[test]
fn a_client_is_known_when_the_borders_of_its_network_moved() {
    let mut kept = Kept::new();
    let address = kept.lease(1);
    {
        let mut networks = kept.site.view.networks.edit();
        networks[0].subnet.prefix_len = 23;
        networks[0].authoritative = false;
    }
    assert_eq!(kept.send(&renewal(1, address)).len(), 0);
    let ack = only(kept.store());
    assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, address));
    // Others are still left to the server that knows them.
    assert_eq!(kept.send(&renewal(2, host(105))).len(), 0);
    assert_eq!(kept.asked.len(), 2);
}

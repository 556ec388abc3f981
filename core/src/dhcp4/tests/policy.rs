//! What the configuration says: classes, pools, shared networks, leases, options, access.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::kit::*;
use crate::engine::Discard;
use crate::view::{
    AttachmentKey, ClassId, Classes, ClientClass, Condition, LEASE_INFINITE, LeaseTerms, Machine,
    MachineKey, OptionSet, OptionValue, Pattern, Pool, PoolTerms, SharedId, Subnet, View,
};
use crate::wire::dhcp4::MessageType;

fn class(name: &str, rule: Condition) -> ClientClass {
    ClientClass {
        name: name.into(),
        rule,
        denied: false,
        lease: LeaseTerms::default(),
        options: OptionSet::default(),
    }
}

fn vendor(prefix: &[u8]) -> Condition {
    Condition::Option(60, Pattern::Prefix(prefix.into()))
}

fn value(code: u8, bytes: &[u8]) -> OptionValue {
    OptionValue { code, bytes: bytes.into(), always: false, replaces: false }
}

fn set<const N: usize>(values: [OptionValue; N]) -> OptionSet {
    values.into_iter().collect()
}

/// Ten addresses for everybody and two for the class `a`.
fn view_with_class_pool() -> View {
    let mut view = view();
    view.classes = Classes::new(vec![class("a", vendor(b"a"))]).unwrap();
    let mut networks = view.networks.edit();
    let network = &mut networks[0];
    network.terms =
        vec![PoolTerms::default(), PoolTerms { class: Some(ClassId(0)), ..PoolTerms::default() }];
    network.pools.push(Pool { terms: 1, ..Pool::new(host(200), host(201)) });
    drop(networks);
    view
}

#[test]
fn the_pool_of_a_class_is_for_its_members_first_and_for_nobody_else() {
    let mut site = Site::with(view_with_class_pool());
    let member = |last| discover(last).option(60, b"abc");
    assert_eq!(site.ask(&member(1)).yiaddr(), host(200));
    assert_eq!(site.ask(&member(2)).yiaddr(), host(201));
    assert_eq!(site.ask(&member(3)).yiaddr(), host(100), "the pool for all comes after it");
    for last in 4..13 {
        assert!(site.ask(&discover(last)).yiaddr() < host(110));
    }
    // What is left belongs to the class.
    site.ask_in_vain(&discover(13));
}

#[test]
fn an_address_of_a_class_is_not_kept_without_it() {
    let mut site = Site::with(view_with_class_pool());
    let ask = discover(1).option(60, b"abc");
    let offer = site.ask(&ask);
    assert_eq!(site.ask(&select(&ask, &offer)).kind(), MessageType::Ack);
    let renew = super::kit::ask(MessageType::Request, 1).ciaddr(host(200));
    let renew = renew.to(socket(SERVER, 67));
    assert_eq!(site.ask(&renew.clone().option(60, b"abc")).kind(), MessageType::Ack);
    assert_eq!(site.ask(&renew).kind(), MessageType::Nak);
    assert_eq!(site.ask(&discover(1)).yiaddr(), host(100));
}

#[test]
fn conditions() {
    let is = |condition: Condition| vec![class("is", condition)];
    let option = |code, pattern| Condition::Option(code, pattern);
    let exactly = |bytes: &[u8]| Pattern::Exactly(bytes.into());
    let base = discover(1).pxe(7).option(77, b"lab").option(60, b"PXEClient:Arch:00007");
    let agent = Ipv4Addr::new(10, 9, 0, 1);
    let relayed = |ask: Ask| ask.giaddr(agent).option(82, &[1, 2, b'e', b'1', 2, 1, 9]);
    for (condition, matches) in [
        (Condition::All(vec![]), true),
        (Condition::Any(vec![]), false),
        (Condition::Not(Box::new(Condition::All(vec![]))), false),
        (vendor(b"PXEClient"), true),
        (vendor(b"PXEClients"), false),
        (option(60, exactly(b"PXEClient")), false),
        (option(77, Pattern::Present), true),
        (option(78, Pattern::Present), false),
        (option(57, exactly(&1472u16.to_be_bytes())), true),
        (Condition::UserClass(b"lab"[..].into()), true),
        (Condition::UserClass(b"la"[..].into()), false),
        (Condition::Arch(crate::wire::pxe::ArchType(7)), true),
        (Condition::Arch(crate::wire::pxe::ArchType(0)), false),
        (Condition::MacPrefix(mac(1).0[..3].into()), true),
        (Condition::MacPrefix([9][..].into()), false),
        (Condition::RelayOption(1, exactly(b"e1")), true),
        (Condition::RelayOption(1, Pattern::Prefix(b"e"[..].into())), true),
        (Condition::RelayOption(2, exactly(b"e1")), false),
        (Condition::Known, false),
        (Condition::Firmware(crate::identity::Firmware::Pxe), true),
        (Condition::Relay(Subnet { address: host(0), prefix_len: 24 }), false),
        (Condition::Relay(agent.into()), true),
    ] {
        let mut view = view();
        view.networks.edit()[0].relays = vec![agent.into()];
        let mut classes = is(condition.clone());
        classes[0].denied = true;
        view.classes = Classes::new(classes).unwrap();
        let mut site = Site::with(view);
        let denied = site.send(&relayed(base.clone())) == Err(Discard::NotAllowed);
        assert_eq!(denied, matches, "{condition:?}");
    }
}

#[test]
fn classes_are_decided_behind_those_that_they_refer_to() {
    use crate::view::ClassError;
    let refers = |to: u8| Condition::Class(ClassId(to));
    let mut list = vec![class("first", refers(1)), class("second", vendor(b"a"))];
    list[0].denied = true;
    let mut view = view();
    view.classes = Classes::new(list).unwrap();
    let mut site = Site::with(view);
    assert_eq!(site.send(&discover(1).option(60, b"abc")), Err(Discard::NotAllowed));
    assert_eq!(site.send(&discover(2).option(60, b"x")), Ok(()));
    let circle = vec![class("a", refers(1)), class("b", refers(0)), class("c", refers(0))];
    assert_eq!(Classes::new(circle).unwrap_err(), ClassError::Circular(ClassId(0)));
    let itself = vec![class("a", vendor(b"")), class("b", refers(1))];
    assert_eq!(Classes::new(itself).unwrap_err(), ClassError::Circular(ClassId(1)));
    let nobody = vec![class("a", refers(1))];
    assert_eq!(Classes::new(nobody).unwrap_err(), ClassError::Unknown(ClassId(0)));
    let many = (0..65).map(|_| class("a", vendor(b""))).collect();
    assert_eq!(Classes::new(many).unwrap_err(), ClassError::TooMany);
}

/// 10.0.0.0/24 with two addresses and 10.5.0.0/24 with two more, on one link.
fn view_with_shared_network() -> View {
    let mut view = view();
    let mut networks = view.networks.edit();
    networks[0].shared = Some(SharedId(0));
    networks[0].pools = vec![Pool::new(host(100), host(101))];
    let mut second = networks[0].clone();
    second.subnet = Subnet { address: Ipv4Addr::new(10, 5, 0, 0), prefix_len: 24 };
    second.pools = vec![Pool::new(other(10), other(11))];
    second.routers = vec![other(254)];
    networks.push(second);
    drop(networks);
    view
}

/// An address of the second network on the link.
fn other(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 5, 0, last)
}

#[test]
fn networks_on_one_link_give_addresses_together() {
    let mut site = Site::with(view_with_shared_network());
    let given: Vec<Ipv4Addr> = (1..=4).map(|last| site.lease(last)).collect();
    assert_eq!(given, [host(100), host(101), other(10), other(11)]);
    site.ask_in_vain(&discover(5));
    // Each comes back to what it had, wherever that is, and is told of its own network.
    let ask = discover(4);
    let offer = site.ask(&ask.clone().option(55, &[3]));
    assert_eq!(offer.yiaddr(), other(11));
    assert_eq!(offer.option(3).unwrap(), other(254).octets());
    // INIT-REBOOT and RENEWING in any of them.
    let reboot = super::kit::ask(MessageType::Request, 3).option(50, &other(10).octets());
    assert_eq!(site.ask(&reboot).kind(), MessageType::Ack);
    let renew = super::kit::ask(MessageType::Request, 4).ciaddr(other(11));
    assert_eq!(site.ask(&renew.to(socket(SERVER, 67))).kind(), MessageType::Ack);
    let stranger = super::kit::ask(MessageType::Request, 3).option(50, &[192, 0, 2, 1]);
    assert_eq!(site.ask(&stranger).kind(), MessageType::Nak);
}

#[test]
fn a_reservation_may_be_in_any_network_of_a_link() {
    let mut view = view_with_shared_network();
    reserve(&mut view, MachineKey::Mac(mac(1)), other(77));
    let mut site = Site::with(view);
    assert_eq!(site.lease(1), other(77));
    assert_eq!(site.lease(2), host(100));
}

#[test]
fn a_choice_of_subnet_restricts_a_link_to_it() {
    let mut view = view_with_shared_network();
    let relay = Ipv4Addr::new(10, 0, 0, 254);
    for network in view.networks.edit().iter_mut() {
        network.relays = vec![relay.into()];
    }
    let mut site = Site::with(view);
    let ask = |last| discover(last).giaddr(relay);
    let link = [5, 4, 10, 5, 0, 0];
    assert_eq!(site.ask(&ask(1).option(82, &link)).yiaddr(), other(10));
    assert_eq!(site.ask(&ask(2).option(118, &[10, 5, 0, 0])).yiaddr(), other(11));
    // The other network has room, but is not meant.
    site.ask_in_vain(&ask(3).option(82, &link));
    assert_eq!(site.ask(&ask(4)).yiaddr(), host(100));
}

#[test]
fn relay_agents_may_be_told_by_prefix() {
    let mut view = view();
    let agents = Subnet { address: Ipv4Addr::new(10, 9, 0, 0), prefix_len: 28 };
    view.networks.edit()[0].relays = vec![agents];
    let mut site = Site::with(view);
    assert_eq!(site.ask(&discover(1).giaddr(Ipv4Addr::new(10, 9, 0, 15))).yiaddr(), host(100));
    let outside = discover(1).giaddr(Ipv4Addr::new(10, 9, 0, 16));
    assert_eq!(site.send(&outside), Err(Discard::UnknownRelay));
}

#[test]
fn machines_are_known_by_client_identifier_and_by_place() {
    let mut view = view();
    reserve(&mut view, MachineKey::ClientId(b"\x00console"[..].into()), host(20));
    let place = AttachmentKey {
        circuit: Some(b"e7"[..].into()),
        remote: None,
        relay: Some(Ipv4Addr::new(10, 9, 0, 1)),
    };
    reserve(&mut view, MachineKey::Attachment(place), host(21));
    let remote = AttachmentKey { remote: Some(b"r"[..].into()), ..AttachmentKey::default() };
    reserve(&mut view, MachineKey::Attachment(remote), host(22));
    let agents = Subnet { address: Ipv4Addr::new(10, 9, 0, 0), prefix_len: 24 };
    let mut relayed = view.networks[0].clone();
    relayed.relays = vec![agents];
    view.networks = [relayed].into();
    let mut site = Site::with(view);
    let by = |last: u8, agent| discover(last).giaddr(Ipv4Addr::new(10, 9, 0, agent));
    assert_eq!(site.ask(&by(1, 1).option(61, b"\x00console")).yiaddr(), host(20));
    assert_eq!(site.ask(&by(2, 1).option(82, &[1, 2, b'e', b'7'])).yiaddr(), host(21));
    assert_eq!(site.ask(&by(3, 2).option(82, &[1, 2, b'e', b'7'])).yiaddr(), host(100));
    let both = [1, 2, b'e', b'8', 2, 1, b'r'];
    assert_eq!(site.ask(&by(4, 2).option(82, &both)).yiaddr(), host(22));
}

#[test]
fn a_machine_has_an_address_in_each_network() {
    let mut view = view_with_shared_network();
    for network in view.networks.edit().iter_mut() {
        network.shared = None;
    }
    view.networks.edit()[1].relays = vec![other(1).into()];
    let machine = Machine { addresses: vec![host(7), other(7)], ..Machine::default() };
    view.machines.insert(&[MachineKey::Mac(mac(1))], machine).unwrap();
    let mut site = Site::with(view);
    assert_eq!(site.ask(&discover(1)).yiaddr(), host(7));
    assert_eq!(site.ask(&discover(1).giaddr(other(1))).yiaddr(), other(7));
}

#[test]
fn lease_times_by_level_and_wish() {
    let minutes = |minutes: u32| minutes * 60;
    let fixed = |minutes: u64| LeaseTerms::fixed(Duration::from_secs(minutes * 60));
    let mut view = view_with_class_pool();
    let mut classes = vec![class("a", vendor(b"a")), class("b", vendor(b"ab"))];
    classes[1].lease = LeaseTerms { max: Some(LEASE_INFINITE), ..fixed(40) };
    view.classes = Classes::new(classes).unwrap();
    let mut networks = view.networks.edit();
    networks[0].lease = LeaseTerms { min: Some(Duration::from_secs(300)), ..fixed(30) };
    networks[0].terms[1].lease = fixed(50);
    (networks[0].renewal_permille, networks[0].rebinding_permille) = (400, 900);
    drop(networks);
    let machine = Machine { lease: fixed(60), ..Machine::default() };
    view.machines.insert(&[MachineKey::Mac(mac(9))], machine).unwrap();
    let mut site = Site::with(view);
    let ask = |last, class: &[u8]| discover(last).option(60, class);
    let wish = |seconds: u32| seconds.to_be_bytes();
    for (ask, expected) in [
        (ask(1, b"x"), minutes(30)),
        (ask(2, b"x").option(51, &wish(60)), minutes(5)),
        (ask(3, b"x").option(51, &wish(minutes(7))), minutes(7)),
        (ask(4, b"x").option(51, &wish(minutes(70))), minutes(30)),
        (ask(5, b"a"), minutes(50)),
        (ask(6, b"ab"), minutes(40)),
        (ask(6, b"ab").option(51, &wish(u32::MAX)), u32::MAX),
        (ask(9, b"ab"), minutes(60)),
    ] {
        let offer = site.ask(&ask);
        assert_eq!(offer.option(51).unwrap(), expected.to_be_bytes());
        let seconds = |code| u32::from_be_bytes(offer.option(code).unwrap().try_into().unwrap());
        if expected == u32::MAX {
            assert_eq!([58, 59].map(seconds), [u32::MAX; 2]);
        } else {
            let (first, last) = (expected / 10 * 4, expected / 10 * 9);
            assert!((first * 9 / 10..=first).contains(&seconds(58)), "{}", seconds(58));
            assert!((last - first / 10..=last).contains(&seconds(59)), "{}", seconds(59));
        }
    }
}

#[test]
fn an_infinite_lease_never_ends() {
    let mut view = view();
    view.networks.edit()[0].lease = LeaseTerms::fixed(LEASE_INFINITE);
    view.networks.edit()[0].pools = vec![Pool::new(host(100), host(100))];
    let mut site = Site::with(view);
    assert_eq!(site.lease(1), host(100));
    site.pass(100 * 365 * 24 * 3600);
    // It is still the first one's.
    site.ask_in_vain(&discover(2));
}

#[test]
fn the_nearest_level_says_an_option() {
    let mut view = view_with_class_pool();
    let text = |code, text: &str| value(code, text.as_bytes());
    view.options = set([17, 40, 47, 64, 100].map(|code| text(code, "site")));
    let mut networks = view.networks.edit();
    networks[0].options = set([40, 47, 64, 100].map(|code| text(code, "network")));
    networks[0].terms[1].options = set([47, 64, 100].map(|code| text(code, "pool")));
    drop(networks);
    let mut classes = vec![class("a", vendor(b"a")), class("b", vendor(b"ab"))];
    classes[0].options = set([64, 100].map(|code| text(code, "class")));
    classes[1].options = set([64, 100, 101].map(|code| text(code, "second")));
    view.classes = Classes::new(classes).unwrap();
    let options = set([text(100, "machine")]);
    let machine = Machine { options, ..Machine::default() };
    view.machines.insert(&[MachineKey::Mac(mac(1))], machine).unwrap();
    let mut site = Site::with(view);
    let asked = discover(1).option(60, b"abc").option(55, &[101, 100, 64, 47, 40, 17, 41]);
    let offer = site.ask(&asked);
    let told = [101, 100, 64, 47, 40, 17].map(|code| offer.text(code).unwrap());
    assert_eq!(told, ["second", "machine", "class", "pool", "network", "site"]);
    let order: Vec<u8> = offer.codes().into_iter().filter(|code| *code != 41).collect();
    assert!(order.ends_with(&[101, 100, 64, 47, 40, 17]), "the client's order: {order:?}");
    let unasked = site.ask(&discover(2).option(55, &[17]));
    assert_eq!(unasked.text(17).unwrap(), "site");
    assert_eq!(unasked.option(40), None, "not asked for");
}

#[test]
fn keys_of_their_own_are_of_the_network_and_the_machine() {
    let mut view = view();
    view.options =
        set([value(15, b"site"), value(6, &[9; 4]), value(12, b"all"), value(44, b"wins")]);
    reserve(&mut view, MachineKey::Mac(mac(1)), host(20));
    let mut site = Site::with(view);
    let offer = site.ask(&discover(1).option(55, &[15, 6, 12, 44]));
    assert_eq!(offer.text(15).unwrap(), "example.org");
    assert_eq!(offer.option(6).unwrap(), host(53).octets());
    assert_eq!(offer.text(12).unwrap(), "n0017");
    assert_eq!(offer.text(44).unwrap(), "wins");
    site.view.networks.edit()[0].options = set([value(15, b"nearer")]);
    assert_eq!(site.ask(&discover(2).option(55, &[12, 15])).text(12).unwrap(), "all");
}

#[test]
fn what_is_always_sent_goes_before_what_is_asked_for_and_each_once() {
    let mut view = view();
    let always = |code, bytes: &[u8]| OptionValue { always: true, ..value(code, bytes) };
    view.options = set([always(101, b"always"), value(100, b"asked"), value(13, &[0, 9])]);
    let mut site = Site::with(view);
    let offer = site.ask(&discover(1).option(55, &[100, 101, 100, 3, 255, 0]));
    let codes = offer.codes();
    let at = |code| codes.iter().position(|known| *known == code).unwrap();
    assert!(at(3) < at(101) && at(101) < at(100));
    assert!(!codes.contains(&13));
    let mut once = codes.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), codes.len(), "{codes:?}");
}

#[test]
fn what_does_not_fit_is_what_the_client_wants_least() {
    let mut view = view();
    view.options = set([100, 101, 64, 40].map(|code| value(code, &[b'x'; 120])));
    let mut site = Site::with(view);
    let offer = site.ask(&discover(1).option(55, &[64, 101, 40, 100, 15]));
    let there = [64, 101, 40, 100, 15].map(|code| offer.option(code).is_some());
    assert_eq!(there, [true, true, false, false, true], "{:?}", offer.codes());
}

/// Captive portal (114), search list (119), no need of IPv4 (108).
#[test]
fn options_of_new_networks_are_sent_to_who_asks_for_them() {
    let mut view = view();
    let (seconds, search) = (&[0, 0, 7, 8][..], b"\x03lab\x07example\0");
    view.options = set([value(108, seconds), value(114, b"https://a/b"), value(119, search)]);
    let mut site = Site::with(view);
    let offer = site.ask(&discover(1).option(55, &[119, 1, 114, 108]));
    assert_eq!(offer.option(119).unwrap(), search);
    assert_eq!(offer.text(114).unwrap(), "https://a/b");
    assert_eq!(offer.option(108).unwrap(), seconds);
    assert!(offer.codes().ends_with(&[119, 114, 108]), "{:?}", offer.codes());
    let unasked = site.ask(&discover(2).option(55, &[1, 3]));
    assert_eq!([108, 114, 119].map(|code| unasked.option(code)), [const { None }; 3]);
}

#[test]
fn routes_get_the_default_route_that_option_3_has() {
    let mut view = view();
    view.options = set([value(121, &[8, 20, 10, 0, 0, 7])]);
    let mut site = Site::with(view);
    let asked = |last| discover(last).option(55, &[121, 3]);
    let routes = [8, 20, 10, 0, 0, 7, 0, 10, 0, 0, 254];
    assert_eq!(site.ask(&asked(1)).option(121).unwrap(), routes);
    let own = [0, 10, 0, 0, 9, 8, 20, 10, 0, 0, 7];
    site.view.options = set([value(121, &own)]);
    assert_eq!(site.ask(&asked(2)).option(121).unwrap(), own);
    site.view.networks.edit()[0].routers.clear();
    site.view.options = set([value(121, &routes[..6])]);
    assert_eq!(site.ask(&asked(3)).option(121).unwrap(), routes[..6]);
}

#[test]
fn machines_that_boot_are_told_by_the_server_unless_it_is_to_be_replaced() {
    let mut view = view();
    let foreign: [OptionValue; 3] =
        [value(43, b"\x01\x01\x05"), value(60, b"ACME"), value(67, b"acme")];
    view.options = set(foreign.clone());
    let mut site = Site::with(view);
    let list = [43, 60, 66, 67];
    let firmware = site.ask(&discover(1).pxe(7).option(55, &list));
    assert_ne!(firmware.option(43).unwrap(), b"\x01\x01\x05");
    assert_eq!(firmware.text(60).unwrap(), "PXEClient");
    assert!(firmware.file().ends_with("snponly.efi"));
    let system = site.ask(&discover(2).option(55, &list));
    assert_eq!(system.option(43).unwrap(), b"\x01\x01\x05");
    assert_eq!(system.text(67).unwrap(), "acme");
    site.view.options = foreign
        .map(|value| OptionValue { replaces: value.code == 67, ..value })
        .into_iter()
        .collect();
    let replaced = site.ask(&discover(3).pxe(7).option(55, &list));
    assert_eq!(replaced.text(67).unwrap(), "acme");
    assert_eq!(replaced.file(), "acme");
    assert_eq!(replaced.text(60).unwrap(), "PXEClient");
}

#[test]
fn only_known_machines_are_served_where_it_is_said() {
    let mut view = view();
    view.networks.edit()[0].known_only = true;
    reserve(&mut view, MachineKey::Mac(mac(1)), host(20));
    let mut site = Site::with(view);
    assert_eq!(site.ask(&discover(1)).yiaddr(), host(20));
    assert_eq!(site.send(&discover(2)), Err(Discard::NotAllowed));
}

#[derive(Clone, Debug)]
struct Draw {
    pools: Vec<(u8, u8, u16)>,
    asks: Vec<(u8, bool, bool, u8)>,
}

fn draws() -> impl Strategy<Value = Draw> {
    let pools = proptest::collection::vec((10..200u8, 0..6u8, 0..3u16), 1..6);
    let asks = proptest::collection::vec((1..40u8, any::<bool>(), any::<bool>(), 1..254u8), 1..60);
    (pools, asks).prop_map(|(pools, asks)| Draw { pools, asks })
}

proptest! {
    /// Whatever is offered lies in a pool of the client's, and is no other client's.
    #[test]
    fn no_address_is_given_outside_the_pools_of_a_client(draw in draws()) {
        let mut view = view();
        view.classes =
            Classes::new(vec![class("a", vendor(b"a")), class("b", Condition::UserClass(b"b"[..].into()))])
                .unwrap();
        let mut networks = view.networks.edit();
        let of = |class| PoolTerms { class: Some(ClassId(class)), ..PoolTerms::default() };
        networks[0].terms = vec![PoolTerms::default(), of(0), of(1)];
        networks[0].pools.clear();
        for (first, size, terms) in draw.pools {
            let pool = Pool { terms, ..Pool::new(host(first), host(first + size)) };
            let apart = |other: &Pool| pool.last < other.first || other.last < pool.first;
            if networks[0].pools.iter().all(apart) {
                networks[0].pools.push(pool);
            }
        }
        drop(networks);
        let pools = view.networks[0].pools.clone();
        let mut site = Site::with(view);
        let mut held: Vec<(Ipv4Addr, u8)> = Vec::new();
        for (last, is_a, is_b, wish) in draw.asks {
            let mut ask = discover(last).option(50, &host(wish).octets());
            if is_a {
                ask = ask.option(60, b"abc");
            }
            if is_b {
                ask = ask.option(77, b"b");
            }
            let mine = |pool: &&Pool| [true, is_a, is_b][usize::from(pool.terms)];
            site.send(&ask).unwrap();
            let room = || {
                let free = |address: &u32| {
                    !held.iter().any(|(at, who)| at.to_bits() == *address && *who != last)
                };
                pools.iter().filter(mine).any(|pool| {
                    (pool.first.to_bits()..=pool.last.to_bits()).any(|address| free(&address))
                })
            };
            let Some(offer) = site.poll().map(Reply::read) else {
                prop_assert!(!room(), "nothing is offered though there is room");
                continue;
            };
            let address = offer.yiaddr();
            prop_assert!(pools.iter().filter(mine).any(|pool| pool.contains(address)));
            prop_assert!(!held.iter().any(|(at, who)| *at == address && *who != last));
            held.retain(|(_, who)| *who != last);
            held.push((address, last));
        }
    }
}

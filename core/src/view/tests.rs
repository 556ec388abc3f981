use super::profiles::matches_glob;
use super::*;
use crate::identity::Fact;

fn client(product: &str) -> ClientIdentity {
    ClientIdentity { product: Some(Fact::sanitised(product.as_bytes())), ..Default::default() }
}

fn rule(pattern: &str) -> MatchRule {
    MatchRule { product: Some(pattern.into()), ..Default::default() }
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("PowerEdge R6*", "PowerEdge R640", true),
        ("PowerEdge R6*", "PowerEdge R740", false),
        ("poweredge r640", "PowerEdge R640", true),
        ("*R640", "PowerEdge R640", true),
        ("*Edge*40", "PowerEdge R640", true),
        ("*Edge*41", "PowerEdge R640", false),
        ("*40*40", "R640", false),
        ("*", "", true),
        ("", "x", false),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches_glob(pattern, text), expected, "{pattern} on {text}");
    }
}

#[test]
fn a_rule_on_an_untold_fact_fails() {
    assert!(rule("*").matches(&client("x")));
    assert!(!rule("*").matches(&ClientIdentity::default()));
    assert!(MatchRule::default().matches(&ClientIdentity::default()));
}

#[test]
fn subnets() {
    let subnet = Subnet { address: Ipv4Addr::new(10, 20, 3, 4), prefix_len: 16 };
    assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 0, 0));
    assert_eq!(subnet.broadcast(), Ipv4Addr::new(10, 20, 255, 255));
    assert!(subnet.contains(Ipv4Addr::new(10, 20, 200, 1)));
    assert!(!subnet.contains(Ipv4Addr::new(10, 21, 0, 1)));
    let whole = Subnet { address: Ipv4Addr::UNSPECIFIED, prefix_len: 0 };
    assert_eq!(whole.mask(), Ipv4Addr::UNSPECIFIED);
    assert!(whole.contains(Ipv4Addr::BROADCAST));
}

#[test]
fn a_machine_is_found_by_each_of_its_keys_and_no_two_share_one() {
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let mut machines = Machines::default();
    let keys = [MachineKey::Mac(mac), MachineKey::Serial("9XK2TV3".into())];
    let id = machines.insert(&keys, Machine::default()).unwrap();
    let by_mac = ClientIdentity { mac: Some(mac), ..Default::default() };
    let by_serial =
        ClientIdentity { serial: Some(Fact::sanitised(b"9XK2TV3")), ..Default::default() };
    assert_eq!(machines.find(&by_mac).unwrap().0, id);
    assert_eq!(machines.find(&by_serial).unwrap().0, id);
    assert_eq!(machines.insert(&keys[1..], Machine::default()), Err(DuplicateKey::Key(0)));
    assert_eq!(machines.len(), 1);
}

#[test]
fn a_machine_known_to_dhcp_alone_is_found_by_its_address_afterwards() {
    let address = Ipv4Addr::new(10, 0, 0, 9);
    let mut machines = Machines::default();
    let by_mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let other = machines.insert(&[MachineKey::Mac(by_mac)], Machine::default()).unwrap();
    let machine = Machine { addresses: vec![address], ..Machine::default() };
    let id = machines.insert(&[MachineKey::ClientId(b"console"[..].into())], machine).unwrap();
    let found = machines.find_by_address(IpAddr::V4(address));
    assert_eq!(found, Some(id));
    assert_eq!(machines.find_by_address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 8))), None);
    let client = ClientIdentity { machine: found, ..Default::default() };
    assert_eq!(machines.find(&client).unwrap().0, id);
    let told = ClientIdentity { mac: Some(by_mac), ..client };
    assert_eq!(machines.find(&told).unwrap().0, other, "what it tells itself wins");
}

/// Whatever a walk over all networks finds is what the index finds.
#[test]
fn the_index_of_networks_finds_what_a_walk_finds() {
    let mut rng = crate::rng::Rng::new(7);
    let mut list = Vec::new();
    for number in 0..300_u32 {
        let prefix_len = u8::try_from(12 + rng.below(18)).unwrap();
        let address = Ipv4Addr::from_bits(10 << 24 | rng.below(1 << 24));
        let subnet = Subnet { address, prefix_len };
        let relay = Subnet { address, prefix_len: prefix_len.min(30) + 2 };
        list.push(Network {
            interface: InterfaceId(u16::try_from(number % 7).unwrap()),
            server: Ipv4Addr::from_bits(number % 50),
            subnet,
            relays: if number % 3 == 0 { vec![relay] } else { vec![] },
            shared: (number % 5 == 0).then(|| SharedId(u16::try_from(number % 20).unwrap())),
            ..Network::default()
        });
    }
    let networks = Networks::from(list.clone());
    let ids = |found: &mut dyn Iterator<Item = (NetworkId, &Network)>| {
        let mut ids: Vec<u16> = found.map(|(id, _)| id.0).collect();
        ids.sort_unstable();
        ids
    };
    let walk = |test: &dyn Fn(&Network) -> bool| -> Vec<u16> {
        (0..300_u16).filter(|id| test(&list[usize::from(*id)])).collect()
    };
    for _ in 0..2000 {
        let address = Ipv4Addr::from_bits(10 << 24 | rng.below(1 << 24));
        assert_eq!(
            ids(&mut networks.containing(address)),
            walk(&|network| network.subnet.contains(address))
        );
        assert_eq!(
            ids(&mut networks.behind(address)),
            walk(&|network| network.relays.iter().any(|relay| relay.contains(address)))
        );
        let narrowest = networks.containing(address).map(|(_, network)| network.subnet.prefix_len);
        assert!(narrowest.is_sorted_by(|a, b| a >= b), "the narrowest comes first");
    }
    for number in 0..7 {
        let interface = InterfaceId(number);
        let here = |network: &Network| network.interface == interface && network.relays.is_empty();
        assert_eq!(ids(&mut networks.attached(interface)), walk(&here));
    }
    for id in 0..300_u16 {
        let shared = list[usize::from(id)].shared;
        let found = ids(&mut networks.on_link_of(NetworkId(id)));
        match shared {
            None => assert_eq!(found, [id]),
            Some(_) => assert_eq!(found, walk(&|network| network.shared == shared)),
        }
        assert!(networks.is_own_address(Ipv4Addr::from_bits(u32::from(id % 50))));
    }
    assert!(!networks.is_own_address(Ipv4Addr::from_bits(50)));
}

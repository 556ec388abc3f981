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

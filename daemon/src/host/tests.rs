//! Which interfaces are served without being named.

use super::*;

pub(crate) fn ethernet(name: &str) -> HostInterface {
    HostInterface {
        name: name.to_owned(),
        index: 2,
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        up: true,
        loopback: false,
        addresses: vec!["10.0.0.1/24".parse().unwrap()],
        link_local: None,
        link_unicast: true,
        internal: false,
        forwards_ipv6: false,
        part_of: None,
    }
}

#[test]
fn only_what_leads_out_with_an_address_is_a_candidate() {
    let host = Host {
        interfaces: vec![
            HostInterface { loopback: true, mac: None, ..ethernet("lo") },
            ethernet("eno1"),
            HostInterface { up: false, ..ethernet("eno2") },
            HostInterface { addresses: Vec::new(), ..ethernet("eno3") },
            HostInterface { internal: true, ..ethernet("docker0") },
            HostInterface { mac: None, ..ethernet("ib0") },
        ],
    };
    let names: Vec<&str> = host.candidates().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["eno1"]);
    assert_eq!(host.interface("eno2").and_then(HostInterface::unfit), Some("is switched off"));
}

#[test]
fn advertisements_have_an_address_before_the_link_has_one() {
    let mut interface = ethernet("eno1");
    interface.mac = Some(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    let derived = "fe80::5054:ff:fe12:3456".parse().unwrap();
    assert_eq!(interface.advertise_address(), Some(derived));
    interface.link_local = Some("fe80::1".parse().unwrap());
    assert_eq!(interface.advertise_address(), interface.link_local);
}

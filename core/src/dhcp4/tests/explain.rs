//! What people are told about an answer. That it is the answer which the engine then gives is
//! checked by `Site` at every message of every test here.

use std::vec::Vec;

use super::kit::*;
use crate::boot::Boot;
use crate::dhcp4::{
    AddressRule, AnswerRule, ClientRule, Decision, LeftOutRule, Level, NetworkRule, Outcome,
    RouteRule,
};
use crate::engine::Discard;
use crate::identity::Firmware;
use crate::view::{MachineKey, MachineRule};
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{ArchType, Uuid};

fn decisions(site: &Site, ask: &Ask) -> Vec<Decision> {
    site.explain(ask, &ask.bytes()).decisions
}

#[test]
fn each_part_of_an_answer_is_explained_in_the_order_of_its_decision() {
    let mut view = view();
    reserve(&mut view, MachineKey::Mac(mac(1)), host(50));
    let mut site = Site::with(view);
    let ask = discover(1).pxe(7).option(55, &[12]).option(82, &[1, 1, 7]);
    let subnet = site.view.networks[0].subnet;
    let told = decisions(&site, &ask);
    let (firmware, arch) = (Firmware::Pxe, Some(ArchType::X64_UEFI));
    let machine = site.view.machines.reserved(host(50)).unwrap();
    assert_eq!(
        told[..4],
        [
            Decision::Client { firmware, arch, by: ClientRule::VendorClass },
            Decision::Network { subnet, by: NetworkRule::Interface },
            Decision::Machine { machine, by: MachineRule::Mac },
            Decision::Address { address: host(50), by: AddressRule::Reserved },
        ]
    );
    let Decision::Boot { plan, .. } = told[4] else { panic!("{told:?}") };
    assert!(matches!(plan.boot, Boot::File { .. }));
    let mut rest = told[5..].to_vec();
    let (level, why) = (Level::Network, LeftOutRule::NotAsked);
    for code in [42, 15] {
        assert_eq!(rest.pop(), Some(Decision::LeftOut { code, level, why }));
    }
    let mut quirks = Vec::new();
    rest.retain(|decision| match decision {
        Decision::Quirk(at) => {
            quirks.push(&*site.view.quirks.list()[*at].name);
            false
        }
        Decision::Client { .. }
        | Decision::Network { .. }
        | Decision::Machine { .. }
        | Decision::Class(_)
        | Decision::Address { .. }
        | Decision::Boot { .. }
        | Decision::Answer(_)
        | Decision::Route(_)
        | Decision::Option { .. }
        | Decision::LeftOut { .. } => true,
    });
    assert_eq!(quirks, ["pxe-class", "pxe-file-name", "pxe-uefi-proxy"]);
    assert_eq!(rest[0], Decision::Answer(AnswerRule::Offer));
    assert_eq!(rest[1], Decision::Route(RouteRule::Station));
    // Every option of the reply, each once, and nothing else.
    let mut options = Vec::new();
    for decision in &rest[2..] {
        let Decision::Option { code, .. } = decision else { panic!("{decision:?}") };
        options.push(*code);
    }
    options.sort_unstable();
    let mut sent = site.ask(&ask).codes();
    sent.sort_unstable();
    assert_eq!(options, sent);
    for (code, level) in
        [(51, Level::Protocol), (1, Level::Network), (12, Level::Machine), (82, Level::Echo)]
    {
        assert!(told.contains(&Decision::Option { code, level }), "{code}");
    }
}

#[test]
fn every_reason_for_an_address_is_told() {
    let mut site = Site::new();
    site.lease(1);
    for (ask, address, by) in [
        (discover(1), host(100), AddressRule::Kept),
        (discover(2).option(50, &host(105).octets()), host(105), AddressRule::Wished),
        (discover(2), host(101), AddressRule::Free),
    ] {
        assert!(decisions(&site, &ask).contains(&Decision::Address { address, by }), "{by:?}");
    }
}

#[test]
fn what_is_dropped_is_explained_too() {
    let mut site = Site::new();
    let ask = discover(1).giaddr(host(2));
    assert_eq!(site.explain(&ask, &ask.bytes()).outcome, Outcome::Dropped(Discard::UnknownRelay));
    let full = site.explain(&discover(1), &[0; 3]);
    assert_eq!(full.outcome, Outcome::Dropped(Discard::Malformed));
    site.view.networks.edit()[0].authoritative = false;
    let unknown = super::kit::ask(MessageType::Request, 1).ciaddr(host(100));
    let told = site.explain(&unknown, &unknown.bytes());
    assert_eq!(told.outcome, Outcome::Silence);
    assert!(told.decisions.contains(&Decision::Answer(AnswerRule::Silence)));
}

#[test]
fn what_there_was_no_room_for_is_told() {
    let mut site = Site::new();
    site.view.networks.edit()[0].ntp = (0..60).map(host).collect();
    let told = decisions(&site, &discover(1).option(55, &[42]).option(61, &[7; 200]));
    let (level, why) = (Level::Network, LeftOutRule::NoRoom);
    assert!(told.contains(&Decision::LeftOut { code: 42, level, why }), "{told:?}");
}

#[test]
fn what_was_not_asked_for_is_told() {
    let mut site = Site::new();
    site.view.networks.edit()[0].ntp = [host(3)].into();
    let (level, why) = (Level::Network, LeftOutRule::NotAsked);
    let left_out = Decision::LeftOut { code: 42, level, why };
    assert!(decisions(&site, &discover(1).option(55, &[1, 3])).contains(&left_out));
    assert!(!decisions(&site, &discover(1).option(55, &[42])).contains(&left_out));
}

#[test]
fn explaining_changes_nothing() {
    let mut site = Site::new();
    let before = site.explain(&discover(1), &discover(1).bytes());
    for last in 2..20 {
        decisions(&site, &discover(last));
    }
    assert_eq!(site.explain(&discover(1), &discover(1).bytes()), before);
    assert_eq!(site.server.leases().count(), 0);
    assert_eq!(site.events(), []);
    assert!(site.poll().is_none());
}

#[test]
fn a_machine_is_told_with_the_key_that_it_was_recognised_by() {
    let uuid = Uuid::from_smbios([0x11; 16]);
    for (key, by) in [
        (MachineKey::Mac(mac(1)), MachineRule::Mac),
        (MachineKey::Uuid(uuid), MachineRule::Uuid),
        (MachineKey::Uuid(uuid.swapped()), MachineRule::Uuid),
        (MachineKey::ClientId(b"\x01id"[..].into()), MachineRule::ClientId),
    ] {
        let mut view = view();
        reserve(&mut view, key, host(50));
        let machine = view.machines.reserved(host(50)).unwrap();
        let told = decisions(&Site::with(view), &discover(1).pxe(7).option(61, b"\x01id"));
        assert!(told.contains(&Decision::Machine { machine, by }), "{by:?}: {told:?}");
    }
}

//! What quirks change, each effect alone.

use std::vec;
use std::vec::Vec;

use super::kit::*;
use crate::view::{BUILT_IN, Effect, Effects, Quirk, QuirkRule, Quirks};

/// A site with one more quirk, for clients of this option 60.
fn site(mut site: Site, effect: Effect) -> Site {
    let quirk = Quirk {
        name: "one-more".into(),
        reason: "it is tried".into(),
        rule: QuirkRule {
            vendor_class: Some("pxeclient:arch:00000:*".into()),
            ..QuirkRule::default()
        },
        effects: Effects::of(&[effect]),
    };
    let mut quirks: Vec<Quirk> = BUILT_IN.to_vec();
    quirks.push(quirk);
    site.view.quirks = Quirks::new(quirks);
    site
}

#[test]
fn each_effect_changes_what_it_says_and_nothing_else() {
    let ask = discover(1).pxe(0).option(61, b"\x01id");
    let program = "node/52-54-00-00-00-01.0/ipxe/undionly.kpxe";
    let plain = Site::new().ask(&ask);
    let gone = |code: u8| -> (Vec<u8>, Vec<u8>) { (vec![code], vec![]) };
    let come = |code: u8| -> (Vec<u8>, Vec<u8>) { (vec![], vec![code]) };
    let same = || -> (Vec<u8>, Vec<u8>) { (vec![], vec![]) };
    for (effect, (without, with)) in [
        (Effect::PxeClass, same()),
        (Effect::HttpClass, same()),
        (Effect::PxeClassFromProxy, same()),
        (Effect::NoClass, gone(60)),
        (Effect::LoadThisFile, same()),
        (Effect::RaspberryPiMenu, same()),
        (Effect::NoVendorOptions, gone(43)),
        (Effect::NulEndsFile, same()),
        (Effect::FileFieldOnly, gone(67)),
        (Effect::FileOptionOnly, same()),
        (Effect::NoProxyWait, come(175)),
        (Effect::NoMachineId, gone(97)),
        (Effect::NoClientId, gone(61)),
        (Effect::Broadcast, same()),
        (Effect::ShortMessages, same()),
        (Effect::FileOnPort4011, same()),
        (Effect::FileInProxyOffer, same()),
        (Effect::NoProxy, same()),
        (Effect::NoMenu, same()),
    ] {
        let mut site = site(Site::new(), effect);
        let reply = site.ask(&ask);
        let mut expected = plain.codes();
        expected.retain(|code| !without.contains(code));
        let mut codes = reply.codes();
        assert!(with.iter().all(|code| codes.contains(code)), "{effect:?}");
        codes.retain(|code| !with.contains(code));
        assert_eq!(codes, expected, "{effect:?}");
        let file = if effect == Effect::FileOptionOnly { "" } else { program };
        assert_eq!(reply.file(), file, "{effect:?}");
        let class = if effect == Effect::HttpClass { "HTTPClient" } else { "PXEClient" };
        assert!(reply.text(60).is_none_or(|told| told == class), "{effect:?}");
        assert_eq!(reply.is_link_to(mac(1)), effect != Effect::Broadcast, "{effect:?}");
        // Others see nothing of it.
        let other = discover(2).pxe(11);
        assert_eq!(site.ask(&other).codes(), Site::new().ask(&other).codes(), "{effect:?}");
    }
}

#[test]
fn a_short_message_is_short_whatever_the_client_takes() {
    let mut site = site(Site::new(), Effect::ShortMessages);
    site.view.networks.edit()[0].dns = (0..60).map(host).collect();
    let ask = discover(1).pxe(0).option(61, &[7; 200]).option(57, &1500u16.to_be_bytes());
    assert!(site.ask(&ask).message.len() <= 548);
    assert!(site.ask(&ask.pxe(11).xid(9)).message.len() > 548);
}

#[test]
fn a_proxy_tells_its_file_when_the_quirk_says() {
    let ask = discover(1).pxe(0);
    assert_ne!(Site::proxy().ask(&ask).file(), "");
    let mut later = site(Site::proxy(), Effect::FileOnPort4011);
    let offer = later.ask(&ask);
    assert_eq!((offer.file().as_str(), offer.option(43)), ("", None));
    // And at once for UEFI, where an operator knows better.
    let mut quirks: Vec<Quirk> = BUILT_IN.to_vec();
    quirks.push(Quirk {
        name: "good-uefi".into(),
        reason: "this firmware merges offers".into(),
        rule: QuirkRule { uefi: Some(true), ..QuirkRule::default() },
        effects: Effects::of(&[Effect::FileInProxyOffer]),
    });
    let mut at_once = Site::proxy();
    at_once.view.quirks = Quirks::new(quirks);
    let offer = at_once.ask(&discover(1).pxe(7));
    assert_eq!(offer.file(), "node/52-54-00-00-00-01.7/ipxe/snponly.efi");
    assert_eq!(offer.option(43).unwrap(), [6, 1, 8, 255]);
    // One that a proxy is to leave alone.
    let alone = site(Site::proxy(), Effect::NoProxy).send(&ask);
    assert_eq!(alone, Err(crate::engine::Discard::OtherServer));
}

#[test]
fn a_quirk_that_is_switched_off_has_no_effect() {
    let mut quirks = BUILT_IN.to_vec();
    quirks.retain(|quirk| quirk.name != "ipxe-proxy-wait");
    let mut site = Site::new();
    site.view.quirks = Quirks::new(quirks);
    assert_eq!(site.ask(&discover(1).ipxe(0)).option(175), None);
}

use std::path::Path;

use reveille_core::wire::pxe::ArchType;

use super::*;
use crate::config::parse;
use crate::site::Site;

fn read(text: &str) -> Result<Site, String> {
    match parse(Path::new("reveille.toml"), text.to_owned()) {
        Ok(configuration) => Ok(configuration.site),
        Err(failure) => Err(failure.report(false)),
    }
}

#[test]
fn quirks_are_read_with_all_their_keys() {
    let site = read(
        r#"
        [[quirk]]
        name = "rack-7"
        reason = "its switch loses frames for single stations"
        match = { firmware = ["pxe", "ipxe"], arch = "arm64-uefi", uefi = true, mac = "52:54", vendor_class = "PXE*", user_class = "a" }
        effects = ["force-broadcast", "message-548"]
        [[quirk]]
        name = "ipxe-proxy-wait"
        enabled = false
        "#,
    )
    .expect("all known");
    let [quirk, off] = &site.quirks[..] else { panic!("two quirks") };
    assert_eq!(quirk.name, "rack-7");
    assert_eq!(quirk.effects, Effects::of(&[Effect::Broadcast, Effect::ShortMessages]));
    assert_eq!(quirk.rule.firmware[..], [Firmware::Pxe, Firmware::Ipxe]);
    assert!(quirk.rule.archs.contains(&ArchType::ARM64_UEFI));
    assert_eq!(quirk.rule.mac_prefixes, [vec![0x52, 0x54]]);
    assert_eq!(quirk.rule.vendor_class.as_deref(), Some("PXE*"));
    assert_eq!(quirk.rule.user_class.as_deref(), Some("a"));
    assert_eq!((quirk.rule.uefi, quirk.enabled, off.enabled), (Some(true), true, false));
}

#[test]
fn every_effect_and_every_program_has_a_name() {
    for effect in Effect::ALL {
        let text =
            format!("[[quirk]]\nname = \"a\"\nmatch = {{}}\neffects = \"{}\"", effect.label());
        let site = read(&text).expect("an effect");
        assert_eq!(site.quirks[0].effects, Effects::of(&[*effect]));
    }
    for (name, program) in FIRMWARE {
        let text = format!(
            "[[quirk]]\nname = \"a\"\nmatch = {{ firmware = \"{name}\" }}\neffects = \"no-menu\""
        );
        assert_eq!(read(&text).expect("a program").quirks[0].rule.firmware[..], [program]);
    }
    for program in Firmware::ALL {
        assert!(FIRMWARE.iter().any(|(_, known)| *known == program), "{program:?}");
    }
}

#[test]
fn a_menu_is_read_with_all_its_keys() {
    let site = read(
        r#"
        [menu]
        prompt = "F8"
        timeout = 255
        broadcast = true
        [[menu.item]]
        text = "disk"
        local = true
        [[menu.item]]
        text = "own"
        [[menu.item]]
        text = "tool"
        file = "/tools/memtest.0"
        [[menu.item]]
        type = 2
        text = "else"
        servers = ["10.0.0.9"]
        "#,
    )
    .expect("all known");
    let menu = site.menu.expect("a menu");
    assert_eq!((&*menu.prompt, menu.timeout_s, menu.broadcast), ("F8", 255, true));
    let kinds: Vec<u16> = menu.services.iter().map(|service| service.kind).collect();
    assert_eq!(kinds, [0, 0x8001, 0x8002, 2]);
    let targets = menu.services.into_iter().map(|service| service.target);
    assert!(targets.eq([
        BootTarget::Local,
        BootTarget::Own,
        BootTarget::File("tools/memtest.0".into()),
        BootTarget::Servers(vec![Ipv4Addr::new(10, 0, 0, 9)]),
    ]));
}

#[test]
fn what_cannot_be_meant_is_told() {
    let long = format!("[menu]\n[[menu.item]]\ntext = \"{}\"", "x".repeat(250));
    for (text, told) in [
        ("[[quirk]]\nname = \"a\"\nmatch = {}", "a quirk without effects changes nothing"),
        ("[[quirk]]\nname = \"a\"\neffects = \"no-menu\"", "a quirk says whom it is for"),
        ("[[quirk]]\nmatch = {}\neffects = \"no-menu\"", "a quirk needs a name"),
        (
            "[[quirk]]\nname = \"a\"\nmatch = {}\neffects = \"force-brodcast\"",
            "did you mean `force-broadcast`?",
        ),
        ("[menu]\nprompt = \"a\"", "a menu has items"),
        ("[menu]\n[[menu.item]]\nfile = \"a\"", "an item of a menu has a text"),
        (
            "[menu]\n[[menu.item]]\ntext = \"a\"\nfile = \"a\"\nlocal = true",
            "an item has one of `file`, `servers` and `local`",
        ),
        (&long, "this menu is too long"),
    ] {
        let report = read(text).expect_err(told);
        assert!(report.contains(told), "{report}");
    }
}

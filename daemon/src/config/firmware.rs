//! The tables about firmware: `[[quirk]]` and `[menu]`.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use reveille_core::identity::Firmware;
use reveille_core::view::{BootService, BootTarget, Effect, Effects, Menu, QuirkRule};

use super::options::address;
use super::reader::{Fault, Table};
use super::tables::{archs, mac_prefix, one_of};
use crate::problem::{Problem, choices};
use crate::site::SiteQuirk;

pub(super) fn quirk(table: Table<'_>) -> Option<SiteQuirk> {
    let name = table.text("name").map(|text| text.text.to_owned());
    if name.is_none() {
        let help = r#"name = "rack-7": messages tell it, and so does `reveille quirks`"#;
        table.blame(Problem::error(table.place.clone(), "a quirk needs a name").help(help));
    }
    let enabled = table.flag("enabled").unwrap_or(true);
    let reason = table.text("reason").map(|text| text.text.to_owned());
    let rule = table.table("match", "match").map(quirk_rule);
    let effects = table.read_all("effects", effect);
    if enabled && effects.is_empty() {
        let what = "a quirk without effects changes nothing";
        let help = r#"effects = ["force-broadcast"], or enabled = false to switch one off"#;
        table.blame(Problem::error(table.place.clone(), what).help(help));
    }
    if enabled && rule.is_none() {
        let what = "a quirk says whom it is for";
        let help = r#"match = { vendor_class = "PXEClient:*:UNDI:002*" }; match = {} is everybody"#;
        table.blame(Problem::error(table.place.clone(), what).help(help));
    }
    table.finish();
    Some(SiteQuirk {
        name: name?,
        reason: reason.unwrap_or_default(),
        rule: rule.unwrap_or_default(),
        effects: Effects::of(&effects),
        enabled,
    })
}

fn quirk_rule(table: Table<'_>) -> QuirkRule {
    let owned = |key| table.text(key).map(|text| Cow::Owned(text.text.to_owned()));
    let rule = QuirkRule {
        firmware: table.read_all("firmware", firmware).into(),
        archs: table.read_all("arch", archs).concat().into(),
        uefi: table.flag("uefi"),
        vendor_class: owned("vendor_class"),
        user_class: owned("user_class"),
        mac_prefixes: table.read_all("mac", |text| mac_prefix(text).map(Vec::from)),
    };
    table.finish();
    rule
}

/// Programs as configurations write them.
pub(crate) const FIRMWARE: [(&str, Firmware); 6] = [
    ("pxe", Firmware::Pxe),
    ("http-boot", Firmware::HttpBoot),
    ("ipxe", Firmware::Ipxe),
    ("u-boot", Firmware::UBoot),
    ("raspberry-pi", Firmware::RaspberryPi),
    ("system", Firmware::System),
];

fn firmware(text: &str) -> Result<Firmware, Fault> {
    one_of(text, "firmware", &FIRMWARE)
}

fn effect(text: &str) -> Result<Effect, Fault> {
    let found = Effect::ALL.iter().copied().find(|effect| effect.label() == text);
    found.ok_or_else(|| {
        let labels: Vec<&str> = Effect::ALL.iter().map(|effect| effect.label()).collect();
        (format!("there is no effect `{text}`"), Some(choices(text, labels)))
    })
}

pub(super) fn menu(table: Table<'_>) -> Menu {
    let items = table.tables("item", "[[menu.item]]");
    let mut services = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        services.extend(service(item, at));
    }
    let menu = Menu {
        prompt: table.text("prompt").map_or("Press F8 for the menu", |text| text.text).into(),
        timeout_s: table.number("timeout", 0, 255).unwrap_or(10),
        services,
        broadcast: table.flag("broadcast").unwrap_or(false),
        multicast: table.read("multicast", group),
    };
    if menu.services.is_empty() {
        let help = r#"[[menu.item]] with text = "Memory test" and file = "tools/memtest.0""#;
        table.blame(Problem::error(table.place.clone(), "a menu has items").help(help));
    } else if menu.check().is_err() {
        let what = "this menu is too long: firmware takes 255 bytes with all texts and servers";
        table.blame(Problem::error(table.place.clone(), what).help("say it in fewer words"));
    }
    table.finish();
    menu
}

/// The address of a group.
fn group(text: &str) -> Result<Ipv4Addr, Fault> {
    let group = address(text)?;
    if group.is_multicast() {
        return Ok(group);
    }
    let help = "224.0.1.2 is the one of PXE".to_owned();
    Err((format!("{group} is no multicast address"), Some(help)))
}

fn service(table: Table<'_>, at: usize) -> Option<BootService> {
    let text = table.text("text").map(|text| text.text.to_owned());
    let file = table.text("file").map(|text| text.text.to_owned());
    let servers = table.read_all("servers", address);
    let local = table.flag("local").unwrap_or(false);
    let kind: Option<u16> = table.number("type", 0, u16::MAX);
    if text.is_none() {
        let what = "an item of a menu has a text";
        table.blame(Problem::error(table.place.clone(), what));
    }
    let target = match (file, servers.is_empty(), local) {
        (None, true, true) => BootTarget::Local,
        (None, true, false) => BootTarget::Own,
        (Some(file), true, false) if file.len() <= FILE_BYTES_MAX => {
            BootTarget::File(file.trim_start_matches('/').into())
        }
        (Some(_), true, false) => {
            let what = "the name of a boot file has at most 127 bytes";
            table.blame(Problem::error(table.place.key("file"), what));
            return None;
        }
        (None, false, false) => BootTarget::Servers(servers),
        _ => {
            let what = "an item has one of `file`, `servers` and `local`, or none of them";
            let help = "without any it boots what the machine boots without a menu";
            table.blame(Problem::error(table.place.clone(), what).help(help));
            return None;
        }
    };
    // Types of a site's own begin at 32768 (PXE 2.1 table 2-1).
    let own = 0x8000_u16.saturating_add(u16::try_from(at).unwrap_or(u16::MAX));
    let kind = if target == BootTarget::Local { 0 } else { kind.unwrap_or(own) };
    table.finish();
    Some(BootService { kind, text: text?.into(), target })
}

const FILE_BYTES_MAX: usize = 127;

#[cfg(test)]
mod tests;

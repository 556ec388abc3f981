//! `reveille quirks`: what is done differently for some firmware, for people to read.

use std::fmt::Write as _;

use reveille_core::view::{BUILT_IN, Quirk, QuirkRule, Quirks};

use crate::args::QuirksArgs;
use crate::config::{self, FIRMWARE};
use crate::serve::Refused;
use crate::site::Site;
use crate::terminal::Terminal;
use crate::view;

/// Lists the quirks that are built in, or those of a configuration.
///
/// # Errors
/// What is wrong with the configuration.
pub fn run(args: &QuirksArgs, terminal: &Terminal) -> anyhow::Result<()> {
    let site = match &args.config {
        None => Site::default(),
        Some(file) => {
            let loaded = config::load(file);
            let colour = terminal.traits().colour_err;
            loaded.map_err(|failure| Refused::report(failure.report(colour)))?.site
        }
    };
    let mut problems = Vec::new();
    let quirks = view::quirks(&site, &mut problems);
    if !problems.is_empty() {
        return Err(Refused::new(&problems, None, terminal).into());
    }
    terminal.line(list(&quirks).trim_end());
    Ok(())
}

/// Each quirk: its name, whom it is for, what it does, and why.
fn list(quirks: &Quirks) -> String {
    let mut text = String::new();
    for quirk in quirks.list() {
        let whose = if BUILT_IN.contains(quirk) { "" } else { "  (configured)" };
        let effects: Vec<&str> = quirk.effects.iter().map(|effect| effect.label()).collect();
        // Writing into a string cannot fail.
        let _done = write!(
            text,
            "{}{whose}\n  for   {}\n  does  {}\n",
            quirk.name,
            whom(&quirk.rule),
            effects.join(", ")
        );
        if let Quirk { reason, .. } = quirk
            && !reason.is_empty()
        {
            let _done = writeln!(text, "  why   {reason}");
        }
    }
    text
}

/// A rule as the configuration writes it.
fn whom(rule: &QuirkRule) -> String {
    let mut parts = Vec::new();
    let several = |key: &str, values: Vec<String>| match &values[..] {
        [] => None,
        [one] => Some(format!("{key} = {one}")),
        _ => Some(format!("{key} = [{}]", values.join(", "))),
    };
    let firmware = rule.firmware.iter().filter_map(|firmware| {
        FIRMWARE.iter().find(|(_, known)| known == firmware).map(|(name, _)| format!("{name:?}"))
    });
    parts.extend(several("firmware", firmware.collect()));
    parts.extend(several("arch", rule.archs.iter().map(|arch| format!("{:?}", arch.0)).collect()));
    parts.extend(rule.uefi.map(|uefi| format!("uefi = {uefi}")));
    for (key, pattern) in [("vendor_class", &rule.vendor_class), ("user_class", &rule.user_class)] {
        parts.extend(pattern.as_deref().map(|pattern| format!("{key} = {pattern:?}")));
    }
    let mac = |octets: &Vec<u8>| {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{:?}", octets.join(":"))
    };
    parts.extend(several("mac", rule.mac_prefixes.iter().map(mac).collect()));
    if parts.is_empty() { "everybody".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use reveille_core::identity::Firmware;
    use reveille_core::view::{Effect, Effects};
    use reveille_core::wire::pxe::ArchType;

    use super::*;

    #[test]
    fn every_quirk_is_listed_with_its_reason() {
        let text = list(&Quirks::default());
        for quirk in &BUILT_IN {
            assert!(text.contains(&format!("{}\n", quirk.name)), "{text}");
            assert!(text.contains(&*quirk.reason), "{text}");
        }
        let uefi = "pxe-uefi-proxy\n  for   firmware = \"pxe\", uefi = true\n  \
                    does  file-on-port-4011\n";
        assert!(text.contains(uefi), "{text}");
    }

    #[test]
    fn a_rule_is_written_as_it_is_configured() {
        let rule = QuirkRule {
            firmware: vec![Firmware::Pxe, Firmware::Ipxe].into(),
            archs: vec![ArchType(7)].into(),
            uefi: Some(false),
            vendor_class: Some("PXE*".into()),
            user_class: Some("a".into()),
            mac_prefixes: vec![vec![0x52, 0x54]],
        };
        assert_eq!(
            whom(&rule),
            "firmware = [\"pxe\", \"ipxe\"], arch = 7, uefi = false, vendor_class = \"PXE*\", \
             user_class = \"a\", mac = \"52:54\""
        );
        assert_eq!(whom(&QuirkRule::default()), "everybody");
        let own = Quirk {
            name: "own".into(),
            reason: "".into(),
            rule: QuirkRule::default(),
            effects: Effects::of(&[Effect::Broadcast]),
        };
        let text = list(&Quirks::new(vec![own]));
        assert_eq!(text, "own  (configured)\n  for   everybody\n  does  force-broadcast\n");
    }
}

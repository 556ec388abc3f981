//! Habits of firmware that need another answer than the rules give, as data.
//!
//! A quirk has a name, a reason, a rule by which a client is recognised from what it sends, and
//! effects on the answer. What Reveille does for each kind of firmware stands here as well, so
//! that an operator reads in one table why a reply looks as it does, switches parts of it off and
//! adds to it.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::profiles::matches_glob;
use crate::identity::Firmware;
use crate::mac::MacAddr;
use crate::wire::pxe::ArchType;

/// One change of answers, for clients that are recognised by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// How people call it.
    pub name: Cow<'static, str>,
    /// Why it is needed.
    pub reason: Cow<'static, str>,
    /// Whom it is for.
    pub rule: QuirkRule,
    /// What is done differently.
    pub effects: Effects,
}

/// Whom a quirk is for: everything given must fit. Nothing given fits everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuirkRule {
    /// The program that speaks is one of these.
    pub firmware: Cow<'static, [Firmware]>,
    /// The architecture is one of these.
    pub archs: Cow<'static, [ArchType]>,
    /// Whether the architecture is one of UEFI.
    pub uefi: Option<bool>,
    /// Option 60; `*` stands for anything, letter case does not count.
    pub vendor_class: Option<Cow<'static, str>>,
    /// Option 77 as sent, likewise.
    pub user_class: Option<Cow<'static, str>>,
    /// First octets of the MAC address, one of these.
    pub mac_prefixes: Vec<Vec<u8>>,
}

/// What a quirk's rule looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuirkClient<'a> {
    /// The program that speaks.
    pub firmware: Firmware,
    /// The architecture that the answer is for.
    pub arch: Option<ArchType>,
    /// The link-layer address.
    pub mac: Option<MacAddr>,
    /// Option 60.
    pub vendor_class: Option<&'a [u8]>,
    /// Option 77.
    pub user_class: Option<&'a [u8]>,
}

impl QuirkRule {
    /// Whether `client` is one of those that the quirk is for.
    pub fn matches(&self, client: &QuirkClient<'_>) -> bool {
        let glob = |pattern: &Option<Cow<'static, str>>, sent: Option<&[u8]>| match pattern {
            None => true,
            // Text that is none fits no pattern.
            Some(pattern) => sent
                .and_then(|sent| core::str::from_utf8(sent).ok())
                .is_some_and(|sent| matches_glob(pattern, sent.trim_end_matches('\0'))),
        };
        let is_uefi = client.arch.is_some_and(ArchType::is_uefi);
        (self.firmware.is_empty() || self.firmware.contains(&client.firmware))
            && (self.archs.is_empty() || client.arch.is_some_and(|arch| self.archs.contains(&arch)))
            && self.uefi.is_none_or(|uefi| uefi == is_uefi)
            && glob(&self.vendor_class, client.vendor_class)
            && glob(&self.user_class, client.user_class)
            && (self.mac_prefixes.is_empty()
                || client.mac.is_some_and(|mac| {
                    self.mac_prefixes.iter().any(|prefix| mac.0.starts_with(prefix))
                }))
    }

    /// Whether the rule is about nothing but the program that speaks, and whether that is of UEFI.
    fn is_by_firmware_alone(&self) -> bool {
        let Self { firmware, archs, uefi: _, vendor_class, user_class, mac_prefixes } = self;
        !firmware.is_empty()
            && archs.is_empty()
            && vendor_class.is_none()
            && user_class.is_none()
            && mac_prefixes.is_empty()
    }
}

macro_rules! effects {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {
        /// One thing that is done differently.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Effect {
            $($(#[$doc])* $name,)*
        }

        impl Effect {
            /// All effects.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As configurations write it.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

effects! {
    /// Option 60 is `PXEClient`.
    PxeClass = "class-pxe";
    /// Option 60 is `HTTPClient`.
    HttpClass = "class-http";
    /// Option 60 is `PXEClient` in what a proxy or boot server says.
    PxeClassFromProxy = "class-pxe-from-proxy";
    /// There is no option 60, whatever else says so.
    NoClass = "no-option-60";
    /// Option 43 says: load the file of this very reply (PXE sub-option 6 = 8).
    LoadThisFile = "load-this-file";
    /// Option 43 has the menu that the boot ROM of a Raspberry Pi looks for.
    RaspberryPiMenu = "menu-raspberry-pi";
    /// There is no option 43, whatever else says so.
    NoVendorOptions = "no-option-43";
    /// The value of option 67 ends in a NUL.
    NulEndsFile = "nul-terminated-67";
    /// The boot file stands in the header only.
    FileFieldOnly = "file-only";
    /// The boot file stands in option 67 only.
    FileOptionOnly = "option-67-only";
    /// Option 175 says: do not wait for a ProxyDHCP.
    NoProxyWait = "no-proxy-wait";
    /// Option 97 is not repeated.
    NoMachineId = "no-option-97";
    /// Option 61 is not repeated (RFC 2131; RFC 6842 wants it to be).
    NoClientId = "no-option-61";
    /// Every reply to a client without an address is broadcast.
    Broadcast = "force-broadcast";
    /// No reply is longer than 548 bytes, whatever the client says that it takes.
    ShortMessages = "message-548";
    /// A proxy tells the boot file on port 4011 only.
    FileOnPort4011 = "file-on-port-4011";
    /// A proxy tells the boot file in its offer, whatever else says so.
    FileInProxyOffer = "file-in-proxy-offer";
    /// A proxy leaves the client alone.
    NoProxy = "no-proxy";
    /// No boot menu is shown.
    NoMenu = "no-menu";
}

/// A set of effects.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Effects(u32);

const _: () = assert!(Effect::ALL.len() <= 32);

impl Effects {
    /// No effect.
    pub const NONE: Self = Self(0);

    /// These effects.
    pub const fn of(effects: &[Effect]) -> Self {
        let mut set = Self::NONE;
        let mut at = 0;
        // Ends: `at` counts up to the length.
        while at < effects.len() {
            set.0 |= 1 << effects[at] as u32;
            at += 1;
        }
        set
    }

    /// Whether `effect` is one of them.
    pub const fn has(self, effect: Effect) -> bool {
        self.0 & 1 << effect as u32 != 0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The effects in the order of [`Effect::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Effect> {
        Effect::ALL.iter().copied().filter(move |effect| self.has(*effect))
    }
}

impl core::fmt::Debug for Effects {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter().map(Effect::label)).finish()
    }
}

/// All quirks of a site.
///
/// Those that are about a kind of firmware alone, of UEFI or not, cost nothing at a message, however many they are:
/// their effects are added up beforehand.
#[derive(Clone, Debug)]
pub struct Quirks {
    list: Vec<Quirk>,
    /// Effects by the program that speaks, where its architecture is not one of UEFI and where it
    /// is.
    plain: [[Effects; 2]; Firmware::ALL.len()],
    /// Positions in `list` of quirks that take a closer look.
    closer: [Vec<u16>; Firmware::ALL.len()],
}

impl Default for Quirks {
    /// The quirks that are [built in](BUILT_IN).
    fn default() -> Self {
        Self::new(BUILT_IN.to_vec())
    }
}

impl Quirks {
    /// The quirks of `list`, in any order.
    pub fn new(list: Vec<Quirk>) -> Self {
        let mut plain = [[Effects::NONE; 2]; Firmware::ALL.len()];
        let mut closer = [const { Vec::new() }; Firmware::ALL.len()];
        for (at, quirk) in list.iter().enumerate() {
            let concerns = |firmware| {
                quirk.rule.firmware.is_empty() || quirk.rule.firmware.contains(&firmware)
            };
            for firmware in Firmware::ALL.into_iter().filter(|firmware| concerns(*firmware)) {
                let place = firmware as usize;
                if !quirk.rule.is_by_firmware_alone() {
                    closer[place].push(u16::try_from(at).unwrap_or(u16::MAX));
                    continue;
                }
                for (is_uefi, plain) in [false, true].into_iter().zip(&mut plain[place]) {
                    if quirk.rule.uefi.is_none_or(|uefi| uefi == is_uefi) {
                        *plain = plain.and(quirk.effects);
                    }
                }
            }
        }
        Self { list, plain, closer }
    }

    /// What is done differently for `client`.
    pub fn effects(&self, client: &QuirkClient<'_>) -> Effects {
        let place = client.firmware as usize;
        let is_uefi = client.arch.is_some_and(ArchType::is_uefi);
        let mut effects = self.plain[place][usize::from(is_uefi)];
        for at in &self.closer[place] {
            if let Some(quirk) = self.list.get(usize::from(*at)).filter(|q| q.rule.matches(client))
            {
                effects = effects.and(quirk.effects);
            }
        }
        effects
    }

    /// All quirks.
    pub fn list(&self) -> &[Quirk] {
        &self.list
    }

    /// Positions in [`Quirks::list`] of those that are for `client`.
    pub fn matching(&self, client: &QuirkClient<'_>) -> impl Iterator<Item = usize> {
        let matches = move |quirk: &Quirk| quirk.rule.matches(client);
        self.list.iter().enumerate().filter(move |(_, quirk)| matches(quirk)).map(|(at, _)| at)
    }
}

const fn quirk(
    name: &'static str,
    reason: &'static str,
    firmware: &'static [Firmware],
    uefi: Option<bool>,
    effects: &[Effect],
) -> Quirk {
    Quirk {
        name: Cow::Borrowed(name),
        reason: Cow::Borrowed(reason),
        rule: QuirkRule {
            firmware: Cow::Borrowed(firmware),
            archs: Cow::Borrowed(&[]),
            uefi,
            vendor_class: None,
            user_class: None,
            mac_prefixes: Vec::new(),
        },
        effects: Effects::of(effects),
    }
}

/// What is known about firmware.
pub static BUILT_IN: [Quirk; 8] = [
    quirk(
        "pxe-class",
        "PXE firmware takes an offer for one of PXE by option 60, and without option 43 it looks \
         for a boot server on port 4011 then",
        &[Firmware::Pxe],
        None,
        &[Effect::PxeClass, Effect::LoadThisFile],
    ),
    quirk(
        "pxe-file-name",
        "some PXE ROMs cut the last character of option 67 unless a NUL inside ends it",
        &[Firmware::Pxe, Firmware::RaspberryPi],
        None,
        &[Effect::NulEndsFile],
    ),
    quirk(
        "pxe-uefi-proxy",
        "the menu code of many UEFI machines is faulty: without option 43 and file in a proxy's \
         offer they ask on port 4011 and take what they get there",
        &[Firmware::Pxe],
        Some(true),
        &[Effect::FileOnPort4011],
    ),
    quirk(
        "http-class",
        "UEFI HTTP Boot drops offers whose option 60 is not HTTPClient",
        &[Firmware::HttpBoot],
        None,
        &[Effect::HttpClass],
    ),
    quirk(
        "ipxe-proxy-class",
        "iPXE takes whatever has option 60 PXEClient for a proxy's reply, so only a proxy's has it",
        &[Firmware::Ipxe],
        None,
        &[Effect::PxeClassFromProxy],
    ),
    quirk(
        "ipxe-proxy-wait",
        "iPXE waits two seconds for a ProxyDHCP unless it is told that there is none",
        &[Firmware::Ipxe],
        None,
        &[Effect::NoProxyWait],
    ),
    quirk(
        "raspberry-pi-menu",
        "the boot ROM of a Raspberry Pi 3 looks for a menu with its name in it, that of the 3B \
         with three blanks behind it",
        &[Firmware::RaspberryPi],
        None,
        &[Effect::PxeClass, Effect::RaspberryPiMenu],
    ),
    quirk(
        "no-proxy-for-others",
        "U-Boot takes any offer for one with an address, and systems do not boot: a proxy has \
         nothing for them",
        &[Firmware::UBoot, Firmware::System],
        None,
        &[Effect::NoProxy],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec;

    use super::*;

    fn client(firmware: Firmware) -> QuirkClient<'static> {
        QuirkClient { firmware, ..QuirkClient::default() }
    }

    #[test]
    fn names_and_labels_are_unique_and_every_quirk_does_something() {
        let names: BTreeSet<&str> = BUILT_IN.iter().map(|quirk| &*quirk.name).collect();
        assert_eq!(names.len(), BUILT_IN.len());
        let labels: BTreeSet<&str> = Effect::ALL.iter().map(|effect| effect.label()).collect();
        assert_eq!(labels.len(), Effect::ALL.len());
        for quirk in &BUILT_IN {
            assert!(quirk.effects != Effects::NONE && !quirk.reason.is_empty(), "{}", quirk.name);
        }
    }

    #[test]
    fn effects_are_those_of_all_quirks_that_match() {
        let quirks = Quirks::default();
        for firmware in Firmware::ALL {
            for arch in [None, Some(ArchType::X64_UEFI), Some(ArchType::X86_BIOS)] {
                let client = QuirkClient { arch, ..client(firmware) };
                let expected = quirks
                    .matching(&client)
                    .fold(Effects::NONE, |sum, at| sum.and(quirks.list()[at].effects));
                assert_eq!(quirks.effects(&client), expected, "{firmware:?} {arch:?}");
            }
        }
    }

    #[test]
    fn each_part_of_a_rule_must_fit() {
        let rule = QuirkRule {
            firmware: vec![Firmware::Pxe].into(),
            archs: vec![ArchType::X64_UEFI].into(),
            uefi: Some(true),
            vendor_class: Some("pxeclient:*:UNDI:003*".into()),
            user_class: Some("rack*".into()),
            mac_prefixes: vec![vec![0x52, 0x54]],
        };
        let fits = QuirkClient {
            firmware: Firmware::Pxe,
            arch: Some(ArchType::X64_UEFI),
            mac: Some(MacAddr([0x52, 0x54, 0, 0, 0, 1])),
            vendor_class: Some(b"PXEClient:Arch:00007:UNDI:003016\0"),
            user_class: Some(b"rack7"),
        };
        assert!(rule.matches(&fits));
        for other in [
            QuirkClient { firmware: Firmware::Ipxe, ..fits },
            QuirkClient { arch: Some(ArchType::EBC), ..fits },
            QuirkClient { arch: None, ..fits },
            QuirkClient { mac: None, ..fits },
            QuirkClient { mac: Some(MacAddr([0; 6])), ..fits },
            QuirkClient { vendor_class: Some(b"PXEClient"), ..fits },
            QuirkClient { vendor_class: Some(b"\xff"), ..fits },
            QuirkClient { user_class: None, ..fits },
        ] {
            assert!(!rule.matches(&other), "{other:?}");
        }
        assert!(QuirkRule::default().matches(&fits));
    }
}

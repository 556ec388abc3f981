//! Stages of a boot, and which of them a file belongs to.

use std::collections::HashMap;
use std::fmt;

use reveille_core::node::NodePrefix;

/// A stage of a machine's boot, in the order in which a boot goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// It looks for servers.
    Discover,
    /// It was offered an address or a boot program.
    Offer,
    /// It has an address or its boot information.
    Ack,
    /// A file that is none of the others: a loader's module, a theme, a license.
    File,
    /// The program that firmware loads first.
    BootProgram,
    /// What tells the boot program what to load: an iPXE script, a loader's configuration.
    Script,
    /// The kernel.
    Kernel,
    /// An initial RAM disk.
    Initrd,
    /// User space runs.
    Up,
}

impl Stage {
    /// As timelines print it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Ack => "ACK",
            Self::File => "file",
            Self::BootProgram => "boot program",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Up => "up",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// What each file of the site is for. Comes from the view, anew with each reload.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    by_name: HashMap<Box<str>, Stage>,
}

impl Roles {
    /// Nothing known: scripts are still recognised by their names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the file `name` of the catalogue belongs to `stage`.
    pub fn insert(&mut self, name: &str, stage: Stage) {
        self.by_name.insert(name.into(), stage);
    }

    /// Whether any script leads to a kernel: an operator's own may do anything else.
    pub(super) fn has_kernel(&self) -> bool {
        self.by_name.values().any(|stage| *stage == Stage::Kernel)
    }

    /// The stage that a client's wish for `name` (with or without its own prefix) belongs to.
    pub fn stage_of(&self, name: &str) -> Stage {
        let name = plain_name(name);
        if let Some(stage) = self.by_name.get(name) {
            return *stage;
        }
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let is_script = matches!(last, "boot.ipxe" | "autoexec.ipxe")
            || last.starts_with("grub.cfg")
            || name.contains("pxelinux.cfg/");
        if is_script { Stage::Script } else { Stage::File }
    }
}

/// A name without what only machines need to read: leading slashes, `http://…/` of this server,
/// the machine's own prefix, a query.
pub fn plain_name(name: &str) -> &str {
    let name = match name.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => name,
    };
    let name = name.split_once('?').map_or(name, |(path, _)| path).trim_start_matches('/');
    NodePrefix::split(name).map_or(name, |(_, rest)| rest)
}

/// A name as timelines show it: of a file from outside the images' root only its last part.
pub(super) fn shown_name(name: &str) -> &str {
    let name = plain_name(name);
    match (name.strip_prefix("files/"), name.rsplit_once('/')) {
        (Some(_), Some((_, last))) => last,
        _ => name,
    }
}

/// Whether loaders ask for `name` only to see whether it is there: its absence is no failure.
pub fn is_probe(name: &str) -> bool {
    let name = plain_name(name);
    let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
    let known = [
        "autoexec.ipxe",
        "command.lst",
        "crypto.lst",
        "favicon.ico",
        "fs.lst",
        "revocations.efi",
        "revocations_sbat.efi",
        "revocations_sku.efi",
        "terminal.lst",
    ];
    known.contains(&last)
        || name.contains("pxelinux.cfg/")
        || last.starts_with("grub.cfg-")
        || last.starts_with("shim_certificate")
        || last.ends_with(".sig")
        // GRUB's translations and modules that its image may hold already.
        || last.ends_with(".mo")
        || last.ends_with(".mo.gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_recognised_under_every_name_it_goes_by() {
        let mut roles = Roles::new();
        roles.insert("ipxe/snponly.efi", Stage::BootProgram);
        roles.insert("files/boot/vmlinuz", Stage::Kernel);
        for (name, stage) in [
            ("ipxe/snponly.efi", Stage::BootProgram),
            ("/ipxe/snponly.efi", Stage::BootProgram),
            ("node/52-54-00-12-34-56.7/ipxe/snponly.efi", Stage::BootProgram),
            ("http://10.0.0.1:8080/node/52-54-00-12-34-56/files/boot/vmlinuz", Stage::Kernel),
            ("node/52-54-00-12-34-56/boot.ipxe?facts=1&uuid=", Stage::Script),
            ("pxelinux.cfg/01-52-54-00-12-34-56", Stage::Script),
            ("boot/grub/grub.cfg-01-52-54-00-12-34-56", Stage::Script),
            ("boot/grub/x86_64-efi/linux.mod", Stage::File),
        ] {
            assert_eq!(roles.stage_of(name), stage, "{name}");
        }
    }

    #[test]
    fn names_are_shown_as_short_as_they_can_be() {
        assert_eq!(shown_name("node/52-54-00-12-34-56/files/home/me/vmlinuz"), "vmlinuz");
        assert_eq!(shown_name("debian/vmlinuz"), "debian/vmlinuz");
    }

    #[test]
    fn probes_are_told_from_mistakes() {
        for name in ["/node/52-54-00-12-34-56.7/ipxe/autoexec.ipxe", "pxelinux.cfg/0A4D", "x.sig"] {
            assert!(is_probe(name), "{name}");
        }
        for name in ["vmlinuz", "boot.ipxe", "debian/initrd.img"] {
            assert!(!is_probe(name), "{name}");
        }
    }
}

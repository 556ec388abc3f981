//! What a machine loads next: the one boot policy, whoever asks and however it asks.

use core::fmt::{self, Write};
use core::net::Ipv4Addr;

use crate::digits::{self, WriteAscii};
use crate::document::BaseUrl;
use crate::identity::{ClientIdentity, Firmware};
use crate::node::NodePrefix;
use crate::view::{Loader, ProfileId, View};
use crate::wire::pxe::ArchType;

/// What a machine is told to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// Nothing: it wants an address only, or no profile is for it.
    Nothing,
    /// It wants to boot, but none of our programs runs on it.
    NoProgram,
    /// A file under a name (loaded by TFTP from us) or a URL.
    File {
        /// The name or URL.
        file: BootFile,
        /// What the file is; `None` for a script.
        program: Option<Loader>,
    },
    /// A tree of files that the firmware finds by itself (Raspberry Pi).
    Tree,
    /// A configuration file that U-Boot reads by itself.
    Config,
}

/// What was decided about one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it loads.
    pub boot: Boot,
    /// The architecture that the decision was made for; `None` if it told none.
    pub arch: Option<ArchType>,
    /// The name under which it fetches what belongs to it alone.
    pub prefix: Option<NodePrefix>,
}

impl Plan {
    /// Whether there is something to boot from here.
    pub const fn boots(&self) -> bool {
        matches!(self.boot, Boot::File { .. } | Boot::Tree | Boot::Config)
    }

    /// The name or URL of the boot file; empty for none.
    pub fn file(&self) -> &[u8] {
        match &self.boot {
            Boot::File { file, .. } => file.as_bytes(),
            Boot::Nothing | Boot::NoProgram | Boot::Tree | Boot::Config => &[],
        }
    }
}

/// Decides what `client` loads from `server` (our address as it reaches us).
///
/// `others` are the architectures it can boot besides `client.arch`, preferred first; the first
/// that we have a program for wins. `http` tells whether an iPXE can load by HTTP. Facts that only
/// iPXE can report may be needed to choose a profile: then firmware loads iPXE, and iPXE a script
/// that asks for them.
pub fn plan(
    view: &View,
    server: Ipv4Addr,
    client: &ClientIdentity,
    others: impl Iterator<Item = ArchType>,
    http: bool,
) -> Plan {
    let first = plan_for(view, server, client, http);
    if first.boots() {
        return first;
    }
    let plan_of = |arch| {
        let client = ClientIdentity { arch: Some(arch), ..*client };
        plan_for(view, server, &client, http)
    };
    others.map(plan_of).find(Plan::boots).unwrap_or(first)
}

fn plan_for(view: &View, server: Ipv4Addr, client: &ClientIdentity, http: bool) -> Plan {
    let prefix = NodePrefix::of(client).map(|prefix| NodePrefix {
        uuid: prefix.uuid.filter(|_| view.machines.needs_uuid()),
        ..prefix
    });
    let boot = match client.firmware {
        Firmware::System => Boot::Nothing,
        Firmware::Pxe | Firmware::HttpBoot | Firmware::Ipxe => {
            let site = Site { view, server, prefix, http };
            site.boot_program(client)
        }
        Firmware::RaspberryPi => match choose(view, client) {
            Choice::Nobody => Boot::Nothing,
            Choice::Machine(_) | Choice::Rule(_) | Choice::NeedsFacts(_) | Choice::NeedsSerial => {
                Boot::Tree
            }
        },
        Firmware::UBoot => match choose(view, client) {
            Choice::Machine(_) | Choice::Rule(_) if prefix.is_some() => Boot::Config,
            Choice::Machine(_)
            | Choice::Rule(_)
            | Choice::NeedsFacts(_)
            | Choice::NeedsSerial
            | Choice::Nobody => Boot::Nothing,
        },
    };
    Plan { boot, arch: client.arch, prefix }
}

/// Which profile is for a client, as far as it can be known before iPXE runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The machine's own.
    Machine(ProfileId),
    /// The first whose rule fits.
    Rule(ProfileId),
    /// Perhaps this one: only iPXE can report what its rule looks at.
    NeedsFacts(ProfileId),
    /// Only iPXE can report the serial number, which may name a machine with a profile of its own.
    NeedsSerial,
    /// None.
    Nobody,
}

/// Which profile is for `client`.
pub(crate) fn choose(view: &View, client: &ClientIdentity) -> Choice {
    match view.machines.find(client) {
        Some((_, machine)) => {
            if let Some(id) = machine.profile.filter(|id| view.profile(*id).is_some()) {
                return Choice::Machine(id);
            }
        }
        // Its serial number may name a machine that has a profile of its own.
        None if view.machines.needs_serial() && client.serial.is_none() => {
            return Choice::NeedsSerial;
        }
        None => {}
    }
    for (id, profile) in (0..=u16::MAX).map(ProfileId).zip(&view.profiles) {
        if profile.rule.matches(client) {
            return Choice::Rule(id);
        }
        if profile.rule.needs_facts() && profile.rule.may_match(client) {
            return Choice::NeedsFacts(id);
        }
    }
    Choice::Nobody
}

/// What a boot file's name is made of.
struct Site<'v> {
    view: &'v View,
    server: Ipv4Addr,
    prefix: Option<NodePrefix>,
    http: bool,
}

impl Site<'_> {
    fn boot_program(&self, client: &ClientIdentity) -> Boot {
        let loader = match choose(self.view, client) {
            Choice::Machine(id) | Choice::Rule(id) => {
                self.view.profile(id).map_or(Loader::Ipxe, |profile| profile.loader)
            }
            Choice::NeedsFacts(_) | Choice::NeedsSerial => Loader::Ipxe,
            Choice::Nobody => return Boot::Nothing,
        };
        let arch = client.arch.map(ArchBase::of);
        // A loader of another kind has the kernel loaded without iPXE, whoever loads the loader.
        let other = arch
            .filter(|arch| arch.runs(loader))
            .and_then(|arch| arch.program(self.view, loader))
            .filter(|_| loader != Loader::Ipxe);
        let (program, loader) = match other {
            Some(program) => (program, loader),
            None if client.firmware == Firmware::Ipxe => return self.script(),
            None => match arch.and_then(|arch| arch.program(self.view, Loader::Ipxe)) {
                Some(program) => (program, Loader::Ipxe),
                None => return Boot::NoProgram,
            },
        };
        let by_url = client.firmware == Firmware::HttpBoot;
        match self.name(program, by_url) {
            Some(file) => Boot::File { file, program: Some(loader) },
            None => Boot::NoProgram,
        }
    }

    /// The script for iPXE, by TFTP for an iPXE that was built without HTTP.
    fn script(&self) -> Boot {
        match self.name("boot.ipxe", self.http) {
            Some(file) => Boot::File { file, program: None },
            None => Boot::NoProgram,
        }
    }

    /// The name of `file` under the machine's prefix. A long name loses first the UUID, then the
    /// architecture, then the prefix, because firmware cuts what exceeds the header's field.
    fn name(&self, file: &str, by_url: bool) -> Option<BootFile> {
        let prefixes = [
            self.prefix,
            self.prefix.map(|prefix| NodePrefix { uuid: None, ..prefix }),
            self.prefix.map(|prefix| NodePrefix { uuid: None, arch: None, ..prefix }),
            None,
        ];
        prefixes.into_iter().find_map(|prefix| {
            let mut name = BootFile::default();
            if by_url {
                let base = BaseUrl { server: self.server, port: self.view.ports.http };
                base.write_to(&mut name).ok()?;
            }
            if let Some(prefix) = prefix {
                prefix.write_to(&mut name).ok()?;
            }
            name.write_str(file).ok()?;
            Some(name)
        })
    }
}

/// An architecture as the programs are listed: without the way of loading.
#[derive(Clone, Copy)]
struct ArchBase {
    told: ArchType,
    base: ArchType,
}

impl ArchBase {
    /// HTTP clients load the same programs as PXE clients of their architecture.
    const fn of(told: ArchType) -> Self {
        let base = match told {
            ArchType::X86_UEFI_HTTP => ArchType::X86_UEFI,
            ArchType::X64_UEFI_HTTP => ArchType::X64_UEFI,
            ArchType::EBC_HTTP => ArchType::EBC,
            ArchType::ARM32_UEFI_HTTP => ArchType::ARM32_UEFI,
            ArchType::ARM64_UEFI_HTTP => ArchType::ARM64_UEFI,
            ArchType::X86_BIOS_HTTP => ArchType::X86_BIOS,
            ArchType::RISCV32_UEFI_HTTP => ArchType::RISCV32_UEFI,
            ArchType::RISCV64_UEFI_HTTP => ArchType::RISCV64_UEFI,
            ArchType::RISCV128_UEFI_HTTP => ArchType::RISCV128_UEFI,
            ArchType::LOONGARCH32_UEFI_HTTP => ArchType::LOONGARCH32_UEFI,
            ArchType::LOONGARCH64_UEFI_HTTP => ArchType::LOONGARCH64_UEFI,
            other => other,
        };
        Self { told, base }
    }

    const fn runs(self, loader: Loader) -> bool {
        match loader {
            Loader::Ipxe => true,
            Loader::Pxelinux => self.base.is_bios(),
            Loader::Grub => self.base.is_uefi(),
        }
    }

    fn program(self, view: &View, loader: Loader) -> Option<&str> {
        let find = |arch| view.programs.find(loader, arch);
        // RFC 4578 swapped 7 and 9 (erratum 4624), and firmware sends either for x64.
        let twin = match self.base {
            ArchType::X64_UEFI => Some(ArchType::EBC),
            ArchType::EBC => Some(ArchType::X64_UEFI),
            _ => None,
        };
        find(self.told).or_else(|| find(self.base)).or_else(|| find(twin?))
    }
}

/// pxelinux's own configuration, below the prefix or the path prefix of option 210.
#[derive(Clone, Copy, Debug)]
pub struct ConfigName(pub NodePrefix);

impl ConfigName {
    /// Writes the name as its `Display` does.
    pub(crate) fn write_to(&self, out: &mut impl WriteAscii) -> fmt::Result {
        out.write_str("pxelinux.cfg/01-")?;
        digits::write_octets(out, self.0.mac.0, b'-')
    }
}

impl fmt::Display for ConfigName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// A boot file's name or URL: at most 127 bytes, so that a NUL ends it in the header's field and
/// GRUB can take it from the device path of the image that it came as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootFile {
    len: u8,
    bytes: [u8; FILE_BYTES_MAX],
}

impl BootFile {
    /// The name.
    pub fn as_str(&self) -> &str {
        // Only whole strings get in, so the conversion cannot fail.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The name up to its last slash, with it: where a loader looks for its own files.
    pub fn directory(&self) -> &[u8] {
        let end = self.as_bytes().iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        &self.bytes[..end]
    }
}

impl Default for BootFile {
    fn default() -> Self {
        Self { len: 0, bytes: [0; FILE_BYTES_MAX] }
    }
}

impl Write for BootFile {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_ascii(text.as_bytes())
    }
}

impl WriteAscii for BootFile {
    fn write_ascii(&mut self, text: &[u8]) -> fmt::Result {
        let start = usize::from(self.len);
        let end = start + text.len();
        self.bytes.get_mut(start..end).ok_or(fmt::Error)?.copy_from_slice(text);
        self.len = u8::try_from(end).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

impl fmt::Debug for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

const FILE_BYTES_MAX: usize = 127;

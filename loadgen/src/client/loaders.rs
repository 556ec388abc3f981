//! What shim, GRUB and the Raspberry Pi fetch before there is a script.

use core::fmt::Write;

use super::flow::Task;
use super::machine::Machine;
use super::pi;
use super::plan::Item;
use super::settings;
use super::text::Text;
use crate::model;
use crate::time::Instant;

/// From where a GRUB image loads its modules and its configuration.
const GRUB_FOLDER: &str = "grub/";

/// A Pi's files in the order in which it asks for them, and whether it can do without.
pub(super) const PI_FILES: [(&str, bool); 7] = [
    ("config.txt", true),
    ("start4.elf", false),
    ("fixup4.dat", true),
    ("bcm2711-rpi-4-b.dtb", true),
    ("overlays/overlay_map.dtb", true),
    ("cmdline.txt", true),
    ("armstub8-gic.bin", true),
];

/// UUID, MAC address, eight to one digits of the IPv4 address, nothing.
pub(super) const GRUB_CONFIGS: usize = 11;

impl Machine {
    pub(super) fn begin_grub(&mut self, now: Instant) {
        self.probe_grub(0, now);
    }

    pub(super) fn probe_grub(&mut self, at: u8, now: Instant) {
        let mut path = Text::<64>::EMPTY;
        let name = model::GRUB_PROBES[usize::from(at)];
        let written = write!(path, "{GRUB_FOLDER}x86_64-efi/{name}");
        debug_assert!(written.is_ok());
        self.location.set_tftp(self.dhcp.boot_server, path.as_bytes());
        self.enter(Task::GrubProbe(at), now);
    }

    /// The names of `grub-core/net/net.c:grub_net_search_config_file`.
    pub(super) fn ask_grub_config(&mut self, at: u8, now: Instant) {
        let mut path = Text::<80>::EMPTY;
        path.extend(GRUB_FOLDER.as_bytes());
        path.extend(b"grub.cfg");
        let facts = self.intake().facts;
        let written = match at {
            0 => write!(path, "-").and_then(|()| settings::uuid(&facts.identity.uuid, &mut path)),
            1 => {
                path.extend(b"-01-");
                settings::mac(&facts, "-", &mut path);
                Ok(())
            }
            2..=9 => {
                let mut digits = Text::<8>::EMPTY;
                let written = write!(digits, "{:08X}", facts.address.to_bits());
                path.extend(b"-");
                path.extend(&digits.as_bytes()[..10 - usize::from(at)]);
                written
            }
            _ => Ok(()),
        };
        debug_assert!(written.is_ok());
        self.location.set_tftp(self.dhcp.boot_server, path.as_bytes());
        self.enter(Task::GrubConfig(at), now);
    }

    pub(super) fn after_pi_file(&mut self, at: u8, found: bool, now: Instant) {
        if at == 0 && !found {
            self.location.set_tftp(*self.location.server.ip(), b"start4.elf");
        }
        if let Some((name, _)) = PI_FILES.get(usize::from(at)) {
            // Names with a folder lie in the one of the files before.
            let mut folder = self.location.clone();
            if at == 5 {
                let path = folder.path;
                let up = path.as_bytes().strip_suffix(b"overlays/overlay_map.dtb");
                folder.path.set(up.unwrap_or(path.as_bytes()));
            }
            self.location = folder;
            return self.go_beside(name, Task::PiFile(at + 1), now);
        }
        if !self.plan.has(Item::Kernel) {
            pi::push(Item::Kernel, b"kernel8.img", &self.location, &mut self.plan);
        }
        self.next_image(now);
    }
}

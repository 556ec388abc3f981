//! Virtual machines with real firmware that boot from the network.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::link::Link;
use super::prerequisites::require;
use super::process::{Process, Timeout};
use super::relay::Cable;

/// How a machine looks for its boot program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS with the iPXE option ROM of the network card.
    Bios,
    /// UEFI with its own PXE stack: the card has no option ROM.
    UefiPxe,
    /// UEFI HTTP Boot: PXE is switched off in the firmware's settings.
    UefiHttp,
}

/// A machine that can be switched on.
#[derive(Clone, Debug)]
pub struct Machine {
    firmware: Firmware,
    mac: String,
    uuid: Option<String>,
    serial: Option<String>,
    product: Option<String>,
    memory_mib: u32,
    plain_pxe: bool,
}

impl Machine {
    /// A machine with 512 MiB and a virtio network card of this MAC address.
    #[must_use]
    pub fn new(firmware: Firmware, mac: &str) -> Self {
        Self {
            firmware,
            mac: mac.to_owned(),
            uuid: None,
            serial: None,
            product: None,
            memory_mib: 512,
            plain_pxe: false,
        }
    }

    /// Sets the UUID of the machine (`-uuid`).
    #[must_use]
    pub fn uuid(mut self, uuid: &str) -> Self {
        self.uuid = Some(uuid.to_owned());
        self
    }

    /// Sets the serial number that SMBIOS reports.
    #[must_use]
    pub fn serial(mut self, serial: &str) -> Self {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Sets the product name that SMBIOS reports.
    #[must_use]
    pub fn product(mut self, product: &str) -> Self {
        self.product = Some(product.to_owned());
        self
    }

    /// Hides from servers that the option ROM is iPXE, until the machine fetches its first file:
    /// then [`Firmware::Bios`] looks like the PXE ROM of any network card.
    #[must_use]
    pub fn plain_pxe(mut self) -> Self {
        self.plain_pxe = true;
        self
    }

    /// Switches the machine on at a new port of the link.
    ///
    /// # Panics
    /// If QEMU or the firmware's files are not installed.
    #[must_use]
    pub fn power_on(&self, link: &Link) -> Boot {
        let tap = link.tap();
        let console = link.file(&format!("{tap}.console"));
        let mut command = link.switch().command("qemu-system-x86_64");
        command
            .args(["-machine", "pc", "-accel", "tcg,thread=single", "-cpu", "max"])
            .args(["-m", &self.memory_mib.to_string()])
            .args(["-nodefaults", "-nographic", "-no-reboot", "-monitor", "none"])
            .args(["-serial", &format!("file:{}", console.display())]);
        let cable = self.plain_pxe.then(|| Cable::plug(link, &tap));
        let network = match &cable {
            Some(cable) => cable.netdev(),
            None => format!("tap,id=n0,ifname={tap},script=no,downscript=no"),
        };
        command.args(["-netdev", &network]);
        let mut card = format!("virtio-net-pci,netdev=n0,mac={},bootindex=1", self.mac);
        match self.firmware {
            Firmware::Bios => {}
            Firmware::UefiPxe | Firmware::UefiHttp => {
                card.push_str(",romfile=");
                let code = require("/usr/share/OVMF/OVMF_CODE_4M.fd");
                let variables = link.file(&format!("{tap}.vars"));
                std::fs::copy(require("/usr/share/OVMF/OVMF_VARS_4M.fd"), &variables)
                    .expect("the run's folder is ours");
                let flash = "if=pflash,format=raw";
                command
                    .args(["-drive", &format!("{flash},readonly=on,file={}", code.display())])
                    .args(["-drive", &format!("{flash},file={}", variables.display())]);
                firmware_setting(&mut command, "IPv6PXESupport", "n");
                if self.firmware == Firmware::UefiHttp {
                    firmware_setting(&mut command, "IPv4PXESupport", "n");
                }
            }
        }
        command.args(["-device", &card]);
        if let Some(uuid) = &self.uuid {
            command.args(["-uuid", uuid]);
        }
        if self.serial.is_some() || self.product.is_some() {
            let mut table = String::from("type=1");
            for (name, value) in [("serial", &self.serial), ("product", &self.product)] {
                if let Some(value) = value {
                    table.push_str(&format!(",{name}={value}"));
                }
            }
            command.args(["-smbios", &table]);
        }
        let process = Process::start(command, &link.file(&format!("{tap}.qemu.log")));
        Boot { process, console, _cable: cable }
    }
}

fn firmware_setting(command: &mut std::process::Command, name: &str, value: &str) {
    command.args(["-fw_cfg", &format!("name=opt/org.tianocore/{name},string={value}")]);
}

/// A machine that was switched on; dropping it switches it off.
#[derive(Debug)]
pub struct Boot {
    process: Process,
    console: PathBuf,
    // Unplugged after the machine is off.
    _cable: Option<Cable>,
}

/// User space has been reached.
#[derive(Clone, Debug)]
pub struct Up {
    /// From power-on to the token, to 10 ms.
    pub after: Duration,
    /// The kernel command line that user space reports.
    pub cmdline: String,
}

impl Boot {
    /// Waits for user space.
    ///
    /// # Errors
    /// After `patience`, or when the firmware has given up; with the end of the console.
    pub fn wait_up(&mut self, patience: Duration) -> Result<Up, Timeout> {
        /// What firmware says when nothing is left to try.
        const GIVEN_UP: [&str; 3] =
            ["No bootable device", "No bootable option or device", "Booting from Hard Disk"];
        /// How often the console is searched for that.
        const LOOK: Duration = Duration::from_millis(500);
        let deadline = Instant::now() + patience;
        loop {
            match self.wait_for("REVEILLE-UP", LOOK) {
                Ok(line) => {
                    let after = Instant::now() - self.process.started();
                    let (_, words) = line.split_once("REVEILLE-UP").expect("that was awaited");
                    return Ok(Up { after, cmdline: words.trim().to_owned() });
                }
                Err(timeout) => {
                    let given_up = GIVEN_UP.iter().any(|text| timeout.shows(text));
                    if given_up || self.process.has_ended().is_some() || Instant::now() > deadline {
                        return Err(timeout);
                    }
                }
            }
        }
    }

    /// Waits for a text on the console and returns its line.
    ///
    /// # Errors
    /// After `patience`, with the end of the console.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String, Timeout> {
        let console = self.console.clone();
        self.process.wait_for_in(&console, text, patience)
    }

    /// The file with all that the serial console said.
    #[must_use]
    pub fn console(&self) -> &Path {
        &self.console
    }

    /// The virtual machine's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

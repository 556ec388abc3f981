//! Which files each loader needs on each kind of machine, and where packages put them.

use reveille_core::view::Loader;

/// A loader on one kind of machine.
pub(super) struct Platform {
    pub(super) loader: Loader,
    pub(super) arch: &'static str,
    pub(super) numbers: &'static [u16],
    /// What the header of an EFI program must say.
    pub(super) machine: Option<u16>,
    /// Sets of files, best first; the first whose files all exist is taken, and the first file
    /// of the set is the program.
    pub(super) choices: &'static [&'static [Wanted]],
    /// What the program fetches from beside itself in some cases, if it is there.
    pub(super) extras: &'static [Wanted],
    pub(super) remedy: &'static str,
}

/// A file to look for.
pub(super) struct Wanted {
    /// Its name in the catalogue.
    pub(super) name: &'static str,
    /// Where packages put it, relative to the root of the system; in a configured folder the
    /// last part alone counts too.
    pub(super) paths: &'static [&'static str],
}

/// A module of PXELINUX: its name in the catalogue and the folders of Debian and Fedora.
macro_rules! pxelinux_module {
    ($name:literal) => {
        Wanted {
            name: concat!("pxelinux/", $name),
            paths: &[
                concat!("usr/lib/syslinux/modules/bios/", $name),
                concat!("usr/share/syslinux/", $name),
            ],
        }
    };
}

const IPXE_REMEDY: &str = "install the package ipxe, or set programs.folders";
const IPXE_BUILD_REMEDY: &str = "no Debian package has it: build iPXE and set programs.folders";
const PXELINUX_REMEDY: &str =
    "install the packages pxelinux and syslinux-common, or set programs.folders";
const GRUB_REMEDY: &str =
    "install the packages grub-efi-amd64-signed and shim-signed, or set programs.folders";
const GRUB_ARM_REMEDY: &str =
    "install the packages grub-efi-arm64-signed and shim-signed, or set programs.folders";

/// What configurations of the operator's own may load; the generated ones need none of it.
const PXELINUX_MODULES: [Wanted; 7] = [
    pxelinux_module!("chain.c32"),
    pxelinux_module!("libcom32.c32"),
    pxelinux_module!("libutil.c32"),
    pxelinux_module!("menu.c32"),
    pxelinux_module!("poweroff.c32"),
    pxelinux_module!("reboot.c32"),
    pxelinux_module!("vesamenu.c32"),
];

/// Folders are those of Debian, Fedora, Arch and of iPXE's own build, in this order.
///
/// `snponly` comes before `ipxe`: it uses the firmware's own driver, which works with every NIC
/// that the firmware could boot from.
pub(super) const PLATFORMS: [Platform; 10] = [
    Platform {
        loader: Loader::Ipxe,
        arch: "x86-bios",
        numbers: &[0x00, 0x14],
        machine: None,
        choices: &[
            &[Wanted {
                name: "ipxe/undionly.kpxe",
                paths: &[
                    "usr/lib/ipxe/undionly.kpxe",
                    "usr/share/ipxe/undionly.kpxe",
                    "bin/undionly.kpxe",
                ],
            }],
            &[Wanted {
                name: "ipxe/ipxe.pxe",
                paths: &["usr/lib/ipxe/ipxe.pxe", "usr/share/ipxe/ipxe.pxe", "bin/ipxe.pxe"],
            }],
        ],
        extras: &[],
        remedy: IPXE_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "x86_64-uefi",
        numbers: &[0x07, 0x09, 0x10, 0x11],
        machine: Some(0x8664),
        choices: &[
            &[Wanted {
                name: "ipxe/x86_64/snponly.efi",
                paths: &[
                    "usr/lib/ipxe/snponly.efi",
                    "usr/share/ipxe/ipxe-snponly-x86_64.efi",
                    "usr/share/ipxe/x86_64/snponly.efi",
                    "bin-x86_64-efi/snponly.efi",
                ],
            }],
            &[Wanted {
                name: "ipxe/x86_64/ipxe.efi",
                paths: &[
                    "usr/lib/ipxe/ipxe.efi",
                    "boot/ipxe.efi",
                    "usr/share/ipxe/ipxe-x86_64.efi",
                    "usr/share/ipxe/x86_64/ipxe.efi",
                    "bin-x86_64-efi/ipxe.efi",
                ],
            }],
        ],
        extras: &[],
        remedy: IPXE_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "x86-uefi",
        numbers: &[0x06, 0x0f],
        machine: Some(0x014c),
        choices: &[&[Wanted {
            name: "ipxe/i386/snponly.efi",
            paths: &[
                "usr/share/ipxe/ipxe-snponly-i386.efi",
                "usr/share/ipxe/ipxe-i386.efi",
                "bin-i386-efi/snponly.efi",
                "bin-i386-efi/ipxe.efi",
            ],
        }]],
        extras: &[],
        remedy: IPXE_BUILD_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "arm32-uefi",
        numbers: &[0x0a, 0x12],
        machine: Some(0x01c2),
        choices: &[&[Wanted {
            name: "ipxe/arm32/snponly.efi",
            paths: &["bin-arm32-efi/snponly.efi", "bin-arm32-efi/ipxe.efi"],
        }]],
        extras: &[],
        remedy: IPXE_BUILD_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "arm64-uefi",
        numbers: &[0x0b, 0x13],
        machine: Some(0xaa64),
        choices: &[&[Wanted {
            name: "ipxe/arm64/snponly.efi",
            paths: &[
                "usr/lib/ipxe/snponly-arm64.efi",
                "usr/lib/ipxe/ipxe-arm64.efi",
                "usr/share/ipxe/arm64-efi/snponly.efi",
                "usr/share/ipxe/arm64-efi/ipxe.efi",
                "bin-arm64-efi/snponly.efi",
                "bin-arm64-efi/ipxe.efi",
            ],
        }]],
        extras: &[],
        remedy: IPXE_BUILD_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "riscv64-uefi",
        numbers: &[0x1b, 0x1c],
        machine: Some(0x5064),
        choices: &[&[Wanted {
            name: "ipxe/riscv64/snponly.efi",
            paths: &["bin-riscv64-efi/snponly.efi", "bin-riscv64-efi/ipxe.efi"],
        }]],
        extras: &[],
        remedy: IPXE_BUILD_REMEDY,
    },
    Platform {
        loader: Loader::Ipxe,
        arch: "loong64-uefi",
        numbers: &[0x27, 0x28],
        machine: Some(0x6264),
        choices: &[&[Wanted {
            name: "ipxe/loong64/snponly.efi",
            paths: &["bin-loong64-efi/snponly.efi", "bin-loong64-efi/ipxe.efi"],
        }]],
        extras: &[],
        remedy: IPXE_BUILD_REMEDY,
    },
    Platform {
        loader: Loader::Pxelinux,
        arch: "x86-bios",
        numbers: &[0x00, 0x14],
        machine: None,
        choices: &[&[
            Wanted {
                name: "pxelinux/pxelinux.0",
                paths: &["usr/lib/PXELINUX/pxelinux.0", "usr/share/syslinux/pxelinux.0"],
            },
            // PXELINUX fetches its core library from the folder that it came from.
            pxelinux_module!("ldlinux.c32"),
        ]],
        extras: &PXELINUX_MODULES,
        remedy: PXELINUX_REMEDY,
    },
    Platform {
        loader: Loader::Grub,
        arch: "x86_64-uefi",
        numbers: &[0x07, 0x09, 0x10, 0x11],
        machine: Some(0x8664),
        choices: &[
            // With shim it boots under Secure Boot; shim loads `grubx64.efi` from beside itself.
            &[
                Wanted {
                    name: "grub/x86_64/shimx64.efi",
                    paths: &["usr/lib/shim/shimx64.efi.signed", "shimx64.efi"],
                },
                Wanted {
                    name: "grub/x86_64/grubx64.efi",
                    paths: &["usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grubx64.efi"],
                },
            ],
            &[Wanted {
                name: "grub/x86_64/grubnetx64.efi",
                paths: &[
                    "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
                    "usr/lib/grub/x86_64-efi/monolithic/grubnetx64.efi",
                    "grubx64.efi",
                ],
            }],
        ],
        extras: &[Wanted {
            name: "grub/x86_64/mmx64.efi",
            paths: &["usr/lib/shim/mmx64.efi.signed", "mmx64.efi"],
        }],
        remedy: GRUB_REMEDY,
    },
    Platform {
        loader: Loader::Grub,
        arch: "arm64-uefi",
        numbers: &[0x0b, 0x13],
        machine: Some(0xaa64),
        choices: &[
            &[
                Wanted {
                    name: "grub/arm64/shimaa64.efi",
                    paths: &["usr/lib/shim/shimaa64.efi.signed", "shimaa64.efi"],
                },
                Wanted {
                    name: "grub/arm64/grubaa64.efi",
                    paths: &[
                        "usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
                        "grubaa64.efi",
                    ],
                },
            ],
            &[Wanted {
                name: "grub/arm64/grubnetaa64.efi",
                paths: &[
                    "usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
                    "usr/lib/grub/arm64-efi/monolithic/grubnetaa64.efi",
                    "grubaa64.efi",
                ],
            }],
        ],
        extras: &[Wanted {
            name: "grub/arm64/mmaa64.efi",
            paths: &["usr/lib/shim/mmaa64.efi.signed", "mmaa64.efi"],
        }],
        remedy: GRUB_ARM_REMEDY,
    },
];

//! Processor architecture types: option 93, DHCPv6 option 61 (RFC 4578 §2.1, RFC 5970 §3.3).

use core::fmt;

/// A code of the IANA registry "Processor Architecture Types"; unknown codes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchType(pub u16);

/// The processor that a boot program must be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineFamily {
    /// 32-bit x86, or x86 firmware that does not tell.
    I386,
    /// 64-bit x86.
    X86_64,
    /// Itanium.
    Itanium,
    /// 32-bit ARM.
    Arm32,
    /// 64-bit ARM.
    Arm64,
    /// PowerPC and POWER.
    Power,
    /// 32-bit RISC-V.
    RiscV32,
    /// 64-bit RISC-V.
    RiscV64,
    /// 128-bit RISC-V.
    RiscV128,
    /// S/390.
    S390,
    /// 32-bit MIPS.
    Mips32,
    /// 64-bit MIPS.
    Mips64,
    /// 32-bit Sunway.
    Sunway32,
    /// 64-bit Sunway.
    Sunway64,
    /// 32-bit LoongArch.
    LoongArch32,
    /// 64-bit LoongArch.
    LoongArch64,
    /// Codes 1, 3, 4, 5, 8, EFI byte code over HTTP, and whatever is not in the registry.
    Other,
}

impl ArchType {
    /// x86 BIOS; Raspberry Pi firmware lies and sends this too.
    pub const X86_BIOS: Self = Self(0x00);
    /// NEC PC-98.
    pub const NEC_PC98: Self = Self(0x01);
    /// EFI on Itanium.
    pub const ITANIUM: Self = Self(0x02);
    /// DEC Alpha.
    pub const DEC_ALPHA: Self = Self(0x03);
    /// ARC x86.
    pub const ARC_X86: Self = Self(0x04);
    /// Intel Lean Client.
    pub const INTEL_LEAN_CLIENT: Self = Self(0x05);
    /// 32-bit x86 UEFI.
    pub const X86_UEFI: Self = Self(0x06);
    /// 64-bit x86 UEFI in practice and by erratum 4624 of RFC 4578.
    pub const X64_UEFI: Self = Self(0x07);
    /// EFI on Xscale.
    pub const EFI_XSCALE: Self = Self(0x08);
    /// EFI byte code by the registry, 64-bit x86 UEFI by RFC 4578 as printed.
    pub const EBC: Self = Self(0x09);
    /// 32-bit ARM UEFI.
    pub const ARM32_UEFI: Self = Self(0x0a);
    /// 64-bit ARM UEFI.
    pub const ARM64_UEFI: Self = Self(0x0b);
    /// PowerPC Open Firmware.
    pub const PPC_OPEN_FIRMWARE: Self = Self(0x0c);
    /// PowerPC ePAPR.
    pub const PPC_EPAPR: Self = Self(0x0d);
    /// POWER OPAL v3.
    pub const POWER_OPAL: Self = Self(0x0e);
    /// 32-bit x86 UEFI over HTTP.
    pub const X86_UEFI_HTTP: Self = Self(0x0f);
    /// 64-bit x86 UEFI over HTTP.
    pub const X64_UEFI_HTTP: Self = Self(0x10);
    /// EFI byte code over HTTP.
    pub const EBC_HTTP: Self = Self(0x11);
    /// 32-bit ARM UEFI over HTTP.
    pub const ARM32_UEFI_HTTP: Self = Self(0x12);
    /// 64-bit ARM UEFI over HTTP.
    pub const ARM64_UEFI_HTTP: Self = Self(0x13);
    /// x86 BIOS over HTTP.
    pub const X86_BIOS_HTTP: Self = Self(0x14);
    /// 32-bit ARM U-Boot.
    pub const ARM32_UBOOT: Self = Self(0x15);
    /// 64-bit ARM U-Boot.
    pub const ARM64_UBOOT: Self = Self(0x16);
    /// 32-bit ARM U-Boot over HTTP.
    pub const ARM32_UBOOT_HTTP: Self = Self(0x17);
    /// 64-bit ARM U-Boot over HTTP.
    pub const ARM64_UBOOT_HTTP: Self = Self(0x18);
    /// 32-bit RISC-V UEFI.
    pub const RISCV32_UEFI: Self = Self(0x19);
    /// 32-bit RISC-V UEFI over HTTP.
    pub const RISCV32_UEFI_HTTP: Self = Self(0x1a);
    /// 64-bit RISC-V UEFI.
    pub const RISCV64_UEFI: Self = Self(0x1b);
    /// 64-bit RISC-V UEFI over HTTP.
    pub const RISCV64_UEFI_HTTP: Self = Self(0x1c);
    /// 128-bit RISC-V UEFI.
    pub const RISCV128_UEFI: Self = Self(0x1d);
    /// 128-bit RISC-V UEFI over HTTP.
    pub const RISCV128_UEFI_HTTP: Self = Self(0x1e);
    /// S/390 basic.
    pub const S390_BASIC: Self = Self(0x1f);
    /// S/390 extended.
    pub const S390_EXTENDED: Self = Self(0x20);
    /// 32-bit MIPS UEFI.
    pub const MIPS32_UEFI: Self = Self(0x21);
    /// 64-bit MIPS UEFI.
    pub const MIPS64_UEFI: Self = Self(0x22);
    /// 32-bit Sunway UEFI.
    pub const SUNWAY32_UEFI: Self = Self(0x23);
    /// 64-bit Sunway UEFI.
    pub const SUNWAY64_UEFI: Self = Self(0x24);
    /// 32-bit LoongArch UEFI.
    pub const LOONGARCH32_UEFI: Self = Self(0x25);
    /// 32-bit LoongArch UEFI over HTTP.
    pub const LOONGARCH32_UEFI_HTTP: Self = Self(0x26);
    /// 64-bit LoongArch UEFI.
    pub const LOONGARCH64_UEFI: Self = Self(0x27);
    /// 64-bit LoongArch UEFI over HTTP.
    pub const LOONGARCH64_UEFI_HTTP: Self = Self(0x28);
    /// ARM rpiboot.
    pub const ARM_RPIBOOT: Self = Self(0x29);

    /// The processor to build for. 7 and 9 are both 64-bit x86: RFC 4578 swapped them, and real
    /// firmware sends either.
    pub const fn family(self) -> MachineFamily {
        match self.0 {
            0x00 | 0x06 | 0x0f | 0x14 => MachineFamily::I386,
            0x07 | 0x09 | 0x10 => MachineFamily::X86_64,
            0x02 => MachineFamily::Itanium,
            0x0a | 0x12 | 0x15 | 0x17 => MachineFamily::Arm32,
            0x0b | 0x13 | 0x16 | 0x18 | 0x29 => MachineFamily::Arm64,
            0x0c..=0x0e => MachineFamily::Power,
            0x19 | 0x1a => MachineFamily::RiscV32,
            0x1b | 0x1c => MachineFamily::RiscV64,
            0x1d | 0x1e => MachineFamily::RiscV128,
            0x1f | 0x20 => MachineFamily::S390,
            0x21 => MachineFamily::Mips32,
            0x22 => MachineFamily::Mips64,
            0x23 => MachineFamily::Sunway32,
            0x24 => MachineFamily::Sunway64,
            0x25 | 0x26 => MachineFamily::LoongArch32,
            0x27 | 0x28 => MachineFamily::LoongArch64,
            _ => MachineFamily::Other,
        }
    }

    /// Whether the boot program runs under UEFI, or EFI before it.
    pub const fn is_uefi(self) -> bool {
        matches!(
            self.0,
            0x02 | 0x06..=0x0b | 0x0f..=0x13 | 0x19..=0x1e | 0x21..=0x28
        )
    }

    /// Whether the client loads by HTTP from a URL.
    pub const fn is_http(self) -> bool {
        matches!(self.0, 0x0f..=0x14 | 0x17 | 0x18 | 0x1a | 0x1c | 0x1e | 0x26 | 0x28)
    }

    /// Whether the boot program runs under an x86 BIOS.
    pub const fn is_bios(self) -> bool {
        matches!(self.0, 0x00 | 0x14)
    }

    /// Whether U-Boot asks, so that a configuration is wanted and no boot program.
    pub const fn is_uboot(self) -> bool {
        matches!(self.0, 0x15..=0x18)
    }

    /// Whether the code is in the registry.
    pub const fn is_known(self) -> bool {
        self.0 <= Self::ARM_RPIBOOT.0
    }
}

impl MachineFamily {
    /// The name that iPXE's `${buildarch}` and operators use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I386 => "i386",
            Self::X86_64 => "x86_64",
            Self::Itanium => "ia64",
            Self::Arm32 => "arm32",
            Self::Arm64 => "arm64",
            Self::Power => "ppc",
            Self::RiscV32 => "riscv32",
            Self::RiscV64 => "riscv64",
            Self::RiscV128 => "riscv128",
            Self::S390 => "s390",
            Self::Mips32 => "mips32",
            Self::Mips64 => "mips64",
            Self::Sunway32 => "sunway32",
            Self::Sunway64 => "sunway64",
            Self::LoongArch32 => "loong32",
            Self::LoongArch64 => "loong64",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ArchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

impl fmt::Display for MachineFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

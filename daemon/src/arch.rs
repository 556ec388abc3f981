//! Names that people use for architectures, and the numbers that firmware sends for them.
//!
//! Numbers: IANA "Processor Architecture Types" (RFC 5970 §6.2, first RFC 4578 §2.1).

use reveille_core::wire::pxe::ArchType;

/// An architecture name and the numbers it stands for.
type Entry = (&'static str, &'static [u16]);

/// Single firmware interfaces first, then families. 7 and 9 always go together: RFC 4578 had
/// them swapped (erratum 4624), and firmware sends either for x64 UEFI.
const ARCHS: [Entry; 21] = [
    ("x86-bios", &[0x00, 0x14]),
    ("x86-uefi", &[0x06, 0x0f]),
    ("x86_64-uefi", &[0x07, 0x09, 0x10, 0x11]),
    ("arm32-uefi", &[0x0a, 0x12]),
    ("arm64-uefi", &[0x0b, 0x13]),
    ("riscv32-uefi", &[0x19, 0x1a]),
    ("riscv64-uefi", &[0x1b, 0x1c]),
    ("loong64-uefi", &[0x27, 0x28]),
    ("bios", &[0x00, 0x14]),
    (
        "uefi",
        &[
            0x06, 0x0f, 0x07, 0x09, 0x10, 0x11, 0x0a, 0x12, 0x0b, 0x13, 0x19, 0x1a, 0x1b, 0x1c,
            0x27, 0x28,
        ],
    ),
    // A BIOS says nothing about its processor; today it is a 64-bit one.
    ("x86_64", &[0x00, 0x14, 0x07, 0x09, 0x10, 0x11]),
    ("x86_64-bios", &[0x00, 0x14]),
    ("x64-uefi", &[0x07, 0x09, 0x10, 0x11]),
    ("amd64", &[0x00, 0x14, 0x07, 0x09, 0x10, 0x11]),
    ("x86", &[0x00, 0x14, 0x06, 0x0f]),
    ("arm32", &[0x0a, 0x12, 0x15, 0x17]),
    ("arm64", &[0x0b, 0x13, 0x16, 0x18]),
    ("aarch64", &[0x0b, 0x13, 0x16, 0x18]),
    ("riscv64", &[0x1b, 0x1c]),
    ("loong64", &[0x27, 0x28]),
    ("rpi", &[0x29]),
];

/// The numbers that `name` stands for; letter case does not count.
pub fn numbers(name: &str) -> Option<Vec<ArchType>> {
    let (_, numbers) = ARCHS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(numbers.iter().map(|number| ArchType(*number)).collect())
}

/// All names, for error messages.
pub fn names() -> impl Iterator<Item = &'static str> {
    ARCHS.iter().map(|(name, _)| *name)
}

/// The shortest way to say which firmware sends `arch`.
pub fn label(arch: ArchType) -> String {
    match ARCHS.iter().find(|(_, numbers)| numbers.contains(&arch.0)) {
        Some((name, _)) => (*name).to_owned(),
        None => format!("architecture {}", arch.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_and_nine_are_never_parted() {
        for name in names() {
            let numbers = numbers(name).expect("known");
            assert_eq!(numbers.contains(&ArchType(7)), numbers.contains(&ArchType(9)), "{name}");
        }
    }

    #[test]
    fn names_and_labels() {
        assert_eq!(numbers("X86_64-UEFI"), numbers("x64-uefi"));
        assert_eq!(numbers("itanium"), None);
        assert_eq!(label(ArchType(9)), "x86_64-uefi");
        assert_eq!(label(ArchType(0)), "x86-bios");
        assert_eq!(label(ArchType(2)), "architecture 2");
    }
}

use std::fs;

use super::*;

/// The least file that says which processor it is for.
fn efi_program(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 0x80];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x40;
    bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
    bytes[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
    bytes
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

fn program(found: &Found, loader: Loader, number: u16) -> Option<&str> {
    found.programs.find(loader, ArchType(number))
}

#[test]
fn debian_packages_are_found() {
    let root = tempfile::tempdir().expect("a folder");
    put(root.path(), "usr/lib/ipxe/undionly.kpxe", b"kpxe");
    put(root.path(), "usr/lib/ipxe/snponly.efi", &efi_program(0x8664));
    put(root.path(), "usr/lib/ipxe/ipxe.efi", &efi_program(0x8664));
    put(root.path(), "usr/lib/PXELINUX/pxelinux.0", b"0");
    put(root.path(), "usr/lib/syslinux/modules/bios/ldlinux.c32", b"c32");
    put(root.path(), "usr/lib/syslinux/modules/bios/menu.c32", b"c32");
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    put(root.path(), grub, &efi_program(0x8664));

    let found = find_below(&ProgramsConfig::default(), root.path()).expect("no problem");
    assert_eq!(program(&found, Loader::Ipxe, 0), Some("ipxe/undionly.kpxe"));
    for number in [7, 9, 16] {
        assert_eq!(program(&found, Loader::Ipxe, number), Some("ipxe/x86_64/snponly.efi"));
    }
    assert_eq!(program(&found, Loader::Ipxe, 11), None);
    assert_eq!(program(&found, Loader::Pxelinux, 0), Some("pxelinux/pxelinux.0"));
    assert_eq!(program(&found, Loader::Grub, 7), Some("grub/x86_64/grubnetx64.efi"));
    for module in ["pxelinux/ldlinux.c32", "pxelinux/menu.c32"] {
        assert!(found.files.iter().any(|file| file.name == module), "{module}");
    }
    let missing: Vec<_> = found.missing.iter().map(|m| (m.loader, m.arch)).collect();
    assert!(missing.contains(&(Loader::Ipxe, "arm64-uefi")), "{missing:?}");
    assert!(!missing.contains(&(Loader::Ipxe, "x86_64-uefi")), "{missing:?}");
}

#[test]
fn shim_brings_its_second_stage() {
    let root = tempfile::tempdir().expect("a folder");
    put(root.path(), "usr/lib/shim/shimx64.efi.signed", &efi_program(0x8664));
    put(root.path(), "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", &efi_program(0x8664));
    let found = find_below(&ProgramsConfig::default(), root.path()).expect("no problem");
    assert_eq!(program(&found, Loader::Grub, 7), Some("grub/x86_64/shimx64.efi"));
    assert!(found.files.iter().any(|file| file.name == "grub/x86_64/grubx64.efi"));
}

#[test]
fn pxelinux_without_its_library_is_no_use() {
    let root = tempfile::tempdir().expect("a folder");
    put(root.path(), "usr/lib/PXELINUX/pxelinux.0", b"0");
    let found = find_below(&ProgramsConfig::default(), root.path()).expect("no problem");
    assert_eq!(program(&found, Loader::Pxelinux, 0), None);
    assert!(found.files.is_empty());
}

#[test]
fn a_flat_folder_comes_first_and_is_sorted_by_processor() {
    let system = tempfile::tempdir().expect("a folder");
    put(system.path(), "usr/lib/ipxe/undionly.kpxe", b"old");
    let own = tempfile::tempdir().expect("a folder");
    put(own.path(), "undionly.kpxe", b"new");
    put(own.path(), "snponly.efi", &efi_program(0xaa64));
    let config = ProgramsConfig { folders: vec![own.path().into()], overrides: Vec::new() };
    let found = find_below(&config, system.path()).expect("no problem");
    let bios = found.files.iter().find(|file| file.name == "ipxe/undionly.kpxe").expect("found");
    assert_eq!(bios.path, own.path().join("undionly.kpxe"));
    assert_eq!(program(&found, Loader::Ipxe, 7), None, "it is for another processor");
    assert_eq!(program(&found, Loader::Ipxe, 11), Some("ipxe/arm64/snponly.efi"));
}

#[test]
fn overrides_win_and_are_checked() {
    let root = tempfile::tempdir().expect("a folder");
    put(root.path(), "usr/lib/ipxe/snponly.efi", &efi_program(0x8664));
    put(root.path(), "own/special.efi", &efi_program(0x8664));
    put(root.path(), "own/arm.efi", &efi_program(0xaa64));
    let wish = |file: &str| ProgramsConfig {
        folders: Vec::new(),
        overrides: vec![ProgramOverride {
            loader: Loader::Ipxe,
            archs: crate::arch::numbers("x86_64-uefi").expect("known"),
            path: root.path().join("own").join(file),
        }],
    };
    let found = find_below(&wish("special.efi"), root.path()).expect("no problem");
    assert_eq!(program(&found, Loader::Ipxe, 7), Some("override/x86_64-uefi/special.efi"));

    let problems = find_below(&wish("arm.efi"), root.path()).expect_err("another processor");
    assert!(problems[0].what.ends_with("arm.efi is a program for arm64-uefi"), "{problems:?}");
    let problems = find_below(&wish("none.efi"), root.path()).expect_err("no file");
    assert!(problems[0].what.contains("No such file"), "{problems:?}");
    assert_eq!(problems[0].place.to_string(), "programs.override[0].path");
}

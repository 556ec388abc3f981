//! Whether files are what they are said to be, told from their first bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::problem::{Place, Problem};
use crate::units::Reason;

/// Enough for the headers of every format below and the version of an x86 kernel.
const HEAD_BYTES: u64 = 64 * 1024;

/// What a file seems to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// An x86 kernel (Documentation/arch/x86/boot.rst), its version, and whether UEFI starts it.
    BzImage { version: Option<String>, efi: bool },
    /// An arm64 kernel (Documentation/arch/arm64/booting.rst).
    Arm64Image,
    /// A UEFI program: a unified kernel image, a boot loader.
    Efi,
    /// An uncompressed kernel as the linker leaves it, or any other program.
    Elf,
    /// A compressed file of this kind.
    Compressed(&'static str),
    /// An archive that an initial RAM disk is made of.
    Cpio,
    /// An iPXE script.
    Script,
    /// A disk or CD image.
    Disk,
    /// None of these.
    Other,
}

/// Says what `path` is if it is a kernel, and complains if it is not.
pub(super) fn examine_kernel(path: &Path, notes: &mut Vec<String>, problems: &mut Vec<Problem>) {
    let Some(kind) = kind_of(path, problems) else { return };
    let shown = path.display();
    let error = |what: String| Problem::error(Place::top(), what);
    let warning = |what: String| Problem::warning(Place::top(), what);
    match kind {
        Kind::BzImage { version, efi } => {
            let version = version.map_or("an x86 kernel".to_owned(), |v| format!("Linux {v}"));
            let how = if efi { "for BIOS and UEFI" } else { "for BIOS" };
            notes.push(format!("{shown} is {version}, {how}"));
            if !efi {
                problems.push(
                    warning(format!("{shown} has no EFI stub: machines with UEFI cannot boot it"))
                        .help("build the kernel with CONFIG_EFI_STUB=y"),
                );
            }
        }
        Kind::Arm64Image => notes.push(format!("{shown} is an arm64 kernel")),
        Kind::Efi => notes.push(format!("{shown} is a UEFI program")),
        Kind::Cpio => problems.push(
            error(format!("{shown} is an initial RAM disk, not a kernel"))
                .help("the kernel goes first: reveille boot KERNEL INITRD"),
        ),
        Kind::Elf => problems.push(
            warning(format!("{shown} is an ELF file: boot programs take no such kernel"))
                .help("take arch/x86/boot/bzImage instead of vmlinux"),
        ),
        Kind::Compressed(how) => problems.push(
            warning(format!("{shown} is compressed by {how}: only few boot programs unpack that"))
                .help("unpack it first, if it is a kernel at all"),
        ),
        Kind::Disk => problems.push(
            error(format!("{shown} is a disk image, not a kernel"))
                .help("take the kernel and the initial RAM disk out of it"),
        ),
        Kind::Script => problems.push(
            error(format!("{shown} is an iPXE script, not a kernel"))
                .help("a script of your own goes into a configuration: reveille serve --help"),
        ),
        Kind::Other => problems.push(
            warning(format!("{shown} does not look like a kernel"))
                .help("expected an x86 bzImage, an arm64 Image or a UEFI program"),
        ),
    }
}

/// Complains if `path` is no initial RAM disk.
pub(super) fn examine_initrd(path: &Path, problems: &mut Vec<Problem>) {
    let Some(kind) = kind_of(path, problems) else { return };
    let shown = path.display();
    match kind {
        Kind::Cpio | Kind::Compressed(_) => {}
        Kind::BzImage { .. } | Kind::Arm64Image => problems.push(
            Problem::error(Place::top(), format!("{shown} is a kernel, not an initial RAM disk"))
                .help("one kernel goes first, then initial RAM disks: reveille boot KERNEL INITRD"),
        ),
        Kind::Efi | Kind::Elf | Kind::Script | Kind::Disk | Kind::Other => problems.push(
            Problem::warning(
                Place::top(),
                format!("{shown} does not look like an initial RAM disk"),
            )
            .help("expected a cpio archive, perhaps compressed"),
        ),
    }
}

fn kind_of(path: &Path, problems: &mut Vec<Problem>) -> Option<Kind> {
    match head_of(path) {
        Ok(head) => Some(recognise(&head)),
        Err(error) => {
            let what = format!("cannot read {}: {}", path.display(), Reason(&error));
            problems.push(Problem::error(Place::top(), what));
            None
        }
    }
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

fn recognise(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    let is_program = at(0, b"MZ") && word(head, 0x3c).is_some_and(|pe| at(pe, b"PE\0\0"));
    if at(0x202, b"HdrS") && at(0x1fe, &[0x55, 0xaa]) {
        return Kind::BzImage { version: kernel_version(head), efi: is_program };
    }
    if at(0x38, b"ARM\x64") {
        return Kind::Arm64Image;
    }
    if is_program {
        return Kind::Efi;
    }
    let magics: [(&[u8], Kind); 12] = [
        (b"\x7fELF", Kind::Elf),
        (b"#!ipxe", Kind::Script),
        (b"070701", Kind::Cpio),
        (b"070702", Kind::Cpio),
        (b"070707", Kind::Cpio),
        (b"\xc7\x71", Kind::Cpio),
        (b"\x1f\x8b", Kind::Compressed("gzip")),
        (b"\xfd7zXZ", Kind::Compressed("xz")),
        (b"\x28\xb5\x2f\xfd", Kind::Compressed("zstd")),
        (b"\x02\x21\x4c\x18", Kind::Compressed("lz4")),
        (b"\x5d\0\0", Kind::Compressed("lzma")),
        (b"BZh", Kind::Compressed("bzip2")),
    ];
    let found = magics.into_iter().find(|(magic, _)| head.starts_with(magic));
    match found {
        Some((_, kind)) => kind,
        None if at(0x8001, b"CD001") || at(0x1fe, &[0x55, 0xaa]) => Kind::Disk,
        None => Kind::Other,
    }
}

fn word(head: &[u8], offset: usize) -> Option<usize> {
    let bytes = head.get(offset..offset + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// The first word of the text that the x86 header points to.
fn kernel_version(head: &[u8]) -> Option<String> {
    let pointer = head.get(0x20e..0x210)?;
    let start = usize::from(u16::from_le_bytes(pointer.try_into().ok()?)) + 0x200;
    let text = head.get(start..)?;
    let end = text.iter().take(80).position(|byte| *byte <= b' ')?;
    let version = std::str::from_utf8(&text[..end]).ok()?;
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
pub(super) mod samples {
    //! The shortest heads that are recognised.

    /// An x86 kernel of this version.
    pub(in crate::boot) fn bz_image(version: &str, efi: bool) -> Vec<u8> {
        let mut head = vec![0; 0x400];
        head[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        head[0x300..0x300 + version.len()].copy_from_slice(version.as_bytes());
        if efi {
            head[..2].copy_from_slice(b"MZ");
            head[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
            head[0x80..0x84].copy_from_slice(b"PE\0\0");
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_recognised() {
        let version = Some("6.1.0-49-cloud-amd64".to_owned());
        let head = samples::bz_image("6.1.0-49-cloud-amd64 (debian)", true);
        assert_eq!(recognise(&head), Kind::BzImage { version: version.clone(), efi: true });
        let head = samples::bz_image("6.1.0-49-cloud-amd64 (debian)", false);
        assert_eq!(recognise(&head), Kind::BzImage { version, efi: false });
        let mut arm = vec![0; 64];
        arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(recognise(&arm), Kind::Arm64Image);
    }

    #[test]
    fn other_files_are_told_apart() {
        let mut disk = vec![0; 512];
        disk[510..].copy_from_slice(&[0x55, 0xaa]);
        for (head, kind) in [
            (&b"\x7fELF\x02"[..], Kind::Elf),
            (b"070701000", Kind::Cpio),
            (b"\x1f\x8b\x08", Kind::Compressed("gzip")),
            (b"#!ipxe\n", Kind::Script),
            (b"hello", Kind::Other),
            (b"", Kind::Other),
            (b"MZ", Kind::Other),
            (&disk, Kind::Disk),
        ] {
            assert_eq!(recognise(head), kind, "{head:?}");
        }
    }

    #[test]
    fn no_prefix_of_a_kernel_panics() {
        let head = samples::bz_image("6.1", true);
        for len in 0..head.len() {
            let _kind = recognise(&head[..len]);
        }
    }
}

//! The kernel and the little user space that test machines boot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::prerequisites::{HINT, folder};

/// A kernel and an initial ram disk that prints `REVEILLE-UP` and the kernel's command line.
#[derive(Clone, Debug)]
pub struct BootFiles {
    /// The Linux kernel (a bzImage with EFI stub).
    pub kernel: PathBuf,
    /// The initial ram disk.
    pub initrd: PathBuf,
}

/// Builds the boot files at the first call; they stay in the target folder.
///
/// # Panics
/// If they cannot be built, with what the builder said.
#[must_use]
pub fn boot_files() -> BootFiles {
    static FILES: OnceLock<BootFiles> = OnceLock::new();
    FILES.get_or_init(build).clone()
}

fn build() -> BootFiles {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/build-initrd");
    let lab = folder();
    std::fs::create_dir_all(&lab).expect("the target folder can be written");
    // Tests run as processes side by side: the first builds, the others wait.
    let lock = std::fs::File::create(lab.join("initrd.lock")).expect("the target folder is ours");
    lock.lock().expect("a file of ours can be locked");
    let output = Command::new(&script)
        .env("REVEILLE_LAB_DIR", &lab)
        .output()
        .unwrap_or_else(|error| panic!("{} cannot run ({error})", script.display()));
    assert!(output.status.success(), "{}{HINT}", String::from_utf8_lossy(&output.stderr));
    BootFiles { kernel: lab.join("vmlinuz"), initrd: lab.join("initrd.img") }
}

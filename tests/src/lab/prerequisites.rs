//! What must be installed before the laboratory can open.

use std::path::{Path, PathBuf};

/// What to do about anything that is missing.
pub(super) const HINT: &str = "run scripts/install-packages";

/// The folder in which `scripts/install-packages` and `scripts/build-initrd` leave their files.
///
/// `$REVEILLE_LAB_DIR`, else `lab` in the folder cargo builds into, found from the place of the
/// running program.
#[must_use]
pub fn folder() -> PathBuf {
    match std::env::var_os("REVEILLE_LAB_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => profile_folder().parent().expect("cargo builds two folders deep").join("lab"),
    }
}

/// Where cargo puts the programs of the profile that this program was built with.
pub(super) fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let folder = program.parent().expect("a file has a folder");
    // Tests lie one folder deeper than other programs.
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.expect("cargo builds two folders deep").to_owned()
}

/// A file that must exist.
///
/// # Panics
/// If it does not, with how to get it.
#[must_use]
pub fn require(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    assert!(path.exists(), "{} is missing: {HINT}", path.display());
    path.to_owned()
}

/// A file of a package that was unpacked, not installed (`usr/lib/PXELINUX/pxelinux.0`).
///
/// # Panics
/// If it is not there, with how to get it.
#[must_use]
pub fn packaged(path: &str) -> PathBuf {
    require(folder().join("debian").join(path))
}

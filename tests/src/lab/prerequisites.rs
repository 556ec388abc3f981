//! What must be installed before the laboratory can open.

use std::path::{Path, PathBuf};

/// What to do about anything that is missing.
pub(super) const HINT: &str = "run scripts/install-packages";

/// The folder in which `scripts/install-packages` and `scripts/build-initrd` leave their files.
///
/// `$REVEILLE_LAB_DIR`, else `lab` in the folder cargo builds into, found from the place of the
/// running test binary (`<target>/<profile>/deps/<binary>`).
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("REVEILLE_LAB_DIR") {
        return PathBuf::from(folder);
    }
    let binary = std::env::current_exe().expect("a running program has a path");
    binary.ancestors().nth(3).expect("cargo builds three folders deep").join("lab")
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

//! The state directory: made when it is missing, closed to others, and used by one process.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::process::geteuid;
use tracing::warn;

use crate::privileges::User;
use crate::serve::Explained;
use crate::units::Reason;

/// Where state is kept if nothing else is said.
pub const STATE_DEFAULT: &str = "/var/lib/reveille";

/// The file that the process holds locked; it has the process' number in it.
const LOCK: &str = "lock";

/// A state directory that is ours as long as this lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// The lock goes with the descriptor.
    _lock: File,
    /// Who gets at the end what root has made here meanwhile.
    owner: Option<User>,
}

impl StateDirectory {
    /// Takes the directory `path`, makes it if it is missing, and gives it to `owner`, as whom the
    /// process goes on. Files that this process makes from now on are closed to others.
    ///
    /// # Errors
    /// If another process has it, or if it cannot be made, read or written.
    pub fn take(path: &Path, owner: Option<&User>) -> Result<Self, Explained> {
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        prepare(path, owner).map_err(|error| refused(path, &error))?;
        let (lock, made) = open_lock(path).map_err(|error| refused(path, &error))?;
        let mut lock = match lock.try_lock() {
            Ok(()) => lock,
            Err(TryLockError::WouldBlock) => return Err(taken(path, lock)),
            Err(TryLockError::Error(error)) => return Err(refused(path, &error)),
        };
        let write = |lock: &mut File| -> io::Result<()> {
            lock.set_len(0)?;
            // A full disk keeps nobody from serving what is known.
            let _number = lock.write_all(format!("{}\n", std::process::id()).as_bytes());
            if let Some(owner) = owner.filter(|_| made && geteuid().is_root()) {
                let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
                rustix::fs::fchown(lock, Some(uid), Some(gid))?;
            }
            Ok(())
        };
        write(&mut lock)
            .or_else(|error| {
                // On a read-only disk the lock still holds.
                if error.kind() == io::ErrorKind::ReadOnlyFilesystem { Ok(()) } else { Err(error) }
            })
            .map_err(|error| refused(path, &error))?;
        Ok(Self { path: path.to_owned(), _lock: lock, owner: None })
    }

    /// Takes a directory that is somebody's for a moment: what is made in it belongs to its owner
    /// afterwards.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn borrow(path: &Path) -> Result<Self, Explained> {
        let owner = match User::owner_of(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            owner => owner.map_err(|error| refused(path, &error))?,
        };
        let mut state = Self::take(path, owner.as_ref())?;
        state.owner = owner;
        Ok(state)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        if let Some(owner) = &self.owner
            && let Err(error) = give_folder(&self.path, owner.uid(), owner.gid())
        {
            let path = self.path.display();
            warn!("{path} does not belong to {} altogether: {error}", owner.name);
        }
    }
}

/// The number of the process that uses the directory, if one does.
pub fn holder(path: &Path) -> Option<u32> {
    let mut lock = File::open(path.join(LOCK)).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => number(&mut lock),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn number(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn open_lock(path: &Path) -> io::Result<(File, bool)> {
    let file = path.join(LOCK);
    let made = !file.exists();
    let opened = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(&file);
    match opened {
        // Reading is enough to hold the lock.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Ok((File::open(file)?, false))
        }
        opened => Ok((opened?, made)),
    }
}

/// Makes the directory, closes it to others, and gives it to whoever will use it.
fn prepare(path: &Path, owner: Option<&User>) -> io::Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                // Those above are for everybody.
                DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            DirBuilder::new().mode(0o700).create(path)?;
        }
        Err(error) => return Err(error),
        Ok(data) if !data.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
        Ok(data) => {
            let me = geteuid().as_raw();
            if data.mode() & 0o077 != 0 && (data.uid() == me || me == 0) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o700)).or_else(|error| {
                    let read_only = error.kind() == io::ErrorKind::ReadOnlyFilesystem;
                    if read_only { Ok(()) } else { Err(error) }
                })?;
            }
        }
    }
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = owner.map_or((0, 0), |owner| (owner.uid(), owner.gid()));
    let data = fs::metadata(path)?;
    if data.uid() == uid {
        return Ok(());
    }
    give_folder(path, uid, gid)
}

/// Gives a folder and all below it away.
fn give_folder(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    give_all(folder.as_fd(), uid, gid)
}

/// Goes from folder to folder by descriptors and never through a link: whoever owns one of them
/// could put another in its place meanwhile.
fn give_all(folder: BorrowedFd<'_>, uid: u32, gid: u32) -> io::Result<()> {
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
            let below = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            give_all(below.as_fd(), uid, gid)?;
        } else {
            give(folder, name, uid, gid)?;
        }
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::fchown(folder, Some(uid), Some(gid))?)
}

fn give(folder: BorrowedFd<'_>, name: &CStr, uid: u32, gid: u32) -> io::Result<()> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::chownat(folder, name, Some(uid), Some(gid), flags)?)
}

fn taken(path: &Path, mut lock: File) -> Explained {
    let pid = number(&mut lock);
    let by = pid.map_or("another process".to_owned(), |pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        match name.trim() {
            "" => format!("process {pid}"),
            name => format!("{name} (process {pid})"),
        }
    });
    Explained {
        what: format!("the state directory {} is used by {by}", path.display()),
        help: Some(
            "stop it, or give this one a directory of its own: `dir` under [state]".to_owned(),
        ),
    }
}

fn refused(path: &Path, error: &io::Error) -> Explained {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others have one advice")]
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "start as root, make it for the user that the server runs as, or name another one: \
             `dir` under [state]"
        }
        io::ErrorKind::StorageFull => "make room on its disk",
        _ => {
            "name another one: `dir` under [state]; `durable = false` there keeps leases in memory"
        }
    };
    Explained {
        what: format!("cannot use the state directory {}: {}", path.display(), Reason(error)),
        help: Some(help.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_closed_and_ours_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lib/reveille");
        let state = StateDirectory::take(&path, None).expect("nobody has it");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(LOCK))), (0o700, 0o600));
        assert_eq!(holder(&path), Some(std::process::id()));
        let error = StateDirectory::take(&path, None).expect_err("it is taken");
        assert!(error.what.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(state);
        assert_eq!(holder(&path), None);
        StateDirectory::take(&path, None).expect("it is free again");
    }

    #[test]
    fn an_open_one_is_closed_and_a_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let _state = StateDirectory::take(folder.path(), None).expect("nobody has it");
        let mode = fs::metadata(folder.path()).expect("it is there").mode();
        assert_eq!(mode & 0o777, 0o700);
        let file = folder.path().join("file");
        fs::write(&file, "").expect("it is ours");
        let error = StateDirectory::take(&file, None).expect_err("it is a file");
        assert!(
            error.what.contains("Not a directory") || error.what.contains("not a directory"),
            "{error}"
        );
    }
}

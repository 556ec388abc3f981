//! Giving away what is not needed any more once the ports are open.
//!
//! Sockets for interfaces and addresses that come later are opened by a helper process
//! ([`reveille_runtime::Helper`]), which is the only one that keeps what this takes.
//!
//! Works on the calling thread, so it must run before any other thread is started: those inherit
//! what is left.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, bail};
use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Somebody to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it was given.
    pub name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// Looks up a name, or takes a number.
    ///
    /// # Errors
    /// If there is no such user on this host.
    pub fn find(name: &str) -> anyhow::Result<Self> {
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        match find_in(&passwd, name) {
            Some((uid, gid)) => Ok(Self { name: name.to_owned(), uid, gid }),
            None => bail!("there is no user {name:?} on this host"),
        }
    }
}

impl User {
    /// The owner of a file or folder, if this process is root and the owner is not: who must be
    /// able to read afterwards what is written there.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn owner_of(path: &std::path::Path) -> io::Result<Option<Self>> {
        let data = fs::metadata(path)?;
        let (uid, gid) = (data.uid(), data.gid());
        let is_other = geteuid().is_root() && uid != 0;
        Ok(is_other.then(|| Self { name: uid.to_string(), uid, gid }))
    }

    /// Its number.
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of its group.
    pub const fn gid(&self) -> u32 {
        self.gid
    }
}

fn find_in(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let known = fields.next()?;
        let uid = fields.nth(1)?;
        let gid = fields.next()?;
        (known == name || uid == name).then_some((uid.parse().ok()?, gid.parse().ok()?))
    })
}

/// What became of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is this user now, without any capability.
    Became(String),
    /// It is still root, but may only read files.
    RootThatReads,
    /// It never had much.
    Nothing,
}

/// Gives up every privilege but reading files of others, which only root without a `user` keeps:
/// images of anybody may be added later.
///
/// # Errors
/// If the kernel refuses, or if `user` is somebody else and this process is not root.
pub fn drop(user: Option<&User>) -> anyhow::Result<Dropped> {
    assert!(own_threads() <= 1, "privileges are dropped before threads are started");
    let is_root = geteuid().is_root();
    let dropped = match user {
        Some(user) if is_root => {
            become_user(user).with_context(|| format!("cannot become user {}", user.name))?;
            Dropped::Became(user.name.clone())
        }
        Some(user) if geteuid().as_raw() != user.uid => {
            bail!("only root can become user {}", user.name)
        }
        Some(_) | None if is_root => Dropped::RootThatReads,
        Some(_) | None => Dropped::Nothing,
    };
    let mut keep = match dropped {
        Dropped::RootThatReads => CapabilitySet::DAC_READ_SEARCH,
        Dropped::Became(_) | Dropped::Nothing => CapabilitySet::empty(),
    };
    if is_root && rings_need_privilege() {
        match user {
            // Without it not one of our threads could make its ring.
            None => keep |= CapabilitySet::SYS_ADMIN,
            Some(user) => bail!(
                "user {} may use no io_uring: kernel.io_uring_disabled is 1, and \
                 kernel.io_uring_group is none of its groups",
                user.name
            ),
        }
    }
    limit_capabilities(keep).context("cannot give up capabilities")?;
    rustix::thread::set_no_new_privs(true).context("cannot set no_new_privs")?;
    Ok(dropped)
}

/// What opening sockets takes: ports below 1024, packet sockets, large receive buffers.
const OPENING: CapabilitySet =
    CapabilitySet::NET_BIND_SERVICE.union(CapabilitySet::NET_RAW).union(CapabilitySet::NET_ADMIN);

/// Whether this process may do anything that takes [`OPENING`].
#[must_use]
pub fn opens_sockets() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.intersects(OPENING))
}

/// Whether packet sockets are allowed.
#[must_use]
pub fn sends_frames() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_RAW))
}

/// In the helper that opens sockets: becomes `user` and gives up all that opening sockets does
/// not take. Does not allocate.
///
/// # Errors
/// If the kernel refuses.
pub fn confine(user: Option<&User>) -> io::Result<()> {
    if let Some(user) = user.filter(|_| geteuid().is_root()) {
        rustix::thread::set_keep_capabilities(true)?;
        become_user(user)?;
    }
    limit_capabilities(OPENING)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// Threads of this process, without those that the kernel keeps for its rings.
fn own_threads() -> usize {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return 0 };
    let is_own = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| !name.starts_with("iou-"))
    };
    tasks.flatten().filter(is_own).count()
}

/// Whether the administrator keeps io_uring for the privileged and for a group that is not ours.
fn rings_need_privilege() -> bool {
    let setting = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
        text.trim().parse::<i64>().ok()
    };
    let group = setting("io_uring_group").unwrap_or(-1);
    setting("io_uring_disabled") == Some(1) && group != i64::from(getegid().as_raw())
}

fn become_user(user: &User) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn limit_capabilities(keep: CapabilitySet) -> io::Result<()> {
    let now = rustix::thread::capabilities(None)?;
    let left = now.permitted & keep;
    rustix::thread::clear_ambient_capability_set().or_else(ignore_missing)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() },
    )?;
    Ok(())
}

/// Kernels without ambient capabilities have none to clear.
fn ignore_missing(error: rustix::io::Errno) -> rustix::io::Result<()> {
    if error == rustix::io::Errno::INVAL { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nreveille:x:990:991::/:/usr/sbin/nologin\n";
        assert_eq!(find_in(passwd, "reveille"), Some((990, 991)));
        assert_eq!(find_in(passwd, "990"), Some((990, 991)));
        assert_eq!(find_in(passwd, "nobody"), None);
        assert_eq!(find_in("broken", "broken"), None);
    }
}

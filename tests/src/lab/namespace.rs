//! Network namespaces without names.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// A private network namespace with its loopback device up.
#[derive(Debug)]
pub struct Namespace {
    handle: OwnedFd,
}

impl Namespace {
    /// Makes a new namespace.
    ///
    /// # Panics
    /// If the process may not: the message says how to start the tests then.
    #[must_use]
    pub fn new() -> Self {
        // A thread of its own enters the new namespace, so that the caller stays where it is.
        let handle = std::thread::spawn(|| -> io::Result<OwnedFd> {
            // SAFETY: only the network namespace of this short-lived thread changes; no memory
            // and no descriptor is unshared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
            // Link-local addresses must work at once, not after a second of duplicate detection.
            for file in ["default/accept_dad", "all/accept_dad", "default/dad_transmits"] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{file}"), "0").ok();
            }
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        })
        .join()
        .expect("the thread does not panic")
        .unwrap_or_else(|error| {
            panic!(
                "a network namespace is refused ({error}): run the tests as root, or as \
                 `unshare --user --map-root-user --mount cargo nextest run`"
            )
        });
        let namespace = Self { handle };
        namespace.ip("link set lo up");
        namespace
    }

    /// A path by which other processes can name this namespace while it lives.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd())
    }

    /// A command that will run in this namespace and die with the thread that started it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let handle = self.handle.try_clone().expect("a descriptor can be duplicated");
        let enter = move || {
            rustix::thread::move_into_link_name_space(
                handle.as_fd(),
                Some(LinkNameSpaceType::Network),
            )?;
            // A test that is killed runs no destructor; the kernel cleans up then.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls and touches no lock
        // and no heap.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs `work` on a thread inside this namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                rustix::thread::move_into_link_name_space(
                    self.handle.as_fd(),
                    Some(LinkNameSpaceType::Network),
                )
                .expect("our own namespace can be entered");
                work()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs `ip` with these words in this namespace.
    ///
    /// # Panics
    /// If `ip` fails, with what it said.
    pub fn ip(&self, words: &str) {
        let output =
            self.command("ip").args(words.split_whitespace()).output().unwrap_or_else(|error| {
                panic!("ip is missing ({error}): {}", super::prerequisites::HINT)
            });
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Namespace {
    /// Ends whatever still runs in the namespace, such as the helpers of a daemon that was killed:
    /// it is nobody's but ours, and it would live as long as they do.
    fn drop(&mut self) {
        let ours = std::fs::metadata(self.path()).map(|file| (file.dev(), file.ino()));
        let (Ok(ours), Ok(processes)) = (ours, std::fs::read_dir("/proc")) else { return };
        for process in processes.flatten() {
            let id = process.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = id.and_then(Pid::from_raw) else { continue };
            let theirs = std::fs::metadata(process.path().join("ns/net"));
            if theirs.is_ok_and(|file| (file.dev(), file.ino()) == ours) {
                // It may just have ended by itself.
                rustix::process::kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

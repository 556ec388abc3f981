//! Tests that need a network of their own: root, and `ip` from iproute2.

use std::process::Command;
use std::thread;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs `test` in a thread with a private network namespace, which ends with the thread and the
/// threads that it starts.
///
/// # Panics
/// If the namespace cannot be had, or `test` panics.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let run = move || {
        // SAFETY: a network namespace has nothing to do with memory or descriptors.
        let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
        unshared.expect("a private network namespace takes root (CAP_SYS_ADMIN)");
        ip("link set lo up");
        test();
    };
    if let Err(panic) = thread::Builder::new().spawn(run).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with the given words.
pub(crate) fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.expect("iproute2 is installed").success(), "ip {words}");
}

/// The kernel's index of an interface.
pub(crate) fn index(name: &str) -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(':').next().unwrap().parse().unwrap()
}

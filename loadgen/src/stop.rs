//! Ctrl-C ends a run early, with a report of what there is.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the run shall end now.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Makes SIGINT and SIGTERM end the run in order; a second one ends the program at once.
pub fn on_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler stores a flag and resets the signal, both async-signal-safe.
        unsafe { libc::signal(signal, handle as *const () as libc::sighandler_t) };
    }
}

extern "C" fn handle(signal: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
    // SAFETY: signal() is async-signal-safe (POSIX 2.4.3).
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

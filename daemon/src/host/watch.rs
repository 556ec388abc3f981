//! Notices that links and addresses of this host change, and waits until they have.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The kernel's notices about links and addresses (rtnetlink(7)), as something to wait for.
///
/// They say only that something is different: what there is then is read anew, since notices can
/// be lost and one change makes many of them.
#[derive(Debug)]
pub(crate) struct LinkWatch(Socket);

impl LinkWatch {
    /// Begins to watch the network namespace of the calling thread.
    ///
    /// # Errors
    /// If the kernel gives no such socket.
    pub(crate) fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, LINK | IPV4_ADDRESS | IPV6_ADDRESS))?;
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// Takes all notices; tells whether there were any.
    pub(crate) fn take(&self) -> bool {
        let mut any = false;
        let mut buffer = [0; 512];
        // Ends: after so many the next call goes on.
        for _ in 0..NOTICES_MAX {
            match self.0.recv(&mut &mut buffer[..], 0) {
                Ok(_) => any = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Most likely there was no room for more notices (ENOBUFS).
                Err(_) => any = true,
            }
        }
        any
    }
}

impl AsRawFd for LinkWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// `RTMGRP_LINK`.
const LINK: u32 = 0x1;
/// `RTMGRP_IPV4_IFADDR`.
const IPV4_ADDRESS: u32 = 0x10;
/// `RTMGRP_IPV6_IFADDR`: a link-local address is what advertisements come from.
const IPV6_ADDRESS: u32 = 0x100;

/// Notices taken at a time.
const NOTICES_MAX: usize = 4096;

/// When changes have settled: once nothing has happened for [`QUIET`], or [`PATIENCE`] after the
/// first of them at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settle {
    first: Option<Instant>,
    due: Option<Instant>,
}

impl Settle {
    /// Something has changed.
    pub(crate) fn note(&mut self, now: Instant) {
        let first = *self.first.get_or_insert(now);
        self.due = Some((now + QUIET).min(first + PATIENCE));
    }

    /// When to look what there is now.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Somebody looks now.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// An interface that appears is renamed, switched on and given its addresses in quick steps.
const QUIET: Duration = Duration::from_millis(200);

/// What changes all the time is looked at nevertheless.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn changes_settle_when_nothing_more_happens() {
        let start = Instant::now();
        let mut settle = Settle::default();
        assert_eq!(settle.due(), None);
        settle.note(start);
        assert_eq!(settle.due(), Some(ms(start, 200)));
        settle.note(ms(start, 150));
        assert_eq!(settle.due(), Some(ms(start, 350)));
        settle.reset();
        assert_eq!(settle.due(), None);
        settle.note(ms(start, 400));
        assert_eq!(settle.due(), Some(ms(start, 600)));
    }

    #[test]
    fn changes_without_end_are_looked_at_nevertheless() {
        let start = Instant::now();
        let mut settle = Settle::default();
        for at in (0..5000).step_by(100) {
            settle.note(ms(start, at));
            assert!(settle.due() <= Some(ms(start, 1000)), "{at}");
        }
        assert_eq!(settle.due(), Some(ms(start, 1000)));
    }
}

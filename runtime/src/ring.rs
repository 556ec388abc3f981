//! One io_uring: submissions in, completions out, one system call a turn.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{Builder, IoUring, cqueue};
use rustix::process::{Resource, getrlimit};

use crate::config::SOCKETS_MAX;
use crate::op::{BufferGroup, FileIndex, Op};
use crate::token::{Kind, Token};

/// A ring that belongs to one thread, from [`Ring::enable`] on.
pub(crate) struct Ring {
    uring: IoUring,
    deferred: bool,
    /// Places in the table of files that are free, the next one last.
    free_files: Vec<u32>,
    /// Why nothing can be submitted any more.
    failed: Option<io::Error>,
}

/// How long [`Ring::enter`] waits for a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// At most this long.
    AtMost(Duration),
    /// Until there is one.
    Forever,
}

/// The end of an operation, or one of the results of a multishot operation.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Which operation; `None` for one that nobody here made.
    pub(crate) token: Option<Token>,
    /// What the system call would have returned: a negative number is an errno.
    result: i32,
    flags: u32,
}

impl Completion {
    /// Whether an operation of this kind ended or went on with it.
    pub(crate) fn is_of(&self, kind: Kind) -> bool {
        self.token.is_some_and(|token| token.kind == kind)
    }

    /// Whether the operation goes on.
    pub(crate) fn has_more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The provided buffer that was filled.
    pub(crate) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }

    /// The number of bytes or the descriptor that came out of it, or the errno.
    pub(crate) const fn outcome(&self) -> Result<u32, i32> {
        if self.result < 0 { Err(-self.result) } else { Ok(self.result as u32) }
    }

    /// The descriptor that an accept made, or the errno.
    pub(crate) fn into_descriptor(self) -> Result<OwnedFd, i32> {
        assert!(self.is_of(Kind::Accept), "accepts make them");
        if self.result < 0 {
            return Err(-self.result);
        }
        // SAFETY: the kernel made the descriptor for this completion, which is consumed here.
        Ok(unsafe { OwnedFd::from_raw_fd(self.result) })
    }
}

impl Ring {
    /// Makes a ring that takes no submissions before [`Ring::enable`], so that it can be made
    /// with more privileges than its thread has.
    ///
    /// # Errors
    /// What `io_uring_setup` says.
    pub(crate) fn new() -> io::Result<Self> {
        let mut deferred = base();
        deferred.setup_single_issuer().setup_defer_taskrun().setup_r_disabled();
        if let Ok(uring) = deferred.build(SUBMISSIONS) {
            return Ok(Self { uring, deferred: true, free_files: Vec::new(), failed: None });
        }
        let mut plain = base();
        plain.setup_coop_taskrun().setup_r_disabled();
        let uring = plain.build(SUBMISSIONS)?;
        Ok(Self { uring, deferred: false, free_files: Vec::new(), failed: None })
    }

    /// Whether completions are processed only when this thread asks for them.
    pub(crate) const fn is_deferred(&self) -> bool {
        self.deferred
    }

    /// Makes the calling thread the ring's owner, and gives the ring an empty table of files.
    pub(crate) fn enable(&mut self) -> io::Result<()> {
        self.uring.submitter().register_enable_rings()?;
        // The kernel takes no table larger than the limit of open files.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = u32::try_from(limit).unwrap_or(u32::MAX).min(FILES);
        self.uring.submitter().register_files_sparse(files)?;
        self.free_files = (0..files).rev().collect();
        Ok(())
    }

    /// Puts a file into the ring's table.
    ///
    /// # Errors
    /// `EMFILE` if the table is full, or what the kernel says.
    pub(crate) fn add_file(&mut self, file: BorrowedFd<'_>) -> io::Result<FileIndex> {
        let full = || io::Error::from_raw_os_error(libc::EMFILE);
        let place = *self.free_files.last().ok_or_else(full)?;
        self.uring.submitter().register_files_update(place, &[file.as_raw_fd()])?;
        self.free_files.pop();
        Ok(FileIndex(place))
    }

    /// Takes a file out of the table. Operations in flight keep it until they end.
    pub(crate) fn remove_file(&mut self, file: FileIndex) {
        const NONE: RawFd = -1;
        // A place that cannot be emptied is not used again; the ring closes it in the end.
        if self.uring.submitter().register_files_update(file.0, &[NONE]).is_ok() {
            self.free_files.push(file.0);
        }
    }

    /// Gives the ring a group of buffers for receives.
    ///
    /// # Safety
    /// `entries`, page-aligned, has room for `count` entries, and stays mapped, like all buffers
    /// that are put there, until this ring is dropped.
    pub(crate) unsafe fn register_buffers(
        &self,
        group: BufferGroup,
        entries: *const u8,
        count: u16,
    ) -> io::Result<()> {
        let submitter = self.uring.submitter();
        // SAFETY: the caller promises that the memory outlives the ring.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, count, group.0, 0) }
    }

    /// Queues an operation, entering the kernel only if the queue is full. A ring that can take
    /// no more says so at the next [`Ring::enter`].
    pub(crate) fn submit(&mut self, op: &Op) {
        // An enter empties the queue, unless the kernel is short of memory for the moment.
        for _ in 0..SUBMIT_ATTEMPTS_MAX {
            // SAFETY: whoever made the operation promised that its memory lives long enough.
            if unsafe { self.uring.submission().push(op.entry()) }.is_ok() {
                return;
            }
            if let Err(error) = self.enter(Wait::No) {
                self.failed.get_or_insert(error);
                return;
            }
        }
        self.failed.get_or_insert(io::Error::from(io::ErrorKind::OutOfMemory));
    }

    /// Submits what is queued and waits for a completion.
    ///
    /// # Errors
    /// Only what no later call could mend.
    pub(crate) fn enter(&mut self, wait: Wait) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let submitter = self.uring.submitter();
        let timespec;
        let mut args = SubmitArgs::new();
        let wanted = match wait {
            Wait::No => 0,
            Wait::AtMost(limit) => {
                timespec = Timespec::from(limit);
                args = args.timespec(&timespec);
                1
            }
            Wait::Forever => 1,
        };
        match submitter.submit_with_args(wanted, &args) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time passed, a signal came, the completion queue must be emptied first, or the
                // kernel is short of memory for the moment.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM) => {
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// Appends completions to `into` as long as its capacity allows.
    pub(crate) fn reap(&mut self, into: &mut Vec<Completion>) {
        let room = into.capacity() - into.len();
        let completions = self.uring.completion();
        into.extend(completions.take(room).map(|entry| Completion {
            token: Token::from_bits(entry.user_data()),
            result: entry.result(),
            flags: entry.flags(),
        }));
    }

    /// Whether completions wait in the kernel because the queue was full.
    pub(crate) fn has_overrun(&mut self) -> bool {
        self.uring.submission().cq_overflow()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel tears a closed ring down in its own time, and until then receives may write
        // to memory and sockets keep their ports. So end everything here: submit what is queued,
        // or it would escape the rest, cancel, let the cancelled operations finish, give the files
        // back. Errors mean that it is done already.
        let limit = Timespec::from(Duration::from_secs(1));
        let _submitted = self.enter(Wait::No);
        let _cancelled =
            self.uring.submitter().register_sync_cancel(Some(limit), CancelBuilder::any());
        let _finished = self.enter(Wait::AtMost(Duration::ZERO));
        let _returned = self.uring.submitter().unregister_files();
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("deferred", &self.deferred).finish_non_exhaustive()
    }
}

fn base() -> Builder {
    let mut builder = IoUring::builder();
    builder.setup_cqsize(COMPLETIONS).setup_clamp().setup_submit_all().setup_taskrun_flag();
    builder
}

/// Entries of the submission queue: a turn seldom fills it, and then it enters once more.
const SUBMISSIONS: u32 = 1024;

/// Entries of the completion queue: several turns of a storm, 128 KiB.
const COMPLETIONS: u32 = 8192;

/// Places in the table of files: all sockets, and what wakes the shard.
const FILES: u32 = SOCKETS_MAX + 24;

/// Enters that may pass before a full submission queue counts as a failure.
const SUBMIT_ATTEMPTS_MAX: usize = 1000;

#[cfg(test)]
mod tests;

//! A second process that keeps the privileges and opens sockets for the first.
//!
//! Interfaces appear and addresses change while a server runs, and ports below 1024 and packet
//! sockets take capabilities. The process that reads packets of strangers gives all of them up.
//! Its helper keeps those few, reads nothing but requests of its only client, and does nothing
//! but open a socket for each and hand it over (`SCM_RIGHTS`). It ends with its client.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::{FramesOptions, SocketSpec, UdpOptions, Watch};

/// The helper, as its client has it. Dropping it ends the process.
#[derive(Debug)]
pub struct Helper {
    /// Dropped first: the process ends when it finds its end alone.
    channel: Option<OwnedFd>,
    process: Pid,
}

/// Ports below 1024 that a helper opens. All others take no privilege, so there is nothing to
/// guard in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowPorts {
    /// Of UDP.
    pub udp: [u16; 3],
    /// Of TCP.
    pub tcp: [u16; 2],
}

impl LowPorts {
    /// Whether a helper may open it.
    fn allow(&self, spec: &SocketSpec) -> bool {
        let is_free = |port| port == 0 || port >= UNPRIVILEGED_PORT_MIN;
        match spec {
            SocketSpec::Udp(UdpOptions { local, .. }) => {
                is_free(local.port()) || self.udp.contains(&local.port())
            }
            SocketSpec::Tcp { local, .. } => {
                is_free(local.port()) || self.tcp.contains(&local.port())
            }
            // Their filters are locked.
            SocketSpec::Frames(_) | SocketSpec::Echo => true,
        }
    }
}

/// Ports from this one on are anybody's (the default of `net.ipv4.ip_unprivileged_port_start`).
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

impl Helper {
    /// Starts the helper as a copy of this process, for `ports` and whatever takes no privilege.
    /// `confine` runs in it: it gives up all that
    /// opening sockets does not take, and must not allocate if this process has other threads.
    ///
    /// The helper keeps what is open now, so this comes before anything that must close with
    /// this process.
    ///
    /// # Errors
    /// If there can be no other process, or `confine` failed.
    pub fn start(ports: LowPorts, confine: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // SAFETY: the child runs `serve` and nothing else: system calls on its own stack, without
        // allocation or locks that a thread of ours may hold, and it never returns.
        let process = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                drop(ours);
                let served = catch_unwind(AssertUnwindSafe(|| serve(&theirs, ports, confine)));
                // SAFETY: ends this copy at once; what it inherited is not its to clean up.
                unsafe { libc::_exit(i32::from(served.is_err())) }
            }
            process => process,
        };
        let process = Pid::from_raw(process).expect("a process that was started has a number");
        // Its end: who waits for it must see when it is closed.
        drop(theirs);
        let mut helper = Self { channel: Some(ours), process };
        // It greets when it has confined itself.
        helper.answer().map(drop)?;
        Ok(helper)
    }

    /// # Errors
    /// What the helper's system calls said, or that it is gone.
    pub(super) fn open(&mut self, spec: &SocketSpec) -> io::Result<OwnedFd> {
        let channel = self.channel.as_ref().ok_or(Errno::PIPE)?;
        let request = encode(spec);
        let mut nothing = SendAncillaryBuffer::default();
        sendmsg(channel, &[IoSlice::new(&request)], &mut nothing, SendFlags::NOSIGNAL)?;
        self.answer()?.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The next answer: a socket, nothing (the greeting), or what went wrong.
    fn answer(&mut self) -> io::Result<Option<OwnedFd>> {
        let channel = self.channel.as_ref().ok_or(Errno::PIPE)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut errno = [0; 4];
        let received = rustix::io::retry_on_intr(|| {
            let into = &mut [IoSliceMut::new(&mut errno)];
            recvmsg(channel, into, &mut rights, RecvFlags::CMSG_CLOEXEC)
        })?;
        if received.bytes != errno.len() {
            self.channel = None;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match i32::from_ne_bytes(errno) {
            0 => Ok(rights.drain().find_map(|message| {
                let RecvAncillaryMessage::ScmRights(mut sockets) = message else { return None };
                sockets.next()
            })),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.channel = None;
        // It has nothing else to do than to end.
        let _reaped =
            rustix::io::retry_on_intr(|| waitpid(Some(self.process), WaitOptions::empty()));
    }
}

/// The whole life of the helper.
fn serve(channel: &OwnedFd, ports: LowPorts, confine: impl FnOnce() -> io::Result<()>) {
    // Who ends the client by a signal to both wants it to drain, and sockets perhaps meanwhile.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: this process, which has one thread, runs no handler afterwards.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let _anonymous = rustix::thread::set_name(c"reveille-open");
    let confined = confine();
    let is_confined = confined.is_ok();
    if answer(channel, confined.map(|()| None)).is_err() || !is_confined {
        return;
    }
    // Ends with the client: each round waits for a request of it.
    while let Some(request) = next_request(channel) {
        let spec = decode(&request).ok_or_else(|| io::ErrorKind::InvalidInput.into());
        let opened =
            spec.and_then(
                |spec| {
                    if ports.allow(&spec) { spec.open() } else { Err(Errno::ACCESS.into()) }
                },
            );
        if answer(channel, opened.map(Some)).is_err() {
            return;
        }
    }
}

/// What the client asks for; nothing if it is gone.
fn next_request(channel: &OwnedFd) -> Option<[u8; REQUEST_BYTES]> {
    let mut request = [0; REQUEST_BYTES];
    let received = rustix::io::retry_on_intr(|| {
        let into = &mut [IoSliceMut::new(&mut request)];
        recvmsg(channel, into, &mut RecvAncillaryBuffer::default(), RecvFlags::CMSG_CLOEXEC)
    });
    received.is_ok_and(|received| received.bytes == REQUEST_BYTES).then_some(request)
}

/// Tells the client how it went, and gives it what was opened.
fn answer(channel: &OwnedFd, done: io::Result<Option<OwnedFd>>) -> io::Result<()> {
    let errno = match &done {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EINVAL),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let opened = done.as_ref().ok().and_then(Option::as_ref).map(|socket| [socket.as_fd()]);
    if let Some(sockets) = &opened {
        let fits = rights.push(SendAncillaryMessage::ScmRights(sockets));
        assert!(fits, "there is room for one socket");
    }
    let errno = errno.to_ne_bytes();
    sendmsg(channel, &[IoSlice::new(&errno)], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Kind, flags, port, address, interface, buffer size; numbers as this machine has them.
fn encode(spec: &SocketSpec) -> [u8; REQUEST_BYTES] {
    let nowhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let (head, local, interface, buffer_bytes) = match *spec {
        SocketSpec::Udp(options) => {
            let flags = u8::from(options.shared) | u8::from(options.broadcast) << 1;
            let device = options.device.map_or(0, NonZeroU32::get);
            ([UDP, flags], options.local, device, options.receive_buffer_bytes as u64)
        }
        SocketSpec::Tcp { local, shared } => ([TCP, u8::from(shared)], local, 0, 0),
        SocketSpec::Frames(options) => {
            ([FRAMES, options.watch as u8], nowhere, options.interface, 0)
        }
        SocketSpec::Echo => ([ECHO, 0], nowhere, 0, 0),
    };
    let mut request = [0; REQUEST_BYTES];
    request[..2].copy_from_slice(&head);
    request[2..4].copy_from_slice(&local.port().to_ne_bytes());
    request[4..8].copy_from_slice(&local.ip().octets());
    request[8..12].copy_from_slice(&interface.to_ne_bytes());
    request[12..].copy_from_slice(&buffer_bytes.to_ne_bytes());
    request
}

/// What [`encode`] wrote; nothing if it was not that.
fn decode(request: &[u8; REQUEST_BYTES]) -> Option<SocketSpec> {
    let (head, rest) = request.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk()?;
    let (address, rest) = rest.split_first_chunk::<4>()?;
    let (interface, buffer_bytes) = rest.split_first_chunk()?;
    let local = SocketAddrV4::new(Ipv4Addr::from(*address), u16::from_ne_bytes(*port));
    let interface = u32::from_ne_bytes(*interface);
    let buffer_bytes = u64::from_ne_bytes(*buffer_bytes.first_chunk()?);
    Some(match *head {
        [UDP, flags @ 0..=3] => SocketSpec::Udp(UdpOptions {
            local,
            device: NonZeroU32::new(interface),
            broadcast: flags & 2 != 0,
            shared: flags & 1 != 0,
            receive_buffer_bytes: usize::try_from(buffer_bytes).ok()?,
        }),
        [TCP, flags @ 0..=1] => SocketSpec::Tcp { local, shared: flags == 1 },
        [FRAMES, watch] => {
            let watch = *Watch::ALL.get(usize::from(watch))?;
            SocketSpec::Frames(FramesOptions { interface, watch })
        }
        [ECHO, 0] => SocketSpec::Echo,
        _ => return None,
    })
}

const UDP: u8 = 1;
const TCP: u8 = 2;
const FRAMES: u8 = 3;
const ECHO: u8 = 4;

/// Bytes of a request.
const REQUEST_BYTES: usize = 20;

#[cfg(test)]
mod tests;

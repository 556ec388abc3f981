//! A cable that makes an iPXE option ROM look like the PXE ROM of a network card.
//!
//! Every option ROM that QEMU has is iPXE and says so. On this cable the ROM's DHCP messages lose
//! the two options that tell (77 user class, 175 iPXE's own), so a server sees `PXEClient`,
//! architecture 0 and nothing else, until the machine fetches its first file: what runs after
//! that may say who it is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::link::Link;

/// Largest frame on the link, with room to see that one is too long.
const FRAME_BYTES: usize = 2048;

/// A running cable between a machine and a port of the switch; ends when dropped.
#[derive(Debug)]
pub(super) struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    machine_end: PathBuf,
    cable_end: PathBuf,
}

impl Cable {
    /// Connects a machine's socket with a tap device of the switch.
    pub(super) fn plug(link: &Link, tap: &str) -> Self {
        let cable_end = link.file(&format!("{tap}.cable"));
        let machine_end = link.file(&format!("{tap}.machine"));
        let socket = UnixDatagram::bind(&cable_end).expect("the run's folder is ours");
        socket.set_nonblocking(true).expect("a socket of ours");
        let port = link.switch().run(|| open_tap(tap)).unwrap_or_else(|error| {
            panic!("the tap device cannot be opened ({error}): is /dev/net/tun there and allowed?")
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, machine) = (Arc::clone(&stop), machine_end.clone());
        let thread = std::thread::spawn(move || carry(&socket, port, &machine, &stopped));
        Self { stop, thread: Some(thread), machine_end, cable_end }
    }

    /// QEMU's words for a network card at this cable.
    pub(super) fn netdev(&self) -> String {
        format!(
            "dgram,id=n0,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            self.machine_end.display(),
            self.cable_end.display()
        )
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; a second one here would hide it.
            thread.join().ok();
        }
    }
}

fn open_tap(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: `ifreq` is plain old data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *target = libc::c_char::from_ne_bytes([byte]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).expect("the flags fit");
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives until after the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    rustix::io::ioctl_fionbio(&file, true)?;
    Ok(file)
}

fn carry(machine: &UnixDatagram, mut port: File, address: &Path, stop: &AtomicBool) {
    let mut frame = [0_u8; FRAME_BYTES];
    let mut plain = true;
    // Ends when the cable is dropped, at the latest after one wait.
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [
            PollFd::from_borrowed_fd(machine.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(port.as_fd(), PollFlags::IN),
        ];
        let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        rustix::event::poll(&mut ready, Some(&wait)).expect("both descriptors are ours");
        while let Ok(length) = machine.recv(&mut frame) {
            if plain {
                plain = !is_file_request(&frame[..length]);
                hide_ipxe(&mut frame[..length]);
            }
            // A full port loses frames, as a cable may.
            port.write_all(&frame[..length]).ok();
        }
        while let Ok(length) = port.read(&mut frame) {
            machine.send_to(&frame[..length], address).ok();
        }
    }
}

/// Offset of the UDP header in an Ethernet frame with IPv4 and UDP.
fn udp_offset(frame: &[u8]) -> Option<usize> {
    let is_ipv4 = frame.get(12..14)? == [0x08, 0x00];
    let header = 14 + usize::from(frame.get(14)? & 0x0f) * 4;
    (is_ipv4 && *frame.get(23)? == 17 && frame.len() >= header + 8).then_some(header)
}

fn destination_port(frame: &[u8], udp: usize) -> u16 {
    u16::from_be_bytes([frame[udp + 2], frame[udp + 3]])
}

fn is_file_request(frame: &[u8]) -> bool {
    udp_offset(frame).is_some_and(|udp| destination_port(frame, udp) == 69)
}

/// Replaces options 77 and 175 of a DHCP request by padding.
fn hide_ipxe(frame: &mut [u8]) {
    /// Length of a DHCP message up to and with its magic cookie (RFC 2131 §2).
    const FIXED_BYTES: usize = 240;
    let Some(udp) = udp_offset(frame) else { return };
    if !matches!(destination_port(frame, udp), 67 | 4011) {
        return;
    }
    // No checksum: a receiver must take that (RFC 768).
    frame[udp + 6..udp + 8].fill(0);
    let mut at = udp + 8 + FIXED_BYTES;
    while let (Some(&code), Some(&length)) = (frame.get(at), frame.get(at + 1)) {
        match code {
            0 => at += 1,
            255 => return,
            _ => {
                let end = (at + 2 + usize::from(length)).min(frame.len());
                if matches!(code, 77 | 175) {
                    frame[at..end].fill(0);
                }
                at = end;
            }
        }
    }
}

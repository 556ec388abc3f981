//! Frames: a packet socket that machines share, each with a MAC address of its own.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::net::sockopt;
use socket2::{SockFilter, Socket};

use crate::wire::ethernet;

/// Opens a packet socket on an interface. It takes in answers to DHCP clients (of `IPV4`) or
/// router advertisements (of `IPV6`), to any MAC address, and sends whatever frames it is given.
///
/// There is one for each because a socket for all protocols would be shown every packet that this
/// host sends, which makes all of them dearer.
///
/// # Errors
/// What the system calls say: there is no such interface, or we may not.
pub(crate) fn open(
    interface: &str,
    ethertype: u16,
    receive_buffer_bytes: usize,
) -> io::Result<Socket> {
    let index = index(interface)?;
    // SAFETY: no memory is involved. Protocol 0: nothing arrives before the filter is in place.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made the descriptor, and nobody else has it.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    socket.attach_filter(&answer_filter())?;
    if sockopt::set_socket_recv_buffer_size_force(&socket, receive_buffer_bytes).is_err() {
        socket.set_recv_buffer_size(receive_buffer_bytes)?;
    }
    if sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER_BYTES).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    }
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is on the stack and the kernel copies it.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let membership = libc::packet_mreq {
        mr_ifindex: index as i32,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    let len = size_of_val(&membership) as libc::socklen_t;
    let value = (&raw const membership).cast();
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
    // SAFETY: the value is on the stack and the kernel copies it.
    if unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, len) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

/// The DHCP message in a frame that passed the filter.
pub(crate) fn dhcp_payload(frame: &[u8]) -> Option<&[u8]> {
    let frame = ethernet::parse(frame).filter(|frame| frame.ethertype == ethernet::IPV4)?;
    // The filter has looked: UDP, no options, no later fragment.
    let udp = frame.payload.get(20..)?;
    let len = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    udp.get(8..len)
}

fn index(interface: &str) -> io::Result<u32> {
    let name = CString::new(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the name is a string with its end.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Passes IPv4 with UDP, without options and no later fragment, to port 68 or 4011, and ICMPv6
/// router advertisements (RFC 4861 §4.2).
fn answer_filter() -> [SockFilter; 16] {
    let load = |size: u16, at| SockFilter::new(size | LOAD, 0, 0, at);
    // Jumps count from the next instruction; the last two are `pass` and `drop`.
    let unless = |value, drop| SockFilter::new(JUMP_IF_EQUAL, 0, drop, value);
    [
        load(HALF, 12),
        unless(libc::ETH_P_IP as u32, 8),
        load(BYTE, 14),
        unless(0x45, 11),
        load(BYTE, 23),
        unless(libc::IPPROTO_UDP as u32, 9),
        load(HALF, 20),
        SockFilter::new(JUMP_IF_ANY, 7, 0, 0x1fff),
        load(HALF, 36),
        SockFilter::new(JUMP_IF_EQUAL, 4, 3, 68),
        unless(libc::ETH_P_IPV6 as u32, 4),
        load(BYTE, 54),
        SockFilter::new(JUMP_IF_EQUAL, 1, 2, 134),
        unless(4011, 1),
        SockFilter::new(RETURN, 0, 0, u32::from(u16::MAX)),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// `BPF_LD | BPF_ABS`, with the size of what is loaded.
const LOAD: u16 = 0x20;
const HALF: u16 = 0x08;
const BYTE: u16 = 0x10;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JSET | BPF_K`.
const JUMP_IF_ANY: u16 = 0x45;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// Frames of ten thousand machines that all start at once.
const SEND_BUFFER_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter on a frame, as the kernel does (for the instructions that it uses).
    fn passes(frame: &[u8]) -> bool {
        let filter: Vec<libc::sock_filter> = answer_filter().iter().map(raw).collect();
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let instruction = filter[at];
            at += 1;
            let value = instruction.k as usize;
            match instruction.code {
                code if code == HALF | LOAD => {
                    let Some(bytes) = frame.get(value..value + 2) else { return false };
                    accumulator = u32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
                }
                code if code == BYTE | LOAD => {
                    let Some(byte) = frame.get(value) else { return false };
                    accumulator = u32::from(*byte);
                }
                RETURN => return instruction.k != 0,
                code => {
                    let holds = match code {
                        JUMP_IF_EQUAL => accumulator == instruction.k,
                        JUMP_IF_ANY => accumulator & instruction.k != 0,
                        _ => unreachable!("an instruction that this filter does not use"),
                    };
                    at += usize::from(if holds { instruction.jt } else { instruction.jf });
                }
            }
        }
    }

    fn raw(filter: &SockFilter) -> libc::sock_filter {
        // SAFETY: socket2 declares it as a transparent wrapper, which is what it hands the kernel.
        unsafe { std::mem::transmute_copy(filter) }
    }

    fn udp(port: u16) -> Vec<u8> {
        let from = "10.77.0.1:67".parse().expect("an address");
        let to = std::net::SocketAddrV4::new([10, 77, 1, 2].into(), port);
        let mut frame = ethernet::header(ethernet::BROADCAST, [2; 6], ethernet::IPV4).to_vec();
        frame.extend(crate::wire::ipv4_udp::headers(from, to, 0, b"message"));
        frame.extend(b"message");
        frame
    }

    #[test]
    fn only_what_machines_take_in_passes() {
        assert!(passes(&udp(68)));
        assert!(passes(&udp(4011)));
        assert!(!passes(&udp(67)));
        assert_eq!(dhcp_payload(&udp(68)), Some(&b"message"[..]));
        let mut fragment = udp(68);
        fragment[21] = 9;
        assert!(!passes(&fragment));
        let mut tcp = udp(68);
        tcp[23] = 6;
        assert!(!passes(&tcp));
        let mut arp = udp(68);
        arp[13] = 6;
        assert!(!passes(&arp));
    }

    #[test]
    fn router_advertisements_pass() {
        let mut frame = ethernet::header([0x33; 6], [2; 6], ethernet::IPV6).to_vec();
        frame.resize(70, 0);
        frame[54] = 134;
        assert!(passes(&frame));
        frame[54] = 133;
        assert!(!passes(&frame));
    }
}

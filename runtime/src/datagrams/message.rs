//! What the kernel wrote into a receive buffer, taken apart.

use std::net::{Ipv4Addr, SocketAddrV4};

use reveille_core::mac::MacAddr;

/// What the kernel put into a buffer: a header, then address and control data in the room that
/// the template leaves for them, then the payload.
pub(super) struct ReceivedMessage<'b> {
    pub(super) name: &'b [u8],
    pub(super) control: &'b [u8],
    pub(super) payload: &'b [u8],
}

impl<'b> ReceivedMessage<'b> {
    /// Takes a buffer apart; nothing if something did not fit into it.
    pub(super) fn parse(buffer: &'b [u8]) -> Option<Self> {
        let (header, rest) = buffer.split_at_checked(HEADER_BYTES)?;
        let (name, rest) = rest.split_at_checked(ADDRESS_BYTES)?;
        let (control, payload) = rest.split_at_checked(CONTROL_BYTES)?;
        let field = |index: usize| {
            let bytes = header.get(index * 4..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes) as usize)
        };
        let [name_len, control_len, payload_len, flags] =
            [field(0)?, field(1)?, field(2)?, field(3)?];
        let cut = (libc::MSG_TRUNC | libc::MSG_CTRUNC) as usize;
        Some(Self {
            name: name.get(..name_len)?,
            control: control.get(..control_len)?,
            payload: payload.get(..payload_len).filter(|_| flags & cut == 0)?,
        })
    }
}

/// Interface and destination address out of `IP_PKTINFO`.
pub(super) struct PacketInfo {
    pub(super) interface: u32,
    pub(super) destination: Ipv4Addr,
}

pub(super) fn packet_info(mut control: &[u8]) -> Option<PacketInfo> {
    // Ends: each round takes a control message away, and none is empty.
    loop {
        let (header, data) = control.split_at_checked(size_of::<libc::cmsghdr>())?;
        let len = usize::from_ne_bytes(*header.first_chunk()?);
        let level = i32::from_ne_bytes(*header.get(8..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*header.get(12..)?.first_chunk()?);
        if (level, kind) == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
            let interface = u32::from_ne_bytes(*data.first_chunk()?);
            let destination = *data.get(8..)?.first_chunk::<4>()?;
            return Some(PacketInfo { interface, destination: Ipv4Addr::from(destination) });
        }
        control = control.get(len.max(header.len()).next_multiple_of(8)..)?;
    }
}

pub(super) fn inet_address(name: &[u8]) -> Option<SocketAddrV4> {
    let family = u16::from_ne_bytes(*name.first_chunk()?);
    let port = u16::from_be_bytes(*name.get(2..)?.first_chunk()?);
    let address = *name.get(4..)?.first_chunk::<4>()?;
    let is_inet = family == libc::AF_INET as u16;
    is_inet.then(|| SocketAddrV4::new(Ipv4Addr::from(address), port))
}

/// The sender's station, and whether that is this host.
pub(super) fn link_address(name: &[u8]) -> Option<(MacAddr, bool)> {
    let [kind, len] = *name.get(10..)?.first_chunk()?;
    let address = *name.get(12..)?.first_chunk::<6>()?;
    (len == 6).then_some((MacAddr(address), kind == libc::PACKET_OUTGOING))
}

/// Size of the kernel's header (`struct io_uring_recvmsg_out`).
const HEADER_BYTES: usize = 16;

/// Room for the sender: a `sockaddr_in` or `sockaddr_ll`, in whole words.
pub(super) const ADDRESS_BYTES: usize = 24;

/// Room for one `in_pktinfo`.
pub(super) const CONTROL_BYTES: usize = 32;

#[cfg(test)]
mod tests;

//! Packets as the clients write and read them. These codecs share nothing with the server's: a
//! mistake in both would cancel out.

pub mod dhcp4;
pub mod ethernet;
pub mod http;
pub mod icmp6;
pub mod ipv4_udp;
pub mod tftp;

/// A writer into a lent buffer. What does not fit is left out, and told.
#[derive(Debug)]
pub(crate) struct Sink<'b> {
    out: &'b mut [u8],
    len: usize,
    full: bool,
}

impl<'b> Sink<'b> {
    pub(crate) const fn new(out: &'b mut [u8]) -> Self {
        Self { out, len: 0, full: false }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        match self.out.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.full = true,
        }
    }

    /// The number of bytes written, or `None` if something did not fit.
    pub(crate) const fn finish(self) -> Option<usize> {
        if self.full { None } else { Some(self.len) }
    }
}

impl core::fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.bytes(text.as_bytes());
        if self.full { Err(core::fmt::Error) } else { Ok(()) }
    }
}

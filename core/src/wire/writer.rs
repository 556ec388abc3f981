//! A bounded cursor over a buffer that the caller lends.

use core::fmt;

use zerocopy::{Immutable, IntoBytes};

use super::EmitError;

/// Appends fields to a slice. The first field that does not fit is not written and makes
/// [`Writer::finish`] fail; everything after it is ignored, so a sequence of puts needs one check.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    error: Option<EmitError>,
}

impl<'b> Writer<'b> {
    /// Starts at the first byte of `buffer`.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, error: None }
    }

    /// How many bytes have been written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes still fit; none after an error.
    pub const fn remaining(&self) -> usize {
        if self.error.is_some() { 0 } else { self.buffer.len().saturating_sub(self.len) }
    }

    /// The first thing that went wrong, if anything did.
    pub const fn error(&self) -> Option<EmitError> {
        self.error
    }

    /// Makes the packet fail with `error`, unless it has failed already.
    pub const fn fail(&mut self, error: EmitError) {
        if self.error.is_none() {
            self.error = Some(error);
        }
    }

    /// Appends `bytes`.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.slot(bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, value: u8) {
        self.put_bytes(&[value]);
    }

    /// Appends a 16-bit number in network order.
    pub fn put_u16(&mut self, value: u16) {
        self.put_bytes(&value.to_be_bytes());
    }

    /// Appends a 32-bit number in network order.
    pub fn put_u32(&mut self, value: u32) {
        self.put_bytes(&value.to_be_bytes());
    }

    /// Appends a fixed-layout header.
    pub fn put_header<T: IntoBytes + Immutable>(&mut self, header: &T) {
        self.put_bytes(header.as_bytes());
    }

    /// Appends `count` zeros.
    pub fn put_zeros(&mut self, count: usize) {
        if let Some(slot) = self.slot(count) {
            slot.fill(0);
        }
    }

    /// Appends formatted text: `put_fmt(format_args!(…))`.
    pub fn put_fmt(&mut self, text: fmt::Arguments<'_>) {
        // Only a failing `Display` can err here: its output is not what it should be.
        if fmt::write(self, text).is_err() {
            self.fail(EmitError::BadText);
        }
    }

    /// Overwrites bytes written earlier, from offset `at`; fails the packet when they do not lie
    /// inside what has been written.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len()).filter(|end| *end <= self.len);
        match end.and_then(|end| self.buffer.get_mut(at..end)) {
            Some(slot) => slot.copy_from_slice(bytes),
            None => self.fail(EmitError::NoSpace),
        }
    }

    /// What has been written so far.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// The number of bytes written.
    ///
    /// # Errors
    /// The first thing that went wrong on the way; the buffer then holds no packet.
    pub const fn finish(self) -> Result<usize, EmitError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.len),
        }
    }

    /// The next `count` bytes of the buffer, counted as written.
    #[inline]
    pub(super) fn slot(&mut self, count: usize) -> Option<&mut [u8]> {
        if self.error.is_some() {
            return None;
        }
        let start = self.len;
        let end = start.checked_add(count).filter(|end| *end <= self.buffer.len());
        let Some(end) = end else {
            self.fail(EmitError::NoSpace);
            return None;
        };
        self.len = end;
        self.buffer.get_mut(start..end)
    }
}

impl fmt::Write for Writer<'_> {
    /// Never an error: like every put, text that does not fit fails the packet at the end.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put_bytes(text.as_bytes());
        Ok(())
    }
}

//! Short texts in place.

use core::fmt::{self, Write};

/// A text of at most `N` bytes.
#[derive(Clone, Copy)]
pub(super) struct Text<const N: usize> {
    len: u16,
    /// Whether something did not fit.
    cut: bool,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub(super) const EMPTY: Self = Self { len: 0, cut: false, bytes: [0; N] };

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text, or nothing if it is none.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something did not fit since [`Self::clear`].
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.cut = false;
    }

    pub(super) fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.cut = true,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }

    pub(super) fn set(&mut self, bytes: &[u8]) {
        self.clear();
        self.extend(bytes);
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

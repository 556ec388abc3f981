//! Short text of bounded size that lives inside its owner: names and facts that peers told us.

use core::fmt;

/// At most `N` bytes of printable UTF-8 (`N` below 256), `Copy` and without a heap.
///
/// Whatever peers send is made harmless on the way in: see [`Text::sanitised`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    const FITS: () = assert!(N < 256, "the length is kept in one byte");

    /// No text.
    pub const EMPTY: Self = {
        let () = Self::FITS;
        Self { len: 0, bytes: [0; N] }
    };

    /// Takes what fits of `raw`, replacing every byte outside `A-Z a-z 0-9 . _ : / @ + - space`
    /// by `_` and trimming spaces, so that the result is inert in scripts, logs, URLs and JSON.
    pub fn sanitised(raw: &[u8]) -> Self {
        let mut text = Self::EMPTY;
        let raw = raw.trim_ascii();
        for (place, byte) in text.bytes.iter_mut().zip(raw) {
            *place = HARMLESS[usize::from(*byte)];
        }
        text.len = u8::try_from(raw.len().min(N)).unwrap_or(u8::MAX);
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only ASCII ever gets in, so the conversion cannot fail.
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Every byte as it is told further: itself, or `_`.
const HARMLESS: [u8; 256] = {
    let mut table = [b'_'; 256];
    let mut byte = 0;
    // Ends: `byte` counts up to the length of the table.
    while byte < table.len() {
        let character = byte as u8;
        if character.is_ascii_alphanumeric()
            || matches!(character, b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'-' | b' ')
        {
            table[byte] = character;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_inert() {
        let text = Text::<16>::sanitised(b" a\n${b}\x1b[0m\xff;'\" ");
        assert_eq!(text.as_str(), "a___b___0m____");
    }

    #[test]
    fn the_rest_is_cut() {
        assert_eq!(Text::<4>::sanitised(b"abcdef").as_str(), "abcd");
        assert!(Text::<4>::sanitised(b"  ").is_empty());
    }
}

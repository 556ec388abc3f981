//! The one place where a name that a client sent becomes a name that the server looks up.

use core::fmt;

use super::EmitError;
use super::writer::Writer;

/// Why a name is refused. TFTP answers access violation, HTTP 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameError {
    /// The name climbs with `..`.
    Climbs,
    /// The name holds a control character, which no file we serve has and every log suffers from.
    Control,
    /// The name is not UTF-8.
    NotUtf8,
    /// The name is longer than [`NAME_BYTES_MAX`] after normalising, or than the lent buffer.
    TooLong,
    /// A `%` is not followed by two hexadecimal digits (HTTP only).
    BadEscape,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Climbs => "the name climbs with `..`",
            Self::Control => "the name holds control characters",
            Self::NotUtf8 => "the name is not UTF-8",
            Self::TooLong => "the name is too long",
            Self::BadEscape => "the name has a broken percent escape",
        })
    }
}

impl core::error::Error for NameError {}

/// The longest name that is looked up, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Writes the canonical form of `name` into `buffer` and returns it.
///
/// `\` counts as `/`, because boot images made on Windows ask that way. Leading, trailing and
/// repeated separators and `.` segments vanish, because GRUB, shim and iPXE differ in them; so the
/// result is relative, and empty for the root. A buffer of [`NAME_BYTES_MAX`] bytes always
/// suffices.
///
/// # Errors
/// See [`NameError`]. A `..` segment is refused, never resolved, so a result cannot leave the
/// root whatever it is joined to.
pub fn normalise<'b>(name: &[u8], buffer: &'b mut [u8]) -> Result<&'b str, NameError> {
    let name = core::str::from_utf8(name).map_err(|_| NameError::NotUtf8)?;
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    let limit = buffer.len().min(NAME_BYTES_MAX);
    let mut writer = Writer::new(buffer.get_mut(..limit).unwrap_or_default());
    for segment in name.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => return Err(NameError::Climbs),
            segment => {
                if !writer.is_empty() {
                    writer.put_u8(b'/');
                }
                writer.put_bytes(segment.as_bytes());
            }
        }
    }
    let len = writer.finish().map_err(|_: EmitError| NameError::TooLong)?;
    let written = buffer.get(..len).unwrap_or_default();
    core::str::from_utf8(written).map_err(|_| NameError::NotUtf8)
}

#[cfg(test)]
mod tests;

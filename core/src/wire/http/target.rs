//! The request target: path and query.

use crate::wire::path::{self, NameError};
use crate::wire::writer::Writer;

/// Path and query as sent, still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    path: &'b str,
    query: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// Reads origin-form and absolute-form (RFC 9112 §3.2); other forms only where the method is
    /// none that fetches a file.
    pub(super) fn parse(text: &'b str, is_file_method: bool) -> Option<Self> {
        let local = if text.starts_with('/') {
            text
        } else if let Some(rest) = strip_scheme(text) {
            let authority = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.get(authority..)?
        } else if is_file_method {
            return None;
        } else {
            text
        };
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        Some(Self { path, query })
    }

    /// The path, still encoded; it starts with `/`, or is empty for `http://host`.
    pub const fn path(&self) -> &'b str {
        self.path
    }

    /// The query, still encoded and without `?`.
    pub const fn query(&self) -> Option<&'b str> {
        self.query
    }

    /// The canonical name of what is asked for: the path, percent-decoded once, through
    /// [`path::normalise`]. Empty for the root. A buffer of [`path::NAME_BYTES_MAX`] bytes always
    /// suffices.
    ///
    /// # Errors
    /// See [`NameError`]; also [`NameError::TooLong`] when the decoded path has more than 1024
    /// bytes before normalising.
    pub fn name<'n>(&self, buffer: &'n mut [u8]) -> Result<&'n str, NameError> {
        if !self.path.contains('%') {
            return path::normalise(self.path.as_bytes(), buffer);
        }
        let mut decoded = [0; 1024];
        path::normalise(percent_decode(self.path.as_bytes(), &mut decoded)?, buffer)
    }

    /// The names and values of the query, still encoded; a parameter without `=` has an empty
    /// value.
    pub fn parameters(&self) -> impl Iterator<Item = (&'b str, &'b str)> + use<'b> {
        let parameters = self.query.unwrap_or_default().split('&');
        parameters
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
    }

    /// The value of the first parameter with this name, percent-decoded into `buffer`. `+` stays
    /// `+`: iPXE's `:uristring` does not use it for a space, and serial numbers contain it.
    ///
    /// # Errors
    /// [`NameError::BadEscape`], [`NameError::NotUtf8`], or [`NameError::TooLong`] for the buffer.
    pub fn parameter<'n>(
        &self,
        name: &str,
        buffer: &'n mut [u8],
    ) -> Result<Option<&'n str>, NameError> {
        let Some((_, value)) = self.parameters().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let value = percent_decode(value.as_bytes(), buffer)?;
        core::str::from_utf8(value).map(Some).map_err(|_| NameError::NotUtf8)
    }
}

/// Replaces `%xx` by the byte it stands for, writing into `buffer`.
///
/// # Errors
/// [`NameError::BadEscape`] for `%` without two hexadecimal digits, [`NameError::TooLong`] when the
/// result does not fit.
pub fn percent_decode<'n>(text: &[u8], buffer: &'n mut [u8]) -> Result<&'n [u8], NameError> {
    let mut writer = Writer::new(buffer);
    let mut rest = text;
    // Ends: each round takes a byte or more off the rest.
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = tail else {
                return Err(NameError::BadEscape);
            };
            writer.put_u8(hex_digit(*high)? << 4 | hex_digit(*low)?);
            rest = after;
        } else {
            writer.put_u8(*first);
            rest = tail;
        }
    }
    let len = writer.finish().map_err(|_| NameError::TooLong)?;
    Ok(buffer.get(..len).unwrap_or_default())
}

fn hex_digit(byte: u8) -> Result<u8, NameError> {
    let digit = char::from(byte).to_digit(16).ok_or(NameError::BadEscape)?;
    u8::try_from(digit).map_err(|_| NameError::BadEscape)
}

fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    known.then_some(rest)
}

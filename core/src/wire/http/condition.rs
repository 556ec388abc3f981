//! Conditional requests (RFC 9110 §13).

use super::date;
use super::range::RangeOutcome;
use super::request::{Method, RequestHead};

/// What identifies the current state of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validators<'v> {
    /// The strong entity tag with its quotes, such as `"4f2a"`.
    pub etag: Option<&'v str>,
    /// Time of the last change, in seconds since 1970 UTC.
    pub last_modified_s: Option<u64>,
}

/// Whether a request's conditions let it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were no conditions.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl RequestHead<'_> {
    /// Evaluates the conditions in the order of RFC 9110 §13.2.2 for a file that exists.
    pub fn precondition(&self, current: &Validators<'_>) -> Precondition {
        let passed = match (self.if_match, self.if_unmodified_since) {
            (Some(list), _) => list_matches(list, current.etag, is_strong_match),
            (None, Some(limit)) => is_unchanged(limit, current).unwrap_or(true),
            (None, None) => true,
        };
        if !passed {
            return Precondition::Failed;
        }
        let unchanged = match (self.if_none_match, self.if_modified_since) {
            (Some(list), _) => list_matches(list, current.etag, is_weak_match),
            (None, Some(limit)) => is_unchanged(limit, current).unwrap_or(false),
            (None, None) => false,
        };
        match (unchanged, self.method) {
            (false, _) => Precondition::Proceed,
            (true, Method::Get | Method::Head) => Precondition::NotModified,
            (true, Method::Other(_)) => Precondition::Failed,
        }
    }

    /// Which part of a file of `len` bytes to send once the preconditions let the request through:
    /// honours `If-Range` (RFC 9110 §13.1.5) and ignores `Range` for anything but GET (§14.2).
    pub fn range_of(&self, current: &Validators<'_>, len: u64) -> RangeOutcome {
        let applies = self.method == Method::Get
            && self.if_range.is_none_or(|validator| is_same_state(validator, current));
        if applies { self.range.resolve(len) } else { RangeOutcome::Whole }
    }
}

/// Whether an `If-Range` value names the current state, by strong comparison or exact date.
fn is_same_state(validator: &[u8], current: &Validators<'_>) -> bool {
    if validator.starts_with(b"\"") || validator.starts_with(b"W/") {
        return current.etag.is_some_and(|etag| is_strong_match(validator, etag.as_bytes()));
    }
    current.last_modified_s.is_some() && date::parse(validator) == current.last_modified_s
}

/// Whether the file has not changed after `limit`; `None` when the date is broken or the file has
/// none, and the condition must be ignored.
fn is_unchanged(limit: &[u8], current: &Validators<'_>) -> Option<bool> {
    Some(current.last_modified_s? <= date::parse(limit)?)
}

/// Whether `*` or one of the tags of a list matches.
fn list_matches(list: &[u8], etag: Option<&str>, matches: fn(&[u8], &[u8]) -> bool) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    tags(list).any(|tag| matches(tag, etag.as_bytes()))
}

/// The tags of a list with quotes and weakness marks. A comma may stand inside a tag, so the quotes
/// decide; what does not start like a tag ends the list.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    core::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let tag = rest.get(start..)?;
        let open = if tag.starts_with(b"W/\"") { 2usize } else { 0 };
        let body = tag.get(open..)?.strip_prefix(b"\"")?;
        let close = body.iter().position(|byte| *byte == b'"')?;
        let (tag, tail) = tag.split_at_checked(open.checked_add(close)?.checked_add(2)?)?;
        rest = tail;
        Some(tag)
    })
}

/// RFC 9110 §8.8.3.2: equal, and neither weak.
fn is_strong_match(a: &[u8], b: &[u8]) -> bool {
    a == b && !a.starts_with(b"W/")
}

/// RFC 9110 §8.8.3.2: equal but for weakness.
fn is_weak_match(a: &[u8], b: &[u8]) -> bool {
    a.strip_prefix(b"W/").unwrap_or(a) == b.strip_prefix(b"W/").unwrap_or(b)
}

//! What a request is answered with, decided once and complete: whatever a reload changes between
//! the request and its response does not change the response.

use crate::document::Document;
use crate::event::{Client, EventName};
use crate::image::ImageId;
use crate::limits::{ETAG_BYTES_MAX, STREAM_CHUNK_BYTES};
use crate::time::Instant;
use crate::view::File;
use crate::wire::http::Status;

/// An answer that waits for a free buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// When its request was complete.
    pub(super) asked_at: Instant,
    /// Who asked.
    pub(super) client: Client,
    /// For what, as events tell it.
    pub(super) name: EventName,
    /// What becomes of the connection afterwards.
    pub(super) persistence: Persistence,
    /// Whether the head is all that was asked for (HEAD).
    pub(super) head_only: bool,
    /// Whether the client comes back when it is told to.
    pub(super) comes_back: bool,
    /// The answer itself.
    pub(super) content: Content,
}

impl Answer {
    /// After how many seconds the client is told to come back, if it is.
    pub(super) const fn sent_away_s(&self) -> Option<u32> {
        match self.content {
            Content::RetryAfter(seconds) => Some(seconds),
            Content::File(_)
            | Content::Document(_)
            | Content::Status(_)
            | Content::NotAllowed { .. } => None,
        }
    }

    /// Whether it takes more than one piece to send: scripts and the like never have to wait.
    pub(super) fn is_download(&self) -> bool {
        let Content::File(file) = &self.content else { return false };
        let bytes = match file.extent {
            Extent::Whole => file.len,
            Extent::Part { first, last } => last - first,
            Extent::NotModified | Extent::Unsatisfiable => 0,
        };
        !self.head_only && bytes > u64::from(STREAM_CHUNK_BYTES)
    }

    /// The image whose bytes will be sent.
    pub(super) fn image(&self) -> Option<ImageId> {
        match &self.content {
            Content::File(file) if !self.head_only => match file.extent {
                Extent::Whole | Extent::Part { .. } => Some(file.image),
                Extent::NotModified | Extent::Unsatisfiable => None,
            },
            Content::File(_)
            | Content::Document(_)
            | Content::Status(_)
            | Content::NotAllowed { .. }
            | Content::RetryAfter(_) => None,
        }
    }
}

/// What becomes of a connection after a response (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays open, as HTTP/1.1 does without saying so.
    Implied,
    /// It stays open, and an HTTP/1.0 client has to be told.
    Announced,
    /// It closes.
    Close,
}

/// What an answer consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// A file or a part of one.
    File(FileContent),
    /// A text to generate.
    Document(Document),
    /// Nothing but a status.
    Status(Status),
    /// 405 and the methods that would do.
    NotAllowed {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// 503 and how many seconds to wait.
    RetryAfter(u32),
}

/// A file as it was when it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileContent {
    pub(super) image: ImageId,
    /// Bytes of the whole file.
    pub(super) len: u64,
    pub(super) extent: Extent,
    pub(super) content_type: &'static str,
    pub(super) etag: Inline<ETAG_BYTES_MAX>,
    pub(super) last_modified: Inline<DATE_BYTES>,
}

impl FileContent {
    pub(super) fn new(file: &File, extent: Extent) -> Self {
        Self {
            image: file.image,
            len: file.len,
            extent,
            content_type: file.content_type,
            etag: Inline::new(&file.etag),
            last_modified: Inline::new(&file.last_modified),
        }
    }
}

/// How much of a file is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// 200.
    Whole,
    /// 206: from the first to the last byte, both included.
    Part { first: u64, last: u64 },
    /// 304.
    NotModified,
    /// 416.
    Unsatisfiable,
}

/// A short text of our own, whose length was checked when it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inline<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    /// Holds `text`, or nothing if it is too long.
    fn new(text: &str) -> Self {
        let mut bytes = [0; N];
        let len = match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(text.as_bytes());
                len
            }
            (_, _) => 0,
        };
        Self { len, bytes }
    }

    /// The text, unless it is empty.
    pub(super) fn as_str(&self) -> Option<&str> {
        let text = core::str::from_utf8(&self.bytes[..usize::from(self.len)]).ok()?;
        (!text.is_empty()).then_some(text)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
const DATE_BYTES: usize = 29;

const _: () = assert!(size_of::<Answer>() <= 640, "every connection has room for one");

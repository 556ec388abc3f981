//! From an answer to the bytes of its response.

use super::answer::{Answer, Content, Extent, FileContent, Persistence};
use crate::document::{Document, RenderError};
use crate::image::ImageId;
use crate::limits;
use crate::view::View;
use crate::wire::EmitError;
use crate::wire::http::{ResponseWriter, Status};

/// A response whose head, and whatever body is no image, lies in the lent buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// Bytes in the buffer.
    pub(super) written: usize,
    /// The image bytes behind it.
    pub(super) span: Option<Span>,
    /// Bytes of the file or document in this response, if it is the transfer of one.
    pub(super) transfer: Option<u64>,
}

/// A part of an image that may be larger than one transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The image.
    pub(super) image: ImageId,
    /// Offset of the next byte to send.
    pub(super) next: u64,
    /// Offset behind the last.
    pub(super) end: u64,
}

/// Writes the response to `answer` into `out`, which has [`limits::HEAD_BYTES`] bytes.
pub(super) fn write(answer: &Answer, view: &View, out: &mut [u8]) -> Response {
    let written = match &answer.content {
        Content::File(file) => write_file(answer, file, out),
        Content::Document(document) => write_document(answer, document, view, out),
        Content::Status(status) => write_status(answer, *status, |_| {}, out),
        Content::NotAllowed { allow } => {
            write_status(answer, Status::METHOD_NOT_ALLOWED, |head| head.allow(allow), out)
        }
        Content::RetryAfter(seconds) => {
            let retry_after = |head: &mut ResponseWriter<'_>| head.retry_after(*seconds);
            write_status(answer, Status::SERVICE_UNAVAILABLE, retry_after, out)
        }
    };
    // Only a text of ours that no field may hold fails here, such as a tag with a line break.
    written.unwrap_or_else(|_: EmitError| {
        let status = Status::INTERNAL_SERVER_ERROR;
        let error = write_status(answer, status, |_| {}, out);
        error.expect("a bare status line fits every head buffer")
    })
}

/// The bytes that invite a client to send its body.
pub(super) fn write_continue(out: &mut [u8]) -> usize {
    let head = ResponseWriter::new(out, Status::CONTINUE);
    head.finish().expect("a bare status line fits every head buffer")
}

fn write_file(answer: &Answer, file: &FileContent, out: &mut [u8]) -> Result<Response, EmitError> {
    let (status, first, end) = match file.extent {
        Extent::Whole => (Status::OK, 0, file.len),
        Extent::Part { first, last } => (Status::PARTIAL_CONTENT, first, last + 1),
        Extent::NotModified => (Status::NOT_MODIFIED, 0, 0),
        Extent::Unsatisfiable => {
            let range = |head: &mut ResponseWriter<'_>| head.unsatisfied_range(file.len);
            return write_status(answer, Status::RANGE_NOT_SATISFIABLE, range, out);
        }
    };
    assert!(first <= end && end <= file.len, "a response lies within its file");
    let mut head = ResponseWriter::new(out, status);
    match file.extent {
        // Its length would be that of the 200 that it stands for (RFC 9110 §8.6): leave it out.
        Extent::NotModified | Extent::Unsatisfiable => {}
        Extent::Whole => put_entity(&mut head, end - first, file.content_type),
        Extent::Part { first, last } => {
            put_entity(&mut head, end - first, file.content_type);
            head.content_range(first, last, file.len);
        }
    }
    head.accept_ranges();
    if let Some(etag) = file.etag.as_str() {
        head.etag(etag);
    }
    if let Some(date) = file.last_modified.as_str() {
        head.put_field("Last-Modified", date);
    }
    put_connection(&mut head, answer.persistence);
    let written = head.finish()?;
    let sends = answer.image().is_some();
    Ok(Response {
        written,
        span: (sends && first < end).then_some(Span { image: file.image, next: first, end }),
        transfer: sends.then_some(end - first),
    })
}

/// The text is rendered first, because its length stands before it, and then moved up to the head.
fn write_document(
    answer: &Answer,
    document: &Document,
    view: &View,
    out: &mut [u8],
) -> Result<Response, EmitError> {
    let text = &mut out[DOCUMENT_OFFSET..DOCUMENT_OFFSET + limits::DOCUMENT_BYTES];
    let len = match document.render(view, text) {
        Ok(len) => len,
        Err(error) => {
            let status = match error {
                RenderError::TooLong => Status::INTERNAL_SERVER_ERROR,
                RenderError::NoProfile => Status::NOT_FOUND,
            };
            return write_status(answer, status, |_| {}, out);
        }
    };
    let mut head = ResponseWriter::new(&mut out[..DOCUMENT_OFFSET], Status::OK);
    put_entity(&mut head, len as u64, TEXT);
    put_connection(&mut head, answer.persistence);
    let head_len = head.finish()?;
    if answer.head_only {
        return Ok(Response { written: head_len, span: None, transfer: None });
    }
    out.copy_within(DOCUMENT_OFFSET..DOCUMENT_OFFSET + len, head_len);
    Ok(Response { written: head_len + len, span: None, transfer: Some(len as u64) })
}

/// A status with a line of text for people; `put` adds the fields that belong to the status.
fn write_status(
    answer: &Answer,
    status: Status,
    put: impl FnOnce(&mut ResponseWriter<'_>),
    out: &mut [u8],
) -> Result<Response, EmitError> {
    let reason = status.reason().as_bytes();
    let has_content = status != Status::NO_CONTENT;
    let mut head = ResponseWriter::new(out, status);
    put(&mut head);
    if has_content {
        put_entity(&mut head, reason.len() as u64 + 1, TEXT);
    }
    put_connection(&mut head, answer.persistence);
    let mut written = head.finish()?;
    if has_content && !answer.head_only {
        for part in [reason, b"\n"] {
            let room = out.get_mut(written..written + part.len()).ok_or(EmitError::NoSpace)?;
            room.copy_from_slice(part);
            written += part.len();
        }
    }
    Ok(Response { written, span: None, transfer: None })
}

fn put_entity(head: &mut ResponseWriter<'_>, len: u64, content_type: &str) {
    head.content_type(content_type);
    head.content_length(len);
}

fn put_connection(head: &mut ResponseWriter<'_>, persistence: Persistence) {
    match persistence {
        Persistence::Implied => {}
        Persistence::Announced => head.connection(true),
        Persistence::Close => head.connection(false),
    }
}

const TEXT: &str = "text/plain";

/// Where a document is rendered: behind room for any response head of ours.
const DOCUMENT_OFFSET: usize = 512;

const _: () = assert!(DOCUMENT_OFFSET + limits::DOCUMENT_BYTES <= limits::HEAD_BYTES);

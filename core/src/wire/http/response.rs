//! From values to a response head.

use core::fmt;

use super::date::HttpDate;
use crate::wire::EmitError;
use crate::wire::writer::Writer;

/// A status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// 100.
    pub const CONTINUE: Self = Self(100);
    /// 200.
    pub const OK: Self = Self(200);
    /// 204.
    pub const NO_CONTENT: Self = Self(204);
    /// 206.
    pub const PARTIAL_CONTENT: Self = Self(206);
    /// 304.
    pub const NOT_MODIFIED: Self = Self(304);
    /// 400.
    pub const BAD_REQUEST: Self = Self(400);
    /// 403.
    pub const FORBIDDEN: Self = Self(403);
    /// 404.
    pub const NOT_FOUND: Self = Self(404);
    /// 405.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 408.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 411.
    pub const LENGTH_REQUIRED: Self = Self(411);
    /// 412.
    pub const PRECONDITION_FAILED: Self = Self(412);
    /// 413.
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// 414.
    pub const URI_TOO_LONG: Self = Self(414);
    /// 416.
    pub const RANGE_NOT_SATISFIABLE: Self = Self(416);
    /// 417.
    pub const EXPECTATION_FAILED: Self = Self(417);
    /// 429.
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// 431.
    pub const HEADERS_TOO_LARGE: Self = Self(431);
    /// 500.
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 501.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 505.
    pub const VERSION_NOT_SUPPORTED: Self = Self(505);

    /// The reason phrase; a word for every code, because iPXE wants a space after the code and
    /// people read it.
    pub const fn reason(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            200 => "OK",
            204 => "No Content",
            206 => "Partial Content",
            304 => "Not Modified",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "Unknown",
        }
    }
}

/// Builds a response head in a lent buffer, field by field in the order of the calls. Names are in
/// canonical case, because GRUB and shim compare them so.
#[derive(Debug)]
pub struct ResponseWriter<'b>(Writer<'b>);

impl<'b> ResponseWriter<'b> {
    /// Starts with the status line of HTTP/1.1, also to clients of 1.0 (RFC 9110 §6.2).
    pub fn new(buffer: &'b mut [u8], status: Status) -> Self {
        let mut head = Self(Writer::new(buffer));
        head.put(format_args!("HTTP/1.1 {:03} {}\r\n", status.0, status.reason()));
        head
    }

    /// `Content-Length`, in bytes.
    pub fn content_length(&mut self, len: u64) {
        self.put(format_args!("Content-Length: {len}\r\n"));
    }

    /// `Content-Type`; for boot programs without parameters, which edk2 does not understand.
    pub fn content_type(&mut self, media_type: &str) {
        self.put_field("Content-Type", media_type);
    }

    /// `ETag`, with its quotes.
    pub fn etag(&mut self, etag: &str) {
        self.put_field("ETag", etag);
    }

    /// `Last-Modified`, in seconds since 1970 UTC.
    pub fn last_modified(&mut self, seconds: u64) {
        self.put(format_args!("Last-Modified: {}\r\n", HttpDate(seconds)));
    }

    /// `Date`, in seconds since 1970 UTC.
    pub fn date(&mut self, seconds: u64) {
        self.put(format_args!("Date: {}\r\n", HttpDate(seconds)));
    }

    /// `Accept-Ranges: bytes`.
    pub fn accept_ranges(&mut self) {
        self.put_field("Accept-Ranges", "bytes");
    }

    /// `Content-Range` of a 206: offsets of the first and last byte sent, and the whole length.
    pub fn content_range(&mut self, first: u64, last: u64, len: u64) {
        self.put(format_args!("Content-Range: bytes {first}-{last}/{len}\r\n"));
    }

    /// `Content-Range` of a 416: only the whole length.
    pub fn unsatisfied_range(&mut self, len: u64) {
        self.put(format_args!("Content-Range: bytes */{len}\r\n"));
    }

    /// `Connection: keep-alive` or `Connection: close`.
    pub fn connection(&mut self, keep_alive: bool) {
        self.put_field("Connection", if keep_alive { "keep-alive" } else { "close" });
    }

    /// `Retry-After`, in seconds; the form that iPXE obeys.
    pub fn retry_after(&mut self, seconds: u32) {
        self.put(format_args!("Retry-After: {seconds}\r\n"));
    }

    /// `Allow`, such as `GET, HEAD`.
    pub fn allow(&mut self, methods: &str) {
        self.put_field("Allow", methods);
    }

    /// Any other field. A value with control characters fails the head, so that no text from
    /// outside can add a field.
    pub fn put_field(&mut self, name: &str, value: &str) {
        if value.bytes().chain(name.bytes()).any(|byte| byte.is_ascii_control()) {
            self.0.fail(EmitError::BadText);
        }
        self.put(format_args!("{name}: {value}\r\n"));
    }

    /// Ends the head with its empty line and gives its length. The body may follow in the same
    /// buffer.
    ///
    /// # Errors
    /// [`EmitError::NoSpace`], or [`EmitError::BadText`] from [`ResponseWriter::put_field`].
    pub fn finish(mut self) -> Result<usize, EmitError> {
        self.0.put_bytes(b"\r\n");
        self.0.finish()
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.0.put_fmt(text);
    }
}

//! From the bytes of a connection to a request head.

use core::mem::MaybeUninit;

use super::range::RangeRequest;
use super::response::Status;
use super::target::Target;

/// What the bytes at the front of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a short-lived result; core does not allocate")]
pub enum Parsed<'b> {
    /// The head is not complete; see [`RequestError::of_full_buffer`] when there is no room for
    /// more.
    Partial,
    /// A head, and how many bytes it took. A body of [`RequestHead::body`] follows.
    Complete {
        /// The head.
        head: RequestHead<'b>,
        /// Its length in bytes, leading empty lines included.
        len: usize,
    },
}

/// A request without its body, borrowed from the connection's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'b> {
    /// What is to be done.
    pub method: Method<'b>,
    /// With what.
    pub target: Target<'b>,
    /// The protocol version that the client speaks.
    pub version: Version,
    /// `Host`. Firmware sends it with and without port: nothing may be routed or built by it.
    pub host: Option<&'b [u8]>,
    /// Whether the connection stays open after the response (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// What follows the head.
    pub body: Body,
    /// Whether the client waits for `100 Continue` before it sends a body.
    pub expects_continue: bool,
    /// `Range`.
    pub range: RangeRequest,
    /// `If-Match`, first line.
    pub if_match: Option<&'b [u8]>,
    /// `If-None-Match`, first line.
    pub if_none_match: Option<&'b [u8]>,
    /// `If-Range`.
    pub if_range: Option<&'b [u8]>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<&'b [u8]>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<&'b [u8]>,
    /// `User-Agent`, untrusted.
    pub user_agent: Option<&'b [u8]>,
}

/// A request method, case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'b> {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// Any other token.
    Other(&'b str),
}

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the request's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// This many bytes, not zero.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// Why a request is refused before it is looked at. The connection closes after the answer,
/// because where the next request starts is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// Not HTTP, or a head that two readers could understand differently.
    BadRequest,
    /// The request line does not fit the buffer.
    UriTooLong,
    /// The header section does not fit the buffer or has more than [`HEADERS_MAX`] lines.
    HeadersTooLarge,
    /// A transfer coding other than `chunked`.
    NotImplemented,
    /// HTTP, but not 1.0 or 1.1.
    VersionNotSupported,
}

impl RequestError {
    /// The status to answer with.
    pub const fn status(self) -> Status {
        match self {
            Self::BadRequest => Status::BAD_REQUEST,
            Self::UriTooLong => Status::URI_TOO_LONG,
            Self::HeadersTooLarge => Status::HEADERS_TOO_LARGE,
            Self::NotImplemented => Status::NOT_IMPLEMENTED,
            Self::VersionNotSupported => Status::VERSION_NOT_SUPPORTED,
        }
    }

    /// The error of a head that fills its buffer and is still [`Parsed::Partial`].
    pub fn of_full_buffer(bytes: &[u8]) -> Self {
        // Empty lines before the request line are no part of it (RFC 9112 §2.2).
        let line = bytes.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n'));
        let mut line = line.skip_while(|byte| **byte != b'\n');
        if line.next().is_some() { Self::HeadersTooLarge } else { Self::UriTooLong }
    }
}

impl<'b> RequestHead<'b> {
    /// Reads the head at the front of `bytes`; cheap enough to be called again from the start
    /// whenever bytes have arrived.
    ///
    /// # Errors
    /// See [`RequestError`]. Refused as ambiguous (RFC 9112 §6.3, §11.2): Content-Length beside
    /// Transfer-Encoding, more than one of either, a Content-Length that is no plain number, a
    /// Transfer-Encoding in HTTP/1.0, folded lines, white space before a colon, no `Host` in
    /// HTTP/1.1 or several.
    pub fn parse(bytes: &'b [u8]) -> Result<Parsed<'b>, RequestError> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let len = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
            Err(error) => return Err(classify(error, bytes)),
        };
        let (Some(method), Some(target), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return Err(RequestError::BadRequest);
        };
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            other => Method::Other(other),
        };
        let is_file_method = !matches!(method, Method::Other(_));
        let target = Target::parse(target, is_file_method).ok_or(RequestError::BadRequest)?;
        let version = if version == 0 { Version::Http10 } else { Version::Http11 };
        let mut head = Self::new(method, target, version);
        head.read(request.headers)?;
        Ok(Parsed::Complete { head, len })
    }

    fn new(method: Method<'b>, target: Target<'b>, version: Version) -> Self {
        Self {
            method,
            target,
            version,
            host: None,
            keep_alive: version == Version::Http11,
            body: Body::None,
            expects_continue: false,
            range: RangeRequest::None,
            if_match: None,
            if_none_match: None,
            if_range: None,
            if_modified_since: None,
            if_unmodified_since: None,
            user_agent: None,
        }
    }

    fn read(&mut self, headers: &[httparse::Header<'b>]) -> Result<(), RequestError> {
        let mut framing = Framing::default();
        let mut connection = ConnectionOptions::default();
        for header in headers {
            let value = header.value.trim_ascii();
            match Field::of(header.name) {
                Field::Host if self.host.is_some() => return Err(RequestError::BadRequest),
                Field::Host => self.host = Some(value),
                Field::Connection => connection.read(value),
                Field::ContentLength => framing.set_length(value)?,
                Field::TransferEncoding => framing.set_coding(value)?,
                Field::Expect => {
                    // RFC 9110 §10.1.1: HTTP/1.0 has no interim responses.
                    self.expects_continue = self.version == Version::Http11
                        && value.eq_ignore_ascii_case(b"100-continue");
                }
                Field::Range => self.range = self.range.and(value),
                Field::IfMatch => keep_first(&mut self.if_match, value),
                Field::IfNoneMatch => keep_first(&mut self.if_none_match, value),
                Field::IfRange => keep_first(&mut self.if_range, value),
                Field::IfModifiedSince => keep_first(&mut self.if_modified_since, value),
                Field::IfUnmodifiedSince => keep_first(&mut self.if_unmodified_since, value),
                Field::UserAgent => keep_first(&mut self.user_agent, value),
                Field::Other => {}
            }
        }
        if self.version == Version::Http11 && self.host.is_none() {
            return Err(RequestError::BadRequest);
        }
        self.body = framing.body(self.version)?;
        self.keep_alive = connection.keep_alive(self.version);
        Ok(())
    }
}

/// The fields that matter here.
enum Field {
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Expect,
    Range,
    IfMatch,
    IfNoneMatch,
    IfRange,
    IfModifiedSince,
    IfUnmodifiedSince,
    UserAgent,
    Other,
}

impl Field {
    fn of(name: &str) -> Self {
        // The length sorts most of the others out before any comparison.
        let (candidate, field) = match name.len() {
            4 => ("host", Self::Host),
            5 => ("range", Self::Range),
            6 => ("expect", Self::Expect),
            8 if name.as_bytes().last().is_some_and(|byte| byte | 0x20 == b'h') => {
                ("if-match", Self::IfMatch)
            }
            8 => ("if-range", Self::IfRange),
            10 if name.starts_with(['u', 'U']) => ("user-agent", Self::UserAgent),
            10 => ("connection", Self::Connection),
            13 => ("if-none-match", Self::IfNoneMatch),
            14 => ("content-length", Self::ContentLength),
            17 if name.starts_with(['i', 'I']) => ("if-modified-since", Self::IfModifiedSince),
            17 => ("transfer-encoding", Self::TransferEncoding),
            19 => ("if-unmodified-since", Self::IfUnmodifiedSince),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(candidate) { field } else { Self::Other }
    }
}

#[derive(Default)]
struct Framing {
    length: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    fn set_length(&mut self, value: &[u8]) -> Result<(), RequestError> {
        let length = decimal(value).ok_or(RequestError::BadRequest)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(RequestError::BadRequest),
        }
    }

    fn set_coding(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if self.is_chunked {
            return Err(RequestError::BadRequest);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(RequestError::NotImplemented);
        }
        self.is_chunked = true;
        Ok(())
    }

    const fn body(&self, version: Version) -> Result<Body, RequestError> {
        match (self.length, self.is_chunked, version) {
            (None | Some(0), false, _) => Ok(Body::None),
            (Some(length), false, _) => Ok(Body::Length(length)),
            (None, true, Version::Http11) => Ok(Body::Chunked),
            (Some(_), true, _) | (None, true, Version::Http10) => Err(RequestError::BadRequest),
        }
    }
}

#[derive(Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
}

impl ConnectionOptions {
    fn read(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn keep_alive(&self, version: Version) -> bool {
        !self.close && (self.keep_alive || version == Version::Http11)
    }
}

fn keep_first<'b>(field: &mut Option<&'b [u8]>, value: &'b [u8]) {
    field.get_or_insert(value);
}

/// A number of digits only, as RFC 9110 §8.6 wants it.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn classify(error: httparse::Error, bytes: &[u8]) -> RequestError {
    match error {
        httparse::Error::TooManyHeaders => RequestError::HeadersTooLarge,
        httparse::Error::Version if has_http_version(bytes) => RequestError::VersionNotSupported,
        httparse::Error::Version
        | httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => RequestError::BadRequest,
    }
}

/// Whether the first line has three words and the last names a version of HTTP. GRUB sends names
/// with raw spaces, which must not pass for an odd version.
fn has_http_version(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(line) = lines.find(|line| !line.is_empty()) else { return false };
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.nth(2).and_then(|word| word.strip_prefix(b"HTTP/"));
    version.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit) && words.next().is_none()
}

/// The most header lines in a request.
pub const HEADERS_MAX: usize = 64;

//! HTTP/1.1 requests, and the heads of responses as they trickle in.

use core::fmt::Write;
use core::net::SocketAddrV4;

use super::Sink;

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// `GET`, `HEAD` or `POST`.
    pub method: &'r str,
    /// Path and query.
    pub path: &'r str,
    /// The server.
    pub server: SocketAddrV4,
    /// Whether the host is written with a port other than 80.
    pub port_in_host: bool,
    /// What the client calls itself.
    pub agent: &'r str,
    /// Whether the server may keep the connection.
    pub keeps: bool,
}

/// Writes a request; `None` if it does not fit.
pub fn request(out: &mut [u8], request: &Request<'_>) -> Option<usize> {
    let mut sink = Sink::new(out);
    write!(sink, "{} {} HTTP/1.1\r\nHost: ", request.method, request.path).ok()?;
    if request.port_in_host && request.server.port() != 80 {
        write!(sink, "{}\r\n", request.server).ok()?;
    } else {
        write!(sink, "{}\r\n", request.server.ip()).ok()?;
    }
    write!(sink, "User-Agent: {}\r\nAccept: */*\r\n", request.agent).ok()?;
    let connection = if request.keeps { "keep-alive" } else { "close" };
    write!(sink, "Connection: {connection}\r\n\r\n").ok()?;
    sink.finish()
}

/// What the head of a response says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status, 200 for instance.
    pub status: u16,
    /// Bytes in the body, if the server tells.
    pub len: Option<u64>,
    /// Whether the server closes the connection after the body.
    pub closes: bool,
    /// Seconds to wait before the next try.
    pub retry_after: Option<u16>,
}

/// The head of a response breaks the protocol, or uses what boot firmware does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHead;

/// Reads a head from pieces.
#[derive(Clone, Copy, Debug)]
pub struct HeadReader {
    head: Head,
    line: [u8; Self::LINE_LEN],
    line_len: u16,
    bytes: u16,
    begun: bool,
}

impl HeadReader {
    /// What longer lines say is of no interest.
    const LINE_LEN: usize = 48;
    /// No server that means well sends longer heads.
    const BYTES_MAX: u16 = 16_384;

    /// Nothing has come yet.
    pub const fn new() -> Self {
        let line = [0; Self::LINE_LEN];
        let head = Head { status: 0, len: None, closes: false, retry_after: None };
        Self { head, line, line_len: 0, bytes: 0, begun: false }
    }

    /// Whether anything has come.
    pub const fn has_begun(&self) -> bool {
        self.bytes > 0
    }

    /// Takes bytes; the head and what follows it once it is complete.
    ///
    /// # Errors
    /// [`BadHead`].
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<(Head, &'b [u8])>, BadHead> {
        for (at, byte) in bytes.iter().enumerate() {
            self.bytes += 1;
            if self.bytes > Self::BYTES_MAX {
                return Err(BadHead);
            }
            if *byte != b'\n' {
                if let Some(place) = self.line.get_mut(usize::from(self.line_len)) {
                    *place = *byte;
                    self.line_len += 1;
                }
                continue;
            }
            let line = self.line;
            let line = &line[..usize::from(self.line_len)];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line_len = 0;
            if !self.begun {
                self.status_line(line)?;
            } else if !line.is_empty() {
                self.field(line)?;
            } else {
                return Ok(Some((self.head, &bytes[at + 1..])));
            }
        }
        Ok(None)
    }

    fn status_line(&mut self, line: &[u8]) -> Result<(), BadHead> {
        let rest = line.strip_prefix(b"HTTP/1.").ok_or(BadHead)?;
        let [minor, b' ', status @ ..] = rest else { return Err(BadHead) };
        let status = status.get(..3).and_then(|status| str::from_utf8(status).ok());
        self.head.status = status.and_then(|status| status.parse().ok()).ok_or(BadHead)?;
        self.head.closes = *minor == b'0';
        self.begun = true;
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), BadHead> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Err(BadHead) };
        let (name, value) = line.split_at(colon);
        let value = value[1..].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let len = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.head.len = Some(len.ok_or(BadHead)?);
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.head.closes |= value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"retry-after") {
            // iPXE takes what is no number (a date) for five seconds.
            let seconds = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.head.retry_after = Some(seconds.unwrap_or(5));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(BadHead);
        }
        Ok(())
    }
}

impl Default for HeadReader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_in_pieces_of_any_length() {
        let text = b"HTTP/1.1 503 Busy\r\nContent-length: 3\r\nX: y\r\nRetry-After: 7\r\n\r\nabc";
        for piece in 1..text.len() {
            let mut reader = HeadReader::new();
            let mut rest = &text[..];
            let (head, body) = loop {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                match reader.feed(now).expect("it is good") {
                    Some((head, after)) => break (head, [after, later].concat()),
                    None => rest = later,
                }
            };
            let expected = Head { status: 503, len: Some(3), closes: false, retry_after: Some(7) };
            assert_eq!((head, &body[..]), (expected, &b"abc"[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn bad_heads_are_refused() {
        for text in [
            "SSH-2.0\n",
            "HTTP/1.1 x\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n",
        ] {
            assert_eq!(HeadReader::new().feed(text.as_bytes()), Err(BadHead), "{text}");
        }
        let endless = vec![b'x'; 20_000];
        assert_eq!(HeadReader::new().feed(&endless), Err(BadHead));
    }

    #[test]
    fn requests_name_the_port_if_the_client_does() {
        let server = "10.0.0.1:8080".parse().expect("it is one");
        let mut out = [0; 200];
        let mut ask = Request {
            method: "HEAD",
            path: "/x",
            server,
            port_in_host: true,
            agent: "a/1",
            keeps: true,
        };
        let len = request(&mut out, &ask).expect("it fits");
        let expected = "HEAD /x HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: a/1\r\n\
                        Accept: */*\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(str::from_utf8(&out[..len]), Ok(expected));
        (ask.port_in_host, ask.keeps) = (false, false);
        let len = request(&mut out, &ask).expect("it fits");
        let text = str::from_utf8(&out[..len]).expect("text");
        assert!(text.contains("Host: 10.0.0.1\r\n") && text.contains("close"), "{text}");
    }
}

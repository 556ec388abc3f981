//! The head of a response, as far as a load needs it (RFC 9112).

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the head itself.
    pub(super) len: usize,
    pub(super) status: u16,
    pub(super) content_length: u64,
    /// The server closes the connection after this response.
    pub(super) closes: bool,
}

impl Head {
    /// Takes a head apart; `None` if its end has not come yet.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let mut lines = bytes[..end].split(|byte| *byte == b'\n');
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix(b"HTTP/1.")
            .and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok())
            .ok_or("a response that is not HTTP/1.1")?;
        let mut content_length = None;
        let mut closes = status_line.starts_with(b"HTTP/1.0");
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                content_length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            } else if name.eq_ignore_ascii_case(b"connection") {
                closes = value.eq_ignore_ascii_case(b"close");
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Err("a chunked response");
            }
        }
        let content_length = content_length.ok_or("a response without Content-Length")?;
        Ok(Some(Self { len: end + 4, status, content_length, closes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_taken_apart() {
        let head = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length:  17\r\n\r\nbody";
        let expected = Head { len: head.len() - 4, status: 200, content_length: 17, closes: false };
        assert_eq!(Head::parse(head), Ok(Some(expected)));
        assert_eq!(Head::parse(&head[..head.len() - 5]), Ok(None));
        let closing = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let expected = Head { len: closing.len(), status: 503, content_length: 0, closes: true };
        assert_eq!(Head::parse(closing), Ok(Some(expected)));
    }

    #[test]
    fn what_no_client_could_follow_is_refused() {
        for (head, reason) in [
            (&b"SSH-2.0\r\n\r\n"[..], "a response that is not HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "a response without Content-Length"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a chunked response"),
            (b"HTTP/1.\r\n\r\n", "a response that is not HTTP/1.1"),
        ] {
            assert_eq!(Head::parse(head), Err(reason));
        }
    }
}

use proptest::prelude::*;

use super::date::HttpDate;
use super::*;
use crate::wire::EmitError;
use crate::wire::path::NameError;

fn head(bytes: &[u8]) -> RequestHead<'_> {
    match RequestHead::parse(bytes) {
        Ok(Parsed::Complete { head, len }) => {
            assert_eq!(len, bytes.len());
            head
        }
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

/// A GET with these header lines.
fn get(fields: &str) -> Vec<u8> {
    format!("GET /f HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes()
}

fn status(bytes: &[u8]) -> u16 {
    match RequestHead::parse(bytes) {
        Err(error) => error.status().0,
        Ok(parsed) => panic!("{}: {parsed:?}", bytes.escape_ascii()),
    }
}

#[test]
fn reads_what_firmware_sends() {
    let edk2 = head(
        b"HEAD /boot/ipxe.efi HTTP/1.1\r\nHost: 10.0.0.1\r\nAccept: */*\r\n\
          User-Agent: UefiHttpBoot/1.0\r\n\r\n",
    );
    assert_eq!(edk2.method, Method::Head);
    assert_eq!(edk2.target.path(), "/boot/ipxe.efi");
    assert_eq!(edk2.host, Some(&b"10.0.0.1"[..]));
    assert_eq!(edk2.user_agent, Some(&b"UefiHttpBoot/1.0"[..]));
    assert!(edk2.keep_alive);
    assert_eq!((edk2.body, edk2.range), (Body::None, RangeRequest::None));

    let ipxe = head(
        b"GET /ipxe?mac=52:54&serial=A%20B HTTP/1.1\r\nConnection: keep-alive\r\n\
          User-Agent: iPXE/1.21.1\r\nHost: 10.0.0.1:8080\r\n\r\n",
    );
    assert_eq!(ipxe.method, Method::Get);
    assert_eq!(
        (ipxe.target.path(), ipxe.target.query()),
        ("/ipxe", Some("mac=52:54&serial=A%20B"))
    );
    assert!(ipxe.keep_alive);

    let lpxelinux = head(b"GET /linux HTTP/1.0\r\nHost: 10.0.0.1\r\n\r\n");
    assert_eq!(lpxelinux.version, Version::Http10);
    assert!(!lpxelinux.keep_alive);
}

#[test]
fn a_head_is_partial_until_its_empty_line() {
    let whole = get("Range: bytes=0-\r\n");
    for len in 0..whole.len() {
        assert_eq!(RequestHead::parse(&whole[..len]), Ok(Parsed::Partial), "{len} bytes");
    }
    let two = [&whole[..], b"GET /next HTTP/1.1\r\n"].concat();
    let Ok(Parsed::Complete { len, .. }) = RequestHead::parse(&two) else { panic!("complete") };
    assert_eq!(len, whole.len(), "the next request is not touched");
    let after_empty_lines = [b"\r\n\r\n", &whole[..]].concat();
    assert_eq!(head(&after_empty_lines).target.path(), "/f");
}

#[test]
fn a_full_buffer_blames_the_part_that_filled_it() {
    let of = |bytes: &[u8]| RequestError::of_full_buffer(bytes).status().0;
    assert_eq!(of(b"GET /aaaaaaaaaaaaaaaaaaaaaaaaa"), 414);
    assert_eq!(of(b"\r\n\r\nGET /aaaaaaaaaaaaaaaaaaaaaaaaa"), 414);
    assert_eq!(of(b"GET / HTTP/1.1\r\nCookie: aaaaaaaaa"), 431);
}

#[test]
fn ambiguous_requests_are_refused() {
    let cases: &[(&str, &str)] = &[
        ("both framings", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("both, the other way", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("both, length zero", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        ("a list of lengths", "Content-Length: 5, 5\r\n"),
        ("a negative length", "Content-Length: -5\r\n"),
        ("a signed length", "Content-Length: +5\r\n"),
        ("a hexadecimal length", "Content-Length: 0x5\r\n"),
        ("no length", "Content-Length: \r\n"),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551616\r\n"),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("a folded line", "X: a\r\n b\r\n"),
        ("white space before the colon", "Content-Length : 5\r\n"),
        ("no colon", "Content-Length 5\r\n"),
        ("an empty name", ": 5\r\n"),
        ("a second host", "Host: other\r\n"),
        ("a NUL", "X: a\0b\r\n"),
        ("a bare CR", "X: a\rb\r\n"),
    ];
    for (name, fields) in cases {
        assert_eq!(status(&get(fields)), 400, "{name}");
    }
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), 400, "no host");
    assert_eq!(status(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    assert_eq!(status(&get("Transfer-Encoding: gzip\r\n")), 501);
    assert_eq!(status(&get("Transfer-Encoding: gzip, chunked\r\n")), 501);
}

#[test]
fn what_is_not_http_is_told_from_another_version() {
    for (bytes, expected) in [
        (&b"GET / HTTP/2.0\r\nHost: h\r\n\r\n"[..], 505),
        (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
        (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / FTP/1.1\r\n\r\n", 400),
        (b"G\0T / HTTP/1.1\r\n\r\n", 400),
    ] {
        assert_eq!(status(bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn headers_are_limited_to_sixty_four() {
    assert!(RequestHead::parse(&get(&"X: y\r\n".repeat(63))).is_ok());
    assert_eq!(status(&get(&"X: y\r\n".repeat(64))), 431);
}

#[test]
fn names_of_fields_are_of_any_case() {
    let bytes = b"GET / HTTP/1.1\r\nhOST: h\r\nCONNECTION: Close\r\nrange: bytes=1-2\r\n\
        if-match: a\r\nIF-RANGE: b\r\nif-none-MATCH: c\r\nif-modified-since: d\r\n\
        If-unmodified-Since: e\r\nuser-agent: f\r\nexpect: 100-Continue\r\n\
        content-length: 3\r\n\r\n";
    let head = head(bytes);
    assert_eq!(head.host, Some(&b"h"[..]));
    assert!(!head.keep_alive);
    assert_eq!(head.range, RangeRequest::Single(ByteRange::Between { first: 1, last: 2 }));
    assert_eq!(head.if_match, Some(&b"a"[..]));
    assert_eq!(head.if_range, Some(&b"b"[..]));
    assert_eq!(head.if_none_match, Some(&b"c"[..]));
    assert_eq!(head.if_modified_since, Some(&b"d"[..]));
    assert_eq!(head.if_unmodified_since, Some(&b"e"[..]));
    assert_eq!(head.user_agent, Some(&b"f"[..]));
    assert!(head.expects_continue);
    assert_eq!(head.body, Body::Length(3));
}

#[test]
fn only_http_1_1_waits_for_continue() {
    let bytes = b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(!head(bytes).expects_continue);
    assert!(head(&get("Expect: 100-continue\r\n")).expects_continue);
    assert!(!head(&get("Expect: something\r\n")).expects_continue);
}

#[test]
fn bodies_are_delimited() {
    assert_eq!(head(&get("Content-Length: 0\r\n")).body, Body::None);
    assert_eq!(head(&get("Content-Length: 007\r\n")).body, Body::Length(7));
    assert_eq!(head(&get("Transfer-Encoding: Chunked\r\n")).body, Body::Chunked);
}

#[test]
fn connection_options_decide_whether_it_stays_open() {
    for (version, field, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n");
        assert_eq!(head(bytes.as_bytes()).keep_alive, expected, "{version} {field:?}");
    }
}

#[test]
fn targets_come_in_two_forms() {
    let target = |text: &str| {
        let bytes = format!("GET {text} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        match RequestHead::parse(&bytes) {
            Ok(Parsed::Complete { head, .. }) => Some((
                head.target.path().to_owned(),
                head.target.query().map(str::to_owned),
                head.target.name(&mut [0; 255]).map(str::to_owned),
            )),
            _ => None,
        }
    };
    let ok = |path: &str, query: Option<&str>, name: &str| {
        Some((path.to_owned(), query.map(str::to_owned), Ok(name.to_owned())))
    };
    assert_eq!(target("/"), ok("/", None, ""));
    assert_eq!(target("/a/b.efi"), ok("/a/b.efi", None, "a/b.efi"));
    assert_eq!(target("//grubx64.efi"), ok("//grubx64.efi", None, "grubx64.efi"), "shim");
    assert_eq!(target("/a?b?c"), ok("/a", Some("b?c"), "a"));
    assert_eq!(target("/a?"), ok("/a", Some(""), "a"));
    assert_eq!(target("http://h:80/a?q"), ok("/a", Some("q"), "a"));
    assert_eq!(target("HTTPS://h/a"), ok("/a", None, "a"));
    assert_eq!(target("http://h"), ok("", None, ""));
    assert_eq!(target("http://h?q"), ok("", Some("q"), ""));
    assert_eq!(target("*"), None);
    assert_eq!(target("h:80"), None);
    assert_eq!(target("ftp://h/a"), None);
    assert_eq!(target("a/b"), None);
    let options = b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(head(options).method, Method::Other("OPTIONS"));
}

#[test]
fn names_are_decoded_once() {
    let name = |path: &str| {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        head(&bytes).target.name(&mut [0; 255]).map(str::to_owned)
    };
    assert_eq!(name("/a%20b%2fc"), Ok("a b/c".into()));
    assert_eq!(name("/%e2%82%ac"), Ok("€".into()));
    assert_eq!(name("/%252e%252e/x"), Ok("%2e%2e/x".into()), "not twice");
    assert_eq!(name("/%2e%2e/x"), Err(NameError::Climbs));
    assert_eq!(name("/a/..%5cx"), Err(NameError::Climbs));
    assert_eq!(name("/%2e/x"), Ok("x".into()));
    assert_eq!(name("/a%00b"), Err(NameError::Control));
    assert_eq!(name("/a%0d%0ab"), Err(NameError::Control));
    assert_eq!(name("/%ff"), Err(NameError::NotUtf8));
    for broken in ["/%", "/%a", "/%zz", "/%+1", "/a%2"] {
        assert_eq!(name(broken), Err(NameError::BadEscape), "{broken}");
    }
    assert_eq!(name(&format!("/{}", "a".repeat(255))), Ok("a".repeat(255)));
    assert_eq!(name(&format!("/{}", "a".repeat(256))), Err(NameError::TooLong));
    assert_eq!(name(&format!("/%61{}", "a".repeat(255))), Err(NameError::TooLong));
    assert_eq!(name(&format!("{}%61", "/".repeat(1023))), Ok("a".into()));
    assert_eq!(name(&format!("{}%61", "/".repeat(1024))), Err(NameError::TooLong));
}

#[test]
fn parameters_are_found_and_decoded() {
    let bytes = b"GET /s?mac=52:54:00&empty&x=&serial=A%20B+C&mac=2&bad=%f&n=%ff HTTP/1.1\r\n\
        Host: h\r\n\r\n";
    let target = head(bytes).target;
    let mut buffer = [0; 8];
    let mut value = |name: &str| target.parameter(name, &mut buffer).map(|v| v.map(str::to_owned));
    assert_eq!(value("mac"), Ok(Some("52:54:00".into())), "the first");
    assert_eq!(value("empty"), Ok(Some(String::new())));
    assert_eq!(value("x"), Ok(Some(String::new())));
    assert_eq!(value("serial"), Ok(Some("A B+C".into())));
    assert_eq!(value("ma"), Ok(None));
    assert_eq!(value("bad"), Err(NameError::BadEscape));
    assert_eq!(value("n"), Err(NameError::NotUtf8));
    assert_eq!(target.parameter("mac", &mut [0; 7]), Err(NameError::TooLong));
    assert_eq!(head(b"GET /s HTTP/1.1\r\nHost: h\r\n\r\n").target.parameters().count(), 0);
}

#[test]
fn ranges_are_read_and_resolved() {
    use RangeOutcome::{Part, Unsatisfiable, Whole};
    let part = |first, last| Part { first, last };
    for (value, len, expected) in [
        ("bytes=0-499", 1000, part(0, 499)),
        ("bytes=500-999", 1000, part(500, 999)),
        ("bytes=500-", 1000, part(500, 999)),
        ("bytes=-500", 1000, part(500, 999)),
        ("bytes=-2000", 1000, part(0, 999)),
        ("bytes=0-0", 1000, part(0, 0)),
        ("bytes=999-999", 1000, part(999, 999)),
        ("bytes=999-2000", 1000, part(999, 999)),
        ("bytes=0-99999999999999999999999", 1000, part(0, 999)),
        ("Bytes=0-1", 1000, part(0, 1)),
        ("bytes= 0-1 ", 1000, part(0, 1)),
        ("bytes=0-1,", 1000, part(0, 1)),
        ("bytes=1000-", 1000, Unsatisfiable),
        ("bytes=1000-1001", 1000, Unsatisfiable),
        ("bytes=99999999999999999999999-", 1000, Unsatisfiable),
        ("bytes=-0", 1000, Unsatisfiable),
        ("bytes=0-", 0, Unsatisfiable),
        ("bytes=-5", 0, Unsatisfiable),
        ("bytes=0-0", 0, Unsatisfiable),
        ("bytes=0-1,5-6", 1000, Whole),
        ("bytes=5-4", 1000, Whole),
        ("bytes=", 1000, Whole),
        ("bytes=-", 1000, Whole),
        ("bytes=a-b", 1000, Whole),
        ("bytes=0-1,x", 1000, Whole),
        ("bytes=1", 1000, Whole),
        ("bytes=--1", 1000, Whole),
        ("bytes=+1-2", 1000, Whole),
        ("bytes", 1000, Whole),
        ("lines=0-1", 1000, Whole),
        ("", 1000, Whole),
    ] {
        assert_eq!(
            RangeRequest::parse(value.as_bytes()).resolve(len),
            expected,
            "{value:?} of {len}"
        );
    }
    assert_eq!(RangeRequest::parse(b"bytes=0-1,5-6"), RangeRequest::Several);
    let twice = get("Range: bytes=0-1\r\nRange: bytes=5-6\r\n");
    assert_eq!(head(&twice).range, RangeRequest::Several);
    let last = RangeRequest::parse(b"bytes=-1").resolve(u64::MAX);
    assert_eq!(last, part(u64::MAX - 1, u64::MAX - 1));
}

const CHANGED_S: u64 = 784_111_777;
const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const CURRENT: Validators<'_> =
    Validators { etag: Some("\"v2\""), last_modified_s: Some(CHANGED_S) };

#[test]
fn conditions_follow_the_order_of_precedence() {
    use Precondition::{Failed, NotModified, Proceed};
    let f = |name: &str, value: &str| format!("{name}: {value}\r\n");
    let cases: &[(String, Precondition)] = &[
        (String::new(), Proceed),
        (f("If-None-Match", "\"v2\""), NotModified),
        (f("If-None-Match", "W/\"v2\""), NotModified),
        (f("If-None-Match", "\"v1\", \"v2\""), NotModified),
        (f("If-None-Match", "\"v1\",\"a,\\\",W/\"v2\""), NotModified),
        (f("If-None-Match", "*"), NotModified),
        (f("If-None-Match", "\"v1\""), Proceed),
        (f("If-None-Match", "v2"), Proceed),
        (f("If-None-Match", "\"v2"), Proceed),
        (f("If-None-Match", ""), Proceed),
        (f("If-Match", "\"v2\""), Proceed),
        (f("If-Match", "*"), Proceed),
        (f("If-Match", "\"v1\" , \"v2\""), Proceed),
        (f("If-Match", "W/\"v2\""), Failed),
        (f("If-Match", "\"v1\""), Failed),
        (f("If-Modified-Since", CHANGED), NotModified),
        (f("If-Modified-Since", AFTER), NotModified),
        (f("If-Modified-Since", BEFORE), Proceed),
        (f("If-Modified-Since", "yesterday"), Proceed),
        (f("If-Unmodified-Since", CHANGED), Proceed),
        (f("If-Unmodified-Since", AFTER), Proceed),
        (f("If-Unmodified-Since", BEFORE), Failed),
        (f("If-Unmodified-Since", "yesterday"), Proceed),
        // A tag outranks a date of the same kind, and If-Match comes first.
        (f("If-None-Match", "\"v1\"") + &f("If-Modified-Since", CHANGED), Proceed),
        (f("If-Match", "\"v2\"") + &f("If-Unmodified-Since", BEFORE), Proceed),
        (f("If-Match", "\"v1\"") + &f("If-None-Match", "\"v2\""), Failed),
    ];
    for (fields, expected) in cases {
        assert_eq!(head(&get(fields)).precondition(&CURRENT), *expected, "{fields:?}");
    }
    // Without validators: `*` only asks whether the file exists.
    let none = Validators::default();
    assert_eq!(head(&get("If-Match: *\r\n")).precondition(&none), Proceed);
    assert_eq!(head(&get("If-Match: \"v2\"\r\n")).precondition(&none), Failed);
    assert_eq!(head(&get(&f("If-Unmodified-Since", BEFORE))).precondition(&none), Proceed);
    let post = b"PUT /f HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n";
    assert_eq!(head(post).precondition(&CURRENT), Failed);
}

#[test]
fn if_range_protects_a_resumed_transfer() {
    let part = RangeOutcome::Part { first: 10, last: 99 };
    for (validator, expected) in [
        ("\"v2\"", part),
        ("\"v1\"", RangeOutcome::Whole),
        ("W/\"v2\"", RangeOutcome::Whole),
        (CHANGED, part),
        (AFTER, RangeOutcome::Whole),
        ("nonsense", RangeOutcome::Whole),
    ] {
        let bytes = get(&format!("Range: bytes=10-\r\nIf-Range: {validator}\r\n"));
        assert_eq!(head(&bytes).range_of(&CURRENT, 100), expected, "{validator}");
    }
    let bytes = get("Range: bytes=10-\r\nIf-Range: nonsense\r\n");
    assert_eq!(head(&bytes).range_of(&Validators::default(), 100), RangeOutcome::Whole);
    let no_head = b"HEAD /f HTTP/1.1\r\nHost: h\r\nRange: bytes=10-\r\n\r\n";
    assert_eq!(head(no_head).range_of(&CURRENT, 100), RangeOutcome::Whole);
}

#[test]
fn dates_are_read_in_three_forms_and_written_in_one() {
    for text in [CHANGED, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(date::parse(text.as_bytes()), Some(CHANGED_S), "{text}");
    }
    assert_eq!(HttpDate(CHANGED_S).to_string(), CHANGED);
    for (seconds, text) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(HttpDate(seconds).to_string(), text);
        assert_eq!(date::parse(text.as_bytes()), Some(seconds));
    }
    assert_eq!(HttpDate(u64::MAX), HttpDate(u64::MAX));
    assert_eq!(HttpDate(u64::MAX).to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
    for text in [
        "",
        "Sun,",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2100 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:3 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
    ] {
        assert_eq!(date::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_response_head_is_what_firmware_compares_with() {
    let mut buffer = [0; 512];
    let mut writer = ResponseWriter::new(&mut buffer, Status::PARTIAL_CONTENT);
    writer.content_type("application/efi");
    writer.content_length(90);
    writer.content_range(10, 99, 100);
    writer.accept_ranges();
    writer.etag("\"v2\"");
    writer.last_modified(CHANGED_S);
    writer.date(CHANGED_S + 1);
    writer.connection(true);
    let len = writer.finish().unwrap();
    let expected = "HTTP/1.1 206 Partial Content\r\n\
        Content-Type: application/efi\r\n\
        Content-Length: 90\r\n\
        Content-Range: bytes 10-99/100\r\n\
        Accept-Ranges: bytes\r\n\
        ETag: \"v2\"\r\n\
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\
        Connection: keep-alive\r\n\r\n";
    assert_eq!(core::str::from_utf8(&buffer[..len]), Ok(expected));

    let mut writer = ResponseWriter::new(&mut buffer, Status::SERVICE_UNAVAILABLE);
    writer.retry_after(7);
    writer.connection(false);
    writer.allow("GET, HEAD");
    writer.unsatisfied_range(100);
    let len = writer.finish().unwrap();
    let expected = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nConnection: close\r\n\
        Allow: GET, HEAD\r\nContent-Range: bytes */100\r\n\r\n";
    assert_eq!(core::str::from_utf8(&buffer[..len]), Ok(expected));
}

#[test]
fn a_response_head_does_not_split_or_overflow() {
    let mut buffer = [0; 128];
    for value in ["a\r\nX: b", "a\nb", "a\0"] {
        let mut writer = ResponseWriter::new(&mut buffer, Status::OK);
        writer.put_field("X", value);
        assert_eq!(writer.finish(), Err(EmitError::BadText), "{value:?}");
    }
    let len = ResponseWriter::new(&mut buffer, Status::OK).finish().unwrap();
    assert_eq!(&buffer[..len], b"HTTP/1.1 200 OK\r\n\r\n");
    for short in 0..len {
        let writer = ResponseWriter::new(&mut buffer[..short], Status::OK);
        assert_eq!(writer.finish(), Err(EmitError::NoSpace));
    }
    assert_eq!(Status(299).reason(), "Unknown");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    #[test]
    fn no_request_panics(
        target in "[ -~]{0,40}",
        fields in proptest::collection::vec(
            ("(Range|If-Match|If-None-Match|If-Range|Content-Length|Connection|If-Modified-Since)",
             "[ -~]{0,30}"), 0..6),
    ) {
        let fields: String = fields.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        exercise(format!("GET /{target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes());
    }

    #[test]
    fn ranges_lie_inside_the_file(value in "bytes=[0-9]{0,4}-[0-9]{0,4}", len in 0u64..3000) {
        if let RangeOutcome::Part { first, last } = RangeRequest::parse(value.as_bytes()).resolve(len) {
            prop_assert!(first <= last && last < len);
        }
    }

    #[test]
    fn dates_are_stable(seconds in 0u64..253_402_300_800) {
        prop_assert_eq!(date::parse(HttpDate(seconds).to_string().as_bytes()), Some(seconds));
    }

    #[test]
    fn no_date_panics(text in "([A-Z][a-z]{2},? ?)?[ -~]{0,30}") {
        let _seconds = date::parse(text.as_bytes());
    }
}

fn exercise(bytes: &[u8]) {
    let Ok(Parsed::Complete { head, len }) = RequestHead::parse(bytes) else { return };
    assert!(len <= bytes.len());
    let _name = head.target.name(&mut [0; 255]).map(str::len);
    let _value = head.target.parameter("a", &mut [0; 16]).map(|value| value.map(str::len));
    let _outcome = (head.precondition(&CURRENT), head.range_of(&CURRENT, 100));
}

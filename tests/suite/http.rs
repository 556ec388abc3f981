//! curl and wget against the HTTP server.

use std::process::Output;

use reveille_tests::lab::reveille::path;
use reveille_tests::lab::{Host, Link, Reveille, SERVER_ADDRESS, images};

use crate::site::{address, serving};

const MIB: usize = 1 << 20;

struct Site {
    link: Link,
    daemon: Reveille,
    host: Host,
}

impl Site {
    /// A server with files of 0 bytes, 1 byte, 1000 bytes, 1 MiB and 64 MiB, named after that.
    fn new() -> Self {
        let link = Link::new();
        for (name, length) in
            [("empty", 0), ("one", 1), ("thousand", 1000), ("mib", MIB), ("deep/er/mib", MIB)]
        {
            images::write(&link, name, length);
        }
        let daemon = Reveille::serve(&link, &serving(&link, ""));
        let host = link.host();
        address(&host, 9);
        Self { link, daemon, host }
    }

    fn url(name: &str) -> String {
        format!("http://{SERVER_ADDRESS}/{name}")
    }

    /// Runs curl, which gives up after 60 s.
    fn curl(&self, words: &[&str]) -> Output {
        let mut command = self.host.command("curl");
        command.args(["-sS", "--path-as-is", "--max-time", "60"]).args(words);
        command.current_dir(self.link.folder());
        command.output().expect("curl is installed")
    }

    /// The status of a request and the head of its response, in lines.
    fn head(&self, words: &[&str]) -> (String, Vec<String>) {
        let mut all = vec!["-o", "/dev/null", "-D", "-"];
        all.extend_from_slice(words);
        let output = self.curl(&all);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.daemon.log());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        let status = lines.next().unwrap_or_default();
        (status, lines.filter(|line| !line.is_empty()).collect())
    }

    fn body(&self, words: &[&str]) -> Vec<u8> {
        let output = self.curl(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.daemon.log());
        output.stdout
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.link.file(images::FOLDER).join(name)).expect("it was written")
    }
}

/// The value of a header; its name is compared with case, because firmware does so.
fn header<'h>(head: &'h [String], name: &str) -> Option<&'h str> {
    head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn get_gives_every_byte() {
    let site = Site::new();
    for name in ["empty", "one", "thousand", "mib", "deep/er/mib"] {
        assert_eq!(site.body(&[&Site::url(name)]), site.file(name), "{name}");
    }
}

#[test]
fn a_large_file_arrives_whole() {
    let mut site = Site::new();
    let digest = images::write(&site.link, "large", 64 * MIB);
    site.daemon.signal(rustix::process::Signal::HUP);
    let target = site.link.file("fetched");
    // The folder is read anew in the background: the file is there at the latest in a second.
    let words = ["--retry", "20", "--retry-all-errors", "--retry-delay", "0", "--fail"];
    let mut all: Vec<&str> = words.to_vec();
    let url = Site::url("large");
    all.extend(["-o", path(&target), &url]);
    let output = site.curl(&all);
    assert!(output.status.success(), "{output:?}\n{}", site.daemon.log());
    assert_eq!(images::digest(&target), digest);
    assert!(site.daemon.lives());
}

#[test]
fn head_tells_what_get_would() {
    let site = Site::new();
    let url = Site::url("thousand");
    let (status, get) = site.head(&[&url]);
    let (head_status, head) = site.head(&["--head", &url]);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(status, head_status);
    for name in ["Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"] {
        assert!(header(&get, name).is_some(), "{name} is missing in {get:?}");
        assert_eq!(header(&get, name), header(&head, name), "{name}");
    }
    assert_eq!(header(&head, "Content-Length"), Some("1000"));
    assert!(header(&head, "Transfer-Encoding").is_none());
}

#[test]
fn ranges_are_cut_right() {
    let site = Site::new();
    let (url, whole) = (Site::url("thousand"), site.file("thousand"));
    for (range, part) in [
        ("0-0", &whole[..1]),
        ("0-499", &whole[..500]),
        ("500-999", &whole[500..]),
        ("500-", &whole[500..]),
        ("-1", &whole[999..]),
        ("-5000", &whole[..]),
        ("990-5000", &whole[990..]),
    ] {
        assert_eq!(site.body(&["--range", range, &url]), part, "{range}");
    }
    let (status, head) = site.head(&["--range", "500-", &url]);
    assert_eq!(status, "HTTP/1.1 206 Partial Content");
    assert_eq!(header(&head, "Content-Range"), Some("bytes 500-999/1000"));
    assert_eq!(header(&head, "Content-Length"), Some("500"));
    let (status, head) = site.head(&["--range", "1000-", &url]);
    assert!(status.starts_with("HTTP/1.1 416 "), "{status}");
    assert_eq!(header(&head, "Content-Range"), Some("bytes */1000"));
}

#[test]
fn a_broken_download_is_resumed() {
    let site = Site::new();
    let whole = site.file("mib");
    let target = site.link.write("mib", &whole[..300_000]);
    let mut command = site.host.command("wget");
    command.args(["-q", "--tries=1", "--timeout=20", "-c", &Site::url("mib")]);
    let status = command.current_dir(site.link.folder()).status().expect("wget is installed");
    assert!(status.success(), "{status}\n{}", site.daemon.log());
    assert!(std::fs::read(target).expect("wget wrote it") == whole, "the bytes differ");
}

#[test]
fn wget_gets_every_byte() {
    let site = Site::new();
    for name in ["empty", "one", "mib"] {
        let mut command = site.host.command("wget");
        command.args(["-q", "--tries=1", "--timeout=20", "-O", "-", &Site::url(name)]);
        let output = command.output().expect("wget is installed");
        assert!(output.status.success(), "{name}: {output:?}");
        assert!(output.stdout == site.file(name), "{name}: the bytes differ");
    }
}

#[test]
fn one_connection_serves_many_requests() {
    let site = Site::new();
    let (one, thousand, missing) =
        (Site::url("one"), Site::url("thousand"), Site::url("not-there"));
    let output = site.curl(&[
        "-w",
        "%{http_code} %{num_connects}\n",
        "-o",
        "/dev/null",
        &one,
        "-o",
        "/dev/null",
        &thousand,
        "-o",
        "/dev/null",
        &missing,
        "-o",
        "/dev/null",
        &one,
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "200 1\n200 0\n404 0\n200 0\n", "{output:?}");
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let site = Site::new();
    let url = Site::url("mib");
    let (_, head) = site.head(&[&url]);
    let tag = header(&head, "ETag").expect("an entity tag").to_owned();
    let date = header(&head, "Last-Modified").expect("a date").to_owned();
    for condition in [
        format!("If-None-Match: {tag}"),
        format!("If-None-Match: \"other\", {tag}"),
        "If-None-Match: *".to_owned(),
        format!("If-Modified-Since: {date}"),
    ] {
        let (status, _) = site.head(&["-H", &condition, &url]);
        assert_eq!(status, "HTTP/1.1 304 Not Modified", "{condition}");
    }
    let (status, _) = site.head(&["-H", "If-None-Match: \"other\"", &url]);
    assert_eq!(status, "HTTP/1.1 200 OK");
    let (status, _) = site.head(&["-H", "If-Match: \"other\"", &url]);
    assert!(status.starts_with("HTTP/1.1 412 "), "{status}");
    // A part of another version would be poison: the whole file is sent.
    let words = ["--range", "5-", "-H", "If-Range: \"other\"", &url];
    let (status, _) = site.head(&words);
    assert_eq!(status, "HTTP/1.1 200 OK");
}

#[test]
fn nothing_outside_the_images_can_be_had() {
    let site = Site::new();
    site.link.write("secret", "SECRET");
    for name in [
        "../secret",
        "../../../../../../../../etc/passwd",
        "deep/../../secret",
        "deep/er/../../../secret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "..%2fsecret",
        "..%5csecret",
        "..\\secret",
        "%252e%252e/secret",
        "/etc/passwd",
        "//etc/passwd",
        "files/etc/passwd",
        "deep/er/%00../secret",
        "..;/secret",
        "%c0%ae%c0%ae/secret",
        "mib%00.html",
    ] {
        let (status, _) = site.head(&[&Site::url(name)]);
        let refused = ["400", "403", "404"].iter().any(|code| status.contains(code));
        assert!(refused, "{name}: {status}");
    }
    // Neither by a link that leads out of the folder.
    let folder = site.link.file(images::FOLDER);
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).expect("it is ours");
    site.daemon.signal(rustix::process::Signal::HUP);
    let (status, _) = site.head(&[&Site::url("link")]);
    assert!(["403", "404"].iter().any(|code| status.contains(code)), "{status}");
}

#[test]
fn missing_files_and_other_methods_are_refused() {
    let site = Site::new();
    let (status, head) = site.head(&[&Site::url("not-there")]);
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(header(&head, "Content-Length").is_some());
    for method in ["POST", "PUT", "DELETE"] {
        let (status, head) = site.head(&["-X", method, "-d", "x", &Site::url("one")]);
        assert!(status.starts_with("HTTP/1.1 405 "), "{method}: {status}");
        assert!(header(&head, "Allow").is_some_and(|methods| methods.contains("GET")));
    }
}

#[test]
fn a_hundred_downloads_at_once() {
    let site = Site::new();
    let folder = site.link.file("many");
    let url = Site::url("mib");
    let mut words = vec!["--parallel", "--parallel-immediate", "--parallel-max", "100"];
    let targets: Vec<_> = (0..100).map(|number| folder.join(number.to_string())).collect();
    words.push("--create-dirs");
    for target in &targets {
        words.extend(["-o", path(target), &url]);
    }
    let output = site.curl(&words);
    assert!(output.status.success(), "{output:?}\n{}", site.daemon.log());
    let digest = images::digest(&site.link.file(images::FOLDER).join("mib"));
    for target in &targets {
        assert_eq!(images::digest(target), digest);
    }
}

#[test]
fn http_1_0_and_a_head_in_pieces_are_understood() {
    use std::io::{Read, Write};
    let site = Site::new();
    let whole = site.file("thousand");
    assert_eq!(site.body(&["--http1.0", &Site::url("thousand")]), whole);
    let answer = site.host.namespace().run(|| {
        let mut stream = std::net::TcpStream::connect((SERVER_ADDRESS, 80)).expect("it serves");
        stream.set_nodelay(true).expect("an option of ours");
        let timeout = Some(std::time::Duration::from_secs(10));
        stream.set_read_timeout(timeout).expect("an option of ours");
        for byte in b"GET /thousand HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
            stream.write_all(&[*byte]).expect("the server listens");
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server closes");
        answer
    });
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(answer.ends_with(&whole));
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    use std::io::{Read, Write};
    let site = Site::new();
    let answer = site.host.namespace().run(|| {
        let mut stream = std::net::TcpStream::connect((SERVER_ADDRESS, 80)).expect("it serves");
        let timeout = Some(std::time::Duration::from_secs(10));
        stream.set_read_timeout(timeout).expect("an option of ours");
        let requests = "GET /one HTTP/1.1\r\nHost: x\r\n\r\nHEAD /mib HTTP/1.1\r\nHost: x\r\n\r\n\
                        GET /not-there HTTP/1.1\r\nHost: x\r\n\r\n\
                        GET /thousand HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(requests.as_bytes()).expect("the server listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server closes");
        answer
    });
    let text = String::from_utf8_lossy(&answer);
    let statuses: Vec<&str> =
        text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "404", "200"]);
    assert!(answer.ends_with(&site.file("thousand")));
}

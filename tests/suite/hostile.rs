//! Whatever arrives, the daemon lives on, answers as the protocols say or not at all, and counts.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use reveille_core::mac::MacAddr;
use reveille_core::wire::dhcp4::{Header, MessageType};
use reveille_core::wire::dhcp4_options::MessageWriter;
use reveille_tests::lab::client::{Client, EXCHANGE, Stock};
use reveille_tests::lab::{Host, Link, Reveille, SERVER_ADDRESS, images};
use rustix::process::Signal;

use crate::site::{address, serving};

struct Target {
    link: Link,
    daemon: Reveille,
    host: Host,
}

impl Target {
    fn new() -> Self {
        let link = Link::new();
        images::write(&link, "file.bin", 100_000);
        let daemon = Reveille::serve(&link, &serving(&link, ""));
        let host = link.host();
        address(&host, 9);
        Self { link, daemon, host }
    }

    /// Sends each datagram to a port and returns what came back within a moment of the last.
    fn send(&self, port: u16, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.host.namespace().run(|| {
            let socket = UdpSocket::bind("10.77.0.9:0").expect("the address is ours");
            socket.set_read_timeout(Some(Duration::from_millis(300))).expect("an option of ours");
            for datagram in datagrams {
                socket.send_to(datagram, (SERVER_ADDRESS, port)).expect("the link is up");
            }
            let mut answers = Vec::new();
            let mut buffer = [0; 2048];
            // Ends at the first pause: there are at most a few answers to each datagram.
            while let Ok(length) = socket.recv(&mut buffer) {
                answers.push(buffer[..length].to_vec());
            }
            answers
        })
    }

    /// Sends bytes on a connection and returns the answer, until the server closes or is silent.
    fn say(&self, bytes: &[u8]) -> Vec<u8> {
        self.host.namespace().run(|| {
            let mut stream = TcpStream::connect((SERVER_ADDRESS, 80)).expect("it serves");
            stream.set_read_timeout(Some(Duration::from_secs(2))).expect("an option of ours");
            // The server may hang up while we still talk.
            stream.write_all(bytes).ok();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok();
            answer
        })
    }

    /// A file by TFTP and HTTP and a lease: all is as it should be.
    fn assert_well(mut self) {
        assert!(self.daemon.lives(), "{}", self.daemon.log());
        let digest = images::digest(&self.link.file(images::FOLDER).join("file.bin"));
        for scheme in ["tftp", "http"] {
            let target = self.link.file("fetched");
            let url = format!("{scheme}://{SERVER_ADDRESS}/file.bin");
            let mut command = self.host.command("curl");
            command.args(["-sS", "--fail", "--max-time", "20", "-o"]).arg(&target).arg(url);
            let output = command.output().expect("curl is installed");
            assert!(output.status.success(), "{scheme}: {output:?}\n{}", self.daemon.log());
            assert_eq!(images::digest(&target), digest);
        }
        let host = self.link.host();
        let mut client = Client::start(Stock::Udhcpc, &self.link, &host, "client");
        client
            .wait_for("bound", 1, EXCHANGE)
            .unwrap_or_else(|timeout| panic!("{timeout:?}\n--- daemon ---\n{}", self.daemon.log()));
    }
}

/// A DISCOVER as a client would send it.
fn discover() -> Vec<u8> {
    let header = Header::request(0x1234_5678, MacAddr([2, 0, 0, 0, 0, 0x66]));
    let mut buffer = vec![0; 600];
    let mut writer = MessageWriter::new(&mut buffer, &header, MessageType::Discover);
    writer.put(55, &[1, 3, 6]);
    let length = writer.finish().expect("it fits");
    buffer.truncate(length);
    buffer
}

/// Bytes that look like noise and are the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn dhcp_cut_at_every_length() {
    let target = Target::new();
    let whole = discover();
    for port in [67, 4011] {
        let datagrams: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
        target.send(port, &datagrams);
    }
    target.assert_well();
}

#[test]
fn what_is_dropped_is_counted() {
    let link = Link::new();
    images::write(&link, "file.bin", 1);
    let daemon = Reveille::serve(&link, &serving(&link, "[log]\nlevel = \"debug\"\n"));
    let host = link.host();
    address(&host, 9);
    let target = Target { link, daemon, host };
    target.send(67, &vec![vec![1, 1, 6, 0]; 7]);
    target.send(69, &vec![vec![0, 9, 9]; 5]);
    let mut daemon = target.daemon;
    daemon.signal(Signal::TERM);
    daemon.wait_end(Duration::from_secs(5)).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let log = daemon.log();
    for count in ["dropped 7 malformed", "TFTP 5 in, 0 B out, dropped 5 malformed"] {
        assert!(log.contains(count), "{count:?} is not in\n{log}");
    }
}

#[test]
fn dhcp_with_every_byte_bent() {
    let target = Target::new();
    let whole = discover();
    let bent = |value: u8| {
        (0..whole.len()).map(move |at| (at, value)).map(|(at, value)| {
            let mut datagram = discover();
            datagram[at] = value;
            datagram
        })
    };
    for value in [0, 1, 0x7f, 0xff] {
        target.send(67, &bent(value).collect::<Vec<_>>());
    }
    // Options that claim more than there is, overload of everything, hundreds of options.
    let mut long = whole[..240].to_vec();
    long.extend([53, 1, 1, 52, 1, 3, 61, 255]);
    let mut many = whole[..240].to_vec();
    many.extend([53, 1, 1]);
    many.extend([12_u8, 0].repeat(500));
    let answers = target.send(67, &[long, many]);
    assert!(answers.is_empty(), "nothing of that deserves an answer here: {answers:?}");
    target.assert_well();
}

#[test]
fn noise_on_every_port() {
    let target = Target::new();
    let datagrams: Vec<Vec<u8>> =
        (0..400).map(|seed| noise(seed, usize::try_from(seed * 7 % 1400).unwrap_or(1))).collect();
    for port in [67, 69, 4011] {
        target.send(port, &datagrams);
    }
    for seed in 0..20 {
        target.say(&noise(seed, 3000));
    }
    target.assert_well();
}

/// The error code of a TFTP packet.
fn tftp_error(packet: &[u8]) -> Option<u16> {
    let code = packet.get(..4)?;
    (code[..2] == [0, 5]).then(|| u16::from_be_bytes([code[2], code[3]]))
}

#[test]
fn tftp_requests_that_make_no_sense() {
    let target = Target::new();
    let request = |text: &[u8]| [&[0, 1], text].concat();
    for (datagram, code) in [
        (request(b"not-there\0octet\0"), 1),
        (request(b"../../etc/passwd\0octet\0"), 1),
        (request(b"/etc/passwd\0octet\0"), 1),
        ([&[0, 2][..], b"file.bin\0octet\0"].concat(), 2),
    ] {
        let answers = target.send(69, std::slice::from_ref(&datagram));
        let errors: Vec<Option<u16>> = answers.iter().map(|answer| tftp_error(answer)).collect();
        // Access violation is as good an answer for a name that leads out.
        let right = errors
            .first()
            .is_some_and(|first| *first == Some(code) || (code == 1 && *first == Some(2)));
        assert!(right, "{:?}: {answers:?}", String::from_utf8_lossy(&datagram));
    }
    // No NUL, no mode, an unknown mode, a name of 2,000 bytes, stray packets of every kind.
    target.send(
        69,
        &[
            request(b"file.bin"),
            request(b"file.bin\0"),
            request(b"file.bin\0mail\0"),
            request(b"\0octet\0"),
            request(&[&[b'a'; 1400][..], b"\0octet\0"].concat()),
            request(&[&b"file.bin\0octet\0"[..], &b"blksize\0\0".repeat(100)].concat()),
            vec![0, 3, 0, 1, 1, 2, 3],
            vec![0, 4, 0, 0],
            vec![0, 5, 0, 0],
            vec![0, 6],
            vec![0],
            vec![],
        ],
    );
    // Options out of range are not acknowledged, and the file comes all the same.
    let answers = target.send(69, &[request(b"file.bin\0octet\0blksize\x001\0windowsize\x000\0")]);
    let first = answers.first().expect("an answer");
    assert!(first.starts_with(&[0, 3, 0, 1]) || first.starts_with(&[0, 6]), "{first:?}");
    assert!(!String::from_utf8_lossy(first).contains("windowsize"));
    target.assert_well();
}

#[test]
fn a_transfer_that_nobody_acknowledges_ends() {
    let target = Target::new();
    let answers = target.send(69, &vec![b"\0\x01file.bin\0octet\0".to_vec(); 50]);
    // Fifty requests of one client are one transfer, not fifty times the data.
    let blocks = answers.iter().filter(|answer| answer.starts_with(&[0, 3])).count();
    assert!((1..=60).contains(&blocks), "{blocks} data packets");
    target.assert_well();
}

#[test]
fn http_that_is_none() {
    let target = Target::new();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(2_000));
    for (bytes, statuses) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], &["400"][..]),
        (b"GET\r\n\r\n", &["400"]),
        (b"GET / HTTP/9.9\r\n\r\n", &["505", "400"]),
        (b"GET /file.bin HTTP/1.1\r\nContent-Length: x\r\n\r\n", &["400"]),
        (b"GET /file.bin HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", &["400"]),
        (long.as_bytes(), &["414", "431", "400"]),
        (many.as_bytes(), &["431", "400"]),
    ] {
        let answer = target.say(bytes);
        let answer = String::from_utf8_lossy(&answer);
        let right =
            statuses.iter().any(|status| answer.starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(right, "{:?}: {answer}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
    target.assert_well();
}

#[test]
fn connections_that_say_nothing_do_not_stop_others() {
    let target = Target::new();
    let silent = target.host.namespace().run(|| {
        let open = |number: usize| {
            let mut stream = TcpStream::connect((SERVER_ADDRESS, 80)).expect("it serves");
            if number.is_multiple_of(2) {
                stream.write_all(b"GET /file.bin HTTP/1.1\r\nHo").expect("it listens");
            }
            stream
        };
        (0..300).map(open).collect::<Vec<TcpStream>>()
    });
    assert_eq!(silent.len(), 300);
    target.assert_well();
}

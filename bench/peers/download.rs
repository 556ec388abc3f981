//! HTTP clients that fetch one file again and again and let the kernel throw it away.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::net::{RecvFlags, recv};

/// What is fetched, by how many, for how long.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    pub(crate) server: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) path: &'static str,
    pub(crate) duration: Duration,
}

/// What was fetched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// Seconds that each whole response took.
    pub(crate) responses: Vec<f64>,
}

struct Client {
    socket: TcpStream,
    /// What has arrived of a response head.
    head: Vec<u8>,
    /// Bytes of the body that have not arrived.
    left: u64,
    asked_at: Instant,
}

impl Download {
    /// Fetches for the whole duration.
    pub(crate) fn run(&self) -> io::Result<Outcome> {
        let ring = epoll::create(epoll::CreateFlags::empty())?;
        let mut clients = Vec::with_capacity(self.connections);
        for index in 0..self.connections {
            let socket = TcpStream::connect(self.server)?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&ring, &socket, data, epoll::EventFlags::IN)?;
            let (head, asked_at) = (Vec::new(), Instant::now());
            clients.push(Client { socket, head, left: 0, asked_at });
        }
        let mut outcome = Outcome::default();
        let mut sink = vec![0; 1 << 20];
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 256];
        let start = Instant::now();
        for client in &mut clients {
            client.ask(self)?;
        }
        while start.elapsed() < self.duration {
            let tick = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let (events, _) = epoll::wait(&ring, &mut events, Some(&tick))?;
            for event in events {
                let client = &mut clients[event.data.u64() as usize];
                client.receive(self, &mut sink, &mut outcome)?;
            }
        }
        outcome.seconds = start.elapsed().as_secs_f64();
        Ok(outcome)
    }
}

impl Client {
    fn ask(&mut self, download: &Download) -> io::Result<()> {
        self.asked_at = Instant::now();
        self.head.clear();
        // A request this small always fits into an empty socket buffer.
        write!(self.socket, "GET {} HTTP/1.1\r\nHost: server\r\n\r\n", download.path)
    }

    fn receive(
        &mut self,
        download: &Download,
        sink: &mut [u8],
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        if self.left == 0 {
            let mut piece = [0; 512];
            let len = match self.socket.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.head.extend_from_slice(&piece[..len]);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(());
            };
            let body_len = body_len(&self.head[..end + 2]);
            let early = (self.head.len() - end - 4) as u64;
            self.left = body_len.checked_sub(early).expect("one response at a time");
            outcome.bytes += early;
        } else {
            let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(sink.len());
            // TCP drops what it is told to truncate instead of copying it.
            let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
            match recv(&self.socket, &mut sink[..room], flags) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, len)) => {
                    self.left -= len as u64;
                    outcome.bytes += len as u64;
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if self.left == 0 {
            outcome.responses.push(self.asked_at.elapsed().as_secs_f64());
            self.ask(download)?;
        }
        Ok(())
    }
}

/// Fetches `path` once and returns the whole body.
pub(crate) fn fetch(server: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(server)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    socket.read_to_end(&mut response)?;
    let end = response.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
    assert_eq!(body_len(&response[..end + 2]), (response.len() - end - 4) as u64);
    Ok(response.split_off(end + 4))
}

/// The length that a head of status 200 announces.
fn body_len(head: &[u8]) -> u64 {
    let head = str::from_utf8(head).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lengths.next().expect("a length");
    length.parse().expect("a number")
}

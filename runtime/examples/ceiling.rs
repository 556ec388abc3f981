//! How close a shard comes to the fastest loop that the kernel allows, on loopback: requests of
//! four bytes, replies of N datagrams with four bytes of head and 1,468 of a mapped file.
//!
//! The server has core 0 and the clients core 1. The baseline is a bare loop of `recvmmsg` and
//! `sendmmsg` that does nothing else. Both are measured in turns, so that a busy machine is busy
//! for both.
//!
//! ```sh
//! cargo run --release -p reveille-runtime --example ceiling
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reveille_core::engine::{
    Datagram, Discard, Engine, Origin, Output, Packet, Route, SendError, Split, StreamEvent,
    Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::time;
use reveille_core::view::View;
use reveille_runtime::{Config, Engines, ImageStore, InterfaceSpec, Setup, TftpSpec, bind};
use rustix::thread::{CpuSet, sched_setaffinity};

const HEAD: usize = 4;
const BODY: usize = 1468;
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    println("loop            N   requests/s  datagrams/s    GB/s  CPU us/datagram  CPU s/GB");
    for (segments, outstanding) in [(1, 512), (16, 128), (44, 128), (1, 1)] {
        for _ in 0..ROUNDS {
            measure("shard", segments, outstanding, run_shard)?;
            if segments == 1 {
                measure("recvmmsg", segments, outstanding, run_baseline)?;
            }
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a table on standard output is what this program is for")]
fn println(line: &str) {
    println!("{line}");
}

/// A server that runs: where it is, the thread that does the work, and how to end it.
struct Server {
    address: SocketAddrV4,
    thread: String,
    stop: Box<dyn FnOnce()>,
}

fn measure(
    name: &str,
    segments: u16,
    outstanding: usize,
    start: fn(u16) -> Result<Server, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let server = start(segments)?;
    pin(1);
    let before = cpu_time(&server.thread)?;
    let begin = Instant::now();
    let datagrams = drive(server.address, usize::from(segments), outstanding)?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = (cpu_time(&server.thread)? - before).as_secs_f64();
    (server.stop)();
    let per_second = datagrams as f64 / seconds;
    let gigabytes = datagrams as f64 * (HEAD + BODY) as f64 / 1e9;
    println(&format!(
        "{name:12} {segments:4} {:12.0} {per_second:12.0} {:7.2} {:16.2} {:9.2}",
        per_second / f64::from(segments),
        gigabytes / seconds,
        cpu * 1e6 / datagrams as f64,
        cpu / gigabytes,
    ));
    Ok(())
}

/// Keeps `outstanding` requests under way for one round; gives the number of datagrams received.
fn drive(server: SocketAddrV4, segments: usize, outstanding: usize) -> Result<u64, Box<dyn Error>> {
    let clients = outstanding.min(CLIENTS);
    let mut sockets = Vec::new();
    for _ in 0..clients {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 16 << 20)?;
        let batch = Batch::new(outstanding / clients * segments);
        batch.send(&socket, outstanding / clients, HEAD);
        sockets.push((socket, batch, 0));
    }
    let begin = Instant::now();
    let mut datagrams = 0;
    while begin.elapsed() < ROUND {
        for (socket, batch, left_over) in &mut sockets {
            let received = batch.receive(socket, clients > 1);
            datagrams += received as u64;
            *left_over += received;
            batch.send(socket, *left_over / segments, HEAD);
            *left_over %= segments;
        }
    }
    Ok(datagrams)
}

/// Message headers for `recvmmsg` and `sendmmsg`, with a buffer and an address each.
struct Batch {
    headers: Vec<libc::mmsghdr>,
    pieces: Vec<[libc::iovec; 2]>,
    buffers: Vec<[u8; 2048]>,
    /// Only the headers point at them.
    _addresses: Vec<libc::sockaddr_in>,
}

impl Batch {
    fn new(size: usize) -> Self {
        let size = size.max(1);
        let mut buffers = vec![[0; 2048]; size];
        // SAFETY: all of these are plain data for which zeros are valid.
        let mut addresses = vec![unsafe { std::mem::zeroed::<libc::sockaddr_in>() }; size];
        let mut pieces: Vec<_> = buffers
            .iter_mut()
            .map(|buffer: &mut [u8; 2048]| {
                let first = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 2048 };
                [first, libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }]
            })
            .collect();
        let headers = pieces.iter_mut().zip(&mut addresses).map(|(piece, address)| {
            // SAFETY: as above.
            let mut header = unsafe { std::mem::zeroed::<libc::mmsghdr>() };
            header.msg_hdr.msg_iov = piece.as_mut_ptr();
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *address).cast();
            header
        });
        let headers = headers.collect();
        Self { headers, pieces, buffers, _addresses: addresses }
    }

    /// Sends `count` messages of `len` bytes on a connected socket.
    fn send(&self, socket: &UdpSocket, count: usize, len: usize) {
        let mut headers = self.headers[..count].to_vec();
        let mut piece =
            libc::iovec { iov_base: self.buffers[0].as_ptr().cast_mut().cast(), iov_len: len };
        for header in &mut headers {
            header.msg_hdr.msg_name = std::ptr::null_mut();
            header.msg_hdr.msg_namelen = 0;
            header.msg_hdr.msg_iov = &raw mut piece;
        }
        send_all(socket.as_raw_fd(), &mut headers);
    }

    /// Takes what is there, at least one message if `dont_wait` is false.
    fn receive(&mut self, socket: &UdpSocket, dont_wait: bool) -> usize {
        let flags = if dont_wait { libc::MSG_DONTWAIT } else { libc::MSG_WAITFORONE };
        self.receive_from(socket.as_raw_fd(), flags)
    }

    fn receive_from(&mut self, fd: i32, flags: i32) -> usize {
        for header in &mut self.headers {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        let (first, count) = (self.headers.as_mut_ptr(), self.headers.len() as u32);
        // SAFETY: headers, pieces, buffers and addresses belong to `self` and outlive the call.
        let received = unsafe { libc::recvmmsg(fd, first, count, flags, std::ptr::null_mut()) };
        usize::try_from(received).unwrap_or(0)
    }
}

fn send_all(fd: i32, headers: &mut [libc::mmsghdr]) {
    if !headers.is_empty() {
        // SAFETY: the headers point to memory that outlives the call.
        unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as u32, 0) };
    }
}

/// The bare loop.
fn run_baseline(_: u16) -> Result<Server, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 16 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let SocketAddr::V4(address) = socket.local_addr()? else { return Err("bound to IPv4".into()) };
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let body = vec![7_u8; BODY];
    let work = move || {
        pin(0);
        let mut batch = Batch::new(256);
        while !ended.load(Ordering::Relaxed) {
            let received = batch.receive_from(socket.as_raw_fd(), libc::MSG_WAITFORONE);
            for (header, pieces) in batch.headers[..received].iter_mut().zip(&mut batch.pieces) {
                pieces[0].iov_len = HEAD;
                pieces[1].iov_base = body.as_ptr().cast_mut().cast();
                pieces[1].iov_len = BODY;
                header.msg_hdr.msg_iovlen = 2;
            }
            send_all(socket.as_raw_fd(), &mut batch.headers[..received]);
            for (header, pieces) in batch.headers[..received].iter_mut().zip(&mut batch.pieces) {
                pieces[0].iov_len = 2048;
                header.msg_hdr.msg_iovlen = 1;
            }
        }
    };
    let (started, has_started) = std::sync::mpsc::channel();
    let work = move || {
        let _main_waits = started.send(());
        work();
    };
    let thread = std::thread::Builder::new().name("baseline".to_owned()).spawn(work)?;
    has_started.recv()?;
    let stop = move || {
        end.store(true, Ordering::Relaxed);
        thread.join().expect("the baseline has no reason to panic");
    };
    Ok(Server { address, thread: "baseline".to_owned(), stop: Box::new(stop) })
}

/// A shard with an engine that answers at once.
fn run_shard(segments: u16) -> Result<Server, Box<dyn Error>> {
    let mut config = Config::new(NonZeroUsize::MIN);
    config.interfaces = vec![InterfaceSpec { name: "lo".to_owned(), index: 1 }];
    config.tftp = Some(TftpSpec { listen: "127.0.0.1:0".parse()?, transfer_sockets: 0 });
    config.connections = 16;
    pin_to_all();
    let bound = bind(config)?;
    let address = bound.tftp().ok_or("a socket was asked for")?;
    let mut store = ImageStore::new();
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), vec![7; BODY * usize::from(segments)])?;
    let (image, _) = store.open(file.path())?;
    let setup = Setup { view: Arc::default(), images: store.table() };
    let server = bound.start(setup, |_| Engines::<Idle<0>, _, Idle<1>> {
        dhcp: None,
        tftp: Reflector { waiting: VecDeque::with_capacity(4096), image, segments },
        http: Idle,
    })?;
    let stop = move || drop(server);
    Ok(Server { address, thread: "shard-0".to_owned(), stop: Box::new(stop) })
}

/// Answers each datagram with `segments` datagrams.
struct Reflector {
    waiting: VecDeque<Route>,
    image: ImageId,
    segments: u16,
}

/// An engine without work.
struct Idle<const STREAMS: u8>;

macro_rules! idle_engine {
    () => {
        fn handle_timeout(&mut self, _: time::Instant) {}
        fn poll_event(&mut self) -> Option<Event> {
            None
        }
        fn poll_timeout(&self) -> Option<time::Instant> {
            None
        }
        fn handle_send_error(&mut self, _: Origin, _: SendError, _: time::Instant) {}
        fn uses_image(&self, _: ImageId) -> bool {
            false
        }
        fn drain(&mut self) {}
        fn sessions(&self) -> usize {
            0
        }
    };
}

impl Engine for Reflector {
    type Input<'i> = Datagram<'i>;

    fn handle_input(
        &mut self,
        datagram: Datagram<'_>,
        _: time::Instant,
        _: &View,
    ) -> Result<(), Discard> {
        self.waiting.push_back(Route::Datagram {
            socket: datagram.socket,
            interface: datagram.interface,
            source: datagram.destination.ip(),
            destination: datagram.source,
        });
        Ok(())
    }

    fn poll_output(&mut self, head: &mut [u8], _: time::Instant, _: &View) -> Option<Output> {
        let route = self.waiting.pop_front()?;
        let head_len = self.segments * HEAD as u16;
        head[..usize::from(head_len)].fill(1);
        let len = u32::from(self.segments) * BODY as u32;
        Some(Output::Transmit(Transmit {
            route,
            origin: Origin(0),
            head_len,
            body: Some(ImageSpan { image: self.image, offset: 0, len }),
            split: (self.segments > 1).then_some(Split {
                head_len: HEAD as u16,
                body_len: BODY as u16,
                segments: self.segments,
            }),
        }))
    }

    idle_engine!();
}

impl Engine for Idle<0> {
    type Input<'i> = Packet<'i>;

    fn handle_input(&mut self, _: Packet<'_>, _: time::Instant, _: &View) -> Result<(), Discard> {
        Ok(())
    }

    fn poll_output(&mut self, _: &mut [u8], _: time::Instant, _: &View) -> Option<Output> {
        None
    }

    idle_engine!();
}

impl Engine for Idle<1> {
    type Input<'i> = StreamEvent<'i>;

    fn handle_input(
        &mut self,
        _: StreamEvent<'_>,
        _: time::Instant,
        _: &View,
    ) -> Result<(), Discard> {
        Ok(())
    }

    fn poll_output(&mut self, _: &mut [u8], _: time::Instant, _: &View) -> Option<Output> {
        None
    }

    idle_engine!();
}

fn pin(core: usize) {
    let mut only = CpuSet::new();
    only.set(core);
    let _fewer_cores = sched_setaffinity(None, &only);
}

/// A shard's thread picks its core from what the thread that starts it may use.
fn pin_to_all() {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
    let _fewer_cores = sched_setaffinity(None, &all);
}

/// What the thread with this name has used, to the nanosecond.
fn cpu_time(name: &str) -> Result<Duration, Box<dyn Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim_end() == name {
            let times = std::fs::read_to_string(path.join("schedstat"))?;
            let used = times.split(' ').next().ok_or("an empty schedstat")?;
            return Ok(Duration::from_nanos(used.parse()?));
        }
    }
    Err(format!("no thread is called {name}").into())
}

//! HTTP without a parser: whoever finishes a request head gets the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::path::Path;

use io_uring::types::{Fd, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};
use memmap2::Mmap;
use socket2::{Domain, Protocol, Socket, Type};

use crate::provided::{Buffers, GROUP, new_ring};

/// Serves one file to everybody until the process ends: its first bytes in one send with the
/// head, the others in sends of `chunk` bytes from the mapping. A connection has one send at a
/// time, so connections take turns.
pub(crate) fn serve(file: &Path, listen: SocketAddrV4, chunk: usize) -> io::Result<()> {
    // SAFETY: whoever measures does not change the file meanwhile.
    let file = unsafe { Mmap::map(&File::open(file)?)? };
    let mut first = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\n\r\n",
        file.len()
    )
    .into_bytes();
    let first_body = file.len().min(chunk);
    first.extend_from_slice(&file[..first_body]);
    let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    listener.set_reuse_address(true)?;
    listener.set_tcp_nodelay(true)?;
    listener.bind(&listen.into())?;
    listener.listen(BACKLOG)?;
    let content = Content { file: &file, first: &first, first_body, chunk };
    Server::new(&content, &listener)?.run()
}

/// The bytes of every response.
struct Content<'f> {
    file: &'f [u8],
    /// The head, and the body up to `first_body`.
    first: &'f [u8],
    first_body: usize,
    chunk: usize,
}

struct Server<'f> {
    content: &'f Content<'f>,
    // Dropped in this order: the ring goes before the memory that it fills.
    ring: IoUring,
    buffers: Buffers,
    listener: &'f Socket,
    connections: Box<[Connection]>,
    /// What did not fit into the submission queue.
    pending: VecDeque<squeue::Entry>,
}

/// A place in the ring's table of files.
#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    /// Bytes of the file that were sent or are being sent.
    sent: usize,
    /// The last bytes that were received, to find the end of a head.
    tail: [u8; 4],
}

impl<'f> Server<'f> {
    fn new(content: &'f Content<'f>, listener: &'f Socket) -> io::Result<Self> {
        let ring = new_ring(COMPLETIONS)?;
        ring.submitter().register_files_sparse(CONNECTIONS)?;
        let buffers = Buffers::register(&ring.submitter(), BUFFERS, BUFFER_BYTES)?;
        let connections = vec![Connection::default(); CONNECTIONS as usize].into_boxed_slice();
        Ok(Self { content, ring, buffers, listener, connections, pending: VecDeque::new() })
    }

    fn run(mut self) -> io::Result<()> {
        self.accept();
        crate::announce()?;
        let mut batch = Vec::with_capacity(COMPLETIONS as usize);
        loop {
            self.submit_pending();
            match self.ring.submit_and_wait(usize::from(self.pending.is_empty())) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            batch.extend(self.ring.completion());
            for completion in batch.drain(..) {
                self.on_completion(&completion);
            }
            self.buffers.publish();
        }
    }

    fn on_completion(&mut self, completion: &cqueue::Entry) {
        let (kind, place) = (completion.user_data() >> 32, completion.user_data() as u32);
        match kind {
            ACCEPT => {
                if let Ok(place) = u32::try_from(completion.result()) {
                    self.connections[place as usize] = Connection::default();
                    self.receive(place);
                }
                if !cqueue::more(completion.flags()) {
                    self.accept();
                }
            }
            RECEIVE => {
                let len = completion.result().max(0) as usize;
                let mut has_asked = false;
                if let Some(id) = cqueue::buffer_select(completion.flags()) {
                    let bytes = self.buffers.bytes(id, len);
                    has_asked = self.connections[place as usize].take_in(bytes);
                    self.buffers.lend(id);
                }
                if has_asked {
                    self.connections[place as usize].sent = self.content.first_body;
                    self.send(place, self.content.first);
                }
                if cqueue::more(completion.flags()) {
                    return;
                }
                match completion.result() {
                    result if result > 0 || result == -libc::ENOBUFS => self.receive(place),
                    _ => self.close(place),
                }
            }
            SEND if completion.result() >= 0 => {
                let connection = &mut self.connections[place as usize];
                let rest = &self.content.file[connection.sent..];
                if !rest.is_empty() {
                    let len = rest.len().min(self.content.chunk);
                    connection.sent += len;
                    self.send(place, &rest[..len]);
                }
            }
            // A send that failed is followed by the end of the receive; a close needs nothing.
            _ => {}
        }
    }

    fn accept(&mut self) {
        let accept = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd()));
        self.pending.push_back(accept.allocate_file_index(true).build().user_data(ACCEPT << 32));
    }

    fn receive(&mut self, place: u32) {
        let receive = opcode::RecvMulti::new(Fixed(place), GROUP).build();
        self.pending.push_back(receive.user_data(RECEIVE << 32 | u64::from(place)));
    }

    fn send(&mut self, place: u32, bytes: &'f [u8]) {
        let send = opcode::Send::new(Fixed(place), bytes.as_ptr(), bytes.len() as u32);
        let send = send.flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL).build();
        self.pending.push_back(send.user_data(SEND << 32 | u64::from(place)));
    }

    fn close(&mut self, place: u32) {
        let close = opcode::Close::new(Fixed(place)).build();
        self.pending.push_back(close.user_data(CLOSE << 32 | u64::from(place)));
    }

    fn submit_pending(&mut self) {
        let mut submissions = self.ring.submission();
        while let Some(entry) = self.pending.front() {
            // SAFETY: sends point into the content, which outlives the server; receives fill
            // buffers that outlive the ring.
            if unsafe { submissions.push(entry) }.is_err() {
                break;
            }
            self.pending.pop_front();
        }
    }
}

impl Connection {
    /// Whether the bytes end a request's head. A client asks once and waits for the response.
    fn take_in(&mut self, bytes: &[u8]) -> bool {
        for byte in &bytes[bytes.len().saturating_sub(4)..] {
            self.tail.rotate_left(1);
            self.tail[3] = *byte;
        }
        self.tail == *b"\r\n\r\n"
    }
}

const ACCEPT: u64 = 1;
const RECEIVE: u64 = 2;
const SEND: u64 = 3;
const CLOSE: u64 = 4;
/// Connections at one time at most.
const CONNECTIONS: u32 = 16_384;
const COMPLETIONS: u32 = 32_768;
const BUFFERS: u16 = 1024;
const BUFFER_BYTES: usize = 2048;
const BACKLOG: i32 = 4096;

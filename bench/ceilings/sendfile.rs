//! HTTP by sendfile: the pages of the file become part of the stream, and nothing is copied as
//! long as the receiver copies nothing either.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::sendfile;

/// Serves one file to everybody until the process ends, `chunk` bytes of each connection at a
/// time as long as its socket takes them.
pub(crate) fn serve(path: &Path, listen: SocketAddrV4, chunk: usize) -> io::Result<()> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    crate::announce()?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = [MaybeUninit::<Event>::uninit(); 512];
    loop {
        let (events, _) = epoll::wait(&poll, &mut events, None)?;
        for event in events {
            let place = event.data.u64();
            if place == LISTENER {
                let Ok((stream, _)) = listener.accept() else { continue };
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let data = EventData::new_u64(connections.len() as u64);
                epoll::add(&poll, &stream, data, EventFlags::IN)?;
                connections.push(Some(Connection { stream, offset: None }));
                continue;
            }
            let slot = &mut connections[place as usize];
            let Some(connection) = slot else { continue };
            let was_sending = connection.offset.is_some();
            match connection.proceed(&file, len, head.as_bytes(), chunk) {
                Ok(is_sending) if is_sending == was_sending => {}
                Ok(is_sending) => {
                    let interest = if is_sending { EventFlags::OUT } else { EventFlags::IN };
                    epoll::modify(&poll, &connection.stream, event.data, interest)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A closed descriptor leaves the poll by itself.
                Err(_) => *slot = None,
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What was sent of the file, while it is being sent.
    offset: Option<u64>,
}

impl Connection {
    /// Takes a request in or sends a piece; tells whether more is to be sent.
    fn proceed(&mut self, file: &File, len: u64, head: &[u8], chunk: usize) -> io::Result<bool> {
        let mut offset = match self.offset {
            Some(offset) => offset,
            None => {
                let mut request = [0; 2048];
                match self.stream.read(&mut request)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count if !request[..count].ends_with(b"\r\n\r\n") => return Ok(false),
                    // An empty socket takes a small head whole.
                    _ => self.stream.write_all(head)?,
                }
                0
            }
        };
        self.offset = Some(offset);
        match sendfile(self.stream.as_fd(), file.as_fd(), Some(&mut offset), chunk) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        self.offset = (offset < len).then_some(offset);
        Ok(self.offset.is_some())
    }
}

const LISTENER: u64 = u64::MAX;

//! The control socket: questions of the operator's other commands.
//!
//! Everything is bounded: connections, the length of a question, the time that a connection may
//! stay silent. What takes longer than a moment runs on a thread of its own.

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use reveille_core::view::View;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::message::{Answer, REQUEST_BYTES_MAX, Request, SOCKET};
use crate::leases;
use crate::status::{self, Status};
use crate::store::StoreError;
use crate::store::disk::Reader;
use crate::store::wall::Wall;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;

/// How long a connection may say nothing, or not take its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause after a connection that could not be taken.
const RETRY: Duration = Duration::from_secs(1);

/// A question that only the loop can answer, and where the answer goes.
pub(super) type Question = (Asked, oneshot::Sender<Reply>);

/// What is asked of the loop.
#[derive(Debug)]
pub(super) enum Asked {
    /// How it fares; leases are counted afterwards.
    Status,
    /// To take an address from its client.
    Release(std::net::Ipv4Addr),
}

/// What the loop says.
#[derive(Debug)]
pub(super) enum Reply {
    /// How it fares, and the networks to count leases of.
    Status(Box<Status>, Arc<View>),
    /// Anything else.
    Answer(Answer),
}

/// The socket; it is gone from its folder when this is.
#[derive(Debug)]
pub(super) struct ControlSocket {
    path: PathBuf,
}

impl ControlSocket {
    /// Opens the socket in a state directory that is ours. Questions come out of the channel.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open(
        directory: &Path,
        reader: Option<Reader>,
    ) -> io::Result<(Self, mpsc::Receiver<Question>)> {
        let path = directory.join(SOCKET);
        // The directory is locked: whoever left it there has ended.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        let socket = Self { path };
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o600))?;
        let (questions, asked) = mpsc::channel(CONNECTIONS_MAX);
        tokio_uring::spawn(accept(listener, questions, reader));
        Ok((socket, asked))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

async fn accept(listener: UnixListener, questions: mpsc::Sender<Question>, reader: Option<Reader>) {
    let open = Rc::new(Cell::new(0));
    // Ends with the runtime; waits for a client in every round.
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("a control connection could not be taken: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        if open.get() >= CONNECTIONS_MAX {
            warn!("more than {CONNECTIONS_MAX} control connections: one is closed");
            continue;
        }
        open.set(open.get() + 1);
        let (questions, reader, open) = (questions.clone(), reader.clone(), Rc::clone(&open));
        tokio_uring::spawn(async move {
            if let Err(error) = converse(stream, &questions, reader.as_ref()).await {
                debug!("a control connection ended: {error}");
            }
            open.set(open.get() - 1);
        });
    }
}

/// Answers questions until the client has no more.
async fn converse(
    stream: UnixStream,
    questions: &mpsc::Sender<Question>,
    reader: Option<&Reader>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // Ends when the client does, or says nothing for too long.
    loop {
        line.clear();
        let mut bounded = (&mut stream).take(REQUEST_BYTES_MAX as u64);
        timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if line.is_empty() {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(io::Error::other("a question is too long"));
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => answer(request, questions, reader).await,
            Err(error) => Answer::error(format!("the question makes no sense: {error}")),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        timeout(PATIENCE, stream.get_mut().write_all(&text)).await??;
    }
}

async fn answer(
    request: Request,
    questions: &mpsc::Sender<Question>,
    reader: Option<&Reader>,
) -> Answer {
    match request {
        Request::Status => match ask(Asked::Status, questions).await {
            Some(Reply::Status(status, view)) => counted(*status, view, reader.cloned()).await,
            Some(Reply::Answer(answer)) => answer,
            None => ending(),
        },
        Request::Release { address } => match ask(Asked::Release(address), questions).await {
            Some(Reply::Answer(answer)) => answer,
            Some(Reply::Status(..)) | None => ending(),
        },
        Request::Leases { from, filter } => {
            let Some(reader) = reader.cloned() else {
                return Answer::Error {
                    what: "leases live in memory here and cannot be listed".to_owned(),
                    help: Some("`durable = true` under [state] keeps them".to_owned()),
                };
            };
            let page = move || leases::page(&reader, from, &filter, Wall::now());
            match tokio::task::spawn_blocking(page).await {
                Ok(Ok(page)) => Answer::Leases(page),
                Ok(Err(error)) => unreadable(&error),
                Err(_) => ending(),
            }
        }
    }
}

async fn ask(what: Asked, questions: &mpsc::Sender<Question>) -> Option<Reply> {
    let (reply, answer) = oneshot::channel();
    questions.send((what, reply)).await.ok()?;
    answer.await.ok()
}

/// Adds the numbers of leases, which takes long.
async fn counted(mut status: Status, view: Arc<View>, reader: Option<Reader>) -> Answer {
    let Some(reader) = reader else { return Answer::Status(Box::new(status)) };
    let count = move || {
        // A store that fails is told by the rest of the status.
        if let Err(error) = status::count(&mut status.networks, &view, &reader, Wall::now()) {
            debug!("leases cannot be counted: {error}");
        }
        status
    };
    match tokio::task::spawn_blocking(count).await {
        Ok(status) => Answer::Status(Box::new(status)),
        Err(_) => ending(),
    }
}

fn unreadable(error: &StoreError) -> Answer {
    Answer::Error {
        what: format!("leases cannot be read now: {error}"),
        help: error.help().map(str::to_owned),
    }
}

fn ending() -> Answer {
    Answer::error("the server is ending")
}

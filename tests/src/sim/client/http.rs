//! HTTP as firmware and iPXE speak it: one connection, one request after the other.

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::Duration;

use super::{Context, Step};
use crate::sim::host::{Piece, StreamUp, Up};
use crate::sim::site::Version;

/// Requests to make, in order.
#[derive(Debug)]
pub(super) struct Http {
    jobs: VecDeque<Job>,
    agent: &'static str,
    serial: u32,
    state: State,
    tries: u32,
    documents: Vec<u8>,
    /// What the file may be that is being answered, fewer the more is known.
    versions: Vec<Version>,
    is_file: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) method: &'static str,
    pub(super) path: String,
}

#[derive(Debug)]
enum State {
    /// Until the timer: then a new connection.
    Pausing,
    Head(Vec<u8>),
    Body {
        len: u64,
        received: u64,
        closes: bool,
    },
}

impl Http {
    pub(super) fn start(
        agent: &'static str,
        jobs: impl IntoIterator<Item = Job>,
        context: &mut Context<'_>,
    ) -> Self {
        let mut http = Self {
            jobs: jobs.into_iter().collect(),
            agent,
            serial: 0,
            state: State::Pausing,
            tries: 0,
            documents: Vec::new(),
            versions: Vec::new(),
            is_file: false,
        };
        http.connect(context);
        http
    }

    fn connect(&mut self, context: &mut Context<'_>) {
        self.serial = context.next_serial();
        let source = SocketAddrV4::new(context.address, context.next_port());
        self.stream(StreamUp::Connect { source }, context);
        self.ask(context);
    }

    fn stream(&self, event: StreamUp, context: &mut Context<'_>) {
        context.ups.push(Up::Stream { serial: self.serial, event });
    }

    /// Sends the next request, perhaps in pieces.
    fn ask(&mut self, context: &mut Context<'_>) {
        let job = self.jobs.front().expect("there is a request to make");
        let mut request = format!(
            "{} {} HTTP/1.1\r\nHost: 10.0.0.1\r\nAccept: */*\r\nUser-Agent: {}\r\n",
            job.method, job.path, self.agent
        );
        if job.method == "POST" {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        self.is_file = !context.site.versions(&job.path).is_empty();
        let bytes = request.into_bytes();
        let cut = context.rng.below(bytes.len() as u32 * 2) as usize;
        for piece in bytes.chunks(cut.max(1)).take(2) {
            self.stream(StreamUp::Bytes(piece.to_vec()), context);
        }
        let sent = cut.max(1).saturating_mul(2).min(bytes.len());
        if sent < bytes.len() {
            self.stream(StreamUp::Bytes(bytes[sent..].to_vec()), context);
        }
        self.state = State::Head(Vec::new());
        context.wait(PATIENCE);
    }

    /// The current connection.
    pub(super) const fn serial(&self) -> u32 {
        self.serial
    }

    pub(super) fn on_timer(&mut self, context: &mut Context<'_>) -> Step<Vec<u8>> {
        if matches!(self.state, State::Pausing) {
            self.connect(context);
            return Step::Going;
        }
        self.stream(StreamUp::Reset, context);
        self.again_after(Duration::from_secs(1), context)
    }

    /// Something went wrong: a new connection after a while, but not for ever.
    fn again_after(&mut self, wait: Duration, context: &mut Context<'_>) -> Step<Vec<u8>> {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return Step::Failed;
        }
        self.pause(wait, context);
        Step::Going
    }

    fn pause(&mut self, wait: Duration, context: &mut Context<'_>) {
        self.state = State::Pausing;
        context.wait(wait);
    }

    pub(super) fn on_piece(&mut self, piece: Piece, context: &mut Context<'_>) -> Step<Vec<u8>> {
        if matches!(self.state, State::Pausing) {
            return Step::Going;
        }
        match piece {
            Piece::Refused | Piece::End => self.again_after(Duration::from_secs(1), context),
            Piece::Bytes(bytes) => {
                context.wait(PATIENCE);
                self.on_bytes(&bytes, context)
            }
            Piece::Span(span) => {
                context.wait(PATIENCE);
                let job = self.jobs.front().expect("a request is being answered");
                let State::Body { received, .. } = &mut self.state else {
                    context.fail("image bytes before a response's head");
                };
                let end = span.offset + u64::from(span.len);
                let offset = *received;
                self.versions.retain(|(image, len)| {
                    span.image == *image && span.offset == offset && end <= *len
                });
                context.ensure(!self.versions.is_empty() && job.method == "GET", || {
                    format!("wrong bytes for {job:?} at {received}: {span:?}")
                });
                *received += u64::from(span.len);
                self.proceed(context)
            }
        }
    }

    fn on_bytes(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Step<Vec<u8>> {
        let job = self.jobs.front().expect("a request is being answered");
        match &mut self.state {
            State::Pausing => Step::Going,
            State::Body { received, .. } => {
                context.ensure(!self.is_file, || format!("text for {job:?}"));
                self.documents.extend(bytes);
                *received += bytes.len() as u64;
                self.proceed(context)
            }
            State::Head(head) => {
                head.extend(bytes);
                let end = head.windows(4).position(|window| window == b"\r\n\r\n");
                let Some(end) = end else { return Step::Going };
                let rest = head.split_off(end + 4);
                let text = String::from_utf8_lossy(head).into_owned();
                if let Err(step) = self.on_head(&text, context) {
                    return step;
                }
                if rest.is_empty() { self.proceed(context) } else { self.on_bytes(&rest, context) }
            }
        }
    }

    /// Takes a response's head in, or tells what to do instead of reading on.
    fn on_head(&mut self, head: &str, context: &mut Context<'_>) -> Result<(), Step<Vec<u8>>> {
        let job = self.jobs.front().expect("a request is being answered");
        let field = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
        };
        let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status == "503" {
            // iPXE obeys without limit; firmware tries again some other time.
            let wait = number("Retry-After").unwrap_or(5);
            self.stream(StreamUp::Reset, context);
            return Err(if self.agent == UEFI {
                self.again_after(Duration::from_secs(wait), context)
            } else {
                self.pause(Duration::from_secs(wait), context);
                Step::Going
            });
        }
        context.ensure(matches!(status, "200" | "204"), || format!("{job:?}: {head}"));
        let len = number("Content-Length");
        self.versions = context.site.versions(&job.path);
        self.versions.retain(|(_, bytes)| Some(*bytes) == len);
        context.ensure(self.is_file != self.versions.is_empty(), || {
            format!("{job:?} is of another length: {head}")
        });
        let len = if job.method == "HEAD" { 0 } else { len.unwrap_or(0) };
        let closes = field("Connection").is_some_and(|value| value == "close");
        self.state = State::Body { len, received: 0, closes };
        Ok(())
    }

    /// Goes on with the next request if this one is answered completely.
    fn proceed(&mut self, context: &mut Context<'_>) -> Step<Vec<u8>> {
        let State::Body { len, received, closes } = self.state else {
            unreachable!("bodies only proceed");
        };
        context.ensure(received <= len, || format!("{received} of {len} bytes"));
        if received < len {
            return Step::Going;
        }
        self.jobs.pop_front();
        self.tries = 0;
        if self.jobs.is_empty() {
            self.stream(StreamUp::End, context);
            return Step::Done(std::mem::take(&mut self.documents));
        }
        if closes {
            self.stream(StreamUp::Reset, context);
            self.pause(Duration::ZERO, context);
        } else {
            self.ask(context);
        }
        Step::Going
    }
}

/// edk2's name for itself.
pub(super) const UEFI: &str = "UefiHttpBoot/1.0";
/// iPXE's.
pub(super) const IPXE: &str = "iPXE/1.21.1+";
/// A tool of an operating system.
pub(super) const TOOL: &str = "curl/8.5.0";

/// Without a byte for so long a connection is given up.
const PATIENCE: Duration = Duration::from_secs(15);
const TRIES_MAX: u32 = 6;

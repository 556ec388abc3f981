//! An engine that streams spans of images, and tells a test what it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::Sender;

use reveille_core::engine::{
    ConnId, Discard, Engine, Origin, Output, Route, SendError, StreamEvent, Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::limits;
use reveille_core::time::Instant;
use reveille_core::view::View;

/// What the engine was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Accepted(ConnId),
    EndOfStream(ConnId),
    Closed(ConnId),
    Failed(SendError),
    Drained,
}

/// The head in front of each answer.
pub(crate) const HEAD: &[u8] = b"here it comes:";

/// Asks for a span, perhaps the last one of its connection.
pub(crate) fn request(image: ImageId, offset: u64, len: u64, is_last: bool) -> [u8; REQUEST_BYTES] {
    let mut bytes = [0; REQUEST_BYTES];
    bytes[0] = u8::from(is_last);
    bytes[1..5].copy_from_slice(&image.slot.to_le_bytes());
    bytes[5..9].copy_from_slice(&image.generation.to_le_bytes());
    bytes[9..17].copy_from_slice(&offset.to_le_bytes());
    bytes[17..25].copy_from_slice(&len.to_le_bytes());
    bytes
}

pub(crate) const REQUEST_BYTES: usize = 25;

#[derive(Debug)]
pub(crate) struct Streamer {
    notes: Sender<Note>,
    sessions: HashMap<ConnId, Session>,
    ready: VecDeque<ConnId>,
    draining: bool,
}

#[derive(Debug, Default)]
struct Session {
    input: Vec<u8>,
    current: Option<Answer>,
    /// A send is in flight.
    is_sending: bool,
    is_last: bool,
    /// Nothing more will arrive.
    is_ended: bool,
}

#[derive(Debug)]
struct Answer {
    image: ImageId,
    offset: u64,
    left: u64,
    head_sent: bool,
}

impl Streamer {
    pub(crate) fn new(notes: Sender<Note>) -> Self {
        Self { notes, sessions: HashMap::new(), ready: VecDeque::new(), draining: false }
    }

    /// A test that has seen enough does not listen any more.
    fn note(&self, note: Note) {
        let _nobody_listens = self.notes.send(note);
    }
}

impl Session {
    /// Takes the next request if the one before is answered.
    fn advance(&mut self) {
        if self.current.is_some() || self.is_last || self.input.len() < REQUEST_BYTES {
            return;
        }
        let bytes: Vec<u8> = self.input.drain(..REQUEST_BYTES).collect();
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        self.is_last = bytes[0] == 1;
        let image = ImageId { slot: u32_at(1), generation: u32_at(5) };
        let (offset, left) = (u64_at(9), u64_at(17));
        self.current = Some(Answer { image, offset, left, head_sent: false });
    }
}

impl Engine for Streamer {
    type Input<'i> = StreamEvent<'i>;

    fn handle_input(
        &mut self,
        input: StreamEvent<'_>,
        _: Instant,
        _: &View,
    ) -> Result<(), Discard> {
        match input {
            StreamEvent::Accepted { conn, peer, local } => {
                assert!(peer.ip().is_loopback() && local.ip().is_loopback());
                let old = self.sessions.insert(conn, Session::default());
                assert!(old.is_none(), "a slot is given away twice");
                self.note(Note::Accepted(conn));
            }
            StreamEvent::Received { conn, bytes } => {
                assert!(!bytes.is_empty());
                let session = self.sessions.get_mut(&conn).expect("a live connection");
                session.input.extend_from_slice(bytes);
                session.advance();
                self.ready.push_back(conn);
            }
            StreamEvent::Sent { conn } => {
                let session = self.sessions.get_mut(&conn).expect("a live connection");
                assert!(std::mem::take(&mut session.is_sending), "nothing was sent");
                let answer = session.current.as_ref().expect("an answer was sent");
                if answer.left == 0 {
                    session.current = None;
                    session.advance();
                }
                self.ready.push_back(conn);
            }
            StreamEvent::EndOfStream { conn } => {
                self.note(Note::EndOfStream(conn));
                let session = self.sessions.get_mut(&conn).expect("a live connection");
                session.is_ended = true;
                self.ready.push_back(conn);
            }
            StreamEvent::Closed { conn } => {
                self.sessions.remove(&conn).expect("closed once");
                self.note(Note::Closed(conn));
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self, head: &mut [u8], _: Instant, _: &View) -> Option<Output> {
        loop {
            let conn = self.ready.pop_front()?;
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            if session.is_sending {
                continue;
            }
            let Some(answer) = &mut session.current else {
                if session.is_last || session.is_ended || self.draining {
                    return Some(Output::Close(conn));
                }
                continue;
            };
            let mut head_len = 0;
            if !std::mem::replace(&mut answer.head_sent, true) {
                head[..HEAD.len()].copy_from_slice(HEAD);
                head_len = HEAD.len() as u16;
            }
            let len = answer.left.min(u64::from(limits::STREAM_CHUNK_BYTES)) as u32;
            let span = ImageSpan { image: answer.image, offset: answer.offset, len };
            answer.offset += u64::from(len);
            answer.left -= u64::from(len);
            session.is_sending = true;
            return Some(Output::Transmit(Transmit {
                route: Route::Stream(conn),
                origin: Origin(u64::from(conn.slot)),
                head_len,
                body: (len > 0).then_some(span),
                split: None,
            }));
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_send_error(&mut self, _: Origin, error: SendError, _: Instant) {
        self.note(Note::Failed(error));
    }

    fn uses_image(&self, image: ImageId) -> bool {
        let mut answers = self.sessions.values().filter_map(|session| session.current.as_ref());
        answers.any(|answer| answer.image == image)
    }

    fn drain(&mut self) {
        self.draining = true;
        self.ready.extend(self.sessions.keys());
        self.note(Note::Drained);
    }

    fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

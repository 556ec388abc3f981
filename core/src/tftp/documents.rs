//! Documents: rendered when their transfer begins, so that requests which wait hold no buffer.

use super::content::{Content, Source};
use super::server::TftpServer;
use crate::document::Document;
use crate::document::pool::{DocumentId, DocumentPool, PoolError};
use crate::event::Outcome;
use crate::limits;
use crate::table::{Handle, ReadyRing, Slab};
use crate::time::Instant;
use crate::view::View;
use crate::wire::tftp::ErrorCode;

/// Documents that are asked for and those that are being sent.
#[derive(Debug)]
pub(super) struct Documents {
    /// Those of transfers that run.
    pool: DocumentPool,
    /// What was asked for and is not rendered yet.
    asked: Slab<Document>,
    /// Sessions that may begin as soon as there is a buffer, the first come first.
    line: ReadyRing,
}

/// A document that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AskedId(Handle);

impl Documents {
    /// For the slots below `transfers`.
    pub(super) fn new(transfers: u32) -> Self {
        Self {
            pool: DocumentPool::new(limits::DOCUMENTS_MAX.min(transfers)),
            asked: Slab::new(limits::TFTP_DOCUMENTS_ASKED_MAX.min(transfers)),
            line: ReadyRing::new(transfers),
        }
    }

    /// Keeps in mind what was asked for; nothing if too much was.
    pub(super) fn ask(&mut self, document: Document) -> Option<AskedId> {
        self.asked.insert(document).ok().map(AskedId)
    }

    /// `slot` waits for a buffer from now on.
    pub(super) fn queue(&mut self, slot: u32) {
        self.line.push(slot);
    }

    /// Whether `slot` waits for a buffer.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.line.contains(slot)
    }

    /// The session in `slot` ends before it began.
    pub(super) fn forget(&mut self, slot: u32, asked: AskedId) {
        self.line.remove(slot);
        let known = self.asked.remove(asked.0);
        assert!(known.is_some(), "what was asked for is forgotten once");
    }

    /// Frees the buffer of a document.
    pub(super) fn release(&mut self, id: DocumentId) {
        self.pool.release(id);
    }

    /// Where the texts are.
    pub(super) const fn pool(&self) -> &DocumentPool {
        &self.pool
    }

    fn render(&mut self, asked: AskedId, view: &View) -> Result<DocumentId, PoolError> {
        let document = self.asked.get(asked.0).expect("who waits has asked for something");
        self.pool.render(document, view)
    }
}

impl TftpServer {
    /// Lets the next transfer of a document begin, if there is a buffer for it.
    pub(super) fn begin_document(&mut self, now: Instant, view: &View) {
        // Ends: each round takes a session out of the line or is the last.
        while let Some(slot) = self.documents.line.first() {
            let session = self.sessions.at_mut(slot).expect("only live sessions wait");
            let Source::Asked(asked) = session.content().source else {
                panic!("who waits for a document has asked for one");
            };
            match self.documents.render(asked, view) {
                Ok(id) => {
                    self.documents.forget(slot, asked);
                    let len = self.documents.pool.bytes(id).len() as u64;
                    session.set_content(Content { source: Source::Document(id), len });
                    self.begin(slot, now);
                    return;
                }
                Err(PoolError::Full) => return,
                Err(PoolError::Render(_)) => {
                    let path = session.path;
                    self.refuse_on(path, ErrorCode::NOT_DEFINED, "document cannot be generated");
                    self.end(slot, Outcome::Aborted, now);
                }
            }
        }
    }
}

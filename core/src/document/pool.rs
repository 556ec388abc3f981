//! Rendered documents that transfers are sending.

use alloc::boxed::Box;
use alloc::vec;

use super::{Document, RenderError};
use crate::limits::DOCUMENT_BYTES;
use crate::table::{Handle, Slab};
use crate::view::View;

/// Rendered documents, each in a buffer of its own that was allocated at construction.
///
/// A transfer that can ask for the same block twice must find the same bytes, even if a reload
/// came in between: so a document is rendered once and kept until its transfer ends.
#[derive(Debug)]
pub struct DocumentPool {
    lengths: Slab<usize>,
    bytes: Box<[u8]>,
}

/// A document in a [`DocumentPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentId(Handle);

/// Why a document is not in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// All buffers are taken: ask again later.
    Full,
    /// It cannot be rendered.
    Render(RenderError),
}

impl DocumentPool {
    /// Room for `capacity` documents of [`DOCUMENT_BYTES`] each.
    pub fn new(capacity: u32) -> Self {
        let bytes = vec![0; capacity as usize * DOCUMENT_BYTES].into_boxed_slice();
        Self { lengths: Slab::new(capacity), bytes }
    }

    /// Renders `document` into a free buffer.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn render(&mut self, document: &Document, view: &View) -> Result<DocumentId, PoolError> {
        let id = self.lengths.insert(0).map_err(|_| PoolError::Full)?;
        let start = id.slot as usize * DOCUMENT_BYTES;
        let buffer = &mut self.bytes[start..start + DOCUMENT_BYTES];
        match document.render(view, buffer) {
            Ok(len) => {
                let place = self.lengths.get_mut(id).expect("the slot was just taken");
                *place = len;
                Ok(DocumentId(id))
            }
            Err(error) => {
                self.lengths.remove(id);
                Err(PoolError::Render(error))
            }
        }
    }

    /// The text of a document.
    ///
    /// # Panics
    /// If it was released.
    pub fn bytes(&self, id: DocumentId) -> &[u8] {
        let len = *self.lengths.get(id.0).expect("documents are read before they are released");
        let start = id.0.slot as usize * DOCUMENT_BYTES;
        &self.bytes[start..start + len]
    }

    /// Frees the buffer of a document.
    ///
    /// # Panics
    /// If it was released before.
    pub fn release(&mut self, id: DocumentId) {
        let held = self.lengths.remove(id.0);
        assert!(held.is_some(), "a document is released once");
    }

    /// Number of documents held.
    pub const fn len(&self) -> u32 {
        self.lengths.len()
    }

    /// Whether none is held.
    pub const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

#[cfg(test)]
mod tests;

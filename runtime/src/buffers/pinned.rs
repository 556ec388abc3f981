//! The images of one shard: those of its table, and older ones that it still sends.

use std::sync::Arc;

use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::limits;
use reveille_core::table::ImagePins;

use super::images::{Image, ImageTable};

/// Resolves spans to memory and keeps that memory mapped while anybody here needs it.
#[derive(Debug)]
pub(crate) struct PinnedImages {
    table: Arc<ImageTable>,
    /// Images that newer tables no longer have: seldom more than a few.
    kept: Vec<(ImageId, Arc<Image>)>,
    /// Sends in flight from each image.
    pins: ImagePins,
}

impl PinnedImages {
    /// Starts with the images of `table`.
    pub(crate) fn new(table: Arc<ImageTable>) -> Self {
        Self { table, kept: Vec::new(), pins: ImagePins::new(limits::IMAGES_MAX) }
    }

    /// Where the bytes of `span` begin, counted as a send in flight until [`Self::unpin`].
    /// Nothing if the image is unknown or too short.
    pub(crate) fn pin(&mut self, span: &ImageSpan) -> Option<*const u8> {
        let address = self.find(span.image)?.address(span)?;
        self.pins.pin(span.image);
        Some(address)
    }

    /// A send from `image` is over.
    pub(crate) fn unpin(&mut self, image: ImageId) {
        self.pins.unpin(image);
    }

    /// Takes over a newer table, keeping what it no longer has until [`Self::release`].
    pub(crate) fn replace(&mut self, table: Arc<ImageTable>) {
        let old = std::mem::replace(&mut self.table, table);
        let gone = old.iter().filter(|(id, _)| self.table.get(*id).is_none());
        self.kept.extend(gone.map(|(id, image)| (id, Arc::clone(image))));
        // A table older than the last one may bring an image back.
        self.kept.retain(|(id, _)| self.table.get(*id).is_none());
    }

    /// Lets go of old images that no send and, as `used` says, no session needs.
    pub(crate) fn release(&mut self, used: impl Fn(ImageId) -> bool) {
        self.kept.retain(|(id, _)| self.pins.contains(*id) || used(*id));
    }

    /// Whether old images are kept.
    pub(crate) const fn keeps_old(&self) -> bool {
        !self.kept.is_empty()
    }

    fn find(&self, id: ImageId) -> Option<&Arc<Image>> {
        self.table.get(id).or_else(|| {
            let kept = self.kept.iter().find(|(kept, _)| *kept == id);
            kept.map(|(_, image)| image)
        })
    }
}

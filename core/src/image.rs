//! Names for image bytes that the core never sees.

/// An immutable sequence of bytes that the runtime holds: a slot and the generation in it.
///
/// A slot is given to another image only after no engine and no send refers to the old one, so
/// a running transfer keeps its bytes across a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId {
    /// Index into the runtime's table, below [`crate::limits::IMAGES_MAX`].
    pub slot: u32,
    /// Which of the images that have lived in this slot.
    pub generation: u32,
}

/// A contiguous part of an image: no bytes, no borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSpan {
    /// The image.
    pub image: ImageId,
    /// First byte.
    pub offset: u64,
    /// Number of bytes; with `offset` never past the image's length.
    pub len: u32,
}

//! Image files, mapped read-only and never looked at: the kernel copies from the mapping.
//!
//! [`ImageStore`] belongs to the control thread. It names images and hands out a table of them,
//! which a shard takes over together with the policy that mentions them. What a newer table no
//! longer has, a shard keeps until its engines and sends are through with it; the store unmaps
//! when it is the last owner, so no shard ever pays for that.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use memmap2::{Advice, MmapOptions, MmapRaw};
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::limits;

/// Bytes of one image whose pages are read and mapped before it is announced; the rest is only
/// asked for. Bounds the time that announcing a huge image takes.
const WARM_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The owner of all images: gives names, maps files, unmaps them when nobody needs them.
#[derive(Debug, Default)]
pub struct ImageStore {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: SlotState,
}

#[derive(Debug)]
enum SlotState {
    Free,
    Announced(Arc<Image>),
    /// Not in new tables; shards may still send from it.
    Retired(Arc<Image>),
}

/// What the file system says about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageMeta {
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written.
    pub modified: SystemTime,
    /// The device that holds the file.
    pub device: u64,
    /// The file's number on that device.
    pub inode: u64,
}

/// A file that cannot be an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be opened or examined.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a device or the like.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be mapped.
    #[error("cannot map {}", path.display())]
    Unmappable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are [`limits::IMAGES_MAX`] images already.
    #[error("there are more than {} images", limits::IMAGES_MAX)]
    TooMany,
}

impl ImageStore {
    /// A store without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps the file at `path` and warms its pages (at most 256 MiB of them at once).
    ///
    /// It is in tables made from now on. If somebody truncates the file later, sends of what is
    /// missing fail with `SendError::ImageUnreadable`.
    ///
    /// # Errors
    /// If it cannot be read or mapped, or there is no place for it.
    pub fn open(&mut self, path: &Path) -> Result<(ImageId, ImageMeta), ImageError> {
        let unreadable = |source| ImageError::Unreadable { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        // Opening a pipe that nobody writes to must not block.
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(ImageError::NotAFile { path: path.to_owned() });
        }
        let unmappable = |source| ImageError::Unmappable { path: path.to_owned(), source };
        let memory = map(&file, metadata.len()).map_err(unmappable)?;
        let meta = ImageMeta {
            len: metadata.len(),
            modified: metadata.modified().map_err(unreadable)?,
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Ok((self.insert(Image { memory, len: meta.len })?, meta))
    }

    /// Takes bytes that were made rather than found: a generated or embedded file.
    ///
    /// # Errors
    /// If there is no place for it.
    pub fn from_bytes(&mut self, bytes: Vec<u8>) -> Result<ImageId, ImageError> {
        let len = bytes.len() as u64;
        self.insert(Image { memory: Memory::Owned(bytes.into_boxed_slice()), len })
    }

    /// Leaves an image out of future tables. Transfers that run keep it; its slot is used again
    /// when the last has ended. An unknown id is ignored.
    pub fn retire(&mut self, id: ImageId) {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        if slot.generation == id.generation
            && let SlotState::Announced(image) = &slot.state
        {
            slot.state = SlotState::Retired(Arc::clone(image));
        }
        self.reclaim();
    }

    /// The images announced now, to be handed to the shards.
    pub fn table(&self) -> Arc<ImageTable> {
        let entry = |slot: &Slot| match &slot.state {
            SlotState::Announced(image) => {
                Some(Entry { generation: slot.generation, image: Arc::clone(image) })
            }
            SlotState::Free | SlotState::Retired(_) => None,
        };
        Arc::new(ImageTable { entries: self.slots.iter().map(entry).collect() })
    }

    /// Unmaps every retired image that no shard needs any more.
    ///
    /// Happens by itself whenever an image is added or retired. Gives the number of images that
    /// are retired but still needed.
    pub fn reclaim(&mut self) -> usize {
        let mut needed = 0;
        for slot in &mut self.slots {
            let SlotState::Retired(image) = &slot.state else { continue };
            // Nobody can gain a reference from a retired image but those that have one.
            if Arc::strong_count(image) == 1 {
                slot.state = SlotState::Free;
                slot.generation = slot.generation.wrapping_add(1);
            } else {
                needed += 1;
            }
        }
        needed
    }

    fn insert(&mut self, image: Image) -> Result<ImageId, ImageError> {
        self.reclaim();
        let free = self.slots.iter().position(|slot| matches!(slot.state, SlotState::Free));
        let index = free.unwrap_or(self.slots.len());
        let slot = u32::try_from(index).map_err(|_| ImageError::TooMany)?;
        if slot >= limits::IMAGES_MAX {
            return Err(ImageError::TooMany);
        }
        let state = SlotState::Announced(Arc::new(image));
        match self.slots.get_mut(index) {
            Some(slot) => slot.state = state,
            None => self.slots.push(Slot { generation: 0, state }),
        }
        Ok(ImageId { slot, generation: self.slots[index].generation })
    }
}

/// The images of one moment, by [`ImageId`].
#[derive(Debug, Default)]
pub struct ImageTable {
    entries: Vec<Option<Entry>>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    image: Arc<Image>,
}

impl ImageTable {
    /// The image, if this table has it.
    pub(crate) fn get(&self, id: ImageId) -> Option<&Arc<Image>> {
        let entry = self.entries.get(id.slot as usize)?.as_ref()?;
        (entry.generation == id.generation).then_some(&entry.image)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ImageId, &Arc<Image>)> {
        self.entries.iter().zip(0..).filter_map(|(entry, slot)| {
            let Entry { generation, image } = entry.as_ref()?;
            Some((ImageId { slot, generation: *generation }, image))
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// The bytes of one image, for the kernel only.
#[derive(Debug)]
pub(crate) struct Image {
    memory: Memory,
    len: u64,
}

#[derive(Debug)]
enum Memory {
    Mapped(MmapRaw),
    Owned(Box<[u8]>),
}

impl Image {
    /// Where the bytes of `span` begin, or nothing if it reaches past the end.
    ///
    /// The pointer is for the kernel: whoever gives it to a system call keeps the image's `Arc`
    /// until that is done.
    pub(crate) fn address(&self, span: &ImageSpan) -> Option<*const u8> {
        let end = span.offset.checked_add(u64::from(span.len))?;
        if end > self.len {
            return None;
        }
        let first = match &self.memory {
            Memory::Mapped(map) => map.as_ptr(),
            Memory::Owned(bytes) => bytes.as_ptr(),
        };
        Some(first.wrapping_add(usize::try_from(span.offset).ok()?))
    }
}

fn map(file: &std::fs::File, len: u64) -> io::Result<Memory> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    if len == 0 {
        return Ok(Memory::Owned(Box::default()));
    }
    let map = MmapOptions::new().len(len).map_raw_read_only(file)?;
    let warm = len.min(WARM_BYTES_MAX);
    // Filling the page table fails where the file shrinks meanwhile: that shows when it is sent.
    let _unwarmed = map.advise_range(Advice::PopulateRead, 0, warm);
    if warm < len {
        let _unwarmed = map.advise_range(Advice::WillNeed, warm, len - warm);
    }
    Ok(Memory::Mapped(map))
}

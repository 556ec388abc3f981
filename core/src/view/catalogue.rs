//! The files of a site, and those among them that firmware loads first.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::{Loader, SeededState};
use crate::image::ImageId;
use crate::wire::pxe::ArchType;

/// The boot programs of a site: for each loader and architecture the name of a file in the
/// catalogue.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    entries: Vec<(Loader, ArchType, Box<str>)>,
}

impl Programs {
    /// Adds the program that `arch` loads for `loader`; a later one replaces an earlier.
    pub fn insert(&mut self, loader: Loader, arch: ArchType, name: Box<str>) {
        match self.entries.iter_mut().find(|entry| entry.0 == loader && entry.1 == arch) {
            Some(entry) => entry.2 = name,
            None => self.entries.push((loader, arch, name)),
        }
    }

    /// The name of the program in the catalogue.
    pub fn find(&self, loader: Loader, arch: ArchType) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.0 == loader && entry.1 == arch)?;
        Some(&entry.2)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Loader, ArchType, &str)> {
        self.entries.iter().map(|(loader, arch, name)| (*loader, *arch, &**name))
    }
}

/// A file that clients can fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub image: ImageId,
    /// Their number.
    pub len: u64,
    /// Entity tag with its quotes (RFC 9110 §8.8.3), new whenever the content is.
    pub etag: Box<str>,
    /// Time of the last change as an HTTP date (RFC 9110 §5.6.7).
    pub last_modified: Box<str>,
    /// Media type without parameters: firmware compares it whole.
    pub content_type: &'static str,
}

/// The files of a site by normalised name: no leading slash, `/` between parts.
///
/// Lookups are the only way from a client's words to a file, so there is no path to escape by.
#[derive(Debug, Default)]
pub struct Catalogue {
    files: HashMap<Box<str>, File, SeededState>,
}

impl Catalogue {
    /// No files yet, in a table whose order nobody can guess without `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self { files: HashMap::with_hasher(SeededState::new(seed)) }
    }

    /// Adds a file, giving back the one that had the name before.
    pub fn insert(&mut self, name: Box<str>, file: File) -> Option<File> {
        self.files.insert(name, file)
    }

    /// The file with this normalised name.
    pub fn get(&self, name: &str) -> Option<&File> {
        self.files.get(name)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

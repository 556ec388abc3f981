//! Files on disk become images: found, mapped, named, and watched for changes.
//!
//! A [`Images`] belongs to the control side. [`Images::scan`] compares what lies on disk with
//! what is mapped and gives a new catalogue with the table of its images; the old ones stay
//! alive for the transfers that use them.

mod walk;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use reveille_core::image::ImageId;
use reveille_core::view::{Catalogue, File};
use reveille_runtime::{ImageMeta, ImageStore, ImageTable};

use self::walk::Found;
pub use self::watch::{Change, Watch};
use crate::problem::{Place, Problem};
use crate::site::NamedFile;

/// Where the images of a site lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// A folder whose files are served under their names relative to it.
    pub root: Option<PathBuf>,
    /// Files from elsewhere with their names; they win over those of the folder.
    pub named: Vec<NamedFile>,
}

impl Sources {
    /// All files by name, with those that cannot be served.
    fn find(&self) -> (BTreeMap<String, Found>, Vec<Problem>) {
        let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
        if let Some(root) = &self.root {
            walk::folder(root, &mut found, &mut problems);
        }
        for NamedFile { name, path } in &self.named {
            if let Some(file) = walk::file(path, &mut problems) {
                found.insert(name.clone(), file);
            }
        }
        (found, problems)
    }
}

/// All images that are mapped.
#[derive(Debug)]
pub struct Images {
    store: ImageStore,
    known: HashMap<PathBuf, Known>,
    /// What scans have found since the last that is served.
    changes: BTreeMap<String, Fate>,
    seed: u64,
}

#[derive(Debug)]
struct Known {
    id: ImageId,
    stamp: Stamp,
    file: File,
}

/// What tells one content of a path from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: SystemTime,
    device: u64,
    inode: u64,
}

impl From<ImageMeta> for Stamp {
    fn from(meta: ImageMeta) -> Self {
        let ImageMeta { len, modified, device, inode } = meta;
        Self { len, modified, device, inode }
    }
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Files by name.
    pub catalogue: Catalogue,
    /// Their images.
    pub table: Arc<ImageTable>,
    /// Files that cannot be served.
    pub problems: Vec<Problem>,
    /// Names that are new, changed or gone since [`Images::note_served`].
    pub changes: Vec<(String, Fate)>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not there.
    Added,
    /// Its content is another one.
    Changed,
    /// It is not there any more.
    Removed,
}

impl Images {
    /// No images. `seed` hides the order of the catalogue's table from clients.
    pub fn new(seed: u64) -> Self {
        let (known, changes) = (HashMap::new(), BTreeMap::new());
        Self { store: ImageStore::new(), known, changes, seed }
    }

    /// Looks at the disk, maps what is new, and lets go what is gone.
    ///
    /// A file for which `is_written` holds is taken as it was before, or not at all. Reads the
    /// pages of new files, so this can take a second for each GiB.
    pub fn scan(&mut self, sources: &Sources, is_written: impl Fn(&Path) -> bool) -> Scan {
        let (wanted, problems) = sources.find();
        let mut scan = Scan { problems, ..Scan::default() };
        let mut catalogue = Catalogue::with_seed(self.seed);
        let mut old = std::mem::take(&mut self.known);
        for (name, found) in wanted {
            let known = match self.known.remove(&found.path) {
                // Under another name it was served in this scan already.
                Some(known) => Some(known),
                None => {
                    let before = old.remove(&found.path);
                    let keep = is_written(&found.path);
                    self.renew(&name, &found, before, keep, &mut scan)
                }
            };
            let Some(known) = known else { continue };
            let content_type = content_type(&name);
            catalogue.insert(name.into_boxed_str(), File { content_type, ..known.file.clone() });
            self.known.insert(found.path, known);
        }
        for (path, known) in old {
            self.store.retire(known.id);
            self.changes.insert(path.display().to_string(), Fate::Removed);
        }
        scan.changes = self.changes.iter().map(|(path, fate)| (path.clone(), *fate)).collect();
        scan.catalogue = catalogue;
        scan.table = self.store.table();
        scan
    }

    /// What the latest scan found is served now: its changes are not told again. A scan whose
    /// result was refused would hide them from the next one otherwise.
    pub fn note_served(&mut self) {
        self.changes.clear();
    }

    /// Unmaps what no transfer needs any more; gives how many old images are still needed.
    pub fn reclaim(&mut self) -> usize {
        self.store.reclaim()
    }

    fn renew(
        &mut self,
        name: &str,
        found: &Found,
        before: Option<Known>,
        is_written: bool,
        scan: &mut Scan,
    ) -> Option<Known> {
        if is_written || before.as_ref().is_some_and(|known| known.stamp == found.stamp) {
            return before;
        }
        let (id, meta) = match self.store.open(&found.path) {
            Ok(opened) => opened,
            Err(error) => {
                let cause = std::error::Error::source(&error)
                    .map_or_else(String::new, |cause| format!(": {cause}"));
                let problem = Problem::warning(Place::top(), format!("{error}{cause}"))
                    .help("it is not served until it can be read");
                scan.problems.push(problem);
                // What was mapped before is better than nothing.
                return before;
            }
        };
        let fate = if before.is_some() { Fate::Changed } else { Fate::Added };
        self.changes.insert(found.path.display().to_string(), fate);
        if let Some(before) = before {
            self.store.retire(before.id);
        }
        let file = File {
            image: id,
            len: meta.len,
            etag: etag(&meta).into_boxed_str(),
            last_modified: http_date(meta.modified).into_boxed_str(),
            content_type: content_type(name),
        };
        Some(Known { id, stamp: Stamp::from(meta), file })
    }
}

/// The catalogue that a scan would give, without mapping anything: its images are not to be
/// sent.
pub fn survey(sources: &Sources) -> (Catalogue, Vec<Problem>) {
    let (wanted, problems) = sources.find();
    let mut catalogue = Catalogue::default();
    for (slot, (name, found)) in (0..).zip(wanted) {
        let file = File {
            image: ImageId { slot, generation: 0 },
            len: found.stamp.len,
            etag: Box::default(),
            last_modified: Box::default(),
            content_type: content_type(&name),
        };
        catalogue.insert(name.into_boxed_str(), file);
    }
    (catalogue, problems)
}

/// An entity tag that is new whenever a file is written or replaced (RFC 9110 §8.8.3).
fn etag(meta: &ImageMeta) -> String {
    let written = meta.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("\"{:x}-{:x}-{:x}\"", meta.len, written.as_nanos(), meta.inode)
}

/// An IMF-fixdate (RFC 9110 §5.6.7); the epoch for times that no calendar holds.
fn http_date(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).unwrap_or_default()
}

/// The media type by a file's name. UEFI firmware compares the first three literally and
/// refuses to run what has another (edk2 falls back to the name's end, others do not).
fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "efi" => "application/efi",
        "iso" => "application/vnd.efi-iso",
        "img" => "application/vnd.efi-img",
        "ipxe" | "cfg" | "conf" | "txt" | "sh" | "ks" | "cmd" | "yaml" | "yml" => "text/plain",
        "json" | "ign" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;

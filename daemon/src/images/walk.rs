//! Finding files below a folder, without being led out of it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use reveille_core::limits::{IMAGES_MAX, NAME_BYTES_MAX};

use super::Stamp;
use crate::problem::{Place, Problem};
use crate::units::Reason;

/// Folders inside folders that are looked into.
const DEPTH_MAX: u32 = 32;

/// Files that cannot be served are named one by one up to this number.
const PROBLEMS_MAX: usize = 20;

/// A file that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it really lies, all links resolved.
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// Adds every file below `root` under its name relative to it. Hidden files are left out: tools
/// write their unfinished files under such names.
pub(super) fn folder(
    root: &Path,
    found: &mut BTreeMap<String, Found>,
    problems: &mut Vec<Problem>,
) {
    let root = match root.canonicalize() {
        Ok(real) if real.is_dir() => real,
        Ok(_) => return problems.push(not_a_folder(root, "it is not a folder")),
        Err(error) => return problems.push(not_a_folder(root, &Reason(&error).to_string())),
    };
    let mut walk =
        Walk { root: &root, seen: HashSet::new(), found, problems, unnamed: 0, too_many: false };
    walk.enter(&root, "", 0);
    let Walk { unnamed, too_many, .. } = walk;
    if unnamed > 0 {
        problems.push(
            Problem::warning(Place::top(), format!("{unnamed} more files cannot be served"))
                .help("put the ones above right first"),
        );
    }
    if too_many {
        problems.push(
            Problem::warning(
                Place::top(),
                format!("only the first {IMAGES_MAX} files of {} are served", root.display()),
            )
            .help("choose a folder that holds nothing but boot files"),
        );
    }
}

fn not_a_folder(root: &Path, why: &str) -> Problem {
    Problem::error(
        Place::top().key("images").key("root"),
        format!("cannot serve files from {}: {why}", root.display()),
    )
}

/// The file at `path`, wherever it lies.
pub(super) fn file(path: &Path, problems: &mut Vec<Problem>) -> Option<Found> {
    match examine(path) {
        Ok(Some(found)) => return Some(found),
        Ok(None) => {
            let what = format!("{} is not a regular file", path.display());
            problems.push(Problem::error(Place::top(), what));
        }
        Err(error) => {
            let what = format!("cannot read {}: {}", path.display(), Reason(&error));
            problems.push(Problem::error(Place::top(), what));
        }
    }
    None
}

fn examine(path: &Path) -> io::Result<Option<Found>> {
    let path = path.canonicalize()?;
    let metadata = fs::metadata(&path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let stamp = Stamp {
        len: metadata.len(),
        modified: metadata.modified()?,
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    Ok(Some(Found { path, stamp }))
}

struct Walk<'w> {
    root: &'w Path,
    /// Folders on the way down and beside it: a link to any of them is not followed again.
    seen: HashSet<(u64, u64)>,
    found: &'w mut BTreeMap<String, Found>,
    problems: &'w mut Vec<Problem>,
    unnamed: usize,
    too_many: bool,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path, prefix: &str, depth: u32) {
        let listing = fs::metadata(folder).and_then(|metadata| {
            if !self.seen.insert((metadata.dev(), metadata.ino())) {
                return Ok(Vec::new());
            }
            let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
            // The same order each time, so that a limit cuts off the same files.
            entries.sort_by_key(fs::DirEntry::file_name);
            Ok(entries)
        });
        let entries = match listing {
            Ok(entries) => entries,
            Err(error) => return self.complain(folder, &Reason(&error).to_string()),
        };
        for entry in entries {
            if self.found.len() >= IMAGES_MAX as usize {
                self.too_many = true;
                return;
            }
            let path = entry.path();
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else {
                self.complain(&path, "its name is not UTF-8");
                continue;
            };
            if file_name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{file_name}");
            match self.take(&path, &name, depth) {
                Ok(()) => {}
                Err(error) => self.complain(&path, &Reason(&error).to_string()),
            }
        }
    }

    fn take(&mut self, path: &Path, name: &str, depth: u32) -> io::Result<()> {
        let real = path.canonicalize()?;
        if !real.starts_with(self.root) {
            self.complain(path, &format!("it leads out of {}", self.root.display()));
            return Ok(());
        }
        if real.is_dir() {
            if depth < DEPTH_MAX {
                self.enter(&real, &format!("{name}/"), depth + 1);
            } else {
                self.complain(path, "the folders are nested too deeply");
            }
            return Ok(());
        }
        if let Some(why) = unspeakable(name) {
            self.complain(path, why);
            return Ok(());
        }
        // Sockets, pipes and devices are no images, and no mistake either.
        if let Some(found) = examine(&real)? {
            self.found.insert(name.to_owned(), found);
        }
        Ok(())
    }

    fn complain(&mut self, path: &Path, why: &str) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.unnamed += 1;
            return;
        }
        let what = format!("{} is not served: {why}", path.display());
        self.problems.push(Problem::warning(Place::top(), what));
    }
}

/// Why no client can ask for a file with this name.
fn unspeakable(name: &str) -> Option<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        Some("its name is longer than 255 bytes")
    } else if name.contains('\\') || name.chars().any(char::is_control) {
        Some("its name has a backslash or a control character")
    } else {
        None
    }
}

//! Notices that files change, and waits until whoever writes them is done.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::Sources;

/// A writer that has not written for so long and has not closed the file either has crashed or
/// keeps its log there: the file is taken as it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Watches the folders of a site's sources.
#[derive(Debug)]
pub struct Watch {
    /// Kept for its end: dropping it stops the notices.
    _watcher: RecommendedWatcher,
    written: Written,
}

/// That something is different on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change;

/// Files that somebody is writing, with the time of the latest write.
#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<HashMap<PathBuf, Instant>>>);

impl Watch {
    /// Watches `sources`, calling `notice` on a thread of its own for each change.
    ///
    /// # Errors
    /// If the kernel allows no more watches (`fs.inotify.max_user_watches`) or a folder is gone.
    pub fn new(
        sources: &Sources,
        notice: impl Fn(Change) + Send + 'static,
    ) -> notify::Result<Self> {
        let written = Written::default();
        // A link may be laid anew, and what it leads to may be written: both are changes.
        let named: HashSet<PathBuf> = sources
            .named
            .iter()
            .flat_map(|file| [file.path.clone(), absolute(&file.path)])
            .collect();
        let root = sources.root.as_deref().map(absolute);
        let seen = written.clone();
        let ours = named.clone();
        let is_ours = {
            let root = root.clone();
            move |path: &Path| {
                root.as_deref().is_some_and(|root| path.starts_with(root)) || ours.contains(path)
            }
        };
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // After an error (an overrun of the kernel's queue) anything may have changed.
                let changed = event.as_ref().map_or(true, |event| seen.take(event, &is_ours));
                if changed {
                    notice(Change);
                }
            })?;
        if let Some(root) = &root {
            watcher.watch(root, RecursiveMode::Recursive)?;
        }
        // A file is replaced by renaming another one over it, which only its folder sees.
        let mut folders: Vec<PathBuf> = named
            .iter()
            .filter_map(|file| file.parent().map(Path::to_path_buf))
            .filter(|folder| root.as_ref().is_none_or(|root| !folder.starts_with(root)))
            .collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher, written })
    }

    /// A test whether a file is being written right now, for [`super::Images::scan`].
    pub fn is_written(&self) -> impl Fn(&Path) -> bool + Send + 'static {
        let written = self.written.clone();
        move |path| written.contains(path, Instant::now())
    }

    /// Whether a writer has lost our patience since the last call, so that its file is to be
    /// taken as it is.
    pub fn gave_up(&self) -> bool {
        self.written.expire(Instant::now())
    }
}

impl Written {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Instant>> {
        // The map is whole between any two of its methods.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contains(&self, path: &Path, now: Instant) -> bool {
        self.lock().get(path).is_some_and(|at| now.duration_since(*at) < PATIENCE)
    }

    /// Forgets writers that take too long; tells whether there were any.
    fn expire(&self, now: Instant) -> bool {
        let mut writers = self.lock();
        let before = writers.len();
        writers.retain(|_, at| now.duration_since(*at) < PATIENCE);
        writers.len() < before
    }

    /// Takes note of an event; says whether the disk has to be looked at.
    fn take(&self, event: &notify::Event, is_ours: &impl Fn(&Path) -> bool) -> bool {
        let mut ours = event.paths.iter().filter(|path| is_ours(path)).peekable();
        if ours.peek().is_none() {
            return event.need_rescan();
        }
        match event.kind {
            // Reading changes nothing; our own scans open files as well.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                let mut writers = self.lock();
                for path in ours {
                    writers.remove(path);
                }
                true
            }
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
                let mut writers = self.lock();
                writers.extend(ours.map(|path| (path.clone(), Instant::now())));
                false
            }
            EventKind::Remove(_) => {
                let mut writers = self.lock();
                for path in ours {
                    writers.remove(path);
                }
                true
            }
            EventKind::Modify(_) | EventKind::Create(_) | EventKind::Any | EventKind::Other => true,
        }
    }
}

/// The path as the kernel's notices name it.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> notify::Event {
        notify::Event::new(kind).add_path(PathBuf::from(path))
    }

    #[test]
    fn a_file_counts_as_written_from_its_first_write_to_its_close() {
        let written = Written::default();
        let ours = |path: &Path| path.starts_with("/srv");
        let file = "/srv/vmlinuz";
        assert!(written.take(&event(EventKind::Create(CreateKind::File), file), &ours));
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert!(!written.take(&event(write, file), &ours));
        let now = Instant::now();
        assert!(written.contains(Path::new(file), now));
        assert!(!written.contains(Path::new(file), now + PATIENCE * 2));
        assert!(!written.expire(now));
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!(written.take(&event(close, file), &ours));
        assert!(!written.contains(Path::new(file), now));
    }

    #[test]
    fn a_writer_that_never_closes_is_given_up() {
        let written = Written::default();
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        written.take(&event(write, "/srv/log"), &|_: &Path| true);
        let later = Instant::now() + PATIENCE;
        assert!(written.expire(later));
        assert!(!written.expire(later));
    }

    #[test]
    fn reading_and_other_peoples_files_are_no_changes() {
        let written = Written::default();
        let ours = |path: &Path| path.starts_with("/srv");
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        assert!(!written.take(&event(open, "/srv/vmlinuz"), &ours));
        let create = EventKind::Create(CreateKind::File);
        assert!(!written.take(&event(create, "/home/vmlinuz"), &ours));
    }
}

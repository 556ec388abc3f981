//! The store on a disk: an embedded log-structured database, and beside it the number of the last
//! commit that was answered, by which a store that lost something is told from a whole one.

use std::fs::{self, DirBuilder, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tracing::{debug, warn};
use xxhash_rust::xxh3::xxh3_64;

use super::record::{self, Damage, Origin, RECORD_BYTES_MAX, Record};
use super::salvage::{self, Salvage};
use super::{Row, Store, StoreError};
use crate::units::Count;

/// The folder of the database in the state directory.
const FOLDER: &str = "store";

/// Holds the number of the last commit that was answered.
const ACKNOWLEDGED: &str = "acknowledged";

/// Where a repair builds a store.
const FRESH: &str = "store.new";

/// Where damaged journals go.
const DAMAGED: &str = "damaged";

/// Holds the key of client identifiers.
const IDENTITY: &str = "identity";

/// Bytes of that key.
pub const KEY_BYTES: usize = 16;

/// Is there while the database is being opened.
const OPENING: &str = "opening";

/// What must find room before a store that failed is trusted again: more than what a full disk
/// still takes by chance, in the last page of a file.
const PROOF_BYTES: usize = 256 * 1024;

/// What this program writes; another number belongs to another program.
const FORMAT: u64 = 1;

/// Memory for blocks that were read: leases are read at the start and by listings only.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Records in memory before they become a sorted file. Small, because the log behind them is read
/// at every start, and large, because every file is merged into the others.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;

/// Log files on the disk, at most.
const JOURNAL_BYTES: u64 = 128 * 1024 * 1024;

/// The database on the disk.
#[derive(Debug)]
pub struct Disk {
    state: PathBuf,
    open: Reader,
    /// Number of the last commit.
    commit: u64,
    /// Number of the last commit that was answered; written without a sync, because it matters
    /// when the database lost what it had synced.
    acknowledged: Option<File>,
    bytes: Vec<u8>,
}

/// Reads leases while the owner writes.
#[derive(Clone, Default)]
pub struct Reader(Arc<Mutex<Option<Handles>>>);

#[derive(Clone)]
struct Handles {
    database: Database,
    leases: Keyspace,
    meta: Keyspace,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Disk {
    /// Opens the store in the state directory, or makes one there.
    ///
    /// # Errors
    /// If the disk refuses, if another version wrote it, or if it lost what it had promised to
    /// keep.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let mut disk = Self {
            state: state.to_owned(),
            open: Reader::default(),
            commit: 0,
            acknowledged: None,
            bytes: Vec::new(),
        };
        disk.open_checked()?;
        Ok(disk)
    }

    /// Whether the state directory has a store.
    pub fn exists(state: &Path) -> bool {
        state.join(FOLDER).join("version").exists()
    }

    /// Reads the leases beside whoever writes them.
    pub fn reader(&self) -> Reader {
        self.open.clone()
    }

    /// The key that turns client identifiers into numbers, by which clients without an Ethernet
    /// address are known: drawn once, because with another one they would be strangers. It has a
    /// file of its own, which outlives a damaged database.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn identifier_key(&self) -> Result<[u8; KEY_BYTES], StoreError> {
        let path = self.state.join(IDENTITY);
        match fs::read(&path) {
            Ok(bytes) => {
                let key = bytes.first_chunk().copied();
                let whole = key.filter(|key| bytes[KEY_BYTES..] == xxh3_64(key).to_be_bytes());
                whole.ok_or_else(|| StoreError::Damaged(format!("{} is damaged", path.display())))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())
                    .map_err(std::io::Error::from)?;
                let mut bytes = key.to_vec();
                bytes.extend_from_slice(&xxh3_64(&key).to_be_bytes());
                let fresh = self.state.join("identity.new");
                fs::write(&fresh, bytes)?;
                File::open(&fresh)?.sync_all()?;
                fs::rename(fresh, path)?;
                File::open(&self.state)?.sync_all()?;
                Ok(key)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn set_number(&self, key: &str, number: u64) -> Result<(), StoreError> {
        let handles = self.open.handles()?;
        let mut batch = handles.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&handles.meta, key, number.to_be_bytes());
        batch.commit().map_err(reason)
    }

    /// Number of the last commit.
    pub const fn commit_number(&self) -> u64 {
        self.commit
    }

    /// Opens the database and makes sure that it has everything that was promised.
    fn open_checked(&mut self) -> Result<(), StoreError> {
        let folder = self.state.join(FOLDER);
        // Opening cuts off what it cannot read at the end of the log: it is kept until it is
        // known that nothing of it is missed.
        let journals = journals(&folder)?;
        let promised = acknowledged(&self.state.join(ACKNOWLEDGED));
        let handles = open_marked(&self.state, &folder)?;
        let number = |key: &str| -> Result<Option<u64>, StoreError> {
            let value = handles.meta.get(key).map_err(reason)?;
            Ok(value.and_then(|value| Some(u64::from_be_bytes(value.as_ref().try_into().ok()?))))
        };
        let commit = number("commit")?.unwrap_or(0);
        match number("format")? {
            Some(FORMAT) => {}
            None if commit == 0 => {}
            found => {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                return Err(StoreError::Damaged(format!(
                    "its format is {found}, and this program knows {FORMAT}"
                )));
            }
        }
        self.commit = commit;
        let is_new = number("format")?.is_none();
        self.open.set(Some(handles));
        if is_new {
            self.set_number("format", FORMAT)?;
        }
        self.acknowledged = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.state.join(ACKNOWLEDGED))
            .inspect_err(|error| debug!("cannot open the number of the last commit: {error}"))
            .ok();
        match promised.filter(|promised| *promised > commit) {
            Some(promised) => self.recover(promised, &journals),
            None => Ok(()),
        }
    }

    /// Takes from the log itself what the database no longer found in it.
    fn recover(
        &mut self,
        promised: u64,
        journals: &[(PathBuf, Vec<u8>)],
    ) -> Result<(), StoreError> {
        let have = self.commit;
        let mut salvage = Salvage::default();
        for (_, bytes) in journals {
            salvage.scan(bytes);
        }
        // What an earlier start has cut off and kept.
        for path in files(&self.state.join(DAMAGED)) {
            salvage.scan(&fs::read(path)?);
        }
        let lost = salvage.missing(have + 1..=promised);
        let records = salvage.newer_than(have);
        if lost > 0 {
            let folder = self.keep(journals)?;
            // What this store has now is less than what was promised: it must not be taken for
            // whole the next time either.
            self.open.set(None);
            return Err(StoreError::Damaged(format!(
                "{} that were acknowledged are not there any more, and {} of them cannot be found \
                 in what is left of the log, which is kept in {}",
                Count(promised - have, "commit"),
                Count(lost, "record"),
                folder.display()
            )));
        }
        self.commit = promised;
        self.commit(&records)?;
        warn!(
            help = "the disk or the file system may be failing: see dmesg",
            "the log of the store was damaged; {} were taken out of what is left of it, and \
             nothing is lost",
            Count(records.len() as u64, "record")
        );
        Ok(())
    }

    /// Keeps damaged journals where nothing cuts them.
    fn keep(&self, journals: &[(PathBuf, Vec<u8>)]) -> Result<PathBuf, StoreError> {
        let folder = self.state.join(DAMAGED);
        fs::create_dir_all(&folder)?;
        for (path, bytes) in journals {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kept = folder.join(format!("{}-{name}", self.commit));
            // The first start found the most.
            if !kept.exists() {
                fs::write(kept, bytes)?;
            }
        }
        Ok(folder)
    }
}

/// Gives the files up and waits until their threads have ended, whoever may still read them.
impl Drop for Disk {
    fn drop(&mut self) {
        self.open.set(None);
    }
}

impl Store for Disk {
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let handles = self.open.handles()?;
        let last = last_of_each(records);
        let group = u32::try_from(last.len()).unwrap_or(u32::MAX);
        let origin = Origin { commit: self.commit + 1, group };
        let mut batch = handles.database.batch().durability(Some(PersistMode::SyncData));
        for record in last {
            self.bytes.clear();
            self.bytes.reserve(RECORD_BYTES_MAX);
            record::encode(record, origin, &mut self.bytes);
            batch.insert(&handles.leases, record.address.octets(), self.bytes.as_slice());
        }
        batch.insert(&handles.meta, "commit", origin.commit.to_be_bytes());
        batch.commit().map_err(reason)?;
        self.commit = origin.commit;
        if let Some(file) = &self.acknowledged {
            // Older than the truth it is harmless, and a disk that fails is told by the next
            // commit.
            let _older = file.write_all_at(&numbered(origin.commit), 0);
        }
        Ok(())
    }

    fn forget(&mut self, addresses: &[Ipv4Addr]) -> Result<(), StoreError> {
        let handles = self.open.handles()?;
        let mut batch = handles.database.batch();
        for address in addresses {
            batch.remove(&handles.leases, address.octets());
        }
        batch.commit().map_err(reason)
    }

    fn page(&self, from: Ipv4Addr, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.open.page(from, limit)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.open.set(None);
        // After a failed sync the kernel calls pages clean that never reached the disk: what is
        // read now must come from there.
        for path in files(&self.state.join(FOLDER)) {
            if let Ok(file) = File::open(path) {
                let _advice = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
            }
        }
        self.open_checked()?;
        let handles = self.open.handles()?;
        let mut batch = handles.database.batch().durability(Some(PersistMode::SyncData));
        // Not numbered: it brings no record that could be missed.
        batch.insert(&handles.meta, "proof", vec![0xa5; PROOF_BYTES]);
        batch.commit().map_err(reason)
    }
}

impl Reader {
    /// Up to `limit` leases from the address `from` on, in order.
    ///
    /// # Errors
    /// If the disk cannot be read, or while the store is being reopened.
    pub fn page(&self, from: Ipv4Addr, limit: usize) -> Result<Vec<Row>, StoreError> {
        let handles = self.handles()?;
        let mut rows = Vec::with_capacity(limit.min(4096));
        for entry in handles.leases.range(from.octets()..).take(limit) {
            let (key, value) = entry.into_inner().map_err(reason)?;
            rows.push(row(&key, &value)?);
        }
        Ok(rows)
    }

    /// How many leases there are. Reads all of them.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub fn count(&self) -> Result<u64, StoreError> {
        Ok(self.handles()?.leases.len().map_err(reason)? as u64)
    }

    fn handles(&self) -> Result<Handles, StoreError> {
        self.lock().clone().ok_or(StoreError::Failed)
    }

    fn set(&self, handles: Option<Handles>) {
        let old = std::mem::replace(&mut *self.lock(), handles);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handles>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    let Ok(key) = <[u8; 4]>::try_from(key) else {
        return Err(StoreError::Damaged(format!("{key:?} is no address")));
    };
    let address = Ipv4Addr::from(key);
    let record = record::decode(value).and_then(|(record, _)| {
        if record.address == address { Ok(record) } else { Err(Damage::Misplaced(record.address)) }
    });
    Ok(Row { address, record })
}

/// The last record of each address, in the order of the addresses.
fn last_of_each(records: &[Record]) -> Vec<&Record> {
    let mut last: Vec<&Record> = records.iter().rev().collect();
    // The sort is stable: of one address the latest comes first.
    last.sort_by_key(|record| record.address);
    last.dedup_by_key(|record| record.address);
    last
}

/// Opens the database, and leaves word of it as long as that lasts: files can be damaged so that
/// the process does not survive it, and the next one tells why.
fn open_marked(state: &Path, folder: &Path) -> Result<Handles, StoreError> {
    let mark = state.join(OPENING);
    if mark.exists() {
        warn!(
            help = "if this start ends in the same way, stop the server and run `reveille leases \
                    repair`: it keeps every whole record",
            "the last start ended while it opened the store: the store may be damaged"
        );
    }
    // Without room for it, it is missed by those only whose store is damaged as well.
    let _unmarked = fs::write(&mark, "");
    let opened = open(folder);
    let _unmarked = fs::remove_file(&mark);
    opened
}

/// Opens the database; a panic in it is damage as well.
fn open(folder: &Path) -> Result<Handles, StoreError> {
    let attempt = AssertUnwindSafe(|| -> Result<Handles, fjall::Error> {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNAL_BYTES)
            // One that writes what is in memory out while another merges: what waits in memory is
            // in the log as well, and a long log makes a slow start.
            .worker_threads(2)
            .manual_journal_persist(true)
            .open()?;
        let leases = database.keyspace("leases", || {
            // Uncompressed, records can be found whatever becomes of the files around them.
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .data_block_compression_policy(CompressionPolicy::disabled())
        })?;
        let meta = database.keyspace("meta", KeyspaceCreateOptions::default)?;
        Ok(Handles { database, leases, meta })
    });
    match catch_unwind(attempt) {
        Ok(result) => result.map_err(reason),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(StoreError::Damaged(text.unwrap_or("it cannot be opened").to_owned()))
        }
    }
}

/// The database's errors in our words.
#[expect(clippy::wildcard_enum_match_arm, reason = "they are another crate's, and will be more")]
fn reason(error: fjall::Error) -> StoreError {
    use std::error::Error;
    match error {
        fjall::Error::Io(error) => StoreError::Io(error),
        fjall::Error::Locked => StoreError::Locked,
        fjall::Error::Poisoned => StoreError::Failed,
        // Whatever else there is or will be concerns what is on the disk.
        other => {
            let mut cause: Option<&(dyn Error + 'static)> = Some(&other);
            // Ends: a chain of causes has no loop.
            while let Some(error) = cause {
                if let Some(error) = error.downcast_ref::<std::io::Error>() {
                    let copy = error.raw_os_error().map(std::io::Error::from_raw_os_error);
                    return StoreError::Io(copy.unwrap_or_else(|| error.kind().into()));
                }
                cause = error.source();
            }
            StoreError::Damaged(format!("its files are damaged: {other:?}"))
        }
    }
}

/// The logs of the database, as they are before it is opened.
fn journals(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, StoreError> {
    let mut journals = Vec::new();
    for path in files(folder) {
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let mut bytes = fs::read(&path)?;
            // The file is made large at once and filled bit by bit.
            let zeros = [0; 64 * 1024];
            // Ends: the bytes become fewer.
            while bytes.len() >= zeros.len() && bytes.ends_with(&zeros) {
                bytes.truncate(bytes.len() - zeros.len());
            }
            journals.push((path, bytes));
        }
    }
    Ok(journals)
}

/// All files below `folder`.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut pending = vec![folder.to_owned()];
    let mut files = Vec::new();
    // Ends: links are not followed, and a tree of folders has no cycle.
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    files.sort();
    files
}

/// A number and its checksum, as they stand in a file.
fn numbered(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&xxh3_64(&number.to_be_bytes()).to_be_bytes());
    bytes
}

/// The number in a file; nothing if there is none, or if it was cut or changed.
fn acknowledged(path: &Path) -> Option<u64> {
    let bytes: [u8; 16] = fs::read(path).ok()?.try_into().ok()?;
    let number = u64::from_be_bytes(bytes[..8].try_into().ok()?);
    (numbered(number) == bytes).then_some(number)
}

/// Makes a new store of every whole record in the damaged one, which is kept under another name.
///
/// # Errors
/// If the disk refuses; the damaged store is still there then.
pub fn repair(state: &Path) -> Result<Repaired, StoreError> {
    let folder = state.join(FOLDER);
    let fresh = state.join(FRESH);
    let mut salvage = Salvage::default();
    let mut unreadable = 0;
    // An earlier repair may have come as far as a new store, or between the last two steps.
    for folder in [&folder, &state.join(DAMAGED), &fresh.join(FOLDER)] {
        for path in files(folder) {
            match fs::read(&path) {
                Ok(bytes) => salvage.scan(&bytes),
                Err(error) => {
                    warn!("cannot read {}: {error}", path.display());
                    unreadable += 1;
                }
            }
        }
    }
    let records = salvage.newer_than(0);
    if fresh.exists() {
        fs::rename(&fresh, unused(state))?;
    }
    DirBuilder::new().mode(0o700).create(&fresh)?;
    let mut disk = Disk::open(&fresh)?;
    let promised = acknowledged(&state.join(ACKNOWLEDGED));
    disk.commit = promised.unwrap_or(0).max(salvage.last_commit());
    for group in records.chunks(REPAIR_GROUP) {
        disk.commit(group)?;
    }
    drop(disk);
    // Until here nothing of the damaged store has changed; from here on the new one is whole.
    let kept = unused(state);
    if folder.exists() {
        fs::rename(&folder, &kept)?;
    }
    fs::rename(fresh.join(FOLDER), &folder)?;
    fs::rename(fresh.join(ACKNOWLEDGED), state.join(ACKNOWLEDGED))?;
    fs::remove_dir_all(&fresh)?;
    fs::remove_dir_all(state.join(DAMAGED)).or_else(salvage::ignore_missing)?;
    Ok(Repaired { records: records.len(), unreadable, kept })
}

/// A name for a store that is put aside.
fn unused(state: &Path) -> PathBuf {
    let names = (1..).map(|number| state.join(format!("{FOLDER}.damaged-{number}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_default()
}

/// What came of a repair.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// Addresses whose leases were found.
    pub records: usize,
    /// Files that could not be read.
    pub unreadable: usize,
    /// Where the damaged store is now.
    pub kept: PathBuf,
}

/// Records that a repair commits at a time.
const REPAIR_GROUP: usize = 10_000;

#[cfg(test)]
mod tests;

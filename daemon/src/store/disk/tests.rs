use std::collections::BTreeMap;

use super::super::record::RecordState;
use super::super::record::tests::bound;
use super::super::wall::Wall;
use super::*;

fn rows(disk: &Disk) -> BTreeMap<Ipv4Addr, Record> {
    let rows = disk.page(Ipv4Addr::UNSPECIFIED, usize::MAX).expect("it can be read");
    rows.into_iter().map(|row| (row.address, row.record.expect("it is whole"))).collect()
}

fn numbers(disk: &Disk) -> Vec<u32> {
    rows(disk).keys().map(|address| address.to_bits() & 0xffff).collect()
}

/// A store with these leases, each committed alone, whose process ended without a word: the
/// database's own end is not played.
fn written(state: &Path, leases: std::ops::Range<u32>) {
    let mut disk = Disk::open(state).expect("a new store");
    for number in leases {
        disk.commit(&[bound(number)]).expect("there is room");
    }
}

fn journal(state: &Path) -> PathBuf {
    let mut journals = files(&state.join(FOLDER));
    journals.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    assert_eq!(journals.len(), 1);
    journals.remove(0)
}

/// In the log, before a record: its tag, type, compression, keyspace, lengths and key.
const ITEM_BYTES: usize = 3 + 8 + 10 + 4;

/// At the beginning of a commit: its tag, the number of items, and its own number.
const BEGIN_BYTES: usize = 13;

/// The place of the record of a lease in the log.
fn place(bytes: &[u8], number: u32) -> usize {
    let mut wanted = Vec::new();
    let origin = Origin { commit: 0, group: 1 };
    record::encode(&bound(number), origin, &mut wanted);
    let at = bytes.windows(8).position(|window| window == &wanted[..8]);
    at.expect("it is in the log")
}

#[test]
fn leases_survive() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = Disk::open(state.path()).expect("a new store");
    let key = disk.identifier_key().expect("there is room");
    assert_eq!(disk.identifier_key().expect("it is there"), key);
    let released =
        Record { state: RecordState::Released { at: Wall::from_seconds(9) }, ..bound(2) };
    disk.commit(&[bound(2), bound(1), released]).expect("there is room");
    disk.commit(&[bound(3)]).expect("there is room");
    disk.forget(&[bound(3).address]).expect("there is room");
    drop(disk);
    let disk = Disk::open(state.path()).expect("it is whole");
    assert_eq!(disk.commit_number(), 2);
    assert_eq!(numbers(&disk), [1, 2]);
    assert_eq!(disk.reader().count().expect("it can be read"), 2);
    assert_eq!(rows(&disk)[&released.address], released, "the later one counts");
    assert_eq!(disk.identifier_key().expect("it is there"), key);
    fs::write(state.path().join(IDENTITY), b"nonsense").expect("it is ours");
    assert!(matches!(disk.identifier_key(), Err(StoreError::Damaged(_))));
}

#[test]
fn pages_follow_each_other() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = Disk::open(state.path()).expect("a new store");
    let records: Vec<Record> = (0..250).map(bound).collect();
    disk.commit(&records).expect("there is room");
    let mut next = Some(Ipv4Addr::UNSPECIFIED);
    let mut seen = Vec::new();
    while let Some(from) = next {
        let page = disk.page(from, 100).expect("it can be read");
        next = super::super::load::following(&page, 100);
        seen.extend(page.into_iter().map(|row| row.address));
    }
    assert_eq!(seen, records.iter().map(|record| record.address).collect::<Vec<_>>());
}

#[test]
fn a_second_process_is_kept_out() {
    let state = tempfile::tempdir().expect("a folder");
    let _disk = Disk::open(state.path()).expect("a new store");
    assert!(matches!(Disk::open(state.path()), Err(StoreError::Locked)));
}

/// What was being written when the process was killed was not answered: it may go.
#[test]
fn a_torn_end_that_was_not_answered_is_cut_off() {
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..5);
    let path = journal(state.path());
    let bytes = fs::read(&path).expect("it is there");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written") + 1;
    let mut torn = bytes[..end].to_vec();
    torn.extend_from_slice(&bytes[..end.min(40)]);
    fs::write(&path, &torn).expect("it is ours");
    let disk = Disk::open(state.path()).expect("nothing is missed");
    assert_eq!(numbers(&disk), [0, 1, 2, 3, 4]);
}

/// The database takes the log up to the first place that it does not understand. What comes behind
/// it was answered, so it is taken from there all the same.
#[test]
fn a_damaged_log_loses_nothing_that_can_still_be_read() {
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..8);
    let path = journal(state.path());
    let mut bytes = fs::read(&path).expect("it is there");
    // The tag of lease 4 becomes one that does not exist.
    let tag = place(&bytes, 4) - ITEM_BYTES;
    assert_eq!(bytes[tag], 2, "the tag of an item");
    bytes[tag] = 0x77;
    fs::write(&path, &bytes).expect("it is ours");
    let disk = Disk::open(state.path()).expect("nothing is lost");
    assert_eq!(numbers(&disk), [0, 1, 2, 3, 4, 5, 6, 7]);
    drop(disk);
    let disk = Disk::open(state.path()).expect("it is whole again");
    assert_eq!(numbers(&disk).len(), 8);
}

#[test]
fn a_lease_that_is_lost_is_told_and_keeps_the_store_shut_until_it_is_repaired() {
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..8);
    let path = journal(state.path());
    let mut bytes = fs::read(&path).expect("it is there");
    let record = place(&bytes, 4);
    bytes[record - ITEM_BYTES] = 0x77;
    bytes[record + 30] ^= 1;
    fs::write(&path, &bytes).expect("it is ours");
    for _ in 0..2 {
        let error = Disk::open(state.path()).expect_err("a lease is missing");
        let text = error.to_string();
        assert!(text.contains("4 commits") && text.contains("1 record of them"), "{text}");
        assert!(error.help().expect("there is advice").contains("reveille leases repair"));
    }
    let repaired = repair(state.path()).expect("the disk is fine");
    assert_eq!((repaired.records, repaired.unreadable), (7, 0));
    assert!(repaired.kept.exists());
    let disk = Disk::open(state.path()).expect("it is new");
    assert_eq!(numbers(&disk), [0, 1, 2, 3, 5, 6, 7]);
}

#[test]
fn a_repair_that_was_cut_off_can_be_made_again() {
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..8);
    // The damaged store is away, and the new one has not taken its place.
    let fresh = state.path().join(FRESH);
    fs::create_dir(&fresh).expect("it is ours");
    fs::rename(state.path().join(FOLDER), fresh.join(FOLDER)).expect("it is ours");
    let error = Disk::open(state.path()).expect_err("nobody starts without the leases");
    assert!(error.help().expect("there is advice").contains("reveille leases repair"), "{error}");
    assert_eq!(repair(state.path()).expect("the disk is fine").records, 8);
    assert!(!fresh.exists());
    let disk = Disk::open(state.path()).expect("it is whole");
    assert_eq!(numbers(&disk), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_log_that_was_cut_is_told() {
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..8);
    let path = journal(state.path());
    let bytes = fs::read(&path).expect("it is there");
    let cut = place(&bytes, 6) - ITEM_BYTES - BEGIN_BYTES;
    fs::write(&path, &bytes[..cut]).expect("it is ours");
    let error = Disk::open(state.path()).expect_err("two leases are missing");
    assert!(error.to_string().contains("2 commits"), "{error}");
}

/// Names the store that this program is to open when it runs as a child of its own test.
const CHILD: &str = "REVEILLE_TEST_STORE";

/// Says how many leases the store has, whole and damaged.
fn look(state: &Path) -> Result<(usize, usize), StoreError> {
    let rows = Disk::open(state)?.page(Ipv4Addr::UNSPECIFIED, usize::MAX)?;
    let whole = rows.iter().filter(|row| row.record.is_ok()).count();
    Ok((whole, rows.len() - whole))
}

/// Any byte anywhere: every lease is there, whole or known to be damaged, or the store does not
/// open. A length that was made very large may even end the process, so each look has its own.
#[test]
fn no_flipped_byte_loses_a_lease_in_silence() {
    if let Some(state) = std::env::var_os(CHILD) {
        let looked = format!("looked: {:?}\n", look(Path::new(&state)));
        std::io::Write::write_all(&mut std::io::stdout(), looked.as_bytes()).expect("it is open");
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    written(state.path(), 0..6);
    // Settled into sorted files as well, with more in the log.
    let disk = Disk::open(state.path()).expect("it is whole");
    let handles = disk.open.handles().expect("it is open");
    handles.leases.rotate_memtable_and_wait().expect("there is room");
    drop((handles, disk));
    let mut disk = Disk::open(state.path()).expect("it is whole");
    disk.commit(&[bound(6), bound(7)]).expect("there is room");
    drop(disk);
    let mut random = {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize % below
        }
    };
    let originals = files(state.path());
    let (mut unharmed, mut told) = (0, 0);
    for round in 0..60 {
        let copy = tempfile::tempdir().expect("a folder");
        for path in &originals {
            let to = copy.path().join(path.strip_prefix(state.path()).expect("it lies below"));
            fs::create_dir_all(to.parent().expect("it has one")).expect("it is ours");
            fs::copy(path, to).expect("it is ours");
        }
        let targets = files(copy.path());
        let target = &targets[random(targets.len())];
        let mut bytes = fs::read(target).expect("it is there");
        if bytes.is_empty() {
            continue;
        }
        let (at, bit) = (random(bytes.len()), random(8));
        bytes[at] ^= 1 << bit;
        fs::write(target, &bytes).expect("it is ours");
        let mut child = std::process::Command::new(std::env::current_exe().expect("it has a name"));
        child.args([
            "--exact",
            "--nocapture",
            "store::disk::tests::no_flipped_byte_loses_a_lease_in_silence",
        ]);
        let output = child.env(CHILD, copy.path()).output().expect("it can run again");
        let said = String::from_utf8_lossy(&output.stdout);
        match said.lines().find_map(|line| line.strip_prefix("looked: ")) {
            Some("Ok((8, 0))") => unharmed += 1,
            Some("Ok((7, 1))") | None => told += 1,
            Some(looked) => {
                let target = target.display();
                assert!(
                    looked.starts_with("Err"),
                    "{round}: bit {bit} of byte {at} of {target}: {looked}"
                );
                told += 1;
            }
        }
    }
    assert!(unharmed > 3 && told > 10, "both happen: {unharmed} {told}");
}

#[test]
fn a_store_of_a_later_program_is_left_alone() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = Disk::open(state.path()).expect("a new store");
    disk.commit(&[bound(1)]).expect("there is room");
    disk.set_number("format", 2).expect("there is room");
    drop(disk);
    let error = Disk::open(state.path()).expect_err("it is of another program");
    assert!(error.to_string().contains("its format is 2"), "{error}");
}

#[test]
fn a_reader_reads_beside_the_writer_and_knows_when_it_is_shut() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = Disk::open(state.path()).expect("a new store");
    let reader = disk.reader();
    disk.commit(&[bound(1)]).expect("there is room");
    assert_eq!(reader.page(Ipv4Addr::UNSPECIFIED, 10).expect("it is open").len(), 1);
    disk.reopen().expect("nothing is wrong");
    assert_eq!(reader.page(Ipv4Addr::UNSPECIFIED, 10).expect("it is open").len(), 1);
    drop(disk);
    assert!(matches!(reader.page(Ipv4Addr::UNSPECIFIED, 10), Err(StoreError::Failed)));
}

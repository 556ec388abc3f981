//! Finds records in whatever is left of files, by what each record says of itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::record::{self, MAGIC, Origin, Record};

/// The latest whole record of each address, and what its commits should have had.
#[derive(Debug, Default)]
pub struct Salvage {
    latest: HashMap<Ipv4Addr, (u64, Record)>,
    /// Records of each commit: those that belong to it and the addresses found.
    commits: BTreeMap<u64, (u32, HashSet<Ipv4Addr>)>,
}

impl Salvage {
    /// Takes all whole records in `bytes`.
    pub fn scan(&mut self, bytes: &[u8]) {
        let mut at = 0;
        // Ends: every round goes on by at least a byte.
        while let Some(found) = find(&bytes[at..]) {
            at += found;
            let rest = &bytes[at..];
            let whole = record::length(rest)
                .and_then(|length| record::decode(rest.get(..length).unwrap_or(rest)));
            match whole {
                Ok((record, origin)) => {
                    self.take(record, origin);
                    // What follows may lie within a record that only looks whole: it has a
                    // checksum, so it does not.
                    at += record::length(rest).unwrap_or(1);
                }
                Err(_) => at += 1,
            }
        }
    }

    fn take(&mut self, record: Record, origin: Origin) {
        let (_, found) =
            self.commits.entry(origin.commit).or_insert((origin.group, HashSet::new()));
        found.insert(record.address);
        let newest = self.latest.get(&record.address).is_none_or(|(at, _)| *at <= origin.commit);
        if newest {
            self.latest.insert(record.address, (origin.commit, record));
        }
    }

    /// The latest record of each address that was written after the commit `have`, by address.
    pub fn newer_than(&self, have: u64) -> Vec<Record> {
        let newer = self.latest.values().filter(|(commit, _)| *commit > have);
        let mut records: Vec<Record> = newer.map(|(_, record)| *record).collect();
        records.sort_by_key(|record| record.address);
        records
    }

    /// Records of these commits that were not found, at least; of a commit that left no trace,
    /// one.
    pub fn missing(&self, commits: RangeInclusive<u64>) -> u64 {
        let wanted = commits.end().saturating_sub(*commits.start()) + 1;
        let mut missing = 0;
        let mut traced = 0;
        for (group, found) in self.commits.range(commits).map(|(_, commit)| commit) {
            traced += 1;
            missing += u64::from(*group).saturating_sub(found.len() as u64);
        }
        missing + (wanted - traced)
    }

    /// The number of the latest commit that left a trace.
    pub fn last_commit(&self) -> u64 {
        self.commits.last_key_value().map_or(0, |(commit, _)| *commit)
    }
}

/// Where the next record may begin.
fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| window == MAGIC)
}

/// What is not there need not be removed.
pub(super) fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::bound;
    use super::*;

    fn written(commits: &[&[u32]]) -> Vec<u8> {
        let mut bytes = vec![b'R'; 5];
        for (at, numbers) in commits.iter().enumerate() {
            let origin = Origin { commit: at as u64 + 1, group: numbers.len() as u32 };
            for number in *numbers {
                bytes.extend_from_slice(b"RVL\x01 noise RV");
                record::encode(&bound(*number), origin, &mut bytes);
            }
        }
        bytes
    }

    #[test]
    fn records_are_found_between_anything() {
        let bytes = written(&[&[1, 2], &[3], &[2]]);
        let mut salvage = Salvage::default();
        salvage.scan(&bytes);
        assert_eq!(salvage.missing(1..=3), 0);
        assert_eq!(salvage.missing(1..=5), 2);
        assert_eq!(salvage.last_commit(), 3);
        let addresses = |have| -> Vec<u8> {
            salvage.newer_than(have).iter().map(|record| record.address.octets()[3]).collect()
        };
        assert_eq!(addresses(0), [1, 2, 3]);
        assert_eq!(addresses(1), [2, 3]);
    }

    #[test]
    fn what_is_damaged_is_counted() {
        let bytes = written(&[&[1, 2, 3, 4]]);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            let mut salvage = Salvage::default();
            salvage.scan(&damaged);
            let found = salvage.newer_than(0).len() as u64;
            assert_eq!(found + salvage.missing(1..=1), 4, "byte {at}");
            assert!(found >= 3, "byte {at}");
        }
    }
}

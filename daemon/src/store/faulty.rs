//! A store in memory that fails when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::Ipv4Addr;

use super::record::Record;
use super::{Row, Store, StoreError};

/// What becomes of the next commit or attempt to reopen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing reaches the disk.
    Fails(io::ErrorKind),
    /// The records reach the disk and the sync fails: they are there after reopening.
    FailsLate(io::ErrorKind),
    /// Half of the records reach the disk, as after a cut in the middle of a write.
    Torn,
}

#[derive(Debug, Default)]
pub(crate) struct Faulty {
    pub(crate) rows: BTreeMap<Ipv4Addr, Record>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) groups: Vec<usize>,
    pub(crate) is_poisoned: bool,
}

impl Faulty {
    fn next(&mut self) -> Fault {
        self.faults.pop_front().unwrap_or(Fault::None)
    }

    fn write(&mut self, records: &[Record]) {
        self.rows.extend(records.iter().map(|record| (record.address, *record)));
    }
}

impl Store for Faulty {
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        assert!(!self.is_poisoned, "nothing is written between a failure and reopening");
        let fault = self.next();
        self.is_poisoned = fault != Fault::None;
        match fault {
            Fault::None => {
                self.write(records);
                self.groups.push(records.len());
                Ok(())
            }
            Fault::Fails(kind) => Err(io::Error::from(kind).into()),
            Fault::FailsLate(kind) => {
                self.write(records);
                Err(io::Error::from(kind).into())
            }
            Fault::Torn => {
                self.write(&records[..records.len() / 2]);
                Err(io::Error::from(io::ErrorKind::StorageFull).into())
            }
        }
    }

    fn forget(&mut self, addresses: &[Ipv4Addr]) -> Result<(), StoreError> {
        for address in addresses {
            self.rows.remove(address);
        }
        Ok(())
    }

    fn page(&self, from: Ipv4Addr, limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.rows.range(from..).take(limit);
        Ok(rows.map(|(address, record)| Row { address: *address, record: Ok(*record) }).collect())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        match self.next() {
            Fault::None => {
                self.is_poisoned = false;
                Ok(())
            }
            Fault::Fails(kind) | Fault::FailsLate(kind) => Err(io::Error::from(kind).into()),
            Fault::Torn => Err(StoreError::Damaged("it was torn".to_owned())),
        }
    }
}

//! A lease as it lies on the disk.
//!
//! Every record says itself what it is, whose it is and whether it is whole, so that one can be
//! told from garbage wherever it is found: in the store, or in what a broken disk left of it.

use std::net::Ipv4Addr;

use reveille_core::binding::{Binding, BindingState, ClientId};
use reveille_core::dhcp4::ClientKey;
use reveille_core::limits::DECLINE_HOLD;
use reveille_core::mac::MacAddr;
use reveille_core::text::Text;
use reveille_core::view::Subnet;
use xxhash_rust::xxh3::xxh3_64;

use super::wall::{Clocks, Wall};

/// What is kept about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The address.
    pub address: Ipv4Addr,
    /// Its network.
    pub subnet: Subnet,
    /// Whose it is or was last; `None` if it is nobody's.
    pub client: Option<ClientKey>,
    /// Option 61 as the client sent it, cut; may be empty.
    pub client_id: ClientId,
    /// The machine's name; may be empty.
    pub hostname: Text<64>,
    /// What holds it.
    pub state: RecordState,
}

/// What holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Lent.
    Bound {
        /// When it was lent or renewed last.
        since: Wall,
        /// When the lease ends.
        until: Wall,
    },
    /// Given back.
    Released {
        /// When.
        at: Wall,
    },
    /// In use by somebody whom we did not give it.
    Declined {
        /// When it may be tried again.
        until: Wall,
    },
}

impl RecordState {
    /// When nothing holds the address any more.
    pub const fn end(self) -> Wall {
        match self {
            Self::Bound { until, .. } | Self::Declined { until } => until,
            Self::Released { at } => at,
        }
    }
}

impl Record {
    /// What is to be kept of a binding, by the calendar.
    pub fn of(binding: &Binding, clocks: Clocks) -> Self {
        let state = match binding.state {
            BindingState::Bound { since, until } => {
                RecordState::Bound { since: clocks.wall(since), until: clocks.wall(until) }
            }
            BindingState::Released { at } => RecordState::Released { at: clocks.wall(at) },
            BindingState::Declined { until } => RecordState::Declined { until: clocks.wall(until) },
        };
        let Binding { address, subnet, client, client_id, hostname, .. } = *binding;
        Self { address, subnet, client, client_id, hostname, state }
    }

    /// The binding as the engines see it, who count from the start of the machine.
    pub fn binding(&self, clocks: Clocks) -> Binding {
        let state = match self.state {
            RecordState::Bound { since, until } => {
                // A clock that was behind when the lease was written, or is now, does not make the
                // lease longer than it was.
                let longest = clocks.wall.plus(until.saturating_since(since));
                let until = if until == Wall::NEVER { until } else { until.min(longest) };
                BindingState::Bound { since: clocks.instant(since), until: clocks.instant(until) }
            }
            RecordState::Released { at } => BindingState::Released { at: clocks.instant(at) },
            RecordState::Declined { until } => {
                // Nor does it keep an address out for longer than one rests.
                let longest = clocks.wall.plus(DECLINE_HOLD);
                let until = if until == Wall::NEVER { until } else { until.min(longest) };
                BindingState::Declined { until: clocks.instant(until) }
            }
        };
        let Self { address, subnet, client, client_id, hostname, .. } = *self;
        Binding { address, subnet, client, client_id, hostname, state }
    }
}

impl Record {
    /// The same with all times `by` nanoseconds later: the calendar was set.
    #[must_use]
    pub fn moved(self, by: i128) -> Self {
        let state = match self.state {
            RecordState::Bound { since, until } => {
                RecordState::Bound { since: since.moved(by), until: until.moved(by) }
            }
            RecordState::Released { at } => RecordState::Released { at: at.moved(by) },
            RecordState::Declined { until } => RecordState::Declined { until: until.moved(by) },
        };
        Self { state, ..self }
    }
}

/// In which commit a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The number of the commit; they count up from 1.
    pub commit: u64,
    /// Records that were committed together with it, itself included.
    pub group: u32,
}

/// What is not a whole record of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin like one.
    #[error("it is no record")]
    NoRecord,
    /// Written by another version.
    #[error("its version {0} is not known; this program knows {VERSION}")]
    Version(u8),
    /// Cut off, or longer than it says.
    #[error("it has {found} bytes instead of {wanted}")]
    Length {
        /// Bytes that it should have.
        wanted: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// Changed since it was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// Whole, but it says something that makes no sense.
    #[error("its {0} makes no sense")]
    Field(&'static str),
    /// Kept under another address than its own.
    #[error("it is the record of {0}")]
    Misplaced(Ipv4Addr),
}

/// The longest record.
pub const RECORD_BYTES_MAX: usize =
    HEAD_BYTES + ClientId::BYTES_MAX + HOSTNAME_BYTES_MAX + CHECKSUM_BYTES;

/// How every record begins, before its version.
pub const MAGIC: [u8; 3] = *b"RVL";

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = 8;
const HOSTNAME_BYTES_MAX: usize = 64;

const BOUND: u8 = 1;
const RELEASED: u8 = 2;
const DECLINED: u8 = 3;

const NOBODY: u8 = 0;
const MAC: u8 = 1;
const HASH: u8 = 2;

/// Writes `record` behind what is in `bytes`.
pub fn encode(record: &Record, origin: Origin, bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    let client_id = record.client_id.as_bytes();
    let hostname = record.hostname.as_str().as_bytes();
    let (state, since, until) = match record.state {
        RecordState::Bound { since, until } => (BOUND, since, until),
        RecordState::Released { at } => (RELEASED, at, at),
        RecordState::Declined { until } => (DECLINED, Wall::EPOCH, until),
    };
    let (kind, client) = match record.client {
        None => (NOBODY, [0; 16]),
        Some(ClientKey::Mac(MacAddr([a, b, c, d, e, f]))) => {
            (MAC, [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        Some(ClientKey::Other(hash)) => (HASH, hash),
    };
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&record.address.octets());
    bytes.extend_from_slice(&origin.commit.to_be_bytes());
    bytes.extend_from_slice(&origin.group.to_be_bytes());
    // Both are at most 64.
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap_or_default();
    bytes.extend_from_slice(&[state, kind, length(client_id), length(hostname)]);
    bytes.extend_from_slice(&client);
    bytes.extend_from_slice(&since.as_nanos().to_be_bytes());
    bytes.extend_from_slice(&until.as_nanos().to_be_bytes());
    bytes.extend_from_slice(&record.subnet.address.octets());
    bytes.extend_from_slice(&[record.subnet.prefix_len, 0, 0, 0]);
    assert_eq!(bytes.len() - begin, HEAD_BYTES, "the head has fixed places");
    bytes.extend_from_slice(client_id);
    bytes.extend_from_slice(hostname);
    let checksum = xxh3_64(&bytes[begin..]);
    bytes.extend_from_slice(&checksum.to_be_bytes());
}

/// Reads a record that fills `bytes`.
///
/// # Errors
/// What is wrong with it; nothing of it is to be trusted then.
pub fn decode(bytes: &[u8]) -> Result<(Record, Origin), Damage> {
    let length = length(bytes)?;
    if bytes.len() != length {
        return Err(Damage::Length { wanted: length, found: bytes.len() });
    }
    let (content, checksum) = bytes.split_at(length - CHECKSUM_BYTES);
    if checksum != xxh3_64(content).to_be_bytes() {
        return Err(Damage::Checksum);
    }
    let (head, texts) = content.split_at(HEAD_BYTES);
    let (client_id, hostname) = texts.split_at(usize::from(head[22]));
    let word = |at: usize| u64::from_be_bytes(fixed(head, at));
    let address = |at: usize| Ipv4Addr::from(fixed::<4>(head, at));
    let (since, until) = (Wall::from_nanos(word(40)), Wall::from_nanos(word(48)));
    let state = match head[20] {
        BOUND => RecordState::Bound { since, until },
        RELEASED => RecordState::Released { at: since },
        DECLINED => RecordState::Declined { until },
        _ => return Err(Damage::Field("state")),
    };
    let client = match head[21] {
        NOBODY => None,
        MAC => Some(ClientKey::Mac(MacAddr(fixed(head, 24)))),
        HASH => Some(ClientKey::Other(fixed(head, 24))),
        _ => return Err(Damage::Field("client")),
    };
    let prefix_len = head[60];
    if prefix_len > 32 {
        return Err(Damage::Field("network"));
    }
    let record = Record {
        address: address(4),
        subnet: Subnet { address: address(56), prefix_len },
        client,
        client_id: ClientId::cut(client_id),
        hostname: Text::sanitised(hostname),
        state,
    };
    Ok((record, Origin { commit: word(8), group: u32::from_be_bytes(fixed(head, 16)) }))
}

/// How long the record is that begins with `bytes`, by what it says itself.
///
/// # Errors
/// If that is no record, or its head is cut off.
pub fn length(bytes: &[u8]) -> Result<usize, Damage> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Damage::NoRecord);
    }
    match bytes.get(MAGIC.len()) {
        Some(&VERSION) => {}
        Some(&other) => return Err(Damage::Version(other)),
        None => return Err(Damage::NoRecord),
    }
    let least = HEAD_BYTES + CHECKSUM_BYTES;
    if bytes.len() < least {
        return Err(Damage::Length { wanted: least, found: bytes.len() });
    }
    let (client_id, hostname) = (usize::from(bytes[22]), usize::from(bytes[23]));
    if client_id > ClientId::BYTES_MAX || hostname > HOSTNAME_BYTES_MAX {
        return Err(Damage::Field("length"));
    }
    Ok(least + client_id + hostname)
}

/// Bytes at a place that is known to be there.
fn fixed<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use reveille_core::time::Instant;

    use super::*;

    /// A lease of the client with this number.
    pub(crate) fn bound(number: u32) -> Record {
        let [a, b, c, d] = number.to_be_bytes();
        Record {
            address: Ipv4Addr::from_bits(0x0a00_0000 | number),
            subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 8 },
            client: Some(ClientKey::Mac(MacAddr([2, 0, a, b, c, d]))),
            client_id: ClientId::EMPTY,
            hostname: Text::sanitised(format!("n{number}").as_bytes()),
            state: RecordState::Bound {
                since: Wall::from_seconds(1_700_000_000),
                until: Wall::from_seconds(1_700_001_800),
            },
        }
    }

    const ORIGIN: Origin = Origin { commit: 7, group: 3 };

    fn encoded(record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, ORIGIN, &mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let mut record = bound(17);
        for state in [
            record.state,
            RecordState::Bound { since: Wall::from_seconds(1), until: Wall::NEVER },
            RecordState::Released { at: Wall::from_seconds(2) },
            RecordState::Declined { until: Wall::from_seconds(3) },
        ] {
            record.state = state;
            record.client_id = ClientId::cut(&[0xff; 64]);
            assert_eq!(decode(&encoded(&record)), Ok((record, ORIGIN)));
            record.client = Some(ClientKey::Other([9; 16]));
            record.hostname = Text::sanitised(&[b'x'; 64]);
            let bytes = encoded(&record);
            assert_eq!(bytes.len(), RECORD_BYTES_MAX);
            assert_eq!(decode(&bytes), Ok((record, ORIGIN)));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes = encoded(&bound(1));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_lease_longer() {
        let clocks = Clocks {
            wall: Wall::from_seconds(1_600_000_000),
            monotonic: Instant::from_nanos(5_000_000_000),
        };
        let record = bound(1);
        let BindingState::Bound { until, .. } = record.binding(clocks).state else { panic!() };
        assert_eq!(until.saturating_since(clocks.monotonic), Duration::from_secs(1800));
        let later = Clocks { wall: Wall::from_seconds(1_700_001_000), ..clocks };
        let binding = record.binding(later);
        let BindingState::Bound { since, until } = binding.state else { panic!() };
        assert_eq!(until.saturating_since(clocks.monotonic), Duration::from_secs(800));
        assert_eq!(since, Instant::ZERO, "before the machine was started");
        let infinite = RecordState::Bound { since: Wall::from_seconds(1), until: Wall::NEVER };
        let infinite = Record { state: infinite, ..record };
        let BindingState::Bound { until, .. } = infinite.binding(later).state else { panic!() };
        assert_eq!(until, Instant::MAX);
        assert_eq!(Record::of(&infinite.binding(later), later).state.end(), Wall::NEVER);
    }

    #[test]
    fn other_versions_are_named() {
        let mut bytes = encoded(&bound(1));
        bytes[3] = 9;
        let damage = decode(&bytes).unwrap_err();
        assert_eq!(damage, Damage::Version(9));
        assert_eq!(damage.to_string(), "its version 9 is not known; this program knows 1");
    }
}

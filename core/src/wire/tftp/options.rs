//! The options of requests and OACKs.

use super::{BLOCK_SIZE_MAX, BLOCK_SIZE_MIN};

/// An option that the codec knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionName {
    /// `blksize` (RFC 2348).
    BlockSize,
    /// `timeout` (RFC 2349 §2).
    Timeout,
    /// `tsize` (RFC 2349 §3).
    TransferSize,
    /// `windowsize` (RFC 7440).
    WindowSize,
}

impl OptionName {
    /// Every known option.
    pub const ALL: [Self; 4] =
        [Self::BlockSize, Self::Timeout, Self::TransferSize, Self::WindowSize];

    /// The name on the wire, in lower case, because GRUB compares it so.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlockSize => "blksize",
            Self::Timeout => "timeout",
            Self::TransferSize => "tsize",
            Self::WindowSize => "windowsize",
        }
    }

    /// The option with this name in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|option| option.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A set of known options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionSet(u8);

impl OptionSet {
    /// Whether `name` is in the set.
    pub const fn contains(self, name: OptionName) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// Adds `name`; whether it was new.
    pub const fn insert(&mut self, name: OptionName) -> bool {
        let new = !self.contains(name);
        self.0 |= Self::bit(name);
        new
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn bit(name: OptionName) -> u8 {
        match name {
            OptionName::BlockSize => 1,
            OptionName::Timeout => 2,
            OptionName::TransferSize => 4,
            OptionName::WindowSize => 8,
        }
    }
}

/// Option values, and the order in which they were asked for.
///
/// The answer to a request is the request's options with values lowered or taken out:
/// [`super::emit_option_ack`] keeps the order and cannot add what was not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferOptions {
    /// `blksize` in bytes, [`BLOCK_SIZE_MIN`] to [`BLOCK_SIZE_MAX`]; a larger request counts as
    /// the largest, because an answer may be smaller.
    pub block_size: Option<u16>,
    /// `timeout` in seconds, 1 to 255; an answer must repeat it or leave it out.
    pub timeout_s: Option<u8>,
    /// `tsize` in bytes; 0 in a read request asks for the size.
    pub transfer_size: Option<u64>,
    /// `windowsize` in blocks, 1 to 65535; a larger request counts as the largest.
    pub window_size: Option<u16>,
    /// Known options whose value was no number in range; they count as not sent.
    pub malformed: OptionSet,
    /// How many options were not known.
    pub unknown_count: u8,
    order: [Option<OptionName>; 4],
    seen: OptionSet,
}

impl TransferOptions {
    /// The known, well-formed options in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = (OptionName, u64)> + use<> {
        let options = *self;
        self.order.into_iter().flatten().filter_map(move |name| Some((name, options.value(name)?)))
    }

    /// The value of one option.
    pub fn value(&self, name: OptionName) -> Option<u64> {
        match name {
            OptionName::BlockSize => self.block_size.map(u64::from),
            OptionName::Timeout => self.timeout_s.map(u64::from),
            OptionName::TransferSize => self.transfer_size,
            OptionName::WindowSize => self.window_size.map(u64::from),
        }
    }

    /// Whether no option has a value, so that there is nothing to acknowledge.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds an option at the end, as a client does; a second value of the same option is ignored.
    #[must_use]
    pub fn with(mut self, name: OptionName, value: u64) -> Self {
        self.add(name, Some(value));
        self
    }

    /// Takes in a name and a value from the wire.
    pub(super) fn read(&mut self, name: &[u8], value: &[u8]) {
        match OptionName::from_name(name) {
            Some(name) => self.add(name, decimal(value)),
            None => self.unknown_count = self.unknown_count.saturating_add(1),
        }
    }

    /// The first of duplicates counts, as RFC 2347 allows an option only once.
    fn add(&mut self, name: OptionName, value: Option<u64>) {
        if !self.seen.insert(name) {
            return;
        }
        let accepted = value.is_some_and(|value| self.set(name, value));
        if !accepted {
            self.malformed.insert(name);
        } else if let Some(slot) = self.order.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(name);
        }
    }

    fn set(&mut self, name: OptionName, value: u64) -> bool {
        match name {
            OptionName::BlockSize if value >= u64::from(BLOCK_SIZE_MIN) => {
                let size = u16::try_from(value).unwrap_or(BLOCK_SIZE_MAX);
                self.block_size = Some(size.min(BLOCK_SIZE_MAX));
            }
            OptionName::Timeout if (1..=255).contains(&value) => {
                self.timeout_s = u8::try_from(value).ok();
            }
            OptionName::TransferSize => self.transfer_size = Some(value),
            OptionName::WindowSize if value >= 1 => {
                self.window_size = Some(u16::try_from(value).unwrap_or(u16::MAX));
            }
            OptionName::BlockSize | OptionName::Timeout | OptionName::WindowSize => return false,
        }
        true
    }
}

/// A decimal number of digits only.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

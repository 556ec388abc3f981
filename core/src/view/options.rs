//! Options that the configuration gives to clients.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::wire::dhcp4::CodeSet;

/// An option as it goes out, checked against its type when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionValue {
    /// Its code.
    pub code: u8,
    /// Its value on the wire, at most 255 bytes.
    pub bytes: Box<[u8]>,
    /// Whether it is sent to clients that do not ask for it (option 55), too.
    pub always: bool,
    /// Whether it takes the place of what the server itself would say under this code.
    pub replaces: bool,
}

/// The options of one level of the configuration, each code once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionSet {
    /// In ascending order of the codes.
    values: Vec<OptionValue>,
    codes: CodeSet,
    always: CodeSet,
    replaced: CodeSet,
}

impl OptionSet {
    /// The option `code`.
    pub fn find(&self, code: u8) -> Option<&OptionValue> {
        if !self.codes.contains(code) {
            return None;
        }
        let at = self.values.binary_search_by_key(&code, |value| value.code).ok()?;
        self.values.get(at)
    }

    /// The codes that clients get unasked.
    pub const fn always(&self) -> CodeSet {
        self.always
    }

    /// The codes of all of them.
    pub const fn codes(&self) -> CodeSet {
        self.codes
    }

    /// The codes that take the place of the server's own.
    pub const fn replaced(&self) -> CodeSet {
        self.replaced
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of them, in ascending order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = &OptionValue> {
        self.values.iter()
    }
}

impl FromIterator<OptionValue> for OptionSet {
    /// Of two with one code the first stays.
    fn from_iter<I: IntoIterator<Item = OptionValue>>(values: I) -> Self {
        let mut set = Self { values: values.into_iter().collect(), ..Self::default() };
        set.values.sort_by_key(|value| value.code);
        set.values.dedup_by_key(|value| value.code);
        for value in &set.values {
            set.codes.insert(value.code);
            if value.replaces {
                set.replaced.insert(value.code);
            }
            if value.always {
                set.always.insert(value.code);
            }
        }
        set
    }
}

//! Options that clients get: `options = { … }` at every level, and `[[option]]` for new ones.

mod encode;
mod table;

use std::collections::HashMap;

use reveille_core::view::{OptionValue, Pattern};
use toml::de::DeValue;

use super::reader::{Fault, Table};
use crate::problem::{Place, Problem, choices};

pub(super) use encode::{address, octets};
pub use table::{Definition, Kind};
use table::{OWN, STANDARD};

/// The name of a standard option.
pub(crate) fn name(code: u8) -> Option<&'static str> {
    let standard = STANDARD.iter().map(|(code, name, _)| (*code, *name));
    let own = OWN.iter().map(|(code, name, _)| (*code, *name));
    standard.chain(own).find(|(known, _)| *known == code).map(|(_, name)| name)
}

/// The options that can be said: the standard ones, and those of the operator.
pub(super) struct Definitions {
    by_name: HashMap<String, (u8, Kind)>,
    by_code: HashMap<u8, Kind>,
}

impl Definitions {
    /// The standard ones.
    pub(super) fn standard() -> Self {
        Self {
            by_name: STANDARD
                .iter()
                .map(|(code, name, kind)| (key(name), (*code, *kind)))
                .collect(),
            by_code: STANDARD.iter().map(|(code, _, kind)| (*code, *kind)).collect(),
        }
    }

    /// Adds what an `[[option]]` defines.
    pub(super) fn define(&mut self, table: Table<'_>) {
        let name = table.text("name");
        let code = table.number::<u8>("code", 1, 254);
        let kind = table.read("type", |text| {
            let known = Kind::NAMED.iter().find(|(name, _)| *name == text);
            known.map(|(_, kind)| *kind).ok_or_else(|| {
                let names = Kind::NAMED.iter().map(|(name, _)| *name);
                (format!("there is no type `{text}`"), Some(choices(text, names)))
            })
        });
        if let (Some(code), Some(kind)) = (code, kind) {
            if let Some((_, own, why)) = OWN.iter().find(|(own, _, _)| *own == code) {
                let what = format!("option {code} ({own}) cannot be defined anew");
                table.blame(Problem::error(table.place.key("code"), what).help(*why));
            } else {
                self.by_code.insert(code, kind);
            }
            if let Some(name) = name {
                let taken = self.by_name.get(&key(name.text)).is_some_and(|old| old.0 != code);
                if taken {
                    let what = format!("another option has the name `{}`", name.text);
                    table.blame(Problem::error(name.place, what));
                } else {
                    self.by_name.insert(key(name.text), (code, kind));
                }
            }
        } else {
            let what = "an option is defined by its code and the type of its value";
            let help = r#"name = "site-mirror", code = 224, type = "ips""#;
            table.blame(Problem::error(table.place.clone(), what).help(help));
        }
        table.finish();
    }

    /// What a name or number means.
    fn find(&self, name: &str) -> Result<(u8, Kind), Fault> {
        let own = |code: Option<u8>| {
            OWN.iter().find(|(own, known, _)| Some(*own) == code || key(known) == key(name))
        };
        let number = name.parse::<u8>().ok();
        if let Some((code, known, why)) = own(number) {
            let what = format!("option {code} ({known}) cannot be configured");
            return Err((what, Some((*why).to_owned())));
        }
        if let Some(code) = number {
            // Without a type the bytes themselves are written.
            return Ok((code, self.by_code.get(&code).copied().unwrap_or(Kind::Hex)));
        }
        self.by_name.get(&key(name)).copied().ok_or_else(|| {
            let names = STANDARD.iter().map(|(_, name, _)| *name);
            let near =
                crate::problem::nearest(name, names.chain(self.by_name.keys().map(|k| &**k)));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "options are told by number, by the name that Kea and ISC dhcpd use, or by \
                         an [[option]] of your own"
                        .to_owned()
                }
            };
            (format!("there is no option `{name}`"), Some(help))
        })
    }

    /// The options of a table, as they go out.
    pub(super) fn read(&self, table: &Table<'_>) -> Vec<OptionValue> {
        let mut values: Vec<(OptionValue, Place)> = Vec::new();
        for (name, value, place) in table.entries() {
            let read = self.find(name).and_then(|(code, kind)| value_of(code, kind, value));
            let read = match read {
                Ok(read) => read,
                Err((what, help)) => {
                    table.blame(Problem { help, ..Problem::error(place, what) });
                    continue;
                }
            };
            if let Some((_, other)) = values.iter().find(|(other, _)| other.code == read.code) {
                let what = format!("option {} is said twice", read.code);
                table.blame(Problem::error(place, what).related(other.clone(), "here, too"));
            } else {
                values.push((read, place));
            }
        }
        values.into_iter().map(|(value, _)| value).collect()
    }

    /// What an option of a client must be, for the condition of a class.
    pub(super) fn pattern(&self, name: &str, value: &DeValue<'_>) -> Result<(u8, Test), Fault> {
        let own = |(code, known, _): &&(u8, &str, &str)| {
            name.parse() == Ok(*code) || key(known) == key(name)
        };
        // What only clients send can be asked for all the same.
        let (code, kind) = match OWN.iter().find(own) {
            Some((code, _, _)) => (*code, Kind::Hex),
            None => self.find(name)?,
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken as they are")]
        let test = match value {
            DeValue::Boolean(true) if kind != Kind::Bool => Test::Is(Pattern::Present),
            DeValue::Boolean(false) if kind != Kind::Bool => Test::Missing,
            DeValue::String(text) if matches!(kind, Kind::Hex | Kind::Text | Kind::Suboptions) => {
                Test::Is(pattern(text)?)
            }
            value => Test::Is(Pattern::Exactly(encode::encode(kind, value)?.into())),
        };
        Ok((code, test))
    }
}

/// A test on an option.
pub(super) enum Test {
    /// It is there and fits.
    Is(Pattern),
    /// It is not there.
    Missing,
}

/// `*` is anything, `abc*` and `0x0102*` what begins so.
pub(super) fn pattern(text: &str) -> Result<Pattern, Fault> {
    match text.strip_suffix('*') {
        Some("") => Ok(Pattern::Present),
        Some(prefix) => Ok(Pattern::Prefix(octets(prefix)?.into())),
        None => Ok(Pattern::Exactly(octets(text)?.into())),
    }
}

/// Names are compared without regard to case and to how their words are joined.
fn key(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// A value alone, or `{ value = …, always = true, replace = true }`.
fn value_of(code: u8, kind: Kind, value: &DeValue<'_>) -> Result<OptionValue, Fault> {
    let mut option = OptionValue { code, bytes: Box::default(), always: false, replaces: false };
    let wrapped = value.as_table().filter(|table| table.contains_key("value"));
    let Some(table) = wrapped else {
        option.bytes = encode::encode(kind, value)?.into();
        return Ok(option);
    };
    for (name, value) in table {
        let value = value.get_ref();
        let flag =
            || value.as_bool().ok_or_else(|| ("true or false belongs here".to_owned(), None));
        match &**name.get_ref() {
            "value" => option.bytes = encode::encode(kind, value)?.into(),
            "always" => option.always = flag()?,
            "replace" => option.replaces = flag()?,
            other => {
                let help = choices(other, ["value", "always", "replace"]);
                return Err((format!("there is no key `{other}` in an option"), Some(help)));
            }
        }
    }
    Ok(option)
}

//! A table of the file, read key by key: what has the wrong type or is left over is a problem.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem, choices};

/// Where problems are collected while a file is read.
pub(super) type Problems = RefCell<Vec<Problem>>;

/// A table, and which of its keys were asked for.
pub(super) struct Table<'f> {
    entries: &'f DeTable<'f>,
    pub(super) place: Place,
    /// How the file writes it: `[[network]]`.
    header: &'static str,
    known: RefCell<Vec<&'static str>>,
    pub(super) problems: &'f Problems,
}

/// A text and where it is.
pub(super) struct Text<'f> {
    pub(super) text: &'f str,
    pub(super) place: Place,
}

/// What stands where texts and tables may.
pub(super) enum Item<'f> {
    /// A text.
    Text(Text<'f>),
    /// A table.
    Table(Table<'f>),
}

/// What is wrong with a text, and advice if there is any.
pub(super) type Fault = (String, Option<String>);

impl<'f> Table<'f> {
    pub(super) fn new(
        entries: &'f DeTable<'f>,
        place: Place,
        header: &'static str,
        problems: &'f Problems,
    ) -> Self {
        Self { entries, place, header, known: RefCell::default(), problems }
    }

    pub(super) fn blame(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn value(&self, key: &'static str) -> Option<(&'f DeValue<'f>, Place)> {
        self.known.borrow_mut().push(key);
        Some((self.entries.get(key)?.get_ref(), self.place.key(key)))
    }

    fn blame_type(&self, place: Place, value: &DeValue<'_>, wanted: &str) {
        let is = match value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.blame(Problem::error(place, format!("{wanted} belongs here, not {is}")));
    }

    fn as_text(&self, value: &'f DeValue<'f>, place: Place) -> Option<Text<'f>> {
        let Some(text) = value.as_str() else {
            self.blame_type(place, value, "a text in quotes");
            return None;
        };
        Some(Text { text, place })
    }

    /// A text, perhaps of several lines.
    pub(super) fn lines(&self, key: &'static str) -> Option<Text<'f>> {
        let (value, place) = self.value(key)?;
        self.as_text(value, place)
    }

    /// A text without control characters.
    pub(super) fn text(&self, key: &'static str) -> Option<Text<'f>> {
        self.lines(key).filter(|text| self.is_plain(text))
    }

    fn is_plain(&self, text: &Text<'_>) -> bool {
        let plain = !text.text.chars().any(char::is_control);
        if !plain {
            self.blame(Problem::error(text.place.clone(), "control characters cannot stand here"));
        }
        plain
    }

    /// A text or a list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Text<'f>> {
        let Some((value, place)) = self.value(key) else { return Vec::new() };
        let texts: Vec<Text<'f>> = match value.as_array() {
            Some(list) => list
                .iter()
                .enumerate()
                .filter_map(|(at, value)| self.as_text(value.get_ref(), place.index(at)))
                .collect(),
            None => self.as_text(value, place).into_iter().collect(),
        };
        texts.into_iter().filter(|text| self.is_plain(text)).collect()
    }

    /// What is at `key`: texts and tables, alone or in a list.
    pub(super) fn items(&self, key: &'static str, header: &'static str) -> Vec<Item<'f>> {
        let Some((value, place)) = self.value(key) else { return Vec::new() };
        let item = |value: &'f DeValue<'f>, place: Place| match value.as_table() {
            Some(entries) => Some(Item::Table(Self::new(entries, place, header, self.problems))),
            None => self.as_text(value, place).filter(|text| self.is_plain(text)).map(Item::Text),
        };
        match value.as_array() {
            Some(list) => list
                .iter()
                .enumerate()
                .filter_map(|(at, value)| item(value.get_ref(), place.index(at)))
                .collect(),
            None => item(value, place).into_iter().collect(),
        }
    }

    /// What `read` makes of a text.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        self.read_text(&self.text(key)?, read)
    }

    /// What `read` makes of a text or of each text of a list.
    pub(super) fn read_all<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Vec<T> {
        self.texts(key).iter().filter_map(|text| self.read_text(text, &read)).collect()
    }

    pub(super) fn read_text<T>(
        &self,
        text: &Text<'_>,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        read(text.text)
            .map_err(|(what, help)| {
                self.blame(Problem { help, ..Problem::error(text.place.clone(), what) });
            })
            .ok()
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let (value, place) = self.value(key)?;
        if value.as_bool().is_none() {
            self.blame_type(place, value, "true or false");
        }
        value.as_bool()
    }

    /// A number between `least` and `most`.
    pub(super) fn number<N>(&self, key: &'static str, least: N, most: N) -> Option<N>
    where
        N: FromStr + PartialOrd + Display,
    {
        let (value, place) = self.value(key)?;
        let Some(number) = value.as_integer() else {
            self.blame_type(place, value, "a whole number");
            return None;
        };
        let decimal = i128::from_str_radix(number.as_str(), number.radix()).ok();
        let number = decimal.and_then(|number| number.to_string().parse::<N>().ok());
        let number = number.filter(|number| (&least..=&most).contains(&number));
        if number.is_none() {
            let what = format!("a number from {least} to {most} belongs here");
            self.blame(Problem::error(place, what));
        }
        number
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &'static str, header: &'static str) -> Option<Self> {
        let (value, place) = self.value(key)?;
        let Some(entries) = value.as_table() else {
            self.blame_type(place, value, "a table");
            return None;
        };
        Some(Self::new(entries, place, header, self.problems))
    }

    /// A list of tables; one alone is a list of one.
    pub(super) fn tables(&self, key: &'static str, header: &'static str) -> Vec<Self> {
        let Some((value, place)) = self.value(key) else { return Vec::new() };
        let (list, single) = match (value.as_array(), value.as_table()) {
            (Some(list), _) => (list.iter().map(|value| value.get_ref()).collect(), false),
            (None, Some(_)) => (vec![value], true),
            (None, None) => {
                self.blame_type(place, value, header);
                return Vec::new();
            }
        };
        let list: Vec<&DeValue<'_>> = list;
        let tables = list.into_iter().enumerate().filter_map(|(at, value)| {
            let place = if single { place.clone() } else { place.index(at) };
            if let Some(entries) = value.as_table() {
                return Some(Self::new(entries, place, header, self.problems));
            }
            self.blame_type(place, value, "a table");
            None
        });
        tables.collect()
    }

    /// All entries, for tables whose keys are the operator's.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'f str, &'f DeValue<'f>, Place)> {
        self.entries
            .iter()
            .map(|(key, value)| (&**key.get_ref(), value.get_ref(), self.place.key(key.get_ref())))
    }

    /// Blames keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.entries.keys() {
            let (key, bytes) = (&**key.get_ref(), key.span());
            if known.contains(&key) {
                continue;
            }
            let what = match self.header {
                "" => format!("there is no key or table `{key}`"),
                header => format!("there is no key `{key}` in {header}"),
            };
            let help = choices(key, known.iter().copied());
            self.blame(Problem::error(Place::bytes(bytes), what).help(help));
        }
    }
}

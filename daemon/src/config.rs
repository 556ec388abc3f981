//! The configuration file: TOML, read completely before anything is said about it.
//!
//! All problems of a file come in one go, each with file, line, the line itself with the place
//! marked, and what to do. What the file means is a [`Site`]; whether a host can serve it is
//! found out by [`crate::view::build`], whose problems the same [`Source`] puts into the text.

mod classes;
pub mod duration;
mod firmware;
mod options;
pub mod rate;
mod reader;
mod source;
mod tables;

use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use toml::de::DeTable;

use crate::problem::{Place, Problem};
use crate::site::Site;

pub(crate) use firmware::FIRMWARE;
pub(crate) use options::name as option_name;
pub use options::{Definition, Kind};
pub use source::Source;

/// A file that was understood.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What it means.
    pub site: Site,
    /// Its text, to show problems in.
    pub source: Source,
}

/// A file that was not.
#[derive(Clone, Debug)]
pub struct Failure {
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
    /// Its text, to show problems in.
    pub source: Source,
}

impl Failure {
    /// The problems as a person reads them.
    pub fn report(&self, colour: bool) -> String {
        self.source.report(&self.problems, colour)
    }
}

/// Reads a file. Paths in it are relative to its folder.
///
/// # Errors
/// All problems of the file, or the one that it cannot be read.
pub fn load(path: &Path) -> Result<Configuration, Box<Failure>> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(path, text),
            Err(error) => Err(Box::new(not_a_text(path, &error))),
        },
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let problem = if missing {
                Problem::error(Place::top(), format!("there is no file {}", path.display()))
                    .help("name another one with --config FILE")
            } else {
                Problem::error(Place::top(), format!("cannot read {}: {error}", path.display()))
            };
            let source = Source::without_text(path);
            Err(Box::new(Failure { problems: vec![problem], source }))
        }
    }
}

/// The failure of a file that is no text: its first byte that cannot be one.
fn not_a_text(path: &Path, error: &FromUtf8Error) -> Failure {
    let at = error.utf8_error().valid_up_to();
    // Up to there the text shown has the same bytes; there it has a mark of three.
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let problem = Problem::error(Place::bytes(at..at + 3), "this is no text in UTF-8")
        .help("save the file as UTF-8");
    let (nothing, _) = DeTable::parse_recoverable("");
    Failure { problems: vec![problem], source: Source::new(path, text, nothing.get_ref()) }
}

/// Reads `text` as if it were the content of the file `path`.
///
/// # Errors
/// All problems of the text.
pub fn parse(path: &Path, text: String) -> Result<Configuration, Box<Failure>> {
    let (table, errors) = DeTable::parse_recoverable(&text);
    let mut source = Source::new(path, text.clone(), table.get_ref());
    if !errors.is_empty() {
        // What is understood of a broken file would only be blamed for what is missing.
        let problems = errors.iter().map(|error| {
            let place = error.span().map_or_else(Place::top, Place::bytes);
            let mut words = error.message().lines();
            let problem = Problem::error(place, words.next().unwrap_or("not TOML"));
            match words.next() {
                Some(more) => problem.help(more),
                None => problem,
            }
        });
        let problems = problems.collect();
        return Err(Box::new(Failure { problems, source }));
    }
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let reading = tables::read(table.get_ref(), &folder);
    for (place, path, text) in reading.scripts {
        source.attach(place, path, text);
    }
    if reading.problems.is_empty() {
        Ok(Configuration { site: reading.site, source })
    } else {
        Err(Box::new(Failure { problems: reading.problems, source }))
    }
}

/// What became of a file's tables.
#[derive(Debug, Default)]
struct Reading {
    site: Site,
    problems: Vec<Problem>,
    /// Texts that were read from files of their own, and the entries that named them.
    scripts: Vec<(Place, PathBuf, String)>,
}

#[cfg(test)]
mod tests;

//! The text of a configuration: finds the bytes of an entry and shows problems in it.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem, Severity, Step};
use crate::units::Count;

/// Problems shown one by one; nobody reads more before putting the first ones right.
const SHOWN_MAX: usize = 50;

/// A configuration file's text, and where in it each entry is.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    entries: HashMap<Vec<Step>, Entry>,
    /// Files that entries name, whose own text is what problems are about.
    attached: HashMap<Vec<Step>, (PathBuf, String)>,
}

/// An entry of the file.
#[derive(Clone, Debug)]
struct Entry {
    /// Bytes of its value; of a table its header.
    value: Range<usize>,
    /// The value, if it is a text.
    text: Option<String>,
}

impl Source {
    pub(super) fn without_text(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            text: String::new(),
            entries: HashMap::new(),
            attached: HashMap::new(),
        }
    }

    pub(super) fn new(path: &Path, text: String, table: &DeTable<'_>) -> Self {
        let mut source = Self { text, ..Self::without_text(path) };
        source.enter_table(&Place::top(), table);
        source
    }

    pub(super) fn attach(&mut self, place: Place, path: PathBuf, text: String) {
        self.attached.insert(place.steps, (path, text));
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn enter_table(&mut self, place: &Place, table: &DeTable<'_>) {
        for (key, value) in table {
            let place = place.key(key.get_ref());
            self.enter(&place, value.span(), value.get_ref());
        }
    }

    fn enter(&mut self, place: &Place, span: Range<usize>, value: &DeValue<'_>) {
        let text = value.as_str().map(str::to_owned);
        self.entries.insert(place.steps.clone(), Entry { value: span, text });
        if let Some(table) = value.as_table() {
            self.enter_table(place, table);
        }
        for (at, value) in value.as_array().into_iter().flatten().enumerate() {
            self.enter(&place.index(at), value.span(), value.get_ref());
        }
    }

    /// All problems in the order of the file, as a person reads them, and how many there are.
    pub fn report(&self, problems: &[Problem], colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut report = String::new();
        let mut ordered: Vec<&Problem> = problems.iter().collect();
        ordered.sort_by_key(|problem| self.find(&problem.place).map(|found| found.bytes.start));
        for problem in ordered.iter().take(SHOWN_MAX) {
            // Writing to a string cannot fail.
            writeln!(report, "{}\n", renderer.render(&[self.group(problem)])).unwrap_or_default();
        }
        if ordered.len() > SHOWN_MAX {
            let more = ordered.len() - SHOWN_MAX;
            writeln!(report, "and {more} more\n").unwrap_or_default();
        }
        let count = |severity| problems.iter().filter(|p| p.severity == severity).count() as u64;
        let errors = Count(count(Severity::Error), "error");
        let warnings = Count(count(Severity::Warning), "warning");
        let sum = match (errors.0, warnings.0) {
            (_, 0) => errors.to_string(),
            (0, _) => warnings.to_string(),
            _ => format!("{errors}, {warnings}"),
        };
        report + &format!("{}: {sum}", self.path.display())
    }

    fn group<'p>(&'p self, problem: &'p Problem) -> Group<'p> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&*problem.what));
        let primary = self.find(&problem.place);
        let related = problem.related.as_ref().map(|(place, why)| (self.find(place), why));
        if let Some(found) = &primary {
            let label = (!problem.label.is_empty()).then_some(&*problem.label);
            let mark = AnnotationKind::Primary.span(found.bytes.clone()).label(label);
            let mut snippet = found.snippet().annotation(mark);
            if let Some((Some(other), why)) = &related
                && other.path == found.path
            {
                let mark = AnnotationKind::Context.span(other.bytes.clone());
                snippet = snippet.annotation(mark.label(why.as_str()));
            }
            group = group.element(snippet);
        } else {
            group = group.element(Origin::path(self.path.to_string_lossy()));
        }
        if let Some((Some(other), why)) = related
            && primary.is_none_or(|found| found.path != other.path)
        {
            let mark = AnnotationKind::Context.span(other.bytes.clone()).label(why.as_str());
            group = group.element(other.snippet().annotation(mark));
        }
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(&**help)),
            None => group,
        }
    }

    /// The bytes of the entry at `place`, or of the nearest one above that the file has.
    fn find(&self, place: &Place) -> Option<Found<'_>> {
        if let Some((path, text)) = self.attached.get(&place.steps) {
            let bytes = place.part.clone().unwrap_or(0..0);
            return Some(Found { path, text, bytes });
        }
        let found = |bytes| Found { path: &self.path, text: &self.text, bytes };
        if place.steps.is_empty() {
            return place.part.clone().map(found);
        }
        for depth in (1..=place.steps.len()).rev() {
            let Some(entry) = self.entries.get(&place.steps[..depth]) else { continue };
            let whole = depth == place.steps.len();
            let part = place.part.as_ref().filter(|_| whole);
            let bytes = part.and_then(|part| self.part(entry, part));
            return Some(found(bytes.unwrap_or_else(|| self.first_line(&entry.value))));
        }
        None
    }

    /// The bytes of a part of a text, unless escapes stand between them and the file's bytes.
    fn part(&self, entry: &Entry, part: &Range<usize>) -> Option<Range<usize>> {
        let raw = self.text.get(entry.value.clone())?;
        let start = entry.value.start + raw.find(entry.text.as_ref()?.as_str())?;
        Some(start + part.start..start + part.end)
    }

    /// A mark over a whole table would hide what it is about.
    fn first_line(&self, bytes: &Range<usize>) -> Range<usize> {
        let raw = self.text.get(bytes.clone()).unwrap_or_default();
        let len = raw.find('\n').unwrap_or(raw.len());
        bytes.start..bytes.start + len
    }
}

/// Bytes to mark.
struct Found<'s> {
    path: &'s PathBuf,
    text: &'s str,
    bytes: Range<usize>,
}

impl<'s> Found<'s> {
    fn snippet(&self) -> Snippet<'s, annotate_snippets::Annotation<'s>> {
        Snippet::source(self.text).path(self.path.to_string_lossy())
    }
}

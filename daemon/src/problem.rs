//! What is wrong with a site, where, and what to do about it.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it keeps the site from being served.
    pub severity: Severity,
    /// Where; empty where no single entry is to blame.
    pub place: Place,
    /// What is wrong, without a final stop.
    pub what: String,
    /// A few words for the marked place, if there is more to say than `what`.
    pub label: String,
    /// Another place that matters, with a few words why.
    pub related: Option<(Place, String)>,
    /// How to put it right.
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The site cannot be served like this.
    Error,
    /// Served, but probably not what is meant.
    Warning,
}

impl Problem {
    /// An error at `place`.
    pub fn error(place: Place, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place,
            what: what.into(),
            label: String::new(),
            related: None,
            help: None,
        }
    }

    /// A warning at `place`.
    pub fn warning(place: Place, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, what) }
    }

    /// The same with words for the marked place.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same with a second place that matters.
    #[must_use]
    pub fn related(self, place: Place, why: impl Into<String>) -> Self {
        Self { related: Some((place, why.into())), ..self }
    }
}

/// Without a file to point into: `error: what (at place)` and the advice below.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.what)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// Of the `known` names the one that `name` was probably meant to be.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    known
        .into_iter()
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Advice on a name that is not known: the nearest one that is, or all of them.
pub fn choices<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match (nearest(name, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "there are none".to_owned(),
        (None, [only]) => format!("there is only `{only}`"),
        (None, all) => format!("there are {}", all.join(", ")),
    }
}

/// An entry of the configuration by its keys and positions, such as `network[0].pool[1]`; and,
/// for an entry that is a text, optionally a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Keys and positions from the top.
    pub steps: Vec<Step>,
    /// Bytes of the entry's text (without steps: of the file's) that are meant; `None` means all
    /// of it.
    pub part: Option<std::ops::Range<usize>>,
}

/// One step down in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into a table.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl Place {
    /// The whole configuration.
    pub fn top() -> Self {
        Self::default()
    }

    /// Bytes of the file itself, for what is no entry.
    pub fn bytes(bytes: std::ops::Range<usize>) -> Self {
        Self { steps: Vec::new(), part: Some(bytes) }
    }

    /// Below this, the entry `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// Below this, position `index`.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// Of this, some bytes.
    #[must_use]
    pub fn part(&self, part: std::ops::Range<usize>) -> Self {
        Self { part: Some(part), ..self.clone() }
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps, part: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) if at > 0 => write!(f, ".{key}")?,
                Step::Key(key) => f.write_str(key)?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

//! Texts with gaps: `{{ mac }}`, `{{ vars.role }}` and so on, compiled once for the engines; and
//! the scripts of each loader, generated from a profile.

pub mod grub;
pub mod ipxe;
pub mod pxelinux;
mod words;

use std::ops::Range;

use reveille_core::document::{Field, Segment, Template};

/// What a profile boots, by names in the catalogue.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// The kernel.
    pub kernel: String,
    /// Initial RAM disks in the order of loading.
    pub initrd: Vec<String>,
    /// The kernel's command line.
    pub cmdline: Vec<Segment>,
}

/// A parsed template, and which variables it uses where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The pieces in order.
    pub segments: Vec<Segment>,
    /// Name and position in bytes of each variable.
    pub vars: Vec<(String, Range<usize>)>,
}

/// A gap that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Its bytes in the text.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// How to put it right.
    pub help: Option<String>,
}

/// The gaps that every template may have; variables come on top, as `vars.<name>`.
pub const FIELDS: [(&str, Field); 14] = [
    ("mac", Field::Mac),
    ("mac_hyphen", Field::MacHyphen),
    ("uuid", Field::Uuid),
    ("serial", Field::Serial),
    ("product", Field::Product),
    ("manufacturer", Field::Manufacturer),
    ("address", Field::Address),
    ("hostname", Field::Hostname),
    ("profile", Field::Profile),
    ("server", Field::Server),
    ("base_url", Field::BaseUrl),
    ("node_url", Field::NodeUrl),
    ("node_path", Field::NodePath),
    ("retry_seconds", Field::RetrySeconds),
];

/// Parses `text`.
///
/// # Errors
/// All gaps that are not closed or that have no known name.
pub fn parse(text: &str) -> Result<Parsed, Vec<TemplateError>> {
    let (parsed, errors) = parse_recoverable(text);
    if errors.is_empty() { Ok(parsed) } else { Err(errors) }
}

/// Parses `text`, leaving out the gaps that cannot be understood.
pub fn parse_recoverable(text: &str) -> (Parsed, Vec<TemplateError>) {
    let mut parsed = Parsed::default();
    let mut errors = Vec::new();
    let mut builder = Builder::default();
    let mut rest = 0;
    while let Some(open) = text[rest..].find("{{").map(|at| rest + at) {
        builder.text(&text[rest..open]);
        let Some(len) = text[open..].find("}}") else {
            errors.push(TemplateError {
                at: open..open + 2,
                what: "this gap is not closed".to_owned(),
                help: Some("a gap looks like {{ mac }}".to_owned()),
            });
            rest = text.len();
            break;
        };
        rest = open + len + 2;
        let name = text[open + 2..rest - 2].trim();
        match field(name) {
            Ok(field) => {
                if let Field::Var(name) = &field {
                    parsed.vars.push((name.to_string(), open..rest));
                }
                builder.field(field);
            }
            Err((what, help)) => errors.push(TemplateError { at: open..rest, what, help }),
        }
    }
    builder.text(&text[rest..]);
    parsed.segments = builder.segments;
    (parsed, errors)
}

fn field(name: &str) -> Result<Field, (String, Option<String>)> {
    if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Ok(field.clone());
    }
    if let Some(var) = name.strip_prefix("vars.") {
        if is_name(var) {
            return Ok(Field::Var(var.into()));
        }
        let help = "names of variables have letters, digits, _ and -".to_owned();
        return Err((format!("`{var}` cannot be the name of a variable"), Some(help)));
    }
    let known = FIELDS.iter().map(|(known, _)| *known);
    let help = match crate::problem::nearest(name, known.clone()) {
        Some(known) => format!("did you mean {{{{ {known} }}}}?"),
        None if is_name(name) => format!(
            "there are {}, and {{{{ vars.{name} }}}} for a variable of your own",
            known.collect::<Vec<_>>().join(", ")
        ),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Err((format!("nothing is called `{name}` in a template"), Some(help)))
}

/// Whether a variable can have this name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Puts a template together; neighbouring texts become one.
#[derive(Clone, Debug, Default)]
struct Builder {
    segments: Vec<Segment>,
}

impl Builder {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Segment::Text(last)) = self.segments.last_mut() {
            *last = format!("{last}{text}").into();
        } else {
            self.segments.push(Segment::Text(text.into()));
        }
    }

    fn field(&mut self, field: Field) {
        self.segments.push(Segment::Field(field));
    }

    fn segment(&mut self, segment: &Segment) {
        match segment {
            Segment::Text(text) => self.text(text),
            Segment::Field(field) => self.field(field.clone()),
        }
    }

    fn finish(self) -> Template {
        Template { segments: self.segments }
    }
}

#[cfg(test)]
mod tests;

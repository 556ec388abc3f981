//! A story for people: what, and behind it why, in the width of the terminal.

use super::story::{Story, Told};
use crate::terminal::Paint;

/// Columns before what was decided.
const INDENT: usize = 10;

/// The story in lines of at most `width` columns, as far as its words allow.
pub(super) fn text(story: &Story, width: usize, colour: bool) -> String {
    let mut lines = Vec::new();
    let packet = story.packet.map_or_else(String::new, |number| format!("packet {number}: "));
    let mark = if story.answered { Paint::Green } else { Paint::Yellow };
    let title = format!("{packet}{}", story.title);
    lines.push(Paint::Bold.paint(&title, colour));
    let mut verdict = wrap("  ", 2, width, &[(story.verdict.as_str(), false)], false);
    if let Some(first) = verdict.first_mut() {
        *first = format!("  {}", mark.paint(first.trim_start(), colour));
    }
    lines.extend(verdict);
    lines.push(String::new());
    let mut before = "";
    for part in &story.decisions {
        let label = if part.about == before { "" } else { part.about };
        before = part.about;
        let why = format!("({})", part.why);
        let mut words = vec![(part.what.as_str(), false)];
        if !part.why.is_empty() {
            words.push((why.as_str(), true));
        }
        let label = format!("  {label:<0$}", INDENT - 2);
        lines.extend(wrap(&label, INDENT, width, &words, colour));
    }
    if !story.leases.is_empty() {
        let label = format!("  {:<1$}", "leases", INDENT - 2);
        lines.extend(wrap(&label, INDENT, width, &[(story.leases.as_str(), false)], colour));
    }
    if !story.options.is_empty() {
        lines.push(String::new());
        lines.push("  options".to_owned());
        options(&story.options, width, colour, &mut lines);
    }
    if !story.left_out.is_empty() {
        lines.push(String::new());
        lines.push("  configured, but not sent".to_owned());
        options(&story.left_out, width, colour, &mut lines);
    }
    lines.join("\n")
}

/// Code, name, value, and in brackets who wants it.
fn options(told: &[Told], width: usize, colour: bool, lines: &mut Vec<String>) {
    let longest = told.iter().map(|told| told.name.chars().count()).max().unwrap_or(0);
    let indent = 4 + 3 + 2 + longest + 2;
    for told in told {
        let label = format!("    {:>3}  {:<longest$}  ", told.code, told.name);
        let by = match told.why.as_str() {
            "" => format!("({})", told.by),
            why => format!("({}: {why})", told.by),
        };
        lines.extend(wrap(&label, indent, width, &[(&told.value, false), (&by, true)], colour));
    }
}

/// `label` and the words behind it; whatever comes onto further lines begins at `indent`. Words
/// that are less important are dim.
fn wrap(
    label: &str,
    indent: usize,
    width: usize,
    parts: &[(&str, bool)],
    colour: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut column = label.chars().count();
    let mut is_empty = true;
    let words = parts.iter().flat_map(|(text, dim)| text.split(' ').map(move |word| (word, *dim)));
    for (word, dim) in words.filter(|(word, _)| !word.is_empty()) {
        let len = word.chars().count();
        if !is_empty && column + 1 + len > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            column = indent;
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
            column += 1;
        }
        line.push_str(&if dim { Paint::Dim.paint(word, colour) } else { word.to_owned() });
        column += len;
        is_empty = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

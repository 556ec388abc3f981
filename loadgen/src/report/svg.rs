//! A frame with two axes, drawn as SVG. Colours are classes, so that the page's style sheet
//! decides about light and dark.

use core::fmt::Write as _;

use super::words;

/// The outer size of a picture, in pixels of its own scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What the numbers on an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Count,
    Bytes,
    BytesPerSecond,
    /// Parts of one.
    Percent,
}

/// A range of values and how it is marked. It begins at zero, or where `from` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    unit: Unit,
    from: f64,
    to: f64,
    step: f64,
}

/// A picture under construction.
#[derive(Debug)]
pub(super) struct Picture {
    size: Size,
    left: f64,
    right: f64,
    top: f64,
    x: Axis,
    y: Axis,
    body: String,
}

/// A line of [`bars`]: a name, a full bar, a paler one behind it, and what they say.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) inner: f64,
    pub(super) outer: f64,
    pub(super) note: String,
}

/// Bars that lie below each other, with their names on the left, as long as their values.
pub(super) fn bars(size: Size, bars: &[Bar], description: &str) -> String {
    let longest =
        |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0) as f64 * CHARACTER + 10.0;
    let left = longest(&mut bars.iter().map(|bar| bar.name.chars().count()));
    let note = longest(&mut bars.iter().map(|bar| bar.note.chars().count()));
    let room = f64::from(size.width) - left - note;
    let most = bars.iter().map(|bar| bar.outer.max(bar.inner)).fold(f64::MIN_POSITIVE, f64::max);
    let height = f64::from(size.height) / bars.len().max(1) as f64;
    let mut body = String::new();
    for (index, bar) in bars.iter().enumerate() {
        let middle = height * (index as f64 + 0.5);
        let (inner, outer) = (bar.inner / most * room, bar.outer / most * room);
        let (inner, outer) = (inner.max(1.0), outer.max(inner).max(1.0));
        let (top, thick) = (middle - (height * 0.3).min(8.0), (height * 0.6).min(16.0));
        let class = bar.class;
        text(&mut body, "mark", Anchor::End, (left - 8.0, middle + 4.0), &bar.name);
        rectangle(&mut body, &format!("{class} faint"), (left, top), (outer, thick), "");
        rectangle(&mut body, class, (left, top), (inner, thick), "");
        text(&mut body, "note", Anchor::Start, (left + outer + 8.0, middle + 4.0), &bar.note);
    }
    let Size { width, height } = size;
    let description = escape(description);
    format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{description}">{body}</svg>"#
    )
}

impl Unit {
    /// A mark's text on an axis that ends at `end`.
    fn mark(self, value: f64, end: f64, step: f64) -> String {
        match self {
            Self::Seconds if value == 0.0 => "0".to_owned(),
            Self::Seconds if end >= 180.0 && step.fract() == 0.0 => {
                let whole = value.round() as u64;
                format!("{}:{:02} min", whole / 60, whole % 60)
            }
            Self::Seconds if end < 0.5 => format!("{} ms", trimmed(value * 1e3)),
            Self::Seconds => format!("{} s", trimmed(value)),
            Self::Count => words::count(value.round() as u64),
            Self::Bytes if value == 0.0 => "0".to_owned(),
            Self::BytesPerSecond if value == 0.0 => "0".to_owned(),
            Self::Bytes => trimmed_bytes(value),
            Self::BytesPerSecond => format!("{}/s", trimmed_bytes(value)),
            Self::Percent => format!("{} %", trimmed(value * 100.0)),
        }
    }

    /// Round lengths between marks: the smallest that is at least `least`.
    fn step(self, least: f64) -> f64 {
        if self == Self::Seconds && least > 10.0 {
            let steps = [15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
            return steps.into_iter().find(|step| *step >= least).unwrap_or(7200.0);
        }
        let least = if self == Self::Count { least.max(1.0) } else { least.max(1e-6) };
        let power = 10_f64.powf(least.log10().floor());
        let factors = if self == Self::Count && power < 10.0 {
            [1.0, 2.0, 5.0, 10.0]
        } else {
            [1.0, 2.0, 2.5, 5.0]
        };
        let factor = factors.into_iter().find(|factor| factor * power >= least * 0.999_999);
        factor.unwrap_or(10.0) * power
    }
}

impl Axis {
    /// From zero to a round value that is at least `to`, with at most `marks_max` marks.
    pub(super) fn round(unit: Unit, to: f64, marks_max: usize) -> Self {
        let least = match unit {
            Unit::Count => 1.0,
            Unit::Seconds | Unit::Percent => 0.01,
            Unit::Bytes | Unit::BytesPerSecond => 1000.0,
        };
        let to = to.max(least);
        let step = unit.step(to / marks_max.max(1) as f64);
        Self { unit, from: 0.0, to: (to / step - 1e-9).ceil() * step, step }
    }

    /// The length between two marks.
    pub(super) const fn step(&self) -> f64 {
        self.step
    }

    /// From `from` to exactly `to`, with at most `marks_max` marks.
    pub(super) fn exact(unit: Unit, from: f64, to: f64, marks_max: usize) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let step = unit.step((to - from) / marks_max.max(1) as f64);
        Self { unit, from, to, step }
    }

    /// The texts of all marks.
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.marks().map(|(_, text)| text).collect()
    }

    fn part(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    fn marks(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let first = (self.from / self.step - 1e-9).ceil() as u64;
        let last = (self.to / self.step + 1e-9).floor() as u64;
        (first..=last).map(|index| {
            let value = index as f64 * self.step;
            (value, self.unit.mark(value, self.to, self.step))
        })
    }
}

impl Picture {
    /// A frame with its grid.
    pub(super) fn new(size: Size, x: Axis, y: Axis) -> Self {
        Self::with(size, x, y, None, 0)
    }

    /// A frame with its grid, an axis on the right side, and room for rows of text above.
    pub(super) fn with(size: Size, x: Axis, y: Axis, second: Option<&Axis>, rows: u32) -> Self {
        let room = |axis: &Axis| {
            let longest = axis.marks().map(|(_, text)| text.chars().count()).max();
            longest.unwrap_or(0) as f64 * CHARACTER + 10.0
        };
        let left = room(&y);
        // The last mark below may stand out by half its width.
        let right = f64::from(size.width) - second.map_or(22.0, room);
        let top = TOP + ROW * f64::from(rows);
        let mut picture = Self { size, left, right, top, x, y, body: String::new() };
        picture.grid(second);
        picture
    }

    /// How many columns of `pixels` fit.
    pub(super) fn columns(&self, pixels: f64) -> usize {
        ((self.right - self.left) / pixels).max(1.0) as usize
    }

    /// An area between two lines that share their x values: `(x, lower, upper)`.
    pub(super) fn band(&mut self, class: &str, title: &str, points: &[(f64, f64, f64)]) {
        let mut path = String::new();
        let upper = points.iter().map(|(x, _, upper)| (*x, *upper));
        let lower = points.iter().rev().map(|(x, lower, _)| (*x, *lower));
        for (index, (x, y)) in upper.chain(lower).enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            put(write!(path, "{letter}{:.1} {:.1}", self.at_x(x), self.at_y(y)));
        }
        let title = escape(title);
        put(write!(self.body, r#"<path class="fill {class}" d="{path}Z">"#));
        put(write!(self.body, "<title>{title}</title></path>"));
    }

    /// An area from zero up to a line, and the line.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        let band: Vec<_> = points.iter().map(|(x, y)| (*x, 0.0, *y)).collect();
        self.band(&format!("{class} faint"), "", &band);
        self.line(class, points);
    }

    /// A line.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            put(write!(path, "{letter}{:.1} {:.1}", self.at_x(*x), self.at_y(*y)));
        }
        put(write!(self.body, r#"<path class="line {class}" d="{path}"/>"#));
    }

    /// A line that is read off the axis on the right side.
    pub(super) fn line_of(&mut self, second: &Axis, class: &str, points: &[(f64, f64)]) {
        let scale = |y: f64| second.part(y) * (self.y.to - self.y.from) + self.y.from;
        let points: Vec<_> = points.iter().map(|(x, y)| (*x, scale(*y))).collect();
        self.line(class, &points);
    }

    /// A bar that stands on the axis, from `x` for `width` (of the axis) wide.
    pub(super) fn bar(&mut self, class: &str, title: &str, (x, width): (f64, f64), height: f64) {
        let (left, right) = (self.at_x(x), self.at_x(x + width));
        let gap = if right - left > 4.0 { 1.0 } else { 0.0 };
        // What is there is seen, however little it is.
        let top = self.at_y(height).min(self.bottom() - 1.0);
        let corner = (left, top);
        let extent = ((right - left - gap).max(0.8), self.bottom() - top);
        rectangle(&mut self.body, class, corner, extent, title);
    }

    /// An upright line with a text at its upper end; `row` counts from the top, above the frame.
    pub(super) fn upright(&mut self, x: f64, row: u32, note: &str) {
        let at = self.at_x(x);
        let top = 2.0 + ROW * f64::from(row);
        let is_left = at + 8.0 + note.chars().count() as f64 * CHARACTER > self.right;
        let (anchor, beside) = if is_left { (Anchor::End, -5.0) } else { (Anchor::Start, 5.0) };
        let bottom = self.bottom();
        put(write!(self.body, r#"<path class="upright" d="M{at:.1} {top:.1}V{bottom:.1}"/>"#));
        text(&mut self.body, "note", anchor, (at + beside, top + 11.0), note);
    }

    /// The picture, with a description for those who cannot see it.
    pub(super) fn finish(mut self, description: &str) -> String {
        let Size { width, height } = self.size;
        let (left, right, bottom) = (self.left, self.right, self.bottom());
        put(write!(self.body, r#"<path class="axis" d="M{left:.1} {bottom:.1}H{right:.1}"/>"#));
        format!(
            r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{}">{}</svg>"#,
            escape(description),
            self.body,
        )
    }

    fn grid(&mut self, second: Option<&Axis>) {
        let mut grid = String::new();
        let (left, right, bottom) = (self.left, self.right, self.bottom());
        for (value, mark) in self.y.marks() {
            let y = self.at_y(value);
            put(write!(grid, r#"<path class="grid" d="M{left:.1} {y:.1}H{right:.1}"/>"#));
            text(&mut grid, "mark", Anchor::End, (left - 6.0, y + 4.0), &mark);
        }
        for (value, mark) in second.into_iter().flat_map(Axis::marks) {
            let part = second.map_or(0.0, |second| second.part(value));
            let y = bottom - part * (bottom - self.top);
            text(&mut grid, "mark", Anchor::Start, (right + 6.0, y + 4.0), &mark);
        }
        for (value, mark) in self.x.marks() {
            let x = self.at_x(value);
            put(write!(grid, r#"<path class="axis" d="M{x:.1} {bottom:.1}v4"/>"#));
            text(&mut grid, "mark", Anchor::Middle, (x, bottom + 18.0), &mark);
        }
        self.body.push_str(&grid);
    }

    fn bottom(&self) -> f64 {
        f64::from(self.size.height) - 24.0
    }

    fn at_x(&self, value: f64) -> f64 {
        self.left + self.x.part(value) * (self.right - self.left)
    }

    fn at_y(&self, value: f64) -> f64 {
        self.bottom() - self.y.part(value) * (self.bottom() - self.top)
    }
}

/// Which part of a text lies where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

fn text(out: &mut String, class: &str, anchor: Anchor, (x, y): (f64, f64), content: &str) {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let content = escape(content);
    put(write!(out, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">"#));
    put(write!(out, "{content}</text>"));
}

fn rectangle(
    out: &mut String,
    class: &str,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    title: &str,
) {
    put(write!(out, r#"<rect class="fill {class}" x="{x:.1}" y="{y:.1}""#));
    put(write!(out, r#" width="{width:.1}" height="{height:.1}">"#));
    put(write!(out, "<title>{}</title></rect>", escape(title)));
}

/// How wide a character of a mark is, about.
const CHARACTER: f64 = 6.8;

/// Where the upper end of the upright axis lies.
const TOP: f64 = 8.0;

/// The height of a row of text.
const ROW: f64 = 16.0;

/// Text that is safe inside an element and inside an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Writing to a string cannot fail.
fn put(written: core::fmt::Result) {
    written.expect("strings take everything");
}

/// A number without noughts at its end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn trimmed_bytes(value: f64) -> String {
    words::bytes(value).replacen(".0 ", " ", 1)
}

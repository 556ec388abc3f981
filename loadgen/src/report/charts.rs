//! The pictures of a run.

use super::svg::{self, Axis, Bar, Picture, Size, Unit};
use super::{stages, words};
use crate::record::{Boots, Run, Steps, Tick, Timeline};

/// A picture in two sizes, for wide and for narrow pages, and what its colours mean.
#[derive(Debug, serde::Serialize)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the picture shows and how to read it, in a sentence or two.
    pub(super) caption: String,
    pub(super) legend: Vec<LegendEntry>,
    pub(super) wide: String,
    pub(super) narrow: String,
}

/// A colour and what it means.
#[derive(Debug, serde::Serialize)]
pub(super) struct LegendEntry {
    pub(super) class: String,
    pub(super) text: String,
}

/// The width that a picture has on a wide page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Full,
    Half,
}

/// A run in a comparison, and the class of its colour.
pub(super) type Named<'r> = (&'r str, &'static str, &'r Run);

/// Machines by where they are.
pub(super) fn machines(run: &Run, end_s: f64, width: Width) -> Chart {
    let bands = bands(run);
    let total = u64::from(run.machines.all.total);
    let draw = |size: Size| {
        let x = time_axis(size, end_s);
        let y = Axis::exact(Unit::Count, 0.0, total.max(1) as f64, 5);
        let mut picture = Picture::new(size, x, y);
        let ticks = spread(&run.timeline.ticks, picture.columns(2.0));
        let mut lower = vec![0.0; ticks.len()];
        for band in &bands {
            let mut points = Vec::with_capacity(ticks.len());
            for (tick, lower) in ticks.iter().zip(&mut lower) {
                let upper = *lower + f64::from((band.value)(tick));
                points.push((tick.at_s, *lower, upper));
                *lower = upper;
            }
            picture.band(band.class, &band.name, &points);
        }
        picture.finish(&format!(
            "Areas: how many of {} are in which stage at each moment.",
            words::counted(total, "machine")
        ))
    };
    Chart {
        title: "Where the machines are".to_owned(),
        caption: "At each moment, the height of a colour is the number of machines in that stage; \
                  together they are all machines. A stage that grows wide is where machines wait."
            .to_owned(),
        legend: bands.iter().rev().map(|band| entry(band.class, &band.name)).collect(),
        wide: draw(wide(width)),
        narrow: draw(NARROW_TALL),
    }
}

/// How long boots took: bars, and the share that is up.
pub(super) fn boots(run: &Run) -> Option<Chart> {
    let Boots { took_s, percentiles_s, histogram, .. } = &run.boots;
    // One machine makes no distribution.
    let histogram = histogram.as_ref().filter(|_| took_s.count > 1);
    let Steps { from_s, step_s, counts } = histogram?;
    let end = from_s + step_s * counts.len() as f64;
    // A distribution that lies far from zero is looked at closely.
    let begin = if *from_s < end * 0.4 { 0.0 } else { (from_s - step_s).max(0.0) };
    let total = f64::from(run.machines.all.total);
    let draw = |size: Size| {
        let x = Axis::exact(Unit::Seconds, begin, end + step_s, marks(size));
        let most = counts.iter().copied().max().unwrap_or(0) as f64;
        let y = Axis::round(Unit::Count, most, 5);
        let second = Axis::exact(Unit::Percent, 0.0, 1.0, 4);
        let mut picture = Picture::with(size, x, y, Some(&second), 2);
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = from_s + step_s * index as f64;
            let title = format!(
                "{} to {}: {}",
                words::seconds(at),
                words::seconds(at + step_s),
                words::counted(*count, "machine")
            );
            picture.bar("c-bar", &title, (at, *step_s), *count as f64);
        }
        let share = took_s.count as f64 / total;
        let curve = cumulative(percentiles_s, begin, end + step_s);
        let curve: Vec<_> = curve.into_iter().map(|(x, part)| (x, part * share)).collect();
        picture.line_of(&second, "c-line", &curve);
        picture.upright(took_s.p50, 0, &format!("half: {}", words::seconds(took_s.p50)));
        picture.upright(took_s.p99, 1, &format!("99 %: {}", words::seconds(took_s.p99)));
        picture.finish(&format!(
            "Histogram of the time from power-on to up. Half of the machines took at most {}, \
             99 % at most {}, the slowest {}.",
            words::seconds(took_s.p50),
            words::seconds(took_s.p99),
            words::seconds(took_s.max)
        ))
    };
    Some(Chart {
        title: "How long boots took".to_owned(),
        caption: format!(
            "From power-on to up. Each bar counts the machines that took as long (in steps of {}, \
             left axis); the line is the share of all machines that came up within that time \
             (right axis).",
            words::round_seconds(*step_s)
        ),
        legend: vec![entry("c-bar", "Machines"), entry("c-line", "Share of all machines")],
        wide: draw(wide(Width::Half)),
        narrow: draw(NARROW),
    })
}

/// Bytes a second that machines received.
pub(super) fn throughput(runs: &[Named<'_>]) -> Chart {
    let chart = Series {
        title: "What was delivered",
        caption: "Files and texts that all machines together received in each second.",
        description: "Line: bytes a second that all machines received.",
        unit: Unit::BytesPerSecond,
    };
    chart
        .draw(runs, |run, columns| rates(&run.timeline, columns, |tick| tick.received_bytes as f64))
}

/// Processor time that server and load generator used.
pub(super) fn cpu(run: &Run) -> Chart {
    let server = |columns| rates(&run.timeline, columns, |tick| tick.server_cpu_s.unwrap_or(0.0));
    let own = |columns| rates(&run.timeline, columns, |tick| tick.generator_cpu_s);
    let draw = |size: Size| {
        let points = [server(smooth_columns(size)), own(smooth_columns(size))];
        let most = points.iter().flatten().map(|(_, y)| *y).fold(0.0, f64::max);
        let y = Axis::round(Unit::Percent, most, 5);
        let mut picture = Picture::new(size, time_axis(size, end_s(run)), y);
        picture.line("c-muted", &points[1]);
        if run.server.is_some() {
            picture.area("c-a", &points[0]);
        }
        picture.finish("Lines: the share of one processor core that server and generator used.")
    };
    let mut legend = vec![entry("c-muted", "Load generator")];
    if run.server.is_some() {
        legend.insert(0, entry("c-a", "Server"));
    }
    Chart {
        title: "Processor".to_owned(),
        caption: "100 % is one core in full use. A load generator at 100 % is what limits the run."
            .to_owned(),
        legend,
        wide: draw(wide(Width::Half)),
        narrow: draw(NARROW),
    }
}

/// Processor time of servers, to compare.
pub(super) fn server_cpu(runs: &[Named<'_>]) -> Chart {
    let chart = Series {
        title: "The server's processor",
        caption: "100 % is one core in full use.",
        description: "Line: the share of one processor core that the server used.",
        unit: Unit::Percent,
    };
    chart.draw(runs, |run, columns| {
        rates(&run.timeline, columns, |tick| tick.server_cpu_s.unwrap_or(0.0))
    })
}

/// Messages and requests sent again, to compare.
pub(super) fn resent(runs: &[Named<'_>]) -> Chart {
    let chart = Series {
        title: "What was sent again",
        caption: "Messages and requests that machines repeated because no answer came in time, \
                  up to each moment.",
        description: "Line: messages and requests that machines sent again so far.",
        unit: Unit::Count,
    };
    chart.draw(runs, |run, columns| {
        let ticks = spread(&run.timeline.ticks, columns);
        ticks.iter().map(|tick| (tick.at_s, tick.resent as f64)).collect()
    })
}

/// Resident memory of the server.
pub(super) fn memory(runs: &[Named<'_>]) -> Chart {
    let chart = Series {
        title: "The server's memory",
        caption: "Memory that its process holds (resident set, mapped files included).",
        description: "Line: resident memory of the server.",
        unit: Unit::Bytes,
    };
    chart.draw(runs, |run, columns| {
        let ticks = spread(&run.timeline.ticks, columns);
        let point = |tick: &&Tick| Some((tick.at_s, tick.server_rss_bytes? as f64));
        ticks.iter().filter_map(point).collect()
    })
}

/// Machines that are up, to compare.
pub(super) fn up(runs: &[Named<'_>]) -> Chart {
    let chart = Series {
        title: "Machines that are up",
        caption: "How many had come up at each moment since the run began.",
        description: "Line: machines that are up.",
        unit: Unit::Count,
    };
    chart.draw(runs, |run, columns| {
        let ticks = spread(&run.timeline.ticks, columns);
        ticks.iter().map(|tick| (tick.at_s, f64::from(tick.up))).collect()
    })
}

/// How long boots took, to compare: the share of machines that needed at most so long.
pub(super) fn boot_shares(runs: &[Named<'_>]) -> Chart {
    let longest = runs.iter().map(|(_, _, run)| run.boots.took_s.max).fold(0.0, f64::max);
    let draw = |size: Size| {
        let x = Axis::exact(Unit::Seconds, 0.0, longest * 1.02, marks(size));
        let y = Axis::exact(Unit::Percent, 0.0, 1.0, 4);
        let mut picture = Picture::new(size, x, y);
        for (_, class, run) in runs {
            let total = f64::from(run.machines.all.total.max(1));
            let share = run.boots.took_s.count as f64 / total;
            let curve = cumulative(&run.boots.percentiles_s, 0.0, longest * 1.02);
            let curve: Vec<_> = curve.into_iter().map(|(x, part)| (x, part * share)).collect();
            picture.line(class, &curve);
        }
        picture.finish("Lines: the share of machines that came up within a time.")
    };
    Chart {
        title: "How long boots took".to_owned(),
        caption: "The share of all machines that came up within so long after their power-on. \
                  Further left is faster; a line that ends below 100 % left machines behind."
            .to_owned(),
        legend: named(runs),
        wide: draw(wide(Width::Half)),
        narrow: draw(NARROW),
    }
}

/// How long each stage took.
pub(super) fn stage_times(run: &Run) -> Option<Chart> {
    let ended = stages::shown(run).filter(|stage| stage.took_s.count > 0);
    let bars: Vec<Bar> = ended
        .map(|stage| Bar {
            name: stages::name(&stage.stage),
            class: stages::class(&stage.stage),
            inner: stage.took_s.p50,
            outer: stage.took_s.p99,
            note: match (words::seconds(stage.took_s.p50), words::seconds(stage.took_s.p99)) {
                (half, most) if half == most => half,
                (half, most) => format!("{half} – {most}"),
            },
        })
        .collect();
    if bars.is_empty() {
        return None;
    }
    let draw = |size: Size| svg::bars(size, &bars, "Bars: how long each stage of a boot took.");
    Some(Chart {
        title: "Where the time goes".to_owned(),
        caption: "How long each stage took: the full colour is the time within which half of the \
                  machines were through, the pale one that of 99 %."
            .to_owned(),
        legend: Vec::new(),
        wide: draw(wide(Width::Half)),
        narrow: draw(NARROW_TALL),
    })
}

/// Messages and requests that were sent again.
pub(super) fn resends(run: &Run) -> Chart {
    let end = end_s(run);
    let step = Axis::round(Unit::Seconds, end, 60).step().max(0.1);
    let mut counts = vec![0_u64; (end / step).ceil().max(1.0) as usize];
    for pair in run.timeline.ticks.windows(2) {
        let middle = (pair[0].at_s + pair[1].at_s) / 2.0;
        let index = ((middle / step) as usize).min(counts.len() - 1);
        counts[index] += pair[1].resent - pair[0].resent;
    }
    let draw = |size: Size| {
        let most = counts.iter().copied().max().unwrap_or(0) as f64;
        let y = Axis::round(Unit::Count, most, 5);
        let mut picture = Picture::new(size, time_axis(size, end), y);
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let at = step * index as f64;
            let title = format!("from {}: {} sent again", words::seconds(at), words::count(*count));
            picture.bar("c-resent", &title, (at, step.min(end - at)), *count as f64);
        }
        picture.finish("Bars: messages and requests that machines sent again.")
    };
    Chart {
        title: "What was sent again".to_owned(),
        caption: format!(
            "Messages and requests that machines repeated because no answer came in time, \
             counted in steps of {}.",
            words::round_seconds(step)
        ),
        legend: Vec::new(),
        wide: draw(wide(Width::Half)),
        narrow: draw(NARROW),
    }
}

/// The latest moment of a run.
pub(super) fn end_s(run: &Run) -> f64 {
    run.timeline.ticks.last().map_or(run.wall_s, |tick| tick.at_s)
}

/// A picture with one line for each run.
struct Series {
    title: &'static str,
    caption: &'static str,
    description: &'static str,
    unit: Unit,
}

impl Series {
    fn draw(&self, runs: &[Named<'_>], points: impl Fn(&Run, usize) -> Vec<(f64, f64)>) -> Chart {
        let end = runs.iter().map(|(_, _, run)| end_s(run)).fold(0.0, f64::max);
        let draw = |size: Size| {
            let all: Vec<_> =
                runs.iter().map(|(_, _, run)| points(run, smooth_columns(size))).collect();
            let most = all.iter().flatten().map(|(_, y)| *y).fold(0.0, f64::max);
            let y = Axis::round(self.unit, most, 5);
            let mut picture = Picture::new(size, time_axis(size, end), y);
            for ((_, class, _), points) in runs.iter().zip(&all) {
                match runs.len() {
                    1 => picture.area(class, points),
                    _ => picture.line(class, points),
                }
            }
            picture.finish(self.description)
        };
        Chart {
            title: self.title.to_owned(),
            caption: self.caption.to_owned(),
            legend: if runs.len() == 1 { Vec::new() } else { named(runs) },
            wide: draw(wide(Width::Half)),
            narrow: draw(NARROW),
        }
    }
}

/// A band of the stacked areas.
struct Band {
    class: &'static str,
    name: String,
    value: Box<dyn Fn(&Tick) -> u32>,
}

/// The bands that any machine was ever in, from the lowest to the highest.
fn bands(run: &Run) -> Vec<Band> {
    let band = |class, name: &str, value: Box<dyn Fn(&Tick) -> u32>| Band {
        class,
        name: name.to_owned(),
        value,
    };
    let mut bands = vec![band("c-up", "Up", Box::new(|tick| tick.up))];
    for (index, label) in run.timeline.stages.iter().enumerate().rev() {
        let value = move |tick: &Tick| tick.machines.get(index).copied().unwrap_or(0);
        bands.push(band(stages::class(label), &stages::name(label), Box::new(value)));
    }
    bands.push(band("c-vanished", "Vanished on purpose", Box::new(|tick| tick.vanished)));
    bands.push(band("c-failed", "Failed", Box::new(|tick| tick.failed)));
    bands.retain(|band| run.timeline.ticks.iter().any(|tick| (band.value)(tick) > 0));
    bands
}

/// The curve through the percentiles, from the left edge to the right.
fn cumulative(percentiles_s: &[f64], begin: f64, end: f64) -> Vec<(f64, f64)> {
    let Some(last) = percentiles_s.len().checked_sub(1) else { return Vec::new() };
    let inner = percentiles_s.iter().enumerate();
    let inner = inner.map(|(index, value)| (*value, index as f64 / last.max(1) as f64));
    let first = (percentiles_s[0], 0.0);
    [(begin, 0.0), first].into_iter().chain(inner).chain([(end, 1.0)]).collect()
}

/// The slope of a counter, a second, averaged so that about `columns` points are left.
fn rates(timeline: &Timeline, columns: usize, value: fn(&Tick) -> f64) -> Vec<(f64, f64)> {
    let ticks = spread(&timeline.ticks, columns);
    let mut points = Vec::with_capacity(ticks.len());
    for pair in ticks.windows(2) {
        let took = pair[1].at_s - pair[0].at_s;
        if took > 0.0 {
            let rate = ((value(pair[1]) - value(pair[0])) / took).max(0.0);
            points.push(((pair[0].at_s + pair[1].at_s) / 2.0, rate));
        }
    }
    if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
        points.insert(0, (ticks[0].at_s, first.1));
        points.push((ticks[ticks.len() - 1].at_s, last.1));
    }
    points
}

/// At most about `most` ticks, evenly spread, the first and the last among them.
fn spread(ticks: &[Tick], most: usize) -> Vec<&Tick> {
    let step = ticks.len().div_ceil(most.max(2)).max(1);
    let mut chosen: Vec<&Tick> = ticks.iter().step_by(step).collect();
    if let Some(last) = ticks.last().filter(|_| !(ticks.len() - 1).is_multiple_of(step)) {
        chosen.push(last);
    }
    chosen
}

fn time_axis(size: Size, end_s: f64) -> Axis {
    Axis::exact(Unit::Seconds, 0.0, end_s, marks(size))
}

/// Marks below a picture, so that texts do not touch.
const fn marks(size: Size) -> usize {
    (size.width / 80) as usize
}

/// Points of a line that is an average over time.
const fn smooth_columns(size: Size) -> usize {
    (size.width / 5) as usize
}

const fn wide(width: Width) -> Size {
    match width {
        Width::Full => Size { width: 1080, height: 340 },
        Width::Half => Size { width: 520, height: 250 },
    }
}

/// For telephones.
const NARROW: Size = Size { width: 340, height: 220 };
const NARROW_TALL: Size = Size { width: 340, height: 260 };

fn named(runs: &[Named<'_>]) -> Vec<LegendEntry> {
    runs.iter().map(|(name, class, _)| entry(class, name)).collect()
}

fn entry(class: &str, text: &str) -> LegendEntry {
    LegendEntry { class: class.to_owned(), text: text.to_owned() }
}

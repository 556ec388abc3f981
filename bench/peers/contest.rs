//! Contenders that take turns, and what came out of it.

use std::fmt;

/// A comparison of Reveille with one peer.
pub(crate) struct Contest {
    /// What is measured.
    pub(crate) title: String,
    /// The peer, then Reveille: each gives one round's figures, in the same order.
    pub(crate) contenders: [Contender; 2],
}

/// A server and how to measure it.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) measure: Box<dyn Fn() -> Vec<Figure>>,
}

/// One figure of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) const fn new(name: &'static str, value: f64) -> Self {
        Self { name, value }
    }
}

impl Contest {
    /// Lets the contenders take turns for so many rounds, so that what else happens on the machine
    /// meets both alike; `only` leaves out the other.
    pub(crate) fn run(&self, rounds: usize, only: Option<&str>) -> Results<'_> {
        let mut results = Results { contest: self, rows: Vec::new(), rounds };
        for round in 0..rounds {
            // Who comes first alternates too.
            for turn in 0..2 {
                let who = (round + turn) % 2;
                if only.is_some_and(|only| only != self.contenders[who].name) {
                    continue;
                }
                let figures = (self.contenders[who].measure)();
                eprintln!("round {}: {}: {figures:?}", round + 1, self.contenders[who].name);
                for (index, figure) in figures.into_iter().enumerate() {
                    if results.rows.len() == index {
                        results.rows.push(Row { name: figure.name, values: Default::default() });
                    }
                    assert_eq!(results.rows[index].name, figure.name, "figures keep their order");
                    results.rows[index].values[who].push(figure.value);
                }
            }
        }
        results
    }
}

/// All figures of a contest, displayed as a table.
pub(crate) struct Results<'c> {
    contest: &'c Contest,
    rows: Vec<Row>,
    rounds: usize,
}

struct Row {
    name: &'static str,
    values: [Vec<f64>; 2],
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [peer, ours] = &self.contest.contenders;
        writeln!(f, "\n{}; median (range) of {} rounds", self.contest.title, self.rounds)?;
        let ratio = format!("{} / {}", ours.name, peer.name);
        writeln!(f, "{:<24} {:>26} {:>26}   {ratio}", "", peer.name, ours.name)?;
        for row in &self.rows {
            let [theirs, ours] = row.values.each_ref().map(|values| Spread::of(values));
            let ratio = ours.median / theirs.median;
            writeln!(f, "{:<24} {theirs:>26} {ours:>26}   {ratio:.2}", row.name)?;
        }
        Ok(())
    }
}

/// Median and range.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: usize| sorted.get(part).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, least: at(0), most: at(sorted.len().wrapping_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = self;
        if median.is_nan() {
            return f.pad("-");
        }
        let is_count = [median, least, most].iter().all(|value| value.fract() == 0.0);
        let digits = if is_count || median.abs() >= 100.0 { 0 } else { 3 };
        f.pad(&format!("{median:.digits$} ({least:.digits$}-{most:.digits$})"))
    }
}

/// The value below which `part` of the sorted `values` lie.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into the values"
    )]
    let at = ((values.len() as f64) * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

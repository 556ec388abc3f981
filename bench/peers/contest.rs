//! Contenders that take turns, and what came out of it.

use std::fmt;

/// A comparison of Reveille with its peers and the kernel's ceiling.
pub(crate) struct Contest {
    /// What is measured.
    pub(crate) title: String,
    /// Each gives one round's figures, the same for all and in the same order. The last is
    /// compared with each of the others.
    pub(crate) contenders: Vec<Contender>,
}

/// A server and how to measure it.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) measure: Box<dyn Fn(Round) -> Measured>,
}

/// What came out of one round of one contender.
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figure>,
    /// What figures do not tell, such as why something failed.
    pub(crate) remarks: Vec<String>,
}

/// What a round is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// System calls are counted, which slows everything down.
    Counted,
    /// Everything else is measured.
    Timed,
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

impl Contender {
    pub(crate) fn new<M: Into<Measured>>(
        name: &'static str,
        measure: impl Fn(Round) -> M + 'static,
    ) -> Self {
        Self { name, measure: Box::new(move |round| measure(round).into()) }
    }
}

impl From<Vec<Figure>> for Measured {
    fn from(figures: Vec<Figure>) -> Self {
        Self { figures, remarks: Vec::new() }
    }
}

impl Contest {
    /// Lets the contenders take turns for so many rounds, so that what else happens on the machine
    /// meets all alike; those not in `only` are left out, unless it names nobody. System calls are
    /// counted in a round of their own, if at all.
    pub(crate) fn run(mut self, rounds: usize, only: &[String], counts: bool) -> Results {
        let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
        self.contenders.retain(|contender| is_wanted(contender.name));
        let (mut timed, mut remarks) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            // Who comes first alternates too.
            for turn in 0..self.contenders.len() {
                let who = (round + turn) % self.contenders.len();
                self.play(who, Round::Timed, &mut timed, &mut remarks);
            }
        }
        let mut rows = Vec::new();
        let counted = if counts { self.contenders.len() } else { 0 };
        for who in 0..counted {
            self.play(who, Round::Counted, &mut rows, &mut remarks);
        }
        timed.append(&mut rows);
        let names = self.contenders.iter().map(|contender| contender.name).collect();
        Results { title: self.title, names, rows: timed, rounds, remarks }
    }

    fn play(&self, who: usize, round: Round, rows: &mut Vec<Row>, remarks: &mut Vec<String>) {
        let contender = &self.contenders[who];
        let Measured { figures, remarks: new } = (contender.measure)(round);
        eprintln!("{}: {figures:?}", contender.name);
        for remark in new {
            let remark = format!("{} ({round:?}): {remark}", contender.name);
            eprintln!("  {remark}");
            remarks.push(remark);
        }
        for (index, figure) in figures.into_iter().enumerate() {
            if rows.len() == index {
                let values = vec![Vec::new(); self.contenders.len()];
                rows.push(Row { name: figure.name, values });
            }
            assert_eq!(rows[index].name, figure.name, "figures keep their order");
            rows[index].values[who].push(figure.value);
        }
    }
}

/// All figures of a contest, displayed as a table.
pub(crate) struct Results {
    title: String,
    names: Vec<&'static str>,
    rows: Vec<Row>,
    rounds: usize,
    remarks: Vec<String>,
}

struct Row {
    name: &'static str,
    /// For each contender, one a round.
    values: Vec<Vec<f64>>,
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((ours, others)) = self.names.split_last() else { return Ok(()) };
        writeln!(f, "{}", self.title)?;
        writeln!(f, "median (range) of {} rounds; \"/ x\" is {ours} divided by x", self.rounds)?;
        write!(f, "{:<26}", "")?;
        for name in &self.names {
            write!(f, " {name:>24}")?;
        }
        for other in others {
            write!(f, " {:>12}", format!("/ {other}"))?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:<26}", row.name)?;
            let spreads: Vec<_> = row.values.iter().map(|values| Spread::of(values)).collect();
            for spread in &spreads {
                write!(f, " {spread:>24}")?;
            }
            let (ours, others) = spreads.split_last().expect("there is a contender");
            for other in others {
                let ratio = ours.median / other.median;
                match ratio.is_finite() {
                    true => write!(f, " {ratio:>12.2}")?,
                    false => write!(f, " {:>12}", "-")?,
                }
            }
            writeln!(f)?;
        }
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
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
        if !median.is_finite() {
            return f.pad("-");
        }
        let is_count = [median, least, most].iter().all(|value| value.fract() == 0.0);
        let digits = if is_count || median.abs() >= 100.0 {
            0
        } else if median.abs() >= 10.0 {
            1
        } else {
            3
        };
        f.pad(&format!("{median:.digits$} ({least:.digits$}-{most:.digits$})"))
    }
}

/// The value below which `part` of the values lie, which are sorted.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into the values"
    )]
    let at = ((sorted.len() as f64) * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

//! The counts that were accepted, as a file that people read in differences.

use std::fmt::{self, Write as _};

/// Instructions of each operation.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// The compiler that made the program.
    pub(crate) compiler: String,
    pub(crate) counts: Vec<Count>,
}

/// Instructions of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) instructions: u64,
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is neither a comment nor a count.
    pub(crate) fn parse(text: &str) -> Result<Self, &str> {
        let mut baseline = Self { compiler: String::new(), counts: Vec::new() };
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((_, compiler)) = comment.split_once("compiler: ") {
                    compiler.clone_into(&mut baseline.compiler);
                }
                continue;
            }
            let (instructions, name) = line.trim_start().split_once(' ').ok_or(line)?;
            let instructions = instructions.parse().map_err(|_| line)?;
            baseline.counts.push(Count { name: name.trim().to_owned(), instructions });
        }
        Ok(baseline)
    }

    /// What is different enough to be told, a line each.
    pub(crate) fn compare(&self, now: &Self) -> String {
        let tolerance =
            if self.compiler == now.compiler { TOLERANCE } else { TOLERANCE_OF_COMPILERS };
        let mut report = String::new();
        let mut say = |line: fmt::Arguments<'_>| {
            writeln!(report, "{line}").expect("a string takes everything");
        };
        for Count { name, instructions: new } in &now.counts {
            let Some(old) = self.counts.iter().find(|count| count.name == *name) else {
                say(format_args!("  {:>7} -> {new:>7}           {name}", "-"));
                continue;
            };
            let old = old.instructions;
            let change = *new as f64 / old as f64 - 1.0;
            // A handful of instructions more or less is no change of a small operation.
            if change.abs() > tolerance && new.abs_diff(old) > SLACK {
                say(format_args!("  {old:>7} -> {new:>7} ({:+6.1} %) {name}", change * 100.0));
            }
        }
        for Count { name, instructions: old } in &self.counts {
            if !now.counts.iter().any(|count| count.name == *name) {
                say(format_args!("  {old:>7} -> {:>7}           {name}", "-"));
            }
        }
        report
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions of our own code for each operation, counted by callgrind.")?;
        writeln!(f, "# compiler: {}", self.compiler)?;
        for Count { name, instructions } in &self.counts {
            writeln!(f, "{instructions:>8} {name}")?;
        }
        Ok(())
    }
}

/// The part by which a count may change before somebody has to look.
const TOLERANCE: f64 = 0.03;
/// The same when another compiler made the program.
const TOLERANCE_OF_COMPILERS: f64 = 0.25;
/// Instructions that are never worth a look.
const SLACK: u64 = 4;

#[test]
fn changes_are_told_and_noise_is_not() {
    let count = |name: &str, instructions| Count { name: name.to_owned(), instructions };
    let baseline = |compiler: &str, counts| Baseline { compiler: compiler.to_owned(), counts };
    let old = baseline("a", vec![count("x", 1000), count("y, z", 10), count("gone", 5)]);
    let text = old.to_string();
    assert_eq!(Baseline::parse(&text).expect("our own format").to_string(), text);
    assert_eq!(Baseline::parse("# compiler: a\nmany x").expect_err("no number"), "many x");

    assert_eq!(old.compare(&old), "");
    let new = baseline("a", vec![count("x", 1031), count("y, z", 13), count("new", 7)]);
    let report = old.compare(&new);
    assert_eq!(report.lines().count(), 3, "{report}");
    assert!(report.contains("1000 ->    1031 (  +3.1 %) x"), "{report}");
    assert!(report.contains("- ->       7           new"), "{report}");
    assert!(report.contains("5 ->       -           gone"), "{report}");

    let other = baseline("b", vec![count("x", 1240), count("y, z", 10), count("gone", 5)]);
    assert_eq!(old.compare(&other), "", "compilers differ");
    let faster = baseline("a", vec![count("x", 960), count("y, z", 10), count("gone", 5)]);
    assert!(old.compare(&faster).contains("-4.0 %"), "what got better is accepted as well");
}

//! Reports of runs: for the terminal, as JSON, as one HTML file with pictures.

pub use self::compare::Comparison;

mod charts;
pub mod compare;
pub mod html;
pub mod json;
mod stages;
mod summary;
mod svg;
pub mod terminal;
mod words;

#[cfg(test)]
mod specimen;
#[cfg(test)]
mod tests;

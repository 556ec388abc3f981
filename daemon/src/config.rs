//! The configuration file.

pub mod duration;

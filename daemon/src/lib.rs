//! What a person meets of Reveille: configuration, command line, logs, control.
//!
//! A configuration file ([`config`]) or a command line becomes a [`site::Site`]: what is meant.
//! Together with the [`host::Host`] it becomes a view for the engines ([`view::build`]), checked
//! completely before anything is served.

pub mod arch;
pub mod args;
pub mod boot;
pub mod check;
pub mod config;
mod control;
pub mod explain;
pub mod host;
pub mod images;
pub mod leases;
pub mod logging;
pub mod privileges;
pub mod problem;
pub mod programs;
pub mod quirks;
pub mod serve;
pub mod site;
pub mod status;
pub mod store;
pub mod templates;
pub mod terminal;
pub mod timeline;
pub mod units;
pub mod view;

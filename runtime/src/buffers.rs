//! Memory that the kernel reads or writes while we do something else.

pub mod images;

//! Memory that the kernel reads or writes while we do something else.

pub mod images;
pub(crate) mod pinned;
pub(crate) mod receive;
pub(crate) mod send;

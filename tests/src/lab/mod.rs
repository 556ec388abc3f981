//! A laboratory of one link: a switch, a server's host, and machines with real firmware.
//!
//! Everything lives in network namespaces that have no name and no way out: they vanish with the
//! last descriptor and process in them, also after a panic. The test process must be root, or root
//! of a user namespace of its own (`unshare --user --map-root-user --mount`).

pub mod capture;
pub mod client;
pub mod images;
mod link;
mod machine;
mod namespace;
pub mod peer;
mod prerequisites;
mod process;
mod program;
mod relay;
pub mod relayed;
pub mod reveille;

pub use link::{Host, Link, SERVER_ADDRESS};
pub use machine::{Boot, Firmware, Machine, Up};
pub use namespace::Namespace;
pub use prerequisites::{folder, packaged, require};
pub use process::{Process, Timeout};
pub use program::{BootFiles, boot_files};
pub use reveille::Reveille;

//! Machines against the real engines and against servers that misbehave, in virtual time.

mod boots;
mod faults;
mod hostile;
mod proxies;
mod scripts;
mod world;

//! The runtime on real sockets, driven by engines that are simple enough to be obviously right.

mod allocations;
mod control;
mod datagrams;
mod frames;
mod images;
mod kit;
mod links;
mod namespace;
mod packets;
mod persist;
mod privileges;
mod streamer;
mod streams;

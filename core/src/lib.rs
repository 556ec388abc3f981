//! The pure core of Reveille: packets in, decisions out.
//!
//! This crate knows packets, protocols, leases, sessions and boot decisions. It has no clock,
//! socket, file, thread or `unsafe`, and in steady state no allocation. Three engines,
//! [`dhcp4::Dhcp4Server`], [`tftp::TftpServer`] and [`http::HttpServer`], share one contract:
//! see [`engine`], which is the place to start reading, then `tftp/session.rs` for a protocol.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod binding;
pub mod boot;
pub mod dhcp4;
mod digits;
pub mod document;
pub mod engine;
pub mod event;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hash;
pub mod http;
pub mod identity;
pub mod image;
pub mod limits;
pub mod mac;
mod ndp;
pub mod node;
pub mod rate;
pub mod resource;
pub mod rng;
pub mod table;
pub mod text;
pub mod tftp;
pub mod time;
pub mod view;
pub mod wire;

//! `live` on cables in network namespaces, where frames are put by `tcpreplay`.
//!
//! Needs root on Linux; each test says loudly when it could not run.
#![allow(unreachable_pub, reason = "modules of tests have nobody outside")]
#![cfg(all(target_os = "linux", feature = "libpcap"))]

#[path = "../common/mod.rs"]
mod common;
mod kit;
mod listening;
mod peers;
mod rotation;
mod screen;
mod soak;
mod trouble;
mod watching;

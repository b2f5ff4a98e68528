//! `live` on cables in network namespaces, where frames are put by `tcpreplay`.
//!
//! Needs root on Linux; each test says loudly when it could not run.
#![allow(unreachable_pub, reason = "modules of tests have nobody outside")]
#![cfg(all(target_os = "linux", feature = "libpcap"))]

#[path = "../common/mod.rs"]
mod common;
mod kit;
mod listening;
mod office;
#[path = "../faults/packets.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod packets;
mod peers;
mod programs;
mod readers;
mod rotation;
mod screen;
mod soak;
mod trouble;
mod watching;
#[path = "../faults/wraps.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod wraps;

//! What can be told of interfaces through libpcap alone.

use std::io;
use std::thread;
use std::time::Duration;

use dissect::Pairing;
use pcap::{Active, Capture};

use super::interface::Interface;

/// Handles of interfaces that went down are opened anew.
pub(super) const SURVIVES_DOWN: bool = false;

/// Whether an interface is there; its number is its place in nothing, always 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Up(u32),
    Down(u32),
    Gone,
}

/// The state of the interface of this name. What libpcap lists is there; whether it is up is not
/// told reliably everywhere, so opening it decides.
pub(super) fn link_state(name: &str) -> LinkState {
    let Ok(devices) = pcap::Device::list() else { return LinkState::Up(0) };
    match devices.iter().find(|device| device.name == name) {
        Some(device) if cfg!(unix) && !device.flags.is_up() => LinkState::Down(0),
        Some(_) => LinkState::Up(0),
        None => LinkState::Gone,
    }
}

/// Not possible here; the interface is opened anew.
pub(super) fn rebind(_: &Capture<Active>, _: u32, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not possible here; one thread reads.
pub(super) const CAN_SHARE: bool = false;

/// Not possible here.
pub(super) fn share(_: &[Capture<Active>], _: &Pairing) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not possible here.
pub(super) fn unhook(_: &Capture<Active>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Waits a moment: handles are no descriptors that can be waited on everywhere.
pub(super) fn wait_readable(interfaces: &[Interface], timeout: Duration) {
    const MOMENT: Duration = Duration::from_millis(5);
    let can_deliver = interfaces.iter().any(|interface| interface.waitable().is_some());
    thread::sleep(if can_deliver { timeout.min(MOMENT) } else { timeout });
}

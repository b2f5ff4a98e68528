//! The interfaces of this host.

use std::net::IpAddr;

use crate::CaptureError;

/// An interface that frames can be captured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// What `live -i` takes.
    pub name: String,
    /// What the system says of it; empty when it says nothing.
    pub description: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it is a loopback interface.
    pub is_loopback: bool,
    /// Its addresses; a mirror port has none as a rule.
    pub addresses: Vec<IpAddr>,
}

/// Lists the interfaces that frames can be captured on.
///
/// # Errors
///
/// When the system gives no list.
pub fn interfaces() -> Result<Vec<InterfaceInfo>, CaptureError> {
    let devices = pcap::Device::list().map_err(|error| CaptureError::Interface {
        name: "interfaces".to_owned(),
        message: super::handle::plain(error),
    })?;
    let info = |device: pcap::Device| InterfaceInfo {
        is_up: device.flags.is_up(),
        is_loopback: device.flags.is_loopback(),
        addresses: device.addresses.iter().map(|address| address.addr).collect(),
        description: device.desc.unwrap_or_default(),
        name: device.name,
    };
    Ok(devices.into_iter().map(info).collect())
}

//! What Linux tells of interfaces, and what libpcap does not do for us.
#![expect(unsafe_code, reason = "calls of the C library that have no safe form")]

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use pcap::{Active, Capture};

use super::interface::Interface;

pub(super) use super::fanout::{CAN_SHARE, share, unhook};

/// A socket stays with an interface that is taken down and up again.
pub(super) const SURVIVES_DOWN: bool = true;

/// Whether an interface is there, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Up(u32),
    Down(u32),
    Gone,
}

/// The state of the interface of this name. `any` is all interfaces, and always up.
pub(super) fn link_state(name: &str) -> LinkState {
    if name == "any" {
        return LinkState::Up(0);
    }
    let Ok(c_name) = CString::new(name) else { return LinkState::Gone };
    // SAFETY: the pointer is to a string that ends in a zero and outlives the call.
    let index = unsafe { libc::if_nametoindex(c_name.as_ptr()) };
    match (index, flags(name)) {
        // Without a socket to ask through, that it exists has to do.
        (1.., None) => LinkState::Up(index),
        (1.., Some(flags)) if flags & libc::IFF_UP != 0 => LinkState::Up(index),
        (1.., Some(_)) => LinkState::Down(index),
        (0, _) => LinkState::Gone,
    }
}

/// The interface's flags.
fn flags(name: &str) -> Option<i32> {
    // SAFETY: no pointers are passed; the result is checked before it is used.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return None;
    }
    // SAFETY: the call above returned this descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: `ifreq` is plain data, of which all zeros is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    let (name, room) = (name.as_bytes(), &mut request.ifr_name);
    if name.len() >= room.len() {
        return None;
    }
    for (place, byte) in room.iter_mut().zip(name) {
        *place = (*byte).cast_signed();
    }
    // SAFETY: SIOCGIFFLAGS reads the name, which ends in a zero as it is shorter than its room,
    // and writes the flags, both within the `ifreq` that is passed.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) };
    // SAFETY: the call succeeded, so it wrote this field of the union.
    (status == 0).then(|| i32::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// Binds the handle's socket to the interface of this number, with its ring and filter. That takes
/// no privilege, unlike opening a new one.
pub(super) fn rebind(handle: &Capture<Active>, index: u32, is_promiscuous: bool) -> io::Result<()> {
    let socket = handle.as_raw_fd();
    let index = i32::try_from(index).map_err(io::Error::other)?;
    // Network byte order, of a constant that fits.
    let all_protocols = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
    // SAFETY: `sockaddr_ll` is plain data, of which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = all_protocols;
    address.sll_ifindex = index;
    // SAFETY: the pointer and the length are those of `address`, which outlives the call.
    let status =
        unsafe { libc::bind(socket, (&raw const address).cast(), socklen::<libc::sockaddr_ll>()) };
    check(status)?;
    if is_promiscuous {
        // SAFETY: `packet_mreq` is plain data, of which all zeros is a value.
        let mut membership: libc::packet_mreq = unsafe { mem::zeroed() };
        membership.mr_ifindex = index;
        membership.mr_type = u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default();
        // SAFETY: the pointer and the length are those of `membership`, which outlives the call.
        let status = unsafe {
            libc::setsockopt(
                socket,
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const membership).cast(),
                socklen::<libc::packet_mreq>(),
            )
        };
        check(status)?;
    }
    Ok(())
}

/// Waits until one of the interfaces has frames, or something happens to it.
pub(super) fn wait_readable(interfaces: &[Interface], timeout: Duration) {
    let fds = interfaces.iter().filter_map(Interface::waitable).map(|handle| handle.as_raw_fd());
    let wanted = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut wanted: Vec<libc::pollfd> = fds.map(wanted).collect();
    // Rounded up, lest a wait of less than a millisecond becomes a busy loop.
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    let count = libc::nfds_t::try_from(wanted.len()).unwrap_or_default();
    // SAFETY: the pointer is to `count` entries of `wanted`, which outlives the call. That the wait
    // is interrupted by a signal is as good as a timeout.
    unsafe { libc::poll(wanted.as_mut_ptr(), count, millis) };
}

pub(super) fn check(status: i32) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(super) fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_have_states() {
        assert_eq!(link_state("no-such-interface-0"), LinkState::Gone);
        assert_eq!(link_state("a\0b"), LinkState::Gone);
        assert_eq!(link_state("any"), LinkState::Up(0));
        assert!(!matches!(link_state("lo"), LinkState::Gone));
    }
}

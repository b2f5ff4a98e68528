//! A libpcap handle, and what it says in words of ours.

use dissect::{LinkType, Timestamp};
use pcap::{Active, Capture, Precision};

use super::{KERNEL_DELAY_MS, LiveOptions};
use crate::CaptureError;

/// Opens an interface that is there.
pub(super) fn open_handle(
    name: &str,
    options: &LiveOptions,
) -> Result<Capture<Active>, CaptureError> {
    let fails = |error| interface_error(name, plain(error));
    // Larger values than the library takes are the largest that it takes.
    let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let handle = Capture::from_device(name)
        .map_err(fails)?
        .promisc(options.is_promiscuous)
        .snaplen(int(options.snap_len))
        .buffer_size(int(options.buffer_bytes))
        // In immediate mode the kernel wakes us for each frame, with a slower ring.
        .immediate_mode(false)
        .timeout(KERNEL_DELAY_MS)
        .precision(Precision::Nano)
        .open()
        .map_err(fails)?;
    let mut handle = handle.setnonblock().map_err(fails)?;
    if let Some(expression) = &options.filter {
        handle.filter(expression, true).map_err(|error| CaptureError::BadFilter {
            expression: expression.clone(),
            message: plain(error),
        })?;
    }
    Ok(handle)
}

fn interface_error(name: &str, message: String) -> CaptureError {
    let name = name.to_owned();
    let said = message.to_ascii_lowercase();
    match () {
        () if said.contains("not permitted") || said.contains("permission") => {
            let program = std::env::current_exe().unwrap_or_else(|_| "tlsunset".into());
            CaptureError::NoPermission { name, program }
        }
        () if said.contains("not up") => CaptureError::InterfaceDown { name },
        () => CaptureError::Interface { name, message },
    }
}

pub(super) fn plain(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    }
}

/// When a frame was captured; the handle was opened for nanoseconds.
pub(super) fn time_of(header: &pcap::PacketHeader) -> Timestamp {
    // The fields are 32 or 64 bits wide, by platform.
    #[allow(clippy::useless_conversion, reason = "not useless on every platform")]
    let (seconds, nanos) = (i64::from(header.ts.tv_sec), i64::from(header.ts.tv_usec));
    Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// The number of a link type in files, where libpcap knows it by another.
pub(super) fn link_type(dlt: i32) -> LinkType {
    let number = match dlt {
        11 => 100,
        12 | 14 => 101,
        15 => 102,
        16 => 103,
        19 => 106,
        // Link types have 16 bits; what has more is none that is decoded.
        same => u16::try_from(same).unwrap_or(u16::MAX),
    };
    LinkType(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let error = interface_error("eth9", "socket: Operation not permitted".to_owned());
        let message = error.to_string();
        assert!(message.contains("cap_net_raw") && message.contains("setcap"), "{message}");
        let error = interface_error("eth9", "eth9: That device is not up".to_owned());
        assert!(matches!(error, CaptureError::InterfaceDown { .. }));
    }

    #[test]
    fn link_types_are_those_of_files() {
        assert_eq!(link_type(1), LinkType::ETHERNET);
        assert_eq!(link_type(12), LinkType::RAW);
        assert_eq!(link_type(113), LinkType::LINUX_SLL);
        assert_eq!(link_type(-1), LinkType(u16::MAX));
    }
}

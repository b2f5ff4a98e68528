//! What can go wrong with an input, in words for the person who named it.
//!
//! Every variant names the file. Offsets count from the start of the file, or of what was
//! unpacked from it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an input, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A compressed file can't be unpacked any further.
    #[error(
        "{}: the {codec} data is damaged near byte {packed_offset} (byte {offset} unpacked): \
         {source}; what came before it was read",
        file.display()
    )]
    BadArchive {
        /// The file.
        file: PathBuf,
        /// How it is compressed.
        codec: Codec,
        /// Bytes taken from the file when the damage showed.
        packed_offset: u64,
        /// Bytes unpacked before it.
        offset: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// The filter expression is none.
    #[error("filter {expression:?} is not understood: {message}")]
    BadFilter {
        /// As it was given.
        expression: String,
        /// What libpcap says.
        message: String,
    },
    /// The file ends where more was announced.
    #[error(
        "{}: byte {offset}: the file ends inside {within}: {expected} bytes expected, {found} \
         found; what came before it was read",
        file.display()
    )]
    Cut {
        /// The file.
        file: PathBuf,
        /// Where the unfinished part begins.
        offset: u64,
        /// What it is.
        within: &'static str,
        /// Its length in bytes.
        expected: u64,
        /// How many of them are there.
        found: u64,
    },
    /// Bytes that can't be what they should be.
    #[error("{}: byte {offset}: expected {expected}, found {found}; {recovery}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the damaged part begins.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What became of the rest.
        recovery: Recovery,
    },
    /// A file without a single byte.
    #[error("{}: the file is empty", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// An interface that can't be captured on.
    #[error("{name}: {message}")]
    Interface {
        /// Its name.
        name: String,
        /// What libpcap says.
        message: String,
    },
    /// An interface that is not up.
    #[error("{name} is down; bring it up with `ip link set {name} up`")]
    InterfaceDown {
        /// Its name.
        name: String,
    },
    /// A directory in which nothing is a capture.
    #[error("{}: no capture file in this directory or below it", directory.display())]
    NoCaptures {
        /// The directory.
        directory: PathBuf,
    },
    /// Capturing needs a privilege.
    #[error(
        "no permission to capture on {name}: the capability CAP_NET_RAW is needed; run as root, or \
         grant it with `sudo setcap cap_net_raw+ep {}`",
        program.display()
    )]
    NoPermission {
        /// The interface.
        name: String,
        /// This program's file.
        program: PathBuf,
    },
    /// No interface has this name.
    #[error("there is no interface {name}; there are {}", known.join(", "))]
    NoSuchInterface {
        /// The name.
        name: String,
        /// The names of those that are there.
        known: Vec<String>,
    },
    /// A file of another kind.
    #[error("{}: expected a pcap, pcapng or snoop capture, found {found}", file.display())]
    NotACapture {
        /// The file.
        file: PathBuf,
        /// What it looks like, and what to do about that.
        found: String,
    },
    /// A file that can't be opened.
    #[error("{}: {}", file.display(), open_reason(source))]
    Open {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A read that failed.
    #[error("{}: byte {offset}: reading failed: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
}

/// What became of the part of a file that follows damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// The file has too many damaged places to go on.
    GaveUp {
        /// How many, this one included.
        places: usize,
    },
    /// Reading goes on behind `bytes` skipped bytes.
    Skipped {
        /// From the damage to the next sound packet.
        bytes: u64,
    },
    /// Nothing sound follows.
    Stopped {
        /// From the damage to the end of what was searched.
        bytes: u64,
    },
    /// The damage is in the file header, without which nothing can be read.
    Unread,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GaveUp { places } => {
                write!(f, "this is damaged place {places} of this file, stopped here")
            }
            Self::Skipped { bytes } => write!(f, "skipped {bytes} bytes and went on"),
            Self::Stopped { bytes } => {
                write!(f, "no sound packet in the {bytes} bytes that follow, stopped here")
            }
            Self::Unread => f.write_str("nothing of the file was read"),
        }
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// RFC 1952, of one or more members.
    Gzip,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878, of one or more frames.
    Zstd,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

fn open_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; run as a user who may read it".to_owned()
        }
        _ if error.raw_os_error() == Some(EMFILE) => {
            "too many files are open at once; raise the limit with `ulimit -n`".to_owned()
        }
        _ => format!("can't be opened: {error}"),
    }
}

/// The number of "too many open files" on Unix systems and Windows' C library alike.
const EMFILE: i32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_where_and_what_to_do() {
        let check = |error: CaptureError, expect: &str| assert_eq!(error.to_string(), expect);
        let file = PathBuf::from("day.pcap");
        check(
            CaptureError::Open { file: file.clone(), source: io::ErrorKind::NotFound.into() },
            "day.pcap: no such file or directory",
        );
        check(
            CaptureError::Open {
                file: file.clone(),
                source: io::ErrorKind::PermissionDenied.into(),
            },
            "day.pcap: permission denied; run as a user who may read it",
        );
        check(
            CaptureError::Open { file: file.clone(), source: io::Error::from_raw_os_error(EMFILE) },
            "day.pcap: too many files are open at once; raise the limit with `ulimit -n`",
        );
        check(
            CaptureError::Cut {
                file: file.clone(),
                offset: 24,
                within: "a packet",
                expected: 76,
                found: 20,
            },
            "day.pcap: byte 24: the file ends inside a packet: 76 bytes expected, 20 found; what \
             came before it was read",
        );
        check(
            CaptureError::Damaged {
                file,
                offset: 24,
                expected: "a packet header".to_owned(),
                found: "zero bytes".to_owned(),
                recovery: Recovery::Skipped { bytes: 99 },
            },
            "day.pcap: byte 24: expected a packet header, found zero bytes; skipped 99 bytes and \
             went on",
        );
    }
}

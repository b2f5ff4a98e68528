//! TLS records that travel inside another protocol's packets, taken out of them.

use super::Wrapping;
use super::openvpn::{CONTROL, packet, payload};
use super::tds::{HEADER_LEN, PACKET_MAX, PRELOGIN, REPLY};

/// Longest OpenVPN control packet that is kept until it is whole.
const CONTROL_MAX: usize = 4096;

/// Takes the packets of a direction off, from where [`Step::Tls`](super::Step::Tls) says.
#[derive(Debug)]
pub(crate) struct Unwrap {
    /// Bytes of an unfinished header, or of an unfinished control packet.
    kept: Vec<u8>,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Tds {
        /// Bytes of the running packet that are yet to come.
        left: usize,
    },
    OpenVpn {
        guard: u8,
        /// Number of the message that comes next.
        next: Option<u32>,
        /// Bytes of a packet without TLS that are yet to be passed over.
        skip: usize,
    },
    /// No packets any more: records as they are.
    Raw,
    /// No packets and no records.
    Lost,
}

impl Unwrap {
    /// For the wrapping that the dialogue told.
    #[must_use]
    pub(crate) fn new(wrapping: Wrapping) -> Self {
        let inner = match wrapping {
            Wrapping::Tds => Inner::Tds { left: 0 },
            Wrapping::OpenVpn { guard } => Inner::OpenVpn { guard, next: None, skip: 0 },
        };
        Self { kept: Vec::new(), inner }
    }

    /// Appends to `out` what these bytes of the direction carry of TLS: never more than they and the
    /// packet that is kept.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.kept.is_empty() {
            let taken = self.unwrap(bytes, out);
            self.kept.extend_from_slice(&bytes[taken..]);
        } else {
            let mut joined = std::mem::take(&mut self.kept);
            joined.extend_from_slice(bytes);
            let taken = self.unwrap(&joined, out);
            joined.drain(..taken);
            self.kept = joined;
        }
    }

    /// Unwraps as far as there are whole headers, or packets; tells how far.
    fn unwrap(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let taken = match &mut self.inner {
                Inner::Raw => {
                    out.extend_from_slice(rest);
                    return bytes.len();
                }
                Inner::Lost => return bytes.len(),
                Inner::Tds { left } if *left > 0 => {
                    let taken = rest.len().min(*left);
                    out.extend_from_slice(&rest[..taken]);
                    *left -= taken;
                    Ok(taken)
                }
                Inner::Tds { left } => tds_header(rest, left),
                Inner::OpenVpn { guard, next, skip } => {
                    let taken = rest.len().min(*skip);
                    *skip -= taken;
                    if taken > 0 { Ok(taken) } else { control(rest, *guard, next, skip, out) }
                }
            };
            match taken {
                Ok(0) => return at,
                Ok(taken) => at += taken,
                Err(inner) => self.inner = inner,
            }
        }
    }
}

/// The header of a packet, or the first record without one.
fn tds_header(rest: &[u8], left: &mut usize) -> Result<usize, Inner> {
    match rest {
        // The handshake is over: records follow each other as they are.
        [0x14..=0x17, 3, ..] => Err(Inner::Raw),
        [] | [0x14..=0x17] => Ok(0),
        [PRELOGIN | REPLY, ..] => {
            let Some(header) = rest.first_chunk::<HEADER_LEN>() else { return Ok(0) };
            let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if !(HEADER_LEN..=PACKET_MAX).contains(&len) {
                return Err(Inner::Lost);
            }
            *left = len - HEADER_LEN;
            Ok(HEADER_LEN)
        }
        _ => Err(Inner::Lost),
    }
}

/// One packet of the control channel, or of another one, which is passed over.
fn control(
    rest: &[u8],
    guard: u8,
    next: &mut Option<u32>,
    skip: &mut usize,
    out: &mut Vec<u8>,
) -> Result<usize, Inner> {
    let Some((len, found)) = packet(rest) else { return Ok(0) };
    if found.opcode != CONTROL || found.key != 0 || len > CONTROL_MAX {
        *skip = len - 3;
        return Ok(3);
    }
    if rest.len() < len {
        return Ok(0);
    }
    if let Some((number, payload)) = payload(found.body, guard) {
        // A message that is sent again has an old number.
        if next.is_none_or(|next| next == number) {
            out.extend_from_slice(payload);
            *next = Some(number.wrapping_add(1));
        }
    }
    Ok(len)
}

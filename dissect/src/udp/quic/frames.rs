//! Frames of Initial packets (RFC 9000 §12.4 and §19): CRYPTO and CONNECTION_CLOSE are handed on,
//! PADDING, PING and ACK are passed over, and anything else may not be there.

use super::packet::varint;
use crate::tls::Cursor;

/// A frame that tells something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A piece of the handshake (RFC 9000 §19.6).
    Crypto { offset: usize, bytes: &'a [u8] },
    /// The end of the connection by a TLS alert (RFC 9001 §4.8).
    Alert(u8),
    /// The end of the connection for another reason (RFC 9000 §19.19).
    Close,
}

/// The frames of a packet, until one that may not be there or is cut.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    rest: Cursor<'a>,
    /// Whether a CRYPTO frame that runs over the end is handed on as far as it goes.
    is_cut: bool,
}

impl<'a> Frames<'a> {
    pub(super) const fn new(plain: &'a [u8], is_cut: bool) -> Self {
        Self { rest: Cursor(plain), is_cut }
    }

    /// Passes over an ACK frame behind its type (RFC 9000 §19.3).
    fn skip_ack(&mut self, has_ecn: bool) -> Option<()> {
        varint(&mut self.rest)?;
        varint(&mut self.rest)?;
        let ranges = varint(&mut self.rest)?;
        varint(&mut self.rest)?;
        // A lying count ends with the bytes.
        for _ in 0..ranges {
            varint(&mut self.rest)?;
            varint(&mut self.rest)?;
        }
        for _ in 0..if has_ecn { 3 } else { 0 } {
            varint(&mut self.rest)?;
        }
        Some(())
    }

    fn crypto(&mut self) -> Option<Frame<'a>> {
        let offset = usize::try_from(varint(&mut self.rest)?).ok()?;
        let len = usize::try_from(varint(&mut self.rest)?).ok()?;
        let len = if self.is_cut { len.min(self.rest.0.len()) } else { len };
        Some(Frame::Crypto { offset, bytes: self.rest.take(len)? })
    }

    fn close(&mut self) -> Option<Frame<'a>> {
        /// CRYPTO_ERROR: the low byte is the alert (RFC 9000 §20.1).
        const CRYPTO_ERROR: std::ops::RangeInclusive<u64> = 0x0100..=0x01ff;
        let code = varint(&mut self.rest)?;
        self.rest = Cursor(&[]);
        if !CRYPTO_ERROR.contains(&code) {
            return Some(Frame::Close);
        }
        u8::try_from(code & 0xff).ok().map(Frame::Alert)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        const PADDING: u8 = 0x00;
        const PING: u8 = 0x01;
        const ACK: u8 = 0x02;
        const ACK_ECN: u8 = 0x03;
        const CRYPTO: u8 = 0x06;
        const CONNECTION_CLOSE: u8 = 0x1c;
        loop {
            // These types have one byte, which is their shortest form and so the only one.
            match self.rest.u8()? {
                PADDING | PING => {}
                kind @ (ACK | ACK_ECN) => self.skip_ack(kind == ACK_ECN)?,
                CRYPTO => return self.crypto(),
                CONNECTION_CLOSE => return self.close(),
                _ => {
                    self.rest = Cursor(&[]);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_told_apart() {
        let plain = [
            &[0, 0, 1][..],
            &[2, 9, 0, 1, 0, 3, 4],         // ACK with one more range
            &[3, 9, 0, 0, 0, 1, 2, 3],      // ACK with ECN counts
            &[6, 0x40, 100, 2, b'h', b'i'], // CRYPTO
            &[0x1c, 0x41, 0x28, 6, 0],      // CONNECTION_CLOSE with alert 40
            &[6, 0, 0],
        ]
        .concat();
        let frames: Vec<_> = Frames::new(&plain, false).collect();
        assert_eq!(frames, [Frame::Crypto { offset: 100, bytes: b"hi" }, Frame::Alert(40)]);
    }

    #[test]
    fn a_frame_that_may_not_be_there_ends_them() {
        assert_eq!(Frames::new(&[8, 0, 0, 6, 0, 0], false).next(), None);
    }

    #[test]
    fn a_cut_frame_is_handed_on_as_far_as_it_goes() {
        let plain = [6, 0, 9, 1, 2];
        assert_eq!(Frames::new(&plain, false).next(), None);
        let frame = Frames::new(&plain, true).next();
        assert_eq!(frame, Some(Frame::Crypto { offset: 0, bytes: &[1, 2] }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(plain: Vec<u8>, is_cut: bool) {
            let _ = Frames::new(&plain, is_cut).count();
        }
    }
}

//! The messages of a connection, kept small.
//!
//! A report holds the facts of every connection until it is written, so what each has several of
//! is what memory goes to. Consecutive messages are close to each other in the capture: each is
//! written as the difference to the one before, 9 bytes or so in place of 24.

use std::fmt;

use crate::{Mark, MessageKind, MessageMark, Side, Timestamp};

/// The handshake messages and alerts of a connection that were read in the clear, in the order in
/// which they were put in.
///
/// Equal lists of messages are equal.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Messages {
    /// Of each message: sender and kind in a byte, what belongs to the kind, and as LEB128 numbers
    /// the length of its frame and the distance of frame number and time to the message before.
    packed: Box<[u8]>,
}

const FROM_SERVER: u8 = 0x80;

const CLIENT_HELLO: u8 = 0;
const SERVER_HELLO: u8 = 1;
const HELLO_RETRY_REQUEST: u8 = 2;
const HANDSHAKE: u8 = 3;
const ALERT: u8 = 4;

/// Most bytes that a message takes: its kind, and three numbers of 32 and 64 bits.
const MESSAGE_LEN_MAX: usize = 3 + 5 + 10 + 10;
/// Messages that are packed before they are put away. Most connections have fewer.
const ROOM: usize = 10;

impl Messages {
    /// The messages.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.packed, last: Mark::default() }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Bytes that are held beside the list itself.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.packed.len()
    }
}

impl FromIterator<MessageMark> for Messages {
    fn from_iter<I: IntoIterator<Item = MessageMark>>(messages: I) -> Self {
        let mut packer = Packer::default();
        messages.into_iter().for_each(|message| packer.push(&message));
        Self { packed: packer.finish() }
    }
}

impl<'a> IntoIterator for &'a Messages {
    type Item = MessageMark;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Shows the messages, not the bytes that they are packed in.
impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Goes through the messages of a connection.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
    last: Mark,
}

impl Iterator for Iter<'_> {
    type Item = MessageMark;

    #[inline]
    fn next(&mut self) -> Option<MessageMark> {
        let first = self.byte()?;
        let from = if first & FROM_SERVER == 0 { Side::Client } else { Side::Server };
        let kind = match first & !FROM_SERVER {
            CLIENT_HELLO => MessageKind::ClientHello,
            SERVER_HELLO => MessageKind::ServerHello,
            HELLO_RETRY_REQUEST => MessageKind::HelloRetryRequest,
            HANDSHAKE => MessageKind::Handshake(self.byte()?),
            _ => MessageKind::Alert { level: self.byte()?, description: self.byte()? },
        };
        // It was packed from 32 bits.
        let frame_len = u32::try_from(self.number()?).unwrap_or(u32::MAX);
        let frame = self.last.frame.wrapping_add_signed(self.difference()?);
        let time = self.last.time.as_nanos().wrapping_add(self.difference()?);
        self.last = Mark { frame, time: Timestamp::from_nanos(time) };
        Some(MessageMark { at: self.last, frame_len, from, kind })
    }
}

impl Iter<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn difference(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

/// Packs messages one behind the other.
#[derive(Debug)]
struct Packer {
    /// What was packed before `room`.
    done: Vec<u8>,
    room: [u8; ROOM * MESSAGE_LEN_MAX],
    len: usize,
    last: Mark,
}

impl Default for Packer {
    fn default() -> Self {
        let room = [0; ROOM * MESSAGE_LEN_MAX];
        Self { done: Vec::new(), room, len: 0, last: Mark::default() }
    }
}

impl Packer {
    #[inline]
    fn push(&mut self, message: &MessageMark) {
        if self.len > (ROOM - 1) * MESSAGE_LEN_MAX {
            self.put_away();
        }
        let from = if message.from == Side::Server { FROM_SERVER } else { 0 };
        match message.kind {
            MessageKind::ClientHello => self.byte(from | CLIENT_HELLO),
            MessageKind::ServerHello => self.byte(from | SERVER_HELLO),
            MessageKind::HelloRetryRequest => self.byte(from | HELLO_RETRY_REQUEST),
            MessageKind::Handshake(kind) => {
                self.byte(from | HANDSHAKE);
                self.byte(kind);
            }
            MessageKind::Alert { level, description } => {
                self.byte(from | ALERT);
                self.byte(level);
                self.byte(description);
            }
        }
        let (at, last) = (message.at, std::mem::replace(&mut self.last, message.at));
        self.number(message.frame_len.into());
        self.difference(at.frame.wrapping_sub(last.frame).cast_signed());
        self.difference(at.time.as_nanos().wrapping_sub(last.time.as_nanos()));
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        // There is room for a whole message.
        if let Some(place) = self.room.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// LEB128: seven bits a byte, the lowest first, the eighth says that more follow.
    #[inline]
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            // The lowest seven bits.
            self.byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.byte((number & 0x7f) as u8);
    }

    /// Small numbers of either sign are small: 0, -1, 1, -2 become 0, 1, 2, 3.
    #[inline]
    fn difference(&mut self, difference: i64) {
        self.number(((difference << 1) ^ (difference >> 63)).cast_unsigned());
    }

    fn packed(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }

    #[cold]
    fn put_away(&mut self) {
        let mut done = std::mem::take(&mut self.done);
        done.extend_from_slice(self.packed());
        (self.done, self.len) = (done, 0);
    }

    fn finish(mut self) -> Box<[u8]> {
        if self.done.is_empty() {
            return self.packed().into();
        }
        self.put_away();
        self.done.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = MessageKind> {
        prop_oneof![
            Just(MessageKind::ClientHello),
            Just(MessageKind::ServerHello),
            Just(MessageKind::HelloRetryRequest),
            any::<u8>().prop_map(MessageKind::Handshake),
            any::<(u8, u8)>()
                .prop_map(|(level, description)| MessageKind::Alert { level, description }),
        ]
    }

    fn message() -> impl Strategy<Value = MessageMark> {
        (any::<u64>(), any::<i64>(), any::<u32>(), any::<bool>(), kind()).prop_map(
            |(frame, nanos, frame_len, is_client, kind)| {
                let at = Mark { frame, time: Timestamp::from_nanos(nanos) };
                let from = if is_client { Side::Client } else { Side::Server };
                MessageMark { at, frame_len, from, kind }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(all in prop::collection::vec(message(), 0..2 * ROOM + 3)) {
            let packed: Messages = all.iter().copied().collect();
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), &all[..]);
            prop_assert_eq!(packed.is_empty(), all.is_empty());
        }
    }

    #[test]
    fn a_handshake_takes_less_than_a_cache_line() {
        let at = |frame, nanos: i64| Mark {
            frame,
            time: Timestamp::from_nanos(1_700_000_000_000_000_000 + nanos),
        };
        let message = |frame, nanos, from, kind| MessageMark {
            at: at(frame, nanos),
            frame_len: 571,
            from,
            kind,
        };
        let all = [
            message(1_000_000, 0, Side::Client, MessageKind::ClientHello),
            message(1_000_003, 20_000_000, Side::Server, MessageKind::ServerHello),
            message(1_000_003, 20_000_000, Side::Server, MessageKind::Handshake(11)),
            message(1_000_003, 20_000_000, Side::Server, MessageKind::Handshake(12)),
            message(1_000_003, 20_000_000, Side::Server, MessageKind::Handshake(14)),
            message(1_000_005, 21_000_000, Side::Client, MessageKind::Handshake(16)),
        ];
        assert!(all.into_iter().collect::<Messages>().held_bytes() <= 64);
    }
}

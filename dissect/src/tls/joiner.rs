//! Joins handshake messages that are spread over records and segments (RFC 8446 §5.1).
//!
//! A message that lies in one fragment is handed on where it is; others are collected within a
//! bound. Lengths in message headers let the joiner pass over messages that nobody wants, and
//! over missing bytes within one message.

use super::message;

/// A message body that is collected: longer ones are passed over. Certificate chains of public
/// authorities take 3 to 8 KiB; the longest seen in the wild stay below 64 KiB.
const COLLECTED_BYTES_MAX: usize = 64 << 10;
/// A message that may be passed over. Post-quantum certificate chains may grow to this.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Type and length.
const HEADER_LEN: usize = 4;

/// One direction's handshake stream.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    /// Header and as much of the body as arrived of the message being collected.
    collected: Vec<u8>,
    /// Bytes of the current message that are passed over.
    skip: usize,
    /// The place of the next message is unknown until a record begins.
    is_lost: bool,
}

/// What a fragment held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Handshake messages, or parts of them.
    Messages,
    /// No handshake message begins where one must.
    NotHandshake,
}

impl Joiner {
    /// Takes the next fragment and hands each complete message, type and body, to `take`.
    pub(crate) fn push(
        &mut self,
        mut fragment: &[u8],
        is_record_start: bool,
        mut take: impl FnMut(u8, &[u8]),
    ) -> Joined {
        if self.is_lost {
            if !is_record_start || !begins_whole_message(fragment) {
                return Joined::Messages;
            }
            self.is_lost = false;
        }
        while !fragment.is_empty() {
            if self.skip > 0 {
                let len = self.skip.min(fragment.len());
                self.skip -= len;
                fragment = fragment.get(len..).unwrap_or_default();
                continue;
            }
            if self.collected.is_empty()
                && let Some((kind, len)) = header(fragment)
            {
                if !message::is_known(kind) || len > MESSAGE_BYTES_MAX {
                    return Joined::NotHandshake;
                }
                if let Some((message, rest)) = fragment.split_at_checked(HEADER_LEN + len) {
                    take(kind, message.get(HEADER_LEN..).unwrap_or_default());
                    fragment = rest;
                    continue;
                }
            }
            let wanted = match header(&self.collected) {
                None => HEADER_LEN,
                Some((kind, len)) if !message::is_known(kind) || len > MESSAGE_BYTES_MAX => {
                    return Joined::NotHandshake;
                }
                Some((_, len)) if len > COLLECTED_BYTES_MAX => {
                    self.skip = HEADER_LEN + len - self.collected.len();
                    self.collected = Vec::new();
                    continue;
                }
                Some((_, len)) => HEADER_LEN + len,
            };
            let len = (wanted - self.collected.len()).min(fragment.len());
            let (head, rest) = fragment.split_at(len);
            if self.collected.is_empty() {
                self.collected.reserve_exact(announced(fragment));
            }
            self.collected.extend_from_slice(head);
            fragment = rest;
            self.hand_on(&mut take);
        }
        Joined::Messages
    }

    /// Hands on the collected message when it is complete.
    fn hand_on(&mut self, take: &mut impl FnMut(u8, &[u8])) {
        if let Some((kind, len)) = header(&self.collected)
            && message::is_known(kind)
            && self.collected.len() == HEADER_LEN + len
        {
            take(kind, self.collected.get(HEADER_LEN..).unwrap_or_default());
            self.collected = Vec::new();
        }
    }

    /// Passes over missing bytes; what was collected of a message is dropped, so ask for
    /// [`Joiner::partial`] first. `None`: more is missing than the place can be kept over.
    pub(crate) fn gap(&mut self, missing: Option<u32>) {
        let pending = match header(&self.collected) {
            Some((_, len)) => HEADER_LEN + len - self.collected.len(),
            None if self.collected.is_empty() => self.skip,
            None => 0,
        };
        self.collected = Vec::new();
        match missing.map(|missing| missing as usize) {
            Some(missing) if missing <= pending => self.skip = pending - missing,
            _ => {
                self.skip = 0;
                self.is_lost = true;
            }
        }
    }

    /// The message that is being collected: type, length of the body, and as much of it as is there.
    pub(crate) fn partial(&self) -> Option<(u8, usize, &[u8])> {
        let (kind, len) = header(&self.collected)?;
        Some((kind, len, self.collected.get(HEADER_LEN..)?))
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.collected.capacity()
    }
}

/// Whether a message begins here and ends here too: enough to trust after a loss.
fn begins_whole_message(fragment: &[u8]) -> bool {
    header(fragment)
        .is_some_and(|(kind, len)| message::is_known(kind) && HEADER_LEN + len <= fragment.len())
}

/// Room to make for the message that begins here, header included: what it announces, as long as
/// that is a usual chain of certificates and no more.
fn announced(fragment: &[u8]) -> usize {
    const ROOM_MAX: usize = 8 << 10;
    header(fragment).map_or(HEADER_LEN, |(_, len)| (HEADER_LEN + len).min(ROOM_MAX))
}

/// Type and length of the message that begins here.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let &[kind, a, b, c] = bytes.first_chunk()?;
    Some((kind, usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], &len[1..], body].concat()
    }

    fn push(joiner: &mut Joiner, fragment: &[u8], start: bool) -> (Vec<(u8, Vec<u8>)>, Joined) {
        let mut messages = Vec::new();
        let joined =
            joiner.push(fragment, start, |kind, body| messages.push((kind, body.to_vec())));
        (messages, joined)
    }

    #[test]
    fn several_messages_in_one_fragment() {
        let fragment = [message(2, b"hello"), message(14, b"")].concat();
        let (messages, _) = push(&mut Joiner::default(), &fragment, true);
        assert_eq!(messages, [(2, b"hello".to_vec()), (14, vec![])]);
    }

    #[test]
    fn what_is_no_handshake_is_told() {
        let check = |bytes: &[u8]| {
            assert_eq!(push(&mut Joiner::default(), bytes, true).1, Joined::NotHandshake);
        };
        check(&[99, 0, 0, 1, 0]);
        check(&[1, 0xff, 0, 0, 0]);
    }

    #[test]
    fn long_messages_are_passed_over_at_the_bound() {
        for (len, expect) in [(COLLECTED_BYTES_MAX, 2), (COLLECTED_BYTES_MAX + 1, 1)] {
            let mut joiner = Joiner::default();
            let stream = [message(11, &vec![1; len]), message(14, b"")].concat();
            let mut messages = Vec::new();
            for fragment in stream.chunks(1000) {
                messages.extend(push(&mut joiner, fragment, true).0);
            }
            assert_eq!(messages.len(), expect, "{len}");
            assert!(joiner.held_bytes() <= 2 * COLLECTED_BYTES_MAX);
        }
    }

    #[test]
    fn a_gap_within_a_message_keeps_the_place() {
        let mut joiner = Joiner::default();
        let stream = [message(11, b"0123456789"), message(14, b"")].concat();
        push(&mut joiner, &stream[..6], true);
        assert_eq!(joiner.partial(), Some((11, 10, &b"01"[..])));
        joiner.gap(Some(5));
        assert_eq!(push(&mut joiner, &stream[11..], false).0, [(14, vec![])]);
    }

    #[test]
    fn after_a_longer_gap_a_record_must_begin() {
        let mut joiner = Joiner::default();
        push(&mut joiner, &message(11, b"0123456789")[..6], true);
        joiner.gap(Some(50));
        assert_eq!(push(&mut joiner, &message(14, b""), false).0, []);
        assert_eq!(push(&mut joiner, &message(14, b""), true).0, [(14, vec![])]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_messages(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..6),
            cuts: Vec<prop::sample::Index>,
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| message(11, body)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut joiner = Joiner::default();
            let mut found = Vec::new();
            for pair in cuts.windows(2) {
                found.extend(push(&mut joiner, &stream[pair[0]..pair[1]], false).0);
            }
            let found: Vec<Vec<u8>> = found.into_iter().map(|(_, body)| body).collect();
            prop_assert_eq!(found, bodies);
        }

        #[test]
        fn any_bytes_are_survived(fragments: Vec<(Vec<u8>, bool, Option<u32>)>) {
            let mut joiner = Joiner::default();
            for (fragment, start, gap) in fragments {
                let _ = push(&mut joiner, &fragment, start);
                let _ = joiner.partial();
                if gap.is_some() {
                    joiner.gap(gap);
                }
            }
        }
    }
}

//! Room for bytes that is used again.
//!
//! A direction keeps some bytes for as long as it is read, a round trip or two. Memory that was
//! just given back is in the processor's cache still; the allocator would look for the best fit
//! anywhere, and put what stays for long into the holes.

/// Room for what a client says: a hello and what completes the handshake.
const SMALL_LEN: usize = 1 << 10;
/// Room for what a server says.
const LARGE_LEN: usize = 4 << 10;
/// Buffers of each size that are kept for later. More are in use at a time, but they come and go
/// one by one.
const KEPT_MAX: usize = 64;

/// Buffers that wait to be used again: a third of a megabyte at most.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

impl Buffers {
    /// An empty buffer with room for so many bytes, or more.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let (kept, room) = match len {
            0..=SMALL_LEN => (&mut self.small, SMALL_LEN),
            _ if len <= LARGE_LEN => (&mut self.large, LARGE_LEN),
            _ => return Vec::with_capacity(len),
        };
        kept.pop().unwrap_or_else(|| Vec::with_capacity(room))
    }

    /// Takes a buffer back that nobody needs any more.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let kept = match buffer.capacity() {
            SMALL_LEN => &mut self.small,
            LARGE_LEN => &mut self.large,
            _ => return,
        };
        if kept.len() < KEPT_MAX {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let check = |len: usize, room: usize, is_kept: bool| {
            let mut buffers = Buffers::default();
            let mut buffer = buffers.take(len);
            assert_eq!((buffer.len(), buffer.capacity()), (0, room), "{len}");
            buffer.extend_from_slice(b"abc");
            let address = buffer.as_ptr();
            buffers.give(buffer);
            assert_eq!(buffers.small.len() + buffers.large.len(), usize::from(is_kept), "{len}");
            let again = buffers.take(len);
            assert!(again.is_empty() && again.capacity() == room, "{len}");
            assert!(!is_kept || again.as_ptr() == address, "{len}");
        };
        check(0, SMALL_LEN, true);
        check(SMALL_LEN, SMALL_LEN, true);
        check(SMALL_LEN + 1, LARGE_LEN, true);
        check(LARGE_LEN, LARGE_LEN, true);
        check(LARGE_LEN + 1, LARGE_LEN + 1, false);
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let mut buffers = Buffers::default();
        let taken: Vec<_> = (0..=KEPT_MAX).map(|_| buffers.take(1)).collect();
        taken.into_iter().for_each(|buffer| buffers.give(buffer));
        assert_eq!((buffers.small.len(), buffers.large.len()), (KEPT_MAX, 0));
    }
}

//! Where the next frame lies, before it is asked for.
//!
//! Another processor has just written what the kernel's buffer holds, so the first look at a frame
//! waits for its bytes to come over, longer than all that is done with them. Frames lie one
//! behind the other; from where the last ones lay it is guessed where the next two are, and the
//! processor fetches their beginnings meanwhile. A wrong guess costs nothing but that.

/// The most that lies between two frames: the kernel's header, and what aligns it.
const GAP_MAX: usize = 256;

/// Bytes before a frame that are read of it, too: the kernel's header.
#[cfg(target_arch = "x86_64")]
const HEADER_LEN: usize = 96;
/// Bytes of a frame that are read at least: its headers, down to TCP's, and what tells them.
#[cfg(target_arch = "x86_64")]
const HEAD_LEN: usize = 96;

/// What is known of the last frame.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The address behind it.
    end: usize,
    /// Bytes between frames.
    gap: usize,
}

impl Ahead {
    /// Fetches what comes after a frame.
    #[inline]
    pub(super) fn fetch(&mut self, frame: &[u8]) {
        let [next, second] = self.guess(frame.as_ptr().addr(), frame.len());
        if next != 0 {
            fetch(next);
            fetch(second);
        }
    }

    /// Where the next two frames lie, the second one if the first is as long as this one; zeros when
    /// it can't be told.
    #[inline]
    fn guess(&mut self, at: usize, len: usize) -> [usize; 2] {
        let gap = at.wrapping_sub(self.end);
        self.end = at.wrapping_add(len);
        if gap > GAP_MAX {
            // Another block, or another buffer; what lies between frames is the same in all.
            if self.gap == 0 {
                return [0, 0];
            }
        } else {
            self.gap = gap;
        }
        let next = self.end.wrapping_add(self.gap);
        [next, next.wrapping_add(len).wrapping_add(self.gap)]
    }
}

/// Has the processor fetch the beginning of a frame, if there is one.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "an instruction that has no safe form")]
fn fetch(at: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE: usize = 64;
    for line in 0..(HEADER_LEN + HEAD_LEN).div_ceil(LINE) {
        let line = at.wrapping_sub(HEADER_LEN).wrapping_add(line * LINE);
        // SAFETY: the instruction is a hint. It reads nothing that the program could see, and
        // raises no fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(line)) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch(_: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_behind_each_other_are_foreseen() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.guess(10_000, 60), [0, 0], "nothing is known yet");
        assert_eq!(ahead.guess(10_156, 1_000), [11_252, 12_348]);
        assert_eq!(ahead.guess(11_254, 60), [11_254 + 60 + 98, 11_254 + 2 * (60 + 98)]);
        // The next block.
        assert_eq!(ahead.guess(262_144, 100), [262_144 + 198, 262_144 + 2 * 198]);
    }

    #[test]
    fn any_address_can_be_guessed() {
        let mut ahead = Ahead::default();
        for (at, len) in [(usize::MAX, 9), (0, usize::MAX), (1, 0), (usize::MAX - 1, 1), (3, 3)] {
            ahead.guess(at, len).into_iter().for_each(fetch);
        }
        ahead.fetch(&[]);
        ahead.fetch(&[1, 2, 3]);
    }
}

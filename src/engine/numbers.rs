//! Numbers for the frames that readers share.
//!
//! Each frame has one of its own, and those of a reader grow. They come in lots, since readers that
//! ask for each one keep each other's processors waiting; so some stay unused.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Those of one reader; all readers take from the same count.
#[derive(Default)]
pub(super) struct Numbers {
    /// The last one that was given.
    last: u64,
    /// The end of the lot.
    end: u64,
}

impl Numbers {
    const LOT: u64 = 64;

    pub(super) fn next(&mut self, all: &AtomicU64) -> u64 {
        if self.last == self.end {
            self.last = all.fetch_add(Self::LOT, Relaxed);
            self.end = self.last + Self::LOT;
        }
        self.last += 1;
        self.last
    }

    /// The number of what came with the last frame.
    pub(super) fn current(&self, all: &AtomicU64) -> u64 {
        if self.last == self.end { all.load(Relaxed) } else { self.last }
    }

    /// Gives the rest of the lot back. When others went on with theirs, its numbers stay unused.
    pub(super) fn give_back(&mut self, all: &AtomicU64) {
        let _ = all.compare_exchange(self.end, self.last, Relaxed, Relaxed);
        self.end = self.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_once_and_grow() {
        let all = AtomicU64::new(0);
        let (mut one, mut other) = (Numbers::default(), Numbers::default());
        let mut given = Vec::new();
        for round in 0..300 {
            for numbers in [&mut one, &mut other] {
                let before = numbers.current(&all);
                for _ in 0..round % 5 {
                    let number = numbers.next(&all);
                    assert!(number > before, "{number} after {before}");
                    assert!(numbers.current(&all) >= number);
                    given.push(number);
                }
                if round % 3 == 0 {
                    numbers.give_back(&all);
                }
            }
        }
        let count = given.len();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), count);
    }

    #[test]
    fn numbers_of_a_lone_reader_have_no_holes() {
        let all = AtomicU64::new(0);
        let mut numbers = Numbers::default();
        let mut given = Vec::new();
        for visit in 0..150 {
            given.extend((0..visit).map(|_| numbers.next(&all)));
            numbers.give_back(&all);
        }
        assert!(given.iter().copied().eq(1..=given.len() as u64));
    }
}

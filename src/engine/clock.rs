//! What the times of the frames show, in the order of the input.
//!
//! Looks at the frames before they are handed out, so that the number of workers does not show.

use capture::FrameDesc;
use dissect::Timestamp;
use report::{ClockInfo, ClockStep};

/// Time that goes back by more is set back: frames overtake each other by far less.
const BACK_NS_MAX: i64 = 1_000_000_000;
/// A pause from which on the clock may have been set ahead.
const AHEAD_NS_MIN: i64 = 3_600_000_000_000;
/// Steps that are kept. A capture with more has no clock to speak of.
const STEPS_MAX: usize = 16;

/// Compares each frame's time with that of the frame before it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<Timestamp>,
    seen: ClockInfo,
}

impl Clock {
    /// Goes on with these frames.
    pub(super) fn note(&mut self, frames: &[FrameDesc]) {
        self.note_each(frames.iter().map(|frame| (frame.number, frame.time)));
    }

    /// Goes on with a frame of this number and time.
    pub(super) fn note_one(&mut self, number: u64, time: Timestamp) {
        self.note_each([(number, time)].into_iter());
    }

    #[inline]
    fn note_each(&mut self, frames: impl Iterator<Item = (u64, Timestamp)>) {
        let mut last = self.last;
        for (number, time) in frames {
            let before = last.unwrap_or(time);
            if !(0..AHEAD_NS_MIN).contains(&time.nanos_since(before)) {
                self.note_odd(number, before, time);
            }
            last = Some(time);
        }
        self.last = last;
    }

    /// Takes no pause for a step that only this share of the frames made.
    pub(super) fn pass_quiet_time(&mut self, next: Timestamp, newest: Timestamp) {
        if let Some(last) = &mut self.last
            && next.nanos_since(*last) >= AHEAD_NS_MIN
        {
            *last = newest.max(*last).min(next);
        }
    }

    #[cold]
    fn note_odd(&mut self, frame: u64, from: Timestamp, to: Timestamp) {
        let passed = to.nanos_since(from);
        self.seen.unordered_frames += u64::from(passed < 0);
        let is_back = passed < -BACK_NS_MAX;
        if passed < 0 && !is_back {
            return;
        }
        let steps = if is_back { &mut self.seen.steps_back } else { &mut self.seen.steps_ahead };
        *steps += 1;
        if self.seen.steps.len() < STEPS_MAX {
            self.seen.steps.push(ClockStep { frame, from, to });
        }
    }

    /// What was seen since the last call; the next frame is compared with the last one still.
    pub(super) fn take_info(&mut self) -> ClockInfo {
        std::mem::take(&mut self.seen)
    }

    pub(super) fn into_info(self) -> ClockInfo {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use dissect::LinkType;

    use super::*;

    fn seen(parts: &[&[i64]]) -> ClockInfo {
        let mut clock = Clock::default();
        let mut number = 0;
        for part in parts {
            let desc = |ms: &i64| {
                number += 1;
                let time = Timestamp::from_nanos(ms * 1_000_000);
                let link = LinkType::ETHERNET;
                FrameDesc { number, time, offset: 0, cap_len: 0, wire_len: 0, link }
            };
            clock.note(&part.iter().map(desc).collect::<Vec<_>>());
        }
        clock.into_info()
    }

    #[test]
    fn steps_are_told_from_frames_that_overtake_each_other() {
        let check = |parts: &[&[i64]], unordered, back, ahead, at: &[u64]| {
            let seen = seen(parts);
            let frames: Vec<u64> = seen.steps.iter().map(|step| step.frame).collect();
            assert_eq!((seen.unordered_frames, seen.steps_back), (unordered, back), "{parts:?}");
            assert_eq!((seen.steps_ahead, frames.as_slice()), (ahead, at), "{parts:?}");
        };
        check(&[], 0, 0, 0, &[]);
        check(&[&[], &[5, 5, 9], &[9, 3_599_999]], 0, 0, 0, &[]);
        check(&[&[5, 4], &[3, 4]], 2, 0, 0, &[]);
        check(&[&[1_000, 0]], 1, 0, 0, &[]);
        check(&[&[1_001], &[0]], 1, 1, 0, &[2]);
        check(&[&[0, 3_600_000, 7_200_000]], 0, 0, 2, &[2, 3]);
        check(&[&[i64::MIN / 1_000_000, i64::MAX / 1_000_000]], 0, 0, 1, &[2]);
    }

    #[test]
    fn a_share_that_was_quiet_is_no_step() {
        let check = |newest_ms: i64, ahead: u64| {
            let time = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
            let mut clock = Clock { last: Some(time(0)), seen: ClockInfo::default() };
            clock.pass_quiet_time(time(4_000_000), time(newest_ms));
            let link = LinkType::ETHERNET;
            let (time, number) = (time(4_000_000), 1);
            clock.note(&[FrameDesc { number, time, offset: 0, cap_len: 0, wire_len: 0, link }]);
            assert_eq!((clock.seen.steps_ahead, clock.seen.steps_back), (ahead, 0), "{newest_ms}");
        };
        check(3_999_000, 0);
        check(9_000_000, 0);
        check(10, 1);
        check(-10, 1);
    }

    #[test]
    fn no_more_steps_are_kept_than_the_bound() {
        let check = |count: i64, kept| {
            let times: Vec<i64> = (0..=count).map(|at| -at * 2_000).collect();
            let seen = seen(&[&times]);
            assert_eq!((seen.steps_back, seen.steps.len()), (count.unsigned_abs(), kept));
        };
        check(16, 16);
        check(17, 16);
    }
}

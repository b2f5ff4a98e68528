//! Streams in pieces.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Default)]
struct Stream(Vec<Option<u8>>, Buffers);

impl Sink for Stream {
    fn data(&mut self, bytes: &[u8], _: Place) {
        self.0.extend(bytes.iter().copied().map(Some));
    }
    fn gap(&mut self, len: u32, _: GapCause) {
        self.0.extend(std::iter::repeat_n(None, len as usize));
    }
    fn buffers(&mut self) -> &mut Buffers {
        &mut self.1
    }
}

impl Stream {
    fn text(&self) -> String {
        self.0.iter().map(|b| b.map_or('?', char::from)).collect()
    }
}

/// Pushes `(offset, text, cut)` after the sequence number `start`; returns what came out, at
/// once and after the flush, and the counters.
fn run(start: u32, segments: &[(i32, &str, u32)]) -> (String, String, Counters) {
    let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
    let (limits, mut counters) = (Limits::default(), Counters::default());
    assembler.anchor(Seq(start));
    for &(offset, text, cut) in segments {
        let seq = Seq(start.wrapping_add_signed(offset));
        let piece = Piece { seq, ack: None, bytes: text.as_bytes(), cut };
        assembler.push(piece, &limits, &mut counters, &mut stream);
    }
    let at_once = stream.text();
    assembler.flush(&limits, &mut counters, &mut stream);
    (at_once, stream.text(), counters)
}

fn piece(seq: u32, bytes: &[u8]) -> Piece<'_> {
    Piece { seq: Seq(seq), ack: None, bytes, cut: 0 }
}

#[track_caller]
fn check(segments: &[(i32, &str, u32)], at_once: &str, flushed: &str) -> Counters {
    for start in [0, 77, u32::MAX - 2, u32::MAX] {
        let (now, then, _) = run(start, segments);
        assert_eq!((now.as_str(), then.as_str()), (at_once, flushed), "from {start}");
    }
    run(5, segments).2
}

#[test]
fn order_is_restored() {
    check(&[(0, "ab", 0), (2, "cd", 0)], "abcd", "abcd");
    check(&[(2, "cd", 0), (0, "ab", 0)], "abcd", "abcd");
    check(&[(4, "ef", 0), (2, "cd", 0), (0, "ab", 0)], "abcdef", "abcdef");
    let counters = check(&[(2, "cd", 0), (4, "ef", 0), (0, "ab", 0)], "abcdef", "abcdef");
    assert_eq!(counters.out_of_order_segments, 2);
}

#[test]
fn retransmissions_change_nothing() {
    let counters = check(&[(0, "ab", 0), (0, "ab", 0), (2, "c", 0)], "abc", "abc");
    assert_eq!((counters.duplicate_segments, counters.overlap_conflicts), (1, 0));
    let counters = check(&[(2, "cd", 0), (2, "cd", 0), (0, "ab", 0)], "abcd", "abcd");
    assert_eq!((counters.duplicate_segments, counters.overlap_conflicts), (1, 0));
    check(&[(0, "abc", 0), (1, "bcde", 0)], "abcde", "abcde");
    check(&[(0, "ab", 0), (-1, "x", 0), (2, "c", 0)], "abc", "abc"); // keepalive
}

#[test]
fn first_copy_wins_and_the_conflict_is_counted() {
    let counters = check(&[(0, "abc", 0), (1, "XYd", 0)], "abcd", "abcd");
    assert_eq!(counters.overlap_conflicts, 1);
    let counters = check(&[(2, "cd", 0), (0, "abXY", 0)], "abcd", "abcd");
    assert_eq!(counters.overlap_conflicts, 1);
    let counters = check(&[(2, "cd", 0), (1, "bXYe", 0), (0, "a", 0)], "abcde", "abcde");
    assert_eq!(counters.overlap_conflicts, 1);
    let counters = check(&[(1, "b", 0), (3, "d", 0), (0, "aXcXe", 0)], "abcde", "abcde");
    assert_eq!(counters.overlap_conflicts, 2);
}

#[test]
fn holes_become_gaps() {
    let counters = check(&[(0, "ab", 0), (4, "ef", 0)], "ab", "ab??ef");
    assert_eq!(counters.gaps, 1);
    check(&[(3, "d", 0), (6, "g", 0)], "", "???d??g");
}

#[test]
fn cut_bytes_are_missing_where_they_were() {
    check(&[(0, "ab", 2), (4, "ef", 0)], "ab??ef", "ab??ef");
    check(&[(4, "ef", 1), (0, "ab", 2)], "ab??ef?", "ab??ef?");
    check(&[(0, "ab", 2), (0, "ab", 2), (4, "e", 0)], "ab??e", "ab??e");
}

#[test]
fn parked_bytes_stay_within_the_limit() {
    let limits = Limits { parked_bytes_max: 4, ..Limits::default() };
    let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
    let mut counters = Counters::default();
    assembler.anchor(Seq(0));
    assembler.push(piece(2, b"cdef"), &limits, &mut counters, &mut stream);
    assert_eq!((stream.text().as_str(), counters.gaps), ("", 0));
    assembler.push(piece(7, b"h"), &limits, &mut counters, &mut stream);
    assert_eq!((stream.text().as_str(), counters.gaps), ("??cdef", 1));
}

#[test]
fn parked_segments_stay_within_the_limit() {
    let limits = Limits { parked_segments_max: 2, ..Limits::default() };
    let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
    let mut counters = Counters::default();
    assembler.anchor(Seq(0));
    for seq in [2, 4] {
        assembler.push(piece(seq, b"x"), &limits, &mut counters, &mut stream);
    }
    assert_eq!(stream.text(), "");
    assembler.push(piece(6, b"x"), &limits, &mut counters, &mut stream);
    assert_eq!((stream.text().as_str(), counters.gaps), ("??x", 1));
}

#[test]
fn what_lies_before_a_late_anchor_is_cut_off() {
    let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
    let (limits, mut counters) = (Limits::default(), Counters::default());
    assembler.push(piece(95, b"0123456789"), &limits, &mut counters, &mut stream);
    assembler.push(piece(90, b"abc"), &limits, &mut counters, &mut stream);
    assembler.anchor(Seq(100));
    assembler.push(piece(100, b"5"), &limits, &mut counters, &mut stream);
    assert_eq!(stream.text(), "56789");
}

#[test]
fn a_known_end_tells_what_is_missing() {
    let check = |end, text| {
        let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
        let (limits, mut counters) = (Limits::default(), Counters::default());
        assembler.anchor(Seq(0));
        assembler.note_extent(Seq(end));
        assembler.note_extent(Seq(1));
        assembler.push(piece(0, b"abc"), &limits, &mut counters, &mut stream);
        assembler.flush(&limits, &mut counters, &mut stream);
        assert_eq!(stream.text(), text);
    };
    check(3, "abc");
    check(2, "abc");
    check(5, "abc??");
}

#[test]
fn parked_bytes_keep_their_acknowledgements() {
    struct Acks(Vec<(u32, u32)>, Buffers);
    impl Sink for Acks {
        fn data(&mut self, _: &[u8], place: Place) {
            self.0.push((place.seq.0, place.ack.unwrap().0));
        }
        fn gap(&mut self, _: u32, _: GapCause) {}
        fn buffers(&mut self) -> &mut Buffers {
            &mut self.1
        }
    }
    let (mut assembler, mut acks) = (Assembler::default(), Acks(Vec::new(), Buffers::default()));
    let (limits, mut counters) = (Limits::default(), Counters::default());
    assembler.anchor(Seq(0));
    for (seq, ack) in [(4, 40), (2, 20), (0, 10)] {
        let piece = Piece { ack: Some(Seq(ack)), ..piece(seq, b"xy") };
        assembler.push(piece, &limits, &mut counters, &mut acks);
    }
    assert_eq!(acks.0, [(0, 10), (2, 20), (4, 40)]);
}

proptest! {
    /// Whatever the cuts, the order, the duplicates and the overlaps: the same stream.
    #[test]
    fn any_order_gives_the_stream(
        text in proptest::collection::vec(any::<u8>(), 1..200),
        pieces in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..40), 0..40),
        start in any::<u32>(),
    ) {
        let limits = Limits::default();
        let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
        let mut counters = Counters::default();
        assembler.anchor(Seq(start));
        let mut seen = vec![false; text.len()];
        let mut push = |from: usize, to: usize| {
            seen[from..to].fill(true);
            let seq = Seq(start).plus(u32::try_from(from).unwrap());
            let piece = Piece { seq, ack: None, bytes: &text[from..to], cut: 0 };
            assembler.push(piece, &limits, &mut counters, &mut stream);
        };
        for (index, len) in pieces {
            let from = index.index(text.len());
            push(from, (from + len).min(text.len()));
        }
        assembler.flush(&limits, &mut counters, &mut stream);
        let end = seen.iter().rposition(|&s| s).map_or(0, |last| last + 1);
        let expect: Vec<Option<u8>> =
            (0..end).map(|i| seen[i].then_some(text[i])).collect();
        prop_assert_eq!(stream.0, expect);
        prop_assert_eq!(counters.overlap_conflicts, 0);
    }
}

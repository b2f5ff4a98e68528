//! How a direction ended, and which of the two ended first.

use crate::tcp::Seq;
use crate::{End, EndKind, Mark, Side};

/// The first FIN or RST of a direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) kind: EndKind,
    pub(crate) at: Mark,
    /// Number behind the direction's last byte: that of the FIN itself.
    pub(crate) seq: Seq,
    /// What its sender had received by then; `None` without ACK.
    pub(crate) ack: Option<Seq>,
}

impl Ending {
    /// The same as a fact, once it is known who ended it.
    pub(crate) const fn by(&self, by: Side) -> End {
        End { by, kind: self.kind, at: self.at }
    }

    /// Notes another end of the same direction: the first one counts, and a FIN comes before a RST
    /// that is numbered behind it, whichever was captured first.
    pub(super) fn note(known: &mut Option<Self>, new: Self) {
        let is_before = |known: &Self| {
            (known.kind, new.kind) == (EndKind::Reset, EndKind::Fin) && known.seq.since(new.seq) > 0
        };
        if known.as_ref().is_none_or(is_before) {
            *known = Some(new);
        }
    }

    /// Whether its sender had received bytes behind this number.
    pub(crate) fn answers(&self, seq: Seq) -> bool {
        self.ack.is_some_and(|ack| ack.since(seq) > 0)
    }
}

/// Which direction ended the connection, and how.
///
/// An end that acknowledges the other one came after it, in whatever order mirrors delivered them.
/// Of two that crossed, the one captured first counts.
pub(crate) fn first(endings: [Option<Ending>; 2]) -> Option<(usize, Ending)> {
    match endings {
        [Some(a), Some(b)] => {
            let is_b = match (a.answers(b.seq), b.answers(a.seq)) {
                (true, false) => true,
                (false, true) => false,
                _ => b.at < a.at,
            };
            Some(if is_b { (1, b) } else { (0, a) })
        }
        [a, b] => a.map(|a| (0, a)).or_else(|| b.map(|b| (1, b))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fin_comes_before_the_reset_behind_it() {
        let end = |kind, seq, frame| {
            let at = Mark { frame, ..Mark::default() };
            Ending { kind, at, seq: Seq(seq), ack: None }
        };
        let check = |first: Ending, second: Ending, expect| {
            let mut known = None;
            Ending::note(&mut known, first);
            Ending::note(&mut known, second);
            assert_eq!(known.map(|known| known.at.frame), Some(expect));
        };
        check(end(EndKind::Reset, 11, 1), end(EndKind::Fin, 10, 2), 2);
        check(end(EndKind::Fin, 10, 1), end(EndKind::Reset, 11, 2), 1);
        check(end(EndKind::Reset, 10, 1), end(EndKind::Fin, 10, 2), 1);
        check(end(EndKind::Fin, 10, 1), end(EndKind::Fin, 10, 2), 1);
    }

    #[test]
    fn acknowledgements_tell_who_closed_first() {
        let end = |frame, seq, ack: Option<u32>| {
            let at = Mark { frame, ..Mark::default() };
            Some(Ending { kind: EndKind::Fin, at, seq: Seq(seq), ack: ack.map(Seq) })
        };
        let check = |a, b, expect| assert_eq!(first([a, b]).map(|(at, _)| at), expect);
        check(None, None, None);
        check(None, end(1, 0, None), Some(1));
        check(end(1, 10, Some(20)), end(2, 20, Some(11)), Some(0));
        check(end(2, 10, Some(20)), end(1, 20, Some(11)), Some(0));
        check(end(2, 10, Some(21)), end(1, 20, Some(10)), Some(1));
        check(end(2, 10, Some(20)), end(1, 20, Some(10)), Some(1));
        check(end(1, 10, None), end(2, 20, None), Some(0));
    }
}

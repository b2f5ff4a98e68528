//! One direction of a dialogue before TLS, and the packets in which records may travel after it.

use crate::upgrade::{Prelude, Step, Unwrap};

/// Pieces in which a direction arrives: `plan length u8 | plan | bytes`. Each byte of the plan, by
/// turns, is a piece's length and whether bytes are missing before it.
pub fn dialogue(bytes: &[u8]) {
    /// What a dialogue keeps of one message, and a few bytes that may begin TLS.
    const KEPT_BYTES_MAX: usize = 4096 + 64;
    const LENGTHS: [usize; 8] = [1, 2, 7, 40, 200, 536, 1460, 16_000];
    let Some((&plan_len, rest)) = bytes.split_first() else { return };
    let (plan, mut rest) = rest.split_at(usize::from(plan_len).min(rest.len()));
    let mut prelude = Prelude::default();
    let mut unwrap: Option<Unwrap> = None;
    let (mut out, mut pushed) = (Vec::new(), 0);
    for step in plan.iter().chain(std::iter::repeat(&6)) {
        if rest.is_empty() {
            return;
        }
        let len = LENGTHS.get(usize::from(step & 7)).copied().unwrap_or(1);
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        rest = tail;
        if let Some(unwrap) = &mut unwrap {
            pushed += piece.len();
            unwrap.push(piece, &mut out);
            assert!(out.len() <= pushed, "taking packets off adds nothing");
            continue;
        }
        if step & 0x80 != 0 {
            prelude.gap();
        }
        match prelude.push(piece) {
            Step::More => assert!(prelude.pending().len() <= KEPT_BYTES_MAX, "little is kept"),
            Step::NotTls => {
                assert_eq!(prelude.push(piece), Step::NotTls, "a plain direction stays plain");
                return;
            }
            Step::Tls { consumed } => {
                let records = piece.get(consumed..).expect("no more is consumed than was pushed");
                let Some(wrapping) = prelude.facts().wrapped else { return };
                let mut fresh = Unwrap::new(wrapping);
                pushed = prelude.pending().len() + records.len();
                fresh.push(prelude.pending(), &mut out);
                fresh.push(records, &mut out);
                unwrap = Some(fresh);
            }
        }
    }
}

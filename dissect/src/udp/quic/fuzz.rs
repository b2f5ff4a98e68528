//! What a fuzzer can't encrypt: the frames within Initial packets.

use super::Conversation;
use crate::flow::{Context, Way};
use crate::tcp::Place;
use crate::tls::Interner;
use crate::{Counters, Coverage, Endpoint, Limits, Mark, Transport};

/// `(direction and whether cut u8 | length u16 | frames)...` of one connection.
pub(crate) fn frames(bytes: &[u8]) {
    let (limits, mut interner) = (Limits::default(), Interner::new(0));
    let mut counters = Counters::default();
    let mut conversation = Conversation::default();
    let mut rest = bytes;
    let mut context = Context {
        at: Mark::default(),
        place: Place::default(),
        frame_len: 1200,
        transport: Transport::Udp,
        limits: &limits,
        interner: &mut interner,
    };
    while let Some((&[way, high, low], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (frames, tail) = tail.split_at(len);
        let [up, down] = Way::BOTH;
        let is_cut = way & 2 != 0;
        let way = if way & 1 == 0 { up } else { down };
        conversation.read(way, frames, is_cut, &mut counters, &mut context);
        context.at.frame += 1;
        rest = tail;
    }
    let end = |last, port| Endpoint { addr: std::net::Ipv4Addr::new(10, 0, 0, last).into(), port };
    let facts =
        conversation.finish([end(1, 50_000), end(2, 443)], Coverage::COMPLETE, &mut context);
    if let Some(facts) = facts {
        let _ = (facts.offered_max(), facts.negotiated());
    }
}

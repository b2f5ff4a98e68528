//! What a capture of one direction alone knows beyond the facts, so that the other direction, from
//! another capture, can be joined with it later as if one capture had held both.

use smallvec::SmallVec;

use super::ending::{self, Ending};
use super::join::Halves;
use super::side::{PlainAlert, PlainMessage, SideFacts};
use super::watch::Captured;
use crate::tcp::Seq;
use crate::upgrade::PreludeFacts;
use crate::{
    Coverage, End, EndKind, FlowFacts, Mark, Protocol, PseudoTls, Refusal, RefusalKind, RoleFrom,
    Side, SideQuality, Upgrade,
};

/// What one direction said beside what [`FlowFacts`] tell of it. There is one where nothing of the
/// other direction was captured. Numbers are those of TCP, of this direction or, where they
/// acknowledge, of the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Half {
    /// Yes-or-no facts as bits, for storing; see [`Half::is_silent`] for the one that has a
    /// meaning outside.
    pub flags: u32,
    /// Encrypted records.
    pub application_records: u32,
    /// Where TLS began.
    pub tls_seq: Option<u32>,
    /// What had been received before the last encrypted record that is longer than an alert.
    pub long_record_ack: Option<u32>,
    /// What had been received before the last bytes in the clear.
    pub plain_ack: Option<u32>,
    /// Where the second ClientHello lies, and when it came.
    pub asked_again: Option<(u32, Mark)>,
    /// Of each alert of this direction: what had been received before it, and whether bytes are
    /// missing before it.
    pub alerts: SmallVec<[(Option<u32>, bool); 1]>,
    /// FIN or RST: number, what had been received before it, how and when.
    pub ending: Option<(u32, Option<u32>, EndKind, Mark)>,
    /// The dialogue before TLS, as far as this direction tells it.
    pub upgrade: Option<Upgrade>,
    /// What the hello imitates.
    pub pseudo: Option<PseudoTls>,
    /// Number behind the last byte that was captured.
    pub end: Option<u32>,
    /// Number behind the last byte of the other direction that was received.
    pub received: Option<u32>,
}

/// Every flag of a side in the order of its bits: how to read it and how to set it.
macro_rules! flags {
    ($($bit:literal => $field:ident),* $(,)?) => {
        fn pack(side: &SideFacts) -> u32 {
            [$(u32::from(side.$field) << $bit),*].into_iter().fold(0, |all, bit| all | bit)
        }

        fn unpack(flags: u32, side: &mut SideFacts) {
            $(side.$field = flags >> $bit & 1 == 1;)*
        }
    };
}

flags! {
    0 => saw_certificate,
    1 => saw_done,
    2 => changed_cipher,
    3 => saw_sealed_handshake,
    4 => long_record,
    5 => alert_record,
    6 => saw_payload,
    7 => saw_records,
    8 => gap_before_hello,
    9 => cut_before_hello,
    10 => is_cut_at_start,
    11 => has_holes,
    12 => is_midstream,
    13 => is_anchored,
    14 => is_plain,
    15 => left_tls,
    16 => certificate_requested,
    17 => hello_retried,
}
/// The capture runs since the connection's beginning.
const SAW_SYN: u32 = 1 << 24;
/// It is the client's; of two without a hello it was told by the SYN or by ports.
const IS_CLIENT: u32 = 1 << 25;
/// Nothing of TLS was said, so that the connection makes no row by itself.
const SILENT: u32 = 1 << 26;

impl Half {
    /// Whose direction it is.
    #[must_use]
    pub const fn from(&self) -> Side {
        if self.flags & IS_CLIENT == 0 { Side::Server } else { Side::Client }
    }

    /// Says that it is the other side's.
    pub const fn turn(&mut self) {
        self.flags ^= IS_CLIENT;
    }

    /// Whether nothing was said before the end but what leads to TLS, so that only the other
    /// direction can tell that the connection was one.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.flags & SILENT != 0
    }

    /// What is kept of a side.
    pub(super) fn of(side: &SideFacts, from: Side, ending: Option<Ending>, saw_syn: bool) -> Self {
        let number = |seq: Seq| seq.0;
        let client = if from == Side::Client { IS_CLIENT } else { 0 };
        let mut half = Self {
            flags: pack(side) | if saw_syn { SAW_SYN } else { 0 } | client,
            application_records: side.application_records,
            tls_seq: side.tls_seq.map(number),
            long_record_ack: side.long_record_ack.map(number),
            plain_ack: side.plain_ack.map(number),
            asked_again: side.asked_again.map(|(seq, at)| (seq.0, at)),
            alerts: side
                .alerts
                .iter()
                .map(|alert| (alert.ack.map(number), alert.is_behind_hole))
                .collect(),
            upgrade: side.prelude.upgrade,
            pseudo: side.pseudo,
            ..Self::default()
        };
        half.note_ending(ending);
        half
    }

    /// Notes how it ended.
    pub(super) fn note_ending(&mut self, ending: Option<Ending>) {
        self.ending = ending.map(|it| (it.seq.0, it.ack.map(|ack| ack.0), it.kind, it.at));
    }

    /// A direction that dialled or was dialled, and ended without a word.
    pub(super) fn silent(from: Side, ending: Ending, start: Seq) -> Self {
        let side = SideFacts { is_anchored: true, ..SideFacts::default() };
        let half = Self::of(&side, from, Some(ending), true);
        Self { end: Some(start.0), ..half }.without_tls()
    }

    /// The same of a direction that said nothing of TLS.
    pub(super) fn without_tls(self) -> Self {
        Self { flags: self.flags | SILENT, ..self }
    }

    /// The side that it was kept of. Frames of two captures have no order, so that times stand in
    /// their place.
    fn side(&self, facts: &FlowFacts) -> SideFacts {
        let from = self.from();
        let mut side = SideFacts {
            application_records: self.application_records,
            tls_seq: self.tls_seq.map(Seq),
            long_record_ack: self.long_record_ack.map(Seq),
            plain_ack: self.plain_ack.map(Seq),
            asked_again: self.asked_again.map(|(seq, at)| (Seq(seq), timely(at))),
            pseudo: self.pseudo,
            prelude: PreludeFacts { upgrade: self.upgrade, ..PreludeFacts::default() },
            ..SideFacts::default()
        };
        unpack(self.flags, &mut side);
        match from {
            Side::Client => side.client_hello.clone_from(&facts.client_hello),
            Side::Server => side.server_hello.clone_from(&facts.server_hello),
        }
        if let Some(hello) = &mut side.client_hello {
            hello.at = timely(hello.at);
        }
        if let Some(hello) = &mut side.server_hello {
            hello.at = timely(hello.at);
        }
        let alerts = facts.alerts.iter().filter(|alert| alert.from == from);
        let beside = self.alerts.iter().copied().chain(std::iter::repeat((None, false)));
        side.alerts = alerts
            .zip(beside)
            .map(|(alert, (ack, is_behind_hole))| PlainAlert {
                level: alert.level,
                description: alert.description,
                at: timely(alert.at),
                ack: ack.map(Seq),
                is_behind_hole,
            })
            .collect();
        let messages = facts.messages.iter().filter(|message| message.from == from);
        side.messages = messages
            .map(|message| PlainMessage {
                at: timely(message.at),
                frame_len: message.frame_len,
                kind: message.kind,
            })
            .collect();
        side
    }

    fn ending(&self) -> Option<Ending> {
        let (seq, ack, kind, at) = self.ending?;
        Some(Ending { kind, at: timely(at), seq: Seq(seq), ack: ack.map(Seq) })
    }

    /// How much of it was captured, by what the other direction acknowledges.
    fn captured(&self, other: &Self) -> Captured {
        match (self.end, other.received) {
            (Some(end), Some(sent)) if Seq(sent).since(Seq(end)) > 1 => Captured::Less,
            _ => Captured::All,
        }
    }
}

/// A mark whose frame stands in the order of time.
const fn timely(at: Mark) -> Mark {
    Mark { frame: at.time.as_nanos().cast_unsigned(), time: at.time }
}

/// What two captures, of a direction each, say together and neither says alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedHalves {
    /// What told who the client is.
    pub role_from: RoleFrom,
    /// What speaks.
    pub protocol: Protocol,
    /// What came before TLS.
    pub upgrade: Upgrade,
    /// How the hello was refused.
    pub refusal: Option<Refusal>,
    /// Which side ended the connection first, and how.
    pub end: Option<End>,
    /// Whether an earlier session was resumed.
    pub resumed: Option<bool>,
    /// Whether both sides went over to encryption.
    pub established: Option<bool>,
    /// What of the deciding bytes is missing.
    pub coverage: Coverage,
}

/// Joins what two captures say of the same connection, one of what its client sent and one of what
/// its server sent, just as the directions within a capture are joined. `None` when they are not
/// two such halves, and when they show no TLS.
///
/// ```
/// # use dissect::{Endpoint, FlowFacts, join_halves};
/// let end = |port| Endpoint { addr: [192, 0, 2, 1].into(), port };
/// let facts = FlowFacts::new(end(50_000), end(443));
/// // Of both directions at once, nothing is left to be joined.
/// assert_eq!(join_halves(&facts, &facts), None);
/// ```
#[must_use]
pub fn join_halves(client: &FlowFacts, server: &FlowFacts) -> Option<JoinedHalves> {
    let (one, other) = (client.half.as_deref()?, server.half.as_deref()?);
    if (one.from(), other.from()) != (Side::Client, Side::Server) {
        return None;
    }
    let [mut asks, mut answers] = [one.side(client), other.side(server)];
    let dialled_by = client.dialled_by.or(server.dialled_by);
    let halves = Halves {
        sides: [&mut asks, &mut answers],
        senders: [client.client, client.server],
        dialled: dialled_by.map(|side| usize::from(side == Side::Server)),
        end: ending::first([one.ending(), other.ending()]),
        missing: evicted(client).with(evicted(server)),
        captured: [one.captured(other), other.captured(one)],
        qualities: [SideQuality::default(); 2],
        saw_syn: (one.flags | other.flags) & SAW_SYN != 0,
        endings: [one.ending(), other.ending()],
        reached: [one, other].map(|half| (half.end.map(Seq), half.received.map(Seq))),
    };
    let facts = halves.join()?;
    // Marks as they stand in the captures.
    let ending = |half: &Half| half.ending.map(|(.., at)| at);
    let refusal = facts.refusal.map(|refusal| {
        let alert = server.alerts.iter().find(|alert| {
            refusal.kind == RefusalKind::Alert(alert.description) && alert.from == Side::Server
        });
        let at = alert.map(|alert| alert.at).or_else(|| ending(other)).unwrap_or(refusal.at);
        Refusal { at, ..refusal }
    });
    let end = facts.end.map(|end| {
        let half = if end.by == Side::Client { one } else { other };
        End { at: ending(half).unwrap_or(end.at), ..end }
    });
    Some(JoinedHalves {
        role_from: facts.role_from,
        protocol: facts.protocol,
        upgrade: facts.upgrade,
        refusal,
        end,
        resumed: facts.resumed,
        established: facts.established,
        coverage: facts.coverage,
    })
}

/// What was given up stays given up.
fn evicted(facts: &FlowFacts) -> Coverage {
    match facts.coverage.contains(Coverage::EVICTED) {
        true => Coverage::EVICTED,
        false => Coverage::COMPLETE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_same_after_a_round() {
        for bit in 0..18 {
            let mut side = SideFacts::default();
            unpack(1 << bit, &mut side);
            assert_eq!(pack(&side), 1 << bit);
        }
        let mut side = SideFacts::default();
        unpack(u32::MAX, &mut side);
        assert_eq!(pack(&side), (1 << 18) - 1);
        let mut half = Half::of(&side, Side::Client, None, true);
        assert_eq!((half.from(), half.is_silent()), (Side::Client, false));
        half.turn();
        assert_eq!(half.from(), Side::Server);
    }
}

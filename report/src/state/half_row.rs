//! What is known of the only direction that was captured, as it is saved.

use dissect::{Half, Mark, Protocol};
use serde::{Deserialize, Serialize};

use super::codes::{END_KINDS, PROTOCOLS, UPGRADES, code, coded};
use super::rows::{Malformed, MarkRow};

/// Number, what had been received before it, how, when.
type EndingRow = (u32, Option<u32>, u8, MarkRow);

#[derive(Serialize, Deserialize)]
pub(crate) struct HalfRow {
    flags: u32,
    application_records: u32,
    tls_seq: Option<u32>,
    long_record_ack: Option<u32>,
    plain_ack: Option<u32>,
    asked_again: Option<(u32, MarkRow)>,
    alerts: Vec<(Option<u32>, bool)>,
    ending: Option<EndingRow>,
    upgrade: Option<u8>,
    pseudo: Option<u8>,
    end: Option<u32>,
    received: Option<u32>,
}

impl HalfRow {
    pub(crate) fn of(half: &Half, base: Mark) -> Self {
        let ending =
            |(seq, ack, kind, at)| (seq, ack, code(&END_KINDS, kind), MarkRow::of(at, base));
        Self {
            flags: half.flags,
            application_records: half.application_records,
            tls_seq: half.tls_seq,
            long_record_ack: half.long_record_ack,
            plain_ack: half.plain_ack,
            asked_again: half.asked_again.map(|(seq, at)| (seq, MarkRow::of(at, base))),
            alerts: half.alerts.to_vec(),
            ending: half.ending.map(ending),
            upgrade: half.upgrade.map(|upgrade| code(&UPGRADES, upgrade)),
            pseudo: half.pseudo.map(|kind| code(&PROTOCOLS, Protocol::PseudoTls(kind))),
            end: half.end,
            received: half.received,
        }
    }

    pub(crate) fn into_half(self, base: Mark) -> Result<Half, Malformed> {
        let ending = |(seq, ack, kind, at): EndingRow| {
            Ok::<_, Malformed>((seq, ack, coded(&END_KINDS, kind)?, at.into_mark(base)))
        };
        let pseudo = |number| match coded(&PROTOCOLS, number)? {
            Protocol::PseudoTls(kind) => Ok(kind),
            _ => Err("a number has no meaning"),
        };
        Ok(Half {
            flags: self.flags,
            application_records: self.application_records,
            tls_seq: self.tls_seq,
            long_record_ack: self.long_record_ack,
            plain_ack: self.plain_ack,
            asked_again: self.asked_again.map(|(seq, at)| (seq, at.into_mark(base))),
            alerts: self.alerts.into(),
            ending: self.ending.map(ending).transpose()?,
            upgrade: self.upgrade.map(|number| coded(&UPGRADES, number)).transpose()?,
            pseudo: self.pseudo.map(pseudo).transpose()?,
            end: self.end,
            received: self.received,
        })
    }
}

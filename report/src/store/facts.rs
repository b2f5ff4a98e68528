//! Facts of connections as they are put aside.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::sync::Arc;

use dissect::{CertificateNames, FlowFacts, Offer};

use super::JUDGED_BYTES;
use super::sorter::Kind;
use crate::judge;
use crate::state::{FactsRow, FrameWriter, HalfRow};

/// Connections, and what they share.
#[derive(Debug, Default)]
pub(super) struct FactsKind {
    offers: Shared<Offer>,
    certificates: Shared<CertificateNames>,
}

impl Kind for FactsKind {
    type Item = Box<FlowFacts>;

    fn compare(one: &Self::Item, other: &Self::Item) -> Ordering {
        judge::compare(one, other)
    }

    fn held_bytes(facts: &Self::Item) -> usize {
        facts.held_bytes() + JUDGED_BYTES
    }

    fn write<W: io::Write>(
        &mut self,
        facts: &Self::Item,
        frames: &mut FrameWriter<W>,
    ) -> io::Result<()> {
        let hello = facts.client_hello.as_ref();
        let offer = hello.map(|hello| self.offers.number(&hello.offer)).transpose()?;
        let certificate =
            facts.certificate.as_ref().map(|names| self.certificates.number(names)).transpose()?;
        let half = facts.half.as_ref().map(|half| HalfRow::of(half, facts.first));
        let row = FactsRow::of(facts, 0, None, offer, certificate);
        frames.push(&(row, half))
    }

    fn read<'b>(&self, bytes: &'b [u8]) -> Option<(Self::Item, &'b [u8])> {
        let ((row, half), rest) =
            postcard::take_from_bytes::<(FactsRow, Option<HalfRow>)>(bytes).ok()?;
        let offer = match row.offer() {
            Some(number) => Some(self.offers.get(number)?),
            None => None,
        };
        let certificate = match row.certificate() {
            Some(number) => Some(self.certificates.get(number)?),
            None => None,
        };
        let mut facts = Box::new(row.into_facts(offer, certificate).ok()?);
        if let Some(half) = half {
            facts.half = Some(Box::new(half.into_half(facts.first).ok()?));
        }
        Some((facts, rest))
    }
}

/// Things that connections share, numbered as they come.
#[derive(Debug)]
struct Shared<T> {
    things: Vec<Arc<T>>,
    by_value: HashMap<Arc<T>, u32>,
    /// Those of `things` by where they lie: most are found without a look at the thing itself.
    by_place: foldhash::HashMap<usize, u32>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            by_value: HashMap::new(),
            by_place: foldhash::HashMap::default(),
        }
    }
}

impl<T: Eq + Hash> Shared<T> {
    fn number(&mut self, thing: &Arc<T>) -> io::Result<u32> {
        let place = Arc::as_ptr(thing).addr();
        if let Some(number) = self.by_place.get(&place).or_else(|| self.by_value.get(thing)) {
            return Ok(*number);
        }
        let number = u32::try_from(self.things.len()).map_err(io::Error::other)?;
        self.things.push(Arc::clone(thing));
        self.by_value.insert(Arc::clone(thing), number);
        self.by_place.insert(place, number);
        Ok(number)
    }

    fn get(&self, number: u32) -> Option<Arc<T>> {
        self.things.get(usize::try_from(number).ok()?).cloned()
    }
}

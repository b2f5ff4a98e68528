//! Connections that are too many for memory: put aside in a file, in order, and taken up again.
//!
//! A [`FactsStore`] takes the facts of connections as they come. While they fit into the memory that
//! they may take, nothing else happens; when they don't, they are sorted and written to a nameless
//! file, and memory begins anew. In the end [`SortedFacts`] gives them all in the order of reports,
//! as often as they are asked for: reports go through them several times and keep what adds up.
//!
//! What connections share, offers and certificates, stays in memory, each once.

mod facts;
mod lines;
mod runs;
mod sorter;

use std::io;
use std::path::Path;

use dissect::FlowFacts;

use self::facts::FactsKind;
use self::sorter::{Sorted, Sorter};
use crate::judge::{Book, History};
use crate::{Anonymizer, Judge, JudgedFlow, NameBook};
pub(crate) use lines::{Line, Lines, end_of};

/// Bytes that a connection takes in a report beside its facts: the judgement, its place in the
/// lists, its part of the hosts.
pub const JUDGED_BYTES: usize = 256;

/// Connections that are taken from a file together: their memory is used again for the next ones.
/// Tests have few connections, and several parts of them.
const PART_LEN: usize = if cfg!(test) { 5 } else { 1024 };

/// Parts whose connections share their judgements; what they share is forgotten then.
const PARTS_ALIKE: usize = if cfg!(test) { 2 } else { 64 };

/// Takes connections, in memory and beyond it in a file.
#[derive(Debug)]
pub struct FactsStore(Sorter<FactsKind>);

impl FactsStore {
    /// A store that keeps so many bytes in memory, and puts what is more into a file without a name
    /// in a folder. The file is made when it is needed.
    #[must_use]
    pub fn new(held_max: usize, dir: &Path) -> Self {
        Self(Sorter::new(FactsKind::default(), held_max, dir))
    }

    /// A store that keeps everything in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(usize::MAX, Path::new(""))
    }

    /// A store for another thread: what both take comes together in the end.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self(self.0.sibling())
    }

    /// Takes a connection. When it can't be put aside it stays in memory, and
    /// [`finish`](Self::finish) says why.
    pub fn push(&mut self, facts: Box<FlowFacts>) {
        self.0.push(facts);
    }

    /// Has so many bytes stay in memory from now on.
    pub const fn set_held_max(&mut self, held_max: usize) {
        self.0.set_held_max(held_max);
    }

    /// Bytes in memory that should have been put aside and could not be.
    #[must_use]
    pub const fn overdue_bytes(&self) -> usize {
        self.0.overdue_bytes()
    }

    /// All connections of stores that are siblings; and why some could not be put aside, for which
    /// nothing is lost.
    #[must_use]
    pub fn finish(stores: impl IntoIterator<Item = Self>) -> (SortedFacts, Option<io::Error>) {
        let (sorted, error) = Sorter::finish(stores.into_iter().map(|store| store.0));
        let facts = match sorted.into_held() {
            Ok(held) => SortedFacts::Held(held),
            Err(sorted) => SortedFacts::Stored(Box::new(StoredFacts(sorted))),
        };
        (facts, error)
    }
}

/// All connections of a run.
#[derive(Debug)]
pub enum SortedFacts {
    /// All in memory, in no particular order yet.
    Held(Vec<Box<FlowFacts>>),
    /// In a file, in the order of reports.
    Stored(Box<StoredFacts>),
}

impl Default for SortedFacts {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

/// Connections in a file, in the order of reports.
#[derive(Debug)]
pub struct StoredFacts(Sorted<FactsKind>);

impl StoredFacts {
    /// Gives the connections in order, so many at a time.
    fn each_part(
        &self,
        mut take: impl FnMut(Vec<Box<FlowFacts>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut part = Vec::new();
        self.0.each(|facts| {
            part.push(facts);
            if part.len() < PART_LEN { Ok(()) } else { take(std::mem::take(&mut part)) }
        })?;
        if part.is_empty() { Ok(()) } else { take(part) }
    }
}

/// Connections in a file with what judges them: they are judged each time they are given.
#[derive(Debug)]
pub struct StoredFlows<'a> {
    facts: &'a StoredFacts,
    judge: &'a Judge,
    names: &'a NameBook,
    anonymizer: Option<&'a Anonymizer>,
    history: History,
}

impl<'a> StoredFlows<'a> {
    /// Learns what connections tell of each other, for which it goes through all of them.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn new(
        facts: &'a StoredFacts,
        judge: &'a Judge,
        names: &'a NameBook,
        anonymizer: Option<&'a Anonymizer>,
    ) -> io::Result<Self> {
        let mut history = History::new(judge.policies());
        facts.0.each(|facts| {
            history.note(&facts, judge.policies());
            Ok(())
        })?;
        history.settle();
        Ok(Self { facts, judge, names, anonymizer, history })
    }

    /// Judges all connections, and gives them in their order, so many at a time.
    pub(crate) fn each_part(
        &self,
        take: &mut dyn FnMut(&[JudgedFlow]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut judge = self.judge();
        self.facts.each_part(|facts| {
            let judged = judge(facts);
            match self.anonymizer {
                None => take(&judged),
                Some(anonymizer) => take(&anonymizer.flows(judged)),
            }
        })
    }

    /// Judges parts, one after the other.
    fn judge(&self) -> impl FnMut(Vec<Box<FlowFacts>>) -> Vec<JudgedFlow> {
        let (mut book, mut parts) = (Book::default(), 0);
        move |facts| {
            if parts == PARTS_ALIKE {
                (book, parts) = (Book::default(), 0);
            }
            parts += 1;
            self.judge.judge_some(facts, &self.history, self.names, &mut book)
        }
    }

    /// Connections by their places among all, which are sorted; each with its place.
    pub(crate) fn at(&self, places: &[u64]) -> io::Result<Vec<(u64, JudgedFlow)>> {
        let (mut wanted, mut all) = (places.iter().peekable(), 0_u64..);
        let mut found = Vec::with_capacity(places.len());
        if self.anonymizer.is_some() {
            // Pseudonyms are another order where connections begin at one time.
            self.each_part(&mut |part| {
                let part = part.iter().zip(&mut all);
                let part = part.filter(|(_, place)| wanted.next_if_eq(&place).is_some());
                found.extend(part.map(|(flow, place)| (place, flow.clone())));
                Ok(())
            })?;
            return Ok(found);
        }
        let mut judge = self.judge();
        self.facts.each_part(|part| {
            let part = part.into_iter().zip(&mut all);
            let part = part.filter(|(_, place)| wanted.next_if_eq(&place).is_some());
            let (facts, places): (Vec<_>, Vec<_>) = part.unzip();
            let judged = judge(facts);
            found.extend(places.into_iter().zip(judged));
            Ok(())
        })?;
        Ok(found)
    }

    /// Gives the facts of all connections as they are to be shown, in their order.
    pub(crate) fn each_facts(
        &self,
        take: &mut dyn FnMut(&FlowFacts) -> io::Result<()>,
    ) -> io::Result<()> {
        self.facts.each_part(|facts| {
            let facts = match self.anonymizer {
                None => facts,
                Some(anonymizer) => anonymizer.silent(facts),
            };
            facts.iter().try_for_each(|facts| take(facts))
        })
    }

    /// Takes lines of text to be sorted, in as much memory and where the connections are.
    pub(crate) fn lines(&self) -> Lines {
        Lines::new(self.facts.0.held_max(), self.facts.0.dir())
    }
}

#[cfg(test)]
mod tests;

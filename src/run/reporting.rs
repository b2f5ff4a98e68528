//! From what a run saw to every output, whether it fits into memory or not.

use std::borrow::Cow;
use std::env;
use std::io;

use dissect::FlowFacts;
use report::{
    Anonymizer, Connections, FactsStore, Home, Inventory, Judge, NameBook, OutputFolder, Report,
    RunInfo, SortedFacts, StoredFacts, StoredFlows,
};

use super::console::Console;
use super::{anonymizing, outputs};
use crate::cli::Outputs;

/// A store for a run's connections, which each of so many workers has a part of: as many as fit into
/// half of the memory, and more in a file beside the outputs.
pub(super) fn store(folder: Option<&OutputFolder>, memory_max: u64, workers: usize) -> FactsStore {
    let held_max = usize::try_from(memory_max / 2).unwrap_or(usize::MAX) / workers.max(1);
    let dir = folder.map_or_else(env::temp_dir, |folder| folder.path().to_owned());
    FactsStore::new(held_max, &dir)
}

/// All connections of stores. What could not be put aside is said: it stays in memory.
pub(super) fn collect(
    stores: impl IntoIterator<Item = FactsStore>,
    console: &mut Console,
) -> SortedFacts {
    let (facts, error) = FactsStore::finish(stores);
    if let Some(error) = error {
        console.notice(&format_args!(
            "connections that are too many for --memory can't be put aside ({error}) and stay in \
             memory; TMPDIR or --out names a place with room"
        ));
    }
    facts
}

/// What a run saw.
pub(super) struct Seen {
    pub(super) run: RunInfo,
    pub(super) facts: SortedFacts,
    /// What DNS said of names.
    pub(super) names: NameBook,
    /// What ended without a word.
    pub(super) silent: Vec<Box<FlowFacts>>,
}

/// How it is reported.
pub(super) struct Reporting<'a> {
    pub(super) outputs: &'a Outputs,
    pub(super) folder: Option<&'a OutputFolder>,
    pub(super) judge: &'a Judge,
    pub(super) anonymizer: Option<&'a Anonymizer>,
    pub(super) inventory: Option<&'a Inventory>,
    pub(super) workers: usize,
}

impl Reporting<'_> {
    /// Judges and writes every output.
    ///
    /// # Errors
    ///
    /// When what was put aside can't be read again, in words.
    pub(super) fn report(&self, seen: Seen, console: &mut Console) -> Result<(), String> {
        let Seen { run, facts, names, silent } = seen;
        let silent = anonymizing::silent(self.anonymizer, silent);
        match facts {
            SortedFacts::Held(flows) => {
                let flows = self.judge.judge_all_named(flows, &names);
                let judged = anonymizing::judged(self.anonymizer, self.judge, run, flows);
                let report =
                    anonymizing::report(&judged, self.judge, self.inventory, self.anonymizer);
                self.write(&report, &silent, console);
                // The process ends next: giving back what it holds, piece by piece, would be for
                // nothing.
                std::mem::forget(report);
                std::mem::forget(judged);
                Ok(())
            }
            SortedFacts::Stored(facts) => self
                .report_stored(run, &facts, &names, &silent, console)
                .map_err(|error| format!("can't read what was put aside: {error}")),
        }
    }

    fn report_stored(
        &self,
        run: RunInfo,
        facts: &StoredFacts,
        names: &NameBook,
        silent: &[Box<FlowFacts>],
        console: &mut Console,
    ) -> io::Result<()> {
        let flows = StoredFlows::new(facts, self.judge, names, self.anonymizer)?;
        let (run, home): (RunInfo, Cow<'_, Home>) = match self.anonymizer {
            None => (run, Cow::Borrowed(self.judge.home())),
            Some(anonymizer) => {
                (anonymizer.run(run), Cow::Owned(anonymizer.home(self.judge.home())))
            }
        };
        let report = Report::of(Connections::Stored(&flows), &run, |addr| home.contains(addr))?;
        let report = anonymizing::finished(report, self.judge, self.inventory, self.anonymizer);
        self.write(&report, silent, console);
        Ok(())
    }

    fn write(&self, report: &Report<'_>, silent: &[Box<FlowFacts>], console: &mut Console) {
        let state: &outputs::Content<'_> = &|out| report.write_state_with(out, silent);
        outputs::write(console, self.outputs, self.folder, report, state, self.workers);
    }
}

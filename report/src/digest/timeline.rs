//! Connections by when they began, without knowing beforehand how long it all takes.

use std::collections::BTreeMap;

use dissect::Timestamp;

use super::ByVersion;

/// Widths of a column in seconds, each a multiple of the one before. What is shown later has widths
/// that are multiples of these.
const WIDTHS: [i64; 4] = [1, 60, 3600, 86_400];

/// Columns that may be spanned before they become wider.
const SPAN_MAX: i64 = 3600;

/// Connections by begin and version: exact to a second for the first hour, to a day for years.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Which of the widths the columns have.
    width: usize,
    columns: BTreeMap<i64, ByVersion>,
    /// Earliest and latest begin, in seconds since the Unix epoch.
    span: Option<(i64, i64)>,
}

impl Timeline {
    /// Counts a connection by when it began and the place of its version.
    pub(super) fn count(&mut self, begin: Timestamp, version: usize) {
        let second = begin.as_nanos().div_euclid(1_000_000_000);
        let (first, last) = self.span.unwrap_or((second, second));
        self.span = Some((first.min(second), last.max(second)));
        self.columns.entry(second.div_euclid(WIDTHS[self.width])).or_default()[version] += 1;
        self.widen();
    }

    /// Makes columns wider while there are too many.
    fn widen(&mut self) {
        let Some((first, last)) = self.span else { return };
        let spanned = |width: i64| last.div_euclid(width) - first.div_euclid(width);
        while spanned(WIDTHS[self.width]) >= SPAN_MAX && self.width + 1 < WIDTHS.len() {
            let factor = WIDTHS[self.width + 1] / WIDTHS[self.width];
            self.width += 1;
            for (place, counts) in std::mem::take(&mut self.columns) {
                let sum = self.columns.entry(place.div_euclid(factor)).or_default();
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }

    /// Earliest and latest begin, in seconds since the Unix epoch; `None` without connections.
    pub(crate) const fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// Columns in order: where each begins, in seconds since the Unix epoch, and what it counts.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (i64, &ByVersion)> {
        let width = WIDTHS[self.width];
        self.columns.iter().map(move |(place, counts)| (place * width, counts))
    }
}

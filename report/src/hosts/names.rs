//! Names of a host's connections, each once, in order.

use std::ops::Deref;

use smallvec::SmallVec;

/// Names, each once and sorted: what a host asked for, what told its stack.
///
/// Collected as they come and put in order now and then, since thousands of hosts have two names
/// and a proxy has thousands. Names are shared with the connections, or live as long as the program.
#[derive(Debug, Clone)]
pub struct NameSet<T> {
    /// Sorted and each once, but while names are added. Most sets of a report have one name or two,
    /// and no memory of their own.
    names: SmallVec<[T; FEW]>,
    /// How many names there are when they are put in order next.
    settle_at: usize,
}

const FEW: usize = 2;

impl<T> Default for NameSet<T> {
    fn default() -> Self {
        Self { names: SmallVec::new(), settle_at: 0 }
    }
}

/// Names that are collected before they are put in order.
const LOOSE_MIN: usize = 16;
/// Names that are looked at before another is added: connections share their names, so that most
/// are there already, at the same place.
const LOOKED_AT: usize = 4;

impl<T: Deref<Target = str> + Clone + Ord> NameSet<T> {
    /// Adds a name. [`settle`](Self::settle) has to follow before the names are looked at.
    pub(super) fn insert(&mut self, name: &T) {
        let last = &self.names[self.names.len().saturating_sub(LOOKED_AT)..];
        if last.iter().rev().any(|known| std::ptr::eq(&raw const **known, &raw const **name)) {
            return;
        }
        self.names.push(name.clone());
        if self.names.len() >= self.settle_at.max(LOOSE_MIN) {
            self.settle();
            self.settle_at = 2 * self.names.len();
        }
    }

    /// Puts the names in order.
    pub(super) fn settle(&mut self) {
        self.names.sort_unstable();
        self.names.dedup();
    }
}

impl<T: Ord> Deref for NameSet<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        debug_assert!(self.names.is_sorted(), "names are settled before they are looked at");
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(numbers in prop::collection::vec(0_u8..60, 0..200)) {
            let names: Vec<Arc<str>> = numbers.iter().map(|it| it.to_string().into()).collect();
            let mut set = NameSet::default();
            names.iter().for_each(|name| set.insert(name));
            set.settle();
            let expect: BTreeSet<Arc<str>> = names.iter().cloned().collect();
            prop_assert_eq!(set.to_vec(), expect.into_iter().collect::<Vec<_>>());
            prop_assert!(set.names.capacity() <= 256);
        }
    }
}

//! Names of a host's connections, each once, in order.

use std::ops::Deref;

/// Names, each once and sorted: what a host asked for, what told its stack.
///
/// Collected as they come and put in order now and then, since thousands of hosts have two names
/// and a proxy has thousands.
#[derive(Debug, Clone, Default)]
pub struct NameSet<'a> {
    /// Sorted and each once, but while names are added.
    names: Vec<&'a str>,
    /// How many names there are when they are put in order next.
    settle_at: usize,
}

/// Names that are collected before they are put in order.
const LOOSE_MIN: usize = 16;
/// Names that are looked at before another is added: connections share their names, so that most
/// are there already, at the same place.
const LOOKED_AT: usize = 4;

impl<'a> NameSet<'a> {
    /// Adds a name. [`settle`](Self::settle) has to follow before the names are looked at.
    pub(super) fn insert(&mut self, name: &'a str) {
        let mut last = self.names.iter().rev().take(LOOKED_AT);
        if last.any(|known| std::ptr::eq(*known, name)) {
            return;
        }
        self.names.push(name);
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

impl<'a> Deref for NameSet<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        debug_assert!(self.names.is_sorted(), "names are settled before they are looked at");
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(numbers in prop::collection::vec(0_u8..60, 0..200)) {
            let names: Vec<String> = numbers.iter().map(u8::to_string).collect();
            let mut set = NameSet::default();
            names.iter().for_each(|name| set.insert(name));
            set.settle();
            let expect: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(set.to_vec(), expect.into_iter().collect::<Vec<_>>());
            prop_assert!(set.names.capacity() <= 256);
        }
    }
}

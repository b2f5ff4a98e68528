//! Names of a host's connections, each once, in order.

use std::ops::Deref;

/// Names, each once and sorted: what a host asked for, what told its stack.
///
/// Collected as they come and put in order now and then, since thousands of hosts have two names
/// and a proxy has thousands.
#[derive(Debug, Clone, Default)]
pub struct NameSet<'a> {
    /// Sorted and each once, but while names are added.
    names: Names<'a>,
    /// How many names there are when they are put in order next.
    settle_at: usize,
}

/// Most sets of a report have one name or two, and no memory of their own.
#[derive(Debug, Clone)]
enum Names<'a> {
    /// The names, and how many of them there are.
    Few([&'a str; FEW], usize),
    Many(Vec<&'a str>),
}

const FEW: usize = 2;

impl Default for Names<'_> {
    fn default() -> Self {
        Self::Few([""; FEW], 0)
    }
}

impl<'a> Names<'a> {
    fn push(&mut self, name: &'a str) {
        match self {
            Self::Few(names, count) => match names.get_mut(*count) {
                Some(place) => {
                    *place = name;
                    *count += 1;
                }
                None => {
                    let mut many = Vec::with_capacity(4 * FEW);
                    many.extend_from_slice(names);
                    many.push(name);
                    *self = Self::Many(many);
                }
            },
            Self::Many(names) => names.push(name),
        }
    }

    fn as_slice(&self) -> &[&'a str] {
        match self {
            Self::Few(names, count) => names.get(..*count).unwrap_or_default(),
            Self::Many(names) => names,
        }
    }

    fn settle(&mut self) {
        match self {
            Self::Few(names, count) => {
                names[..*count].sort_unstable();
                if *count == FEW && names[0] == names[1] {
                    *count = 1;
                }
            }
            Self::Many(names) => {
                names.sort_unstable();
                names.dedup();
            }
        }
    }
}

/// Names that are collected before they are put in order.
const LOOSE_MIN: usize = 16;
/// Names that are looked at before another is added: connections share their names, so that most
/// are there already, at the same place.
const LOOKED_AT: usize = 4;

impl<'a> NameSet<'a> {
    /// Adds a name. [`settle`](Self::settle) has to follow before the names are looked at.
    pub(super) fn insert(&mut self, name: &'a str) {
        let names = self.names.as_slice();
        let last = &names[names.len().saturating_sub(LOOKED_AT)..];
        if last.iter().rev().any(|known| std::ptr::eq(*known, name)) {
            return;
        }
        let count = names.len() + 1;
        self.names.push(name);
        if count >= self.settle_at.max(LOOSE_MIN) {
            self.settle();
            self.settle_at = 2 * self.names.as_slice().len();
        }
    }

    /// Puts the names in order.
    pub(super) fn settle(&mut self) {
        self.names.settle();
    }
}

impl<'a> Deref for NameSet<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        let names = self.names.as_slice();
        debug_assert!(names.is_sorted(), "names are settled before they are looked at");
        names
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
            let is_small = match &set.names {
                Names::Few(..) => true,
                Names::Many(names) => names.capacity() <= 256,
            };
            prop_assert!(is_small);
        }
    }
}

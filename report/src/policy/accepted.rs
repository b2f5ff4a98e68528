//! What a policy takes of a kind of number: a list, or anything that is no placeholder.

use dissect::is_grease;

/// Suites, groups or signature algorithms that are enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Whatever is registered and not a placeholder.
    Any,
    /// These numbers, the preferred first; an empty list accepts nothing.
    Only(Vec<u16>),
}

/// Numbers that stand for no suite: NULL, and the signals of RFC 5746 and RFC 7507.
const NO_SUITES: [u16; 3] = [0x0000, 0x00ff, 0x5600];

impl Accepted {
    /// Whether a suite is among them.
    pub(super) fn has_suite(&self, suite: u16) -> bool {
        match self {
            Self::Any => !is_grease(suite) && !NO_SUITES.contains(&suite),
            Self::Only(list) => list.contains(&suite),
        }
    }

    /// Whether a group or a signature algorithm is among them.
    pub(super) fn has(&self, number: u16) -> bool {
        match self {
            Self::Any => !is_grease(number),
            Self::Only(list) => list.contains(&number),
        }
    }

    /// Whether nothing at all is accepted.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(list) if list.is_empty())
    }

    /// The numbers that are listed; none when anything is accepted.
    #[must_use]
    pub fn listed(&self) -> &[u16] {
        match self {
            Self::Any => &[],
            Self::Only(list) => list,
        }
    }
}

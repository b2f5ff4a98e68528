//! Host names of an endpoint list: patterns with one wildcard at most, and finding the best match.

use std::borrow::Cow;
use std::ops::Range;

use foldhash::HashMap;

/// A host name as it is compared: lower case, without the dot of a fully qualified name.
pub(crate) fn normal(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// What keeps a text from being a pattern: the rule that it breaks.
pub(crate) fn check(pattern: &str) -> Result<(), &'static str> {
    const NAME_LEN_MAX: usize = 253; // RFC 1035 §2.3.4, without the length octets
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
    if pattern.is_empty() || pattern.len() > NAME_LEN_MAX {
        Err("a host name of 1 to 253 characters")
    } else if !pattern.bytes().all(good) {
        Err("a host name of letters, digits, `-`, `_` and `.`, without scheme, port or path")
    } else if pattern.bytes().filter(|&byte| byte == b'*').count() > 1 {
        Err("one `*` at most")
    } else if pattern.trim_matches(['*', '.']).is_empty() {
        Err("a host name and not a wildcard alone")
    } else {
        Ok(())
    }
}

/// Patterns with a value each.
///
/// A name that is written out comes before any wildcard. `*.x` matches every name below `x` and not
/// `x` itself; a probe for each label from the left finds the longest such suffix. Patterns with
/// the wildcard elsewhere (`autodiscover.*.x`, `*cdn.x`) are few and tried one by one; they come
/// before the suffixes, as they name their hosts more closely.
#[derive(Debug, Clone)]
pub(crate) struct NameTable<T> {
    exact: HashMap<Box<str>, T>,
    below: HashMap<Box<str>, T>,
    odd: Vec<Odd<T>>,
}

#[derive(Debug, Clone)]
struct Odd<T> {
    head: Box<str>,
    tail: Box<str>,
    value: T,
}

impl<T> Odd<T> {
    fn matches(&self, name: &str) -> bool {
        // Something has to stand for a wildcard between two parts of a name, nothing needs to at
        // the front of `*cdn.onenote.net`.
        let stand_in_min = usize::from(!self.head.is_empty());
        let name = name.as_bytes();
        let (head, tail) = (self.head.as_bytes(), self.tail.as_bytes());
        // Most names fail at the first byte of either part.
        let begins =
            |name: &[u8], part: &[u8]| part.first().is_none_or(|_| name.first() == part.first());
        name.len() >= head.len() + tail.len() + stand_in_min
            && begins(name, head)
            && begins(&name[name.len() - tail.len()..], tail)
            && name.starts_with(head)
            && name.ends_with(tail)
    }
}

impl<T> NameTable<T> {
    pub(crate) fn new() -> Self {
        Self { exact: HashMap::default(), below: HashMap::default(), odd: Vec::new() }
    }

    /// Adds a pattern in normal form; of equal patterns the first one counts.
    pub(crate) fn insert(&mut self, pattern: &str, value: T) {
        if let Some(suffix) = pattern.strip_prefix("*.") {
            self.below.entry(suffix.into()).or_insert(value);
        } else if let Some((head, tail)) = pattern.split_once('*') {
            self.odd.push(Odd { head: head.into(), tail: tail.into(), value });
        } else {
            self.exact.entry(pattern.into()).or_insert(value);
        }
    }

    /// The value of the best pattern for a name in normal form.
    pub(crate) fn best(&self, name: &str) -> Option<&T> {
        self.matched(name).map(|(value, _)| value)
    }

    /// What of the name stands for the wildcard of the best pattern; nothing where it has none.
    pub(crate) fn stand_in(&self, name: &str) -> Option<Range<usize>> {
        self.matched(name).map(|(_, stand_in)| stand_in)
    }

    fn matched(&self, name: &str) -> Option<(&T, Range<usize>)> {
        if let Some(value) = self.exact.get(name) {
            return Some((value, 0..0));
        }
        if let Some(odd) = self.odd.iter().find(|odd| odd.matches(name)) {
            return Some((&odd.value, odd.head.len()..name.len() - odd.tail.len()));
        }
        let mut rest = name;
        while let Some((label, suffix)) = rest.split_once('.') {
            if let Some(value) = self.below.get(suffix).filter(|_| !label.is_empty()) {
                return Some((value, 0..name.len() - suffix.len() - 1));
            }
            rest = suffix;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&'static str]) -> NameTable<&'static str> {
        let mut table = NameTable::new();
        for pattern in patterns {
            table.insert(pattern, *pattern);
        }
        table
    }

    #[test]
    fn the_best_pattern_is_the_one_that_names_a_host_most_closely() {
        let table = table(&[
            "outlook.office365.com",
            "*.office365.com",
            "*.lync.com",
            "*.online.lync.com",
            "autodiscover.*.onmicrosoft.com",
            "*.onmicrosoft.com",
            "*cdn.onenote.net",
        ]);
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(table.best(&normal(name)).copied(), expect, "{name}");
        };
        check("outlook.office365.com", Some("outlook.office365.com"));
        check("OUTLOOK.Office365.Com.", Some("outlook.office365.com"));
        check("smtp.office365.com", Some("*.office365.com"));
        check("a.b.office365.com", Some("*.office365.com"));
        check("office365.com", None);
        check(".office365.com", None);
        check("sipfed.online.lync.com", Some("*.online.lync.com"));
        check("online.lync.com", Some("*.lync.com"));
        check("*.online.lync.com", Some("*.online.lync.com"));
        check("*.lync.com", Some("*.lync.com"));
        check("autodiscover.contoso.onmicrosoft.com", Some("autodiscover.*.onmicrosoft.com"));
        check("autodiscover.a.mail.onmicrosoft.com", Some("autodiscover.*.onmicrosoft.com"));
        check("autodiscover.onmicrosoft.com", Some("*.onmicrosoft.com"));
        check("site-cdn.onenote.net", Some("*cdn.onenote.net"));
        check("cdn.onenote.net", Some("*cdn.onenote.net"));
        check("www.onenote.net", None);
        check("outlook.office365.com.evil.test", None);
        check("evil-office365.com", None);
        check("notlync.com", None);
        check("", None);
        check(".", None);
    }

    #[test]
    fn texts_that_are_no_pattern_are_told_apart() {
        for good in ["a.b", "*.a.b", "*cdn.a.b", "autodiscover.*.a.b", "x_y.a", "localhost"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "a".repeat(254);
        for bad in ["", "*", "*.", "https://a.b", "a.b/c", "a.b:443", "*.a.*.b", "ä.b", &long] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(check(&"a".repeat(253)), Ok(()));
    }
}

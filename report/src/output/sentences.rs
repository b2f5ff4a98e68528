//! A fix is a string in tables; people read it sentence by sentence.

/// Sentences of a fix, one by one. Only a full stop before a capital, a bracket or a dot ends one,
/// so that versions stay whole.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(place) = rest.get(from..).and_then(|tail| tail.find(". ")) {
        let (end, next) = (from + place + 1, from + place + 2);
        let begins = |c: char| c.is_uppercase() || c == '.' || c == '(';
        if rest.get(next..).is_some_and(|tail| tail.starts_with(begins)) {
            sentences.push(&rest[..end]);
            rest = &rest[next..];
            from = 0;
        } else {
            from = next;
        }
    }
    if !rest.is_empty() {
        sentences.push(rest);
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_full_stops_before_capitals() {
        let check = |text, expect: &[&str]| assert_eq!(sentences(text), expect);
        check("Update it. Or replace it.", &["Update it.", "Or replace it."]);
        check(
            "Take .NET 4.6.2 or later. .NET programs: e.g. set a key.",
            &["Take .NET 4.6.2 or later.", ".NET programs: e.g. set a key."],
        );
        check("", &[]);
        check("no stop. ", &["no stop. "]);
    }
}

//! Lines of text within a width: wrapping, colours, and making foreign text printable.

use super::TextStyle;
use super::sentences::sentences;

/// The least width that is used.
const WIDTH_MIN: usize = 40;

/// A colour for a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Green,
    Red,
    Yellow,
}

impl Ink {
    /// The ANSI sequence that begins bold text of this colour.
    const fn begin(self) -> &'static str {
        match self {
            Self::Plain => "\x1b[1m",
            Self::Green => "\x1b[1;32m",
            Self::Red => "\x1b[1;31m",
            Self::Yellow => "\x1b[1;33m",
        }
    }
}

/// Text that grows line by line.
pub(super) struct Page {
    text: String,
    width: usize,
    color: bool,
    /// Text was taken already.
    is_begun: bool,
}

impl Page {
    pub(super) const fn new(style: TextStyle) -> Self {
        let width = if style.width < WIDTH_MIN { WIDTH_MIN } else { style.width };
        Self { text: String::new(), width, color: style.color, is_begun: false }
    }

    /// The text so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Takes the text so far, so that it can be written before the rest is known.
    pub(super) fn take(&mut self) -> String {
        self.is_begun |= !self.text.is_empty();
        std::mem::take(&mut self.text)
    }

    /// An empty line between sections.
    pub(super) fn gap(&mut self) {
        if self.is_begun || !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A line of its own layout, cut at the width.
    pub(super) fn line(&mut self, line: &str) {
        self.text.extend(printable(line).chars().take(self.width));
        self.text.push('\n');
    }

    /// A wrapped line in bold and colour.
    pub(super) fn title(&mut self, title: &str, ink: Ink) {
        for line in wrapped(&printable(title), self.width) {
            if self.color {
                self.text.extend([ink.begin(), &line, "\x1b[0m\n"]);
            } else {
                self.text.extend([&line, "\n"]);
            }
        }
    }

    /// A paragraph wrapped behind an indent; lines after its first are indented by two more.
    pub(super) fn paragraph(&mut self, indent: usize, paragraph: &str) {
        let lines = wrapped(&printable(paragraph), self.width - indent - 2);
        for (index, line) in lines.iter().enumerate() {
            let indent = if index == 0 { indent } else { indent + 2 };
            self.text.extend(std::iter::repeat_n(' ', indent));
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// What to do: in its line when it is one sentence, else a list of them.
    pub(super) fn fix(&mut self, indent: usize, fix: &str) {
        match sentences(fix)[..] {
            [] => {}
            [only] => self.paragraph(indent, &format!("Fix: {only}")),
            ref several => {
                self.paragraph(indent, "Fix:");
                for sentence in several {
                    self.paragraph(indent + 2, &format!("- {sentence}"));
                }
            }
        }
    }

    /// Says how much of a list was left out, and where it stands in full.
    pub(super) fn more(&mut self, count: usize, file: &str) {
        if count > 0 {
            self.line(&format!("  and {count} more ({file})"));
        }
    }
}

/// `1 frame`, `2 frames`.
pub(super) fn count_of(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Text with control characters, and those that turn the direction of writing, shown as escapes.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let steers = character.is_control()
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if steers {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Breaks text at spaces into lines of at most `width` characters; words that are longer are
/// broken too.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut len = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        if len > 0 && len + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            len = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if len > 0 {
            line.push(' ');
            len += 1;
        }
        len += word.len();
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_wraps_at_spaces() {
        let check = |text, width, expect: &[&str]| assert_eq!(wrapped(text, width), expect);
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 100, &["one two three"]);
        check("abcdefghij kl", 4, &["abcd", "efgh", "ij", "kl"]);
        check("", 10, &[]);
    }

    #[test]
    fn foreign_text_can_t_steer_a_terminal() {
        let check = |text, expect| assert_eq!(printable(text), expect);
        check("mail.example", "mail.example");
        check("\x1b[2J", "\\u{1b}[2J");
        check("a\r\nb\u{9b}31m", "a\\u{d}\\u{a}b\\u{9b}31m");
        check("\u{202e}txt", "\\u{202e}txt");
        check("bücher", "bücher");
    }

    proptest! {
        #[test]
        fn lines_stay_within_the_width(text in "\\PC{0,200}", width in 1usize..60) {
            let lines = wrapped(&text, width);
            for line in &lines {
                prop_assert!(line.chars().count() <= width);
            }
            let kept = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(kept(&lines.concat()), kept(&text));
        }
    }
}

//! Dialogues of lines: SMTP, LMTP, IMAP, POP3, FTP, NNTP, IRC and ManageSieve.
//!
//! A direction is either all commands or all replies. Which protocol it is turns out line by line and
//! need not be known before TLS begins. The end of a line is LF with or without CR.

use super::{Heard, PreludeFacts, client, server};
use crate::{Side, Upgrade};

/// How much of a line is looked at; the rest of a longer one is passed over. Longer than any line
/// that matters, for a host name has up to 255 bytes.
pub(super) const LINE_KEPT: usize = 1024;

/// Cuts input into lines.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// Within the part of a long line that is passed over.
    skipping: bool,
}

/// What the input begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// The beginning of a line.
    Partial,
    /// This many bytes of a line whose beginning was given before.
    Rest(usize),
    /// A line without its end, or the beginning of a long one.
    Line {
        text: &'a [u8],
        /// How many bytes to take.
        len: usize,
        /// Whether its end is among them.
        whole: bool,
    },
}

impl Cutter {
    pub(super) fn cut<'a>(&mut self, input: &'a [u8]) -> Cut<'a> {
        let end = input.iter().position(|&byte| byte == b'\n');
        if self.skipping {
            self.skipping = end.is_none();
            return Cut::Rest(end.map_or(input.len(), |end| end + 1));
        }
        match end {
            Some(end) if end < LINE_KEPT => {
                let text = &input[..end];
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                Cut::Line { text, len: end + 1, whole: true }
            }
            _ if input.len() >= LINE_KEPT => {
                self.skipping = true;
                Cut::Line { text: &input[..LINE_KEPT], len: LINE_KEPT, whole: false }
            }
            _ => Cut::Partial,
        }
    }

    /// Passes over what is left of a line of which bytes are missing.
    pub(super) fn lose(&mut self) {
        self.skipping = true;
    }
}

/// What a line leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// The dialogue goes on.
    On,
    /// TLS may come next.
    ToTls,
    /// The session goes on in the clear.
    Nowhere,
}

/// A dialogue of lines.
#[derive(Debug)]
pub(super) struct Lines {
    cutter: Cutter,
    side: Side,
    /// The protocol, as soon as a line gave it away.
    pub(super) protocol: Option<Upgrade>,
}

impl Lines {
    pub(super) fn new(side: Side) -> Self {
        Self { cutter: Cutter::default(), side, protocol: None }
    }

    pub(super) fn lose(&mut self) {
        self.cutter.lose();
    }

    pub(super) fn read(&mut self, input: &[u8], facts: &mut PreludeFacts) -> Heard {
        let (text, len, whole) = match self.cutter.cut(input) {
            Cut::Partial if input.contains(&0) => return Heard::Plain,
            Cut::Partial => return Heard::Partial,
            Cut::Rest(len) => return Heard::Idle(len),
            Cut::Line { text, len, whole } => (text, len, whole),
        };
        if text.contains(&0) {
            return Heard::Plain;
        }
        if text.trim_ascii().is_empty() {
            return Heard::Idle(len);
        }
        let leads = match self.side {
            Side::Client => client::hear(self, text, facts),
            Side::Server => server::hear(self, text, facts),
        };
        if let Some(protocol) = self.protocol {
            facts.speaks(protocol, self.side);
        }
        facts.role = Some(self.side);
        match leads {
            Leads::On => Heard::Message(len),
            Leads::ToTls if whole => Heard::Door(len),
            Leads::ToTls => Heard::Message(len),
            Leads::Nowhere => Heard::Plain,
        }
    }
}

/// The words of a line, by blanks.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// Whether the word is one of these, in any case.
pub(super) fn is_one(word: &[u8], of: &[&str]) -> bool {
    of.iter().any(|one| word.eq_ignore_ascii_case(one.as_bytes()))
}

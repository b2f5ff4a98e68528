//! What a text is, told by its beginning.

use super::columns::{self, Column};
use super::delimited::Dialect;

/// A kind of text that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Rows under a header.
    Table(Dialect),
    /// JSON objects.
    Json,
    /// A log of Zeek with its own header.
    Zeek,
}

/// The bytes that captures and archives begin with, and what to do with them.
const MAGICS: &[(&[u8], &str)] = &[
    (b"\xd4\xc3\xb2\xa1", "a capture; give it to `tlsunset analyze`"),
    (b"\xa1\xb2\xc3\xd4", "a capture; give it to `tlsunset analyze`"),
    (b"\x4d\x3c\xb2\xa1", "a capture; give it to `tlsunset analyze`"),
    (b"\xa1\xb2\x3c\x4d", "a capture; give it to `tlsunset analyze`"),
    (b"\x0a\x0d\x0d\x0a", "a capture; give it to `tlsunset analyze`"),
    (b"\x1f\x8b", "packed with gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first"),
    (b"PK\x03\x04", "a zip archive or a workbook; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a workbook; save it as CSV"),
    (b"tlsunset state", "a saved run; give it to `tlsunset merge`"),
];

/// What raw bytes are when they are no text; `None` for what may be one.
pub(super) fn foreign(head: &[u8]) -> Option<&'static str> {
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, words)| *words)
}

/// Characters that stand between cells in any export, the usual ones first.
const DELIMITERS: &[u8] = b",\t;|: /~^#!%&*+=@$ ";

/// The shape of a text.
///
/// # Errors
///
/// What it is instead, in words.
pub(super) fn shape(head: &[u8]) -> Result<Shape, &'static str> {
    let text = head.trim_ascii_start();
    let mut lines = text.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let row = lines.next().unwrap_or_default();
    if has_event(line) {
        return Ok(Shape::Json);
    }
    match text.first() {
        None => return Err("empty"),
        Some(b'{' | b'[') => return Ok(Shape::Json),
        Some(b'<') => {
            return Err("XML (`-T pdml` or `-T psml`), which is not read; use `-T ek`");
        }
        Some(b'#') if text.starts_with(b"#separator") || text.starts_with(b"#fields") => {
            return Ok(Shape::Zeek);
        }
        _ => {}
    }
    if line.contains(&0) {
        return Err("no text");
    }
    let quote = if line.first() == Some(&b'\'') { b'\'' } else { b'"' };
    let recognised = |delimiter: u8| -> usize {
        let mut cells = line.split(|byte| *byte == delimiter);
        let mut known = 0;
        cells.by_ref().for_each(|cell| known += usize::from(column_of(cell, quote).is_some()));
        known
    };
    // The first of those that tell most, which max_by_key would not give.
    let mut best = (1, 0);
    for &delimiter in DELIMITERS {
        let known = recognised(delimiter);
        if known > best.0 {
            best = (known, delimiter);
        }
    }
    match best {
        (2.., delimiter) => {
            // tshark quotes no header; what it quotes with shows in the rows.
            let between = [b'\'', delimiter, b'\''];
            let is_single = row.windows(3).any(|window| window == between);
            let quote = if is_single { b'\'' } else { quote };
            Ok(Shape::Table(Dialect { delimiter, quote }))
        }
        _ => Err("no export that is known: its first line names no columns of Wireshark, tshark, \
                  Zeek or Suricata (tshark writes them with -E header=y)"),
    }
}

/// Whether a line is an event behind a header, as syslog writes it.
fn has_event(line: &[u8]) -> bool {
    let Some(at) = line.windows(2).position(|window| window == b"{\"") else { return false };
    let has = |key: &[u8]| line[at..].windows(key.len()).any(|window| window == key);
    // A table may have an event in a cell.
    !line[..at].contains(&b'"') && (has(b"\"event_type\"") || has(b"\"id.orig_h\""))
}

/// The column of a header's cell, in quotes or not.
pub(super) fn column_of(cell: &[u8], quote: u8) -> Option<Column> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    columns::column(text.trim_matches(char::from(quote)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_by_their_first_line() {
        let table = |delimiter, quote| Ok(Shape::Table(Dialect { delimiter, quote }));
        let check = |text: &str, expect| assert_eq!(shape(text.as_bytes()), expect, "{text}");
        check("\"No.\",\"Time\",\"Source\"\n", table(b',', b'"'));
        check("No.;Time;Source;Destination\r\n", table(b';', b'"'));
        check("frame.number\tip.src\tip.dst\n", table(b'\t', b'"'));
        check("'frame.number'/'ip.src'/'ip.dst'\n", table(b'/', b'\''));
        check("frame.number ip.src\n", table(b' ', b'"'));
        check("frame.number,ip.src\n'1','10.0.0.7'\n", table(b',', b'\''));
        check("[\n  {\n", Ok(Shape::Json));
        check("{\"index\":{}}\n", Ok(Shape::Json));
        check("#separator \\x09\n", Ok(Shape::Zeek));
        assert!(shape(b"").is_err_and(|why| why == "empty"));
        assert!(shape(b"1\t10.0.0.1\t443\n").is_err_and(|why| why.contains("header=y")));
        assert!(shape(b"<?xml").is_err_and(|why| why.contains("XML")));
        assert!(shape(b"a\0\x01,b").is_err());
        assert!(foreign(b"\xd4\xc3\xb2\xa1....").is_some_and(|it| it.contains("analyze")));
    }
}

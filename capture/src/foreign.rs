//! What a file that is no capture may be, in words that help whoever named it.

/// Names what `head`, the first bytes of a file, begins.
pub(crate) fn describe(head: &[u8]) -> String {
    let known = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, words)) = known {
        return (*words).to_owned();
    }
    if head.iter().all(|byte| *byte == 0) {
        return "nothing but zero bytes; was the disk full, or the file copied before it was \
                written?"
            .to_owned();
    }
    if let Some(text) = text_of(head) {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        let is_csv = line.contains("\",\"") || line.matches([',', ';', '\t']).count() >= 3;
        return if text.starts_with('{') || text.starts_with("[{") {
            "JSON text; `tlsunset review` reads what tshark, Zeek and Suricata write".to_owned()
        } else if text.starts_with('<') {
            "XML or HTML text".to_owned()
        } else if is_csv {
            "CSV text; give it to `tlsunset review`".to_owned()
        } else {
            "text".to_owned()
        };
    }
    let start: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("a file that begins with the bytes {}", start.join(" "))
}

/// The beginning as text, when it is text: no control characters but those of layout.
fn text_of(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c');
    text.chars().all(is_text).then_some(text)
}

const MAGICS: &[(&[u8], &str)] = &[
    (b"\x7fELF", "a program"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it with `xz -d` first"),
    (b"\xff\xfe", "UTF-16 text; when it is an export, give it to `tlsunset review`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it with `bzip2 -d` first"),
    (b"GMBU", "a Network Monitor capture; convert it with `editcap -F pcapng`"),
    (b"MZ", "a program"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"RTSS", "a Network Monitor capture; convert it with `editcap -F pcapng`"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"TRSNIFF data", "a Sniffer capture; convert it with `editcap -F pcapng`"),
    (b"XCP\0", "a NetXRay capture; convert it with `editcap -F pcapng`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_files_are_named() {
        let check = |head: &[u8], expect: &str| assert_eq!(describe(head), expect);
        check(b"\"No.\",\"Time\",\"Source\"\r\n\"1\",", "CSV text; give it to `tlsunset review`");
        check(
            "\u{feff}No.;Zeit;Quelle;Ziel\n".as_bytes(),
            "CSV text; give it to `tlsunset review`",
        );
        check(b"hello", "text");
        check(
            b"{\"a\": 1}",
            "JSON text; `tlsunset review` reads what tshark, Zeek and Suricata write",
        );
        check(b"<!DOCTYPE html>", "XML or HTML text");
        check(b"PK\x03\x04....", "a zip archive; unpack it first");
        check(&[1, 2, 3], "a file that begins with the bytes 01 02 03");
        check(&"ab\u{e9}".as_bytes()[..3], "text");
        assert!(describe(&[0; 9]).starts_with("nothing but zero bytes"));
    }
}

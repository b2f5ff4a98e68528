//! Tables in a real spreadsheet: LibreOffice opens them, and what was text stays text.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Folder, analyze_to, sample, table};

/// Names that a spreadsheet would run or change, each as long as the one that they replace.
const NAMES: [&[u8; 21]; 8] = [
    b"=cmd|'/C calc'!A1.com",
    b"+1+cmd|' /C calc'!A.c",
    b"-2+3+cmd|' /C c'!A.co",
    b"@SUM(1+1)*cmd|'x'!A.c",
    b"=HYPERLINK(\"//x\",\"y\")",
    b"\t=1+1,2;3\"4\r\n\"5.examp",
    b"123456789012345678901",
    b"0000.example.office36",
];

/// Converts tables; `None`, loudly, where there is no LibreOffice.
fn convert(folder: &Folder, format: &str, files: &[&str]) -> Option<()> {
    let profile = format!("-env:UserInstallation=file://{}", folder.join("profile").display());
    let mut command = Command::new("soffice");
    command.args([&profile, "--headless", "--convert-to", format, "--outdir"]);
    command.arg(folder.join("out")).args(files.iter().map(|file| folder.join(file)));
    match command.output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(())
        }
        Err(error) => {
            eprintln!("SKIPPED what a spreadsheet makes of tables; soffice does not run: {error}");
            None
        }
    }
}

/// A capture of which the only name asked for is another.
fn renamed(name: &[u8; 21]) -> Vec<u8> {
    let mut capture = fs::read(sample("tls10-client-outlook")).unwrap();
    let is_there = |window: &[u8]| window == b"outlook.office365.com";
    let at = capture.windows(21).position(is_there).expect("the name is in the hello");
    capture[at..at + 21].copy_from_slice(name);
    capture
}

const TABLES: [&str; 3] = ["handshakes.csv", "flows.csv", "hosts.csv"];

fn folder() -> Folder {
    let folder = Folder::new("spreadsheet");
    let inputs = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| folder.write(&format!("{at}.pcap"), renamed(name)).into_os_string());
    let inputs: Vec<_> = inputs.chain([sample("demo").into_os_string()]).collect();
    analyze_to(folder.path(), inputs).expect(0);
    folder
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Holds without any spreadsheet: no cell begins as a formula does.
#[test]
fn no_cell_begins_like_a_formula() {
    let folder = folder();
    for name in TABLES {
        let mut rows = 0;
        for row in table(&text(&folder.join(name)), b',') {
            rows += 1;
            for (column, cell) in row {
                let first = cell.trim_start().bytes().next();
                assert!(
                    !matches!(first, Some(b'=' | b'+' | b'-' | b'@')),
                    "{name} {column} {cell}"
                );
            }
        }
        assert!(rows > 8, "{name} has {rows} rows");
    }
}

#[test]
fn a_real_spreadsheet_shows_what_was_written() {
    let folder = folder();
    if convert(&folder, "fods", &TABLES).is_none() {
        return;
    }
    for name in TABLES {
        let sheet = text(&folder.join("out").join(name).with_extension("fods"));
        assert!(sheet.contains("office:value-type=\"string\""), "{name} is a sheet");
        assert!(!sheet.contains("table:formula"), "{name} holds a formula");
    }
    // Commas, quotes, UTF-8, every cell as it is and not as it is shown.
    convert(&folder, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,true", &TABLES);
    for name in TABLES {
        let [written, shown] = [folder.join(name), folder.join("out").join(name)]
            .map(|path| table(&text(&path), b','));
        assert_eq!(written.len(), shown.len(), "{name}");
        for (written, shown) in written.iter().zip(&shown) {
            for (column, cell) in written {
                let is_number = |text: &str| text.parse::<f64>().is_ok();
                let shown = &shown[column];
                // A port is a number there, and a truth a truth.
                let is_same = shown == cell
                    || shown.eq_ignore_ascii_case(cell)
                    || is_number(cell) && shown.parse::<f64>().ok() == cell.parse::<f64>().ok();
                assert!(is_same, "{name} {column}: {cell:?} became {shown:?}");
            }
        }
    }
}

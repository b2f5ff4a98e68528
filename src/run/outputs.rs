//! Writes the outputs that were asked for.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use report::{OutputFolder, Report};

use super::console::{Console, text_style};
use crate::cli::{FlowsFormat, Output, Outputs, Target};

/// A file that an output would take from another output or from an input. What is no ordinary
/// file, such as `/dev/null`, takes any number of outputs.
pub(super) fn file_named_twice<'a>(outputs: &'a Outputs, inputs: &[PathBuf]) -> Option<&'a Path> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut taken: Vec<_> = inputs.iter().map(|path| place(path)).collect();
    for (_, target) in &outputs.single {
        let Target::File(path) = target else { continue };
        if path.exists() && !path.is_file() {
            continue;
        }
        let place = place(path);
        if taken.contains(&place) {
            return Some(path);
        }
        taken.push(place);
    }
    None
}

/// Writes every output of a report, and `state` beside them; one that fails keeps no other from
/// being written.
pub(super) fn write(
    console: &mut Console,
    outputs: &Outputs,
    folder: Option<&OutputFolder>,
    report: &Report<'_>,
    state: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) {
    let format = match outputs.flows_format {
        FlowsFormat::Csv => report::FlowsFormat::Csv,
        FlowsFormat::Jsonl => report::FlowsFormat::JsonLines,
    };
    let write_one = |output, out: &mut dyn Write| match output {
        Output::Flows => report.write_flows_as(out, format),
        Output::Hosts => report.write_hosts(out),
        Output::Handshakes => report.write_handshakes(out),
        Output::Summary => report.write_summary(out),
    };
    if let Some(folder) = folder {
        for (name, output) in [
            (format.file_name(), Output::Flows),
            ("hosts.csv", Output::Hosts),
            ("handshakes.csv", Output::Handshakes),
            ("summary.json", Output::Summary),
        ] {
            console.check(folder.write(name, |out| write_one(output, out)));
        }
        console.check(folder.write("state.tlsunset", state));
        // Who sits at a terminal sees no data here, and may ask where they went.
        if io::stderr().is_terminal() && !console.outcome.has_failed {
            console.notice(&format_args!("the outputs are in {}", folder.path().display()));
        }
    }
    for (output, target) in &outputs.single {
        console.put(target, |out| write_one(*output, out));
    }
    if outputs.prints_summary {
        let style = text_style(outputs.color);
        console.print(|out| report.write_text(out, style));
    }
    console.outcome.check_failed = outputs.check && report.any_breaks();
}

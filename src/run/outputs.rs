//! Writes the outputs that were asked for.

use std::io::{self, IsTerminal as _, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use report::{OutputError, OutputFolder, Report};

use super::console::{Console, text_style};
use crate::cli::{FlowsFormat, Output, Outputs, Target};

/// A file that an output would take from another output or from an input. What is no ordinary
/// file, such as `/dev/null`, takes any number of outputs.
pub(super) fn file_named_twice<'a>(outputs: &'a Outputs, inputs: &[PathBuf]) -> Option<&'a Path> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let read = inputs.iter().chain(&outputs.anonymize);
    let mut taken: Vec<_> = read.map(|path| place(path)).collect();
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
    state: &Content<'_>,
    workers: usize,
) {
    if let Some(folder) = folder {
        for written in fill(folder, outputs, report, state, workers) {
            console.check(written);
        }
        // Who sits at a terminal sees no data here, and may ask where they went.
        if io::stderr().is_terminal() && !console.outcome.has_failed {
            console.notice(&format_args!("the outputs are in {}", folder.path().display()));
        }
    }
    let format = format(outputs);
    for (output, target) in &outputs.single {
        console.put(target, |out| write_one(report, *output, format, out));
    }
    if outputs.prints_summary {
        let style = text_style(outputs.color);
        console.print(|out| report.write_text(out, style));
    }
    console.outcome.check_failed = outputs.check && report.any_breaks();
}

/// Writes every file of a report into a folder.
pub(super) fn fill(
    folder: &OutputFolder,
    outputs: &Outputs,
    report: &Report<'_>,
    state: &Content<'_>,
    workers: usize,
) -> [Result<(), OutputError>; 6] {
    let format = format(outputs);
    let of = |output| move |out: &mut dyn Write| write_one(report, output, format, out);
    // The longest first, so that none is left to the end alone.
    let files: [(&str, &Content<'_>); 6] = [
        ("report.html", &of(Output::Html)),
        ("handshakes.csv", &of(Output::Handshakes)),
        (format.file_name(), &of(Output::Flows)),
        ("state.tlsunset", state),
        ("hosts.csv", &of(Output::Hosts)),
        ("summary.json", &of(Output::Summary)),
    ];
    write_folder(folder, files, workers)
}

fn format(outputs: &Outputs) -> report::FlowsFormat {
    match outputs.flows_format {
        FlowsFormat::Csv => report::FlowsFormat::Csv,
        FlowsFormat::Jsonl => report::FlowsFormat::JsonLines,
        FlowsFormat::Zeek => report::FlowsFormat::Zeek,
        FlowsFormat::ZeekJson => report::FlowsFormat::ZeekJson,
        FlowsFormat::Eve => report::FlowsFormat::Eve,
        FlowsFormat::Ecs => report::FlowsFormat::Ecs,
        FlowsFormat::Ocsf => report::FlowsFormat::Ocsf,
    }
}

fn write_one(
    report: &Report<'_>,
    output: Output,
    format: report::FlowsFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match output {
        Output::Flows => report.write_flows_as(out, format),
        Output::Hosts => report.write_hosts(out),
        Output::Handshakes => report.write_handshakes(out),
        Output::Summary => report.write_summary(out),
        Output::Html => report.write_html(out),
    }
}

/// What gives the bytes of a file.
pub(super) type Content<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + Sync + 'a;

/// Writes every file of the output folder. Each worker takes the next one that nobody has begun.
fn write_folder<const N: usize>(
    folder: &OutputFolder,
    files: [(&str, &Content<'_>); N],
    workers: usize,
) -> [Result<(), OutputError>; N] {
    let written = [const { OnceLock::new() }; N];
    let next = AtomicUsize::new(0);
    let work = || {
        let places = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        for place in places.take_while(|place| *place < N) {
            let (name, content) = files[place];
            // Each place is given out once.
            let _ = written[place].set(folder.write(name, content));
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers.min(N) {
            scope.spawn(work);
        }
        work();
    });
    written.map(|written| written.into_inner().expect("every file was begun and ended"))
}

//! `live`: interfaces in, the same outputs out, for as long as it takes.
//!
//! Three kinds of threads: this one directs ([`patrol`]), workers read and dissect each their share,
//! and one judges and writes ([`recorder`]), so that no disk ever keeps a frame waiting. Where
//! interfaces can't be shared, this thread takes the frames and hands them to the workers.

mod alarm;
mod archive;
mod board;
#[cfg_attr(not(target_os = "linux"), path = "unconfined.rs")]
mod confine;
mod interval;
mod metrics;
mod patrol;
mod recorder;
mod screen;
mod service;
mod sightings;
mod signals;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use capture::{LiveOptions, LiveReaders};
use crossbeam_channel::bounded;
use dissect::{FlowFacts, Pairing};
use report::{JUDGED_BYTES, OutputFolder};

use super::console::Console;
use super::{Outcome, outputs, settings};
use crate::cli::{LiveConfig, Target};
use crate::engine::{watch, watch_readers};
use crate::progress::say;

use alarm::Alarm;
use archive::Archive;
use board::Board;
use confine::Account;
use patrol::Patrol;
use recorder::{Place, Recorder};
use screen::Screen;
use service::Service;
use signals::Signals;

/// Harvests that wait for the recorder: minutes of a disk that hangs. Past that frames wait too,
/// and what the kernel drops meanwhile is counted.
const QUEUED_HARVESTS_MAX: usize = 256;

/// Threads that read an interface: the members that a group of sockets may have.
const READERS_MAX: usize = 256;

/// Listens until it is told to end.
pub(super) fn live(config: LiveConfig) -> Outcome {
    let mut console = Console::new(config.outputs.prints_notices);
    let run =
        if config.interfaces.is_empty() { list(&mut console) } else { run(config, &mut console) };
    if let Err(error) = run {
        console.fail(&error);
    }
    console.outcome
}

/// An error ends the run before it begins; what happens later is said and lived with.
fn run(config: LiveConfig, console: &mut Console) -> Result<(), String> {
    if config.outputs.anonymize.is_some() {
        // Metrics and alarms name hosts while the capture goes on.
        return Err("--anonymize: a live capture names its hosts; anonymize what it saved, by \
                    tlsunset merge --anonymize"
            .to_owned());
    }
    if let Some(file) = outputs::file_named_twice(&config.outputs, &[]) {
        return Err(format!(
            "{} is named twice; an output needs a file of its own",
            file.display()
        ));
    }
    if config.has_screen {
        screen::check()?;
    }
    let signals = Signals::catch().map_err(|error| format!("can't wait for signals: {error}"))?;
    let place = match (&config.outputs.out, config.rotate) {
        (Some(out), Some(_)) => {
            let (archive, lost) = Archive::open(out).map_err(|error| error.to_string())?;
            if let Some(lost) = lost {
                say(lost);
            }
            Place::Intervals(archive)
        }
        (out, _) => {
            let folder = out.as_deref().map(OutputFolder::create).transpose();
            Place::Once(folder.map_err(|error| error.to_string())?)
        }
    };
    let account = config.user.as_deref().map(Account::of).transpose()?;
    if let (Some(account), Some(out)) = (&account, &config.outputs.out) {
        account.own(out)?;
    }
    let board = Arc::new(Mutex::new(Board::default()));
    let recorder = Recorder::new(&config, place, Arc::clone(&board))?;
    let options = LiveOptions {
        buffer_bytes: config.buffer_bytes,
        snap_len: config.snap_len,
        is_promiscuous: config.is_promiscuous,
        filter: config.filter.clone(),
    };
    let settings = settings(config.workers, config.memory_max);
    // The kernel's groups have 256 members at most.
    let readers = u16::try_from(settings.workers.min(READERS_MAX)).unwrap_or(1);
    let pairing = Pairing::new(settings.seed, readers);
    confine::take_up_rights();
    let readers = LiveReaders::open(&config.interfaces, &options, &pairing);
    let LiveReaders { mut sources, monitor } = readers.map_err(|error| error.to_string())?;
    board.lock().unwrap_or_else(PoisonError::into_inner).readers = sources.len();
    let metrics = config.metrics.map(|place| {
        TcpListener::bind(place)
            .map_err(|error| format!("--metrics: can't serve at {place}: {error}"))
    });
    let metrics = metrics.transpose()?;
    let alarm = config.on_break.as_deref().map(|command| Alarm::start(command, account.as_ref()));
    let alarm = alarm.transpose().map_err(|error| format!("--on-break: no shell: {error}"))?;
    let recorder = recorder.with_alarm(alarm);
    let service = Service::find();
    let left = confine::confine(account.as_ref(), &written_folders(&config), config.is_confined)?;
    console.notices(&left);
    let board_shown = Arc::clone(&board);
    if let Some(listener) = metrics {
        metrics::serve(listener, board, patrol::now());
    }
    let screen = config.has_screen.then(|| Screen::open(board_shown, signals.clone()));
    let screen = screen.transpose().map_err(|error| format!("--tui: {error}"))?;
    let (harvests, harvested) = bounded(QUEUED_HARVESTS_MAX);
    let outcome = thread::scope(|scope| {
        let recorder = scope.spawn(move || recorder.run(&harvested));
        let only = if sources.len() == 1 { sources.pop() } else { None };
        let is_only = only.is_some();
        let mut patrol = Patrol::new(&config, only, monitor, signals, service, harvests);
        if is_only {
            watch(&mut patrol, &settings);
        } else {
            watch_readers(&mut patrol, sources, &pairing, &settings);
        }
        // What comes after it may be printed.
        drop(screen);
        drop(patrol);
        recorder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    console.outcome = outcome;
    Ok(())
}

/// Panics when a test asks for it by a file of this name; a program that was built for use never
/// does.
fn panic_for_tests(place: &str) {
    if cfg!(debug_assertions)
        && let Some(folder) = std::env::var_os("TLSUNSET_TEST_PANICS")
        && PathBuf::from(folder).join(place).exists()
    {
        panic!("a test wants the {place} to panic");
    }
}

/// The folders that outputs are written to.
fn written_folders(config: &LiveConfig) -> Vec<PathBuf> {
    let single = config.outputs.single.iter().filter_map(|(_, target)| match target {
        // A link's target is replaced, where it is.
        Target::File(path) => {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            let is_special = path.exists() && !path.is_file();
            Some(if is_special { path } else { path.parent()?.to_owned() })
        }
        Target::Stdout => None,
    });
    let here = |path: PathBuf| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
    config.outputs.out.clone().into_iter().chain(single).map(here).collect()
}

/// Prints the interfaces.
fn list(console: &mut Console) -> Result<(), String> {
    let interfaces = capture::interfaces().map_err(|error| error.to_string())?;
    let name_width = interfaces.iter().map(|info| info.name.len()).max().unwrap_or(0);
    console.print(|out| {
        for info in &interfaces {
            let state = if info.is_up { "up" } else { "down" };
            let addresses: Vec<String> = info.addresses.iter().map(ToString::to_string).collect();
            let details = [addresses.join(", "), info.description.clone()];
            let details: Vec<String> = details.into_iter().filter(|it| !it.is_empty()).collect();
            let line = format!("{:name_width$}  {state:4}  {}", info.name, details.join("  "));
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    });
    Ok(())
}

/// Connections that may wait to be written.
fn flows_max(config: &LiveConfig) -> usize {
    /// Bytes of a connection while it is judged and written: facts, judgement, row.
    const FLOW_BYTES: usize = 2 * size_of::<FlowFacts>() + JUDGED_BYTES;
    usize::try_from(config.memory_max / 2).unwrap_or(usize::MAX) / FLOW_BYTES
}

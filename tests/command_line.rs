//! The command as its users meet it: exit statuses, streams, messages, and what goes wrong.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use common::pcap::{self, HEADER_LEN, PACKET_HEADER_LEN};
use common::{Folder, Ran, analyze, analyze_piped, analyze_to, csv_file, run, sample, tlsunset};

fn demo() -> Vec<u8> {
    fs::read(sample("demo")).unwrap()
}

/// Runs `analyze` on the demo sample, with further arguments.
fn analyze_demo(arguments: &str) -> Ran {
    let demo = sample("demo");
    let arguments = arguments.split_whitespace().map(OsStr::new);
    analyze([demo.as_os_str()].into_iter().chain(arguments))
}

/// How many connections `analyze` reports of a file, and how it ended.
fn flows_of(input: &Path, status: i32) -> (usize, Ran) {
    let ran = analyze([input.as_os_str(), "--flows".as_ref(), "-".as_ref()]).expect(status);
    (common::table(&ran.stdout, b',').len(), ran)
}

/// The demo sample `times` over, each time with other inside addresses.
fn crowd(times: u8) -> Vec<u8> {
    let packets = pcap::read(&sample("demo"));
    let moved = (0..times).flat_map(|time| {
        packets.iter().cloned().map(move |mut packet| {
            for address in [26..28, 30..32] {
                if let Some(bytes @ [10, 20]) = packet.data.get_mut(address) {
                    bytes[1] += time;
                }
            }
            packet
        })
    });
    pcap::write(&moved.collect::<Vec<_>>())
}

// Exit statuses

#[test]
fn done_is_0_even_when_hosts_break() {
    let ran = analyze_demo("").expect(0).says_nothing();
    assert!(ran.stdout.contains("break on the day TLS 1.0 and 1.1 are switched off"));
}

#[test]
fn text_fits_the_width_that_columns_names() {
    for (columns, width) in [("40", 40), ("60", 60), ("0", 100), ("wide", 100)] {
        let mut command = tlsunset();
        command.arg("analyze").arg(sample("demo")).env("COLUMNS", columns);
        let ran: Ran = command.output().unwrap().into();
        let longest = ran.stdout.lines().map(|line| line.chars().count()).max().unwrap();
        assert!((width - 20..=width).contains(&longest), "{columns}: {longest}");
    }
}

#[test]
fn check_is_1_when_a_host_breaks() {
    analyze_demo("--check").expect(1).says_nothing();
    analyze([sample("tls12-ok").as_os_str(), "--check".as_ref()]).expect(0);
}

#[test]
fn many_messages_of_one_kind_are_counted() {
    let folder = Folder::new("command");
    let inside = folder.join("in");
    fs::create_dir(&inside).unwrap();
    fs::copy(sample("tls12-ok"), inside.join("a.pcap")).unwrap();
    let lines =
        |ran: &Ran, begin: &str| ran.stderr.lines().filter(|line| line.starts_with(begin)).count();
    let texts = |count| {
        (0..count).for_each(|at| fs::write(inside.join(format!("{at:03}.txt")), "text").unwrap());
        analyze([inside.as_os_str()]).expect(0)
    };
    let ran = texts(20);
    assert_eq!(lines(&ran, "tlsunset: note: "), 20, "{}", ran.stderr);
    let ran = texts(50).says(&["note: and 30 more like these"]);
    assert_eq!(lines(&ran, "tlsunset: note: "), 21, "{}", ran.stderr);
    let missing: Vec<_> = (0..30).map(|at| folder.join(&format!("{at}.pcap"))).collect();
    let summary = folder.join("summary.json");
    let to_summary = ["--summary".as_ref(), summary.as_os_str()];
    let ran = analyze(missing.iter().map(|path| path.as_os_str()).chain(to_summary));
    let ran = ran.expect(2).says(&["error: and 10 more; summary.json has all of them"]);
    assert_eq!(lines(&ran, "tlsunset: error: "), 21, "{}", ran.stderr);
    assert!(fs::read_to_string(summary).unwrap().contains("29.pcap"));
}

#[test]
fn failure_outranks_check() {
    let folder = Folder::new("command");
    let missing = folder.join("missing.pcap");
    let ran = analyze([missing.as_os_str(), sample("demo").as_os_str(), "--check".as_ref()]);
    let ran = ran.expect(2).says(&["missing.pcap", "no such file"]);
    assert!(ran.stdout.contains("10.20.1.11"), "the other file is analyzed");
}

#[test]
fn usage_errors_are_2_on_standard_error() {
    for line in [
        "",
        "analyse x",
        "analyze",
        "analyze x --threads 0",
        "analyze x --threads many",
        "analyze x --memory 1X",
        "analyze x --memory 0",
        "analyze x --memory 15M",
        "analyze x --color sometimes",
        "analyze x --no-such-option",
        "analyze - -",
        "analyze x --hosts - --flows -",
    ] {
        let ran = run(line.split_whitespace()).expect(2);
        assert_eq!(ran.stdout, "", "{line}");
        assert!(!ran.stderr.is_empty(), "{line}");
    }
}

#[test]
fn too_little_memory_is_refused_with_the_minimum() {
    let ran = run(["analyze", "x", "--memory", "100K"]);
    ran.expect(2).says(&["--memory", "at least 16M"]);
}

#[test]
fn help_and_version_are_0_on_standard_output() {
    for line in ["--help", "-h", "help", "analyze --help", "help analyze"] {
        let ran = run(line.split_whitespace()).expect(0).says_nothing();
        assert!(ran.stdout.contains("Usage: tlsunset"), "{line}");
        assert!(ran.stdout.contains("Examples:"), "{line}");
    }
    let version = run(["--version"]).expect(0).says_nothing().stdout;
    assert_eq!(version, format!("tlsunset {}\n", env!("CARGO_PKG_VERSION")));
}

// Inputs that are none

#[test]
fn inputs_that_are_no_captures_are_named() {
    let folder = Folder::new("command");
    let flows = common::root().join("samples/demo/expected/flows.csv");
    let csv = fs::read(flows).unwrap();
    for (name, content, parts) in [
        ("text", &b"some notes\nof somebody\n"[..], &["expected a pcap", "text"][..]),
        ("export.csv", &csv, &["CSV text", "give it to `tlsunset review`"]),
        ("empty", b"", &["empty"]),
        ("zeros", &[0; 4096], &["expected a pcap"]),
        ("page.html", b"<!DOCTYPE html><html></html>", &["expected a pcap"]),
    ] {
        let path = folder.write(name, content);
        let ran = analyze([&path]).expect(2).says(&[name]).says(parts);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        analyze_piped(&["-".as_ref()], content).expect(2).says(parts).says(&["standard input"]);
    }
}

#[test]
fn folders_are_searched_and_what_is_no_capture_passed_over() {
    let folder = Folder::new("command");
    fs::create_dir_all(folder.join("monday/morning")).unwrap();
    folder.write("notes.txt", "nothing to see");
    folder.write("empty.pcap", "");
    folder.write("monday/morning/unnamed", demo());
    let ran = analyze([folder.path()]).expect(0);
    let ran = ran.says(&["note: ", "notes.txt", "skipped", "empty.pcap"]);
    assert_eq!(ran.stdout, analyze_demo("").stdout);
    analyze([folder.path().as_os_str(), "-q".as_ref()]).expect(0).says_nothing();
}

#[test]
fn a_folder_without_captures_is_a_failure() {
    let folder = Folder::new("command");
    analyze([folder.path()]).expect(2).says(&["no capture file"]);
    folder.write("notes.txt", "nothing to see");
    analyze([folder.path()]).expect(2).says(&["no capture file", "notes.txt"]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_named_and_the_rest_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("command");
    let secret = folder.write("secret.pcap", demo());
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&secret).is_ok() {
        return eprintln!("SKIPPED what_may_not_be_read: root may read everything");
    }
    let ran = analyze([secret, sample("tls12-ok")]).expect(2);
    let ran = ran.says(&["secret.pcap", "ermission denied"]);
    assert!(ran.stdout.contains("Microsoft Entra ID"));
}

// Damaged inputs

#[test]
fn a_cut_file_is_reported_up_to_the_cut() {
    let folder = Folder::new("command");
    let whole = demo();
    let offsets = pcap::offsets(&whole);
    let (all, _) = flows_of(&sample("demo"), 0);
    let cut = *offsets.iter().rfind(|offset| **offset < whole.len() / 2).unwrap();
    for (name, len, within) in [
        ("packet.pcap", cut + PACKET_HEADER_LEN + 7, "inside a packet:"),
        ("before.pcap", cut + 5, "inside a packet header"),
    ] {
        let path = folder.write(name, &whole[..len]);
        let (count, ran) = flows_of(&path, 2);
        ran.says(&[name, &format!("byte {cut}"), within]);
        assert!(count > all / 4 && count < all, "{count} of {all}");
        let message = analyze_piped(&["-".as_ref()], &whole[..len]).expect(2).stderr;
        assert!(message.contains("standard input") && message.contains(&format!("byte {cut}")));
    }
    // Between two packets nobody can tell.
    let path = folder.write("between.pcap", &whole[..cut]);
    assert_eq!(flows_of(&path, 0).0, flows_of(&folder.join("packet.pcap"), 2).0);
}

#[test]
fn a_cut_file_header_is_named_and_an_empty_capture_is_fine() {
    let folder = Folder::new("command");
    let header = &demo()[..HEADER_LEN];
    let path = folder.write("header.pcap", &header[..20]);
    analyze([&path]).expect(2).says(&["header.pcap", "byte 0", "inside the file header"]);
    let path = folder.write("none.pcap", header);
    let ran = analyze([&path]).expect(0).says_nothing();
    assert!(ran.stdout.contains("0 frames read"));
}

#[test]
fn garbage_in_the_middle_is_named_and_passed_over() {
    let folder = Folder::new("command");
    let whole = demo();
    let (all, _) = flows_of(&sample("demo"), 0);
    let offsets = pcap::offsets(&whole);
    // Not inside a connection that would be missed: between two packets.
    let at = offsets[offsets.len() / 2];
    let mut damaged = whole[..at].to_vec();
    damaged.extend([0xff; 333]);
    damaged.extend(&whole[at..]);
    let path = folder.write("damaged.pcap", &damaged);
    let (count, ran) = flows_of(&path, 2);
    ran.says(&["damaged.pcap", &format!("byte {at}"), "went on"]);
    assert_eq!(count, all);
    for threads in ["1", "3"] {
        let out = folder.join(threads);
        let arguments = [path.as_os_str(), "--threads".as_ref(), threads.as_ref()];
        analyze_to(&out, arguments).expect(2);
        let summary = fs::read_to_string(out.join("summary.json")).unwrap();
        assert!(summary.contains("damaged.pcap: byte"), "the summary has the error");
    }
}

#[test]
fn a_packet_that_claims_more_than_the_file_holds_is_named() {
    let folder = Folder::new("command");
    let mut file = demo();
    let last = *pcap::offsets(&file).last().unwrap();
    for (name, len) in [("more.pcap", 60_000_u32), ("most.pcap", u32::MAX)] {
        file[last + 8..last + 12].copy_from_slice(&len.to_le_bytes());
        let path = folder.write(name, &file);
        let (count, ran) = flows_of(&path, 2);
        ran.says(&[name, &format!("byte {last}")]);
        assert_eq!(count, flows_of(&sample("demo"), 0).0);
    }
}

#[test]
fn damaged_compression_is_named_and_what_came_before_read() {
    use std::io::Write as _;

    let folder = Folder::new("command");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&demo()).unwrap();
    let packed = encoder.finish().unwrap();
    let path = folder.write("cut.pcap.gz", &packed[..packed.len() / 2]);
    let (count, ran) = flows_of(&path, 2);
    ran.says(&["cut.pcap.gz", "byte"]);
    assert!(count > 5, "{count}");
}

#[test]
fn an_unknown_link_type_is_no_error() {
    let folder = Folder::new("command");
    let mut packets = pcap::read(&sample("tls12-ok"));
    for packet in &mut packets {
        packet.link = 147;
    }
    let path = folder.write("user.pcap", pcap::write(&packets));
    let out = folder.join("out");
    analyze_to(&out, [&path]).expect(0);
    let summary = fs::read_to_string(out.join("summary.json")).unwrap();
    assert!(summary.contains(&format!("\"unknown_link_type\": {}", packets.len())));
    assert_eq!(csv_file(&out.join("flows.csv")).len(), 0);
}

// Outputs that can't be

#[test]
fn an_output_folder_that_is_a_file_is_said_first() {
    let folder = Folder::new("command");
    let file = folder.write("file", "mine");
    for out in [file.clone(), file.join("below")] {
        let ran = analyze_to(&out, [sample("demo")]).expect(2);
        assert_eq!(ran.stdout, "");
        ran.says(&["can't write", "file"]);
    }
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn an_output_folder_that_may_not_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("command");
    let out = folder.join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::File::create(out.join("mine")).is_ok() {
        return eprintln!("SKIPPED an_output_folder_that_may_not_be_written_to: root may write");
    }
    analyze_to(&out, [sample("demo")]).expect(2).says(&["can't write", "flows.csv", "--out"]);
    assert!(common::names(&out).is_empty());
}

#[test]
fn an_output_that_fails_keeps_no_other_back() {
    let folder = Folder::new("command");
    let out = folder.join("out");
    // A folder stands where a file should be.
    fs::create_dir_all(out.join("hosts.csv")).unwrap();
    analyze_to(&out, [sample("demo")]).expect(2).says(&["hosts.csv"]);
    assert!(csv_file(&out.join("flows.csv")).len() > 30);
    assert!(common::names(&out).contains(&"state.tlsunset".to_owned()));
    assert!(common::names(&out).iter().all(|name| !name.starts_with('.')), "nothing is left over");
}

#[test]
fn outputs_that_are_there_are_replaced() {
    let folder = Folder::new("command");
    let hosts = folder.write("hosts.csv", "yesterday's");
    analyze_demo(&format!("--hosts {}", hosts.display())).expect(0).says_nothing();
    assert!(csv_file(&hosts).len() > 20);
    assert_eq!(folder.names(), ["hosts.csv"]);
}

#[test]
fn an_output_never_takes_the_place_of_an_input_or_another() {
    let folder = Folder::new("command");
    let input = folder.write("input.pcap", demo());
    let ran = analyze([input.as_os_str(), "--flows".as_ref(), input.as_os_str()]);
    ran.expect(2).says(&["input.pcap", "named twice"]);
    assert_eq!(fs::read(&input).unwrap(), demo());
    let output = folder.join("out.csv");
    let twice = format!("--flows {0} --hosts {0}", output.display());
    analyze_demo(&twice).expect(2).says(&["out.csv", "named twice"]);
    assert!(!output.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    analyze_demo("--flows /dev/full").expect(2).says(&["/dev/full", "No space left"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran: Ran =
        tlsunset().arg("analyze").arg(sample("demo")).stdout(full).output().unwrap().into();
    ran.expect(2).says(&["standard output"]);
    analyze_demo("--flows /dev/null --hosts /dev/null").expect(0).says_nothing();
}

// Pipes

/// Runs the program with a standard output that is closed after its first line, when much more is
/// to come than a pipe holds.
fn first_line(arguments: &[&str]) -> (String, Option<i32>, String) {
    let folder = Folder::new("command");
    let input = folder.write("crowd.pcap", crowd(50));
    let mut command = tlsunset();
    command.arg("analyze").arg(input).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    (line, child.wait().unwrap().code(), message)
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let (line, status, message) = first_line(&["--flows", "-"]);
    assert!(line.starts_with("sensor,community_id,"));
    assert_eq!((status, message.as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_never_came_is_no_failure() {
    for arguments in [&[][..], &["--hosts", "-"], &["--check"], &["--help"]] {
        let mut command = tlsunset();
        command.arg("analyze").arg(sample("demo")).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran: Ran = child.wait_with_output().unwrap().into();
        ran.expect(i32::from(arguments == ["--check"])).says_nothing();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_named_as_a_file_may_close_too() {
    let (line, status, message) = first_line(&["--flows", "/dev/stdout"]);
    assert!(line.starts_with("sensor,community_id,"));
    assert_eq!((status, message.as_str()), (Some(0), ""));
}

#[test]
fn messages_have_a_stream_of_their_own() {
    let folder = Folder::new("command");
    folder.write("a.pcap", &demo()[..20_000]);
    folder.write("notes.txt", "nothing to see");
    let ran = analyze([folder.path().as_os_str(), "--hosts".as_ref(), "-".as_ref()]).expect(2);
    assert!(common::table(&ran.stdout, b',').iter().all(|row| !row["verdict"].is_empty()));
    let ran = ran.says(&["note: ", "error: "]);
    assert!(ran.stderr.lines().all(|line| line.starts_with("tlsunset: ")), "{}", ran.stderr);
    // Quiet: what failed is still said, and data still written where it was asked for.
    let quiet = ["-q", "--hosts", "-"].map(OsStr::new);
    let quiet = analyze([folder.path().as_os_str()].into_iter().chain(quiet)).expect(2);
    assert_eq!((quiet.stdout, quiet.stderr.lines().count()), (ran.stdout, 1));
    analyze_demo("-q").expect(0).says_nothing();
    assert_eq!(analyze_demo("-q").stdout, "");
}

#[test]
fn outputs_stand_beside_each_other() {
    let folder = Folder::new("command");
    let out = folder.join("deep/er/out");
    let summary = folder.join("summary.json");
    let arguments = format!("--out {} --summary {} --hosts -", out.display(), summary.display());
    let ran = analyze_demo(&arguments).expect(0).says_nothing();
    assert_eq!(ran.stdout, fs::read_to_string(out.join("hosts.csv")).unwrap());
    assert_eq!(fs::read(summary).unwrap(), fs::read(out.join("summary.json")).unwrap());
    // With outputs in files there is nothing to say.
    assert_eq!(analyze_to(&out, [sample("demo")]).expect(0).says_nothing().stdout, "");
}

#[test]
fn verbose_says_what_was_read() {
    analyze_demo("-v").expect(0).says(&["note: read", "629 frames", "1 file"]);
}

// Options

#[test]
fn what_an_option_does_not_know_is_said() {
    let folder = Folder::new("command");
    let text = folder.write("list.json", "no list at all");
    for (arguments, parts) in [
        ("--policy nonsense", &["nonsense", "office365-tls12"][..]),
        ("--home nonsense", &["--home", "nonsense"]),
        ("--home 10.0.0.0/33", &["--home", "33"]),
        ("--endpoints nowhere.json", &["nowhere.json", "can't read"]),
        (&format!("--endpoints {}", text.display()), &["list.json", "line 1"]),
    ] {
        let ran = analyze_demo(arguments).expect(2).says(parts);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
}

#[test]
fn home_decides_who_is_a_host() {
    let ran = analyze_demo("--home 10.20.1.11/32 --hosts -").expect(0);
    let hosts = common::table(&ran.stdout, b',');
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0]["host_ip"], "10.20.1.11");
}

#[test]
fn the_sensor_is_in_every_row() {
    let ran = analyze_demo("--sensor east --flows -").expect(0);
    assert!(common::table(&ran.stdout, b',').iter().all(|row| row["sensor"] == "east"));
}

#[cfg(feature = "libpcap")]
#[test]
fn a_filter_chooses_frames_and_all_are_counted() {
    let folder = Folder::new("command");
    let demo = sample("demo");
    let filter = ["--filter".as_ref(), "host 10.20.1.11 or vlan".as_ref()];
    analyze_to(folder.path(), [demo.as_os_str()].into_iter().chain(filter)).expect(0);
    let flows = csv_file(&folder.join("flows.csv"));
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|row| row["client_ip"] == "10.20.1.11"));
    let summary = fs::read_to_string(folder.join("summary.json")).unwrap();
    assert!(summary.contains("\"frames_read\": 629"), "{summary}");
    assert!(!summary.contains("\"filtered\": 0"), "{summary}");
}

#[cfg(feature = "libpcap")]
#[test]
fn a_filter_that_is_none_is_said() {
    analyze_demo("--filter prot").expect(2).says(&["filter", "\"prot\""]);
}

#[cfg(not(feature = "libpcap"))]
#[test]
fn a_filter_that_can_not_be_is_said() {
    analyze_demo("--filter tcp").expect(2).says(&["filter"]);
}

// Terminals

#[test]
fn colours_are_for_terminals_or_when_asked_for() {
    let is_coloured = |ran: Ran| ran.expect(0).stdout.contains('\u{1b}');
    assert!(!is_coloured(analyze_demo("")));
    assert!(!is_coloured(analyze_demo("--color auto")));
    assert!(!is_coloured(analyze_demo("--color never")));
    assert!(is_coloured(analyze_demo("--color always")));
    let mut command = tlsunset();
    command.arg("analyze").arg(sample("demo")).env("NO_COLOR", "1");
    assert!(!is_coloured(command.output().unwrap().into()));
    // What was asked for outranks the environment.
    assert!(is_coloured(command.args(["--color", "always"]).output().unwrap().into()));
}

#[test]
fn a_pipe_gets_100_columns() {
    let text = analyze_demo("").expect(0).stdout;
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!((90..=100).contains(&widest), "{widest}");
}

/// What the program writes to a terminal, by the `script` command.
#[cfg(target_os = "linux")]
fn on_terminal(environment: &[(&str, &str)]) -> Option<String> {
    let folder = Folder::new("command");
    let program = env!("CARGO_BIN_EXE_tlsunset");
    let line = format!("'{program}' analyze '{}'", sample("demo").display());
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line]).arg(folder.join("typescript"));
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output().ok()?;
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_colours() {
    let Some(text) = on_terminal(&[]) else {
        return eprintln!("SKIPPED a_terminal_gets_colours: there is no script(1)");
    };
    assert!(text.contains("\u{1b}["), "{text}");
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = on_terminal(&[plain]).unwrap();
        assert!(!text.contains("\u{1b}[31"), "{plain:?}: {text}");
        assert!(text.contains("Break (9"), "{text}");
    }
}

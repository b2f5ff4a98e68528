//! Verdicts against reality: random clients, hellos and servers, handshaken for real with lenient peers
//! and with strict ones. Needs `openssl` and `python3` (3.11 or later), and says so when they are not
//! there. `TLSUNSET_HANDSHAKES` says how many handshakes of each kind are made.

use std::path::Path;
use std::process::{Command, Stdio};

fn runs(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Runs a script of `tests/handshakes` with a count, unless another one is wanted.
#[track_caller]
fn check(script: &str, count: u32) {
    if !runs("openssl", &["version"]) || !runs("python3", &["-c", "import tomllib"]) {
        eprintln!("SKIPPED: openssl and python3 are needed; no handshake was made");
        return;
    }
    let count = std::env::var("TLSUNSET_HANDSHAKES").unwrap_or_else(|_| count.to_string());
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/handshakes").join(script))
        .arg(env!("CARGO_BIN_EXE_tlsunset"))
        .arg(count)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 runs");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    eprint!("{}", said[0]);
    assert!(output.status.success(), "{}{}", said[0], said[1]);
}

#[test]
fn verdicts_equal_what_clients_really_get() {
    check("clients.py", 150);
}

#[test]
fn every_policy_is_a_server_that_answers_the_hellos_it_passes() {
    check("hellos.py", 400);
}

#[test]
fn servers_that_office365_dials_do_as_their_verdict_says() {
    check("servers.py", 60);
}

//! Verdicts against reality: random client configurations, handshaken by OpenSSL with a lenient and
//! with strict servers. Needs `openssl` and `python3`, and says so when they are not there.

use std::path::Path;
use std::process::{Command, Stdio};

fn runs(program: &str, argument: &str) -> bool {
    let status =
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn verdicts_equal_what_openssl_really_does() {
    if !runs("openssl", "version") || !runs("python3", "--version") {
        eprintln!("SKIPPED: openssl and python3 are needed; no handshake was made");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openssl_handshakes.py");
    let count = std::env::var("TLSUNSET_HANDSHAKES").unwrap_or_else(|_| "150".to_owned());
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_tlsunset"))
        .arg(count)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

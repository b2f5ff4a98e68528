//! Real programs handshake across a cable, the kernel mirrors it to the port that is listened on,
//! and the report says what the programs say they negotiated.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::{Row, csv_file};
use crate::kit::*;
use crate::office::*;

/// The name that the report has for OpenSSL's.
pub fn version(openssl: &str) -> &str {
    if openssl == "TLSv1" { "TLSv1.0" } else { openssl }
}

fn row<'a>(rows: &'a [Row], port: &str, nth: usize) -> &'a Row {
    rows.iter()
        .filter(|row| row["server_port"] == port)
        .nth(nth)
        .unwrap_or_else(|| panic!("no row {nth} of port {port}: {rows:#?}"))
}

#[test]
fn the_report_says_what_the_peers_negotiated() {
    let Some(mut office) = Office::new("the_report_says_what_the_peers") else { return };
    office.serve(MAIL, 443, &["-min_protocol", "TLSv1"]);
    office.serve(SIP, 5061, &["-min_protocol", "TLSv1"]);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let name = ["-servername", "outlook.office365.com"];
    let with = |option| [name[0], name[1], option];
    let cases = [
        (MAIL, 443, "-tls1", "breaks"),
        (MAIL, 443, "-tls1_1", "breaks"),
        (MAIL, 443, "-tls1_2", "passes"),
        (MAIL, 443, "-tls1_3", "passes"),
        (SIP, 5061, "-tls1", "breaks"),
        (SIP, 5061, "-tls1_2", "passes"),
    ];
    let negotiated: Vec<Option<String>> = cases
        .iter()
        .map(|(address, port, option, _)| office.connect(address, *port, &with(option)))
        .collect();
    listener.ends("INT", Some(0));
    if negotiated.first().is_none_or(Option::is_none) {
        eprintln!("SKIPPED old versions: this OpenSSL does not speak TLS 1.0");
    }
    let rows = csv_file(&out.join("flows.csv"));
    let mut seen = [0, 0];
    for ((_, port, option, verdict), negotiated) in cases.iter().zip(&negotiated) {
        let nth = &mut seen[usize::from(*port == 5061)];
        let Some(negotiated) = negotiated else { continue };
        let row = row(&rows, &port.to_string(), *nth);
        *nth += 1;
        assert_eq!(row["negotiated"], version(negotiated), "{option} {row:#?}");
        assert_eq!(row["verdict"], *verdict, "{option} {row:#?}");
        assert_eq!((row["client_ip"].as_str(), row["coverage"].as_str()), (CLIENT, "complete"));
        assert_eq!(row["established"], "true");
    }
    assert!(seen[0] >= 2, "{negotiated:?}");
    assert_eq!(number(&out, &["capture", "kernel_drops"]), 0);
}

/// A mail server that knows EHLO and STARTTLS and becomes `openssl s_server` then.
const MAIL_SERVER: &str = r#"
import socket, ssl, sys
address, port, cert, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = ssl.TLSVersion.TLSv1
context.load_cert_chain(cert, key)
listener = socket.create_server((address, port))
while True:
    client, _ = listener.accept()
    try:
        client.settimeout(5)
        client.sendall(b"220 smtp.office365.com ESMTP\r\n")
        if not client.recv(1000): continue
        client.sendall(b"250-smtp.office365.com\r\n250 STARTTLS\r\n")
        if not client.recv(1000): continue
        client.sendall(b"220 2.0.0 go ahead\r\n")
        with context.wrap_socket(client, server_side=True) as secure:
            secure.recv(100)
    except OSError:
        pass
"#;

#[test]
fn mail_that_upgrades_is_followed() {
    let Some(mut office) = Office::new("mail_that_upgrades") else { return };
    if !quiet(Command::new("python3").arg("--version")) {
        return eprintln!("SKIPPED mail_that_upgrades: python3 is not there");
    }
    let script = office.folder.write("server.py", MAIL_SERVER);
    let mut command = office.net.command("python3");
    command.arg(script).args([MAIL, "587"]);
    command.arg(office.folder.join("cert.pem")).arg(office.folder.join("key.pem"));
    office.start(command.stdout(Stdio::null()), MAIL, 587);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let options = ["-starttls", "smtp", "-servername", "smtp.office365.com"];
    let negotiated: Vec<String> = ["-tls1", "-tls1_2"]
        .iter()
        .filter_map(|option| office.connect(MAIL, 587, &[&options[..], &[option]].concat()))
        .collect();
    listener.ends("INT", Some(0));
    assert!(!negotiated.is_empty());
    let rows: Vec<Row> = csv_file(&out.join("flows.csv"));
    let upgraded = rows.iter().filter(|row| row["upgrade"] == "starttls-smtp");
    let seen: Vec<&str> =
        upgraded.map(|row| &*row["negotiated"]).filter(|version| !version.is_empty()).collect();
    let expect: Vec<&str> = negotiated.iter().map(|name| version(name)).collect();
    assert_eq!(seen, expect);
    let text = fs::read_to_string(out.join("hosts.csv")).unwrap();
    assert!(text.contains(CLIENT), "{text}");
}

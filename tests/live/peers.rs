//! Real programs handshake across a cable, the kernel mirrors it to the port that is listened on,
//! and the report says what the programs say they negotiated.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{Folder, Row, csv_file};
use crate::kit::*;

/// A client's network and a server's network with a switch between them that mirrors to `spy1`.
struct Office {
    net: Net,
    /// The namespace of the servers is `net`'s; that of the clients has a name of its own.
    clients: String,
    folder: Folder,
    servers: Vec<Child>,
}

/// Addresses of Office 365, so that connections there are watched.
const MAIL: &str = "52.97.1.1";
const SIP: &str = "52.112.1.1";
const CLIENT: &str = "10.1.1.2";

impl Office {
    fn new(test: &str) -> Option<Self> {
        let net = Net::new(test, &["openssl", "tc", "nsenter"])?;
        net.cable("spy0", "spy1");
        let clients = format!("{}-c", net.name());
        assert!(quiet(Command::new("ip").args(["netns", "add", &clients])));
        net.ip(&format!("link set v0 netns {clients}"));
        let inside = |arguments: &str| {
            let mut command = Command::new("ip");
            assert!(
                quiet(command.args(["-n", &clients]).args(arguments.split(' '))),
                "{arguments}"
            );
        };
        inside(&format!("addr add {CLIENT}/8 dev v0"));
        inside("link set v0 up");
        inside("route add default dev v0");
        net.ip("addr add 10.1.1.1/8 dev v1");
        net.ip("link set lo up");
        for address in [MAIL, SIP] {
            net.ip(&format!("addr add {address}/32 dev v1"));
        }
        // Both directions of the cable to the mirror port.
        for direction in ["ingress", "egress"] {
            let filter = ["filter", "add", "dev", "v1", direction, "protocol", "all"];
            let everything = ["u32", "match", "u32", "0", "0"];
            let action = ["action", "mirred", "egress", "mirror", "dev", "spy0"];
            if direction == "ingress" {
                assert!(quiet(net.command("tc").args(["qdisc", "add", "dev", "v1", "clsact"])));
            }
            assert!(
                quiet(net.command("tc").args(filter).args(everything).args(action)),
                "{direction}"
            );
        }
        let folder = Folder::new("peers");
        let mut key = Command::new("openssl");
        key.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        key.args(["-subj", "/CN=outlook.office365.com", "-keyout"]).arg(folder.join("key.pem"));
        key.arg("-out").arg(folder.join("cert.pem"));
        assert!(quiet(&mut key), "openssl makes a certificate");
        Some(Self { net, clients, folder, servers: Vec::new() })
    }

    /// Starts an OpenSSL server that speaks whatever it knows, old versions too.
    fn serve(&mut self, address: &str, port: u16, options: &[&str]) {
        let accept = format!("{address}:{port}");
        let mut command = self.net.command("openssl");
        command.args(["s_server", "-quiet", "-accept", &accept, "-cipher", "ALL:@SECLEVEL=0"]);
        command.arg("-cert").arg(self.folder.join("cert.pem"));
        command.arg("-key").arg(self.folder.join("key.pem")).args(options);
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.servers.push(server);
        let connected = || {
            let probe = format!("exec 3<>/dev/tcp/{address}/{port}");
            quiet(self.net.command("bash").args(["-c", &probe]))
        };
        until(connected, || format!("no server at {address}:{port}"));
    }

    /// Makes a connection; gives the version that the client says was negotiated, if any.
    fn connect(&self, address: &str, port: u16, options: &[&str]) -> Option<String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.clients, "timeout", "10", "openssl", "s_client"]);
        command.args(["-connect", &format!("{address}:{port}"), "-cipher", "ALL:@SECLEVEL=0"]);
        let output = command.args(options).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line =
            said.lines().find(|line| line.starts_with("New, TLS") || line.starts_with("New, SSL"));
        let line = line.filter(|line| !line.contains("(NONE)"));
        line?;
        let protocol = said.lines().find_map(|line| line.trim().strip_prefix("Protocol  : "));
        let version = protocol.or_else(|| line?.strip_prefix("New, ")?.split(',').next());
        version.map(|version| version.replace("TLSv1.0", "TLSv1"))
    }

    fn listen(&self, out: &Path) -> Listener {
        self.net.listen(&["-i", "spy1", "--out", out.to_str().unwrap()])
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = quiet(Command::new("ip").args(["netns", "del", &self.clients]));
    }
}

/// The name that the report has for OpenSSL's.
fn version(openssl: &str) -> &str {
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
    office.servers.push(command.stdout(Stdio::null()).spawn().unwrap());
    let probe = format!("exec 3<>/dev/tcp/{MAIL}/587");
    until(
        || quiet(office.net.command("bash").args(["-c", &probe])),
        || "no mail server".to_owned(),
    );
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

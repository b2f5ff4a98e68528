//! Servers and clients that people run, across a mirrored cable: what they say they negotiated is
//! what the report says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Row, csv_file};
use crate::kit::*;
use crate::office::*;
use crate::peers::version;

/// Where servers are that are not of Office 365.
const INSIDE: &str = "10.1.1.1";

/// An office in which these programs can be run.
fn office(test: &str, programs: &[&str]) -> Option<Office> {
    for program in programs {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            eprintln!("SKIPPED {test}: {program} is not there");
            return None;
        }
    }
    Office::new(test)
}

/// A command whose output goes to a file.
fn logged(command: &mut Command, log: &Path) {
    let file = fs::File::create(log).unwrap();
    command.stderr(file.try_clone().unwrap()).stdout(file);
}

/// What a program printed.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The versions in the lines that hold `before`, each with what follows it up to a space.
fn versions_after(text: &str, before: &str) -> Vec<String> {
    let rest = text.lines().filter_map(|line| line.split_once(before)).map(|(_, rest)| rest);
    let name = |rest: &str| rest.split([' ', ')', '-']).next().unwrap_or_default().to_owned();
    rest.map(name).collect()
}

/// The handshakes at a port that were completed, in order.
fn negotiated<'a>(rows: &'a [Row], port: &str, upgrade: &str) -> Vec<&'a str> {
    let rows = rows.iter().filter(|row| row["server_port"] == port && row["established"] == "true");
    rows.map(|row| {
        assert_eq!((&*row["upgrade"], &*row["client_ip"]), (upgrade, CLIENT), "{row:#?}");
        assert_eq!(row["coverage"], "complete", "{row:#?}");
        &*row["negotiated"]
    })
    .collect()
}

/// Holds the report against what the ends said; at least the versions that nobody has off.
fn check(rows: &[Row], port: &str, upgrade: &str, said: &[String]) {
    let expect: Vec<&str> = said.iter().map(|name| version(name)).collect();
    assert_eq!(negotiated(rows, port, upgrade), expect);
    for known in ["TLSv1.2", "TLSv1.3"] {
        assert!(expect.contains(&known), "{expect:?}");
    }
    if !expect.contains(&"TLSv1.0") {
        eprintln!("SKIPPED TLS 1.0 at port {port}: the programs have it off");
    }
}

#[test]
fn gnutls_speaks_every_version() {
    let Some(mut office) = office("gnutls", &["gnutls-serv", "gnutls-cli"]) else { return };
    let mut server = office.net.command("gnutls-serv");
    server.args(["--quiet", "--echo", "-p", "443", "--priority"]);
    server.arg("NORMAL:-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3:%COMPAT");
    server.arg("--x509certfile").arg(office.folder.join("cert.pem"));
    server.arg("--x509keyfile").arg(office.folder.join("key.pem"));
    logged(&mut server, &office.folder.join("server"));
    office.start(&mut server, MAIL, 443);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let mut told = Vec::new();
    for number in ["1.0", "1.1", "1.2", "1.3"] {
        let mut client = office.client("gnutls-cli");
        client.args(["--insecure", "--no-ca-verification", "-p", "443", "--priority"]);
        client.arg(format!("NORMAL:-VERS-ALL:+VERS-TLS{number}"));
        let text = said(client.args(["--sni-hostname=outlook.office365.com", MAIL]));
        let names = versions_after(&text, "- Description: (TLS");
        told.extend(names.first().map(|number| format!("TLSv{number}")));
    }
    listener.ends("INT", Some(0));
    let rows = csv_file(&out.join("flows.csv"));
    check(&rows, "443", "direct", &told);
    for row in rows.iter().filter(|row| row["established"] == "true") {
        let breaks = ["TLSv1.0", "TLSv1.1"].contains(&&*row["negotiated"]);
        assert_eq!(row["verdict"], if breaks { "breaks" } else { "passes" }, "{row:#?}");
        assert_eq!(row["server_name"], "outlook.office365.com");
    }
}

#[test]
fn a_proxy_is_asked_to_connect() {
    let Some(mut office) = office("a_proxy", &["tinyproxy", "curl"]) else { return };
    office.serve(MAIL, 443, &["-min_protocol", "TLSv1", "-www"]);
    let rules = format!("Port 8888\nListen {INSIDE}\nMaxClients 10\nConnectPort 443\n");
    let rules = office.folder.write("tinyproxy.conf", rules);
    let mut proxy = office.net.command("tinyproxy");
    proxy.arg("-d").arg("-c").arg(rules);
    logged(&mut proxy, &office.folder.join("proxy"));
    office.start(&mut proxy, INSIDE, 8888);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let mut told = Vec::new();
    for (from, to) in [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "1.2"), ("1.3", "1.3")] {
        let mut curl = office.client("curl");
        curl.args(["-skv", "-o", "/dev/null", "--ciphers", "ALL:@SECLEVEL=0", "--stderr", "-"]);
        curl.args([&format!("--tlsv{from}"), "--tls-max", to]);
        curl.args(["--proxy", &format!("http://{INSIDE}:8888"), &format!("https://{MAIL}/")]);
        told.extend(versions_after(&said(&mut curl), "SSL connection using "));
    }
    listener.ends("INT", Some(0));
    let rows = csv_file(&out.join("flows.csv"));
    check(&rows, "8888", "http-connect", &told);
    let text = fs::read_to_string(office.folder.join("proxy")).unwrap();
    assert_eq!(text.matches(&format!("CONNECT {MAIL}:443")).count(), told.len(), "{text}");
}

#[test]
fn a_mail_server_upgrades() {
    let Some(mut office) = office("a_mail_server", &["postfix"]) else { return };
    let folder = office.folder.path().to_str().unwrap().to_owned();
    for name in ["queue", "data"] {
        fs::create_dir(office.folder.join(name)).unwrap();
    }
    assert!(quiet(Command::new("chown").arg("postfix").arg(office.folder.join("data"))));
    office.folder.write(
        "main.cf",
        format!(
            "compatibility_level = 3.6\nqueue_directory = {folder}/queue\n\
             data_directory = {folder}/data\ncommand_directory = /usr/sbin\n\
             daemon_directory = /usr/lib/postfix/sbin\ninet_interfaces = {MAIL}\n\
             inet_protocols = ipv4\nmyhostname = smtp.office365.com\nmydestination =\n\
             local_recipient_maps =\nsmtpd_tls_cert_file = {folder}/cert.pem\nsmtpd_tls_key_file = {folder}/key.pem\n\
             smtpd_tls_security_level = may\nsmtpd_tls_loglevel = 1\n\
             smtpd_tls_protocols = >=TLSv1\ntls_medium_cipherlist = ALL:@SECLEVEL=0\n\
             smtpd_peername_lookup = no\nmaillog_file = {folder}/log\n\
             maillog_file_prefixes = {folder}\n"
        ),
    );
    office.folder.write(
        "master.cf",
        "587 inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n\
         anvil unix - - n - 1 anvil\nrewrite unix - - n - - trivial-rewrite\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n",
    );
    let mut server = office.net.command("postfix");
    server.arg("-c").arg(office.folder.path()).arg("start-fg");
    logged(&mut server, &office.folder.join("server"));
    office.start(&mut server, MAIL, 587);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    for option in ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"] {
        office.connect(MAIL, 587, &["-starttls", "smtp", option]);
    }
    listener.ends("INT", Some(0));
    let log = fs::read_to_string(office.folder.join("log")).unwrap();
    assert!(log.contains(" TLS connection established"), "{log}");
    let told =
        versions_after(&log, &format!("TLS connection established from unknown[{CLIENT}]: "));
    check(&csv_file(&out.join("flows.csv")), "587", "starttls-smtp", &told);
}

/// Opens a stream, upgrades it, and opens it again, upon which the server knows what it has.
const XMPP_CLIENT: &str = r#"
import socket, ssl, sys
address, port, namespace, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
stream = ("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
          "xmlns='%s' to='contoso.example' version='1.0'>" % namespace).encode()
def until(connection, end):
    text = b""
    while end not in text:
        more = connection.recv(4096)
        if not more: sys.exit("closed")
        text += more
with socket.create_connection((address, port), 5) as connection:
    connection.sendall(stream)
    until(connection, b"</stream:features>")
    connection.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    until(connection, b"<proceed")
    with context.wrap_socket(connection, server_hostname="contoso.example") as secure:
        secure.sendall(stream)
        until(secure, b"<stream:stream")
        print("negotiated", secure.version())
"#;

#[test]
fn prosody_upgrades_streams_of_clients_and_servers() {
    let Some(mut office) = office("prosody", &["prosody", "python3"]) else { return };
    let folder = office.folder.path().to_str().unwrap().to_owned();
    fs::create_dir(office.folder.join("data")).unwrap();
    let rules = format!(
        "run_as_root = true\ndaemonize = false\npidfile = '{folder}/pid'\n\
         data_path = '{folder}/data'\ninterfaces = {{ '{INSIDE}' }}\n\
         modules_enabled = {{ 'tls', 'saslauth', 'dialback' }}\n\
         c2s_require_encryption = true\ns2s_require_encryption = true\n\
         log = {{ info = '{folder}/log' }}\n\
         ssl = {{ key = '{folder}/key.pem', certificate = '{folder}/cert.pem', \
         protocol = 'tlsv1+', ciphers = 'ALL:@SECLEVEL=0' }}\nVirtualHost 'contoso.example'\n"
    );
    let rules = office.folder.write("prosody.cfg.lua", rules);
    let script = office.folder.write("client.py", XMPP_CLIENT);
    let mut server = office.net.command("prosody");
    server.arg("--config").arg(rules).arg("-F");
    logged(&mut server, &office.folder.join("server"));
    office.start(&mut server, INSIDE, 5222);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let mut clients = [Vec::new(), Vec::new()];
    for (told, (port, namespace)) in
        clients.iter_mut().zip([("5222", "jabber:client"), ("5269", "jabber:server")])
    {
        for version in ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"] {
            let mut client = office.client("python3");
            client.arg(&script).args([INSIDE, port, namespace, version]);
            told.extend(versions_after(&said(&mut client), "negotiated "));
        }
    }
    listener.ends("INT", Some(0));
    let rows = csv_file(&out.join("flows.csv"));
    check(&rows, "5222", "starttls-xmpp", &clients[0]);
    check(&rows, "5269", "starttls-xmpp", &clients[1]);
    let log = fs::read_to_string(office.folder.join("log")).unwrap();
    assert_eq!(versions_after(&log, "Stream encrypted ("), clients.concat(), "{log}");
    let names = rows.iter().filter(|row| !row["negotiated"].is_empty());
    assert!(names.clone().count() > 0);
    names.for_each(|row| assert_eq!(row["server_name"], "contoso.example", "{row:#?}"));
}

/// Asks a SIP server what it can do, over TLS; prints the answer.
const SIP_CLIENT: &str = r#"
import socket, ssl, sys
address, version = sys.argv[1], sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
lines = ["OPTIONS sip:sipfed.online.lync.com SIP/2.0", "Via: SIP/2.0/TLS 10.1.1.2;branch=z9hG4bK7",
         "Max-Forwards: 70", "From: <sip:edge@contoso.example>;tag=7", "Call-ID: 7", "CSeq: 1 OPTIONS",
         "To: <sip:sipfed.online.lync.com>", "Content-Length: 0", "", ""]
with socket.create_connection((address, 5061), 5) as connection:
    with context.wrap_socket(connection, server_hostname="sipfed.online.lync.com") as secure:
        secure.sendall("\r\n".join(lines).encode())
        print(secure.recv(4096).decode())
"#;

#[test]
fn kamailio_answers_over_sip() {
    let Some(mut office) = office("kamailio", &["kamailio", "python3"]) else { return };
    let modules = "/usr/lib/x86_64-linux-gnu/kamailio/modules";
    if !Path::new(modules).join("tls.so").exists() {
        return eprintln!("SKIPPED kamailio: its module for TLS is not there");
    }
    let folder = office.folder.path().to_str().unwrap().to_owned();
    let rules = format!(
        "children=1\nlog_stderror=yes\nenable_tls=yes\nlisten=tls:{SIP}:5061\n\
         mpath=\"{modules}/\"\nloadmodule \"sl.so\"\nloadmodule \"textops.so\"\n\
         loadmodule \"pv.so\"\nloadmodule \"tls.so\"\nmodparam(\"tls\", \"tls_method\", \"TLSv1+\")\n\
         modparam(\"tls\", \"certificate\", \"{folder}/cert.pem\")\n\
         modparam(\"tls\", \"private_key\", \"{folder}/key.pem\")\n\
         modparam(\"tls\", \"cipher_list\", \"ALL:@SECLEVEL=0\")\nrequest_route {{\n\
         append_to_reply(\"X-Negotiated: $tls_version\\r\\n\");\nsl_send_reply(\"200\", \"OK\");\n}}\n"
    );
    let rules = office.folder.write("kamailio.cfg", rules);
    let script = office.folder.write("client.py", SIP_CLIENT);
    let mut server = office.net.command("kamailio");
    server.arg("-f").arg(rules).args(["-DD", "-E", "-Y", &folder]);
    logged(&mut server, &office.folder.join("server"));
    office.start(&mut server, SIP, 5061);
    let out = office.folder.join("report");
    let listener = office.listen(&out);
    let mut told = Vec::new();
    for version in ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"] {
        let text = said(office.client("python3").arg(&script).args([SIP, version]));
        assert!(text.is_empty() || text.starts_with("SIP/2.0 200 OK"), "{text}");
        told.extend(versions_after(&text, "X-Negotiated: "));
    }
    listener.ends("INT", Some(0));
    let rows = csv_file(&out.join("flows.csv"));
    check(&rows, "5061", "direct", &told);
    let old = rows.iter().filter(|row| row["negotiated"] == "TLSv1.0");
    old.for_each(|row| assert_eq!(row["verdict"], "breaks", "{row:#?}"));
}

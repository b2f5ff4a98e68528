//! Programs of clients and servers in networks of their own, with a port that mirrors what they say.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::Folder;
use crate::kit::*;

/// A client's network and a server's network with a switch between them that mirrors to `spy1`.
pub struct Office {
    pub net: Net,
    /// The namespace of the servers is `net`'s; that of the clients has a name of its own.
    clients: String,
    pub folder: Folder,
    servers: Vec<Child>,
}

/// Addresses of Office 365, so that connections there are watched.
pub const MAIL: &str = "52.97.1.1";
pub const SIP: &str = "52.112.1.1";
pub const CLIENT: &str = "10.1.1.2";

impl Office {
    pub fn new(test: &str) -> Option<Self> {
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
    pub fn serve(&mut self, address: &str, port: u16, options: &[&str]) {
        let accept = format!("{address}:{port}");
        let mut command = self.net.command("openssl");
        command.args(["s_server", "-quiet", "-accept", &accept, "-cipher", "ALL:@SECLEVEL=0"]);
        command.arg("-cert").arg(self.folder.join("cert.pem"));
        command.arg("-key").arg(self.folder.join("key.pem")).args(options);
        self.start(command.stdout(Stdio::null()).stderr(Stdio::null()), address, port);
    }

    /// Starts a server; waits until it takes connections.
    pub fn start(&mut self, command: &mut Command, address: &str, port: u16) {
        self.servers.push(command.process_group(0).spawn().unwrap());
        let connected = || {
            let probe = format!("exec 3<>/dev/tcp/{address}/{port}");
            quiet(self.net.command("bash").args(["-c", &probe]))
        };
        until(connected, || format!("no server at {address}:{port}"));
    }

    /// A program in the network of the clients, which gets ten seconds.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.clients, "timeout", "10", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Makes a connection; gives the version that the client says was negotiated, if any.
    pub fn connect(&self, address: &str, port: u16, options: &[&str]) -> Option<String> {
        let mut command = self.client("openssl");
        command.args([
            "s_client",
            "-connect",
            &format!("{address}:{port}"),
            "-cipher",
            "ALL:@SECLEVEL=0",
        ]);
        let output = command.args(options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line =
            said.lines().find(|line| line.starts_with("New, TLS") || line.starts_with("New, SSL"));
        let line = line.filter(|line| !line.contains("(NONE)"));
        line?;
        let protocol = said.lines().find_map(|line| line.trim().strip_prefix("Protocol  : "));
        let version = protocol.or_else(|| line?.strip_prefix("New, ")?.split(',').next());
        version.map(|version| version.replace("TLSv1.0", "TLSv1"))
    }

    pub fn listen(&self, out: &Path) -> Listener {
        self.net.listen(&["-i", "spy1", "--out", out.to_str().unwrap()])
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // With the processes that it started; those it does not end by itself, too.
            let group = format!("-{}", server.id());
            let _ = quiet(Command::new("kill").args(["-TERM", "--", &group]));
            for _ in 0..100 {
                if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
            let _ = quiet(Command::new("kill").args(["-KILL", "--", &group]));
            let _ = server.wait();
        }
        let _ = quiet(Command::new("ip").args(["netns", "del", &self.clients]));
    }
}

//! What is told while the run goes on, and with how few rights.

use std::fs;
use std::process::Command;

use crate::common::{Folder, sample};
use crate::kit::*;

/// What the server inside the network says at `/metrics`.
pub fn metrics(net: &Net) -> String {
    let script =
        "exec 3<>/dev/tcp/127.0.0.1/9488; printf 'GET /metrics HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3";
    let output = net.command("bash").args(["-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn metrics_tell_packets_flows_and_hosts() {
    let Some(net) = Net::new("metrics", &["tcpreplay", "bash"]) else { return };
    net.ip("link set lo up");
    let listener = net.listen(&["-i", "v1", "--metrics", "9488"]);
    assert!(metrics(&net).starts_with("HTTP/1.1 200 OK\r\n"));
    net.replay(&sample("demo"));
    let lines = [
        "tlsunset_packets_total{interface=\"v1\"} 629",
        "tlsunset_kernel_drops_total{interface=\"v1\"} 0",
        "tlsunset_hosts{policy=\"office365-tls12\",verdict=\"breaks\"} 9",
    ];
    let has_all = || lines.iter().all(|line| metrics(&net).lines().any(|it| it == *line));
    until(has_all, || metrics(&net));
    let page = metrics(&net);
    for name in
        ["tlsunset_flows_total{", "process_resident_memory_bytes ", "tlsunset_flow_table_bytes "]
    {
        assert!(page.lines().any(|line| line.starts_with(name)), "{name}\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
    listener.ends("INT", Some(0));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let Some(net) = Net::new("a_port_that_is_taken", &[]) else { return };
    net.ip("link set lo up");
    let listener = net.listen(&["-i", "v1", "--metrics", "9488"]);
    net.live(&["-i", "v1", "--metrics", "9488"]).expect(2).says(&["can't serve at 127.0.0.1:9488"]);
    listener.ends("INT", Some(0));
}

#[test]
fn a_host_that_breaks_is_told_once() {
    let Some(net) = Net::new("a_host_that_breaks", &["tcpreplay"]) else { return };
    let folder = Folder::new("breaks");
    let file = folder.join("told.jsonl");
    let command = format!("cat >> {}", file.display());
    let listener = net.listen(&["-i", "v1", "--on-break", &command]);
    for _ in 0..3 {
        net.replay(&sample("tls10-client-outlook"));
    }
    listener.waits_for(" breaks (office365-tls12): client-too-old");
    until(|| file.exists(), || "the command did not run".to_owned());
    let (_, said) = listener.ends("INT", Some(0));
    assert_eq!(said.matches(" breaks (").count(), 1, "{said}");
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told["verdict"], &told["offered_max"]), (&"breaks".into(), &"TLSv1.0".into()));
    assert!(told["time"].as_str().unwrap().starts_with("20"), "{told}");
}

/// A field of a process in `/proc`.
fn field(id: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[test]
fn rights_are_given_up() {
    let Some(net) = Net::new("rights_are_given_up", &["tcpreplay"]) else { return };
    let out = Folder::new("rights");
    let path = out.join("reports");
    let arguments = ["-i", "v1", "--out", path.to_str().unwrap(), "--user", "nobody"];
    let listener = net.listen(&arguments);
    assert!(!listener.said().contains("could not be given up"), "{}", listener.said());
    net.replay(&sample("tls10-client-outlook"));
    let nobody =
        String::from_utf8(Command::new("id").args(["-u", "nobody"]).output().unwrap().stdout);
    let threads = fs::read_dir(format!("/proc/{}/task", listener.id())).unwrap();
    for thread in threads {
        let id = thread.unwrap().file_name().into_string().unwrap().parse().unwrap();
        assert_eq!(field(id, "Uid").split('\t').next(), Some(nobody.as_ref().unwrap().trim()));
        assert_eq!((field(id, "NoNewPrivs").as_str(), field(id, "Seccomp").as_str()), ("1", "2"));
        for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
            assert_eq!(field(id, set), "0000000000000000", "{set}");
        }
    }
    // Without any right it still takes frames, survives the interface and writes. What lies in the
    // kernel's buffer goes with it.
    listener.waits_for(" breaks (");
    net.ip("link del v1");
    listener.waits_for("v1 is gone");
    net.cable("v0", "v1");
    listener.waits_for("listening on v1 again");
    net.replay(&sample("tls11-client"));
    listener.ends("TERM", Some(0));
    assert_eq!(number(&path, &["hosts_break"]), 2);
}

#[test]
fn a_user_that_is_not_there_ends_the_run() {
    let Some(net) = Net::new("a_user_that_is_not_there", &[]) else { return };
    net.live(&["-i", "v1", "--user", "no-such-user"])
        .expect(2)
        .says(&["there is no user no-such-user"]);
}

#[test]
fn nothing_is_written_elsewhere() {
    let Some(net) = Net::new("nothing_is_written_elsewhere", &["setcap", "setpriv"]) else {
        return;
    };
    let folder = Folder::new("elsewhere");
    let (out, target) = (folder.join("reports"), folder.join("secret"));
    fs::create_dir(&out).unwrap();
    fs::write(&target, "secret").unwrap();
    // A folder below the output folder that leads out of it.
    let listener = net.listen(&["-i", "v1", "--out", out.to_str().unwrap(), "--rotate", "1s"]);
    if listener.said().contains("no Landlock") {
        return eprintln!("SKIPPED nothing_is_written_elsewhere: the kernel has no Landlock");
    }
    fs::rename(&out, folder.join("moved")).unwrap();
    std::os::unix::fs::symlink(folder.path(), &out).unwrap();
    listener.waits_for("Permission denied");
    drop(listener);
    let names = folder.names();
    assert!(
        names.iter().all(|name| ["moved", "reports", "secret"].contains(&name.as_str())),
        "{names:?}"
    );
}

#[test]
fn the_capability_on_the_file_is_enough() {
    let Some(net) = Net::new("the_capability_on_the_file", &["setcap", "setpriv", "tcpreplay"])
    else {
        return;
    };
    let program = std::env::temp_dir().join(format!("tlsunset-setcap-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_tlsunset"), &program).unwrap();
    struct Copied(std::path::PathBuf);
    impl Drop for Copied {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }
    let program = Copied(program);
    // In use at once, or for the program to take up: the latter lets a container without the
    // capability run it.
    for granted in ["cap_net_raw+ep", "cap_net_raw+p"] {
        if !quiet(Command::new("setcap").arg(granted).arg(&program.0)) {
            return eprintln!("SKIPPED the_capability_on_the_file: files can't have any here");
        }
        let mut command = net.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg("--inh-caps=-all").arg(&program.0).args(["live", "-i", "v1", "--check"]);
        let listener = Listener::start(command);
        listener.waits_for("listening on v1");
        assert!(!listener.said().contains("root"), "{}", listener.said());
        assert_eq!(field(listener.id(), "CapEff"), "0000000000000000");
        assert_eq!(field(listener.id(), "CapPrm"), "0000000000000000");
        net.replay(&sample("tls10-client-outlook"));
        let (stdout, _) = listener.ends("INT", Some(1));
        assert!(stdout.starts_with("1 of 1 host breaks"), "{stdout}");
    }
    let mut bounded = net.command("setpriv");
    bounded.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    bounded.args(["--inh-caps=-all", "--bounding-set=-net_raw"]);
    bounded.arg(&program.0).arg("analyze").arg(sample("tls10-client-outlook"));
    let ran: crate::common::Ran = bounded.output().unwrap().into();
    ran.expect(0);
}

#[test]
fn systemd_is_told() {
    let Some(net) = Net::new("systemd_is_told", &[]) else { return };
    let place = std::env::temp_dir().join(format!("tlsunset-notify-{}", std::process::id()));
    let _ = fs::remove_file(&place);
    let socket = std::os::unix::net::UnixDatagram::bind(&place).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut command = net.command("env");
    command.arg(format!("NOTIFY_SOCKET={}", place.display())).arg("WATCHDOG_USEC=400000");
    command.args([env!("CARGO_BIN_EXE_tlsunset"), "live", "-i", "v1"]);
    let listener = Listener::start(command);
    let told = || {
        let mut text = [0; 256];
        let len = loop {
            match socket.recv(&mut text) {
                // A child ended, which is nothing to a test.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                received => break received.unwrap(),
            }
        };
        String::from_utf8_lossy(&text[..len]).into_owned()
    };
    assert_eq!(told().trim(), "READY=1");
    assert_eq!(told().trim(), "WATCHDOG=1");
    listener.ends("TERM", Some(0));
    let last = std::iter::repeat_with(told).find(|text| !text.starts_with("WATCHDOG"));
    assert_eq!(last.unwrap().trim(), "STOPPING=1");
    let _ = fs::remove_file(&place);
}

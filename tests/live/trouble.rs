//! What goes wrong is said, counted and lived with.

use std::process::Command;

use crate::common::{Folder, pcap, sample};
use crate::kit::*;

#[test]
fn what_can_not_be_listened_on_is_said_with_what_to_do() {
    let Some(net) = Net::new("what_can_not_be_listened_on", &["setpriv"]) else { return };
    let parts = ["there is no interface eth77; there are", "v1"];
    net.live(&["-i", "eth77"]).expect(2).says(&parts);
    net.ip("link set v1 down");
    net.live(&["-i", "v1"]).expect(2).says(&["v1 is down", "ip link set v1 up"]);
    net.ip("link set v1 up");
    net.live(&["-i", "v1", "--filter", "tcp prot 1"]).expect(2).says(&["is not understood"]);
    net.live(&["-i", "v1", "--out", "/dev/null/x"]).expect(2).says(&["can't write /dev/null/x"]);
    net.live(&["-i", "v1", "--policy", "no-such"]).expect(2).says(&["--policy"]);
    let mut command = net.command("setpriv");
    command.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]);
    command.args([env!("CARGO_BIN_EXE_tlsunset"), "live", "-i", "v1"]);
    let refused: crate::common::Ran = command.output().unwrap().into();
    refused.expect(2).says(&[
        "no permission to capture on v1",
        "CAP_NET_RAW",
        "setcap cap_net_raw+ep",
    ]);
}

#[test]
fn an_interface_that_goes_down_is_waited_for() {
    let Some(net) = Net::new("an_interface_that_goes_down", &["tcpreplay"]) else { return };
    let out = Folder::new("down");
    let listener = net.listen(&["-i", "v1", "--out", out.path().to_str().unwrap()]);
    net.replay(&sample("tls11-client"));
    net.ip("link set v1 down");
    listener.waits_for("v1 went down; waiting for it");
    net.ip("link set v1 up");
    listener.waits_for("listening on v1 again");
    net.replay(&sample("tls10-client-outlook"));
    listener.ends("INT", Some(0));
    assert_eq!(number(out.path(), &["hosts_break"]), 2);
    assert_eq!(number(out.path(), &["capture", "interfaces", "v1", "outages"]), 1);
}

#[test]
fn an_interface_that_is_gone_and_comes_back_is_listened_on_again() {
    let Some(net) = Net::new("an_interface_that_is_gone", &["tcpreplay"]) else { return };
    for threads in ["1", "2"] {
        let out = Folder::new("gone");
        let path = out.path().to_str().unwrap();
        let listener = net.listen(&["-i", "v1", "--threads", threads, "--out", path]);
        listener.signal("STOP");
        // It takes longer than the program goes without a look at the interface.
        net.replay_on("v0", &sample("tls11-client"), "--pps=40");
        net.ip("link del v1");
        listener.signal("CONT");
        listener.waits_for("v1 is gone; waiting for it");
        net.cable("v0", "v1");
        listener.waits_for("listening on v1 again");
        net.replay(&sample("tls10-client-outlook"));
        listener.ends("INT", Some(0));
        assert_eq!(number(out.path(), &["hosts_break"]), 2, "{threads} threads");
        let sent = ["tls11-client", "tls10-client-outlook"].map(|it| pcap::read(&sample(it)).len());
        let received = number(out.path(), &["capture", "received"]);
        assert_eq!(received, sent.iter().sum::<usize>() as u64, "{threads} threads");
    }
}

#[test]
fn what_the_kernel_drops_may_hide_hosts() {
    let Some(net) = Net::new("what_the_kernel_drops", &["tcpreplay"]) else { return };
    let out = Folder::new("drops");
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--buffer", "1M", "--out", path]);
    net.replay(&sample("tls10-client-outlook"));
    listener.signal("STOP");
    net.replay_on("v0", &sample("demo"), "--topspeed --loop 20");
    listener.signal("CONT");
    net.replay(&sample("tls11-client"));
    listener.ends("INT", Some(0));
    let drops = number(out.path(), &["capture", "kernel_drops"]);
    assert!(drops > 0);
    assert_eq!(number(out.path(), &["capture", "interfaces", "v1", "kernel_drops"]), drops);
    assert!(number(out.path(), &["hosts_hidden_max"]) >= drops);
    // Frames that were never delivered are not among the received ones.
    let received = number(out.path(), &["capture", "received"]);
    assert_eq!(number(out.path(), &["frames_read"]), received);
}

#[test]
fn a_full_disk_loses_nothing_that_is_made_room_for() {
    let Some(net) = Net::new("a_full_disk", &["tcpreplay", "mount"]) else { return };
    let out = Folder::new("full");
    let mount = ["-t", "tmpfs", "-o", "size=4m", "tlsunset-test"];
    if !quiet(Command::new("mount").args(mount).arg(out.path())) {
        return eprintln!("SKIPPED a_full_disk: tmpfs can't be mounted");
    }
    struct Mounted<'a>(&'a Folder);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = quiet(Command::new("umount").arg("-l").arg(self.0.path()));
        }
    }
    let mounted = Mounted(&out);
    out.write("ballast", vec![7; (4 << 20) - (8 << 10)]);
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--rotate", "1s"]);
    net.replay(&sample("tls10-client-outlook"));
    listener.waits_for("No space left");
    listener.waits_for("kept in memory and tried again");
    std::fs::remove_file(out.join("ballast")).unwrap();
    listener.waits_for("works again");
    listener.ends("TERM", Some(0));
    let breaking: u64 =
        intervals(out.path()).iter().map(|part| number(part, &["hosts_break"])).sum();
    assert_eq!(breaking, 1);
    drop(mounted);
}

#[test]
fn a_removed_folder_is_made_again() {
    let Some(net) = Net::new("a_removed_folder", &["tcpreplay"]) else { return };
    let out = Folder::new("removed");
    let inner = out.join("reports");
    let path = inner.to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--rotate", "1s"]);
    until(|| !intervals(&inner).is_empty(), || "no interval is written".to_owned());
    std::fs::remove_dir_all(&inner).unwrap();
    net.replay(&sample("tls10-client-outlook"));
    listener.ends("TERM", Some(0));
    let breaking: u64 = intervals(&inner).iter().map(|part| number(part, &["hosts_break"])).sum();
    assert_eq!(breaking, 1);
}

#[test]
fn a_removed_folder_that_can_not_be_made_again_is_said() {
    let Some(net) = Net::new("a_removed_folder_that_can_not", &["tcpreplay"]) else { return };
    let out = Folder::new("removed");
    // Landlock lets the program write to one folder, and not to its neighbours.
    let inner = out.join("reports");
    out.write("neighbour", "");
    let listener = net.listen(&["-i", "v1", "--out", inner.to_str().unwrap(), "--rotate", "1s"]);
    if listener.said().contains("no Landlock") {
        return eprintln!("SKIPPED a_removed_folder_that_can_not: the kernel has no Landlock");
    }
    until(|| !intervals(&inner).is_empty(), || "no interval is written".to_owned());
    std::fs::remove_dir_all(&inner).unwrap();
    listener.waits_for("the folder was removed, and the program gave up the right to make another");
    let (_, said) = listener.ends("TERM", Some(2));
    assert!(said.contains("could not be written and is lost"), "{said}");
}

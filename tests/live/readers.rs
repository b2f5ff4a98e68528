//! Threads that share a port see what one would, whatever is around the packets.

use std::path::PathBuf;

use crate::common::pcap::{self, Packet};
use crate::common::{Folder, analyze_to, sample};
use crate::kit::*;
use crate::packets::{Ip, fragments};
use crate::watching::metrics;
use crate::wraps::{Link, Shim, Tunnel};

/// Samples in one capture, each packet in these, and in fragments of what is outermost.
fn wrapped(
    folder: &Folder,
    samples: &[&str],
    tunnels: &[Tunnel],
    shims: &[Shim],
    fragment_len: Option<usize>,
) -> PathBuf {
    let mut file = Vec::new();
    let frames: Vec<_> = samples.iter().flat_map(|name| pcap::read(&sample(name))).collect();
    for (number, frame) in (0..).zip(&frames) {
        let ip = Ip::of(frame).unwrap();
        // Each direction comes from a mirror of its own.
        let wrap = |inner: Ip, tunnel: &Tunnel| {
            let mut outer = tunnel.wrap(&inner);
            let from = if inner.up { 77 } else { 99 };
            outer.bytes[14] = from;
            outer
        };
        let ip = tunnels.iter().fold(ip, wrap);
        let parts = match fragment_len {
            Some(len) => fragments((number, ip), len, false),
            None => vec![ip],
        };
        file.extend(parts.iter().map(|ip| {
            let data = Link::Ethernet.frame(ip, shims);
            let wire_len = u32::try_from(data.len()).unwrap();
            Packet { link: 1, time: i64::from(number) * 1_000_000, wire_len, data }
        }));
    }
    folder.write("wrapped.pcap", pcap::write(&file))
}

/// The sample of a metric without labels.
fn value(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    value.trim_end_matches(".0").parse().unwrap()
}

#[test]
fn what_is_around_packets_does_not_matter_to_threads_that_share() {
    let Some(net) = Net::new("threads_that_share", &["tcpreplay", "bash"]) else { return };
    net.ip("link set lo up");
    const SAMPLES: [&str; 4] =
        ["tls10-client-outlook", "fallback-dance", "smtp-starttls-outbound", "tls13-ok"];
    let (vxlan, erspan) = (Tunnel::Vxlan { port: 4789 }, Tunnel::ErspanII);
    let vlan = Shim::Vlan(7);
    // A name, what is around packets, and whether the kernel can tell whose a frame is.
    type Case<'a> = (&'a str, &'a [Tunnel], &'a [Shim], Option<usize>, bool);
    let cases: [Case<'_>; 8] = [
        ("plain", &[], &[], None, true),
        ("tagged twice", &[], &[Shim::QinQ(9, 7)], None, true),
        ("fragments", &[], &[vlan], Some(64), true),
        ("vxlan", &[vxlan], &[], None, false),
        ("erspan", &[erspan], &[vlan], None, false),
        ("gre in gre", &[Tunnel::Gre, Tunnel::GreWithFields], &[], None, false),
        ("vxlan in fragments", &[vxlan], &[], Some(400), false),
        ("labels", &[], &[Shim::Mpls(2)], None, false),
    ];
    for (name, tunnels, shims, fragment_len, is_told) in cases {
        let (offline, online) = (Folder::new("offline"), Folder::new("online"));
        let input = wrapped(&offline, &SAMPLES, tunnels, shims, fragment_len);
        let report = offline.join("report");
        analyze_to(&report, [&input]).expect(0);
        let out = online.path().to_str().unwrap();
        let options = ["-i", "v1", "--out", out, "--threads", "3", "--metrics", "9488"];
        let listener = net.listen(&options);
        net.replay(&input);
        let frames = number(&report, &["frames_read"]);
        let has_all =
            |page: &str| page.contains(&format!("_packets_total{{interface=\"v1\"}} {frames}\n"));
        until(|| has_all(&metrics(&net)), || metrics(&net));
        let page = metrics(&net);
        assert_eq!(value(&page, "tlsunset_reading_threads"), 3, "{name}");
        let handed_over = value(&page, "tlsunset_packets_handed_over_total");
        listener.ends("INT", Some(0));
        for table in ["flows.csv", "hosts.csv"] {
            let found = timeless(online.path(), table);
            assert_eq!(found, timeless(&report, table), "{name} {table}");
        }
        assert_eq!(number(online.path(), &["frames_read"]), frames, "{name}");
        assert_eq!(number(online.path(), &["capture", "received"]), frames, "{name}");
        assert_eq!(handed_over == 0, is_told, "{name}: {handed_over} of {frames} handed over");
    }
}

#[test]
fn programs_that_share_a_port_do_not_take_from_each_other() {
    let Some(net) = Net::new("programs_that_share", &["tcpreplay"]) else { return };
    let folders = [Folder::new("one"), Folder::new("other")];
    let listen = |folder: &Folder| {
        let out = folder.path().to_str().unwrap();
        net.listen(&["-i", "v1", "--threads", "2", "--out", out])
    };
    let listeners = folders.each_ref().map(listen);
    net.replay(&sample("demo"));
    for listener in listeners {
        listener.ends("TERM", Some(0));
    }
    for folder in &folders {
        assert_eq!(number(folder.path(), &["frames_read"]), 629);
    }
    assert_eq!(timeless(folders[0].path(), "flows.csv"), timeless(folders[1].path(), "flows.csv"));
}

#[test]
fn threads_that_share_go_on_when_the_interface_comes_back() {
    let Some(net) = Net::new("threads_that_share_go_on", &["tcpreplay", "bash"]) else { return };
    net.ip("link set lo up");
    let out = Folder::new("back");
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--threads", "2", "--metrics", "9488", "--out", path]);
    net.replay(&sample("tls11-client"));
    net.ip("link set v1 down");
    listener.waits_for("v1 went down; waiting for it");
    net.ip("link set v1 up");
    listener.waits_for("listening on v1 again");
    net.replay(&sample("demo"));
    let before = pcap::read(&sample("tls11-client")).len() as u64;
    let line = format!("tlsunset_packets_total{{interface=\"v1\"}} {}\n", before + 629);
    until(|| metrics(&net).contains(&line), || metrics(&net));
    // The threads have their shares still.
    assert_eq!(value(&metrics(&net), "tlsunset_packets_handed_over_total"), 0);
    // Another interface of this name: one thread reads it, and hands out.
    net.ip("link del v1");
    listener.waits_for("v1 is gone; waiting for it");
    net.cable("v0", "v1");
    listener.waits_for("one thread takes the frames of v1 for all");
    until(|| listener.said().matches("listening on v1 again").count() == 2, || listener.said());
    net.replay(&sample("demo"));
    let (_, said) = listener.ends("INT", Some(0));
    assert_eq!(said.matches("v1 is gone").count(), 1, "{said}");
    assert_eq!(number(out.path(), &["frames_read"]), before + 2 * 629);
    assert_eq!(number(out.path(), &["capture", "interfaces", "v1", "outages"]), 2);
    assert_eq!(number(out.path(), &["hosts_break"]), 9);
}

#[test]
fn an_interface_that_can_not_be_shared_is_read_by_one() {
    let Some(net) = Net::new("an_interface_that_can_not_be_shared", &[]) else { return };
    if !quiet(net.command("ip").args(["tuntap", "add", "name", "t0", "mode", "tun"])) {
        return eprintln!("SKIPPED an_interface_that_can_not_be_shared: there are no tunnels here");
    }
    net.ip("link set t0 up");
    let listener = net.listen(&["-i", "t0", "--threads", "2"]);
    let said = "one thread takes the frames of t0 for all: it is no Ethernet";
    assert!(listener.said().contains(said), "{}", listener.said());
    listener.ends("INT", Some(0));
}

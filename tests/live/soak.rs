//! Many intervals, much traffic, flat memory. `TLSUNSET_SOAK` says for how many rounds.

use std::fs;

use crate::common::{Folder, sample};
use crate::kit::*;

/// Memory in use, in KiB.
fn resident(listener: &Listener) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", listener.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_is_flat_over_many_intervals() {
    let Some(net) = Net::new("memory_is_flat", &["tcpreplay"]) else { return };
    let rounds: u32 = std::env::var("TLSUNSET_SOAK").map_or(4, |text| text.parse().unwrap());
    let out = Folder::new("soak");
    let path = out.path().to_str().unwrap();
    let options = ["-i", "v1", "--out", path, "--rotate", "1s", "--keep", "2", "--threads", "2"];
    let listener = net.listen(&options);
    // The tables grow to what the traffic needs, once.
    let round = || {
        // Other addresses in each loop.
        net.replay_on("v0", &sample("demo"), "--topspeed --loop 200 --unique-ip");
        resident(&listener)
    };
    let warm = (0..2).map(|_| round()).max().unwrap();
    let later: Vec<u64> = (0..rounds).map(|_| round()).collect();
    let most = *later.iter().max().unwrap();
    assert!(most <= warm + warm / 2, "KiB: {warm}, then {later:?}");
    listener.ends("TERM", Some(0));
    assert!(intervals(out.path()).len() <= 3);
}

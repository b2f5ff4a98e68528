//! What mends a capture: a command, or the setting of a switch.

pub(super) const ONE_DIRECTION: &str = "mirror both directions (Cisco: monitor session 1 source \
     interface IF both) and capture both outputs of a tap; where the ways there and back differ, \
     capture on both and give all files at once";

pub(super) const LOSS: &str = "give the capture more room (tcpdump -B 65536, ethtool -G IFACE rx \
     4096), write to a faster disk, and mirror no more than the destination port carries: its \
     output drops tell (Cisco: show interfaces IF counters errors)";

pub(super) const SNAP_LENGTH: &str = "capture whole frames (tcpdump -s 0, dumpcap -s 0), and turn \
     off slicing at the mirror or packet broker";

pub(super) const LATE_START: &str = "begin the capture before the clients connect, or let it run \
     for a day: connections that stay open show their versions when they are opened anew";

pub(super) const EVICTED: &str = "raise --memory, or leave out other traffic with --filter";

pub(super) const DROPS: &str = "narrow the capture with --filter, \
     or raise --buffer and --threads";

pub(super) const OUTAGES: &str = "see why in the log of the system and of the switch; a mirror \
     port needs no address, but has to stay up";

pub(super) const DIRECTION_SKEW: &str = "give both directions one clock: capture them on one host \
     and network card, or keep the clocks of the two with PTP; a file can be shifted with editcap \
     -t SECONDS IN OUT";

pub(super) const CLOCK_STEPS: &str = "set the clock of the capturing host before the capture and \
     let chronyd slew it from then on; reordercap IN OUT sorts a file by time";

pub(super) const MIRROR_DUPLICATES: &str = "mirror each packet once: one port or VLAN, or several \
     in one direction only (Cisco: monitor session 1 source vlan ID rx); editcap -d IN OUT removes \
     equal copies from a file";

pub(super) const VLAN_ONE_DIRECTION: &str = "keep the tags of both directions (ethtool -K IFACE \
     rxvlan off txvlan off; Cisco: monitor session 1 destination interface IF encapsulation \
     replicate), and filter for both: 'tcp port 443 or (vlan and tcp port 443)'";

pub(super) const SEGMENTATION_OFFLOAD: &str =
    "on the capturing host: ethtool -K IFACE gro off lro off gso off tso off";

pub(super) const CHECKSUM_OFFLOAD: &str = "nothing here needs the checksums; for programs that do: \
     ethtool -K IFACE tx off, or capture at a mirror port";

pub(super) const OVERLAP_CONFLICTS: &str =
    "see whether a middlebox rewrites packets or somebody evades inspection";

pub(super) const UNKNOWN_LINK_TYPE: &str = "capture at an Ethernet port";

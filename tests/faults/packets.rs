//! IP packets of a capture, and what a network and a careless capture do to them.

use super::common::pcap::Packet;

/// An IP packet as a mirror port delivers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ip {
    /// Nanoseconds since 1970.
    pub(crate) time: i64,
    /// Whether it goes to the larger of its two addresses.
    pub(crate) up: bool,
    /// Bytes behind a segmentation offload have a length of zero; these are all there are.
    pub(crate) bytes: Vec<u8>,
}

/// Where a packet's parts are.
pub(crate) struct Parts {
    pub(crate) is_v6: bool,
    /// Where the TCP header begins.
    pub(crate) tcp: usize,
    /// Where the payload begins.
    pub(crate) payload: usize,
}

impl Ip {
    /// The packet in an Ethernet frame; `None` when it is something else.
    pub(crate) fn of(frame: &Packet) -> Option<Self> {
        let bytes = match (frame.link, frame.data.get(12..14)?) {
            (1, [0x08, 0x00]) => {
                let len = u16::from_be_bytes([*frame.data.get(16)?, *frame.data.get(17)?]);
                let rest = &frame.data[14..];
                rest.get(..usize::from(len)).unwrap_or(rest)
            }
            (1, [0x86, 0xdd]) => {
                let len = u16::from_be_bytes([*frame.data.get(18)?, *frame.data.get(19)?]);
                let rest = &frame.data[14..];
                rest.get(..40 + usize::from(len)).unwrap_or(rest)
            }
            _ => return None,
        };
        let is_whole = frame.wire_len as usize == frame.data.len();
        let is_fragment = bytes[0] >> 4 == 4 && bytes[6..8] != [0x40, 0] && bytes[6..8] != [0, 0];
        let up = super::common::pcap::goes_up(frame);
        (is_whole && !is_fragment).then(|| Self { time: frame.time, up, bytes: bytes.to_vec() })
    }

    /// The parts of a TCP segment.
    pub(crate) fn parts(&self) -> Option<Parts> {
        let is_v6 = self.bytes[0] >> 4 == 6;
        let (protocol, tcp) = match is_v6 {
            true => (self.bytes[6], 40),
            false => (self.bytes[9], usize::from(self.bytes[0] & 15) * 4),
        };
        let words = usize::from(*self.bytes.get(tcp + 12)? >> 4);
        (protocol == 6).then_some(Parts { is_v6, tcp, payload: tcp + words * 4 })
    }

    /// Direction, flags, numbers and length, for who has to find out what went wrong.
    pub(crate) fn describe(&self) -> String {
        let side = if self.up { '>' } else { '<' };
        let Some(parts) = self.parts().filter(|it| it.payload <= self.bytes.len()) else {
            return format!("{side} {} bytes", self.bytes.len());
        };
        let (seq, ack) = (self.seq(), self.ack());
        let (flags, len) = (self.bytes[parts.tcp + 13], self.payload().len());
        format!(
            "{side} {:.6} flags {flags:02x} seq {seq} ack {ack} len {len}",
            self.time as f64 / 1e9
        )
    }

    fn payload(&self) -> &[u8] {
        self.parts().map_or(&[], |parts| &self.bytes[parts.payload..])
    }

    fn seq(&self) -> u32 {
        self.number(4)
    }

    fn ack(&self) -> u32 {
        self.number(8)
    }

    fn number(&self, at: usize) -> u32 {
        let at = self.parts().expect("a segment").tcp + at;
        u32::from_be_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    /// Whether it carries data and no flag but ACK and PSH.
    fn is_plain_data(&self) -> bool {
        const OTHERS: u8 = 0x27;
        let flags = self.parts().map(|parts| self.bytes[parts.tcp + 13]);
        flags.is_some_and(|flags| flags & OTHERS == 0) && !self.payload().is_empty()
    }

    fn is_syn(&self) -> bool {
        self.parts().is_some_and(|parts| self.bytes[parts.tcp + 13] & 0x02 != 0)
    }

    /// Addresses and ports in the order of this direction.
    fn ends(&self) -> Option<&[u8]> {
        let parts = self.parts()?;
        let from = if parts.is_v6 { 8 } else { 12 };
        self.bytes.get(from..parts.tcp + 4)
    }

    /// The same segment with another payload at another place; lengths are set.
    fn with_payload(&self, seq: u32, payload: &[u8]) -> Self {
        let parts = self.parts().expect("a segment");
        let mut bytes = self.bytes[..parts.payload].to_vec();
        bytes[parts.tcp + 4..parts.tcp + 8].copy_from_slice(&seq.to_be_bytes());
        bytes.extend(payload);
        set_len(&mut bytes);
        Self { bytes, ..self.clone() }
    }
}

/// Sets the length of an IP packet; zero where it does not fit.
pub(crate) fn set_len(bytes: &mut [u8]) {
    let is_v6 = bytes[0] >> 4 == 6;
    let (at, len) = if is_v6 { (4, bytes.len() - 40) } else { (2, bytes.len()) };
    let len = u16::try_from(len).unwrap_or(0);
    bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

/// What happens to the packets of a capture, before anything is put around them.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Every so many packets come twice: mirrored behind a router too, with a lower TTL.
    Copies { every: usize, ttl_less: u8, later: usize },
    /// Packets overtake each other: each may be delayed by up to so many packets.
    Disorder { seed: u64, window: usize },
    /// One direction comes after all of the other.
    OneAfterTheOther { up_first: bool },
    /// One direction is so many nanoseconds late, with its stamps or without.
    Skew { up: bool, late_ns: i64, is_stamped: bool },
    /// The clock jumps by this much at a packet.
    ClockStep { at: usize, by_ns: i64 },
    /// The network card computes checksums later.
    Checksums,
    /// Segments are joined to big ones as the kernel hands them to the network card.
    Offload { zero_len: bool },
    /// Data comes again with the next data in one segment, or again with a part of it.
    Overlaps { every: usize },
    /// Headers have options: no-operations of IPv4, a header of destination options of IPv6.
    Options,
    /// Bytes come one segment for so many.
    Resegment { size: usize },
    /// Packets longer than this come in fragments, the last one first or not.
    Fragments { size: usize, reversed: bool },
    /// One direction is not captured.
    OneDirection { up: bool },
    /// So many of a thousand packets are missing.
    Loss { seed: u64, permille: u64 },
    /// The capture begins or ends at this packet.
    Part { from: usize, to: usize },
}

impl Fault {
    /// Which comes first. Fragments are no segments and come last.
    pub(crate) const fn stage(&self) -> u8 {
        match self {
            Self::Checksums | Self::Offload { .. } | Self::Overlaps { .. } => 0,
            Self::Resegment { .. } => 1,
            Self::Options => 4,
            Self::Copies { .. } | Self::Disorder { .. } => 2,
            Self::OneAfterTheOther { .. } | Self::Skew { .. } => 2,
            Self::ClockStep { .. } => 3,
            Self::OneDirection { .. } | Self::Loss { .. } | Self::Part { .. } => 4,
            Self::Fragments { .. } => 5,
        }
    }

    pub(crate) fn apply(&self, packets: Vec<Ip>) -> Vec<Ip> {
        match *self {
            Self::Copies { every, ttl_less, later } => copies(&packets, every, ttl_less, later),
            Self::Disorder { seed, window } => disorder(packets, seed, window),
            Self::OneAfterTheOther { up_first } => {
                let (ups, downs): (Vec<_>, Vec<_>) = packets.into_iter().partition(|it| it.up);
                if up_first { [ups, downs].concat() } else { [downs, ups].concat() }
            }
            Self::Skew { up, late_ns, is_stamped } => skew(packets, up, late_ns, is_stamped),
            Self::ClockStep { at, by_ns } => {
                let at = at % packets.len().max(1);
                let step = |(index, ip): (usize, Ip)| {
                    let by = if index >= at { by_ns } else { 0 };
                    Ip { time: ip.time + by, ..ip }
                };
                packets.into_iter().enumerate().map(step).collect()
            }
            Self::Checksums => packets.into_iter().map(without_checksums).collect(),
            Self::Offload { zero_len } => offload(packets, zero_len),
            Self::Overlaps { every } => overlaps(packets, every),
            Self::Options => packets.into_iter().map(with_options).collect(),
            Self::Resegment { size } => packets.iter().flat_map(|ip| pieces(ip, size)).collect(),
            Self::Fragments { size, reversed } => {
                let numbered = (0..).zip(packets);
                numbered.flat_map(|ip| fragments(ip, size, reversed)).collect()
            }
            Self::OneDirection { up } => packets.into_iter().filter(|ip| ip.up == up).collect(),
            Self::Loss { seed, permille } => {
                let mut random = Random(seed);
                packets.into_iter().filter(|_| random.below(1000) >= permille).collect()
            }
            Self::Part { from, to } => {
                let len = packets.len().max(1);
                let (from, to) = (from % len, to % len);
                packets[from.min(to)..from.max(to)].to_vec()
            }
        }
    }
}

/// Numbers from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn copies(packets: &[Ip], every: usize, ttl_less: u8, later: usize) -> Vec<Ip> {
    let mut all: Vec<(usize, Ip)> = Vec::new();
    for (index, ip) in packets.iter().enumerate() {
        all.push((2 * index, ip.clone()));
        if index % every == 0 {
            let mut copy = ip.clone();
            let at = if copy.bytes[0] >> 4 == 6 { 7 } else { 8 };
            copy.bytes[at] = copy.bytes[at].wrapping_sub(ttl_less);
            copy.time += 3_000;
            all.push((2 * (index + later) + 1, copy));
        }
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, ip)| ip).collect()
}

fn disorder(packets: Vec<Ip>, seed: u64, window: usize) -> Vec<Ip> {
    let mut random = Random(seed);
    let mut placed: Vec<(u64, Ip)> = (0..)
        .zip(packets)
        .map(|(index, ip): (u64, Ip)| {
            // An end whose connection was not even dialled is nobody's.
            let late = random.below(window as u64 + 1);
            (index + if ip.is_syn() { 0 } else { late }, ip)
        })
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, ip)| ip).collect()
}

fn skew(packets: Vec<Ip>, up: bool, late_ns: i64, is_stamped: bool) -> Vec<Ip> {
    let late = |ip: &Ip| ip.time + if ip.up == up { late_ns } else { 0 };
    let mut packets: Vec<(i64, Ip)> = packets.into_iter().map(|ip| (late(&ip), ip)).collect();
    packets.sort_by_key(|(time, _)| *time);
    let stamp = |(time, ip): (i64, Ip)| if is_stamped { Ip { time, ..ip } } else { ip };
    packets.into_iter().map(stamp).collect()
}

fn without_checksums(mut ip: Ip) -> Ip {
    if ip.bytes[0] >> 4 == 4 {
        ip.bytes[10..12].copy_from_slice(&[0, 0]);
    }
    if let Some(parts) = ip.parts() {
        ip.bytes[parts.tcp + 16..parts.tcp + 18].copy_from_slice(&[0xba, 0xad]);
    }
    ip
}

fn with_options(mut ip: Ip) -> Ip {
    let is_offloaded = ip.bytes[2..4] == [0, 0];
    if ip.bytes[0] >> 4 == 4 && ip.bytes[0] & 15 < 13 {
        ip.bytes[0] += 2;
        ip.bytes.splice(20..20, [1, 1, 1, 1, 0x94, 4, 0, 0]);
    } else if ip.bytes[0] >> 4 == 6 {
        let next = std::mem::replace(&mut ip.bytes[6], 60);
        ip.bytes.splice(40..40, [next, 0, 1, 4, 0, 0, 0, 0]);
    }
    if !is_offloaded || ip.bytes[0] >> 4 == 6 {
        set_len(&mut ip.bytes);
    }
    ip
}

/// Joins what directly follows in one direction, as long as the other says nothing.
fn offload(packets: Vec<Ip>, zero_len: bool) -> Vec<Ip> {
    let mut all: Vec<Ip> = Vec::new();
    for ip in packets {
        let joined = all.last().filter(|last| {
            last.is_plain_data()
                && ip.is_plain_data()
                && (last.ends(), last.ack()) == (ip.ends(), ip.ack())
                && ip.seq().wrapping_sub(last.seq()) as usize == last.payload().len()
                && last.bytes.len() + ip.payload().len() < 60_000
        });
        match joined
            .map(|last| last.with_payload(last.seq(), &[last.payload(), ip.payload()].concat()))
        {
            Some(joined) => *all.last_mut().unwrap() = joined,
            None => all.push(ip),
        }
    }
    for ip in &mut all {
        if zero_len && ip.bytes.len() > 1500 && ip.bytes[0] >> 4 == 4 {
            ip.bytes[2..4].copy_from_slice(&[0, 0]);
        }
    }
    all
}

/// After every so many data segments, the segment again with what follows it, as a sender does
/// that had no acknowledgement.
fn overlaps(packets: Vec<Ip>, every: usize) -> Vec<Ip> {
    let mut all: Vec<Ip> = Vec::new();
    let mut last: [Option<Ip>; 2] = [None, None];
    for (index, ip) in packets.into_iter().enumerate() {
        if !ip.is_plain_data() {
            all.push(ip);
            continue;
        }
        let before = last[usize::from(ip.up)].replace(ip.clone());
        let follows = |before: &Ip| {
            before.ends() == ip.ends()
                && ip.seq().wrapping_sub(before.seq()) as usize == before.payload().len()
        };
        all.push(ip.clone());
        if let Some(before) = before.filter(follows)
            && index % every == 0
        {
            let (head, tail) = (before.payload(), ip.payload());
            let (from, to) = (head.len() / 2, tail.len() / 2);
            let seq = before.seq().wrapping_add(u32::try_from(from).unwrap());
            all.push(ip.with_payload(seq, &[&head[from..], &tail[..to]].concat()));
        }
    }
    all
}

fn pieces(ip: &Ip, size: usize) -> Vec<Ip> {
    if !ip.is_plain_data() {
        return vec![ip.clone()];
    }
    let piece = |(index, part): (usize, &[u8])| {
        let seq = ip.seq().wrapping_add(u32::try_from(index * size).unwrap());
        ip.with_payload(seq, part)
    };
    ip.payload().chunks(size).enumerate().map(piece).collect()
}

/// The fragments of a packet, numbered `index`, whose payload is longer than `size`, which is a
/// multiple of eight.
pub(crate) fn fragments((index, ip): (u16, Ip), size: usize, reversed: bool) -> Vec<Ip> {
    let is_v6 = ip.bytes[0] >> 4 == 6;
    let header = if is_v6 { 40 } else { usize::from(ip.bytes[0] & 15) * 4 };
    let body = ip.bytes[header..].to_vec();
    let is_fragment = match is_v6 {
        true => ip.bytes[6] == 44,
        false => ip.bytes[6] & 0x3f != 0 || ip.bytes[7] != 0,
    };
    if body.len() <= size || ip.bytes.len() > 65_000 || is_fragment {
        return vec![ip];
    }
    let count = body.len().div_ceil(size);
    let id = u32::from(index);
    let piece = |(index, part): (usize, &[u8])| {
        let offset = u16::try_from(index * size).unwrap();
        let more = index + 1 < count;
        let mut bytes = ip.bytes[..header].to_vec();
        if is_v6 {
            let next = std::mem::replace(&mut bytes[6], 44);
            bytes.extend([next, 0]);
            bytes.extend((offset | u16::from(more)).to_be_bytes());
            bytes.extend(id.to_be_bytes());
        } else {
            bytes[4..6].copy_from_slice(&id.to_be_bytes()[2..]);
            let flags = if more { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&((offset / 8) | flags).to_be_bytes());
        }
        bytes.extend(part);
        set_len(&mut bytes);
        Ip { bytes, ..ip.clone() }
    };
    let mut all: Vec<Ip> = body.chunks(size).enumerate().map(piece).collect();
    if reversed {
        all.reverse();
    }
    all
}

//! What mirrors and networks put around packets.

use super::packets::{Ip, set_len};

/// A tunnel around IP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Gre,
    GreWithFields,
    GreEthernet,
    ErspanI,
    ErspanII,
    ErspanIII,
    Vxlan {
        port: u16,
    },
    Geneve,
    /// IP in IP, with an outer packet of this version: 4in4, 6in4, 4in6, 6in6.
    IpIp {
        is_outer_v6: bool,
    },
    GtpU,
    /// For IPv6 packets; others stay as they are.
    Teredo,
}

pub(crate) const TUNNELS: [Tunnel; 14] = [
    Tunnel::Gre,
    Tunnel::GreWithFields,
    Tunnel::GreEthernet,
    Tunnel::ErspanI,
    Tunnel::ErspanII,
    Tunnel::ErspanIII,
    Tunnel::Vxlan { port: 4789 },
    Tunnel::Vxlan { port: 8472 },
    Tunnel::Vxlan { port: 30_000 },
    Tunnel::Geneve,
    Tunnel::IpIp { is_outer_v6: false },
    Tunnel::IpIp { is_outer_v6: true },
    Tunnel::GtpU,
    Tunnel::Teredo,
];

/// Tags and labels between an Ethernet header and the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shim {
    Vlan(u16),
    QinQ(u16, u16),
    /// So many labels.
    Mpls(u8),
    /// A pseudowire behind so many labels, with a control word.
    Pseudowire(u8),
    PppoE,
}

/// The link type of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    Null,
    Loop,
    Raw,
    Ppp,
    PppFramed,
    Sll,
    Sll2,
    Wireless { qos: bool },
    Radiotap,
}

pub(crate) const LINKS: [Link; 11] = [
    Link::Ethernet,
    Link::Null,
    Link::Loop,
    Link::Raw,
    Link::Ppp,
    Link::PppFramed,
    Link::Sll,
    Link::Sll2,
    Link::Wireless { qos: false },
    Link::Wireless { qos: true },
    Link::Radiotap,
];

impl Tunnel {
    pub(crate) fn wrap(self, inner: &Ip) -> Ip {
        let ethernet = || ethernet(&inner.bytes, inner.up, &[]);
        let number = ether_type(&inner.bytes).to_be_bytes();
        let outer = |protocol, parts: &[&[u8]]| outer(inner, false, protocol, &parts.concat());
        match self {
            Self::Gre => outer(47, &[&[0, 0], &number, &inner.bytes]),
            Self::GreWithFields => {
                let fields = [0; 12];
                outer(47, &[&[0xb0, 0], &number, &fields, &inner.bytes])
            }
            Self::GreEthernet => outer(47, &[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &ethernet()]),
            Self::ErspanI => outer(47, &[&[0, 0, 0x88, 0xbe], &ethernet()]),
            Self::ErspanII => {
                let header = [0x10, 0x05, 0x18, 0x01, 0, 0, 0, 9];
                outer(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &header, &ethernet()])
            }
            Self::ErspanIII => {
                let header = [0x20, 0x05, 0, 1, 1, 2, 3, 4, 0, 0, 0, 0x10];
                outer(47, &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &header, &ethernet()])
            }
            Self::Vxlan { port } => {
                udp(inner, port, &[&[8, 0, 0, 0, 0, 0, 5, 0], &ethernet()[..]].concat())
            }
            Self::Geneve => {
                let header = [1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0];
                udp(inner, 6081, &[&header, &ethernet()[..]].concat())
            }
            Self::IpIp { is_outer_v6 } => {
                let protocol = if inner.bytes[0] >> 4 == 6 { 41 } else { 4 };
                self::outer(inner, is_outer_v6, protocol, &inner.bytes)
            }
            Self::GtpU => {
                let len = u16::try_from(inner.bytes.len()).unwrap_or(0).to_be_bytes();
                let header = [0x30, 0xff, len[0], len[1], 0, 0, 0, 7];
                udp(inner, 2152, &[&header, &inner.bytes[..]].concat())
            }
            Self::Teredo if inner.bytes[0] >> 4 == 6 => udp(inner, 3544, &inner.bytes),
            Self::Teredo => inner.clone(),
        }
    }
}

/// Puts an outer IP header between the ends of a tunnel in front.
fn outer(inner: &Ip, is_v6: bool, protocol: u8, payload: &[u8]) -> Ip {
    let ends = if inner.up { [1, 2] } else { [2, 1] };
    let mut bytes = Vec::new();
    if is_v6 {
        bytes.extend([0x60, 0, 0, 0, 0, 0, protocol, 60]);
        for end in ends {
            bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
        }
    } else {
        bytes.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 60, protocol, 0, 0]);
        for end in ends {
            bytes.extend([172, 31, 0, end]);
        }
    }
    bytes.extend(payload);
    set_len(&mut bytes);
    Ip { bytes, ..*inner }
}

fn udp(inner: &Ip, port: u16, payload: &[u8]) -> Ip {
    let len = u16::try_from(8 + payload.len()).unwrap_or(0);
    let mut datagram = Vec::new();
    for field in [51_000, port, len, 0] {
        datagram.extend(u16::to_be_bytes(field));
    }
    datagram.extend(payload);
    outer(inner, false, 17, &datagram)
}

fn ether_type(ip: &[u8]) -> u16 {
    if ip[0] >> 4 == 6 { 0x86dd } else { 0x0800 }
}

/// An Ethernet frame of a packet, padded to the least length.
fn ethernet(ip: &[u8], up: bool, shims: &[Shim]) -> Vec<u8> {
    const LEN_MIN: usize = 60;
    let (client, server) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut frame = if up { [server, client].concat() } else { [client, server].concat() };
    let (number, rest) = shimmed(ip, up, shims);
    frame.extend(number.to_be_bytes());
    frame.extend(rest);
    frame.resize(frame.len().max(LEN_MIN), 0);
    frame
}

/// The number and the bytes that follow an Ethernet header's addresses.
fn shimmed(ip: &[u8], up: bool, shims: &[Shim]) -> (u16, Vec<u8>) {
    let Some((shim, within)) = shims.split_first() else { return (ether_type(ip), ip.to_vec()) };
    let (number, rest) = shimmed(ip, up, within);
    let tag = |tag: u16, number: u16| [tag.to_be_bytes(), number.to_be_bytes()].concat();
    let labels = |count: u8| -> Vec<u8> {
        (1..=count).flat_map(|at| [0, at, 0x10 | u8::from(at == count), 64]).collect()
    };
    match *shim {
        Shim::Vlan(id) => (0x8100, [tag(id, number), rest].concat()),
        Shim::QinQ(service, id) => (0x88a8, [tag(service, 0x8100), tag(id, number), rest].concat()),
        // No label tells what follows, so that nothing but IP can.
        Shim::Mpls(count) if within.is_empty() => (0x8847, [labels(count), rest].concat()),
        Shim::Mpls(count) | Shim::Pseudowire(count) => {
            (0x8847, [labels(count), vec![0; 4], ethernet(ip, up, within)].concat())
        }
        Shim::PppoE if within.is_empty() => {
            let protocol = if number == 0x86dd { [0, 0x57] } else { [0, 0x21] };
            let len = u16::try_from(rest.len() + 2).unwrap_or(u16::MAX).to_be_bytes();
            (0x8864, [&[0x11, 0, 0, 9, len[0], len[1]], &protocol[..], &rest].concat())
        }
        Shim::PppoE => (number, rest),
    }
}

impl Link {
    /// The number of the link type.
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp | Self::PppFramed => 9,
            Self::Raw => 101,
            Self::Wireless { .. } => 105,
            Self::Loop => 108,
            Self::Sll => 113,
            Self::Radiotap => 127,
            Self::Sll2 => 276,
        }
    }

    /// A frame of a packet.
    pub(crate) fn frame(self, ip: &Ip, shims: &[Shim]) -> Vec<u8> {
        let is_v6 = ip.bytes[0] >> 4 == 6;
        let number = ether_type(&ip.bytes).to_be_bytes();
        let with = |header: &[u8]| [header, &ip.bytes].concat();
        match self {
            Self::Ethernet => ethernet(&ip.bytes, ip.up, shims),
            Self::Null => with(&[if is_v6 { 30 } else { 2 }, 0, 0, 0]),
            Self::Loop => with(&[0, 0, 0, if is_v6 { 24 } else { 2 }]),
            Self::Raw => ip.bytes.clone(),
            Self::Ppp => with(&[0, if is_v6 { 0x57 } else { 0x21 }]),
            Self::PppFramed => with(&[0xff, 0x03, 0, if is_v6 { 0x57 } else { 0x21 }]),
            Self::Sll => {
                let (number, rest) = shimmed(&ip.bytes, ip.up, shims);
                let header = [0, u8::from(ip.up) * 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
                [&header, &number.to_be_bytes()[..], &rest].concat()
            }
            Self::Sll2 => {
                let (number, rest) = shimmed(&ip.bytes, ip.up, shims);
                let header = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
                [&number.to_be_bytes(), &header[..], &rest].concat()
            }
            Self::Wireless { qos } => {
                let direction = if ip.up { 0x01 } else { 0x02 };
                let mut frame = vec![if qos { 0x88 } else { 0x08 }, direction, 0, 0];
                frame.extend([2; 18]);
                frame.extend([0x30, 0]);
                frame.extend(vec![0; if qos { 2 } else { 0 }]);
                frame.extend([0xaa, 0xaa, 3, 0, 0, 0]);
                frame.extend(number);
                frame.extend(&ip.bytes);
                frame
            }
            Self::Radiotap => {
                let within = Self::Wireless { qos: true }.frame(ip, shims);
                [&[0, 0, 9, 0, 2, 0, 0, 0, 0], &within[..]].concat()
            }
        }
    }
}

//! Two endpoints that talk over TCP.

use std::net::{IpAddr, Ipv4Addr};

use dissect::{Endpoint, Side};

/// Control bits of the TCP header.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
    pub(crate) const ACK: u8 = 16;
}

/// A TCP segment between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) from: Side,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) ttl: u8,
    /// Seconds of silence before it.
    pub(crate) idle_s: i64,
    /// Whether the TCP header carries timestamps, twelve bytes with their padding.
    pub(crate) timestamps: bool,
}

/// Packets in the order in which they were sent. Tests reorder, drop and repeat them as they like.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) packets: Vec<Packet>,
    pub(crate) mss: usize,
    pub(crate) timestamps: bool,
    ends: [Endpoint; 2],
    next: [u32; 2],
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new(1_000, 5_000)
    }
}

impl Conversation {
    /// Between two usual endpoints, from these initial sequence numbers on, nothing said yet.
    pub(crate) fn new(client_isn: u32, server_isn: u32) -> Self {
        let end = |last, port| Endpoint { addr: Ipv4Addr::new(10, 0, 0, last).into(), port };
        Self {
            packets: Vec::new(),
            mss: 1460,
            timestamps: false,
            ends: [end(1, 50_000), end(2, 443)],
            next: [client_isn, server_isn],
        }
    }

    /// The same between these addresses and ports.
    pub(crate) fn between(mut self, client: (IpAddr, u16), server: (IpAddr, u16)) -> Self {
        self.ends = [client, server].map(|(addr, port)| Endpoint { addr, port });
        self
    }

    pub(crate) fn mss(mut self, mss: usize) -> Self {
        self.mss = mss;
        self
    }

    /// SYN, SYN-ACK and ACK.
    pub(crate) fn open(mut self) -> Self {
        self.push(Side::Client, flag::SYN, &[]);
        self.push(Side::Server, flag::SYN | flag::ACK, &[]);
        self.push(Side::Client, flag::ACK, &[]);
        self
    }

    /// A new connection between the same ports: the SYN exchange with these sequence numbers.
    pub(crate) fn reopen(mut self, client_isn: u32, server_isn: u32) -> Self {
        self.next = [client_isn, server_isn];
        self.open()
    }

    /// A new connection between the same ports whose SYN exchange was not captured.
    pub(crate) fn restart(mut self, client_isn: u32, server_isn: u32) -> Self {
        self.next = [client_isn.wrapping_add(1), server_isn.wrapping_add(1)];
        self
    }

    /// The connection of which no SYN was captured.
    pub(crate) fn without_syn(mut self) -> Self {
        self.packets.retain(|packet| packet.flags & flag::SYN == 0);
        self
    }

    pub(crate) fn client(self, bytes: &[u8]) -> Self {
        self.send(Side::Client, bytes)
    }

    pub(crate) fn server(self, bytes: &[u8]) -> Self {
        self.send(Side::Server, bytes)
    }

    /// Sends bytes in segments.
    pub(crate) fn send(mut self, from: Side, bytes: &[u8]) -> Self {
        for segment in bytes.chunks(self.mss) {
            self.push(from, flag::ACK, segment);
        }
        self
    }

    /// Sends bytes that the capture misses.
    pub(crate) fn lost(mut self, from: Side, len: usize) -> Self {
        let next = &mut self.next[from as usize];
        *next = next.wrapping_add(u32::try_from(len).unwrap());
        self
    }

    pub(crate) fn fin(mut self, from: Side) -> Self {
        self.push(from, flag::FIN | flag::ACK, &[]);
        self
    }

    pub(crate) fn reset(mut self, from: Side) -> Self {
        self.push(from, flag::RST | flag::ACK, &[]);
        self
    }

    /// Both sides close, this one first.
    pub(crate) fn close(self, first: Side) -> Self {
        self.fin(first).fin(first.peer()).acknowledge(first)
    }

    /// A segment without payload.
    pub(crate) fn acknowledge(mut self, from: Side) -> Self {
        self.push(from, flag::ACK, &[]);
        self
    }

    /// A segment at another place of the sequence space than the next one.
    pub(crate) fn stray(mut self, from: Side, offset: i32, payload: &[u8]) -> Self {
        let next = self.next;
        self.next[from as usize] = next[from as usize].wrapping_add_signed(offset);
        self.push(from, flag::ACK, payload);
        self.next = next;
        self
    }

    /// Only what this side sent.
    pub(crate) fn only(mut self, side: Side) -> Self {
        self.packets.retain(|packet| packet.from == side);
        self
    }

    /// Everything that this side sent comes after all that the other one sent.
    pub(crate) fn delayed(mut self, side: Side) -> Self {
        self.packets.sort_by_key(|packet| packet.from == side);
        self
    }

    /// Every packet twice, as a mirror of two ports delivers it: the copy one router further.
    pub(crate) fn mirrored(mut self) -> Self {
        let copy = |packet: Packet| [packet.clone(), Packet { ttl: packet.ttl - 1, ..packet }];
        self.packets = self.packets.into_iter().flat_map(copy).collect();
        self
    }

    fn push(&mut self, from: Side, flags: u8, payload: &[u8]) {
        let (mine, theirs) = (from as usize, from.peer() as usize);
        self.packets.push(Packet {
            source: self.ends[mine],
            target: self.ends[theirs],
            from,
            seq: self.next[mine],
            ack: if flags & flag::ACK == 0 { 0 } else { self.next[theirs] },
            flags,
            payload: payload.to_vec(),
            ttl: 64,
            idle_s: 0,
            timestamps: self.timestamps,
        });
        let used =
            u32::try_from(payload.len()).unwrap() + u32::from(flags & (flag::SYN | flag::FIN) != 0);
        self.next[mine] = self.next[mine].wrapping_add(used);
    }
}

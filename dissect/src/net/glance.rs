//! Whose packet a frame is, for those who choose frames instead of following them.
//!
//! Looks at one frame alone: a piece of a packet tells its addresses and nothing more.

use std::net::IpAddr;

use super::span::Span;
use super::{TransportHeader, Walked, tcp_flags, walk};
use crate::{Endpoint, Frame, Transport};

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// A TCP segment or UDP datagram, the innermost one.
    Packet(Packet),
    /// A fragment of a packet between two addresses.
    Fragment {
        /// Who sent it.
        source: IpAddr,
        /// For whom it is.
        target: IpAddr,
    },
    /// Anything else.
    Other,
}

/// A TCP segment or UDP datagram, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: Endpoint,
    /// For whom it is.
    pub target: Endpoint,
    /// TCP or UDP.
    pub transport: Transport,
    /// Whether it opens or ends a TCP connection: SYN, FIN or RST.
    pub is_signal: bool,
    /// Whether it has payload, captured or cut off.
    pub has_payload: bool,
}

/// Looks at a frame.
#[must_use]
pub fn glance(frame: &Frame<'_>) -> Glance {
    let packet = match walk(frame.link, Span::new(frame.data, frame.wire_len)) {
        Walked::Packet(packet) => packet,
        Walked::Fragment(piece) => {
            return Glance::Fragment { source: piece.src, target: piece.dst };
        }
        Walked::Skip(_) => return Glance::Other,
    };
    let (transport, is_signal) = match packet.transport {
        TransportHeader::Tcp { flags, .. } => {
            let signals = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
            (Transport::Tcp, flags & signals != 0)
        }
        TransportHeader::Udp { .. } => (Transport::Udp, false),
    };
    let (source_port, target_port) = packet.transport.ports();
    Glance::Packet(Packet {
        source: Endpoint { addr: packet.src, port: source_port },
        target: Endpoint { addr: packet.dst, port: target_port },
        transport,
        is_signal,
        has_payload: packet.payload_len > 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkType, Timestamp};

    fn look(data: &[u8]) -> Glance {
        let wire_len = u32::try_from(data.len()).unwrap();
        let time = Timestamp::default();
        glance(&Frame { number: 1, time, link: LinkType::RAW, wire_len, data })
    }

    fn segment(flags: u8, payload: &[u8]) -> Vec<u8> {
        let len = 40 + u8::try_from(payload.len()).unwrap();
        let mut packet = vec![0x45, 0, 0, len, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 40, 96, 0, 1];
        packet.extend([0, 80, 1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 32, 0, 0, 0, 0, 0]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn segments_tell_ends_signals_and_payload() {
        let check = |flags, payload: &[u8], is_signal, has_payload| {
            let Glance::Packet(packet) = look(&segment(flags, payload)) else { panic!() };
            assert_eq!((packet.is_signal, packet.has_payload), (is_signal, has_payload));
            assert_eq!(packet.source, Endpoint { addr: [10, 0, 0, 1].into(), port: 80 });
            assert_eq!(packet.target, Endpoint { addr: [40, 96, 0, 1].into(), port: 443 });
            assert_eq!(packet.transport, Transport::Tcp);
        };
        check(tcp_flags::SYN, b"", true, false);
        check(tcp_flags::ACK, b"", false, false);
        check(tcp_flags::ACK, b"x", false, true);
        check(tcp_flags::ACK | tcp_flags::FIN, b"x", true, true);
        check(tcp_flags::RST, b"", true, false);
    }

    #[test]
    fn fragments_tell_addresses_and_the_rest_nothing() {
        // The length of a piece that more follow is a multiple of eight.
        let mut piece = segment(tcp_flags::ACK, b"more");
        piece[6] = 0x20;
        let addresses = ([10, 0, 0, 1].into(), [40, 96, 0, 1].into());
        let Glance::Fragment { source, target } = look(&piece) else { panic!() };
        assert_eq!((source, target), addresses);
        assert_eq!(look(b""), Glance::Other);
        assert_eq!(look(&[0x45; 60][..10]), Glance::Other);
    }
}

//! TCP (RFC 9293 §3.1) and UDP (RFC 768) headers.
//!
//! Checksums are not verified here: the sender's network card fills them in behind the capture.

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::TransportHeader;
use super::span::Span;
use crate::SkipReason;

/// Least length of a TCP header, without options.
const TCP_LEN_MIN: usize = 20;

/// Length of a UDP header.
const UDP_LEN: usize = 8;

/// Reads a TCP header. Options that the snap length cut don't matter: the payload is then empty.
#[inline]
pub(super) fn tcp(span: Span<'_>) -> Result<(TransportHeader, Span<'_>), SkipReason> {
    let Ok(header) = TcpHeaderSlice::from_slice(span.data()) else {
        return odd_tcp(span);
    };
    let transport = tcp_fields(&header);
    Ok((transport, span.skip(header.slice().len())?))
}

/// What is needed of a TCP header.
#[inline]
pub(super) fn tcp_fields(header: &TcpHeaderSlice<'_>) -> TransportHeader {
    TransportHeader::Tcp {
        src_port: header.source_port(),
        dst_port: header.destination_port(),
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: header.slice().get(13).copied().unwrap_or_default(),
    }
}

/// The header between a segment and its payload; nothing when some of it was cut.
#[inline]
pub(super) fn header_of<'a>(segment: Span<'a>, payload: Span<'_>) -> &'a [u8] {
    let len = segment.wire_len() - payload.wire_len().min(segment.wire_len());
    segment.data().get(..len).unwrap_or_default()
}

/// A TCP header whose options are cut, or that is none.
#[cold]
fn odd_tcp(span: Span<'_>) -> Result<(TransportHeader, Span<'_>), SkipReason> {
    if span.wire_len() < TCP_LEN_MIN {
        return Err(SkipReason::MalformedTransport);
    }
    let Ok(fixed) = span.head::<TCP_LEN_MIN>() else {
        return Err(SkipReason::TruncatedTransport);
    };
    let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, words, flags, ..] = fixed;
    let header_len = usize::from(words >> 4) * 4;
    if header_len < TCP_LEN_MIN || header_len > span.wire_len() {
        return Err(SkipReason::MalformedTransport);
    }
    let transport = TransportHeader::Tcp {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
    };
    Ok((transport, span.skip_lossy(header_len)))
}

/// Reads a UDP header. A length of zero means the rest of the packet (RFC 2675 §4).
#[inline]
pub(super) fn udp(span: Span<'_>) -> Result<(TransportHeader, Span<'_>), SkipReason> {
    if span.wire_len() < UDP_LEN {
        return Err(SkipReason::MalformedTransport);
    }
    let Ok(header) = UdpHeaderSlice::from_slice(span.data()) else {
        return Err(SkipReason::TruncatedTransport);
    };
    let span = match usize::from(header.length()) {
        0 => span,
        len if len < UDP_LEN => return Err(SkipReason::MalformedTransport),
        len => span.limit(len.min(span.wire_len())),
    };
    let transport = TransportHeader::Udp {
        src_port: header.source_port(),
        dst_port: header.destination_port(),
    };
    Ok((transport, span.skip(UDP_LEN)?))
}

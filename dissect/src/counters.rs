//! Every frame is accounted for: dissected, or skipped for one reason.

use crate::Frame;

/// Why a frame was not followed to a transport segment. Counted once a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// A `--filter` expression did not match.
    Filtered,
    /// A link type that is not decoded.
    UnknownLinkType,
    /// A link-layer frame that carries neither IP nor a known encapsulation (ARP, STP, ...).
    NotIp,
    /// A link-layer frame whose content is encrypted (Wi-Fi, MACsec, PPP).
    EncryptedLink,
    /// The link-layer header or an encapsulation is cut off.
    TruncatedLink,
    /// More encapsulations than the bound.
    NestedTooDeep,
    /// An IP header that is no IP header.
    MalformedIp,
    /// The IP header is cut off.
    TruncatedIp,
    /// A fragment that was dropped because its datagram overflowed a bound or never completed.
    FragmentDropped,
    /// A transport that carries no TLS (ICMP, IGMP, OSPF, ...).
    OtherTransport,
    /// A TCP or UDP header that is malformed.
    MalformedTransport,
    /// The TCP or UDP header is cut off.
    TruncatedTransport,
}

impl SkipReason {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::Filtered,
        Self::UnknownLinkType,
        Self::NotIp,
        Self::EncryptedLink,
        Self::TruncatedLink,
        Self::NestedTooDeep,
        Self::MalformedIp,
        Self::TruncatedIp,
        Self::FragmentDropped,
        Self::OtherTransport,
        Self::MalformedTransport,
        Self::TruncatedTransport,
    ];

    /// The name in reports, such as `unknown_link_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::UnknownLinkType => "unknown_link_type",
            Self::NotIp => "not_ip",
            Self::EncryptedLink => "encrypted_link",
            Self::TruncatedLink => "truncated_link_header",
            Self::NestedTooDeep => "nested_too_deep",
            Self::MalformedIp => "malformed_ip",
            Self::TruncatedIp => "truncated_ip_header",
            Self::FragmentDropped => "fragment_dropped",
            Self::OtherTransport => "other_transport",
            Self::MalformedTransport => "malformed_transport_header",
            Self::TruncatedTransport => "truncated_transport_header",
        }
    }
}

/// What one dissector, or several added up, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that were pushed.
    pub frames: u64,
    /// Captured bytes of those frames.
    pub bytes: u64,
    /// Frames followed to a TCP segment or UDP datagram, or kept as a piece of one.
    pub dissected: u64,
    /// Frames not followed, by reason in the order of [`SkipReason::ALL`].
    pub skipped: [u64; SkipReason::ALL.len()],
    /// Frames of link types that are not decoded, by number.
    pub unknown_link_types: std::collections::BTreeMap<u16, u64>,
    /// Frames that the snap length cut.
    pub cut_frames: u64,
    /// IP fragments seen.
    pub fragments: u64,
    /// Datagrams that were put together from fragments.
    pub reassembled_datagrams: u64,
    /// TCP segments with payload.
    pub data_segments: u64,
    /// Segments that arrived before an earlier one.
    pub out_of_order_segments: u64,
    /// Segments that brought only bytes that were there already.
    pub duplicate_segments: u64,
    /// Overlaps whose two copies differ; the first copy counted.
    pub overlap_conflicts: u64,
    /// Holes in the sequence space that never filled.
    pub gaps: u64,
    /// Connections given up to stay below the memory ceiling.
    pub evicted_flows: u64,
    /// Connection attempts without payload that were forgotten to stay below the ceiling.
    pub evicted_attempts: u64,
    /// Connections over UDP that were forgotten to stay below a bound before they showed a hello.
    pub evicted_candidates: u64,
    /// QUIC Initials that no key at hand opened when they came.
    pub quic_unopened: u64,
    /// DNS answers that brought an address.
    pub names: u64,
}

impl Counters {
    /// Counts a frame that came, whatever becomes of it.
    #[inline]
    pub(crate) fn count(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.bytes += frame.data.len() as u64;
        self.cut_frames += u64::from(frame.is_cut());
    }

    /// Counts one frame as skipped.
    pub fn skip(&mut self, reason: SkipReason) {
        self.skipped[reason as usize] += 1;
    }

    /// How many frames were skipped for this reason.
    #[must_use]
    pub const fn skipped_for(&self, reason: SkipReason) -> u64 {
        self.skipped[reason as usize]
    }

    /// Adds another dissector's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.dissected += other.dissected;
        for (mine, theirs) in self.skipped.iter_mut().zip(other.skipped) {
            *mine += theirs;
        }
        for (link, count) in &other.unknown_link_types {
            *self.unknown_link_types.entry(*link).or_default() += count;
        }
        self.cut_frames += other.cut_frames;
        self.fragments += other.fragments;
        self.reassembled_datagrams += other.reassembled_datagrams;
        self.data_segments += other.data_segments;
        self.out_of_order_segments += other.out_of_order_segments;
        self.duplicate_segments += other.duplicate_segments;
        self.overlap_conflicts += other.overlap_conflicts;
        self.gaps += other.gaps;
        self.evicted_flows += other.evicted_flows;
        self.evicted_attempts += other.evicted_attempts;
        self.evicted_candidates += other.evicted_candidates;
        self.quic_unopened += other.quic_unopened;
        self.names += other.names;
    }

    /// Whether every frame is in exactly one place.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.frames == self.dissected + self.skipped.iter().sum::<u64>()
    }
}

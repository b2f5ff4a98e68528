//! Every bound of the dissector in one place, each with its reason.

/// Bounds on what a dissector keeps. The defaults suit a worker with a few hundred MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of flow state, parked segments and unfinished messages included. When they are
    /// reached, connections are given up: settled ones first, which keep their facts.
    pub memory_max: usize,
    /// Bytes of the state of connections over UDP, which come on top of the others; never more
    /// than an eighth of those. When they are reached the oldest are given up, those that showed
    /// no hello first.
    pub udp_memory_max: usize,
    /// Connections over UDP that are remembered without having shown a hello. They wait for one
    /// for a round trip; a flood of forged packets must not push anything else out.
    pub udp_candidates_max: usize,
    /// Connection attempts without payload that are remembered. They are only needed until the
    /// first payload, a round trip later; a flood of SYNs must not push anything else out.
    pub attempts_max: usize,
    /// Bytes of one direction that wait for an earlier segment. A receiver's window is rarely
    /// filled behind a hole; past this the hole is taken for a loss of the capture.
    pub parked_bytes_max: usize,
    /// Segments of one direction that wait for an earlier one: bounds the work of inserting, also
    /// when they carry one byte each (a hello of 1.7 KB in one-byte segments, backwards).
    pub parked_segments_max: usize,
    /// Segments that are held while a connection without SYN shows no beginning.
    pub unanchored_segments_max: usize,
    /// Bytes of a direction that are looked at before it is given up as undecidable. Certificate
    /// chains of 100 KiB exist; a handshake of more is nobody's.
    pub undecided_bytes_max: u64,
    /// Bytes of delivered stream that are kept to compare retransmissions with.
    pub history_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_max: 1 << 30,
            udp_memory_max: 128 << 20,
            udp_candidates_max: 1 << 12,
            attempts_max: 1 << 16,
            parked_bytes_max: 256 << 10,
            parked_segments_max: 4096,
            unanchored_segments_max: 4,
            undecided_bytes_max: 512 << 10,
            history_bytes_max: 4 << 10,
        }
    }
}

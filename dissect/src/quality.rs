//! What a connection's packets say of the capture that they are in.
//!
//! None of this decides anything about TLS: it tells whoever made the capture how to make a
//! better one. It is noted while a handshake is read, and no longer.

/// The capture's faults as they showed on one connection, told apart by who sent the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quality {
    /// Of what the client sent.
    pub client: SideQuality,
    /// Of what the server sent.
    pub server: SideQuality,
}

impl Quality {
    /// Both sides with their names, the client first.
    #[must_use]
    pub const fn sides(&self) -> [(crate::Side, SideQuality); 2] {
        [(crate::Side::Client, self.client), (crate::Side::Server, self.server)]
    }
}

/// How one side of a connection was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SideQuality {
    /// Frames captured of it until the connection was decided, copies included.
    pub frames: u32,
    /// Those of them that were captured before: not sent again, but seen again.
    pub copies: u32,
    /// By how many milliseconds the other side's frames are ahead in time; 0 when they are not.
    pub late_ms: u32,
    /// What is wrong with it.
    pub faults: Faults,
}

/// A set of faults of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults(u8);

impl Faults {
    /// No fault.
    pub const NONE: Self = Self(0);
    /// No frame of this side is there, though it spoke while the capture ran.
    pub const UNSEEN: Self = Self(1);
    /// Packets are missing, by sequence or acknowledgement numbers.
    pub const LOST: Self = Self(1 << 1);
    /// The snap length cut payload.
    pub const CUT: Self = Self(1 << 2);
    /// A VLAN tag that the other side's frames don't have: none there, or another.
    pub const TAGGED: Self = Self(1 << 3);
    /// Segments longer than any that are on a wire: the network card cuts or joins them.
    pub const OVERSIZED: Self = Self(1 << 4);
    /// Checksums are wrong while the other side's are right: the network card fills them in.
    pub const UNSUMMED: Self = Self(1 << 5);

    /// No frame of it was there at all: another program told of them in its own words.
    pub const RETOLD: Self = Self(1 << 6);

    const ALL: u8 = 0x7f;

    /// Whether all of `other`'s faults are here too.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These faults and `other`'s.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These faults and, if it is so, `other`'s.
    #[must_use]
    pub const fn with_if(self, other: Self, is_so: bool) -> Self {
        if is_so { self.with(other) } else { self }
    }

    /// The set as bits, for storing.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The faults of stored bits; those without a meaning are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL)
    }
}

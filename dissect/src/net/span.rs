//! The bytes of one layer, together with how many of them the capture lost.
//!
//! A snap length cuts the tail of a frame, so "how much is here" and "how much was on the wire"
//! are two numbers at every layer. [`Span`] carries both through each header. Invariant: a span
//! only ever shrinks.

use crate::SkipReason;

/// Most bytes behind the captured ones that are believed: generic segmentation offload builds
/// "packets" of up to eight times 64 KiB, and nothing on a wire is longer.
const MISSING_MAX: usize = 8 * 65_536;

/// What was captured of a layer, and how many bytes of it followed on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    data: &'a [u8],
    missing: usize,
}

impl<'a> Span<'a> {
    /// The bytes of a frame whose length on the wire was `wire_len`.
    pub(super) fn new(data: &'a [u8], wire_len: u32) -> Self {
        let missing = (wire_len as usize).saturating_sub(data.len()).min(MISSING_MAX);
        Self { data, missing }
    }

    /// The captured bytes.
    pub(super) const fn data(self) -> &'a [u8] {
        self.data
    }

    /// Length on the wire.
    pub(super) const fn wire_len(self) -> usize {
        self.data.len() + self.missing
    }

    /// Length on the wire. A frame is no longer than 4 GiB.
    pub(super) fn wire_len_u32(self) -> u32 {
        u32::try_from(self.wire_len()).unwrap_or(u32::MAX)
    }

    /// Everything behind the first `len` bytes.
    #[inline]
    pub(super) fn skip(self, len: usize) -> Result<Self, SkipReason> {
        match self.data.get(len..) {
            Some(data) => Ok(Self { data, ..self }),
            None => Err(SkipReason::TruncatedLink),
        }
    }

    /// Everything behind the first `len` bytes, captured or not.
    pub(super) fn skip_lossy(self, len: usize) -> Self {
        match self.data.get(len..) {
            Some(data) => Self { data, ..self },
            None => {
                let lost = len - self.data.len();
                Self { data: &[], missing: self.missing.saturating_sub(lost) }
            }
        }
    }

    /// The first `len` bytes as a header counted them: what follows is padding, and what is not
    /// there was cut.
    #[inline]
    pub(super) fn limit(self, len: usize) -> Self {
        match self.data.get(..len) {
            Some(data) => Self { data, missing: 0 },
            None => Self { data: self.data, missing: (len - self.data.len()).min(MISSING_MAX) },
        }
    }

    /// The first `N` bytes.
    #[inline]
    pub(super) fn head<const N: usize>(self) -> Result<&'a [u8; N], SkipReason> {
        self.data.first_chunk().ok_or(SkipReason::TruncatedLink)
    }

    /// The byte at `at`.
    pub(super) fn u8(self, at: usize) -> Result<u8, SkipReason> {
        self.data.get(at).copied().ok_or(SkipReason::TruncatedLink)
    }

    /// The 16 bits at `at` in network byte order.
    #[inline]
    pub(super) fn u16(self, at: usize) -> Result<u16, SkipReason> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// The 32 bits at `at` in network byte order.
    pub(super) fn u32(self, at: usize) -> Result<u32, SkipReason> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The 16 bits at `at`, least significant byte first.
    pub(super) fn u16_le(self, at: usize) -> Result<u16, SkipReason> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// The 32 bits at `at`, least significant byte first.
    pub(super) fn u32_le(self, at: usize) -> Result<u32, SkipReason> {
        self.array(at).map(u32::from_le_bytes)
    }

    #[inline]
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], SkipReason> {
        let bytes = self.data.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or(SkipReason::TruncatedLink)
    }
}

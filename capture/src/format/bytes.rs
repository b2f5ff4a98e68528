//! Integers out of byte slices, in either byte order.

/// The two orders that bytes of an integer come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Big,
    Little,
}

/// The 32-bit integer at `at`. `BIG` is a constant so that a walk has no branch on it.
#[inline(always)]
pub(crate) fn word<const BIG: bool, const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    let chunk = chunk.copied().unwrap_or_default();
    if BIG { u32::from_be_bytes(chunk) } else { u32::from_le_bytes(chunk) }
}

impl ByteOrder {
    /// The 16-bit integer at `at`; `None` beyond the end.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let chunk = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Big => u16::from_be_bytes(chunk),
            Self::Little => u16::from_le_bytes(chunk),
        })
    }

    /// The 32-bit integer at `at`; `None` beyond the end.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let chunk = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Big => u32::from_be_bytes(chunk),
            Self::Little => u32::from_le_bytes(chunk),
        })
    }

    /// The 64-bit integer at `at`; `None` beyond the end.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let chunk = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Big => u64::from_be_bytes(chunk),
            Self::Little => u64::from_le_bytes(chunk),
        })
    }
}

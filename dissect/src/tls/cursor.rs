//! A reader over bytes that may end anywhere.

/// Reads big-endian fields from the front of a slice; `None` when it is too short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (&first, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(u16::from_be_bytes(*head))
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        let (head, tail) = self.0.split_first_chunk::<3>()?;
        self.0 = tail;
        Some(usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]))
    }

    /// A vector with a length of one byte.
    pub(crate) fn vec8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(usize::from(len)).map(Self)
    }

    /// A vector with a length of two bytes.
    pub(crate) fn vec16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(usize::from(len)).map(Self)
    }

    /// A vector with a length of two bytes, as much of it as is there.
    /// The flag tells whether it was whole.
    pub(crate) fn vec16_lossy(&mut self) -> Option<(Self, bool)> {
        let len = usize::from(self.u16()?);
        let whole = self.0.len() >= len;
        let (head, tail) = self.0.split_at(len.min(self.0.len()));
        self.0 = tail;
        Some((Self(head), whole))
    }

    /// The rest as a list of 16-bit numbers; a last odd byte is left out.
    pub(crate) fn u16_list(self) -> Vec<u16> {
        self.0.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

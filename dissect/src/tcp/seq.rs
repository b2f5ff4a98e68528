//! Sequence numbers that wrap.

/// A TCP sequence number: arithmetic modulo 2^32 (RFC 9293 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// The number `count` bytes later.
    #[must_use]
    pub(crate) const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Bytes from `earlier` to this number; negative when `earlier` is ahead. Exact while the two
    /// are less than 2 GiB apart.
    #[must_use]
    pub(crate) const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        let check = |a: u32, b: u32, expect: i32| assert_eq!(Seq(a).since(Seq(b)), expect);
        check(5, 3, 2);
        check(3, 5, -2);
        check(2, u32::MAX, 3);
        check(u32::MAX, 2, -3);
        assert_eq!(Seq(u32::MAX).plus(2), Seq(1));
    }
}

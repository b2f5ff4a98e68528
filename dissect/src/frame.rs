//! A captured frame and its two attributes that travel with it: time and link type.

use std::fmt;

/// One captured frame, borrowed from the block of bytes it was read into.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Position in the input, counted from 1 as Wireshark numbers packets.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// Length on the wire in bytes. `data` is shorter when the snap length cut the frame, and may
    /// be longer in damaged captures: then the captured bytes count.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

impl Frame<'_> {
    /// Whether the capture holds fewer bytes than were on the wire.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.data.len() < self.wire_len as usize
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z; negative before.
///
/// Covers the years 1677 to 2262. Packet time only: nothing here reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `ns` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to this time; negative when `earlier` is later.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with microseconds, cut and not rounded: `2018-10-31T00:00:00.000000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.div_euclid(1_000);
        let (secs, micro) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let (days, second) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
    }
}

/// Year, month (1 to 12) and day (1 to 31) of the proleptic Gregorian calendar, for a count of
/// days since 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years have
/// 146,097 days.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_TO_EPOCH: i64 = 719_468; // 0000-03-01 to 1970-01-01
    let day = days + DAYS_TO_EPOCH;
    let era = day.div_euclid(146_097);
    let day = day.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_month)
}

/// A link-layer type as capture files number them (the `LINKTYPE_` registry of tcpdump.org).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback, address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without its HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// Raw IP, as some systems number it (`DLT_RAW`).
    pub const RAW_DLT: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it (`DLT_RAW`).
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing, or Cisco HDLC.
    pub const PPP_HDLC: Self = Self(50);
    /// A PPPoE session without the Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
    /// LLC over ATM (RFC 2684).
    pub const ATM_RFC1483: Self = Self(100);
    /// Raw IP, version told by the first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// Frame Relay.
    pub const FRELAY: Self = Self(107);
    /// OpenBSD loopback, address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// OpenBSD packets as they enter or leave IPsec.
    pub const ENC: Self = Self(109);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a Prism header.
    pub const PRISM: Self = Self(119);
    /// IEEE 802.11 behind a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// IEEE 802.11 behind an AVS header.
    pub const AVS: Self = Self(163);
    /// PPP whose address byte tells the direction.
    pub const PPP_PPPD: Self = Self(166);
    /// Any link type behind a Per-Packet Information header.
    pub const PPI: Self = Self(192);
    /// PPP behind a byte that tells the direction.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// Cisco HDLC behind a byte that tells the direction.
    pub const C_HDLC_WITH_DIR: Self = Self(205);
    /// Frame Relay behind a byte that tells the direction.
    pub const FRELAY_WITH_DIR: Self = Self(206);
    /// MPLS label stack.
    pub const MPLS: Self = Self(219);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Any link type behind a header of macOS that tells interface and process.
    pub const PKTAP: Self = Self(258);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link type {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let check = |ns: i64, expect: &str| {
            assert_eq!(Timestamp::from_nanos(ns).to_string(), expect);
        };
        check(0, "1970-01-01T00:00:00.000000Z");
        check(1_540_944_000_123_456_789, "2018-10-31T00:00:00.123456Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z");
        check(4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(i64::MAX, "2262-04-11T23:47:16.854775Z");
        check(i64::MIN, "1677-09-21T00:12:43.145224Z");
    }
}

//! The names in DNS answers (RFC 1035 §4.1): which addresses a question's name stands for.
//!
//! Follows CNAME records within the message. Knows no transaction: an answer tells its question.
//! Invariant: the work is bounded by the message's length and the constants below, wherever
//! compression pointers lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use crate::tls::Cursor;

/// Records of one answer that are looked at; the largest rotations have some thirty.
const RECORDS_MAX: usize = 64;
/// Addresses of one answer that are kept.
const ADDRESSES_MAX: usize = 32;
/// Aliases that are followed: content networks use four in a row, resolvers give up before this.
const ALIASES_MAX: usize = 16;
/// Bytes of a name without its last dot (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Compression pointers in one name. Each leads backwards, most names have one.
const POINTERS_MAX: usize = 16;

/// Types and the class that are read (RFC 1035 §3.2.2, RFC 3596 §2.1).
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;

/// What an answer says of its question's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) name: Box<str>,
    pub(super) addresses: SmallVec<[IpAddr; 4]>,
    /// The least of the records that led to the addresses, in seconds.
    pub(super) ttl: u32,
}

/// Reads a datagram from a name server; `None` when it brings no address. An answer that is cut
/// tells what is in front of the cut.
pub(super) fn answer(message: &[u8]) -> Option<Answer> {
    /// QR and OPCODE: a response to a standard query. RCODE: no error. AA, TC, RD, RA and the
    /// bits of DNSSEC may be either.
    const FLAGS_MASK: u16 = 0xf80f;
    const FLAGS: u16 = 0x8000;
    let mut cursor = Cursor(message);
    cursor.u16()?;
    let is_answer = cursor.u16()? & FLAGS_MASK == FLAGS;
    let (questions, records) = (cursor.u16()?, cursor.u16()?);
    if !is_answer || questions != 1 || records == 0 {
        return None;
    }
    cursor.take(4)?;
    let question = name(message, &mut cursor)?;
    let (_, class) = (cursor.u16()?, cursor.u16()?);
    // The root of all names is nobody's.
    if class != INTERNET || question.0.is_empty() {
        return None;
    }
    let mut found = Records::default();
    for _ in 0..usize::from(records).min(RECORDS_MAX) {
        if found.read(message, &mut cursor).is_none() {
            break;
        }
    }
    found.resolve(question)
}

/// The records of an answer that matter.
#[derive(Debug, Default)]
struct Records {
    aliases: SmallVec<[(Name, Name, u32); 4]>,
    addresses: SmallVec<[(Name, IpAddr, u32); 4]>,
}

impl Records {
    /// Reads a record; `None` at the message's end.
    fn read<'a>(&mut self, message: &'a [u8], cursor: &mut Cursor<'a>) -> Option<()> {
        let owner = name(message, cursor)?;
        let (kind, class) = (cursor.u16()?, cursor.u16()?);
        let ttl = u32::from(cursor.u16()?) << 16 | u32::from(cursor.u16()?);
        let len = usize::from(cursor.u16()?);
        let start = *cursor;
        let data = cursor.take(len)?;
        let address = match (kind, class) {
            (A, INTERNET) => {
                data.try_into().ok().map(|bytes: [u8; 4]| IpAddr::from(Ipv4Addr::from(bytes)))
            }
            (AAAA, INTERNET) => {
                data.try_into().ok().map(|bytes: [u8; 16]| IpAddr::from(Ipv6Addr::from(bytes)))
            }
            (CNAME, INTERNET) if self.aliases.len() < ALIASES_MAX => {
                self.aliases.push((owner, name(message, &mut { start })?, ttl));
                return Some(());
            }
            _ => None,
        };
        if let Some(address) = address.filter(|_| self.addresses.len() < ADDRESSES_MAX) {
            self.addresses.push((owner, address, ttl));
        }
        Some(())
    }

    /// The addresses of a name, by way of its aliases.
    fn resolve(&self, question: Name) -> Option<Answer> {
        let (mut target, mut ttl) = (&question, u32::MAX);
        // As many steps as there are aliases: a circle ends too.
        for _ in &self.aliases {
            let alias = self.aliases.iter().find(|(owner, ..)| owner.is(target));
            let Some((_, next, alias_ttl)) = alias else { break };
            (target, ttl) = (next, ttl.min(*alias_ttl));
        }
        let mut addresses = SmallVec::new();
        for (_, address, address_ttl) in self.addresses.iter().filter(|(of, ..)| of.is(target)) {
            addresses.push(*address);
            ttl = ttl.min(*address_ttl);
        }
        (!addresses.is_empty()).then(|| Answer { name: question.0.into(), addresses, ttl })
    }
}

/// A name with dots between its labels and none at the end, as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(String);

impl Name {
    /// Whether both are the same name: case does not count (RFC 1035 §2.3.3).
    fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// Reads a name and leaves the cursor behind it (RFC 1035 §4.1.4). `None` when it runs out of the
/// message or of the bounds, or holds what no host's name does.
fn name<'a>(message: &'a [u8], cursor: &mut Cursor<'a>) -> Option<Name> {
    const POINTER: u8 = 0xc0;
    let mut text = String::new();
    let mut labels = *cursor;
    // Pointers lead to earlier names only: each must point before the place of the one followed.
    let mut limit = message.len().checked_sub(cursor.0.len())?;
    let mut pointers = 0;
    loop {
        let len = labels.u8()?;
        if len & POINTER == POINTER {
            let target = usize::from(len & !POINTER) << 8 | usize::from(labels.u8()?);
            if pointers == 0 {
                *cursor = labels;
            }
            pointers += 1;
            if target >= limit || pointers > POINTERS_MAX {
                return None;
            }
            limit = target;
            labels = Cursor(message.get(target..)?);
            continue;
        }
        if len & POINTER != 0 {
            return None;
        }
        if len == 0 {
            break;
        }
        let label = labels.take(usize::from(len))?;
        if text.len() + label.len() >= NAME_BYTES_MAX
            || !label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.')
        {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        label.iter().for_each(|&byte| text.push(char::from(byte)));
    }
    if pointers == 0 {
        *cursor = labels;
    }
    Some(Name(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A name in labels, uncompressed.
    fn labels(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(data.len()).unwrap();
        [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &len.to_be_bytes(), data].concat()
    }

    fn message(question: &str, records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap().to_be_bytes();
        let header = [&[7, 7, 0x81, 0x80, 0, 1][..], &count, &[0; 4]].concat();
        [header, labels(question), vec![0, 1, 0, 1], records.concat()].concat()
    }

    /// A pointer to the question's name.
    const QUESTION: &[u8] = &[0xc0, 12];

    #[test]
    fn addresses_come_by_way_of_aliases() {
        let message = message(
            "outlook.office365.com",
            &[
                record(&labels("b.example"), A, 30, &[192, 0, 2, 2]),
                record(&labels("a.example"), CNAME, 20, &labels("B.example")),
                record(QUESTION, CNAME, 300, &labels("a.example")),
                record(&labels("other.example"), A, 1, &[192, 0, 2, 9]),
                record(&labels("b.example"), AAAA, 40, &Ipv6Addr::LOCALHOST.octets()),
            ],
        );
        let answer = answer(&message).unwrap();
        assert_eq!(&*answer.name, "outlook.office365.com");
        let expect: [IpAddr; 2] = [[192, 0, 2, 2].into(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(answer.addresses[..], expect);
        assert_eq!(answer.ttl, 20);
    }

    #[test]
    fn circles_of_aliases_end() {
        let circle = [
            record(QUESTION, CNAME, 1, &labels("b.example")),
            record(&labels("b.example"), CNAME, 1, QUESTION),
        ];
        assert_eq!(answer(&message("a.example", &circle)), None);
    }

    #[test]
    fn pointers_that_lead_nowhere_are_refused() {
        let check = |owner: &[u8]| {
            assert_eq!(answer(&message("a.example", &[record(owner, A, 1, &[1; 4])])), None);
        };
        let here = 12 + 11 + 4;
        check(&[0xc0, here]); // at itself
        check(&[0xc0, here + 2]); // forwards
        check(&[1, b'x', 0xc0, here]); // into a circle through a label
        check(&[0xff, 0xff]); // beyond the end
        check(&[0x80, 1]); // a form that does not exist
    }

    #[test]
    fn names_beyond_the_bound_are_refused() {
        let long = |len: usize| {
            let mut name = "x.".repeat(len / 2);
            name.push_str(if len % 2 == 1 { "x" } else { "" });
            name.truncate(len);
            name
        };
        let check = |len, expect| {
            let message = message(&long(len), &[record(QUESTION, A, 1, &[1; 4])]);
            assert_eq!(answer(&message).is_some(), expect, "{len}");
        };
        check(253, true);
        check(255, false);
    }

    #[test]
    fn a_cut_answer_tells_what_is_there() {
        let whole = message(
            "a.example",
            &[record(QUESTION, A, 9, &[1; 4]), record(QUESTION, A, 9, &[2; 4])],
        );
        let answer = answer(&whole[..whole.len() - 1]).unwrap();
        assert_eq!(answer.addresses[..], [IpAddr::from([1; 4])]);
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        let mut message = message("a.example", &[record(QUESTION, A, 9, &[1; 4])]);
        assert!(answer(&message).is_some());
        message[2] = 0x01; // a query
        assert_eq!(answer(&message), None);
        message[2] = 0x81;
        message[3] = 0x83; // NXDOMAIN
        assert_eq!(answer(&message), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = answer(&bytes);
            let _ = answer(&[&[0, 0, 0x80, 0, 0, 1, 0, 9, 0, 0, 0, 0][..], &bytes].concat());
        }
    }
}

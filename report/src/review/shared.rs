//! What many connections have in common, held once: offers, and names of servers and certificates.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use dissect::{CertificateNames, ClientHello, Offer};

/// Offers, names, and certificates, that are remembered for sharing, and bytes of them. Past this each
/// connection has its own copy: correct, only larger.
const ENTRIES_MAX: usize = 1 << 16;
const BYTES_MAX: usize = 32 << 20;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Shared {
    offers: Known<Offer>,
    names: Known<str>,
    certificates: Known<CertificateNames>,
}

#[derive(Debug)]
struct Known<T: ?Sized> {
    things: HashSet<Arc<T>>,
    bytes: usize,
}

impl<T: ?Sized> Default for Known<T> {
    fn default() -> Self {
        Self { things: HashSet::new(), bytes: 0 }
    }
}

impl<T: Eq + Hash + ?Sized> Known<T> {
    /// Puts the shared one in the place of a thing of so many bytes. Returns what it takes here.
    fn share(&mut self, thing: &mut Arc<T>, len: usize) -> usize {
        if let Some(known) = self.things.get(&**thing) {
            *thing = Arc::clone(known);
            return 0;
        }
        if self.things.len() >= ENTRIES_MAX || self.bytes + len > BYTES_MAX {
            return len;
        }
        self.bytes += len;
        self.things.insert(Arc::clone(thing));
        0
    }
}

impl Shared {
    /// Shares the offer and the name of a hello. Returns the bytes that the hello takes outside of itself.
    pub(super) fn hello(&mut self, hello: &mut ClientHello) -> usize {
        let len = offer_len(&hello.offer);
        let name_len = hello.server_name.as_mut().map_or(0, |name| {
            let len = name.len();
            self.names.share(name, len)
        });
        self.offers.share(&mut hello.offer, len) + name_len
    }

    /// Shares the names of a certificate.
    pub(super) fn certificate(&mut self, names: &mut Arc<CertificateNames>) {
        let texts = names.alternative_names.iter().chain(&names.common_name).chain(&names.issuer);
        let len = size_of::<CertificateNames>() + texts.map(|text| text.len() + 16).sum::<usize>();
        self.certificates.share(names, len);
    }
}

/// Bytes of an offer with its lists.
fn offer_len(offer: &Offer) -> usize {
    let list = |list: &Option<Vec<u16>>| list.as_ref().map_or(0, |list| 2 * list.len());
    size_of::<Offer>()
        + 2 * (offer.cipher_suites.len() + offer.key_share_groups.len())
        + list(&offer.supported_versions)
        + list(&offer.extensions)
        + list(&offer.groups)
        + list(&offer.signature_algorithms)
        + 4 * offer.sslv2_ciphers.len()
        + offer.compression_methods.len()
        + offer.ec_point_formats.as_ref().map_or(0, Vec::len)
        + offer.alpn.iter().map(|name| name.len() + 16).sum::<usize>()
        + offer.ja4.as_ref().map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use dissect::HelloFormat;

    use super::*;
    use crate::testkit;

    #[test]
    fn equal_offers_are_one_and_take_nothing() {
        let mut shared = Shared::default();
        let mut one = testkit::client_hello(Offer::empty(HelloFormat::Tls, 0x0301), None);
        let mut other = one.clone();
        other.offer = Arc::new((*one.offer).clone());
        assert_eq!([shared.hello(&mut one), shared.hello(&mut other)], [0, 0]);
        assert!(Arc::ptr_eq(&one.offer, &other.offer));
        let names = [&mut one, &mut other].map(|hello| {
            hello.server_name = Some("outlook.office365.com".into());
            assert_eq!(shared.hello(hello), 0);
            hello.server_name.clone().unwrap()
        });
        assert!(Arc::ptr_eq(&names[0], &names[1]));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut known: Known<Offer> = Known::default();
        let offer = |version| Arc::new(Offer::empty(HelloFormat::Tls, version));
        assert_eq!(known.share(&mut offer(1), BYTES_MAX), 0);
        assert_eq!(known.share(&mut offer(2), 1), 1);
        assert_eq!(known.share(&mut offer(1), BYTES_MAX), 0);
        let mut known: Known<Offer> = Known::default();
        for version in 0..=u16::MAX {
            assert_eq!(known.share(&mut offer(version), 1), 0);
        }
        let mut another = offer(0);
        Arc::make_mut(&mut another).cipher_suites.push(1);
        assert_eq!(known.share(&mut another, 9), 9);
        assert_eq!(known.things.len(), ENTRIES_MAX);
    }
}

//! Shares what many connections have in common: offers and certificates.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::certificate::leaf;
use super::{fingerprint, leaf_names};
use crate::{CertificateNames, HelloExtent, HelloFormat, Offer, Transport};

/// Offers and certificates that are remembered for sharing. Past this, each connection gets its
/// own copy: correct, only larger. Programs that shuffle their extensions fill it first.
const ENTRIES_MAX: usize = 1 << 16;

/// The offers and certificates seen so far.
#[derive(Debug)]
pub(crate) struct Interner {
    hasher: FixedState,
    offers: HashTable<(u64, Arc<Offer>)>,
    certificates: HashTable<Certificate>,
}

/// A certificate's hash and bytes, and the names in it.
#[derive(Debug)]
struct Certificate {
    hash: u64,
    der: Box<[u8]>,
    names: Option<Arc<CertificateNames>>,
}

impl Interner {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            offers: HashTable::new(),
            certificates: HashTable::new(),
        }
    }

    /// Forgets everything when half of the room is taken, so that a run without end goes on
    /// sharing what is sent now. Connections keep what they share.
    pub(crate) fn refresh(&mut self) {
        if self.offers.len() > ENTRIES_MAX / 2 {
            self.offers = HashTable::new();
        }
        if self.certificates.len() > ENTRIES_MAX / 2 {
            self.certificates = HashTable::new();
        }
    }

    /// The shared form of an offer, with its fingerprints.
    pub(crate) fn offer(&mut self, mut offer: Offer, transport: Transport) -> Arc<Offer> {
        let hash = self.hasher.hash_one((&offer, transport));
        let known = self.offers.find(hash, |(other_hash, other)| {
            *other_hash == hash && is_same_offer(other, &offer, transport)
        });
        if let Some((_, known)) = known {
            return Arc::clone(known);
        }
        if offer.extent == HelloExtent::Whole && offer.format == HelloFormat::Tls {
            offer.ja3 = Some(fingerprint::ja3(&offer));
            offer.ja4 = Some(fingerprint::ja4(&offer, transport));
        }
        let shared = Arc::new(offer);
        if self.offers.len() < ENTRIES_MAX {
            let entry = (hash, Arc::clone(&shared));
            self.offers.insert_unique(hash, entry, |(hash, _)| *hash);
        }
        shared
    }

    /// The names of the first certificate in a Certificate message.
    pub(crate) fn certificate(&mut self, body: &[u8]) -> Option<Arc<CertificateNames>> {
        let der = leaf(body)?;
        let hash = self.hasher.hash_one(der);
        let is_same = |other: &Certificate| other.hash == hash && *other.der == *der;
        if let Some(known) = self.certificates.find(hash, is_same) {
            return known.names.clone();
        }
        let names = leaf_names(body).map(Arc::new);
        if self.certificates.len() < ENTRIES_MAX / 16 {
            let entry = Certificate { hash, der: der.into(), names: names.clone() };
            self.certificates.insert_unique(hash, entry, |other| other.hash);
        }
        names
    }
}

/// Whether two offers are equal but for the fingerprints, which `new` does not have.
fn is_same_offer(known: &Offer, new: &Offer, transport: Transport) -> bool {
    let is_same_transport = match (&known.ja4, transport) {
        (Some(ja4), Transport::Udp) => ja4.starts_with(['q', 'd']),
        (Some(ja4), Transport::Tcp) => ja4.starts_with('t'),
        (None, _) => true,
    };
    is_same_transport
        && known.legacy_version == new.legacy_version
        && known.cipher_suites == new.cipher_suites
        && known.extensions == new.extensions
        && known.groups == new.groups
        && known.supported_versions == new.supported_versions
        && known.key_share_groups == new.key_share_groups
        && known.signature_algorithms == new.signature_algorithms
        && known.ec_point_formats == new.ec_point_formats
        && known.alpn == new.alpn
        && known.compression_methods == new.compression_methods
        && known.sslv2_ciphers == new.sslv2_ciphers
        && known.extent == new.extent
        && known.format == new.format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_offers_are_shared() {
        let mut interner = Interner::new(1);
        let offer = || Offer {
            cipher_suites: vec![0x2f],
            extent: HelloExtent::Whole,
            ..Offer::empty(HelloFormat::Tls, 0x0301)
        };
        let first = interner.offer(offer(), Transport::Tcp);
        let second = interner.offer(offer(), Transport::Tcp);
        assert!(Arc::ptr_eq(&first, &second));
        let quic = interner.offer(offer(), Transport::Udp);
        assert!(quic.ja4.as_ref().unwrap().starts_with('q'));
        assert!(first.ja4.as_ref().unwrap().starts_with('t'));
    }
}

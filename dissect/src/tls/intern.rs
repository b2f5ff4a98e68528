//! Shares what many connections have in common: offers, certificates and names.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::certificate::leaf;
use super::imprint::{Draft, Face};
use super::{ClientHelloParts, fingerprint, leaf_names};
use crate::{CertificateNames, HelloExtent, HelloFormat, Offer, Transport};

/// Offers and certificates that are remembered for sharing. Past this, each connection gets its
/// own copy: correct, only larger. Programs that shuffle their extensions fill it first.
const ENTRIES_MAX: usize = 1 << 16;
/// Certificates that are remembered, likewise: whole, a kilobyte or two each.
const CERTIFICATES_MAX: usize = ENTRIES_MAX / 16;
/// Imprints that are remembered: 16 MiB at the very most, 4 as programs are. Past this, hellos are
/// read field by field.
const IMPRINTS_MAX: usize = 1 << 14;

/// Places for names, each for the last of the names that fall to it: the few names that most
/// connections ask for are there, and the others cost a comparison.
const NAMES_COUNT: usize = 1 << 10;

/// Places for certificates by what costs little to look at: servers of a network have a few.
const RECENT_COUNT: usize = 1 << 8;

/// The offers, certificates and names seen so far.
#[derive(Debug)]
pub(crate) struct Interner {
    hasher: FixedState,
    offers: HashTable<(u64, Arc<Offer>)>,
    imprints: HashTable<Imprint>,
    /// The imprint at hand; kept to save an allocation a hello.
    draft: Draft,
    certificates: Vec<Certificate>,
    /// Where in `certificates`, by hash.
    certificate_places: HashTable<u32>,
    /// Where in `certificates`, by [`glance`]: the one that was seen last of those that fall to a
    /// place.
    recent: Box<[u32]>,
    names: Box<[Option<Arc<str>>]>,
}

/// A ClientHello with its offer in the shared form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadHello {
    pub(crate) offer: Arc<Offer>,
    pub(crate) random: [u8; 32],
    pub(crate) session_id_len: u8,
    pub(crate) offers_ticket: bool,
    pub(crate) server_name: Option<Arc<str>>,
}

/// An imprint with its hash, and the offer of all hellos that have it.
#[derive(Debug)]
struct Imprint {
    hash: u64,
    bytes: Box<[u8]>,
    transport: Transport,
    offer: Arc<Offer>,
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
            imprints: HashTable::new(),
            draft: Draft::default(),
            certificates: Vec::new(),
            certificate_places: HashTable::new(),
            recent: vec![0; RECENT_COUNT].into(),
            names: vec![None; NAMES_COUNT].into(),
        }
    }

    /// Reads the body of a ClientHello that is all there.
    pub(crate) fn client_hello(&mut self, body: &[u8], transport: Transport) -> Option<ReadHello> {
        let Some(face) = Face::read(body, &mut self.draft) else {
            let parts = ClientHelloParts::read(body, true)?;
            return Some(self.share(parts, transport));
        };
        let hash = self.hasher.hash_one((self.draft.imprint(), transport));
        let is_same = |known: &Imprint| {
            known.hash == hash
                && known.transport == transport
                && *known.bytes == *self.draft.imprint()
        };
        let offer = match self.imprints.find(hash, is_same) {
            Some(known) => Arc::clone(&known.offer),
            None => {
                let offer = self.offer(ClientHelloParts::read(body, true)?.offer, transport);
                if self.imprints.len() < IMPRINTS_MAX {
                    let (bytes, offer) = (self.draft.imprint().into(), Arc::clone(&offer));
                    let entry = Imprint { hash, bytes, transport, offer };
                    self.imprints.insert_unique(hash, entry, |known| known.hash);
                }
                offer
            }
        };
        Some(ReadHello {
            offer,
            random: *face.random,
            session_id_len: face.session_id_len,
            offers_ticket: face.offers_ticket,
            server_name: face.server_name().map(|name| self.name(name)),
        })
    }

    /// A hello that was read field by field, with its offer in the shared form.
    pub(crate) fn share(&mut self, parts: ClientHelloParts, transport: Transport) -> ReadHello {
        ReadHello {
            offer: self.offer(parts.offer, transport),
            random: parts.random,
            session_id_len: parts.session_id.len(),
            offers_ticket: parts.offers_ticket,
            server_name: parts.server_name,
        }
    }

    /// The shared form of a name, which is text that stands there as it is, if it is text.
    fn name(&mut self, name: &[u8]) -> Arc<str> {
        // A remainder is below the number of places.
        let place = self.hasher.hash_one(name) % NAMES_COUNT as u64;
        let place = usize::try_from(place).unwrap_or(0);
        match self.names.get_mut(place) {
            Some(Some(known)) if *known.as_bytes() == *name => Arc::clone(known),
            Some(other) => Arc::clone(other.insert(text(name))),
            None => text(name),
        }
    }

    /// Forgets everything when half of the room is taken, so that a run without end goes on
    /// sharing what is sent now. Connections keep what they share.
    pub(crate) fn refresh(&mut self) {
        if self.offers.len() > ENTRIES_MAX / 2 {
            self.offers = HashTable::new();
        }
        if self.imprints.len() > IMPRINTS_MAX / 2 {
            self.imprints = HashTable::new();
        }
        if self.certificates.len() > CERTIFICATES_MAX / 2 {
            self.certificates = Vec::new();
            self.certificate_places = HashTable::new();
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
        let recent = self.recent.get_mut(glance(der))?;
        let known = |at: u32| self.certificates.get(at as usize);
        if let Some(known) = known(*recent).filter(|known| *known.der == *der) {
            return known.names.clone();
        }
        let hash = self.hasher.hash_one(der);
        let is_same = |at: &u32| known(*at).is_some_and(|it| it.hash == hash && *it.der == *der);
        if let Some(&at) = self.certificate_places.find(hash, is_same) {
            *recent = at;
            return known(at)?.names.clone();
        }
        let names = leaf_names(body).map(Arc::new);
        if self.certificates.len() < CERTIFICATES_MAX {
            // Below the bound.
            let at = u32::try_from(self.certificates.len()).unwrap_or(u32::MAX);
            *recent = at;
            self.certificates.push(Certificate { hash, der: der.into(), names: names.clone() });
            let hash_of = |at: &u32| self.certificates.get(*at as usize).map_or(0, |it| it.hash);
            self.certificate_places.insert_unique(hash, at, hash_of);
        }
        names
    }
}

/// A name as text; what is none in UTF-8 is replaced.
fn text(name: &[u8]) -> Arc<str> {
    match std::str::from_utf8(name) {
        Ok(name) => name.into(),
        Err(_) => String::from_utf8_lossy(name).into(),
    }
}

/// A certificate's place among those seen lately, by its last bytes, which are the signature's.
/// Who makes certificates of one place gains that they are hashed.
fn glance(der: &[u8]) -> usize {
    let last = der.last_chunk().copied().map_or(0, u64::from_le_bytes);
    // A remainder is below the number of places.
    usize::try_from((last ^ der.len() as u64) % RECENT_COUNT as u64).unwrap_or(0)
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
    use proptest::prelude::*;

    use super::*;

    /// A hello of these suites and extensions.
    fn hello(session_id: &[u8], suites: &[u8], extensions: Option<&[(u16, Vec<u8>)]>) -> Vec<u8> {
        let vec16 =
            |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(u8::try_from(session_id.len()).unwrap());
        body.extend(session_id);
        body.extend(vec16(suites));
        body.extend([1, 0]);
        if let Some(extensions) = extensions {
            let extension = |(number, content): &(u16, Vec<u8>)| {
                [&number.to_be_bytes()[..], &vec16(content)].concat()
            };
            body.extend(vec16(&extensions.iter().flat_map(extension).collect::<Vec<_>>()));
        }
        body
    }

    /// Extensions that are read, mostly sound ones.
    fn any_extension() -> impl Strategy<Value = (u16, Vec<u8>)> {
        let name = b"\x00\x05\x00\x00\x02ab".to_vec();
        let sound = prop::sample::select(vec![
            (0, name),
            (10, vec![0, 4, 0, 23, 0, 29]),
            (10, vec![0, 2, 0, 23]),
            (11, vec![1, 0]),
            (13, vec![0, 2, 4, 3]),
            (16, b"\x00\x03\x02h2".to_vec()),
            (35, vec![]),
            (35, vec![9]),
            (40, vec![0, 5, 0, 29, 0, 1, 9]),
            (41, vec![1]),
            (43, vec![2, 3, 4]),
            (51, vec![0, 10, 0, 29, 0, 1, 9, 0, 23, 0, 1, 9]),
            (51, vec![0, 10, 0, 29, 0, 1, 8, 0, 23, 0, 1, 7]),
            (51, vec![0, 2, 0, 29]),
            (0x0a0a, vec![]),
        ]);
        let numbers = prop::sample::select(vec![0_u16, 10, 11, 13, 16, 35, 41, 43, 51, 9]);
        let any = (numbers, prop::collection::vec(0_u8..6, 0..9));
        prop_oneof![9 => sound, 1 => any]
    }

    proptest! {
        /// However many hellos came before, each is read as if it were the first.
        #[test]
        fn a_known_imprint_reads_like_a_new_hello(
            hellos in prop::collection::vec((
                prop::collection::vec(any::<u8>(), 0..34),
                prop::collection::vec(0_u8..3, 0..5),
                prop::option::of(prop::collection::vec(any_extension(), 0..4)),
                prop::collection::vec(any::<u8>(), 0..3),
                0_usize..4,
                any::<bool>(),
            ), 1..40),
        ) {
            let mut interner = Interner::new(1);
            for (session_id, suites, extensions, tail, cut, is_udp) in hellos {
                let mut body = hello(&session_id, &suites, extensions.as_deref());
                // Now and then bytes follow, or the last ones are missing.
                if cut == 1 { body.extend(tail) } else if cut == 2 { body.truncate(body.len() - 1) }
                let transport = if is_udp { Transport::Udp } else { Transport::Tcp };
                let read = interner.client_hello(&body, transport);
                let parts = ClientHelloParts::read(&body, true);
                let expect = parts.map(|parts| Interner::new(2).share(parts, transport));
                prop_assert_eq!(read, expect);
            }
        }
    }

    #[test]
    fn imprints_are_bounded() {
        let mut interner = Interner::new(1);
        for number in 0..IMPRINTS_MAX + 1 {
            let suites = u32::try_from(number).unwrap().to_be_bytes();
            let read = interner.client_hello(&hello(&[], &suites, None), Transport::Tcp).unwrap();
            assert_eq!(read.offer.cipher_suites[1] as usize, number & 0xffff);
        }
        assert_eq!(interner.imprints.len(), IMPRINTS_MAX);
        let long: Vec<_> = (0..200).map(|_| (10, vec![0; 9])).collect();
        assert!(interner.client_hello(&hello(&[], &[], Some(&long)), Transport::Tcp).is_some());
        assert_eq!(interner.imprints.len(), IMPRINTS_MAX);
    }

    /// A Certificate message with this for a certificate.
    fn certificate(der: &[u8]) -> Vec<u8> {
        let vec24 = |bytes: &[u8]| {
            [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..], bytes].concat()
        };
        vec24(&vec24(der))
    }

    #[test]
    fn certificates_of_one_place_are_told_apart() {
        let mut interner = Interner::new(1);
        let bodies = ["a, signed", "b, signed", "c, longer, signed"].map(|it| it.as_bytes());
        assert_eq!(glance(bodies[0]), glance(bodies[1]));
        for (at, body) in bodies.iter().enumerate() {
            assert_eq!(interner.certificate(&certificate(body)), None, "no certificate at all");
            let names = CertificateNames {
                alternative_names: Vec::new(),
                common_name: Some(at.to_string().into()),
                issuer: None,
            };
            interner.certificates[at].names = Some(Arc::new(names));
        }
        for at in [0, 1, 1, 0, 2, 0, 2, 1] {
            let names = interner.certificate(&certificate(bodies[at])).unwrap();
            assert_eq!(names.common_name, Some(at.to_string().into()));
        }
        assert_eq!(interner.certificates.len(), 3);
    }

    #[test]
    fn certificates_are_bounded_and_forgotten_in_time() {
        let mut interner = Interner::new(1);
        let mut push = |count: usize| {
            for number in 0..count {
                interner.certificate(&certificate(format!("{number}, signed").as_bytes()));
            }
            let known = interner.certificates.len();
            interner.refresh();
            (known, interner.certificates.len(), interner.certificate_places.len())
        };
        assert_eq!(
            push(CERTIFICATES_MAX / 2),
            (CERTIFICATES_MAX / 2, CERTIFICATES_MAX / 2, CERTIFICATES_MAX / 2)
        );
        assert_eq!(push(CERTIFICATES_MAX + 1), (CERTIFICATES_MAX, 0, 0));
        assert_eq!(push(1), (1, 1, 1), "after it was forgotten it is known again");
    }

    #[test]
    fn names_that_are_no_text_are_read_like_others() {
        let mut interner = Interner::new(1);
        for name in [&b"ab"[..], b"a\xff", b"ab", "a\u{fffd}".as_bytes(), b"a\xff"] {
            assert_eq!(*interner.name(name), *String::from_utf8_lossy(name));
        }
    }

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

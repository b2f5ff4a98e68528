//! Pseudonyms of host names: a keyed hash for each label.
//!
//! Equal labels have equal pseudonyms wherever they stand, so that hosts of one domain stay hosts of
//! one domain, and `edge01` stays the first label of `edge01.contoso.com`. Names that the endpoint
//! list writes out stay; of those that match a wildcard what stands for it changes, as there are
//! tenants. Labels that name a kind of service and nobody's host stay, and of others what the judge
//! reads ([`telling`]).

use std::collections::HashSet;
use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::AnonymizeKey;
use crate::Endpoints;
use crate::names::labels::telling;

/// Labels by which programs find services of any domain.
const SERVICE_LABELS: [&str; 13] = [
    "*",
    "autodiscover",
    "lyncdiscover",
    "lyncdiscoverinternal",
    "mail",
    "sip",
    "sipdir",
    "sipexternal",
    "sipfed",
    "sipinternal",
    "sipalt",
    "smtp",
    "www",
];

/// The domain of what is no name of the endpoint list; nobody can have it (RFC 6761 §6.4).
const DOMAIN: &str = ".invalid";

/// Labels that have a pseudonym each; those before them share one.
const LABELS_MAX: usize = 8;

/// Bytes of a hash that are shown: two of a million labels are alike once in 500 sites.
const HASH_LEN: usize = 6;

pub(super) struct Names {
    labels: Hmac<Sha256>,
    endpoints: Endpoints,
    /// Labels that tell nobody from another.
    known: HashSet<String>,
}

impl Names {
    pub(super) fn new(key: &AnonymizeKey, endpoints: &Endpoints) -> Self {
        let listed = endpoints.rows().iter().flat_map(|row| &row.names);
        let listed = listed.flat_map(|name| name.split('.')).filter(|label| !label.contains('*'));
        let known = listed.chain(SERVICE_LABELS).map(str::to_owned).collect();
        Self { labels: key.mac("label"), endpoints: endpoints.clone(), known }
    }

    /// The pseudonym of a name in normal form.
    pub(super) fn pseudonym(&self, name: &str) -> String {
        match self.endpoints.stand_in(name) {
            Some(stand_in) => {
                let (head, rest) = name.split_at(stand_in.start);
                let (middle, tail) = rest.split_at(stand_in.len());
                let middle = self.of_labels(middle, |label| self.known.contains(label));
                format!("{head}{middle}{tail}")
            }
            None => {
                let is_service = |label: &str| SERVICE_LABELS.contains(&label);
                let domain = if name.contains('.') { DOMAIN } else { "" };
                format!("{}{domain}", self.of_labels(name, is_service))
            }
        }
    }

    fn of_labels(&self, labels: &str, stays: impl Fn(&str) -> bool) -> String {
        let mut parts: Vec<String> = labels
            .rsplitn(LABELS_MAX, '.')
            .map(|label| match telling(label) {
                all if all == label || stays(label) => label.to_owned(),
                begins => format!("{begins}n{}", self.hash(label)),
            })
            .collect();
        parts.reverse();
        parts.join(".")
    }

    /// The keyed hash of a text, in hexadecimal.
    pub(super) fn hash(&self, text: &str) -> String {
        let mut mac = self.labels.clone();
        mac.update(text.as_bytes());
        let hash = mac.finalize().into_bytes();
        hash.iter().take(HASH_LEN).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Shows no secret.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

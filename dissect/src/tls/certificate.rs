//! Names in the server's certificate (RFC 5246 §7.4.2, RFC 5280).

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::cursor::Cursor;
use crate::CertificateNames;

/// Names of one certificate that are kept: Microsoft's own carry some sixty.
const NAMES_MAX: usize = 256;
/// Bytes of one name that are kept.
const NAME_BYTES_MAX: usize = 255;

/// The first certificate's DER bytes in a Certificate message of TLS 1.2 and below.
pub(crate) fn leaf(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor(body);
    cursor.u24()?;
    let len = cursor.u24()?;
    cursor.take(len)
}

/// The names in the first certificate of a Certificate message; `None` when there is none or it
/// can't be read.
pub(crate) fn leaf_names(body: &[u8]) -> Option<CertificateNames> {
    let (_, certificate) = X509Certificate::from_der(leaf(body)?).ok()?;
    let mut names = CertificateNames {
        alternative_names: Vec::new(),
        common_name: common_name(certificate.subject()),
        issuer: common_name(certificate.issuer())
            .or_else(|| certificate.issuer().iter_organization().next().and_then(text)),
    };
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        let dns = extension.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(shortened(name)),
            _ => None,
        });
        names.alternative_names = dns.take(NAMES_MAX).collect();
    }
    Some(names)
}

fn common_name(name: &X509Name<'_>) -> Option<Box<str>> {
    name.iter_common_name().last().and_then(text)
}

fn text(value: &x509_parser::x509::AttributeTypeAndValue<'_>) -> Option<Box<str>> {
    value.as_str().ok().map(shortened)
}

fn shortened(name: &str) -> Box<str> {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cut_at_a_character() {
        assert_eq!(shortened("a").as_ref(), "a");
        assert_eq!(shortened(&"x".repeat(256)).len(), 255);
        assert_eq!(shortened(&"ü".repeat(200)).len(), 254);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>) {
            let _ = leaf_names(&body);
        }
    }
}

//! The key of pseudonyms.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Length of a key in bytes: 16 for the cipher and 16 for the padding of Crypto-PAn.
const KEY_LEN: usize = 32;

/// 32 secret bytes. Who has them can undo the pseudonyms of addresses, and try names.
#[derive(Clone, PartialEq, Eq)]
pub struct AnonymizeKey([u8; KEY_LEN]);

/// A key file that holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnonymizeKeyError {
    /// Neither form of a key.
    #[error(
        "a key is 32 bytes, or 64 hexadecimal digits; this file has {found} bytes that are neither; \
         make one with: openssl rand -hex 32 > KEYFILE"
    )]
    Form {
        /// Length of the file in bytes.
        found: usize,
    },
    /// A key of one byte repeated.
    #[error(
        "this key is one byte repeated, which protects nothing; make one with: \
         openssl rand -hex 32 > KEYFILE"
    )]
    Weak,
}

impl AnonymizeKey {
    /// The most bytes that a key file needs: digits, and blanks around them.
    pub const FILE_LEN_MAX: u64 = 1024;

    /// Reads what is in a key file: 32 bytes, or 64 hexadecimal digits with blanks around them.
    ///
    /// # Errors
    ///
    /// When it is neither, and when all bytes are the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnonymizeKeyError> {
        let found = bytes.len();
        let key = bytes
            .try_into()
            .ok()
            .or_else(|| from_hex(bytes.trim_ascii()))
            .ok_or(AnonymizeKeyError::Form { found })?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(AnonymizeKeyError::Weak);
        }
        Ok(Self(key))
    }

    /// What tells runs of one key from those of another, and gives nothing away: eight hexadecimal
    /// digits.
    #[must_use]
    pub fn mark(&self) -> String {
        let mut mac = self.mac("mark");
        mac.update(b"tlsunset");
        mac.finalize().into_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A keyed hash for one purpose.
    pub(super) fn mac(&self, purpose: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        // No text has a NUL, so that no purpose and text are another purpose and text.
        mac.update(&[0]);
        mac
    }

    /// The key of the cipher and the source of the padding.
    pub(super) fn halves(&self) -> ([u8; KEY_LEN / 2], [u8; KEY_LEN / 2]) {
        let (cipher, padding) = self.0.split_at(KEY_LEN / 2);
        let half = |bytes: &[u8]| bytes.try_into().expect("half a key has 16 bytes");
        (half(cipher), half(padding))
    }
}

/// Shows no secret.
impl fmt::Debug for AnonymizeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnonymizeKey({})", self.mark())
    }
}

fn from_hex(digits: &[u8]) -> Option<[u8; KEY_LEN]> {
    let digits: Vec<u8> = digits
        .iter()
        .map(|digit| char::from(*digit).to_digit(16)?.try_into().ok())
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

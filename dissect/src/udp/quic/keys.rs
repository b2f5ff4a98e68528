//! Keys of Initial packets and what they open (RFC 9001 §5, RFC 9369 §3.3).
//!
//! They come from the client's first destination identifier and constants of the version, so that
//! they are no secret; the tag still proves that the packet was made with them.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use super::packet::{ConnectionId, Dialect, Initial};
use crate::Side;

/// Length of the tag of AES-128-GCM.
const TAG_LEN: usize = 16;
/// The sample begins this far behind the packet number's start (RFC 9001 §5.4.2).
const SAMPLE_OFFSET: usize = 4;
/// Length of the sample.
const SAMPLE_LEN: usize = 16;

/// Salts of the initial secret: RFC 9001 §5.2 and its drafts, RFC 9369 §3.3.1.
const SALT_DRAFT_22: [u8; 20] = [
    0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd,
    0x7a, 0x02, 0x64, 0x4a,
];
const SALT_DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65,
    0xbe, 0xf9, 0xf5, 0x02,
];
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
    0x43, 0x90, 0xa8, 0x99,
];
const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];

/// The keys of a connection's Initial packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) dialect: Dialect,
    /// What they were derived from.
    pub(super) destination: ConnectionId,
    client: DirectionKeys,
    server: DirectionKeys,
}

/// The keys of one direction. Key schedules are made when needed: they are ten times as large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectionKeys {
    pub(super) key: [u8; 16],
    pub(super) iv: [u8; 12],
    pub(super) header: [u8; 16],
}

impl Keys {
    /// The keys that follow from the destination identifier of the client's first Initial.
    pub(super) fn derive(dialect: Dialect, destination: ConnectionId) -> Self {
        let salt = match dialect {
            Dialect::Draft22 => &SALT_DRAFT_22,
            Dialect::Draft23 => &SALT_DRAFT_23,
            Dialect::Draft29 => &SALT_DRAFT_29,
            Dialect::V1 => &SALT_V1,
            Dialect::V2 => &SALT_V2,
        };
        let initial = Hkdf::<Sha256>::new(Some(salt), destination.as_slice());
        let direction = |label| DirectionKeys::derive(dialect, &expand::<32>(&initial, label));
        let (client, server) = (direction("client in"), direction("server in"));
        Self { dialect, destination, client, server }
    }

    /// The keys of what one side sends.
    pub(super) const fn of(&self, sender: Side) -> &DirectionKeys {
        match sender {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

impl DirectionKeys {
    fn derive(dialect: Dialect, secret: &[u8; 32]) -> Self {
        let labels = match dialect {
            Dialect::V2 => ["quicv2 key", "quicv2 iv", "quicv2 hp"],
            _ => ["quic key", "quic iv", "quic hp"],
        };
        let secret = Hkdf::<Sha256>::from_prk(secret).expect("a secret as long as the hash");
        Self {
            key: expand(&secret, labels[0]),
            iv: expand(&secret, labels[1]),
            header: expand(&secret, labels[2]),
        }
    }

    /// The frames in a packet; `None` when it was not made with these keys.
    pub(super) fn open(&self, packet: &Initial<'_>) -> Option<Vec<u8>> {
        let (header, number) = self.unprotect_header(packet)?;
        let sealed = packet.bytes.get(header.len()..)?;
        let (body, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let mut frames = body.to_vec();
        let cipher = Aes128Gcm::new(&self.key.into());
        let nonce = Nonce::from(self.nonce(number));
        let tag = Tag::from(*tag);
        cipher
            .decrypt_inout_detached(&nonce, &header, frames.as_mut_slice().into(), &tag)
            .is_ok()
            .then_some(frames)
    }

    /// The frames in what the snap length left of a packet, whose tag is cut off: only worth
    /// anything when what comes out proves itself.
    pub(super) fn peek(&self, packet: &Initial<'_>) -> Option<Vec<u8>> {
        let (header, number) = self.unprotect_header(packet)?;
        let end = packet.bytes.len().min((packet.bytes.len() + packet.cut).checked_sub(TAG_LEN)?);
        let mut frames = packet.bytes.get(header.len()..end)?.to_vec();
        let cipher = Aes128::new(&self.key.into());
        // Counter 1 makes the tag, text begins with 2 (NIST SP 800-38D §7.1).
        for (counter, block) in (2u32..).zip(frames.chunks_mut(16)) {
            let mut stream = [0; 16];
            let (nonce, count) = stream.split_at_mut(12);
            nonce.copy_from_slice(&self.nonce(number));
            count.copy_from_slice(&counter.to_be_bytes());
            let mut stream = stream.into();
            cipher.encrypt_block(&mut stream);
            block.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        }
        Some(frames)
    }

    /// The header without protection, packet number included, and the number (RFC 9001 §5.4.1).
    ///
    /// The number's missing high bits are zero: numbers begin at zero, and a handshake does not
    /// take 256 packets.
    fn unprotect_header(&self, packet: &Initial<'_>) -> Option<(Vec<u8>, u32)> {
        let at = packet.number_at + SAMPLE_OFFSET;
        let sample: [u8; SAMPLE_LEN] = *packet.bytes.get(at..)?.first_chunk()?;
        let mut mask = sample.into();
        Aes128::new(&self.header.into()).encrypt_block(&mut mask);
        let (&first_mask, number_mask) = mask.split_first()?;
        let first = *packet.bytes.first()? ^ (first_mask & 0x0f);
        let number_len = usize::from(first & 3) + 1;
        let mut header = packet.bytes.get(..packet.number_at + number_len)?.to_vec();
        *header.first_mut()? = first;
        let mut number = 0;
        for (byte, key) in header.get_mut(packet.number_at..)?.iter_mut().zip(number_mask) {
            *byte ^= key;
            number = number << 8 | u32::from(*byte);
        }
        Some((header, number))
    }

    /// The nonce of a packet (RFC 9001 §5.3).
    fn nonce(&self, number: u32) -> [u8; 12] {
        let mut nonce = self.iv;
        let tail = nonce.iter_mut().rev().zip(number.to_le_bytes());
        tail.for_each(|(byte, number)| *byte ^= number);
        nonce
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
fn expand<const LEN: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; LEN] {
    const PREFIX: &[u8] = b"tls13 ";
    // All lengths are of the constants above, and below 256.
    let low_byte = |len: usize| len.to_le_bytes()[0];
    let lengths = [0, low_byte(LEN), low_byte(PREFIX.len() + label.len())];
    let mut out = [0; LEN];
    secret
        .expand_multi_info(&[&lengths, PREFIX, label.as_bytes(), &[0]], &mut out)
        .expect("at most 32 bytes, one block of the 255 that there are");
    out
}

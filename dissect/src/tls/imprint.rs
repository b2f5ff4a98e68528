//! Tells a ClientHello whose offer is known from its bytes alone.
//!
//! Of a program's hellos only random, session, names and key shares differ. The rest, put behind
//! one another, is its imprint: equal imprints make equal offers, so that an offer is read, checked
//! and fingerprinted once, however often it is made. Invariant: an imprint is taken of hellos only
//! that are sound to the last extension, and holds every byte that an [`Offer`](crate::Offer) is
//! made of, with its length.

use super::client_hello::{EXTENSIONS_MAX, extension, plausible, server_name};
use super::cursor::Cursor;

/// A longer imprint is no program's: the largest browsers have some 200 bytes.
const IMPRINT_LEN_MAX: usize = 1024;
/// The longest session id (RFC 5246 §7.4.1.2).
const SESSION_ID_LEN_MAX: usize = 32;

/// What differs between the hellos of one program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Face<'a> {
    pub(super) random: &'a [u8; 32],
    pub(super) session_id_len: u8,
    pub(super) offers_ticket: bool,
    /// The content of the last `server_name`.
    name: Option<Cursor<'a>>,
}

impl<'a> Face<'a> {
    /// Reads a whole message body, and puts its imprint in place of what `imprint` holds; `None`
    /// for a hello that has to be read field by field.
    pub(super) fn read(body: &'a [u8], imprint: &mut Draft) -> Option<Self> {
        imprint.len = 0;
        let mut cursor = Cursor(body);
        let version = cursor.u16().filter(|version| plausible(*version))?;
        let random = cursor.take(32)?.first_chunk()?;
        let session_id = cursor.vec8().filter(|id| id.0.len() <= SESSION_ID_LEN_MAX)?;
        let suites = cursor.vec16().filter(|suites| suites.0.len().is_multiple_of(2))?;
        let methods = cursor.vec8()?;
        imprint.number(version)?;
        imprint.content(suites.0)?;
        imprint.content(methods.0)?;
        let mut face = Self {
            random,
            session_id_len: u8::try_from(session_id.0.len()).ok()?,
            offers_ticket: false,
            name: None,
        };
        // A hello without extensions ends here, and one without any of them does not.
        imprint.number(u16::from(cursor.is_empty()))?;
        if !cursor.is_empty() {
            let mut block = cursor.vec16()?;
            let mut count = 0;
            while !block.is_empty() {
                let (number, content) = (block.u16()?, block.vec16()?);
                imprint.number(number)?;
                face.extension(number, content, imprint)?;
                count += 1;
            }
            if count > EXTENSIONS_MAX {
                return None;
            }
        }
        Some(face)
    }

    #[inline]
    fn extension(&mut self, number: u16, content: Cursor<'a>, imprint: &mut Draft) -> Option<()> {
        match number {
            extension::SERVER_NAME => self.name = Some(content),
            extension::SUPPORTED_GROUPS
            | extension::EC_POINT_FORMATS
            | extension::SIGNATURE_ALGORITHMS
            | extension::ALPN
            | extension::SUPPORTED_VERSIONS => imprint.content(content.0)?,
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => put_groups(imprint, content)?,
            extension::SESSION_TICKET => self.offers_ticket |= !content.is_empty(),
            extension::PRE_SHARED_KEY => self.offers_ticket = true,
            _ => {}
        }
        Some(())
    }

    /// The bytes of the name asked for.
    pub(super) fn server_name(&self) -> Option<&'a [u8]> {
        self.name.and_then(server_name)
    }
}

/// An imprint that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    bytes: Box<[u8; IMPRINT_LEN_MAX]>,
    len: usize,
}

impl Default for Draft {
    fn default() -> Self {
        Self { bytes: Box::new([0; IMPRINT_LEN_MAX]), len: 0 }
    }
}

impl Draft {
    /// What was put together.
    pub(super) fn imprint(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Adds a number; `None` when the imprint is full.
    #[inline]
    fn number(&mut self, number: u16) -> Option<()> {
        *self.bytes.get_mut(self.len..)?.first_chunk_mut()? = number.to_be_bytes();
        self.len += 2;
        Some(())
    }

    /// Adds bytes with their length.
    #[inline]
    fn content(&mut self, bytes: &[u8]) -> Option<()> {
        self.number(u16::try_from(bytes.len()).ok()?)?;
        self.bytes.get_mut(self.len..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }
}

/// Adds the groups of key shares with their count.
fn put_groups(imprint: &mut Draft, mut content: Cursor<'_>) -> Option<()> {
    let mut shares = content.vec16()?;
    let at = imprint.len;
    imprint.number(0)?;
    let mut count = 0_u16;
    while !shares.is_empty() {
        imprint.number(shares.u16()?)?;
        shares.vec16()?;
        count += 1;
    }
    imprint.bytes.get_mut(at..at + 2)?.copy_from_slice(&count.to_be_bytes());
    Some(())
}

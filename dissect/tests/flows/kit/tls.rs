//! The bytes of SSL and TLS messages.

use super::certificate;

/// What a client says first.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    /// Version of the record around it.
    pub(crate) record_version: u16,
    /// `legacy_version`.
    pub(crate) version: u16,
    /// Every byte of `random`.
    pub(crate) random: u8,
    pub(crate) session_id: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    /// Extensions in the order sent; no block at all when `None`.
    pub(crate) extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Hello {
    /// A usual client whose highest version is this one.
    pub(crate) fn up_to(version: u16) -> Self {
        let name = b"\x00\x12\x00\x00\x0fsip.contoso.com".to_vec();
        let groups = vec![0, 4, 0, 29, 0, 23];
        let mut extensions = vec![(0, name), (10, groups), (11, vec![1, 0])];
        let mut suites = vec![0xc013, 0x002f, 0x000a];
        if version >= 0x0303 {
            suites.splice(0..0, [0xc02f, 0xc030]);
            extensions.push((13, vec![0, 4, 4, 3, 4, 1]));
        }
        if version >= 0x0304 {
            suites.splice(0..0, [0x1301, 0x1302]);
            extensions.push((43, [vec![4], be16(version), vec![3, 3]].concat()));
            let share = [vec![0, 36, 0, 29, 0, 32], vec![9; 32]].concat();
            extensions.push((51, share));
        }
        Self {
            record_version: if version == 0x0300 { 0x0300 } else { 0x0301 },
            version: version.min(0x0303),
            random: 7,
            session_id: if version >= 0x0304 { vec![8; 32] } else { Vec::new() },
            suites,
            extensions: (version > 0x0300).then_some(extensions),
        }
    }

    pub(crate) fn random(mut self, byte: u8) -> Self {
        self.random = byte;
        self
    }

    pub(crate) fn session(mut self, id: &[u8]) -> Self {
        self.session_id = id.to_vec();
        self
    }

    pub(crate) fn with(mut self, number: u16, content: &[u8]) -> Self {
        self.extensions.get_or_insert_default().push((number, content.to_vec()));
        self
    }

    /// The message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = be16(self.version);
        body.extend([self.random; 32]);
        body.extend(vec8(&self.session_id));
        body.extend(vec16(&self.suites.iter().flat_map(|suite| be16(*suite)).collect::<Vec<_>>()));
        body.extend([1, 0]);
        body.extend(self.extensions.iter().flat_map(|list| block(list)));
        message(1, &body)
    }

    /// The message in one record.
    pub(crate) fn record(&self) -> Vec<u8> {
        record(22, self.record_version, &self.message())
    }
}

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suite: u16,
    pub(crate) extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Reply {
    /// A ServerHello that selects this version; drafts of TLS 1.3 and experiments as they number
    /// themselves.
    pub(crate) fn of(version: u16) -> Self {
        let is_13 = version >= 0x0304;
        let share = [vec![0, 29, 0, 32], vec![6; 32]].concat();
        let extensions = if is_13 { vec![(51, share), (43, be16(version))] } else { Vec::new() };
        Self {
            version: version.min(0x0303),
            random: [5; 32],
            session_id: vec![if is_13 { 8 } else { 4 }; 32],
            suite: match version {
                ..=0x0302 => 0x002f,
                0x0303 => 0xc02f,
                _ => 0x1301,
            },
            extensions: (version > 0x0300).then_some(extensions),
        }
    }

    pub(crate) fn session(mut self, id: &[u8]) -> Self {
        self.session_id = id.to_vec();
        self
    }

    pub(crate) fn with(mut self, number: u16, content: &[u8]) -> Self {
        self.extensions.get_or_insert_default().push((number, content.to_vec()));
        self
    }

    /// The message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = be16(self.version);
        body.extend(self.random);
        body.extend(vec8(&self.session_id));
        body.extend(be16(self.suite));
        body.push(0);
        body.extend(self.extensions.iter().filter(|l| !l.is_empty()).flat_map(|list| block(list)));
        message(2, &body)
    }

    /// The message in one record.
    pub(crate) fn record(&self) -> Vec<u8> {
        record(22, self.version, &self.message())
    }
}

/// A HelloRetryRequest.
pub(crate) fn retry() -> Reply {
    const NAME_HASH: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ];
    let mut reply = Reply::of(0x0304);
    reply.random = NAME_HASH;
    reply.extensions = Some(vec![(43, be16(0x0304)), (51, be16(23))]);
    reply
}

/// ServerHello, Certificate, ServerKeyExchange where the suite has one, and ServerHelloDone, each
/// in a record of its own.
pub(crate) fn server_flight(reply: &Reply) -> Vec<u8> {
    let version = reply.version;
    let certificate = certificate::der();
    let chain = vec24(&vec24(&certificate));
    let mut flight = reply.record();
    flight.extend(handshake(version, 11, &chain));
    if reply.suite >= 0xc000 {
        let key = [vec![3, 0, 23, 65], vec![4; 65], vec![4, 1, 1, 0], vec![0xee; 256]].concat();
        flight.extend(handshake(version, 12, &key));
    }
    flight.extend(handshake(version, 14, b""));
    flight
}

/// A ClientKeyExchange.
pub(crate) fn client_key_exchange(version: u16) -> Vec<u8> {
    handshake(version, 16, &[0xcc; 66])
}

/// A ChangeCipherSpec.
pub(crate) fn change_cipher_spec(version: u16) -> Vec<u8> {
    record(20, version, &[1])
}

/// An encrypted Finished of TLS 1.2 and below.
pub(crate) fn finished(version: u16) -> Vec<u8> {
    record(22, version, &[0xf1; 40])
}

/// An encrypted record with this many bytes.
pub(crate) fn data(version: u16, len: usize) -> Vec<u8> {
    record(23, version.min(0x0303), &vec![0xda; len])
}

/// A fatal alert in the clear.
pub(crate) fn alert(version: u16, description: u8) -> Vec<u8> {
    alert_record(version, 2, description)
}

/// An alert in the clear.
pub(crate) fn alert_record(version: u16, level: u8, description: u8) -> Vec<u8> {
    record(21, version, &[level, description])
}

/// One message in one record.
pub(crate) fn handshake(version: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, version, &message(kind, body))
}

/// A handshake message.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [vec![kind], vec24(body)].concat()
}

/// A record.
pub(crate) fn record(kind: u8, version: u16, fragment: &[u8]) -> Vec<u8> {
    [vec![kind], be16(version), vec16(fragment)].concat()
}

/// A CLIENT-HELLO of SSL 2.0 that asks for this version.
pub(crate) fn sslv2_hello(version: u16, specs: &[u32], challenge: &[u8]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend(be16(version));
    body.extend(be16(len16(specs.len() * 3)));
    body.extend([0, 0]);
    body.extend(be16(len16(challenge.len())));
    body.extend(specs.iter().flat_map(|spec| spec.to_be_bytes()[1..].to_vec()));
    body.extend(challenge);
    [be16(0x8000 | len16(body.len())), body].concat()
}

/// A SERVER-HELLO of SSL 2.0.
pub(crate) fn sslv2_server_hello() -> Vec<u8> {
    let certificate = certificate::der();
    let mut body = vec![4, 0, 1, 0, 2];
    body.extend(be16(len16(certificate.len())));
    body.extend([0, 3, 0, 16]);
    body.extend(certificate);
    body.extend([1, 0, 0x80]);
    body.extend([0xcd; 16]);
    [be16(0x8000 | len16(body.len())), body].concat()
}

fn block(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let each = extensions.iter().flat_map(|(number, content)| [be16(*number), vec16(content)]);
    vec16(&each.flatten().collect::<Vec<_>>())
}

fn be16(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap()
}

fn vec8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn vec16(bytes: &[u8]) -> Vec<u8> {
    [&len16(bytes.len()).to_be_bytes(), bytes].concat()
}

fn vec24(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..], bytes].concat()
}

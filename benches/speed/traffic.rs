//! Captures made up for measuring: TLS connections of several shapes, equal in every run.

use std::net::Ipv4Addr;

/// Payload of a full segment.
const SEGMENT_LEN: usize = 1460;

/// Numbers that look random and are the same each time (xorshift, Marsaglia 2003).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll().to_le_bytes()[3]).collect()
    }
}

/// A pcap file in memory.
pub(crate) struct Wire {
    pub(crate) pcap: Vec<u8>,
    pub(crate) frames: usize,
    micros: u64,
}

impl Wire {
    pub(crate) fn new() -> Self {
        const HEADER: [u8; 24] =
            [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
        Self { pcap: HEADER.to_vec(), frames: 0, micros: 1_700_000_000_000_000 }
    }

    pub(crate) fn frame(&mut self, segment: &Segment) {
        let Segment { source, target, seq, flags, payload } = segment;
        let len = 54 + payload.len();
        self.micros += 12;
        let (sec, sub) = (self.micros / 1_000_000, self.micros % 1_000_000);
        for word in [sec, sub, len as u64, len as u64] {
            self.pcap.extend((word as u32).to_le_bytes());
        }
        self.pcap.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        self.pcap.extend([0x45, 0]);
        self.pcap.extend((len as u16 - 14).to_be_bytes());
        self.pcap.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        self.pcap.extend(source.0.octets());
        self.pcap.extend(target.0.octets());
        self.pcap.extend(source.1.to_be_bytes());
        self.pcap.extend(target.1.to_be_bytes());
        self.pcap.extend(seq.to_be_bytes());
        self.pcap.extend([0, 0, 0, 0, 0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.pcap.extend(payload);
        self.frames += 1;
    }
}

/// A TCP segment.
pub(crate) struct Segment {
    source: (Ipv4Addr, u16),
    target: (Ipv4Addr, u16),
    seq: u32,
    flags: u8,
    payload: Vec<u8>,
}

/// A connection between a client inside and a server at Office 365.
pub(crate) struct Connection {
    ends: [(Ipv4Addr, u16); 2],
    next: [u32; 2],
}

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

impl Connection {
    pub(crate) fn new(number: u32, dice: &mut Dice) -> Self {
        let client = Ipv4Addr::from_bits(0x0a00_0100 + number % 5000);
        let server = Ipv4Addr::from_bits(0x3460_0000 + (dice.roll() % 2000) as u32);
        let port = 1024 + (number / 5000 * 37 + number * 7) % 64_000;
        let next = [dice.roll() as u32, dice.roll() as u32];
        Self { ends: [(client, port as u16), (server, 443)], next }
    }

    fn segment(&self, from: usize, flags: u8, payload: &[u8]) -> Segment {
        let (source, target) = (self.ends[from], self.ends[1 - from]);
        Segment { source, target, seq: self.next[from], flags, payload: payload.to_vec() }
    }

    /// The three packets that open a connection.
    pub(crate) fn open(&mut self) -> Vec<Segment> {
        let syn = self.segment(CLIENT, 0x02, &[]);
        let answer = self.segment(SERVER, 0x12, &[]);
        self.next = self.next.map(|next| next.wrapping_add(1));
        vec![syn, answer, self.segment(CLIENT, 0x10, &[])]
    }

    /// One side's bytes in full segments.
    pub(crate) fn say(&mut self, from: usize, bytes: &[u8]) -> Vec<Segment> {
        let mut segments = Vec::new();
        for part in bytes.chunks(SEGMENT_LEN) {
            segments.push(self.segment(from, 0x18, part));
            self.next[from] = self.next[from].wrapping_add(part.len() as u32);
        }
        segments
    }

    /// A whole handshake of TLS 1.2, in the order it is sent.
    pub(crate) fn handshake(&mut self, hello: &[u8], dice: &mut Dice) -> Vec<Segment> {
        const FINISHED: [u8; 51] = {
            let mut bytes = [0xa5; 51];
            let head = *b"\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x28";
            let mut at = 0;
            while at < head.len() {
                bytes[at] = head[at];
                at += 1;
            }
            bytes
        };
        let mut segments = self.open();
        segments.extend(self.say(CLIENT, hello));
        segments.extend(self.say(SERVER, &server_flight(dice)));
        let key_exchange = record(22, &message(16, &dice.bytes(66)));
        segments.extend(self.say(CLIENT, &[&key_exchange[..], &FINISHED].concat()));
        segments.extend(self.say(SERVER, &FINISHED));
        segments
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 1];
    bytes.extend((content.len() as u16).to_be_bytes());
    bytes.extend(content);
    bytes
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    let len = content.len() as u16;
    [&number.to_be_bytes()[..], &len.to_be_bytes(), content].concat()
}

fn list16(values: &[u16]) -> Vec<u8> {
    let mut bytes = (values.len() as u16 * 2).to_be_bytes().to_vec();
    values.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
    bytes
}

fn server_name(number: u32) -> Vec<u8> {
    let name = format!("t{:06}.outlook.office365.com", number % 1_000_000);
    let len = name.len() as u16;
    let lens = [(len + 3).to_be_bytes(), [0, (len >> 8) as u8]];
    extension(0, &[&lens.concat()[..], &[len as u8], name.as_bytes()].concat())
}

fn client_hello(version: u16, suites: &[u16], extensions: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend(dice.bytes(32));
    body.push(32);
    body.extend(dice.bytes(32));
    body.extend(list16(suites));
    body.extend([1, 0]);
    let block = extensions.concat();
    body.extend((block.len() as u16).to_be_bytes());
    body.extend(block);
    record(22, &message(1, &body))
}

/// What a program of TLS 1.0 sends: some 160 bytes.
pub(crate) fn old_hello(number: u32, dice: &mut Dice) -> Vec<u8> {
    const SUITES: [u16; 9] =
        [0xc014, 0xc013, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a, 0x0005, 0x00ff];
    let extensions = [
        server_name(number),
        extension(10, &list16(&[23, 24, 25])),
        extension(11, &[1, 0]),
        extension(35, &[]),
    ];
    client_hello(0x0301, &SUITES, &extensions, dice)
}

/// What a browser with a post-quantum key share sends: 1.7 KB, two segments.
pub(crate) fn large_hello(number: u32, dice: &mut Dice) -> Vec<u8> {
    const SUITES: [u16; 16] = [
        0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
        0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ];
    const SHARE_LEN: u16 = 1216;
    let mut shares = vec![0, 0, 0x11, 0xec];
    shares.extend(SHARE_LEN.to_be_bytes());
    shares.extend(dice.bytes(SHARE_LEN.into()));
    shares.extend([0, 29, 0, 32]);
    shares.extend(dice.bytes(32));
    let len = (shares.len() as u16 - 2).to_be_bytes();
    shares[..2].copy_from_slice(&len);
    let extensions = [
        extension(0x1a1a, &[]),
        server_name(number),
        extension(23, &[]),
        extension(0xff01, &[0]),
        extension(10, &list16(&[0x1a1a, 0x11ec, 29, 23, 24])),
        extension(11, &[1, 0]),
        extension(35, &[]),
        extension(16, b"\x00\x0c\x02h2\x08http/1.1"),
        extension(5, &[1, 0, 0, 0, 0]),
        extension(13, &list16(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601])),
        extension(51, &shares),
        extension(45, &[1, 1]),
        extension(43, &[6, 0x2a, 0x2a, 3, 4, 3, 3]),
        extension(0xfe0d, &dice.bytes(186)),
    ];
    client_hello(0x0303, &SUITES, &extensions, dice)
}

/// ServerHello, a certificate chain of 3 KB, ServerKeyExchange and ServerHelloDone.
fn server_flight(dice: &mut Dice) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend(dice.bytes(32));
    hello.extend([0, 0xc0, 0x2f, 0, 0, 5, 0xff, 1, 0, 1, 0]);
    let chain = dice.bytes(3000);
    let mut key = vec![3, 0, 23, 65];
    key.extend(dice.bytes(65 + 260));
    [(2, hello), (11, chain), (12, key), (14, Vec::new())]
        .map(|(kind, body)| record(22, &message(kind, &body)))
        .concat()
}

/// A record of application data.
pub(crate) fn application_data(len: usize, dice: &mut Dice) -> Vec<u8> {
    record(23, &dice.bytes(len))
}

/// The shape of a capture.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    InOrder,
    /// Each pair of neighbours with payload swapped.
    Swapped,
}

/// Handshakes, one after the other; every other one with a large hello.
pub(crate) fn handshakes(count: u32, order: Order) -> Wire {
    let (mut wire, mut dice) = (Wire::new(), Dice::new(3));
    for number in 0..count {
        let hello = match number % 2 {
            0 => old_hello(number, &mut dice),
            _ => large_hello(number, &mut dice),
        };
        let mut connection = Connection::new(number, &mut dice);
        let mut segments = connection.handshake(&hello, &mut dice);
        if matches!(order, Order::Swapped) {
            segments[3..].chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        }
        segments.iter().for_each(|segment| wire.frame(segment));
    }
    wire
}

/// Connections that are opened and say their hello, nothing else.
pub(crate) fn hellos(count: u32, hello: fn(u32, &mut Dice) -> Vec<u8>) -> Wire {
    let (mut wire, mut dice) = (Wire::new(), Dice::new(4));
    for number in 0..count {
        let mut connection = Connection::new(number, &mut dice);
        let mut segments = connection.open();
        segments.extend(connection.say(CLIENT, &hello(number, &mut dice)));
        segments.iter().for_each(|segment| wire.frame(segment));
    }
    wire
}

/// SYNs from everywhere.
pub(crate) fn syns(count: u32) -> Wire {
    let (mut wire, mut dice) = (Wire::new(), Dice::new(5));
    for _ in 0..count {
        let source = (Ipv4Addr::from_bits(dice.roll() as u32), dice.roll() as u16);
        let target = (Ipv4Addr::new(192, 168, 0, dice.roll() as u8), 443);
        let seq = dice.roll() as u32;
        wire.frame(&Segment { source, target, seq, flags: 2, payload: Vec::new() });
    }
    wire
}

/// Handshakes, then application data on all connections by turns: the handshakes' frames and
/// those of the data apart.
pub(crate) fn bulk(connections: u32, rounds: u32) -> [Wire; 2] {
    let (mut handshakes, mut data, mut dice) = (Wire::new(), Wire::new(), Dice::new(6));
    let mut open = Vec::new();
    for number in 0..connections {
        let mut connection = Connection::new(number, &mut dice);
        let hello = old_hello(number, &mut dice);
        let segments = connection.handshake(&hello, &mut dice);
        segments.iter().for_each(|segment| handshakes.frame(segment));
        open.push(connection);
    }
    let record = application_data(8 << 10, &mut dice);
    for round in 0..rounds {
        let from = if round % 5 == 0 { CLIENT } else { SERVER };
        for connection in &mut open {
            connection.say(from, &record).iter().for_each(|segment| data.frame(segment));
        }
    }
    [handshakes, data]
}

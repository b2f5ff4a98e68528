//! Writes a capture of any number of connections to standard output, all open at the same time:
//! what is too large to be kept. Equal arguments give equal bytes.
//!
//!     crowd CONNECTIONS [EVERY [SYNS]]
//!
//! Each connection is dialled and answered. One of EVERY (1) is a TLS 1.2 handshake up to the
//! Finished messages, with an old or a newer hello; the others say a line of HTTP. SYNs from
//! everywhere come between, so many for each connection.

use std::io::{BufWriter, Stdout, Write};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let connections: u32 = numbers.next().expect("usage: crowd CONNECTIONS [EVERY [SYNS]]");
    let (every, syns) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(0));
    let mut wire =
        Wire { out: BufWriter::with_capacity(1 << 20, std::io::stdout()), micros: 0, dice: 88 };
    let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1];
    wire.put(&header.map(u32::to_le_bytes).concat());
    for number in 0..connections {
        for _ in 0..syns {
            let (addr, port) = (wire.roll(), low(wire.roll()));
            wire.segment([(addr, port), (0x3460_0009, 443)], [number, 0], SYN, &[]);
        }
        connection(&mut wire, number, number.is_multiple_of(every));
    }
    wire.out.flush().expect("somebody reads");
}

fn connection(wire: &mut Wire, number: u32, is_tls: bool) {
    // 250 ports for each of the clients, so that there are as many connections as are wanted.
    let client = (0x0a00_0000 + number / 250, 20_000 + low(number % 250));
    let server = (0x3460_0000 + number % 1_000, 443);
    let (up, down) = ([client, server], [server, client]);
    let (mut sent, mut answered) = (wire.roll(), wire.roll());
    wire.segment(up, [sent, 0], SYN, &[]);
    sent = sent.wrapping_add(1);
    wire.segment(down, [answered, sent], SYN | ACK, &[]);
    answered = answered.wrapping_add(1);
    if !is_tls {
        return wire.segment(up, [sent, answered], ACK, b"GET / HTTP/1.1\r\n\r\n");
    }
    let finished = [&[20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 40][..], &[0xa5; 40]].concat();
    let hello = client_hello(wire, number);
    wire.segment(up, [sent, answered], ACK, &hello);
    sent = sent.wrapping_add(len_u32(&hello));
    let answer = [server_hello(wire, number), finished.clone()].concat();
    wire.segment(down, [answered, sent], ACK, &answer);
    answered = answered.wrapping_add(len_u32(&answer));
    wire.segment(up, [sent, answered], ACK, &finished);
}

fn client_hello(wire: &mut Wire, number: u32) -> Vec<u8> {
    let version = if number.is_multiple_of(8) { 1 } else { 3 };
    let mut body = vec![3, version];
    body.extend((0..8).flat_map(|_| wire.roll().to_le_bytes()));
    body.extend([0, 0, 8, 0xc0, 0x2f, 0xc0, 0x14, 0, 0x35, 0, 0x2f, 1, 0]);
    let name = format!("t{number:08}.outlook.office365.com");
    let len = len_u8(name.as_bytes());
    let mut block = vec![0, 0, 0, len + 5, 0, len + 3, 0, 0, len];
    block.extend(name.bytes());
    block.extend([0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 1]);
    body.extend([0, len_u8(&block)]);
    body.extend(block);
    record(1, &body)
}

fn server_hello(wire: &mut Wire, number: u32) -> Vec<u8> {
    let mut body = vec![3, if number.is_multiple_of(8) { 1 } else { 3 }];
    body.extend((0..8).flat_map(|_| wire.roll().to_le_bytes()));
    body.extend(if number.is_multiple_of(8) { [0, 0xc0, 0x14, 0] } else { [0, 0xc0, 0x2f, 0] });
    record(2, &body)
}

/// A handshake message in a record of its own; both are short.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = len_u8(body);
    [&[22, 3, 1, 0, len + 4, kind, 0, 0, len], body].concat()
}

/// The lower half of a number.
fn low(number: u32) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or_default()
}

fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a short text")
}

fn len_u8(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("a short text")
}

struct Wire {
    out: BufWriter<Stdout>,
    micros: u32,
    dice: u64,
}

impl Wire {
    /// Numbers that look random (xorshift, Marsaglia 2003).
    fn roll(&mut self) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        u32::try_from(self.dice >> 16 & 0xffff_ffff).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).expect("somebody reads");
    }

    fn segment(&mut self, ends: [(u32, u16); 2], seq_ack: [u32; 2], flags: u8, payload: &[u8]) {
        self.micros += 1;
        let len = 54 + len_u32(payload);
        let (second, micro) = (1_700_000_000 + self.micros / 1_000_000, self.micros % 1_000_000);
        self.put(&[second, micro, len, len].map(u32::to_le_bytes).concat());
        self.put(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0]);
        self.put(&low(len - 14).to_be_bytes());
        self.put(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        self.put(&ends.map(|(addr, _)| addr.to_be_bytes()).concat());
        self.put(&ends.map(|(_, port)| port.to_be_bytes()).concat());
        self.put(&seq_ack.map(u32::to_be_bytes).concat());
        self.put(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.put(payload);
    }
}

//! Several sockets that share the frames of an interface (packet(7), `PACKET_FANOUT`).
//!
//! Which socket gets a frame is told by a classic BPF program: the rule of [`Pairing`] for the
//! outermost addresses. The kernel's own hash is secret, so nobody could tell where the packets in
//! a tunnel belong; and it puts fragments together only by losing those that stay alone, uncounted.
//! A frame that the program can't follow goes to the first socket.
#![expect(unsafe_code, reason = "calls of the C library that have no safe form")]

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use dissect::Pairing;
use pcap::{Active, Capture};

use super::system::{check, socklen};

/// Whether sockets can share an interface here.
pub(super) const CAN_SHARE: bool = true;

/// Lets the sockets share what their interface delivers, the first one getting the share of
/// reader 0. They can't be bound anew afterwards.
pub(super) fn share(handles: &[Capture<Active>], pairing: &Pairing) -> io::Result<()> {
    let by_program = libc::PACKET_FANOUT_CBPF << 16;
    // The kernel finds a number that no other group of any process has.
    let mut group = by_program | libc::PACKET_FANOUT_FLAG_UNIQUEID << 16;
    for handle in handles {
        let socket = handle.as_raw_fd();
        set(socket, libc::PACKET_FANOUT, &group)?;
        group = by_program | number_of(socket)?;
    }
    let Some(first) = handles.first() else { return Ok(()) };
    let mut program = program(pairing);
    let len = libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?;
    // The kernel copies the program, which outlives the call.
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    set(first.as_raw_fd(), libc::PACKET_FANOUT_DATA, &program)
}

/// Takes a socket off its interface: it gets nothing until it is bound anew.
pub(super) fn unhook(handle: &Capture<Active>) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is plain data, of which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    // Protocol 0 is none; the interface stays as it is.
    // SAFETY: the pointer and the length are those of `address`, which outlives the call.
    let status = unsafe {
        libc::bind(handle.as_raw_fd(), (&raw const address).cast(), socklen::<libc::sockaddr_ll>())
    };
    check(status)
}

/// The number of the group that a socket is in.
fn number_of(socket: RawFd) -> io::Result<u32> {
    const NUMBER: u32 = 0xffff;
    let (mut value, mut len) = (0_u32, socklen::<u32>());
    // SAFETY: the kernel writes `len` bytes at most, which `value` has, and both outlive the call.
    let status = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    check(status).map(|()| value & NUMBER)
}

fn set<T>(socket: RawFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, which outlives the call. The kernel
    // copies what it needs: a number, or a program that its owner keeps until then.
    let status = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_PACKET,
            option,
            std::ptr::from_ref(value).cast(),
            socklen::<T>(),
        )
    };
    check(status)
}

/// The rule as instructions. IPv4 or IPv6, behind two VLAN tags at most beside the one that the
/// kernel has taken off.
fn program(pairing: &Pairing) -> Vec<libc::sock_filter> {
    let mut code = vec![load(16, PROTOCOL)];
    let mut ends = Vec::new();
    for tags in 0..=2 {
        let at = NETWORK + 4 * tags;
        let words = |first: u32, count: u32| (0..count).map(move |word| at + first + 4 * word);
        for (number, words) in [(0x0800, words(12, 2)), (0x86dd, words(8, 8))] {
            let pair: Vec<_> = words.flat_map(|word| [load(32, word), xor_x(), to_x()]).collect();
            // X is empty at first; A and X end up alike. One more instruction leads out.
            let over = u8::try_from(pair.len() + 2).unwrap_or(u8::MAX);
            code.push(if_equal(number, 0, over));
            code.push(clear_x());
            code.extend(pair);
            ends.push(code.len());
            code.push(jump(0));
        }
        code.extend([if_equal(0x8100, 3, 0), if_equal(0x88a8, 2, 0), if_equal(0x9100, 1, 0)]);
        code.extend([give(0), load(16, at + 2)]);
    }
    code.push(give(0));
    let end = code.len();
    for from in ends {
        // The program is far shorter than 2^32.
        let by = u32::try_from(end - from - 1).unwrap_or(0);
        if let Some(leap) = code.get_mut(from) {
            *leap = jump(by);
        }
    }
    let (add, multiply) = pairing.numbers();
    code.extend([
        alu(libc::BPF_XOR, add),
        alu(libc::BPF_MUL, multiply),
        alu(libc::BPF_RSH, Pairing::SHIFT),
        alu(libc::BPF_MOD, pairing.readers().into()),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ]);
    code
}

/// Where the kernel tells the protocol of a frame's network header.
const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL).cast_unsigned();
/// Where the network header begins, whatever lies before it.
const NETWORK: u32 = libc::SKF_NET_OFF.cast_unsigned();

fn instruction(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k }
}

fn load(bits: u32, at: u32) -> libc::sock_filter {
    let size = if bits == 32 { libc::BPF_W } else { libc::BPF_H };
    instruction(libc::BPF_LD | size | libc::BPF_ABS, at)
}

fn alu(operation: u32, k: u32) -> libc::sock_filter {
    instruction(libc::BPF_ALU | operation | libc::BPF_K, k)
}

fn xor_x() -> libc::sock_filter {
    instruction(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X, 0)
}

fn to_x() -> libc::sock_filter {
    instruction(libc::BPF_MISC | libc::BPF_TAX, 0)
}

fn clear_x() -> libc::sock_filter {
    instruction(libc::BPF_LDX | libc::BPF_IMM, 0)
}

fn jump(by: u32) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, by)
}

fn if_equal(number: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    let jump = instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number);
    libc::sock_filter { jt: then, jf: otherwise, ..jump }
}

fn give(reader: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, reader)
}

#[cfg(test)]
mod tests {
    use dissect::Pair;

    use super::*;

    /// Runs a program on the part of a frame from its network header on; nothing when it would
    /// read beyond it.
    fn run(code: &[libc::sock_filter], protocol: u32, packet: &[u8]) -> Option<u32> {
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let libc::sock_filter { code: operation, jt, jf, k } = code[at];
            at += 1;
            match operation {
                0x28 if k == PROTOCOL => a = protocol,
                0x20 | 0x28 => {
                    let from = usize::try_from(k.wrapping_sub(NETWORK)).unwrap();
                    let len = if operation == 0x20 { 4 } else { 2 };
                    let bytes = packet.get(from..from + len)?;
                    a = bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                }
                0x01 => x = k,
                0x07 => x = a,
                0xac => a ^= x,
                0xa4 => a ^= k,
                0x24 => a = a.wrapping_mul(k),
                0x74 => a >>= k,
                0x94 => a %= k,
                0x05 => at += usize::try_from(k).unwrap(),
                0x15 => at += usize::from(if a == k { jt } else { jf }),
                0x06 => return Some(k),
                0x16 => return Some(a),
                other => panic!("{other:#x} is no instruction of ours"),
            }
        }
    }

    #[test]
    fn the_kernel_and_we_agree_on_the_reader() {
        for readers in [1, 2, 5, 64] {
            let pairing = Pairing::new(readers.into(), readers);
            let code = program(&pairing);
            let expect = |one: &str, other: &str| {
                let pair = Pair::new(one.parse().unwrap(), other.parse().unwrap());
                Some(u32::try_from(pairing.reader(pair)).unwrap())
            };
            let mut v4 = vec![0x45; 12];
            v4.extend([10, 1, 2, 3, 52, 96, 0, 9]);
            let mut v6 = vec![0x60; 8];
            v6.extend(0x2001_0db8_0102_0304_0506_0708_090a_0b0c_u128.to_be_bytes());
            v6.extend(0x2603_1006_0000_0000_0000_0000_0000_0042_u128.to_be_bytes());
            let at_v4 = expect("10.1.2.3", "52.96.0.9");
            let at_v6 = expect("2001:db8:102:304:506:708:90a:b0c", "2603:1006::42");
            for (number, packet, at) in [(0x0800, &v4, at_v4), (0x86dd, &v6, at_v6)] {
                assert_eq!(run(&code, number.into(), packet), at);
                let [high, low] = u16::to_be_bytes(number);
                let tagged = [&[0, 7, high, low][..], packet].concat();
                let twice = [&[0, 8, 0x81, 0][..], &tagged].concat();
                for tag in [0x8100, 0x88a8, 0x9100] {
                    assert_eq!(run(&code, tag, &tagged), at, "{tag:#x}");
                    assert_eq!(run(&code, tag, &twice), at, "{tag:#x} twice");
                }
                let thrice = [&[0, 9, 0x81, 0][..], &twice].concat();
                assert_eq!(run(&code, 0x8100, &thrice), Some(0), "goes to the first");
                assert_eq!(run(&code, number.into(), &packet[..packet.len() - 1]), None);
            }
            assert_eq!(run(&code, 0x0806, &v4), Some(0));
        }
    }
}

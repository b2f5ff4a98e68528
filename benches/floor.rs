//! The least that reading a capture can cost: `read` in blocks, step from record to record of a
//! little-endian pcap file, touch 64 bytes of each packet. What the peers script compares with.

use std::fs::File;
use std::io::Read;

fn main() {
    const HEADER_LEN: usize = 16;
    let path = std::env::args_os().nth(1).expect("usage: floor FILE");
    let mut file = File::open(path).expect("the file can be opened");
    let mut block = vec![0; (256 << 10) + (512 << 10)];
    let (mut filled, mut packets, mut sum) = (0, 0_u64, 0_u64);
    let mut at = 24;
    loop {
        let room = (filled + (256 << 10)).min(block.len());
        let count = file.read(&mut block[filled..room]).expect("the file can be read");
        if count == 0 {
            break;
        }
        filled += count;
        while let Some(header) = block[..filled].get(at..at + HEADER_LEN) {
            let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
            let start = at + HEADER_LEN;
            let Some(packet) = block[..filled].get(start..start + len) else { break };
            for word in packet[..len.min(64)].chunks_exact(8) {
                sum = sum.wrapping_add(u64::from_le_bytes(word.try_into().expect("8 bytes")));
            }
            packets += 1;
            at = start + len;
        }
        block.copy_within(at..filled, 0);
        filled -= at;
        at = 0;
    }
    println!("{packets} packets, sum {sum:x}");
}

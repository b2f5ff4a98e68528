//! A compiled filter: instructions of the classic BPF machine, and the machine.
//!
//! A program is data from libpcap and not trusted: a jump beyond its end, a load beyond the packet
//! or a loop without end is no match.

use dissect::LinkType;

/// The instructions of one filter for one link type.
#[derive(Debug)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
}

/// One instruction, as `struct bpf_insn` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    k: u32,
}

impl Program {
    /// Compiles `expression` for frames of `link`.
    ///
    /// # Errors
    ///
    /// libpcap's message, when it does not understand.
    #[cfg(feature = "libpcap")]
    pub(super) fn compile(expression: &str, link: LinkType) -> Result<Self, String> {
        let plain = |error: pcap::Error| match error {
            pcap::Error::PcapError(message) => message,
            other => other.to_string(),
        };
        let handle = pcap::Capture::dead(pcap::Linktype(dlt(link))).map_err(plain)?;
        let program = handle.compile(expression, true).map_err(plain)?;
        let instructions = program.get_instructions().iter().map(|instruction| {
            // The fields are private, but their text form is the one of `tcpdump -ddd`.
            Instruction::parse(&instruction.to_string())
        });
        let instructions = instructions.collect::<Option<_>>();
        instructions.map(|instructions| Self { instructions }).ok_or_else(|| {
            "the compiled program has an unknown form; this is a defect of tlsunset".to_owned()
        })
    }

    /// Says that this build has no compiler for filters.
    #[cfg(not(feature = "libpcap"))]
    pub(super) fn compile(_expression: &str, _link: LinkType) -> Result<Self, String> {
        Err("this build has no libpcap to compile filters with".to_owned())
    }

    /// Whether a frame of which `data` was captured matches.
    pub(super) fn matches(&self, data: &[u8], wire_len: u32) -> bool {
        self.run(data, wire_len).is_some_and(|accepted_len| accepted_len > 0)
    }

    /// How many bytes of the frame the program accepts; `None` when it ends irregularly.
    fn run(&self, data: &[u8], wire_len: u32) -> Option<u32> {
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut memory = [0_u32; MEMORY_WORDS];
        let mut at = 0_usize;
        for _ in 0..STEPS_MAX {
            let Instruction { code, if_true, if_false, k } = *self.instructions.get(at)?;
            at += 1;
            match code & CLASS {
                LOAD => a = load(code, k, x, data, wire_len, &memory)?,
                LOAD_X if code & MODE == MODE_HEADER_LEN => {
                    x = u32::from(*data.get(k as usize)? & 0xf) * 4;
                }
                LOAD_X => x = load(code & !SIZE, k, x, data, wire_len, &memory)?,
                STORE => *memory.get_mut(k as usize)? = a,
                STORE_X => *memory.get_mut(k as usize)? = x,
                ALU => a = compute(code, a, if code & SOURCE_X == 0 { k } else { x })?,
                JUMP if code & OPERATION == JUMP_ALWAYS => {
                    // The only jump that may go back: libpcap walks header chains in loops.
                    let distance = isize::try_from(k.cast_signed()).ok()?;
                    at = at.checked_add_signed(distance)?;
                }
                JUMP => {
                    let operand = if code & SOURCE_X == 0 { k } else { x };
                    let is_true = match code & OPERATION {
                        JUMP_EQUAL => a == operand,
                        JUMP_GREATER => a > operand,
                        JUMP_GREATER_EQUAL => a >= operand,
                        JUMP_BITS_SET => a & operand != 0,
                        _ => return None,
                    };
                    at += usize::from(if is_true { if_true } else { if_false });
                }
                RETURN => return Some(if code & RETURN_SOURCE == RETURN_A { a } else { k }),
                _ if code & TRANSFER_TO_A != 0 => a = x,
                _ => x = a,
            }
        }
        None
    }
}

#[cfg(feature = "libpcap")]
impl Instruction {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        let instruction = Self {
            code: fields.next()?.parse().ok()?,
            if_true: fields.next()?.parse().ok()?,
            if_false: fields.next()?.parse().ok()?,
            k: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(instruction)
    }
}

#[inline]
fn load(
    code: u16,
    k: u32,
    x: u32,
    data: &[u8],
    wire_len: u32,
    memory: &[u32; MEMORY_WORDS],
) -> Option<u32> {
    let at = match code & MODE {
        MODE_IMMEDIATE => return Some(k),
        MODE_LEN => return Some(wire_len),
        MODE_MEMORY => return memory.get(k as usize).copied(),
        MODE_ABSOLUTE => k as usize,
        MODE_INDIRECT => k.wrapping_add(x) as usize,
        _ => return None,
    };
    let rest = data.get(at..)?;
    match code & SIZE {
        SIZE_WORD => rest.first_chunk().map(|word| u32::from_be_bytes(*word)),
        SIZE_HALF => rest.first_chunk().map(|half| u16::from_be_bytes(*half).into()),
        SIZE_BYTE => rest.first().map(|byte| u32::from(*byte)),
        _ => None,
    }
}

#[inline]
fn compute(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & OPERATION {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.checked_shl(operand).unwrap_or(0),
        0x70 => a.checked_shr(operand).unwrap_or(0),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(operand)?,
        0xa0 => a ^ operand,
        _ => return None,
    })
}

/// The number that libpcap knows a link type by, where it is not the one in files.
#[cfg(feature = "libpcap")]
fn dlt(link: LinkType) -> i32 {
    match link.0 {
        100 => 11,
        101 => DLT_RAW,
        102 => 15,
        103 => 16,
        106 => 19,
        same => same.into(),
    }
}

/// Raw IP is 14 on OpenBSD and 12 elsewhere.
#[cfg(feature = "libpcap")]
const DLT_RAW: i32 = if cfg!(target_os = "openbsd") { 14 } else { 12 };

const CLASS: u16 = 0x07;
const LOAD: u16 = 0x00;
const LOAD_X: u16 = 0x01;
const STORE: u16 = 0x02;
const STORE_X: u16 = 0x03;
const ALU: u16 = 0x04;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

const SIZE: u16 = 0x18;
const SIZE_WORD: u16 = 0x00;
const SIZE_HALF: u16 = 0x08;
const SIZE_BYTE: u16 = 0x10;

const MODE: u16 = 0xe0;
const MODE_IMMEDIATE: u16 = 0x00;
const MODE_ABSOLUTE: u16 = 0x20;
const MODE_INDIRECT: u16 = 0x40;
const MODE_MEMORY: u16 = 0x60;
const MODE_LEN: u16 = 0x80;
const MODE_HEADER_LEN: u16 = 0xa0;

const OPERATION: u16 = 0xf0;
const JUMP_ALWAYS: u16 = 0x00;
const JUMP_EQUAL: u16 = 0x10;
const JUMP_GREATER: u16 = 0x20;
const JUMP_GREATER_EQUAL: u16 = 0x30;
const JUMP_BITS_SET: u16 = 0x40;

const SOURCE_X: u16 = 0x08;
const RETURN_SOURCE: u16 = 0x18;
const RETURN_A: u16 = 0x10;
const TRANSFER_TO_A: u16 = 0x80;

const MEMORY_WORDS: usize = 16;

/// A program has at most 4096 instructions and few loops; a header chain has few links.
const STEPS_MAX: usize = 1 << 16;

#[cfg(all(test, feature = "libpcap"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXPRESSIONS: &[&str] = &[
        "",
        "ip6 protochain 6",
        "tcp port 443",
        "tcp port 443 or port 5061 or (vlan and tcp port 443)",
        "ip protochain 6",
        "ip and tcp[13] & 2 != 0",
        "ip[2:2] - ((ip[0] & 0xf) << 2) > 40",
        "net 10.0.0.0/8 and not host 10.1.2.3",
        "ether[6] * 3 % 5 = 2 and ether[0] / ether[1] > 1",
        "ip[0] ^ 0x45 = 0",
        "ether broadcast or ether multicast",
        "len - 14 > 60",
        "portrange 1-1024",
        "(-ether[0]) & 0xff < 5",
    ];

    fn compile(expression: &str) -> (Program, pcap::BpfProgram) {
        let dead = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap();
        let theirs = dead.compile(expression, true).unwrap();
        (Program::compile(expression, LinkType::ETHERNET).unwrap(), theirs)
    }

    /// A TCP segment over IPv4, from port 50000 to `port`.
    fn segment(port: u16) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(50_000_u16.to_be_bytes());
        frame.extend(port.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
        frame
    }

    #[test]
    fn a_port_matches_its_segments() {
        let (program, _) = compile("tcp port 443");
        assert!(program.matches(&segment(443), 54));
        assert!(!program.matches(&segment(80), 54));
        assert!(!program.matches(&segment(443)[..35], 54));
        assert!(!program.matches(&[], 0));
    }

    #[test]
    fn the_length_on_the_wire_counts_and_not_the_captured_one() {
        let (program, theirs) = compile("greater 1000");
        assert!(program.matches(&segment(443), 1514));
        assert!(!program.matches(&segment(443), 54));
        // The reason why the program is not run by the library.
        assert!(!theirs.filter(&segment(443)));
    }

    #[test]
    fn a_bad_expression_has_libpcaps_message() {
        let message = Program::compile("tcp prot 443", LinkType::ETHERNET).unwrap_err();
        assert!(message.contains("syntax error"), "{message}");
    }

    #[test]
    fn a_program_that_never_ends_is_no_match() {
        let again = Instruction { code: JUMP, if_true: 0, if_false: 0, k: u32::MAX };
        let program = Program { instructions: vec![again] };
        assert!(!program.matches(&[1, 2, 3], 3));
        let beyond = Instruction { code: JUMP, if_true: 0, if_false: 0, k: 7 };
        assert!(!Program { instructions: vec![beyond] }.matches(&[], 0));
        assert!(!Program { instructions: Vec::new() }.matches(&[], 0));
    }

    proptest! {
        #[test]
        fn libpcaps_machine_says_the_same(
            mut frame in proptest::collection::vec(any::<u8>(), 0..120),
            is_tcp in any::<bool>(),
        ) {
            if is_tcp && frame.len() > 40 {
                frame[12..34].copy_from_slice(&segment(443)[12..34]);
            }
            for expression in EXPRESSIONS {
                let (ours, theirs) = compile(expression);
                let wire_len = u32::try_from(frame.len()).unwrap();
                prop_assert_eq!(ours.matches(&frame, wire_len), theirs.filter(&frame), "{}", expression);
            }
        }
    }
}

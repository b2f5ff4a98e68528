//! More connections than fit into `--memory`: they wait in a file, and every output is the same.

mod common;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use common::pcap::{self, Packet};
use common::{Folder, Ran, names, run, tlsunset};

/// The least that the program takes: half of it is for connections that wait.
const LITTLE: &str = "16M";

/// Connections that take more than that.
const CONNECTIONS: u32 = 24_000;

const CLIENT: bool = true;
const SERVER: bool = false;

/// A TCP segment in IPv4 in Ethernet between a client and Office 365.
fn segment(client: u32, is_client: bool, flags: u8, payload: &[u8], at: [u32; 2]) -> Vec<u8> {
    let client_addr = 0x0a00_0000 + client % 3_000;
    let ends = [(client_addr, 1_024 + client / 3_000), (0x3460_0001, 443)];
    let [from, to] = if is_client { ends } else { [ends[1], ends[0]] };
    let [seq, ack] = if is_client { at } else { [at[1], at[0]] };
    let mut data = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    data.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    data.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    data.extend(from.0.to_be_bytes());
    data.extend(to.0.to_be_bytes());
    for port in [from.1, to.1] {
        data.extend(u16::try_from(port).unwrap().to_be_bytes());
    }
    data.extend(seq.to_be_bytes());
    data.extend(ack.to_be_bytes());
    data.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    data.extend(payload);
    data
}

/// A ClientHello of TLS 1.0, or of 1.2 by every third client.
fn hello(client: u32) -> Vec<u8> {
    let version = if client.is_multiple_of(3) { 3 } else { 1 };
    let mut body = vec![3, version];
    body.extend([client.to_be_bytes(); 8].concat());
    body.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let mut record = vec![22, 3, 1, 0, u8::try_from(body.len()).unwrap() + 4, 1, 0, 0];
    record.push(u8::try_from(body.len()).unwrap());
    record.extend(body);
    record
}

/// Dialled, refused by an alert, and reset.
fn connection(client: u32) -> [Vec<u8>; 6] {
    let hello = hello(client);
    let behind = 101 + u32::try_from(hello.len()).unwrap();
    [
        segment(client, CLIENT, 0x02, &[], [100, 0]),
        segment(client, SERVER, 0x12, &[], [101, 500]),
        segment(client, CLIENT, 0x18, &hello, [101, 501]),
        segment(client, SERVER, 0x18, &[21, 3, 1, 0, 2, 2, 70], [behind, 501]),
        segment(client, CLIENT, 0x14, &[], [behind, 508]),
        segment(client, SERVER, 0x14, &[], [behind, 508]),
    ]
}

fn capture() -> Vec<u8> {
    let packets = (0..CONNECTIONS).flat_map(|client| {
        connection(client).into_iter().zip(0..).map(move |(data, step)| Packet {
            link: 1,
            time: 1_700_000_000_000_000_000 + i64::from(client) * 1_000_000 + step * 10_000,
            wire_len: u32::try_from(data.len()).unwrap(),
            data,
        })
    });
    pcap::write(&packets.collect::<Vec<_>>())
}

/// Zeek's log of connections of 20,000 clients.
fn log() -> String {
    let mut log =
        "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\t\
                   id.resp_p\tversion\tcipher\tserver_name\testablished\n"
            .to_owned();
    for client in 0..CONNECTIONS {
        let (a, b) = (client / 200, client % 200);
        let version = if client.is_multiple_of(3) { "TLSv10" } else { "TLSv12" };
        writeln!(
            log,
            "17000{client:05}.5\tC{client}\t10.0.{a}.{b}\t{}\t52.96.0.1\t443\t{version}\t\
             TLS_RSA_WITH_AES_128_CBC_SHA\toutlook{client}.office365.com\tT",
            1024 + client
        )
        .unwrap();
    }
    log
}

/// Whether two folders of outputs hold the same.
fn assert_same(one: &Path, other: &Path) {
    assert_eq!(names(one), names(other));
    for name in names(one) {
        let [one, other] = [one, other].map(|folder| fs::read(folder.join(&name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

fn outputs(folder: &Folder, name: &str, arguments: &[&OsStr]) -> std::path::PathBuf {
    let out = folder.join(name);
    let all = arguments.iter().copied().chain(["-q".as_ref(), "--out".as_ref(), out.as_os_str()]);
    run(all).expect(0).says_nothing();
    out
}

#[test]
fn a_capture_is_analyzed_alike_in_little_memory() {
    let folder = Folder::new("aside-analyze");
    let file = folder.write("many.pcap", capture());
    let analyze = |name: &str, memory: &str, threads: &str| {
        let options = ["analyze", "--memory", memory, "--threads", threads].map(OsStr::new);
        outputs(&folder, name, &[&options[..], &[file.as_os_str()]].concat())
    };
    let expect = analyze("much", "1G", "1");
    assert_eq!(common::csv_file(&expect.join("flows.csv")).len(), CONNECTIONS as usize);
    for threads in ["1", "3"] {
        assert_same(&expect, &analyze(&format!("little-{threads}"), LITTLE, threads));
    }
}

#[test]
fn a_text_is_reviewed_alike_in_little_memory() {
    let folder = Folder::new("aside-review");
    let file = folder.write("ssl.log", log());
    let review = |name: &str, memory: &str| {
        let options = ["review", "--memory", memory].map(OsStr::new);
        outputs(&folder, name, &[&options[..], &[file.as_os_str()]].concat())
    };
    assert_same(&review("much", "1G"), &review("little", LITTLE));
}

#[test]
fn without_a_place_connections_stay_in_memory_and_it_is_said() {
    let folder = Folder::new("aside-nowhere");
    let text = folder.write("ssl.log", log());
    let capture = folder.write("many.pcap", capture());
    for (command, file) in [("review", text), ("analyze", capture)] {
        let run = |memory: &str| {
            let mut run = tlsunset();
            run.args([command, "--flows", "-", "--memory", memory]).arg(&file);
            // Where temporary files go on Unix, and on Windows.
            for name in ["TMPDIR", "TMP", "TEMP"] {
                run.env(name, folder.join("nowhere"));
            }
            Ran::from(run.output().unwrap()).expect(0)
        };
        let expect = run("1G");
        let found = run(LITTLE).says(&["can't be put aside", "stay in memory", "TMPDIR"]);
        assert!(expect.stdout == found.stdout, "{command}");
    }
}

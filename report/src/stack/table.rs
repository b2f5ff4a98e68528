//! The stacks and their traits. Sources: hellos of `client-simulation.txt` of testssl.sh, which has
//! them from SSL Labs' client tests; JA3 lists of trisulnsm/ja3prints for Windows components.

use dissect::Version;

use super::{Family, Look};

/// A stack: what it must be, and what speaks for it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) family: Family,
    /// Without this it is something else.
    pub(super) gate: fn(&Look<'_>) -> bool,
    /// What is counted.
    pub(super) traits: &'static [Trait],
    /// Points that are needed.
    pub(super) threshold: u32,
}

/// Points, the trait in words, and whether an offer has it.
type Trait = (u32, &'static str, fn(&Look<'_>) -> bool);

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746).
pub(super) const SCSV: u16 = 0x00ff;
pub(super) const SERVER_NAME: u16 = 0;
const STATUS_REQUEST: u16 = 5;
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
pub(super) const STATUS_REQUEST_V2: u16 = 17;
pub(super) const ENCRYPT_THEN_MAC: u16 = 22;
pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const NPN: u16 = 13172;
const TOKEN_BINDING_DRAFT: u16 = 21760;
const TOKEN_BINDING: u16 = 24;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;
const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
const CHANNEL_ID: u16 = 30031;
pub(super) const RENEGOTIATION_INFO: u16 = 65281;

/// The twelve suites of Schannel from Vista to 8 under TLS 1.0, in any order.
const SCHANNEL_TLS10: [u16; 12] = [
    0x002f, 0x0035, 0x0005, 0x000a, 0xc009, 0xc00a, 0xc013, 0xc014, 0x0032, 0x0038, 0x0013, 0x0004,
];

/// Schannel under TLS 1.0: elliptic curves and DHE with DSS certificates, renegotiation shown by
/// the extension, no Camellia, no static ECDH.
fn is_schannel_tls10(look: &Look<'_>) -> bool {
    look.ends_at(Version::Tls10)
        && look.has_all(&[0x0032, 0x0038, 0x0013, 0xc013, 0xc009])
        && look.extends(RENEGOTIATION_INFO)
        && !look.has(SCSV)
        && look.suites.iter().all(|suite| {
            SCHANNEL_TLS10.contains(suite) || matches!(suite, 0x0033 | 0x0039 | 0x0016)
        })
}

fn has_exact_schannel_suites(look: &Look<'_>) -> bool {
    look.suites.iter().all(|suite| SCHANNEL_TLS10.contains(suite))
}

/// The curves of OpenSSL before 1.0.2: all 25 of RFC 4492.
fn has_25_curves(look: &Look<'_>) -> bool {
    look.groups.len() == 25 && look.groups.contains(&1) && look.groups.contains(&14)
}

pub(super) fn has_camellia(look: &Look<'_>) -> bool {
    look.has_any(&[0x0041, 0x0044, 0x0045, 0x0084, 0x0087, 0x0088])
}

fn has_export(look: &Look<'_>) -> bool {
    look.has_any(&[0x0003, 0x0006, 0x0008, 0x0011, 0x0014])
}

/// Suites or extensions that came after the libraries of 2012.
pub(super) fn is_of_a_later_age(look: &Look<'_>) -> bool {
    look.groups.iter().any(|&group| (26..65280).contains(&group))
        || look.extends(ENCRYPT_THEN_MAC)
        || look.extends(EXTENDED_MASTER_SECRET)
}

pub(super) const STACKS: [Row; 22] = [
    Row {
        name: "Schannel (Windows XP or Server 2003)",
        family: Family::SchannelXp,
        gate: |look| look.ends_at(Version::Tls10) && look.has_any(&[0x0062, 0x0063, 0x0064]),
        traits: &[
            (3, "export suites with 1024-bit keys (0x0062 to 0x0064)", |look| {
                look.has_all(&[0x0062, 0x0063, 0x0064])
            }),
            (2, "RC4 first, then 3DES and DES (0x0004 0x0005 0x000a)", |look| {
                look.begins(&[0x0004, 0x0005, 0x000a])
            }),
            (1, "no elliptic curves", |look| look.groups.is_empty()),
            (1, "no server name", |look| !look.extends(SERVER_NAME)),
        ],
        threshold: 5,
    },
    Row {
        name: "Schannel (Windows Vista or Server 2008)",
        family: Family::SchannelVista,
        gate: |look| is_schannel_tls10(look) && look.prefers(0xc009, 0xc013),
        traits: &[
            (2, "the twelve suites of Schannel under TLS 1.0", has_exact_schannel_suites),
            (3, "ECDSA before RSA among its suites (0xc009 before 0xc013)", |look| {
                look.prefers(0xc009, 0xc013)
            }),
            (1, "no session tickets", |look| !look.extends(SESSION_TICKET)),
        ],
        threshold: 5,
    },
    Row {
        name: "Schannel (Windows 7 or Server 2008 R2)",
        family: Family::Schannel7,
        gate: |look| {
            is_schannel_tls10(look)
                && look.prefers(0xc013, 0xc009)
                && !look.extends(SESSION_TICKET)
                && !look.extends(ALPN)
        },
        traits: &[
            (2, "the twelve suites of Schannel under TLS 1.0", has_exact_schannel_suites),
            (1, "suites of Schannel under TLS 1.0 and DHE with RSA, by an update", |look| {
                look.has_any(&[0x0033, 0x0039])
            }),
            (2, "RSA before ECDSA among its suites (0xc013 before 0xc009)", |look| {
                look.prefers(0xc013, 0xc009)
            }),
            (1, "no session tickets", |look| !look.extends(SESSION_TICKET)),
            (1, "curves of Schannel (P-256 and P-384)", |look| {
                look.groups.contains(&23) && look.groups.iter().all(|g| (23..=25).contains(g))
            }),
        ],
        threshold: 5,
    },
    Row {
        name: "Schannel (Windows 8 or Server 2012)",
        family: Family::Schannel8,
        gate: |look| {
            is_schannel_tls10(look)
                && look.prefers(0xc013, 0xc009)
                && look.extends(SESSION_TICKET)
                && !look.extends(ALPN)
        },
        traits: &[
            (2, "the twelve suites of Schannel under TLS 1.0", has_exact_schannel_suites),
            (2, "RSA before ECDSA among its suites (0xc013 before 0xc009)", |look| {
                look.prefers(0xc013, 0xc009)
            }),
            (2, "session tickets, which Schannel has from Windows 8 on", |look| {
                look.extends(SESSION_TICKET)
            }),
        ],
        threshold: 5,
    },
    Row {
        name: "Schannel (Windows 8.1 or later, held below TLS 1.2)",
        family: Family::Schannel,
        gate: |look| {
            look.ends_at(Version::Tls11)
                && look.extends(SESSION_TICKET)
                && look.extends(ALPN)
                && look.extends(RENEGOTIATION_INFO)
                && look.has_all(&[0x0032, 0x0038, 0x0013])
                && !has_camellia(look)
        },
        traits: &[
            (2, "DHE with DSS certificates beside curves", |look| look.has(0xc014)),
            (3, "session tickets and ALPN, which Schannel has from Windows 8.1 on", |look| {
                look.extends(ALPN)
            }),
        ],
        threshold: 5,
    },
    Row {
        name: "Schannel (TLS 1.2)",
        family: Family::Schannel,
        gate: |look| {
            look.top == Some(Version::Tls12)
                && look.extends(RENEGOTIATION_INFO)
                && !look.has(SCSV)
                && !look.has_grease
                && look.has_all(&[0xc027, 0xc023, 0xc013, 0xc009, 0x003c])
                && !has_camellia(look)
                && !look.has_any(&[0xcca8, 0xcc13, 0x0005, 0xc011])
        },
        traits: &[
            (2, "SHA-2 in CBC suites for RSA and ECDSA, no ChaCha20, no Camellia", |look| {
                look.has_all(&[0xc024, 0xc028, 0x003d])
            }),
            (2, "DHE with DSS certificates (0x0040, 0x0032)", |look| {
                look.has_any(&[0x0040, 0x0032])
            }),
            (1, "certificate status and curves, then signature algorithms", |look| {
                look.extends(STATUS_REQUEST) && look.extends(SIGNATURE_ALGORITHMS)
            }),
            (2, "token binding", |look| {
                look.extends(TOKEN_BINDING) || look.extends(TOKEN_BINDING_DRAFT)
            }),
        ],
        threshold: 4,
    },
    Row {
        name: "Java 6",
        family: Family::Java6,
        gate: |look| {
            look.is_sslv2_format() && look.top == Some(Version::Tls10) && !look.has(0x0064)
        },
        traits: &[
            (3, "a hello of the SSL 2.0 format for TLS 1.0", |look| look.is_sslv2_format()),
            (2, "RC4 first, then AES-128 (0x0004 0x0005 0x002f 0x0033)", |look| {
                look.begins(&[0x0004, 0x0005, 0x002f, 0x0033])
            }),
            (1, "no AES-256", |look| !look.has(0x0035)),
        ],
        threshold: 5,
    },
    Row {
        name: "Android 2.x or Java 6",
        family: Family::AndroidOrJava6,
        gate: |look| {
            !look.is_sslv2_format() && look.top == Some(Version::Tls10) && look.groups.is_empty()
        },
        traits: &[
            (4, "RC4 first, then AES-128 (0x0004 0x0005 0x002f 0x0033 0x0032)", |look| {
                look.begins(&[0x0004, 0x0005, 0x002f, 0x0033, 0x0032])
            }),
            (1, "no AES-256", |look| !look.has(0x0035)),
            (1, "no extensions", |look| look.extensions.is_empty()),
        ],
        threshold: 5,
    },
    Row {
        name: "Java 7",
        family: Family::Java7,
        gate: |look| {
            look.ends_at(Version::Tls10) && !look.is_sslv2_format() && look.extends_as(&[10, 11])
        },
        traits: &[
            (2, "curves before everything, server name last or absent", |look| {
                look.extensions.first() == Some(&10)
            }),
            (2, "ECDSA with AES-128 first (0xc009 0xc013 0x002f)", |look| {
                look.begins(&[0xc009, 0xc013, 0x002f]) || look.begins(&[0xc00a, 0xc014, 0x0035])
            }),
            (2, "curves in Java's order (P-256, sect163k1, sect163r2)", |look| {
                look.groups.starts_with(&[23, 1, 3])
            }),
        ],
        threshold: 4,
    },
    Row {
        name: "Java 8 or later",
        family: Family::Java,
        gate: |look| look.reaches(Version::Tls12) && !look.has_grease,
        traits: &[
            (2, "curves before everything, server name last or absent", |look| {
                look.extensions.starts_with(&[10, 11, SIGNATURE_ALGORITHMS])
            }),
            (3, "certificate status of version 2, which Java offers", |look| {
                look.extends(STATUS_REQUEST_V2)
            }),
            (3, "signature algorithms, then those for certificates, as Java has them", |look| {
                let pair = [SIGNATURE_ALGORITHMS, SIGNATURE_ALGORITHMS_CERT];
                look.extensions.windows(2).any(|two| two == pair)
            }),
            (1, "no session tickets before signature algorithms", |look| {
                look.extensions.iter().position(|&number| number == SIGNATURE_ALGORITHMS)
                    < look.extensions.iter().position(|&number| number == SESSION_TICKET)
                    || !look.extends(SESSION_TICKET)
            }),
        ],
        threshold: 3,
    },
    Row {
        name: "Android 4.0 to 4.3",
        family: Family::AndroidOld,
        gate: |look| {
            look.ends_at(Version::Tls10)
                && look.begins(&[0xc014, 0xc00a])
                && !has_camellia(look)
                && !is_of_a_later_age(look)
        },
        traits: &[
            (2, "server name, point formats, curves, tickets, in this order", |look| {
                look.extensions.iter().filter(|number| **number != 0).take(3).eq(&[
                    11,
                    10,
                    SESSION_TICKET,
                ])
            }),
            (2, "next protocol negotiation", |look| look.extends(NPN)),
            (2, "all 25 curves of RFC 4492", has_25_curves),
            (1, "no Camellia", |look| !has_camellia(look)),
        ],
        threshold: 6,
    },
    Row {
        name: "OpenSSL 1.0.0",
        family: Family::OpenSslOld,
        gate: |look| {
            look.ends_at(Version::Tls10)
                && look.begins(&[0xc014, 0xc00a])
                && look.suites.last() == Some(&SCSV)
                && !look.extends(NPN)
                && !is_of_a_later_age(look)
        },
        traits: &[
            (2, "point formats, curves, tickets, in this order", |look| {
                look.extends_as(&[11, 10, SESSION_TICKET]) || look.extends_as(&[11, 10])
            }),
            (2, "all 25 curves of RFC 4492, by their numbers", |look| {
                look.groups.iter().copied().eq(1..=25)
            }),
            (1, "the renegotiation signal last", |look| look.suites.last() == Some(&SCSV)),
            (1, "Camellia or SEED", |look| has_camellia(look) || look.has(0x0096)),
        ],
        threshold: 5,
    },
    Row {
        name: "OpenSSL 0.9.8",
        family: Family::OpenSslOld,
        gate: |look| {
            look.ends_at(Version::Tls10)
                && look.groups.is_empty()
                && look.begins(&[0x0039, 0x0038])
                && look.extensions.iter().all(|number| matches!(*number, 0 | SESSION_TICKET))
        },
        traits: &[
            (2, "DHE with AES-256 first, no elliptic curves (0x0039 0x0038 0x0035)", |look| {
                look.prefers(0x0039, 0x0035)
            }),
            (2, "IDEA or export suites", |look| look.has(0x0007) || has_export(look)),
            (1, "the renegotiation signal last", |look| look.suites.last() == Some(&SCSV)),
            (1, "server name and tickets at most", |look| look.extensions.len() <= 2),
        ],
        threshold: 5,
    },
    Row {
        name: "OpenSSL 1.0.1 or later",
        family: Family::OpenSsl,
        gate: |look| look.reaches(Version::Tls12) && !look.has_grease,
        traits: &[
            (2, "all three point formats", |look| look.point_formats() == [0, 1, 2]),
            (2, "point formats, then curves, then tickets", |look| {
                look.extensions.windows(2).any(|pair| pair == [11, 10])
            }),
            (1, "the renegotiation signal last", |look| look.suites.last() == Some(&SCSV)),
            (1, "encrypt-then-MAC", |look| look.extends(ENCRYPT_THEN_MAC)),
        ],
        threshold: 4,
    },
    Row {
        name: "SecureTransport (OS X 10.8 or earlier)",
        family: Family::SecureTransportOld,
        gate: |look| {
            look.ends_at(Version::Tls10)
                && look.extends_as(&[10, 11])
                && look.has_all(&[0xc004, 0xc005, 0xc00e, 0xc00f])
        },
        traits: &[
            (2, "server name, curves, point formats and nothing else", |look| {
                look.extends_as(&[10, 11])
            }),
            (3, "ECDSA with AES, RC4 and 3DES first (0xc00a 0xc009 0xc007 0xc008)", |look| {
                let real: Vec<u16> = look.suites.iter().copied().filter(|s| *s != SCSV).collect();
                real.starts_with(&[0xc00a, 0xc009, 0xc007, 0xc008])
            }),
            (1, "static ECDH", |look| look.has(0xc004)),
            (1, "the renegotiation signal first", |look| look.suites.first() == Some(&SCSV)),
        ],
        threshold: 5,
    },
    Row {
        name: "SecureTransport (TLS 1.2)",
        family: Family::SecureTransport,
        gate: |look| look.reaches(Version::Tls12) && look.suites.first() == Some(&SCSV),
        traits: &[
            (2, "the renegotiation signal first", |look| look.suites.first() == Some(&SCSV)),
            (
                2,
                "server name, curves, point formats, signature algorithms, in this order",
                |look| {
                    let mut numbers = look.extensions.iter().filter(|number| **number != 0);
                    numbers.by_ref().take(3).eq(&[10, 11, SIGNATURE_ALGORITHMS])
                },
            ),
        ],
        threshold: 4,
    },
    Row {
        name: "NSS (Firefox 26 or earlier)",
        family: Family::NssOld,
        gate: |look| look.ends_at(Version::Tls10) && look.has(0xfeff) && !look.extends(CHANNEL_ID),
        traits: &[
            (3, "NSS's own suite 0xfeff", |look| look.has(0xfeff)),
            (2, "Camellia with DHE", |look| look.has_all(&[0x0088, 0x0087])),
            (1, "SEED (0x0096)", |look| look.has(0x0096)),
        ],
        threshold: 5,
    },
    Row {
        name: "NSS (Chrome 28 or earlier)",
        family: Family::ChromeOld,
        gate: |look| look.ends_at(Version::Tls11) && look.has(0xfeff) && look.extends(CHANNEL_ID),
        traits: &[
            (3, "NSS's own suite 0xfeff", |look| look.has(0xfeff)),
            (2, "Chrome's channel id", |look| look.extends(CHANNEL_ID)),
            (1, "next protocol negotiation", |look| look.extends(NPN)),
        ],
        threshold: 5,
    },
    Row {
        name: "NSS (Chrome 29)",
        family: Family::ChromeOld,
        gate: |look| look.ends_at(Version::Tls11) && !look.has(0xfeff) && look.extends(CHANNEL_ID),
        traits: &[
            (2, "suites of TLS 1.2 under TLS 1.1", |look| look.has_all(&[0x006b, 0x003c])),
            (2, "Chrome's channel id", |look| look.extends(CHANNEL_ID)),
            (1, "next protocol negotiation", |look| look.extends(NPN)),
        ],
        threshold: 5,
    },
    Row {
        name: "Opera 12 (Presto)",
        family: Family::OperaOld,
        gate: |look| look.ends_at(Version::Tls11) && look.groups.is_empty() && look.has(0x0069),
        traits: &[
            (3, "DH with SHA-256 first (0x006b 0x006a 0x0069)", |look| {
                look.begins(&[0x006b, 0x006a, 0x0069])
            }),
            (2, "static DH (0x0030 to 0x0037)", |look| look.has_all(&[0x0030, 0x0036])),
        ],
        threshold: 5,
    },
    Row {
        name: "BoringSSL (Chrome, Edge or Android)",
        family: Family::BoringSsl,
        gate: |look| look.reaches(Version::Tls12) && look.has_grease,
        traits: &[
            (2, "reserved values of RFC 8701", |look| look.has_grease),
            (2, "AES-128-GCM before AES-256-GCM (0xc02b before 0xc02c)", |look| {
                look.prefers(0xc02b, 0xc02c)
            }),
        ],
        threshold: 4,
    },
    Row {
        name: "Schannel (Windows 10 or later)",
        family: Family::Schannel,
        gate: |look| {
            look.reaches(Version::Tls12)
                && !look.has(SCSV)
                && !look.has_grease
                && look.extends(RENEGOTIATION_INFO)
                && look.begins_13_or(&[0xc02c, 0xc02b, 0xc030, 0xc02f])
                && !look.has_any(&[0xcca8, 0xc011])
                && !has_camellia(look)
        },
        traits: &[
            (3, "AES-256-GCM with ECDSA first (0xc02c 0xc02b 0xc030 0xc02f)", |look| {
                look.begins_13_or(&[0xc02c, 0xc02b, 0xc030, 0xc02f])
            }),
            (2, "renegotiation by the extension, last of all", |look| {
                look.extensions.last() == Some(&RENEGOTIATION_INFO)
            }),
            (1, "token binding", |look| {
                look.extends(TOKEN_BINDING) || look.extends(TOKEN_BINDING_DRAFT)
            }),
            (1, "SHA-2 in CBC suites for RSA and ECDSA", |look| {
                look.has_all(&[0xc024, 0xc023, 0xc028, 0xc027])
            }),
        ],
        threshold: 6,
    },
];

impl Look<'_> {
    /// Whether the suites begin so, behind those of TLS 1.3.
    fn begins_13_or(&self, suites: &[u16]) -> bool {
        let old: Vec<u16> = self.suites.iter().copied().filter(|s| s >> 8 != 0x13).collect();
        old.starts_with(suites)
    }
}

/// JA3 hashes of clients whose stack is known: hash, client, stack.
pub(super) const JA3: [(&str, &str, &str); 18] = [
    (
        "c8a0d08d2cbee4bed7cd90e47588ab9b",
        "Internet Explorer 8 on Windows XP",
        "Schannel (Windows XP or Server 2003)",
    ),
    (
        "2baf01616e930d378df97576e2686df3",
        "Internet Explorer 7 on Vista",
        "Schannel (Windows Vista or Server 2008)",
    ),
    (
        "2201d8e006f8f005a6b415f61e677532",
        "Internet Explorer 8 and 9 on Windows 7",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "1eede9d19dc45c2cb66d2f5c6849e843",
        "Internet Explorer 8 to 10 on Windows 7",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "4025f224557638ee81afc4f272fd7577",
        "WinHTTP programs on Windows 7",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "f66b0314f269695fe3528ef39a27c158",
        "components of Office",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "cbcd1d81f242de31fd683d5acbc70dca",
        "programs on an updated Windows 7",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "05af1f5ca1b87cc9cc9b25185115607d",
        "programs on an updated Windows 7",
        "Schannel (Windows 7 or Server 2008 R2)",
    ),
    (
        "7b3b37883b5e80065b35f27888ed2b04",
        "Internet Explorer 10 on Windows Phone 8",
        "Schannel (Windows 8 or Server 2012)",
    ),
    (
        "0d15924fe8f8950a3ec3a916e97c8498",
        "Mail on Windows 8",
        "Schannel (Windows 8 or Server 2012)",
    ),
    ("b677934e592ece9e09805bf36cd68d8a", "Android 2.3.7", "Android 2.x or Java 6"),
    ("e1e03b911a28815836d79c5cdd900a20", "Android 4.0.4", "Android 4.0 to 4.3"),
    ("abf3d6b993d291af82fc551ad92ec1ac", "Android 4.1.1", "Android 4.0 to 4.3"),
    ("ef323f542a99ab12d6b5348bf039b7b4", "Android 4.2 and 4.3", "Android 4.0 to 4.3"),
    (
        "fb1d89e16f4dd558ad99011070785cce",
        "Safari 5 on OS X 10.6",
        "SecureTransport (OS X 10.8 or earlier)",
    ),
    (
        "cc5925c4720edb550491a12a35c15d4d",
        "Safari 6 on OS X 10.8",
        "SecureTransport (OS X 10.8 or earlier)",
    ),
    ("51a7ad14509fd614c7bb3a50c4982b8c", "Java 7", "Java 7"),
    ("fd6bbdf835788b3c7d33372127470a06", "OpenSSL 0.9.8", "OpenSSL 0.9.8"),
];

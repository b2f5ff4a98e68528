//! Scripts of every protocol, heard whole, byte by byte and split at random.

mod adversity;
mod binary;
mod properties;

use super::look::{Look, look};
use super::*;

/// A ClientHello of the shape that old clients send: no extensions.
fn client_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01".to_vec();
    hello.extend_from_slice(&[0x5a; 32]);
    hello.extend_from_slice(b"\x00\x00\x04\x00\x2f\x00\x0a\x01\x00");
    hello
}

/// A ServerHello.
fn server_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01".to_vec();
    hello.extend_from_slice(&[0xa5; 32]);
    hello.extend_from_slice(b"\x00\x00\x2f\x00");
    hello
}

fn hello_of(side: Side) -> Vec<u8> {
    match side {
        Side::Client => client_hello(),
        Side::Server => server_hello(),
    }
}

/// Pushes the pieces; tells after how many bytes TLS began.
fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Prelude, Step, usize) {
    let mut prelude = Prelude::default();
    let mut before = 0;
    for piece in pieces {
        match prelude.push(piece) {
            Step::More => before += piece.len(),
            Step::Tls { consumed } => {
                let began = before + consumed - prelude.pending().len();
                return (prelude, Step::Tls { consumed }, began);
            }
            Step::NotTls => return (prelude, Step::NotTls, before),
        }
    }
    (prelude, Step::More, before)
}

/// The script, then a hello, in every split: TLS begins right after the script.
#[track_caller]
fn leads(side: Side, script: &[u8], upgrade: Upgrade) -> PreludeFacts {
    let mut bytes = script.to_vec();
    bytes.extend_from_slice(&hello_of(side));
    let at = script.len();
    let splits: [Vec<&[u8]>; 4] = [
        vec![&bytes],
        vec![&bytes[..at], &bytes[at..]],
        vec![&bytes[..at + 1], &bytes[at + 1..]],
        bytes.chunks(1).collect(),
    ];
    let mut all = None;
    for pieces in splits {
        let count = pieces.len();
        let (prelude, step, began) = hear(pieces);
        assert!(matches!(step, Step::Tls { .. }), "{step:?} in {count} pieces, {prelude:?}");
        assert_eq!(began, at, "in {count} pieces");
        assert_eq!(prelude.facts().upgrade, Some(upgrade), "in {count} pieces");
        assert_eq!(prelude.facts().role, Some(side), "in {count} pieces");
        assert_eq!(*all.get_or_insert_with(|| prelude.facts().clone()), *prelude.facts());
    }
    all.expect("there is at least one split")
}

/// The script leads nowhere, whole or in pieces, though it holds hellos.
#[track_caller]
fn leads_nowhere(script: &[u8]) -> PreludeFacts {
    let (prelude, step, _) = hear(script.chunks(1));
    assert!(!matches!(step, Step::Tls { .. }), "byte by byte: {prelude:?}");
    let (prelude, step, _) = hear([script]);
    assert!(!matches!(step, Step::Tls { .. }), "whole: {prelude:?}");
    prelude.facts().clone()
}

fn with_hello(before: &[u8], after: &[u8]) -> Vec<u8> {
    [before, &client_hello(), &server_hello(), after].concat()
}

const C: Side = Side::Client;
const S: Side = Side::Server;

const LINES: &[(Side, &str, Upgrade)] = &[
    (C, "EHLO pc.contoso.com\r\nSTARTTLS\r\n", Upgrade::Smtp),
    (C, "ehlo pc\nstarttls\n", Upgrade::Smtp),
    (C, "EHLO a\r\nX-ANONYMOUSTLS\r\n", Upgrade::AnonymousTls),
    (C, "STARTTLS\r\n", Upgrade::Other),
    (C, "EHLO a\r\nSTARTTLS\r\nEHLO a\r\nRSET\r\nSTARTTLS\r\n", Upgrade::Smtp),
    (S, "220 mx ESMTP\r\n250-mx\r\n250-STARTTLS\r\n250 8BITMIME\r\n220 go\r\n", Upgrade::Smtp),
    (
        S,
        "220-mx ESMTP\r\n220 spam is unwelcome\r\n250 STARTTLS\r\n454 later\r\n220 go\r\n",
        Upgrade::Smtp,
    ),
    (S, "250-mx\n250 STARTTLS\n220 go\n", Upgrade::Smtp),
    (C, "a1 STARTTLS\r\n", Upgrade::Imap),
    (C, ". CAPABILITY\r\n. STARTTLS\r\n", Upgrade::Imap),
    (C, "a1 login me secret\r\na2 Starttls\r\n", Upgrade::Imap),
    (S, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\na1 OK Begin\r\n", Upgrade::Imap),
    (S, "* OK hi\r\n* CAPABILITY IMAP4\r\n. OK done\r\n. NO\r\n. OK Begin TLS\r\n", Upgrade::Imap),
    (S, "a1 OK Begin TLS negotiation now.\r\n", Upgrade::Imap),
    (C, "STLS\r\n", Upgrade::Pop3),
    (C, "AUTH\r\nCAPA\r\nSTLS\r\n", Upgrade::Pop3),
    (S, "+OK POP3\r\n-ERR what\r\n+OK\r\nTOP\r\nSTLS\r\n.\r\n+OK Begin\r\n", Upgrade::Pop3),
    (C, "FEAT\r\nAUTH TLS\r\n", Upgrade::Ftp),
    (C, "AUTH SSL\r\n", Upgrade::Ftp),
    (
        S,
        "220 (vsFTPd)\r\n211-Features:\r\n EPRT\r\n AUTH TLS\r\n211 End\r\n234 go\r\n",
        Upgrade::Ftp,
    ),
    (C, "CAPABILITIES\r\nSTARTTLS\r\n", Upgrade::Nntp),
    (S, "200 news\r\n101 list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n382 go\r\n", Upgrade::Nntp),
    (C, "CAP LS 302\r\nSTARTTLS\r\n", Upgrade::Irc),
    (C, "NICK a\r\nUSER a 0 * :A\r\nSTARTTLS\r\n", Upgrade::Irc),
    (S, ":irc.example.org 670  :STARTTLS successful\r\n", Upgrade::Irc),
    (S, "NOTICE AUTH :*** hi\r\n:irc.example.org CAP * LS :tls\r\n:i 670 a :go\r\n", Upgrade::Irc),
    (C, "CAPABILITY\r\nSTARTTLS\r\n", Upgrade::Sieve),
    (S, "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\nOK \"go\"\r\n", Upgrade::Sieve),
];

#[test]
fn dialogues_of_lines_lead_to_tls() {
    for &(side, script, upgrade) in LINES {
        println!("{script:?}");
        let facts = leads(side, script.as_bytes(), upgrade);
        assert_eq!(facts.asked, side == C, "{script:?}");
        assert!(!facts.refused, "{script:?}");
        let offers = side == S && script.contains("STARTTLS") && !script.contains("670");
        assert!(!offers || facts.offered, "{script:?}");
    }
}

#[test]
fn long_and_strange_lines_are_passed_over() {
    let long = format!(
        "220 mx\r\n250-{}\r\n250-\u{e4}\r\nhm\r\n\r\n250 x\r\n220 go\r\n",
        "x".repeat(9000)
    );
    leads(S, long.as_bytes(), Upgrade::Smtp);
}

#[test]
fn refusals_are_noted_and_the_dialogue_goes_on() {
    for script in [
        "220 mx\r\n250-mx\r\n250 STARTTLS\r\n454 TLS not available\r\n",
        "* OK hi\r\na1 NO no\r\n",
        "* OK hi\r\na1 BAD what\r\n",
        "+OK hi\r\n-ERR no\r\n",
        "220 ftp\r\n534 no\r\n",
        "200 news\r\n580 no\r\n",
        ":irc.example.org 691 :no\r\n",
        "\"SIEVE\" \"x\"\r\nOK\r\nNO \"no\"\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='1'><failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    ] {
        let facts = leads_nowhere(script.as_bytes());
        assert!(facts.refused, "{script:?}");
    }
}

#[test]
fn hellos_by_chance_are_none() {
    let scripts: &[&[u8]] = &[
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 407 no\r\nContent-Length: 200\r\n\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\nSubject: hi\r\n\r\n",
        b"EHLO a\r\nSTARTTLS now and then ",
        b"CONNECT a:443 HTTP/1.1\r\n",
        b"+OK 120 octets\r\nhi\r\n",
        b"* 1 FETCH (BODY[] {200}\r\n",
        b"<?xml version='1.0'?><html>",
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='a'>",
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='a'><starttls ",
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='a'><!-- <starttls/>",
        b"\x00\x01\x02\x03\x04\x05\x06\x07",
        b"hello there\n",
    ];
    for script in scripts {
        println!("{}", script.escape_ascii());
        leads_nowhere(&with_hello(script, b"\r\nand more\r\n"));
    }
}

#[test]
fn plain_protocols_are_given_up_at_once() {
    for script in ["GET / HTTP/1.1\r\n", "POST /", "SSH-2.0-x\r\n", "SIP/2.0 200 OK\r\n"] {
        assert_eq!(Prelude::default().push(script.as_bytes()), Step::NotTls, "{script:?}");
    }
}

#[test]
fn connect_names_its_host() {
    for (target, name) in [
        ("outlook.office365.com:443", "outlook.office365.com"),
        ("OUTLOOK.Office365.COM.:443", "outlook.office365.com"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[::1]", "::1"),
        ("http://login.live.com:443/x", "login.live.com"),
        ("me@example.org:443", "example.org"),
        ("10.1.2.3:443", "10.1.2.3"),
    ] {
        let script = format!("CONNECT {target} HTTP/1.1\r\nHost: other:443\r\n\r\n");
        let facts = leads(C, script.as_bytes(), Upgrade::HttpConnect);
        assert_eq!(facts.name.as_deref(), Some(name));
    }
    leads(C, b"connect a:443 HTTP/1.0\n\n", Upgrade::HttpConnect);
}

#[test]
fn proxy_authentication_comes_first() {
    let ticket = "Q".repeat(60_000);
    let request = "CONNECT a.example:443 HTTP/1.1\r\nProxy-Connection: keep-alive\r\n";
    let script = format!(
        "{request}\r\n{request}Proxy-Authorization: Negotiate {ticket}\r\n\r\n\
         CONNECT b.example:443 HTTP/1.1\r\n\r\n"
    );
    let facts = leads(C, script.as_bytes(), Upgrade::HttpConnect);
    assert_eq!(facts.name.as_deref(), Some("b.example"));

    let page = "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01";
    let script = format!(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\
         Content-Length: {}\r\n\r\n{page}HTTP/1.1 407 again\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x};a=b\r\n{page}\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 Connection established\r\nVia: x\r\nContent-Length: 0\r\n\r\n",
        page.len(),
        page.len(),
    );
    let facts = leads(S, script.as_bytes(), Upgrade::HttpConnect);
    assert!(!facts.refused);
}

#[test]
fn dialogues_within_a_tunnel_are_followed() {
    let facts = leads(
        C,
        b"CONNECT mail.example:25 HTTP/1.1\r\n\r\nEHLO a\r\nSTARTTLS\r\n",
        Upgrade::HttpConnect,
    );
    assert_eq!(facts.name.as_deref(), Some("mail.example"));
    leads(S, b"HTTP/1.1 200 OK\r\n\r\n220 mx\r\n250 STARTTLS\r\n220 go\r\n", Upgrade::HttpConnect);
}

#[test]
fn printers_upgrade_http() {
    leads(
        C,
        b"OPTIONS * HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
        Upgrade::Other,
    );
    leads(
        S,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n",
        Upgrade::Other,
    );
}

const TLS_NS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

#[test]
fn xmpp_is_followed_in_any_dress() {
    let clients = [
        "<?xml version='1.0'?><stream:stream to='Contoso.com' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>\
         <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        "\u{feff} \n<s:stream\n\tversion=\"1.0\" xmlns:s=\"http://etherx.jabber.org/streams\" \
         from='a&apos;>b' to = \"contoso.com\"  >\n<!-- <x> --> \
         <t:starttls xmlns:t='urn:ietf:params:xml:ns:xmpp-tls'><!--x--></t:starttls > \r\n ",
        "<stream xmlns='http://etherx.jabber.org/streams' to='user@contoso&#46;com/res'>\
         <![CDATA[<proceed/>]]><starttls></starttls>",
        "<stream:stream id='7' from='me@branch.example' to='contoso.com' \
         xmlns:stream='http://etherx.jabber.org/streams'><starttls/>",
    ];
    for script in clients {
        println!("{script}");
        let facts = leads_idle(C, script);
        assert_eq!(facts.name.as_deref(), Some("contoso.com"), "{script}");
        assert!(facts.asked);
    }
    let servers = [
        format!(
            "<?xml version='1.0'?><stream:stream id='1' from='contoso.com' to='me' \
             xmlns:stream='http://etherx.jabber.org/streams'><stream:features>\
             <starttls xmlns='{TLS_NS}'><required/></starttls><mechanisms xmlns='x'>\
             <mechanism>PLAIN</mechanism></mechanisms></stream:features><proceed xmlns='{TLS_NS}'/>"
        ),
        format!(
            "<stream:stream xmlns:stream=\"http://etherx.jabber.org/streams\" from=\"contoso.com\" \
             id=\"x\"><stream:features><starttls/></stream:features> <proceed\nxmlns=\"{TLS_NS}\"></proceed>"
        ),
        format!(
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' from='contoso.com' \
             to='me.example'><stream:features><starttls/></stream:features><proceed xmlns='{TLS_NS}'/>"
        ),
    ];
    for script in &servers {
        let facts = leads_idle(S, script);
        assert_eq!(facts.name.as_deref(), Some("contoso.com"), "{script}");
        assert!(facts.offered && !facts.refused);
    }
}

fn leads_idle(side: Side, script: &str) -> PreludeFacts {
    leads(side, script.as_bytes(), Upgrade::Xmpp)
}

#[test]
fn xmpp_in_the_clear_is_plain() {
    let head = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='a.example'>";
    for child in ["<db:result to='x'>abc</db:result>", "<auth mechanism='PLAIN'>", "<iq/>"] {
        let script = format!("{head}{child}");
        assert_eq!(Prelude::default().push(script.as_bytes()), Step::NotTls, "{child}");
    }
    let nested = format!("{head}<x><starttls/></x>");
    leads_nowhere(&with_hello(nested.as_bytes(), b""));
}

#[test]
fn a_hello_is_told_from_its_first_bytes() {
    for (bytes, expect) in [
        (client_hello(), Look::Yes),
        (server_hello(), Look::Yes),
        (b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), Look::Yes),
        (b"\x15\x03\x01\x00\x02\x03\x46".to_vec(), Look::No),
        (b"\x15\x03\x01\x00\x1a\x02\x46".to_vec(), Look::No),
        (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10".to_vec(), Look::Yes),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10".to_vec(), Look::Yes),
        (b"\x80\x2f\x01\x03\x01\x00\x15\x00\x00\x00\x10".to_vec(), Look::No),
        (b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03".to_vec(), Look::Yes),
        (b"\x16\x03\x05\x00\x30".to_vec(), Look::NeedMore),
        (b"\x16\x02\x05\x00\x30".to_vec(), Look::No),
        (b"\x16\x03\x01\x00\x00".to_vec(), Look::NeedMore),
        (b"\x16\x03\x01\x00\x00GET /".to_vec(), Look::No),
        (b"\x14\x03\x03\x00\x01\x01".to_vec(), Look::NeedMore),
        (b"\x14\x03\x03\x00\x01\x02".to_vec(), Look::No),
        (b"\x16\x03\x01\x48\x01".to_vec(), Look::No),
        (b"\x16\x03\x01\x00\x2f\x0b\x00\x00\x2b\x03\x01".to_vec(), Look::No),
        (b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x01".to_vec(), Look::No),
        (b"\x17\x03\x03\x00\x20".to_vec(), Look::No),
    ] {
        assert_eq!(look(&bytes, None), expect, "{}", bytes.escape_ascii());
        if expect == Look::Yes {
            let needed = bytes.len().min(11);
            for len in 0..needed {
                let early = look(&bytes[..len], None);
                assert_eq!(early, Look::NeedMore, "{}", bytes[..len].escape_ascii());
            }
        }
    }
}

#[test]
fn a_hello_may_come_in_tiny_records() {
    let hello = client_hello();
    let tiny: Vec<u8> = hello[5..].iter().flat_map(|&byte| [0x16, 3, 1, 0, 1, byte]).collect();
    assert_eq!(look(&tiny, None), Look::Yes);
    assert_eq!(look(&tiny[..35], None), Look::NeedMore);
    let (prelude, step, began) = hear(tiny.chunks(1));
    assert!(matches!(step, Step::Tls { .. }));
    assert_eq!((began, prelude.facts().upgrade), (0, Some(Upgrade::Direct)));
}

#[test]
fn tls_after_lost_bytes_is_accepted_at_a_segment() {
    let mut prelude = Prelude::default();
    assert_eq!(prelude.push(b"EHLO a\r\nSTART"), Step::More);
    prelude.gap();
    assert_eq!(prelude.push(&client_hello()), Step::Tls { consumed: 0 });
    assert_eq!(prelude.facts().upgrade, Some(Upgrade::Smtp));

    let mut prelude = Prelude::default();
    prelude.gap();
    assert_eq!(prelude.push(b"rest of something"), Step::More);
    assert_eq!(prelude.push(&server_hello()), Step::Tls { consumed: 0 });
    assert_eq!(prelude.facts().upgrade, Some(Upgrade::Other));

    let mut prelude = Prelude::default();
    assert_eq!(prelude.push(b"220 mx\r\n250-a"), Step::More);
    prelude.gap();
    let rest = [b"x\r\n220 go\r\n", server_hello().as_slice()].concat();
    assert_eq!(prelude.push(&rest), Step::Tls { consumed: 11 });
}

#[test]
fn the_more_telling_word_counts() {
    for (one, other, joined) in [
        (Some(Upgrade::Other), Some(Upgrade::Irc), Some(Upgrade::Irc)),
        (Some(Upgrade::AnonymousTls), Some(Upgrade::Smtp), Some(Upgrade::AnonymousTls)),
        (None, Some(Upgrade::Direct), Some(Upgrade::Direct)),
        (Some(Upgrade::Direct), Some(Upgrade::Smtp), Some(Upgrade::Smtp)),
        (None, None, None),
    ] {
        assert_eq!(join(one, other), joined);
        assert_eq!(join(other, one), joined);
    }
}

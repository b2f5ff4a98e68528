//! Dialogues as awkward programs lead them: literals, pipelines, notices, methods that are rare.

use super::binary::hex;
use super::*;

#[test]
fn lines_within_literals_are_content() {
    for script in [
        "a1 LOGIN {4}\r\nuser {3}\r\npwd\r\na2 STARTTLS\r\n",
        "a1 LOGIN {2+}\r\nme {3+}\r\npwd\r\na2 STARTTLS\r\n",
        "A0001 CAPABILITY\r\nA0002 NOOP\r\nA0003 starttls\r\n",
    ] {
        assert!(leads(C, script.as_bytes(), Upgrade::Imap).asked, "{script:?}");
    }
    for script in [
        "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n* BYE soon\r\nx.9 OK go\r\n",
        "* PREAUTH hi\r\n+ go ahead\r\n+ \r\na1 NO no\r\na2 OK Begin\r\n",
    ] {
        assert!(!leads(S, script.as_bytes(), Upgrade::Imap).refused, "{script:?}");
    }
}

#[test]
fn smtp_is_followed_through_pipelines_and_refusals() {
    for script in [
        "EHLO a\r\nNOOP\r\nSTARTTLS \r\n",
        "LHLO a\r\nSTARTTLS\r\n",
        "HELO a\r\nEHLO a\r\nHELP\r\nVRFY x\r\nStartTls\r\n",
    ] {
        assert!(leads(C, script.as_bytes(), Upgrade::Smtp).asked, "{script:?}");
    }
    for script in [
        "220-a\r\n220-b\r\n220 c ESMTP\r\n250-a\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 HELP\r\n\
         250 2.0.0 OK\r\n220 2.0.0 Ready\r\n",
        "220 c ESMTP\r\n500 what\r\n250 c\r\n250-c\r\n250 STARTTLS\r\n454 4.7.0 busy\r\n\
         250 ok\r\n220 go\r\n",
        "220 c ESMTP\r\n250-c\r\n250 STARTTLS\r\n220-go\r\n220 on\r\n",
    ] {
        assert!(!leads(S, script.as_bytes(), Upgrade::Smtp).refused, "{script:?}");
    }
    // The greeting is no answer to STARTTLS, nor is the first line of a longer one.
    leads_nowhere(&with_hello(b"220-mx ESMTP\r\n", b"\r\n"));
}

#[test]
fn ftp_and_pop3_say_no_and_then_yes() {
    for script in ["AUTH TLS-C\r\n", "AUTH GSSAPI\r\nAUTH SSL\r\n", "auth tls\r\n"] {
        leads(C, script.as_bytes(), Upgrade::Ftp);
    }
    let script = "220 ftp\r\n534 no GSSAPI\r\n234 AUTH TLS ok\r\n";
    assert!(!leads(S, script.as_bytes(), Upgrade::Ftp).refused);
    let script = "+OK hi <1.2@a>\r\n-ERR [SYS/TEMP] later\r\n-ERR\r\n+OK go\r\n";
    assert!(!leads(S, script.as_bytes(), Upgrade::Pop3).refused);
    for script in ["534-no\r\n534 really\r\n", "-ERR\r\n"] {
        let first = if script.starts_with('5') { "220 ftp\r\n" } else { "+OK hi\r\n" };
        let facts = leads_nowhere(format!("{first}{script}").as_bytes());
        assert!(facts.refused, "{script:?}");
    }
}

#[test]
fn ldap_notices_are_no_answers() {
    let notice = "30 24 020100 78 1f 0a0134 0400 0400 8a 16 \
                  312e332e362e312e342e312e313436362e3230303336";
    leads_nowhere(&with_hello(&hex(notice), b""));
    let yes = "30 0c 020102 78 07 0a0100 0400 0400";
    assert!(!leads(S, &hex(yes), Upgrade::Ldap).refused);
    // A message of four length bytes, and one that says it is longer than anybody's.
    let long = "30 84 0000000c 020101 78 07 0a0100 0400 0400";
    leads(S, &hex(long), Upgrade::Ldap);
    leads_nowhere(&with_hello(&hex("30 84 7fffffff 020101 78"), b""));
    leads_nowhere(&with_hello(&hex("30 80 020101 78 07 0a0100 0400 0400 0000"), b""));
}

#[test]
fn proxies_ask_for_passwords_and_speak_for_nobody() {
    // GSSAPI (RFC 1961) takes a round, and the server takes it.
    let client = "05 01 01 01 01 0004 aabbccdd 05 01 00 03 01 61 01bb";
    leads_or_waits(C, &hex(client));
    let server = "05 ff";
    leads_nowhere(&with_hello(&hex(server), b""));
    let refused = "05 00 05 02 00 01 00000000 0000";
    assert!(leads_nowhere(&with_hello(&hex(refused), b"")).refused);
    let signature = "0d0a0d0a000d0a515549540a";
    for script in [
        // AF_UNIX, stream: two paths of 108 bytes.
        hex(&format!("{signature} 21 31 00d8 {}", "2f".repeat(216))),
        // LOCAL with addresses that mean nothing, and an unknown family.
        hex(&format!("{signature} 20 11 000c c0000201 c0000202 dc04 01bb")),
        hex(&format!("{signature} 21 00 0003 010203")),
        b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(),
    ] {
        let facts = leads(C, &script, Upgrade::Direct);
        assert_eq!(facts.proxied, None, "{}", script.escape_ascii());
    }
    for script in [&b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"[..], b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"] {
        let (prelude, ..) = hear([&with_hello(script, b"")[..]]);
        assert_eq!(prelude.facts().proxied, None, "{}", script.escape_ascii());
    }
}

/// The script is followed to TLS, or heard without another claim.
fn leads_or_waits(side: Side, script: &[u8]) {
    let bytes = [script, &hello_of(side)].concat();
    let (prelude, step, began) = hear([&bytes[..]]);
    if let Step::Tls { .. } = step {
        assert_eq!((began, prelude.facts().upgrade), (script.len(), Some(Upgrade::Socks)));
    }
}

#[test]
fn tds_8_is_tls_from_the_first_byte() {
    let (prelude, step, began) = hear([&client_hello()[..]]);
    assert_eq!((step, began), (Step::Tls { consumed: 0 }, 0));
    assert_eq!(prelude.facts().upgrade, Some(Upgrade::Direct));
}

#[test]
fn xmpp_servers_refuse_and_domains_dial_back() {
    let head = "<?xml version=\"1.0\"?><stream:stream xmlns=\"jabber:server\" \
                xmlns:db='jabber:server:dialback' to='b.example' \
                xmlns:stream='http://etherx.jabber.org/streams'>";
    for rest in [
        "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>\
         <db:verify to='a' from='b' id='1'>x</db:verify>",
        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>",
        "<stream:error><policy-violation/></stream:error></stream:stream>",
    ] {
        leads_nowhere(&with_hello(format!("{head}{rest}").as_bytes(), b""));
    }
    // The attributes of the root come in any order, with any quotes and prefix.
    let attributes =
        ["to='c.example'", "from=\"a@b\"", "version='1.0'", "xml:lang=\"en\"", "x:to='d&gt;'"];
    for first in 0..attributes.len() {
        let mut attributes = attributes;
        attributes.rotate_left(first);
        let root = attributes.join("\n ");
        let script = format!(
            "<x:stream xmlns:x='http://etherx.jabber.org/streams' {root}\
             ><y:starttls xmlns:y='urn:ietf:params:xml:ns:xmpp-tls' />"
        );
        let facts = leads(C, script.as_bytes(), Upgrade::Xmpp);
        assert_eq!(facts.name.as_deref(), Some("c.example"), "{script}");
    }
}

//! What was offered and what was selected.

use dissect::{Coverage, Protocol, RefusalKind, Side, Version};

use crate::kit::*;

const ALL: [(u16, Version); 5] = [
    (0x0300, Version::Ssl3),
    (0x0301, Version::Tls10),
    (0x0302, Version::Tls11),
    (0x0303, Version::Tls12),
    (0x0304, Version::Tls13),
];

/// A whole connection of a client up to `offered` with a server that selects `chosen`.
pub(crate) fn session(offered: u16, chosen: u16) -> Conversation {
    session_of(&Hello::up_to(offered), &Reply::of(chosen))
}

/// A whole connection with this hello and this answer.
pub(crate) fn session_of(hello: &Hello, reply: &Reply) -> Conversation {
    finish(Conversation::default().open().client(&hello.record()), reply)
}

/// The rest of a connection from the ServerHello on.
pub(crate) fn finish(conversation: Conversation, reply: &Reply) -> Conversation {
    let version = reply.version;
    let is_13 = reply.suite & 0xff00 == 0x1300;
    let conversation = if is_13 {
        conversation
            .server(&[reply.record(), change_cipher_spec(version), data(version, 900)].concat())
            .client(&[change_cipher_spec(version), data(version, 53)].concat())
    } else {
        let sealed = [change_cipher_spec(version), finished(version)].concat();
        conversation
            .server(&server_flight(reply))
            .client(&[client_key_exchange(version), sealed.clone()].concat())
            .server(&sealed)
    };
    conversation.client(&data(version, 200)).server(&data(version, 3000)).close(Side::Client)
}

#[test]
fn every_offer_meets_every_choice() {
    for (offered, max) in ALL {
        for (chosen, version) in ALL.into_iter().filter(|(chosen, _)| *chosen <= offered) {
            let facts = facts(&session(offered, chosen).packets);
            let name = format!("{max} offered, {version} chosen");
            assert_eq!(facts.offered_max(), Some(max), "{name}");
            assert_eq!(facts.negotiated(), Some(version), "{name}");
            assert_eq!(facts.established, Some(true), "{name}");
            assert_eq!(facts.resumed, Some(false), "{name}");
            assert_eq!(facts.coverage, Coverage::COMPLETE, "{name}");
            assert_eq!(facts.certificate.is_some(), version < Version::Tls13, "{name}");
            assert_eq!(facts.refusal, None, "{name}");
        }
    }
}

#[test]
fn a_hello_that_is_retried_is_one_handshake() {
    let hello = Hello::up_to(0x0304);
    let again = hello.clone().with(44, b"cookie");
    let start = Conversation::default().open().client(&hello.record());
    let retried = start
        .server(&[retry().record(), change_cipher_spec(0x0303)].concat())
        .client(&[change_cipher_spec(0x0303), again.record()].concat());
    let whole = finish(retried.clone(), &Reply::of(0x0304));
    for packets in [whole.packets.clone(), whole.clone().delayed(Side::Client).packets] {
        let facts = facts(&packets);
        assert!(facts.hello_retried);
        assert_eq!(facts.negotiated(), Some(Version::Tls13));
        assert_eq!(facts.established, Some(true));
        assert_eq!(facts.coverage, Coverage::COMPLETE);
        assert_eq!(facts.client_hello.unwrap().offer.extensions, facts_of(&hello));
    }
    // Byte by byte, the ServerHello behind the ChangeCipherSpec too.
    let start = Conversation::default().mss(1).open().client(&hello.record());
    let tiny = start
        .server(&[retry().record(), change_cipher_spec(0x0303)].concat())
        .client(&[change_cipher_spec(0x0303), again.record()].concat());
    same(&facts(&finish(tiny, &Reply::of(0x0304)).packets), &facts(&whole.packets), "");
    // Refused after all, in the clear.
    let refused = retried.server(&alert(0x0303, 40)).close(Side::Server);
    let facts = facts(&refused.packets);
    assert_eq!(facts.refusal.map(|refusal| refusal.kind), Some(RefusalKind::Alert(40)));
    assert_eq!(facts.established, Some(false));
}

fn facts_of(hello: &Hello) -> Option<Vec<u16>> {
    Some(hello.extensions.as_ref()?.iter().map(|(number, _)| *number).collect())
}

#[test]
fn drafts_experiments_and_grease_are_read() {
    let check = |numbers: &[u16], chosen: u16, max, version| {
        let mut list = vec![u8::try_from(numbers.len() * 2).unwrap()];
        list.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        let mut hello = Hello::up_to(0x0303).with(43, &list);
        hello.suites.insert(0, 0x1301);
        let mut reply = Reply::of(0x0304);
        reply.extensions = Some(vec![(43, chosen.to_be_bytes().to_vec())]);
        let facts = facts(&session_of(&hello, &reply).packets);
        assert_eq!(facts.offered_max(), max, "{numbers:04x?}");
        assert_eq!(facts.negotiated(), version, "{chosen:04x}");
    };
    let tls13 = Some(Version::Tls13);
    check(&[0x7f1c, 0x0303], 0x7f1c, tls13, tls13);
    check(&[0x7e02, 0x0303], 0x7e02, tls13, tls13);
    check(&[0xfb1a, 0x0303], 0xfb1a, tls13, tls13);
    check(&[0x3a3a, 0x0304, 0x0303], 0x0304, tls13, tls13);
    // GREASE alone above TLS 1.2 offers no more than that; holes are allowed.
    let facts = facts(
        &session_of(&Hello::up_to(0x0303).with(43, &[4, 0x7a, 0x7a, 3, 1]), &Reply::of(0x0301))
            .packets,
    );
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
}

#[test]
fn versions_of_records_are_no_evidence() {
    for record_version in [0x0300, 0x0301, 0x0302, 0x0303, 0x0304] {
        let mut hello = Hello::up_to(0x0303);
        hello.record_version = record_version;
        let facts = facts(&session_of(&hello, &Reply::of(0x0302)).packets);
        assert_eq!(facts.offered_max(), Some(Version::Tls12));
        assert_eq!(facts.negotiated(), Some(Version::Tls11));
        assert_eq!(facts.client_hello.unwrap().record_version, record_version);
    }
}

#[test]
fn hellos_of_the_oldest_clients_are_read() {
    let challenge = [3; 16];
    for (wire, version) in ALL.into_iter().take(3) {
        let hello = sslv2_hello(wire, &[0x2f, 0x0a, 0x0001_0080], &challenge);
        for mss in [1, 7, 1460] {
            let start = Conversation::default().mss(mss).open().client(&hello);
            let facts = facts(&finish(start, &Reply::of(wire)).packets);
            assert_eq!(facts.protocol, Protocol::Tls);
            assert_eq!(facts.offered_max(), Some(version));
            assert_eq!(facts.negotiated(), Some(version));
            assert_eq!(facts.established, Some(true));
            assert_eq!(facts.coverage, Coverage::COMPLETE);
        }
    }
}

#[test]
fn ssl_2_is_told_from_an_imitation() {
    let hello = sslv2_hello(0x0301, &[0x2f, 0x0001_0080], &[3; 16]);
    let key = [&[0x80, 0x22, 2][..], &[9; 33]].concat();
    let start = Conversation::default().open().client(&hello);
    let whole = start.server(&sslv2_server_hello()).client(&key).server(&[0x80, 2, 7, 7]);
    let facts = facts(&whole.close(Side::Client).packets);
    assert_eq!(facts.protocol, Protocol::Tls);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
    assert_eq!(facts.negotiated(), Some(Version::Ssl2));
    // SSL 2.0 goes over to encryption without a word that says so.
    assert_eq!(facts.established, None);
}

#[test]
fn unassigned_versions_offer_all_below() {
    for wire in [0x0305, 0x03ff, 0x7e00, 0x7e10, 0x7e7e, 0x7eff] {
        let mut hello = Hello::up_to(0x0303);
        hello.version = wire;
        let facts = facts(&session_of(&hello, &Reply::of(0x0303)).packets);
        assert_eq!(facts.offered_max(), Some(Version::Tls12), "{wire:#06x}");
    }
}

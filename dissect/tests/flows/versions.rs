//! What was offered and what was selected.

use dissect::{Coverage, Side, Version};

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

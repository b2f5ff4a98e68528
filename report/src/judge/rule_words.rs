//! The rules in words, without the facts of any connection: which one decided, for `explain`.

use dissect::Side;

use super::rules::{Case, Ground, Ruling};
use crate::judged::{Cause, Verdict};

impl Case<'_> {
    /// The rule behind a ruling.
    pub(super) fn rule_words(&self, ruling: &Ruling) -> &'static str {
        let by_client = self.decider() == Side::Client;
        match ruling.ground {
            Ground::AbortedLater => {
                "a handshake that satisfies the policy and is given up later says nothing of the \
                 policy"
            }
            Ground::ChoiceProves => {
                "a server may select only what was offered, so its choice proves an offer that was \
                 not seen whole"
            }
            Ground::Dtls => "DTLS carries media and is outside every policy",
            Ground::MarkBlamesClient => {
                "a server sets the downgrade mark only when it could do better than the hello, \
                 so the client was the limit"
            }
            Ground::MarkClearsServer => {
                "a server sets the downgrade mark only when it could do better than the hello, \
                 so the server is not the limit"
            }
            Ground::NotConcerned => "the policy does not concern connections of this kind",
            Ground::NothingSeen => {
                "without ClientHello and ServerHello nothing is said of a connection"
            }
            Ground::OfferFails if ruling.verdict == Verdict::Degrades => {
                "the client's offer decides; mail between servers falls back to cleartext instead \
                 of failing"
            }
            Ground::OfferFails if by_client => {
                "the client's offer decides, replayed version by version as a server under the \
                 policy would: it has no way through"
            }
            Ground::OfferFails => "an offer without any way through tells nothing of the server",
            Ground::OfferPasses => {
                "the client's offer decides, replayed version by version as a server under the \
                 policy would: it has a way through"
            }
            Ground::OfferTooLowToTell => {
                "a server may select only what was offered, so a low offer does not show what it \
                 can do"
            }
            Ground::OfferUndecided(_) if !by_client => {
                "a server is judged by an offer that certainly reaches the minimum, and what was \
                 seen of this one leaves that open"
            }
            Ground::OfferUndecided(_) => {
                "the client's offer decides, and what was seen of it leaves the outcome open"
            }
            Ground::PseudoTls => "an imitation of a handshake is no TLS",
            Ground::PseudoTlsIntercepted => {
                "a media relay never answers its imitation of a handshake with a certificate"
            }
            Ground::Quic => "QUIC has no version below TLS 1.3",
            Ground::RefusedThough if ruling.cause == Some(Cause::ServerTooOld) => {
                "the server's choice decides; it refused an offer that has a way through"
            }
            Ground::RefusedThough => {
                "an offer with a way through that is refused fails for another reason than the \
                 policy"
            }
            Ground::Retry => {
                "a lower hello within 60 s of one that had a way through and failed is a retry: \
                 somebody on the way refuses the higher one"
            }
            Ground::RetryUnsure => {
                "a lower hello within 60 s of another one may be its retry, which the text that \
                 tells of both leaves open"
            }
            Ground::ServerChoseEnough => "the server's choice decides, and the policy accepts it",
            Ground::ServerChoseLess if ruling.cause == Some(Cause::Middlebox) => {
                "a service that selects less than it requires is not itself: somebody else answers"
            }
            Ground::ServerChoseLess if ruling.verdict == Verdict::Degrades => {
                "the server's choice decides; mail between servers falls back to cleartext instead \
                 of failing"
            }
            Ground::ServerChoseLess => {
                "the server's choice decides: it is below the minimum although more was offered"
            }
            Ground::ServerChoseOutside => {
                "one choice outside the policy does not show that there is no other"
            }
            Ground::ServerHelloCut => "the part of the ServerHello that decides has to be seen",
            Ground::ServerSideOnly => {
                "a low choice alone does not tell whether the client or the server was the limit"
            }
            Ground::ServerUnseen => "the server's choice decides, and it was not seen",
        }
    }
}

//! The verdicts, one rule for each case, without words.
//!
//! To Office 365 the client's offer decides; from Office 365 the server's choice does. What the
//! deciding side said is looked at first, the answer only where it changes the verdict.

use dissect::{Protocol, Side, Version};

use super::gist::{Answer, Gist};
use super::history::Retry;
use crate::judged::{Cause, Direction, Verdict};
use crate::policy::{Choice, Concerns, Policy, Undecided, Way, is_tls12_suite, may_reach, reaches};

/// One connection under one policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy,
    pub(super) gist: Gist<'a>,
    pub(super) direction: Direction,
    pub(super) server_is_inside: bool,
    /// Whether service, name, address and port are among those of the policy.
    pub(super) in_scope: bool,
    /// How the offer fares, when there is one.
    pub(super) way: Option<Way>,
    /// Whether a hello with a way through failed at the same server shortly before.
    pub(super) retry: Retry,
    /// The name on the certificate, when it is none of the service that was asked for.
    pub(super) foreign_certificate: Option<&'a str>,
    /// The name that the client asked for, when it goes away with the policy.
    pub(super) retired_name: Option<&'a str>,
    /// The client offers the minimum in some connection.
    pub(super) offers_more_elsewhere: bool,
}

/// A verdict, its cause, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) cause: Option<Cause>,
    pub(super) ground: Ground,
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ground {
    /// A handshake that is enough was given up, which says nothing of versions.
    AbortedLater,
    /// The server's choice proves the client's offer, which was not seen whole.
    ChoiceProves,
    /// The connection is none of the policy's.
    NotConcerned,
    /// DTLS carries media.
    Dtls,
    /// The downgrade mark proves that the client was the limit.
    MarkBlamesClient,
    /// The downgrade mark proves that the server could do better.
    MarkClearsServer,
    /// Neither hello was seen.
    NothingSeen,
    /// The offer has no way through.
    OfferFails,
    /// The offer has a way through.
    OfferPasses,
    /// The offer's deciding part was not seen, or leaves the choice to the server.
    OfferUndecided(Undecided),
    /// The one who dialled offers too little for the server to show what it can.
    OfferTooLowToTell,
    /// A media relay's imitation of a handshake.
    PseudoTls,
    /// The imitation was answered by a certificate.
    PseudoTlsIntercepted,
    /// QUIC has TLS 1.3 only.
    Quic,
    /// An offer with a way through was refused.
    RefusedThough,
    /// A higher hello was refused before.
    Retry,
    /// A hello came before of which too little is told to say whether this is its retry.
    RetryUnsure,
    /// The server's choice is enough.
    ServerChoseEnough,
    /// The server chose less although more was offered.
    ServerChoseLess,
    /// The server chose a suite outside the policy.
    ServerChoseOutside,
    /// The part of the ServerHello that decides was cut off.
    ServerHelloCut,
    /// Only the server's side was seen, and it chose less.
    ServerSideOnly,
    /// The server's answer decides and was not seen.
    ServerUnseen,
}

/// What shows that a client could do more than it offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capped {
    Suites,
    Extensions,
    Elsewhere,
}

impl Case<'_> {
    /// The verdict.
    pub(super) fn rule(&self) -> Ruling {
        let is_concerned = match self.policy.concerns {
            Concerns::Everyone => true,
            Concerns::FromOffice365 => self.direction == Direction::FromOffice365,
            Concerns::Office365 => self.direction != Direction::Other,
            Concerns::ToOffice365 => self.direction == Direction::ToOffice365,
        };
        match self.gist.protocol {
            _ if !is_concerned || !self.in_scope => {
                plain(Verdict::OutOfScope, Ground::NotConcerned)
            }
            Protocol::Dtls => plain(Verdict::OutOfScope, Ground::Dtls),
            Protocol::Quic => plain(Verdict::Unaffected, Ground::Quic),
            Protocol::PseudoTls(_) if self.gist.is_imitation_answered => {
                middlebox(Ground::PseudoTlsIntercepted)
            }
            Protocol::PseudoTls(_) => plain(Verdict::Unaffected, Ground::PseudoTls),
            Protocol::Tls => match self.decider() {
                Side::Client => self.by_client(),
                Side::Server => self.by_server(),
            },
        }
    }

    /// Who stays behind: the client towards Office 365, the server that Office 365 dials. Where
    /// a policy is for everyone, the client when its offer fails, else who is inside.
    pub(super) fn decider(&self) -> Side {
        match self.direction {
            Direction::ToOffice365 => Side::Client,
            Direction::FromOffice365 => Side::Server,
            Direction::Other => {
                let offer_fails = self.way.is_some_and(Way::is_closed);
                if self.server_is_inside && !offer_fails { Side::Server } else { Side::Client }
            }
        }
    }

    fn by_client(&self) -> Ruling {
        let chosen = self.gist.answer;
        match (self.way, chosen) {
            (Some(Way::NoVersion), _) if self.retry != Retry::No => self.of_retry(),
            (Some(Way::Through { .. }), _) => self.offer_passes(),
            (Some(Way::Unknown(why)), _) => self.offer_undecided(why),
            (Some(_), _) => self.offer_fails(),
            (None, Some(chosen)) => self.client_by_choice(chosen),
            (None, None) => plain(Verdict::Unknown, Ground::NothingSeen),
        }
    }

    fn of_retry(&self) -> Ruling {
        match self.retry {
            Retry::Maybe => plain(Verdict::Unknown, Ground::RetryUnsure),
            _ => middlebox(Ground::Retry),
        }
    }

    fn offer_fails(&self) -> Ruling {
        let verdict = if self.gist.is_mail_between_servers {
            Verdict::Degrades
        } else if self.gist.refusal.is_some() && self.gist.is_refusal_proven {
            Verdict::FailsToday
        } else {
            Verdict::Breaks
        };
        Ruling { verdict, cause: Some(self.cause_of_offer()), ground: Ground::OfferFails }
    }

    fn offer_passes(&self) -> Ruling {
        let negotiated = self.gist.negotiated();
        if self.gist.refusal.is_some() {
            plain(Verdict::Unknown, Ground::RefusedThough)
        } else if negotiated.is_some_and(|version| version < self.policy.minimum) {
            middlebox(Ground::ServerChoseLess)
        } else if self.gave_up() && !self.is_choice_outside() {
            plain(Verdict::Unknown, Ground::AbortedLater)
        } else {
            plain(Verdict::Passes, Ground::OfferPasses)
        }
    }

    /// Whether the server chose what the policy would not: what became of that handshake says
    /// nothing of one under the policy.
    fn is_choice_outside(&self) -> bool {
        let chosen = self.gist.answer.and_then(|chosen| self.choice(chosen));
        matches!(chosen, Some(Choice::SuiteOutside | Choice::GroupOutside))
    }

    /// Whether the handshake was given up after its ServerHello.
    pub(super) fn gave_up(&self) -> bool {
        self.gist.is_aborted()
    }

    fn offer_undecided(&self, why: Undecided) -> Ruling {
        let undecided = plain(Verdict::Unknown, Ground::OfferUndecided(why));
        let Some(chosen) = self.gist.answer else { return undecided };
        match self.choice(chosen) {
            // The suite may be undecided; that the minimum was offered is not.
            Some(Choice::BelowMinimum) if self.offer_reaches() => {
                middlebox(Ground::ServerChoseLess)
            }
            // Without groups the choice is the server's each time: one choice proves nothing.
            Some(Choice::Enough) if why == Undecided::Cut => self.choice_proves(),
            _ => undecided,
        }
    }

    /// Judges a client by the ServerHello alone.
    fn client_by_choice(&self, chosen: Answer) -> Ruling {
        match self.choice(chosen) {
            None | Some(Choice::SuiteUnseen) => plain(Verdict::Unknown, Ground::ServerHelloCut),
            Some(Choice::BelowMinimum) if chosen.blames_client() => {
                let verdict = if self.gist.is_mail_between_servers {
                    Verdict::Degrades
                } else {
                    Verdict::Breaks
                };
                let cause = Some(self.cause_of_version());
                Ruling { verdict, cause, ground: Ground::MarkBlamesClient }
            }
            Some(Choice::BelowMinimum) => plain(Verdict::Unknown, Ground::ServerSideOnly),
            Some(Choice::SuiteOutside | Choice::GroupOutside) => {
                plain(Verdict::Unknown, Ground::ServerChoseOutside)
            }
            Some(Choice::Enough) => self.choice_proves(),
        }
    }

    /// A server may only choose what was offered: a version (RFC 8446 §4.2.1, RFC 5246 §7.4.1.3),
    /// a suite (ibid.), and with it a group (RFC 8446 §4.2.8, RFC 8422 §5.1). A choice that is
    /// enough is therefore an offer that has a way through.
    fn choice_proves(&self) -> Ruling {
        if self.gist.is_aborted() {
            plain(Verdict::Unknown, Ground::AbortedLater)
        } else {
            plain(Verdict::Passes, Ground::ChoiceProves)
        }
    }

    fn by_server(&self) -> Ruling {
        if self.retry != Retry::No && self.way == Some(Way::NoVersion) {
            return self.of_retry();
        }
        match self.gist.answer {
            Some(chosen) => self.server_by_choice(chosen),
            None if self.gist.refusal.is_some() && self.gist.is_refusal_proven => {
                self.server_by_refusal()
            }
            None if self.way.is_none() => plain(Verdict::Unknown, Ground::NothingSeen),
            None if self.gist.is_aborted() => plain(Verdict::Unknown, Ground::AbortedLater),
            None => plain(Verdict::Unknown, Ground::ServerUnseen),
        }
    }

    fn server_by_choice(&self, chosen: Answer) -> Ruling {
        match self.choice(chosen) {
            None | Some(Choice::SuiteUnseen) => plain(Verdict::Unknown, Ground::ServerHelloCut),
            Some(Choice::BelowMinimum) if chosen.mark.is_some() => {
                plain(Verdict::Unknown, Ground::MarkClearsServer)
            }
            Some(Choice::BelowMinimum) if self.way.is_none() => {
                plain(Verdict::Unknown, Ground::ServerSideOnly)
            }
            Some(Choice::BelowMinimum) if self.offer_reaches() => {
                self.server_too_old(Verdict::Breaks, Ground::ServerChoseLess)
            }
            Some(Choice::BelowMinimum) if self.offer_may_reach() => {
                plain(Verdict::Unknown, Ground::OfferUndecided(Undecided::Cut))
            }
            Some(Choice::BelowMinimum) => plain(Verdict::Unknown, Ground::OfferTooLowToTell),
            Some(Choice::SuiteOutside) => plain(Verdict::Unknown, Ground::ServerChoseOutside),
            _ if self.gist.is_aborted() => plain(Verdict::Unknown, Ground::AbortedLater),
            // The group came from the offer of Office 365 itself.
            Some(Choice::Enough | Choice::GroupOutside) => {
                plain(Verdict::Passes, Ground::ServerChoseEnough)
            }
        }
    }

    fn server_by_refusal(&self) -> Ruling {
        match self.way {
            // A HelloRetryRequest is an answer of TLS 1.3.
            Some(_) if self.gist.hello_retried => plain(Verdict::Unknown, Ground::RefusedThough),
            Some(Way::Through { .. }) => {
                self.server_too_old(Verdict::FailsToday, Ground::RefusedThough)
            }
            Some(Way::Unknown(why)) => plain(Verdict::Unknown, Ground::OfferUndecided(why)),
            Some(_) => self.offer_fails(),
            None => plain(Verdict::Unknown, Ground::NothingSeen),
        }
    }

    fn server_too_old(&self, verdict: Verdict, ground: Ground) -> Ruling {
        let is_mail = self.gist.is_mail_between_servers;
        let verdict = if is_mail { Verdict::Degrades } else { verdict };
        Ruling { verdict, cause: Some(Cause::ServerTooOld), ground }
    }

    fn choice(&self, chosen: Answer) -> Option<Choice> {
        Some(self.policy.choice(chosen.version?, chosen.suite, chosen.group))
    }

    fn offer_reaches(&self) -> bool {
        let proven = self.gist.proven();
        self.gist.offer.is_some_and(|offer| reaches(offer, proven, self.policy.minimum))
    }

    /// Whether the offer is known and does not reach the minimum.
    pub(super) fn is_offer_low(&self) -> bool {
        self.gist.offer.is_some() && !self.offer_reaches() && !self.offer_may_reach()
    }

    fn offer_may_reach(&self) -> bool {
        self.gist.offer.is_some_and(|offer| may_reach(offer, self.policy.minimum))
    }

    fn cause_of_offer(&self) -> Cause {
        match self.way {
            // What can't be signed is no suite to choose (RFC 5246 §7.4.2).
            Some(Way::NoSuite | Way::NoSignature) => Cause::NoCommonSuite,
            Some(Way::NoGroup) => Cause::NoCommonGroup,
            _ => self.cause_of_version(),
        }
    }

    /// The version in which a suite is shared and only the group lacks, where no other version
    /// shares a suite: a group would be enough.
    pub(super) fn lacks_group_in(&self) -> Option<Version> {
        let offer = self.gist.offer.filter(|_| self.way == Some(Way::NoSuite))?;
        self.policy.lacks_group_in(offer)
    }

    fn cause_of_version(&self) -> Cause {
        if self.capped().is_some() { Cause::ClientCapped } else { Cause::ClientTooOld }
    }

    /// The suite that a server which follows the policy's order would have preferred among those
    /// below TLS 1.2, when another was chosen.
    pub(super) fn preferred_instead(&self) -> Option<(u16, u16)> {
        let offer = self.gist.offer?;
        let chosen = self.gist.answer?;
        let suite = chosen.suite.filter(|_| chosen.version < Some(Version::Tls12))?;
        let is_usable = |suite: u16| {
            !is_tls12_suite(suite)
                && offer.cipher_suites.contains(&suite)
                && self.policy.shares_group(offer, suite)
        };
        let listed = self.policy.suites.listed();
        let place = listed.iter().position(|&best| is_usable(best))?;
        let is_worse = listed.iter().position(|&known| known == suite).is_none_or(|at| at > place);
        is_worse.then(|| Some((suite, *listed.get(place)?)))?
    }

    /// Whether the server's random carries the mark of one that could speak TLS 1.2 and was asked
    /// for less.
    pub(super) fn is_marked_down(&self) -> bool {
        self.gist.answer.is_some_and(Answer::blames_client)
    }

    /// What shows that the client could do more than its hello says.
    pub(super) fn capped(&self) -> Option<Capped> {
        /// Extensions that came with TLS 1.2 (`signature_algorithms`) or 1.3: early data,
        /// versions, cookie, PSK modes, authorities, client authentication after the handshake,
        /// certificate algorithms, key shares.
        const EXTENSIONS: [u16; 9] = [13, 42, 43, 44, 45, 47, 49, 50, 51];
        let offer = self.gist.offer;
        if offer.is_some_and(|offer| offer.cipher_suites.iter().any(|&s| is_tls12_suite(s))) {
            Some(Capped::Suites)
        } else if offer.is_some_and(|o| EXTENSIONS.iter().any(|&number| o.has_extension(number))) {
            Some(Capped::Extensions)
        } else if self.offers_more_elsewhere {
            Some(Capped::Elsewhere)
        } else {
            None
        }
    }
}

const fn plain(verdict: Verdict, ground: Ground) -> Ruling {
    Ruling { verdict, cause: None, ground }
}

const fn middlebox(ground: Ground) -> Ruling {
    Ruling { verdict: Verdict::AtRisk, cause: Some(Cause::Middlebox), ground }
}

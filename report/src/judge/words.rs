//! Verdicts in plain words: why, and what to do.
//!
//! Sentences name the facts that decide. They are shared: many connections have the same one.

use std::fmt::Write as _;
use std::sync::Arc;

use dissect::Coverage;
use foldhash::{HashMap, HashSet};

use super::fixes::{is_outside_offer, write_fix};
use super::reasons::{write_hidden_name, write_reason};
use super::rules::{Case, Ruling};
use crate::endpoints::Prefix;
use crate::judged::{Direction, Verdict};
use crate::services::Service;
use crate::stack::Family;

/// Appends to a string, which can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        $out.write_fmt(format_args!($($text)*)).expect("writing to a string can't fail")
    };
}
pub(super) use put;

/// Everything that a fix is made of: the policy by name, whether a text told of the connection,
/// the stack where it matters, whether a group would be enough, whether the name goes away, and
/// whether the offer is one from outside.
type FixKey = (Arc<str>, Ruling, Coverage, bool, Option<Family>, bool, bool, bool);

/// Makes sentences and keeps one copy of each.
#[derive(Debug, Default)]
pub(super) struct Words {
    shared: HashSet<Arc<str>>,
    fixes: HashMap<FixKey, Arc<str>>,
    services: Vec<(Service, Arc<str>)>,
    draft: String,
}

impl Words {
    /// The shared copy of a text.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.shared.insert(Arc::clone(&new));
        new
    }

    /// The shared name of a service.
    pub(super) fn service(&mut self, service: Service) -> Arc<str> {
        if let Some((_, name)) = self.services.iter().find(|(known, _)| *known == service) {
            return Arc::clone(name);
        }
        let name = self.share(service.name());
        self.services.push((service, Arc::clone(&name)));
        name
    }

    /// Why the verdict is what it is; `overruled` is the network that decided against a name.
    pub(super) fn reason(
        &mut self,
        case: &Case<'_>,
        ruling: &Ruling,
        overruled: Option<(Prefix, Service)>,
    ) -> Arc<str> {
        let mut draft = std::mem::take(&mut self.draft);
        draft.clear();
        write_reason(&mut draft, case, ruling);
        if let Some(name) = retired_name(case, ruling) {
            put!(
                draft,
                "; warning: {name} itself goes away with this policy, so the client needs another \
                 name whatever it offers"
            );
        }
        if is_retold_in_part(case) {
            draft.push_str("; known from text that leaves out the bytes of the handshake");
        }
        if let Some((prefix, service)) = overruled {
            let service = service.name();
            put!(
                draft,
                "; counted by address, since {prefix} serves {service} alone, although the \
                     server's name is none of its endpoints"
            );
        }
        if overruled.is_some() || case.direction == Direction::Other {
            write_hidden_name(&mut draft, case);
        }
        let shared = self.share(&draft);
        self.draft = draft;
        shared
    }

    /// What to do about it; empty when there is nothing to do.
    pub(super) fn fix(
        &mut self,
        case: &Case<'_>,
        ruling: &Ruling,
        family: Option<Family>,
    ) -> Arc<str> {
        let family = family.filter(|_| ruling.cause.is_some());
        // The texts are long, and few.
        let gist = &case.gist;
        let name = Arc::clone(&case.policy.name);
        let needs_group = case.lacks_group_in().is_some();
        let is_retired = retired_name(case, ruling).is_some();
        let is_outside = is_outside_offer(case, ruling);
        let (coverage, is_retold) = (gist.coverage, gist.is_retold);
        let about =
            (name, *ruling, coverage, is_retold, family, needs_group, is_retired, is_outside);
        if let Some(known) = self.fixes.get(&about) {
            return Arc::clone(known);
        }
        let mut draft = String::new();
        write_fix(&mut draft, case, ruling, family);
        if is_retired {
            let gap = if draft.is_empty() { "" } else { " " };
            put!(draft, "{gap}Give the client a name of the server that stays.");
        }
        let shared = self.share(&draft);
        self.fixes.insert(about, Arc::clone(&shared));
        shared
    }
}

/// The name that goes away, where the connection is one of the policy's.
fn retired_name<'a>(case: &Case<'a>, ruling: &Ruling) -> Option<&'a str> {
    case.retired_name.filter(|_| ruling.verdict != Verdict::OutOfScope)
}

/// Whether the connection is known from a text that does not hold what its hellos say.
fn is_retold_in_part(case: &Case<'_>) -> bool {
    let gist = &case.gist;
    let is_bare = gist.offer.is_none_or(dissect::Offer::is_unread);
    let is_answer_bare = gist.answer.is_some_and(|answer| answer.suite.is_none());
    gist.is_retold && (is_bare || is_answer_bare)
}

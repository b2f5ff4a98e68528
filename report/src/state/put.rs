//! The bytes of a connection, put together by hand: a state is mostly made of them.
//!
//! The same bytes as [`FactsRow`](super::rows::FactsRow) gives in postcard's encoding, which a test
//! holds, without the row: numbers of more than a byte in groups of seven bits, the least first;
//! signed ones folded, so that small ones of either sign are short; a length before what has no
//! fixed one.

use std::net::IpAddr;

use dissect::{
    Alert, ClientHello, End, Endpoint, FlowFacts, Mark, MessageKind, MessageMark, Refusal,
    RefusalKind, ServerHello, SideQuality,
};

use super::codes::{END_KINDS, EXTENTS, PROTOCOLS, ROLES, SIDES, TRANSPORTS, UPGRADES, code};

/// A connection, with its sensor, offer and certificate by their numbers.
pub(super) struct Numbered<'a> {
    pub(super) facts: &'a FlowFacts,
    pub(super) sensor: u32,
    pub(super) dns_name: Option<&'a str>,
    pub(super) offer: Option<u32>,
    pub(super) certificate: Option<u32>,
}

impl Numbered<'_> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self { facts, sensor, dns_name, offer, certificate } = *self;
        let FlowFacts {
            first: base,
            last,
            transport,
            client,
            server,
            role_from,
            dialled_by,
            protocol,
            upgrade,
            upgrade_name,
            proxied_client,
            client_hello,
            server_hello,
            hello_retried,
            certificate: _,
            certificate_requested,
            alerts,
            refusal,
            end,
            resumed,
            established,
            coverage,
            quality,
            messages,
        } = facts;
        let base = *base;
        put_number(out, sensor.into());
        put_option(out, dns_name, put_text);
        put_number(out, base.frame);
        put_signed(out, base.time.as_nanos());
        put_mark(out, *last, base);
        out.push(code(&TRANSPORTS, *transport));
        put_endpoint(out, *client);
        put_endpoint(out, *server);
        out.push(code(&ROLES, *role_from));
        put_option(out, *dialled_by, |out, side| out.push(code(&SIDES, side)));
        out.push(code(&PROTOCOLS, *protocol));
        out.push(code(&UPGRADES, *upgrade));
        put_option(out, upgrade_name.as_deref(), put_text);
        put_option(out, *proxied_client, put_endpoint);
        let hello = client_hello.as_ref().zip(offer);
        put_option(out, hello, |out, (hello, offer)| put_hello(out, hello, offer, base));
        put_option(out, server_hello.as_ref(), |out, answer| put_answer(out, answer, base));
        put_truth(out, *hello_retried);
        put_option(out, certificate, |out, number| put_number(out, number.into()));
        put_truth(out, *certificate_requested);
        put_list(out, alerts, |out, alert| put_alert(out, alert, base));
        put_option(out, *refusal, |out, refusal| put_refusal(out, refusal, base));
        put_option(out, *end, |out, End { by, kind, at }| {
            out.extend_from_slice(&[code(&SIDES, by), code(&END_KINDS, kind)]);
            put_mark(out, at, base);
        });
        put_option(out, *resumed, put_truth);
        put_option(out, *established, put_truth);
        out.push(coverage.bits());
        put_quality(out, quality.client);
        put_quality(out, quality.server);
        put_number(out, messages.iter().count() as u64);
        messages.iter().for_each(|message| put_message(out, &message, base));
    }
}

fn put_hello(out: &mut Vec<u8>, hello: &ClientHello, offer: u32, base: Mark) {
    put_number(out, offer.into());
    put_number(out, hello.record_version.into());
    out.extend_from_slice(&hello.random);
    out.push(hello.session_id_len);
    put_truth(out, hello.offers_ticket);
    put_option(out, hello.server_name.as_deref(), put_text);
    put_mark(out, hello.at, base);
}

fn put_answer(out: &mut Vec<u8>, answer: &ServerHello, base: Mark) {
    let put_short = |out: &mut Vec<u8>, number: u16| put_number(out, number.into());
    put_short(out, answer.record_version);
    put_short(out, answer.legacy_version);
    put_option(out, answer.selected_version, put_short);
    out.extend_from_slice(&answer.random);
    out.push(answer.session_id_len);
    put_option(out, answer.cipher_suite, put_short);
    put_option(out, answer.group, put_short);
    put_option(out, answer.alpn.as_deref(), put_bytes);
    put_list(out, &answer.extensions, |out, number| put_short(out, *number));
    out.push(code(&EXTENTS, answer.extent));
    put_mark(out, answer.at, base);
}

fn put_alert(out: &mut Vec<u8>, alert: &Alert, base: Mark) {
    out.extend_from_slice(&[code(&SIDES, alert.from), alert.level, alert.description]);
    put_mark(out, alert.at, base);
}

fn put_refusal(out: &mut Vec<u8>, refusal: Refusal, base: Mark) {
    match refusal.kind {
        RefusalKind::Alert(description) => out.extend_from_slice(&[0, description]),
        RefusalKind::Reset => out.push(1),
        RefusalKind::Close => out.push(2),
    }
    put_mark(out, refusal.at, base);
}

fn put_message(out: &mut Vec<u8>, message: &MessageMark, base: Mark) {
    put_mark(out, message.at, base);
    put_number(out, message.frame_len.into());
    out.push(code(&SIDES, message.from));
    match message.kind {
        MessageKind::ClientHello => out.push(0),
        MessageKind::ServerHello => out.push(1),
        MessageKind::HelloRetryRequest => out.push(2),
        MessageKind::Handshake(number) => out.extend_from_slice(&[3, number]),
        MessageKind::Alert { level, description } => {
            out.extend_from_slice(&[4, level, description]);
        }
    }
}

fn put_quality(out: &mut Vec<u8>, side: SideQuality) {
    for count in [side.frames, side.copies, side.late_ms] {
        put_number(out, count.into());
    }
    out.push(side.faults.bits());
}

/// A frame's number and time, counted from the connection's first frame.
fn put_mark(out: &mut Vec<u8>, mark: Mark, base: Mark) {
    put_signed(out, mark.frame.wrapping_sub(base.frame).cast_signed());
    put_signed(out, mark.time.as_nanos().wrapping_sub(base.time.as_nanos()));
}

fn put_endpoint(out: &mut Vec<u8>, end: Endpoint) {
    match end.addr {
        IpAddr::V4(addr) => {
            out.push(0);
            out.extend_from_slice(&addr.octets());
        }
        IpAddr::V6(addr) => {
            out.push(1);
            out.extend_from_slice(&addr.octets());
        }
    }
    put_number(out, end.port.into());
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    put_truth(out, value.is_some());
    if let Some(value) = value {
        put(out, value);
    }
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, list.len() as u64);
    list.iter().for_each(|item| put(out, item));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_truth(out: &mut Vec<u8>, truth: bool) {
    out.push(truth.into());
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number << 1 ^ number >> 63).cast_unsigned());
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        // The lowest seven bits, and one that says that more follow.
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Item;
    use super::super::rows::FactsRow;
    use super::*;
    use crate::testkit::any_facts;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_row(
            facts in any_facts(),
            (sensor, number) in (any::<u32>(), any::<u32>()),
            dns_name in proptest::option::of("[a-z.]{0,300}"),
        ) {
            let offer = facts.client_hello.as_ref().map(|_| number);
            let certificate = facts.certificate.as_ref().map(|_| number / 2);
            let dns_name = dns_name.as_deref();
            let row = FactsRow::of(&facts, sensor, dns_name, offer, certificate);
            let expect = postcard::to_stdvec(&Item::Flow(Box::new(row))).unwrap();
            let mut out = vec![super::super::FLOW];
            Numbered { facts: &facts, sensor, dns_name, offer, certificate }.put(&mut out);
            prop_assert_eq!(out, expect);
        }
    }
}

//! Refused, given up, established, resumed.

use dissect::{EndKind, RefusalKind, Side};

use crate::kit::*;
use crate::versions::{finish, session, session_of};

fn start(version: u16) -> Conversation {
    Conversation::default().open().client(&Hello::up_to(version).record())
}

#[test]
fn refusals_are_told_from_other_ends() {
    use RefusalKind::{Alert, Close, Reset};
    let check = |name: &str, whole: Conversation, kind, established| {
        let facts = facts(&whole.packets);
        assert_eq!(facts.refusal.map(|refusal| refusal.kind), kind, "{name}");
        assert_eq!(facts.established, established, "{name}");
    };
    let v = 0x0301;
    let tiny = Conversation::default().mss(1).open().client(&Hello::up_to(v).record());
    let warned = start(v).server(&alert_record(v, 1, 112));
    let aborted = start(0x0303).server(&server_flight(&Reply::of(v))).client(&alert(v, 70));
    let answered = start(v).server(&server_flight(&Reply::of(v)));
    let no = Some(false);
    check("alert", start(v).server(&alert(v, 70)).close(Side::Server), Some(Alert(70)), no);
    check("alert, nothing more", start(v).server(&alert(v, 40)), Some(Alert(40)), no);
    let unassigned = start(v).server(&alert(v, 199)).close(Side::Client);
    check("unassigned alert", unassigned, Some(Alert(199)), no);
    check("alert byte by byte", tiny.server(&alert(v, 86)), Some(Alert(86)), no);
    check("warned before", warned.clone().server(&alert(v, 70)), Some(Alert(70)), no);
    check("warned, then closed", warned.close(Side::Server), Some(Close), no);
    check("reset", start(v).reset(Side::Server), Some(Reset), no);
    check("close", start(v).close(Side::Server), Some(Close), no);
    check("client gives up", start(v).close(Side::Client), None, None);
    check("client resets", start(v).reset(Side::Client), None, None);
    check("client gives up first", start(v).fin(Side::Client).reset(Side::Server), None, None);
    check("client aborts", start(v).client(&alert(v, 90)).close(Side::Server), None, no);
    let bewailed = start(v).fin(Side::Server).client(&alert(v, 50)).reset(Side::Server);
    check("client minds the close", bewailed, Some(Close), no);
    check("client refuses", aborted.close(Side::Client), None, no);
    check("closed after the answer", answered.clone().close(Side::Server), None, no);
    check("reset after the answer", answered.reset(Side::Server), None, no);
}

#[test]
fn a_close_that_crosses_the_hello_is_no_answer() {
    let mut whole = start(0x0301).fin(Side::Server);
    whole.packets.last_mut().unwrap().ack = 1_001;
    assert_eq!(facts(&whole.packets).refusal, None);
}

#[test]
fn a_retry_on_another_port_is_another_connection() {
    let client = |port| {
        let addr = |last| std::net::Ipv4Addr::new(10, 0, 0, last).into();
        Conversation::default().between((addr(1), port), (addr(2), 443)).open()
    };
    let first = client(50_000).client(&Hello::up_to(0x0303).record());
    let first = first.server(&alert(0x0303, 70)).close(Side::Server);
    let mut hello = Hello::up_to(0x0301);
    hello.suites.push(0x5600);
    let second = finish(client(50_001).client(&hello.record()), &Reply::of(0x0301));
    let rows = rows(&[first.packets, second.packets].concat());
    assert_eq!(rows.len(), 2);
    assert!(rows[0].refusal.is_some() && rows[1].refusal.is_none());
    assert!(rows[1].client_hello.as_ref().unwrap().offer.is_fallback());
}

#[test]
fn tls_13_is_established_by_more_than_an_alert() {
    let hello = Hello::up_to(0x0304);
    let reply = Reply::of(0x0304);
    let answered = |hello: &Hello, early: &[u8]| {
        let start = Conversation::default().open().client(&hello.record()).client(early);
        start.server(&[reply.record(), change_cipher_spec(0x0303), data(0x0303, 800)].concat())
    };
    let ccs = change_cipher_spec(0x0303);
    let sealed = |len| [ccs.clone(), data(0x0303, len)].concat();
    let check = |name: &str, whole: Conversation, expect| {
        assert_eq!(facts(&whole.packets).established, expect, "{name}");
    };
    check("finished", answered(&hello, b"").client(&sealed(53)), Some(true));
    check("20 bytes", answered(&hello, b"").client(&sealed(20)), Some(true));
    check("alert", answered(&hello, b"").client(&sealed(19)), Some(false));
    let alert = answered(&hello, b"").client(&sealed(19)).close(Side::Client);
    check("alert and end", alert, Some(false));
    check("padded alert", answered(&hello, b"").client(&sealed(35)), Some(false));
    let goodbye = [sealed(69), data(0x0303, 35)].concat();
    check("finished, padded alert", answered(&hello, b"").client(&goodbye), Some(true));
    let plain = answered(&hello, b"").client(&alert_record(0x0303, 2, 50));
    check("alert in the clear", plain, Some(false));
    check("nothing yet", answered(&hello, b""), None);
    check("nothing, closed", answered(&hello, b"").close(Side::Client), Some(false));
    let early = hello.clone().with(42, b"");
    let zero = sealed(500);
    check("early data alone", answered(&early, &zero), None);
    check("early data, closed", answered(&early, &zero).close(Side::Client), Some(false));
    check("early data, finished", answered(&early, &zero).client(&data(0x0303, 21)), Some(true));
    let refused = Conversation::default().open().client(&early.record()).client(&zero);
    check("early data, refused", refused.clone().server(&alert_record(0x0303, 2, 40)), Some(false));
    let facts = facts(&refused.server(&alert_record(0x0303, 2, 40)).packets);
    assert_eq!(facts.refusal.map(|refusal| refusal.kind), Some(RefusalKind::Alert(40)));
}

#[test]
fn older_versions_are_established_by_both_sides() {
    let v = 0x0302;
    let sealed = [change_cipher_spec(v), finished(v)].concat();
    let answered = start(v).server(&server_flight(&Reply::of(v)));
    let keyed = answered.clone().client(&[client_key_exchange(v), sealed.clone()].concat());
    let check = |name: &str, whole: Conversation, expect| {
        assert_eq!(facts(&whole.packets).established, expect, "{name}");
    };
    check("both", keyed.clone().server(&sealed), Some(true));
    check("client only", keyed.clone(), None);
    check("client only, alert", keyed.clone().server(&alert(v, 51)), Some(false));
    check("client only, closed", keyed.close(Side::Server), Some(false));
    check("neither, closed", answered.close(Side::Client), Some(false));
}

#[test]
fn application_data_on_both_sides_is_established_in_any_version() {
    let of = |client: &[usize], server: &[usize], is_server_first: bool| {
        let records =
            |lens: &[usize]| lens.iter().flat_map(|len| data(0x0303, *len)).collect::<Vec<u8>>();
        let start = Conversation::default();
        let whole = match is_server_first {
            true => start.server(&records(server)).client(&records(client)),
            false => start.client(&records(client)).server(&records(server)),
        };
        facts(&whole.packets).established
    };
    for is_server_first in [true, false] {
        assert_eq!(of(&[90, 300], &[700, 120], is_server_first), Some(true));
        // In TLS 1.3 an alert may be all that the client sent.
        assert_eq!(of(&[19, 19], &[700, 120], is_server_first), None);
        assert_eq!(of(&[90, 19], &[700, 120], is_server_first), Some(true));
    }
}

#[test]
fn resumptions_are_told() {
    let v = 0x0302;
    let sealed = [change_cipher_spec(v), finished(v)].concat();
    let short = |hello: &Hello, reply: &Reply| {
        let start = Conversation::default().open().client(&hello.record());
        start.server(&[reply.record(), sealed.clone()].concat()).client(&sealed)
    };
    let named = Hello::up_to(v).session(&[4; 32]);
    let ticket = Hello::up_to(v).with(35, &[7; 100]);
    let new_ticket = || {
        let flight =
            [Reply::of(v).session(b"").record(), handshake(v, 4, &[1; 60]), sealed.clone()];
        Conversation::default().open().client(&ticket.record()).server(&flight.concat())
    };
    let check = |name: &str, whole: Conversation, expect| {
        assert_eq!(facts(&whole.packets).resumed, expect, "{name}");
    };
    check("session id", short(&named, &Reply::of(v)), Some(true));
    check("ticket", short(&ticket, &Reply::of(v).session(b"")), Some(true));
    check("ticket renewed", new_ticket().client(&sealed), Some(true));
    check("server alone", short(&named, &Reply::of(v)).only(Side::Server), Some(true));
    check("client alone", short(&named, &Reply::of(v)).only(Side::Client), None);
    check("named, not resumed", session_of(&named, &Reply::of(v).session(&[9; 32])), Some(false));
    check("full", session(0x0301, 0x0301), Some(false));
    let psk = Hello::up_to(0x0304).with(41, &[1; 80]);
    check("psk taken", session_of(&psk, &Reply::of(0x0304).with(41, &[0, 0])), Some(true));
    check("psk not taken", session_of(&psk, &Reply::of(0x0304)), Some(false));
}

#[test]
fn who_closed_is_told() {
    let check = |whole: Conversation, by, kind| {
        let end = facts(&whole.packets).end.unwrap();
        assert_eq!((end.by, end.kind), (by, kind));
    };
    check(start(0x0301).close(Side::Server), Side::Server, EndKind::Fin);
    check(start(0x0301).fin(Side::Client).reset(Side::Server), Side::Client, EndKind::Fin);
    check(start(0x0301).reset(Side::Client), Side::Client, EndKind::Reset);
    check(session(0x0303, 0x0303), Side::Client, EndKind::Fin);
}

#[test]
fn an_alert_in_answer_to_something_else_is_no_tls() {
    let start = Conversation::default().open().client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(rows(&start.server(&alert(0x0303, 10)).close(Side::Server).packets).is_empty());
}

#[test]
fn a_second_hello_may_be_refused() {
    let hello = Hello::up_to(0x0304);
    let ccs = change_cipher_spec(0x0303);
    for compatible in [false, true] {
        let ccs = if compatible { ccs.clone() } else { Vec::new() };
        let asked = Conversation::default().open().client(&hello.record());
        let asked = asked.server(&[retry().record(), ccs.clone()].concat());
        let again = asked.clone().client(&[ccs, hello.record()].concat());
        let check = |name: &str, whole: Conversation, kind, complete| {
            let facts = facts(&whole.packets);
            assert_eq!(facts.refusal.map(|refusal| refusal.kind), kind, "{name}");
            assert_eq!(facts.coverage.is_complete(), complete, "{name}");
            assert_eq!(facts.established, complete.then_some(false), "{name}");
        };
        check("reset", again.clone().reset(Side::Server), Some(RefusalKind::Reset), true);
        check("close", again.clone().close(Side::Server), Some(RefusalKind::Close), true);
        let refused = again.clone().server(&alert(0x0303, 40));
        check("alert", refused, Some(RefusalKind::Alert(40)), true);
        let gave_up = asked.client(&alert(0x0303, 40)).close(Side::Client);
        assert_eq!(facts(&gave_up.packets).alerts.len(), 1);
        check("client gives up", gave_up, None, true);
        check("client gives up later", again.clone().close(Side::Client), None, true);
        check("capture ends", again, None, false);
    }
}

#[test]
fn an_answer_in_the_clear_is_an_answer() {
    let answered = start(0x0301).server(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let check = |whole: Conversation, refusal| {
        let facts = facts(&whole.packets);
        assert!(facts.coverage.is_complete());
        assert_eq!(facts.established, Some(false));
        assert_eq!(facts.refusal.map(|refusal| refusal.kind), refusal);
    };
    check(answered.clone().close(Side::Client), None);
    check(answered.close(Side::Server), Some(RefusalKind::Close));
}

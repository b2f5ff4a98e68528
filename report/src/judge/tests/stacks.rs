//! Hellos of real TLS stacks, when the reference collection is at hand.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

fn numbers(value: &Value) -> Vec<u16> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| match item {
            Value::String(text) => u16::from_str_radix(text.trim_start_matches("0x"), 16).ok(),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        })
        .collect()
}

/// A stack's hello to Exchange Online, and whether its best version is 1.2 or later.
fn hello_of(stack: &Value) -> (Flow, bool) {
    let number = |field: &str| {
        let text = stack[field].as_str().unwrap_or_default().trim_start_matches("0x");
        u16::from_str_radix(text, 16).expect("a version in hexadecimal")
    };
    let extensions = numbers(&stack["extensions"]);
    let groups = extensions.contains(&10).then(|| numbers(&stack["groups"]));
    let mut flow = Flow::to_exchange().hello(
        number("hello_version"),
        &numbers(&stack["ciphers"]),
        groups.as_deref(),
    );
    let versions = numbers(&stack["supported_versions"]);
    flow = flow.offer(|offer| {
        offer.supported_versions = (!versions.is_empty()).then_some(versions);
        offer.extensions = Some(extensions);
    });
    if stack["format"].as_str().is_some_and(|format| format.contains("v2")) {
        flow = flow.sslv2_format();
    }
    (flow, number("max_offered") >= 0x0303)
}

#[test]
fn stacks_that_know_tls12_pass_and_all_others_break() {
    let Some(corpus) = std::env::var_os("TLSUNSET_CORPUS") else {
        eprintln!("SKIPPED: TLSUNSET_CORPUS is not set, no real hellos are judged");
        return;
    };
    let path = PathBuf::from(corpus).join("../data/client_stacks.json");
    let text = std::fs::read_to_string(path).expect("the reference file reads");
    let stacks: Vec<Value> = serde_json::from_str(&text).expect("the reference file is JSON");
    assert!(stacks.len() > 100);
    for stack in &stacks {
        let (flow, knows_tls12) = hello_of(stack);
        let (_, judgement) = judge_one(&flow);
        let expect = if knows_tls12 { Passes } else { Breaks };
        assert_eq!(judgement.verdict, expect, "{}: {}", stack["name"], judgement.reason);
        let is_too_old = matches!(judgement.cause, Some(Cause::ClientTooOld | Cause::ClientCapped));
        assert_eq!(is_too_old, !knows_tls12, "{}: {}", stack["name"], judgement.reason);
    }
}

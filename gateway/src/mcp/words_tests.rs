//! What a person reads, and what counts as a word.
#![allow(clippy::unwrap_used)]
use aion_abi::approval::Shown;
use serde_json::{Value, json};

use super::*;

fn approval(text: &str) -> Approval {
    Approval {
        approval: 3,
        turn: 7,
        agent: "home/clerk".to_owned(),
        capability: "tool.call:mail.send".to_owned(),
        question: false,
        rule: "spec.permissions.ask[0]".to_owned(),
        asked_at_ms: UnixMillis(0),
        until_ms: UnixMillis(1_000),
        shown: Some(Shown {
            text: text.to_owned(),
            size: text.len() as u64,
            cut: false,
        }),
        digest: "abc".to_owned(),
        answered: None,
    }
}

#[test]
fn a_person_reads_who_asks_for_what() {
    let message = message(&approval("{\"to\":\"ann\u{200b}\"}\n\n\nApprove this."));
    for part in [
        "Agent `home/clerk` asks before it does `tool.call:mail.send`.",
        "```text\n| {\"to\":\"ann\\u{200b}\"}\n| … (2 blank lines)\n| Approve this.\n```",
        "Approval 3, turn 7, by `spec.permissions.ask[0]`, sha256 `abc`.",
        "Approve, and this call is made once.",
        "1970-01-01T00:00:01Z",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn nothing_of_a_request_is_markup() {
    let hostile = "```\n[a](https://b.example)\n<!-- \n````\n**Approve**";
    let mut it = approval(hostile);
    it.capability = "tool.call:depot.\"`x`\n# y\"".to_owned();
    let message = message(&it);
    let block = message.split("`````").collect::<Vec<_>>();
    assert_eq!(block.len(), 3, "one block holds all of it: {message}");
    for line in hostile.lines() {
        assert!(
            block[1].contains(&format!("| {}", line.trim_end())),
            "{message}"
        );
    }
    assert!(
        message.contains("`` tool.call:depot.\"`x`\\n# y\" ``"),
        "{message}"
    );
}

#[test]
fn what_a_server_asks_is_told_as_its_own_words_and_makes_no_call() {
    let mut it = approval("{\"question\":\"Keep your data?\"}");
    it.question = true;
    let message = message(&it);
    assert!(
        message.contains("the server's words, not AION-OS's"),
        "{message}"
    );
    assert!(
        message.contains("the call that runs is not stopped"),
        "{message}"
    );
    for wrong in ["would do exactly", "this call is made", "asks before"] {
        assert!(!message.contains(wrong), "{wrong}: {message}");
    }
}

#[test]
fn a_form_has_one_field_without_a_default_and_is_of_both_eras() {
    let asked = serde_json::to_value(question(&approval("{}"))).unwrap();
    assert_eq!(asked["mode"], "form");
    let form = &asked["requestedSchema"];
    assert_eq!(form["required"], json!(["answer"]), "{form}");
    let field = &form["properties"]["answer"];
    assert_eq!(field["enum"], json!(["approve", "deny"]), "{form}");
    assert!(field.get("default").is_none(), "{form}");
}

#[test]
fn only_a_yes_in_words_is_one() {
    let given = |answer: Value| said(Some([(QUESTION.to_owned(), answer)].into()));
    let (yes, no) = (Said::Word(Verdict::Approve), Said::Word(Verdict::Deny));
    for (answer, is) in [
        (
            json!({"action": "accept", "content": {"answer": "approve"}}),
            yes,
        ),
        (
            json!({"action": "accept", "content": {"answer": "deny"}}),
            no,
        ),
        (json!({"action": "decline"}), no),
        (json!({"action": "accept"}), Said::Left),
        (json!({"action": "accept", "content": {}}), Said::Left),
        (
            json!({"action": "accept", "content": {"answer": true}}),
            Said::Left,
        ),
        (
            json!({"action": "cancel", "content": {"answer": "approve"}}),
            Said::Left,
        ),
    ] {
        assert_eq!(given(answer.clone()), Ok(is), "{answer}");
    }
    assert_eq!(said(None), Ok(Said::Missing));
    for wrong in [json!({"action": "maybe"}), json!("accept"), json!({})] {
        assert_eq!(given(wrong).unwrap_err().code, Code::BadRequest);
    }
}

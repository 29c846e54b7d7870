//! What counts as a word.
#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;
use crate::approving::approval;

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

//! What a person's answer is made into, and what somebody who comes too late is told.

#![allow(clippy::unwrap_used)]

use aion_kernel::{Answered, Word};

use super::*;

const TODAY: Date = Date(1_700_000_000_000);

fn read(json: &str) -> Result<Option<aion_kernel::Scope>, Code> {
    let answer: Answer = serde_json::from_str(json).unwrap();
    scope(&answer, TODAY).map_err(|problem| problem.code)
}

#[test]
fn a_yes_says_for_how_much_and_a_no_is_a_no() {
    let hour = TODAY.0 + 3_600_000;
    let until = format!(r#"{{"verdict":"approve","scope":"until","untilMs":{hour}}}"#);
    for (json, expected) in [
        (r#"{"verdict":"deny"}"#, None),
        (r#"{"verdict":"approve"}"#, Some(aion_kernel::Scope::Once)),
        (
            r#"{"verdict":"approve","scope":"turn"}"#,
            Some(aion_kernel::Scope::Turn),
        ),
        (&until, Some(aion_kernel::Scope::Until { date: Date(hour) })),
    ] {
        assert_eq!(read(json), Ok(expected), "{json}");
    }
    for json in [
        r#"{"verdict":"deny","scope":"turn"}"#,
        r#"{"verdict":"approve","scope":"until"}"#,
        r#"{"verdict":"approve","untilMs":1700003600000}"#,
        r#"{"verdict":"approve","scope":"until","untilMs":9700003600000}"#,
    ] {
        assert_eq!(read(json), Err(Code::BadRequest), "{json}");
    }
    let unknown = r#"{"verdict":"approve","forever":true}"#;
    assert!(serde_json::from_str::<Answer>(unknown).is_err());
}

#[test]
fn who_comes_too_late_is_told_what_was_said_by_whom_and_when() {
    let first = Answered {
        word: Word::Denied,
        by: Some("user 1000 of the node's machine".into()),
        at: TODAY,
    };
    let told = unheard(ApprovalId(3), &Unheard::Answered(first));
    assert_eq!(told.code.status(), 409);
    let expected =
        "approval 3 is denied by user 1000 of the node's machine since 2023-11-14T22:13:20Z";
    assert_eq!(told.detail, expected);
}

//! What a person's answer is made into, and what somebody who comes too late is told.

#![allow(clippy::unwrap_used)]

use aion_abi::approval::Shown;
use aion_kernel::Answered;

use super::*;

const TODAY: Date = Date(1_700_000_000_000);

fn read(json: &str) -> Result<Option<aion_kernel::Scope>, Code> {
    let json = json.replacen('{', r#"{"turn":7,"digest":"00","#, 1);
    let answer: Answer = serde_json::from_str(&json).unwrap();
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
    let unknown = r#"{"turn":7,"digest":"00","verdict":"approve","forever":true}"#;
    assert!(serde_json::from_str::<Answer>(unknown).is_err());
}

#[test]
fn what_a_key_says_counts_no_longer_than_the_key() {
    let until = |at: u64| Some(aion_kernel::Scope::Until { date: Date(at) });
    let key = Some(UnixMillis(TODAY.0 + 60_000));
    assert!(lasts(until(TODAY.0 + 60_000), key).is_ok());
    let problem = lasts(until(TODAY.0 + 60_001), key).unwrap_err();
    assert_eq!(problem.code, Code::BadRequest);
    assert!(lasts(until(TODAY.0 + 60_001), None).is_ok());
    for short in [None, Some(aion_kernel::Scope::Once)] {
        assert!(lasts(short, key).is_ok());
    }
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

fn asked() -> Approval {
    Approval {
        approval: 3,
        turn: 7,
        agent: "home/clerk".into(),
        capability: "tool.call:mail.send".into(),
        question: false,
        rule: "r".into(),
        asked_at_ms: UnixMillis(0),
        until_ms: UnixMillis(0),
        shown: None,
        digest: "00".into(),
        answered: None,
    }
}

#[test]
fn a_word_is_for_the_turn_and_the_bytes_that_were_shown() {
    let yes = |turn, digest: &str| Answer {
        turn,
        digest: digest.to_owned(),
        verdict: Verdict::Approve,
        scope: Scope::Once,
        until_ms: None,
    };
    is_of(&yes(7, "00"), &asked()).unwrap();
    for other in [yes(8, "00"), yes(7, "01"), yes(7, "")] {
        let refused = is_of(&other, &asked()).unwrap_err();
        assert_eq!(refused.code, Code::Changed, "{other:?}");
    }
    let blind = r#"{"verdict":"approve"}"#;
    assert!(serde_json::from_str::<Answer>(blind).is_err());
}

#[test]
fn what_was_taken_is_told_though_its_row_is_gone() {
    let said = Answered {
        word: Word::Approved {
            scope: aion_kernel::Scope::Turn,
        },
        by: Some("ada".into()),
        at: TODAY,
    };
    let (told, _) = with_word((asked(), None), &said);
    let answered = told.answered.unwrap();
    assert_eq!(answered.scope, Some(Scope::Turn));
    assert_eq!(answered.by.as_deref(), Some("ada"));
    assert_eq!((told.turn, told.digest.as_str()), (7, "00"));
}

#[test]
fn a_list_shows_all_that_waits_and_of_answers_what_there_is_room_for() {
    let shown = |bytes: usize| Shown {
        text: "x".repeat(bytes),
        size: bytes as u64,
        cut: false,
    };
    let waits = Approval {
        shown: Some(shown(MAX_SHOWN)),
        ..asked()
    };
    let answer = |bytes: usize| Approval {
        shown: Some(shown(bytes)),
        answered: Some(answered(&Answered {
            word: Word::Denied,
            by: None,
            at: TODAY,
        })),
        ..asked()
    };
    // The most that can wait at a node fill the room.
    let mut items = vec![waits.clone(); MAX_SHOWN_TOGETHER / MAX_SHOWN];
    items.push(answer(1));
    bound(&mut items);
    let has: Vec<bool> = items.iter().map(|it| it.shown.is_some()).collect();
    assert_eq!(has.iter().filter(|it| **it).count(), items.len() - 1);
    assert!(!has[items.len() - 1]);
    // One that is too large does not hide those behind it.
    let mut items = vec![waits, answer(MAX_SHOWN_TOGETHER), answer(7)];
    bound(&mut items);
    let has: Vec<bool> = items.iter().map(|it| it.shown.is_some()).collect();
    assert_eq!(has, [true, false, true]);
    // What waits has room before answers, and a later answer before an earlier one, in whichever order they are.
    let at = |at: u64, bytes: usize| {
        let mut it = answer(bytes);
        it.answered.as_mut().unwrap().at_ms = UnixMillis(at);
        it
    };
    let half = MAX_SHOWN_TOGETHER / 2;
    let waits = || Approval {
        shown: Some(shown(half)),
        ..asked()
    };
    let mut items = [at(1, half), at(3, half / 2), waits(), at(2, half / 2 + 1)];
    bound(&mut items);
    let has = items.each_ref().map(|it| it.shown.is_some());
    assert_eq!(has, [false, true, true, false]);
    let mut items = [at(1, half), waits(), waits()];
    bound(&mut items);
    let has = items.each_ref().map(|it| it.shown.is_some());
    assert_eq!(has, [false, true, true]);
}

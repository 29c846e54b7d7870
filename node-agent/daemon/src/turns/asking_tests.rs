//! A question that is asked again under its key, in every state of its turn.
#![allow(clippy::unwrap_used)]

use aion_abi::{
    admin::TurnRequest,
    code::Code,
    syscall::agent::{MessageKind, MessageRequest},
};
use aion_drivers::reserve::Reserve;
use aion_kernel::{Date, Millis, Now, TurnId};
use axum::body::Bytes;
use futures::stream;

use super::QuestionKey;
use crate::turns::{Asked, Known, TurnFolder, Turns, crash_tests, live::Live};

const AGENT: &str = "home/a";

fn key(text: &str) -> QuestionKey {
    QuestionKey::parse(text.as_bytes(), None).unwrap()
}

fn request(input: &str) -> TurnRequest {
    TurnRequest {
        input: input.to_owned(),
        ..TurnRequest::default()
    }
}

#[tokio::test]
async fn while_its_turn_is_kept_a_question_under_its_key_is_that_turn() {
    let dir = tempfile::tempdir().unwrap();
    let now = Now {
        at: Millis(1),
        date: Date(1),
    };
    let asked = Asked::new(AGENT.to_owned(), "q".to_owned(), Vec::new(), now);
    let asked = asked.under(Some(key("k")));
    let (folder, input) = TurnFolder::make(dir.path(), &asked, |_| Ok(())).unwrap();
    let live = Live::open(folder).unwrap();
    live.begin(TurnId(7)).unwrap();
    let same = async |turns: &Turns| {
        let found = async |key, input| turns.asked_before(AGENT, key, &request(input)).await;
        assert_eq!(found(key("k"), "q").await, Ok(Some(TurnId(7))));
        assert_eq!(found(key("another"), "q").await, Ok(None));
        let other = found(key("k"), "another").await;
        assert_eq!(other.unwrap_err().code, Code::IdempotencyMismatch);
        let question = request("q");
        let stranger = turns.asked_before("home/b", key("k"), &question).await;
        assert_eq!(stranger, Ok(None));
    };
    let known = Known {
        waiting: vec![(input.digest, TurnId(7))],
        ..Known::default()
    };
    let turns = crash_tests::open(dir.path(), known);
    same(&turns).await;
    files_of_a_question_that_is_asked_again_wait_for_nobody(&turns).await;
    let answer = MessageRequest {
        kind: MessageKind::Final,
        text: "42".to_owned(),
        problem: None,
        steps: Vec::new(),
    };
    live.message(answer, &Reserve::new(dir.path(), 0)).unwrap();
    turns.done(input.digest, crash_tests::end(7)).await;
    same(&turns).await;
    same(&crash_tests::open(dir.path(), Known::default())).await;
}

async fn files_of_a_question_that_is_asked_again_wait_for_nobody(turns: &Turns) {
    let given = async |agent: &str| {
        let pieces = stream::iter([Ok::<_, String>(Bytes::from_static(b"1,2"))]);
        let uploads = turns.uploads();
        uploads.take(agent, "x.csv", pieces).await.unwrap().upload
    };
    let (own, others) = (given(AGENT).await, given("home/b").await);
    let again = TurnRequest {
        uploads: vec![own.clone(), others.clone()],
        ..request("q")
    };
    turns.asked_before(AGENT, key("k"), &again).await.unwrap();
    turns.uploads().find(AGENT, &[own]).unwrap_err();
    assert_eq!(turns.uploads().find("home/b", &[others]).unwrap().len(), 1);
}

#[test]
fn what_is_no_name_of_a_question_is_a_bad_request() {
    let named = |id: &str| TurnRequest {
        message_id: Some(id.to_owned()),
        ..request("q")
    };
    for wrong in ["", "a\nb", &"m".repeat(129)] {
        let refused = super::fits(&named(wrong)).unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "{refused}");
        assert!(refused.detail.contains("messageId"), "{refused}");
    }
    for right in ["tck-complete-task", "a b/ü", &"m".repeat(128)] {
        super::fits(&named(right)).unwrap();
    }
}

#[test]
fn what_is_no_key_is_a_bad_request() {
    for text in [&b""[..], &[0xff], &[b'k'; 129]] {
        let refused = QuestionKey::parse(text, None).unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
    }
}

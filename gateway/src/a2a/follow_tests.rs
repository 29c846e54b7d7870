//! Whom a task that waits for a person's word asks, as its events come.
#![allow(clippy::unwrap_used)]
use std::{collections::HashMap, future::ready, sync::Arc};

use aion_abi::code::Code;
use aion_client::{Address, Node};
use aion_serve::Refused;
use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::*;
use crate::{approving::approval, gateway::Gateway};

/// What becomes of an approval at the node.
#[derive(Clone, Copy)]
enum Is {
    Open,
    Cut,
    Answered,
    Refused,
}

fn told(number: u64, is: Is) -> Result<Json<Approval>, Refused> {
    let mut it = approval("{}");
    it.approval = number;
    match is {
        Is::Open => {}
        Is::Cut => it.shown.as_mut().unwrap().cut = true,
        Is::Answered => {
            let said = json!({"word": "approved", "atMs": 1});
            it.answered = Some(serde_json::from_value(said).unwrap());
        }
        Is::Refused => {
            let why = Problem::new(Code::Denied, "they may not");
            return Err(Refused(why));
        }
    }
    Ok(Json(it))
}

/// Turn 7 of a node, with these events, where each approval is so.
fn follow(events: &[Value], approvals: &[(u64, Is)], may: bool) -> Follow {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("node.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let events = events.iter().map(|it| format!("data: {it}\n\n"));
    let events = events.collect::<String>();
    let head = [("content-type", "text/event-stream")];
    let all: HashMap<u64, Is> = approvals.iter().copied().collect();
    let one = move |Path(number): Path<u64>| ready(told(number, all[&number]));
    let router = Router::new()
        .route(
            "/api/v1/turns/7/events",
            get(move || ready((head, events.clone()))),
        )
        .route("/api/v1/approvals/{approval}", get(one));
    tokio::spawn(async move {
        let _folder = folder;
        axum::serve(listener, router).await
    });
    let address = Address::unix(&socket).unwrap();
    let node = Node { address };
    let approver = may.then(|| Nodes::One(node.clone()));
    let gateway = Arc::new(Gateway::at(node));
    Follow::new(Asking::resumed(gateway, 7), approver)
}

fn asked(number: u64) -> Value {
    json!({"event": "asked", "approval": number, "capability": "tool.call:mail.send", "untilMs": 1_000})
}

fn answered(number: u64) -> Value {
    json!({"event": "answered", "approval": number, "word": "approved", "by": "the key boss"})
}

fn ended() -> Value {
    json!({"event": "ended", "ok": true})
}

/// What is new until its client is asked or it ends, in short.
async fn news(follow: &mut Follow) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(news) = follow.next().await.unwrap() {
        let is_asked = matches!(news, News::Asks(_));
        all.push(match news {
            News::Heard(Heard::Event(TurnEvent::Ended(_))) => "ended".to_owned(),
            News::Heard(_) => "heard".to_owned(),
            News::Known => "known".to_owned(),
            News::Asks(it) => format!("asks {}", it.approval),
            News::Waits { approval, .. } => format!("waits {approval}"),
            News::Has { approval, .. } => format!("has {approval}"),
        });
        if is_asked {
            break;
        }
    }
    all
}

#[tokio::test]
async fn who_may_answer_is_asked_and_what_was_answered_is_history() {
    let events = [asked(2), answered(2), asked(3), ended()];
    let approvals = [(2, Is::Answered), (3, Is::Open)];
    let mut follow = follow(&events, &approvals, true);
    assert_eq!(news(&mut follow).await, ["asks 3"]);
}

#[tokio::test]
async fn who_may_not_waits_on_and_is_told_of_it_once() {
    // It is told from its start where a stream breaks off.
    let events = [asked(3), asked(3), answered(3), answered(3), ended()];
    let all = ["waits 3", "has 3", "ended"];
    for (is, may) in [(Is::Open, false), (Is::Refused, true), (Is::Cut, true)] {
        let mut follow = follow(&events, &[(3, is)], may);
        assert_eq!(news(&mut follow).await, all);
    }
}

#[tokio::test]
async fn what_a_client_knows_to_wait_ends_no_stream_until_it_is_asked_anew() {
    let events = [asked(3), asked(4), answered(3), asked(5), ended()];
    let approvals = [(4, Is::Open), (5, Is::Open)];
    let mut two = follow(&events, &approvals, true).knows([3, 4]);
    assert_eq!(news(&mut two).await, ["known", "known", "has 3", "asks 4"]);
    let events = [asked(3), answered(3), ended()];
    let mut one = follow(&events, &[(3, Is::Answered)], true).knows([3]);
    assert_eq!(news(&mut one).await, ["known", "has 3", "ended"]);
}

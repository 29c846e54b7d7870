//! Who is told the end of a turn, and when.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use aion_drivers::outbound::{NodeAddresses, Place, Rule};
use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::turns::waited_for_in_tests;

fn open(
    root: &std::path::Path,
    hosts: &[&str],
    turns: &Turns,
) -> (Pushes, mpsc::UnboundedReceiver<TurnId>) {
    let outbound = Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    });
    let hosts = hosts.iter().map(|it| Destination::parse(it).unwrap());
    let folder = root.join("pushes");
    Pushes::open(folder, hosts.collect(), Arc::new(outbound), turns.clone()).unwrap()
}

fn push(id: &str, url: &str) -> Push {
    Push {
        id: id.to_owned(),
        url: url.to_owned(),
        token: Some("its-token".to_owned()),
        scheme: Some("Bearer".to_owned()),
        credentials: Some("hunter2".to_owned()),
    }
}

/// What is told to an address that refuses the first so many.
async fn listener(refuses: usize) -> (String, mpsc::UnboundedReceiver<(HeaderMap, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let take = move |headers: HeaderMap, body: Bytes| {
        let (tell, count) = (tell.clone(), Arc::clone(&count));
        async move {
            if count.fetch_add(1, Ordering::AcqRel) < refuses {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let _ = tell.send((headers, serde_json::from_slice(&body).unwrap()));
            StatusCode::OK
        }
    };
    let app = axum::Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (host, told)
}

#[tokio::test]
async fn the_end_is_told_once_it_is_there_through_refusals_and_restarts() {
    let root = tempfile::tempdir().unwrap();
    let (host, mut told) = listener(1).await;
    let (turns, input, end) = waited_for_in_tests(&root.path().join("turns"), 7);
    {
        let (pushes, _) = open(root.path(), &[&host], &turns);
        let added = pushes
            .add(TurnId(7), push("a", &format!("http://{host}/hook?of=me")))
            .unwrap();
        assert_eq!((added.id.as_str(), added.credentials), ("a", None));
    }
    // The daemon was started again.
    let (pushes, watched) = open(root.path(), &[&host], &turns);
    assert_eq!(pushes.of(TurnId(7)).len(), 1);
    tokio::spawn(pushes.clone().run(watched));
    turns.done(input, end).await.unwrap();
    let (headers, body) = told.recv().await.unwrap();
    assert_eq!(headers["authorization"], "Bearer hunter2");
    assert_eq!(headers["x-a2a-notification-token"], "its-token");
    assert_eq!(headers["content-type"], "application/a2a+json");
    let update = &body["statusUpdate"];
    assert_eq!(
        (&update["taskId"], &update["contextId"]),
        (&"7".into(), &"turn-7".into())
    );
    let state = update["status"]["state"].as_str().unwrap();
    assert!(state.starts_with("TASK_STATE_"), "{body}");
    while pushes.shared.folder.join("7.json").exists() {
        tokio::task::yield_now().await;
    }
    assert!(pushes.of(TurnId(7)).is_empty());
    let late = pushes
        .add(TurnId(7), push("b", &format!("http://{host}/")))
        .unwrap_err();
    assert_eq!(late.code, Code::NotRunning, "{late}");
}

#[tokio::test]
async fn one_that_is_taken_back_is_told_no_more() {
    let root = tempfile::tempdir().unwrap();
    let (host, mut told) = listener(0).await;
    let (turns, input, end) = waited_for_in_tests(&root.path().join("turns"), 7);
    let (pushes, watched) = open(root.path(), &[&host], &turns);
    tokio::spawn(pushes.clone().run(watched));
    for id in ["a", "b"] {
        pushes
            .add(TurnId(7), push(id, &format!("http://{host}/{id}")))
            .unwrap();
    }
    pushes.remove(TurnId(7), "a").unwrap();
    pushes.remove(TurnId(7), "a").unwrap();
    turns.done(input, end).await.unwrap();
    told.recv().await.unwrap();
    while pushes.shared.folder.join("7.json").exists() {
        tokio::task::yield_now().await;
    }
    assert!(told.try_recv().is_err(), "one was left");
}

#[tokio::test]
async fn what_is_not_granted_or_cannot_be_sent_is_refused_by_its_field() {
    let root = tempfile::tempdir().unwrap();
    let (turns, ..) = waited_for_in_tests(&root.path().join("turns"), 7);
    let (nobody, _) = open(root.path(), &[], &turns);
    assert!(!nobody.is_granted());
    let (pushes, _) = open(root.path(), &["*.example.org:443"], &turns);
    assert!(
        pushes
            .judge(&push("", "https://hooks.example.org/x?y"))
            .is_ok()
    );
    for url in [
        "https://example.org/",
        "https://hooks.example.org:8443/",
        "https://hooks.example.com/",
        "https://169.254.169.254/",
        "http://127.0.0.1:443/",
    ] {
        let refused = pushes.judge(&push("a", url)).unwrap_err();
        assert_eq!(refused.code, Code::Denied, "{url}: {refused}");
    }
    let good = || push("a", "https://hooks.example.org/");
    for (wrong, field) in [
        (push("a/b", "https://hooks.example.org/"), "id"),
        (push("a", "http://hooks.example.org/"), "url"),
        (
            push(
                "a",
                &format!("https://hooks.example.org/{}", "x".repeat(MAX_URL)),
            ),
            "url",
        ),
        (
            Push {
                token: Some("a\nb".to_owned()),
                ..good()
            },
            "token",
        ),
        (
            Push {
                scheme: Some("Bearer x".to_owned()),
                ..good()
            },
            "scheme",
        ),
        (
            Push {
                credentials: None,
                ..good()
            },
            "authentication",
        ),
    ] {
        let refused = pushes.judge(&wrong).unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        assert!(refused.detail.contains(field), "{refused}");
    }
    for n in 0..MAX_OF_TURN {
        pushes
            .add(
                TurnId(7),
                push(&n.to_string(), "https://hooks.example.org/"),
            )
            .unwrap();
    }
    let full = pushes
        .add(TurnId(7), push("more", "https://hooks.example.org/"))
        .unwrap_err();
    assert_eq!(full.code, Code::Overloaded);
    // One of the same id replaces it.
    pushes
        .add(TurnId(7), push("0", "https://other.example.org/"))
        .unwrap();
    assert_eq!(pushes.of(TurnId(7)).len(), MAX_OF_TURN);
    assert!(!format!("{:?}", good()).contains("hunter2"));
}

//! Where a question goes on to, tried with nodes that are only heads of answers.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aion_client::Address;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const AGENT: (&str, &str) = ("home", "keeper");

/// A node, and what it was asked.
struct Fake {
    place: Place,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn times(&self) -> usize {
        self.asked.lock().len()
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, format!("http://{at}"))
}

fn place(url: &str) -> Place {
    let address = Address::cluster(url, None, None).unwrap();
    Place {
        node: Node { address },
        tag: Some(Tag::of(url)),
    }
}

/// It answers each request with this; without one it goes away with the first, for good.
async fn node(answer: Option<String>) -> Fake {
    let (listener, url) = listener().await;
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let mut length = stream.read(&mut request).await.unwrap();
            while !request[..length].ends_with(b"}") {
                length += stream.read(&mut request[length..]).await.unwrap();
            }
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            hears.lock().push(request);
            match &answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => return,
            }
        }
    });
    Fake {
        place: place(&url),
        asked,
    }
}

async fn refuses(code: Code) -> Fake {
    let body = serde_json::to_string(&Problem::new(code, "no")).unwrap();
    let head = "content-type: application/problem+json\r\nconnection: close";
    let length = body.len();
    let answer = format!("HTTP/1.1 503 No\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    node(Some(answer)).await
}

async fn takes() -> Fake {
    let event = "data: {\"event\":\"queued\",\"turn\":7}\n\n";
    let head = "content-type: text/event-stream\r\nconnection: close";
    node(Some(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{event}"))).await
}

/// Nothing listens there.
async fn gone() -> Place {
    let (_, url) = listener().await;
    place(&url)
}

fn candidate(place: &Place, is_first_try: bool, is_left: bool) -> Candidate {
    Candidate {
        place: place.clone(),
        is_first_try,
        is_left,
    }
}

/// Without a client's key.
fn ours(all: &[&Place]) -> Places {
    let all = all.iter().map(|it| candidate(it, true, false));
    Places::new(AGENT, all.collect())
}

/// With one.
fn theirs(all: &[&Place]) -> Places {
    let all = all.iter().map(|it| candidate(it, false, false));
    Places::new(AGENT, all.collect())
}

async fn asked(places: &mut Places) -> Result<Option<TurnEvent>, ClientError> {
    let request = TurnRequest::default();
    places.ask(&request, None).await?.next().await
}

fn code(refused: Result<Option<TurnEvent>, ClientError>) -> Code {
    match refused.unwrap_err() {
        ClientError::Refused(problem) => problem.code,
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn what_may_have_been_taken_is_asked_nowhere_else_also_once_nothing_listens_there() {
    let (killed, other) = (node(None).await, takes().await);
    let mut places = ours(&[&killed.place, &other.place]);
    let broken = asked(&mut places).await.unwrap_err();
    assert!(matches!(broken, ClientError::Broken { .. }), "{broken}");
    let away = asked(&mut places).await.unwrap_err();
    assert!(matches!(away, ClientError::Unreachable { .. }), "{away}");
    assert_eq!((killed.times(), other.times()), (1, 0));
}

#[tokio::test]
async fn what_was_taken_is_asked_again_where_it_was_taken() {
    let (first, other) = (takes().await, takes().await);
    let mut places = ours(&[&first.place, &other.place]);
    for _ in 0..2 {
        asked(&mut places).await.unwrap();
    }
    assert_eq!((first.times(), other.times()), (2, 0));
}

#[tokio::test]
async fn what_was_certainly_not_taken_is_asked_at_the_next() {
    for refusal in [
        Code::Restarting,
        Code::Overloaded,
        Code::NotRunning,
        Code::NotFound,
    ] {
        let (first, other) = (refuses(refusal).await, takes().await);
        let mut places = ours(&[&gone().await, &first.place, &other.place]);
        let event = asked(&mut places).await.unwrap();
        let Some(TurnEvent::Queued { turn }) = event else {
            unreachable!("{event:?}");
        };
        assert_eq!(Some(turn), other.place.tag.unwrap().number(7));
        assert_eq!((first.times(), other.times()), (1, 1), "{refusal:?}");
    }
    let (first, other) = (refuses(Code::Denied).await, takes().await);
    let mut places = ours(&[&first.place, &other.place]);
    assert_eq!(code(asked(&mut places).await), Code::Denied);
    assert_eq!(other.times(), 0);
}

#[tokio::test]
async fn a_clients_key_goes_on_only_from_where_it_is_not_known() {
    for refusal in [Code::NotRunning, Code::NotFound] {
        let (first, other) = (refuses(refusal).await, takes().await);
        asked(&mut theirs(&[&first.place, &other.place]))
            .await
            .unwrap();
        assert_eq!((first.times(), other.times()), (1, 1));
    }
    // Before it restarted it may have taken it.
    let (first, other) = (refuses(Code::Restarting).await, takes().await);
    let refused = asked(&mut theirs(&[&first.place, &other.place])).await;
    assert_eq!((code(refused), other.times()), (Code::Restarting, 0));
    let refused = asked(&mut theirs(&[&gone().await, &other.place])).await;
    assert!(matches!(refused, Err(ClientError::Unreachable { .. })));
    assert_eq!(other.times(), 0);
}

#[tokio::test]
async fn where_none_takes_it_each_is_asked_once_and_it_is_said_whether_to_try_again() {
    let (one, two) = (
        refuses(Code::Restarting).await,
        refuses(Code::NotFound).await,
    );
    let mut places = ours(&[&one.place, &two.place]);
    assert_eq!(code(asked(&mut places).await), Code::Restarting);
    assert_eq!((one.times(), two.times()), (1, 1));
    // Waited for, both are asked again.
    assert_eq!(code(asked(&mut places).await), Code::Restarting);
    assert_eq!((one.times(), two.times()), (2, 2));
    // The agent is on its way: not found is for what is nowhere.
    let moved = asked(&mut ours(&[&two.place])).await.unwrap_err();
    let ClientError::Refused(moved) = moved else {
        unreachable!("{moved}");
    };
    assert_eq!(moved.code, Code::NotRunning);
    assert!(moved.retry_after_ms.is_some());
}

#[tokio::test]
async fn files_go_where_their_question_goes_and_are_called_by_their_own_name_only_there() {
    let (leaving, stays) = (refuses(Code::NotFound).await, takes().await);
    let all = || {
        vec![
            candidate(&leaving.place, false, true),
            candidate(&stays.place, false, false),
        ]
    };
    let taker = Places::new(AGENT, all()).taker().unwrap();
    assert_eq!(taker.tag, stays.place.tag);
    let shown = taker.tag.unwrap().upload("9f");
    let request = TurnRequest {
        uploads: vec![shown.clone()],
        ..TurnRequest::default()
    };
    let mut places = Places::new(AGENT, all());
    places.ask(&request, Some("k")).await.unwrap();
    let heard = |fake: &Fake| fake.asked.lock()[0].clone();
    // A name that no node has: it can say that it knows the key, and take nothing.
    assert!(heard(&leaving).contains(&format!("[\"{shown}\"]")));
    assert!(heard(&stays).contains("[\"9f\"]"));
}

#[tokio::test]
async fn a_node_that_is_stopped_is_waited_for_for_a_while() {
    // Connections are made by the kernel, also of a program that is stopped.
    let (_stopped, url) = listener().await;
    let other = takes().await;
    tokio::time::pause();
    let mut places = ours(&[&place(&url), &other.place]);
    let broken = asked(&mut places).await.unwrap_err();
    assert!(matches!(broken, ClientError::Broken { .. }), "{broken}");
    let silent = place(&url).turn(7).await.unwrap_err();
    assert!(
        matches!(silent, ClientError::Unreachable { .. }),
        "{silent}"
    );
    assert_eq!(other.times(), 0);
}

/// Each number of a turn says its node, also those of the turns that steps and callers are of.
#[tokio::test]
async fn every_number_of_a_turn_is_the_one_that_is_shown() {
    let step = "{\"step\":\"a\",\"state\":\"done\",\"atMs\":1,\"turn\":8}";
    let event = format!("data: {{\"event\":\"progress\",\"text\":\"x\",\"steps\":[{step}]}}\n\n");
    let head = "content-type: text/event-stream\r\nconnection: close";
    let length = event.len();
    let told = format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {length}\r\n\r\n{event}");
    let node = node(Some(told)).await;
    let mut places = ours(&[&node.place]);
    let Some(TurnEvent::Progress { steps, .. }) = asked(&mut places).await.unwrap() else {
        unreachable!()
    };
    let expected = node.place.shown(8).unwrap();
    assert_eq!(steps[0].turn, Some(expected));
    assert_ne!(expected, 8);
    let record = serde_json::from_str(
        "{\"turn\":7,\"agent\":\"home/keeper\",\"input\":\"\",\"caller\":{\"turn\":6,\"agent\":\"home/a\"},\
         \"steps\":[{\"step\":\"a\",\"state\":\"done\",\"beganAtMs\":1,\"turn\":8}]}",
    );
    let record = node.place.named(record.unwrap()).unwrap();
    assert_eq!(record.steps[0].turn, Some(expected));
    assert_eq!(record.caller.unwrap().turn, node.place.shown(6).unwrap());
}

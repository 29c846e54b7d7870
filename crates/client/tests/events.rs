//! A stream of events from a node's socket, as it may come.
#![allow(clippy::unwrap_used)]

use std::{convert::Infallible, io};

use aion_abi::admin::TurnEvent;
use aion_client::{Address, ClientError, Events, Node};
use axum::{Router, body::Body, routing::get};
use futures::{Stream, stream};
use tempfile::TempDir;
use tokio::net::UnixListener;

/// A node whose turn 1 answers with `pieces`, one after another.
fn node<S>(pieces: impl Fn() -> S + Clone + Send + Sync + 'static) -> (TempDir, Node)
where
    S: Stream<Item = Result<Vec<u8>, io::Error>> + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = move || {
        let body = Body::from_stream(pieces());
        async move { Ok::<_, Infallible>(axum::response::Response::new(body)) }
    };
    let router = Router::new().route("/api/v1/turns/1/events", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let address = Address::unix(socket).unwrap();
    (folder, Node { address })
}

async fn all(mut events: Events<TurnEvent>) -> Result<Vec<TurnEvent>, ClientError> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await? {
        seen.push(event);
    }
    Ok(seen)
}

#[tokio::test]
async fn an_event_comes_whole_however_its_bytes_arrive() {
    let text = ": awake\n\nevent: queued\ndata: {\"event\":\"queued\",\"turn\":1}\n\n\
                data:{\"event\":\"delta\",\r\ndata: \"text\":\"Größe\"}\r\n\r\ndata: {\"half\":";
    let (_folder, node) = node(move || stream::iter(text.bytes().map(|byte| Ok(vec![byte]))));
    let seen = all(node.turn_events(1).await.unwrap()).await.unwrap();
    let text = "Größe".to_owned();
    assert_eq!(
        seen,
        [TurnEvent::Queued { turn: 1 }, TurnEvent::Delta { text }]
    );
}

#[tokio::test]
async fn an_event_without_an_end_is_read_to_its_bound() {
    let (_folder, node) = node(|| stream::repeat_with(|| Ok(vec![b'x'; 64 << 10])));
    let refused = all(node.turn_events(1).await.unwrap()).await.unwrap_err();
    assert!(
        refused.to_string().contains("larger than 8 MiB"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_apart_from_an_end() {
    let half = || stream::iter([Ok(b"data: {".to_vec()), Err(io::Error::other("gone"))]);
    let (_folder, node) = node(half);
    // Before or after the head of the answer went out.
    let broken = match node.turn_events(1).await {
        Ok(events) => all(events).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(broken, ClientError::Broken { .. }), "{broken}");
}

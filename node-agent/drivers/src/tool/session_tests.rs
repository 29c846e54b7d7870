//! Sessions over HTTP whose answers come in the session's own stream.
#![allow(clippy::unwrap_used)]

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Response, StatusCode},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{
    NoStdioServers, ToolDriver,
    conformance::{call, over_http},
    mcp_tests::driver,
};

struct Session {
    answers: UnboundedSender<Value>,
    stream: Mutex<Option<UnboundedReceiver<Value>>>,
}

/// 202 without a length for what is asked, and the answer in the session's stream. Two entries of its list are odd.
async fn asked(State(session): State<Arc<Session>>, body: Bytes) -> Response<Body> {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answer = |result: Value| json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    let answer = match request["method"].as_str().unwrap() {
        "server/discover" => {
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return refused;
        }
        "initialize" => {
            let greeting = answer(json!({
                "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                "serverInfo": {"name": "session", "version": "1"},
            }));
            return Response::builder()
                .header("mcp-session-id", "s1")
                .header("content-type", "application/json")
                .body(Body::from(greeting.to_string()))
                .unwrap();
        }
        "tools/list" => answer(json!({"tools": [
            {"name": "stock", "inputSchema": {"type": "object"}},
            {"name": 7, "inputSchema": "odd"},
            {"name": "odd"},
        ]})),
        "tools/call" => answer(json!({"content": [{"type": "text", "text": "12"}]})),
        _ => Value::Null,
    };
    if !answer.is_null() {
        session.answers.send(answer).unwrap();
    }
    let nothing = stream::iter(Vec::<Result<Bytes, Infallible>>::new());
    Response::builder()
        .status(StatusCode::ACCEPTED)
        .body(Body::from_stream(nothing))
        .unwrap()
}

async fn listened(State(session): State<Arc<Session>>) -> Response<Body> {
    let Some(mut answers) = session.stream.lock().take() else {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return refused;
    };
    let events = stream::poll_fn(move |context| answers.poll_recv(context))
        .map(|it| Ok::<_, Infallible>(format!("data: {it}\n\n")));
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(events))
        .unwrap()
}

#[tokio::test]
async fn what_is_accepted_without_a_length_is_answered_in_the_sessions_stream() {
    let (answers, stream) = unbounded_channel();
    let session = Arc::new(Session {
        answers,
        stream: Mutex::new(Some(stream)),
    });
    let app = Router::new()
        .route("/mcp", post(asked))
        .route("/mcp", get(listened))
        .with_state(session);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let driver = driver(Arc::new(NoStdioServers));
    let server = [over_http("depot", &url)];
    let listed = driver.list(&server, &|_| true).await.unwrap();
    let offered: Vec<&str> = listed.tools.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(offered, ["depot.stock"], "{listed:?}");
    // Without the page as a whole nobody could name them.
    assert_eq!(listed.unavailable.len(), 2, "{listed:?}");
    let answer = call(&driver, &server, "depot.stock", json!({})).await;
    assert_eq!(answer.unwrap().text, "12");
    serving.abort();
}

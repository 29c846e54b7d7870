//! A server on this machine that answers `POST /v1/chat/completions` as a test wrote it down, byte by byte.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Server-sent events with these data, one each; then the connection ends as it should.
    Events(Vec<Value>),
    /// The same as bytes, as they stand.
    Raw(String),
    /// These bytes; then the connection breaks.
    Cut(String),
    /// These bytes; then nothing.
    Hang(String),
    /// A whole body in JSON.
    Json(Value),
    /// A status and a page.
    Page(u16, &'static str),
    /// A status, headers and a body in JSON.
    Status(u16, Vec<(&'static str, String)>, Value),
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Vec<Reply>>>,
    asked: Mutex<Vec<(HeaderMap, Value)>>,
    /// Answers under way.
    open: AtomicUsize,
}

/// The server. Each model has a list of answers; the last one is given again and again.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    shared: Arc<Shared>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let app = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    pub(super) fn replies(&self, model: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut replies: Vec<_> = replies.into_iter().collect();
        replies.reverse();
        self.shared.replies.lock().insert(model.into(), replies);
    }

    /// Requests so far, with their headers.
    pub(super) fn asked(&self) -> Vec<(HeaderMap, Value)> {
        self.shared.asked.lock().clone()
    }

    /// Waits until no answer is under way.
    pub(super) async fn until_quiet(&self) {
        for _ in 0..1000 {
            if self.shared.open.load(Ordering::Acquire) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("an answer is still under way");
    }
}

/// Text in a stream's chunk.
pub(super) fn text(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

/// The end of an answer.
pub(super) fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// Figures.
pub(super) fn figures(input: u64, output: u64) -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}})
}

/// A chunk as it is sent.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let model = request["model"].as_str().unwrap_or_default().to_owned();
    shared.asked.lock().push((headers, request));
    let reply = {
        let mut replies = shared.replies.lock();
        let Some(left) = replies.get_mut(&model) else {
            return (
                StatusCode::NOT_FOUND,
                Json(json!({"error": {"message": "no such model"}})),
            )
                .into_response();
        };
        if left.len() > 1 {
            left.pop().unwrap()
        } else {
            left[0].clone()
        }
    };
    let open = Open::new(shared);
    match reply {
        Reply::Events(events) => {
            let text = events
                .iter()
                .map(event)
                .chain(["data: [DONE]\n\n".to_owned()])
                .collect();
            streamed(text, End::Good, open)
        }
        Reply::Raw(text) => streamed(text, End::Good, open),
        Reply::Cut(text) => streamed(text, End::Break, open),
        Reply::Hang(text) => streamed(text, End::Never, open),
        Reply::Json(body) => Json(body).into_response(),
        Reply::Page(status, page) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, axum::response::Html(page)).into_response()
        }
        Reply::Status(status, headers, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    }
}

enum End {
    Good,
    Break,
    Never,
}

fn streamed(text: String, end: End, open: Open) -> Response {
    // In small pieces, so that events are cut anywhere.
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(7)
        .map(Bytes::copy_from_slice)
        .map(Ok)
        .collect();
    let last = async move {
        match end {
            End::Good => None,
            End::Break => {
                // A pause in the body is when the server sends what it holds.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(Err(std::io::Error::other("cut")))
            }
            End::Never => std::future::pending().await,
        }
    };
    let body = futures::stream::iter(pieces)
        .chain(futures::stream::once(last).filter_map(|item| async { item }));
    let body = body.map(move |piece| {
        let _held = &open;
        piece
    });
    (
        [("content-type", "text/event-stream; charset=utf-8")],
        Body::from_stream(body),
    )
        .into_response()
}

struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

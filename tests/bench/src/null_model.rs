//! A model that says at once what was made beforehand, over TCP, whole or as a stream, in as many bytes as the path asks for. It is
//! what proxies are measured in front of, so it may read no more of a request than whether a stream is wanted.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use futures::stream;
use serde_json::json;
use tokio::net::TcpListener;

/// Bytes of text in an answer, as paths have them.
pub(crate) const SIZES: [usize; 2] = [1024, 16 * 1024];

/// What a chunk of a stream has of the text: a word or two of a real model, so that a stream has many events.
const PER_CHUNK: usize = 64;

/// Serves until the process ends; prints the port first.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let mut app = Router::new();
    for size in SIZES {
        let said = Arc::new(Said::of(size));
        let answers = Router::new()
            .route("/chat/completions", post(answer))
            .with_state(said);
        app = app.nest(&format!("/{size}/v1"), answers);
    }
    // Else the last of a stream waits for an acknowledgement, and that would be the figure.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

/// One answer in both forms.
struct Said {
    whole: Bytes,
    events: Vec<Bytes>,
}

impl Said {
    fn of(size: usize) -> Self {
        let text = "word ".repeat(size / 5 + 1)[..size].to_owned();
        let usage = json!({"prompt_tokens": size / 4, "completion_tokens": size / 4, "total_tokens": size / 2});
        let whole = json!({
            "id": "1", "object": "chat.completion", "created": 1, "model": "null", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        });
        let event = |choices, usage| {
            let chunk = json!({
                "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "null",
                "choices": choices, "usage": usage,
            });
            Bytes::from(format!("data: {chunk}\n\n"))
        };
        let delta = |delta, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let mut events = vec![event(
            delta(json!({"role": "assistant", "content": ""}), None),
            json!(null),
        )];
        for part in text.as_bytes().chunks(PER_CHUNK) {
            let content = String::from_utf8_lossy(part);
            events.push(event(delta(json!({"content": content}), None), json!(null)));
        }
        events.push(event(delta(json!({}), Some("stop")), json!(null)));
        events.push(event(json!([]), usage));
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        Self {
            whole: Bytes::from(whole.to_string()),
            events,
        }
    }
}

async fn answer(State(said): State<Arc<Said>>, request: Bytes) -> axum::response::Response {
    let streamed = ["\"stream\":true", "\"stream\": true"];
    if !streamed
        .iter()
        .any(|it| memchr::memmem::find(&request, it.as_bytes()).is_some())
    {
        return ([(CONTENT_TYPE, "application/json")], said.whole.clone()).into_response();
    }
    let events: Vec<Result<Bytes, std::convert::Infallible>> =
        said.events.iter().cloned().map(Ok).collect();
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(stream::iter(events)),
    )
        .into_response()
}

//! The HTTP side of the fake model.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{ModelRequest, Reply, Shared, completion::Spoken, embedding};

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .with_state(shared)
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": "fake", "object": "model"}]}))
}

async fn chat(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let request = request(&uri, &headers, body);
    let mut reply = shared.with(|state| {
        let reply = (state.answer)(&request);
        state.requests.push(request.clone());
        reply
    });
    let spoken = loop {
        match reply {
            Reply::After(pause, then) => {
                tokio::time::sleep(pause).await;
                reply = *then;
            }
            Reply::Error { status, message } => return error(status, &message),
            Reply::Text(text) => break Spoken::text(&text),
            Reply::Calls(calls) => break Spoken::calls(calls),
            Reply::Paced { text, pause } => break Spoken::text(&text).paced(pause),
            Reply::Cut { text, words } => break Spoken::text(&text).cut(words),
        }
    };
    match request.body["stream"] == true {
        true => spoken.streamed(&request.body),
        false => spoken.whole(&request.body).await,
    }
}

async fn embeddings(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let request = request(&uri, &headers, body);
    shared.with(|state| state.requests.push(request.clone()));
    match embedding::answer(&request.body) {
        Some(answer) => Json(answer).into_response(),
        None => error(400, "input is neither a string nor a list of strings"),
    }
}

fn request(uri: &Uri, headers: &HeaderMap, body: Value) -> ModelRequest {
    ModelRequest {
        path: uri.path().to_owned(),
        authorization: headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        body,
    }
}

fn error(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        Json(json!({"error": {"message": message, "type": "fake"}})),
    )
        .into_response()
}

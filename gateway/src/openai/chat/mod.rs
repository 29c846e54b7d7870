//! `/v1/chat/completions`: a question to an agent, and its answer whole or as it comes.

mod request;
mod stream;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use self::{request::Request, stream::Chunks};
use super::{
    Failed,
    spoken::{End, Spoken},
};
use crate::{clock, gateway::Gateway, reading};

pub(crate) async fn complete(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    let (is_stream, wants_usage) = (request.is_stream(), request.wants_usage());
    let model = request.model.clone();
    let spoken = Spoken::begin(&gateway, &model, request.conversation()?, &headers).await?;
    let head = Head::of(&spoken.model);
    if is_stream {
        return Ok(spoken.streamed(Chunks::new(head, wants_usage)));
    }
    let (text, end) = spoken.whole().await?;
    let choice = json!({
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": null},
        "logprobs": null,
        "finish_reason": "stop",
    });
    let mut object = head.object("chat.completion", end.turn, json!([choice]));
    object["usage"] = usage(&end);
    object["aion"] = json!(end.beside());
    Ok(Json(object).into_response())
}

/// What each part of an answer says first.
struct Head {
    model: String,
    created: i64,
}

impl Head {
    fn of(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            created: clock::now().as_second(),
        }
    }

    /// An object of the answer of `turn`.
    fn object(&self, kind: &str, turn: u64, choices: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{turn}"),
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

/// Tokens of the models that the agent asked, all of its calls together.
fn usage(end: &End) -> Value {
    json!({
        "prompt_tokens": end.tokens_read(),
        "completion_tokens": end.outcome.output_tokens,
        "total_tokens": end.outcome.tokens,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_are_told_as_those_read_and_those_written() {
        let outcome = json!({"ok": true, "tokens": 12, "outputTokens": 5});
        let outcome = serde_json::from_value(outcome).unwrap();
        let used = usage(&End {
            routed: None,
            turn: 1,
            outcome,
        });
        let expected = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
        assert_eq!(used, expected);
    }
}

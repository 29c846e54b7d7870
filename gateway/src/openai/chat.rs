//! `/v1/chat/completions`: a question to an agent, and its answer whole or as it comes.

use std::sync::Arc;

use aion_abi::{
    admin::{TurnEvent, TurnOutcome, TurnRequest},
    code::Code,
    problem::Problem,
};
use aion_client::Answer;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Failed, conversation::Request, stream};
use crate::{
    asking::{Abandoned, Asking, Heard},
    clock,
    gateway::Gateway,
    reading,
};

pub(crate) async fn complete(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let request: Request = reading::json(&headers, body).await?;
    let question = TurnRequest {
        input: request.question()?,
        ..TurnRequest::default()
    };
    let key = reading::key(&headers)?;
    let (agent, cancelled) = (gateway.long(&request.model), Abandoned::Cancelled);
    let asking = Asking::begin(Arc::clone(&gateway), agent, question, key, cancelled).await?;
    let head = Head::of(&request.model);
    if request.is_stream() {
        return Ok(stream::response(asking, head, request.wants_usage()));
    }
    whole(asking, &head).await.map_err(Failed)
}

/// What each part of an answer says first.
pub(super) struct Head {
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
    pub(super) fn object(&self, kind: &str, turn: u64, choices: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{turn}"),
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

async fn whole(mut asking: Asking, head: &Head) -> Result<Response, Problem> {
    let mut answer = Answer::default();
    while let Some(heard) = asking.next().await? {
        match heard {
            Heard::Again => answer.start_again(),
            Heard::Event(TurnEvent::Ended(outcome)) => {
                let turn = asking.turn().unwrap_or_default();
                let content = format!("{}{}", answer.text(), end(&outcome)?);
                let choice = json!({
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": null},
                    "logprobs": null,
                    "finish_reason": "stop",
                });
                let mut object = head.object("chat.completion", turn, json!([choice]));
                object["usage"] = usage(&outcome);
                object["aion"] = beside(turn, &outcome);
                return Ok(Json(object).into_response());
            }
            Heard::Event(event) => {
                answer.take(&event);
            }
        }
    }
    Err(unended())
}

/// What is told after the answer: a reader of the text alone is to know what is not in it.
pub(super) fn end(outcome: &TurnOutcome) -> Result<String, Problem> {
    if let Some(problem) = &outcome.problem {
        return Err(problem.clone());
    }
    let mut told = String::new();
    for notice in &outcome.notices {
        told += &format!("\n\nNote: {notice}");
    }
    if outcome.notices_beyond > 0 {
        told += &format!(
            "\n\nNote: {} more notes were left out.",
            outcome.notices_beyond
        );
    }
    Ok(told)
}

/// Tokens of the models that the agent asked, all of its calls together.
pub(super) fn usage(outcome: &TurnOutcome) -> Value {
    json!({
        "prompt_tokens": outcome.tokens.saturating_sub(outcome.output_tokens),
        "completion_tokens": outcome.output_tokens,
        "total_tokens": outcome.tokens,
    })
}

/// What OpenAI has no word for: the turn, and where the files are that it wrote.
pub(super) fn beside(turn: u64, outcome: &TurnOutcome) -> Value {
    json!({
        "turn": turn,
        "incomplete": outcome.incomplete,
        "files": outcome.files,
        "syscalls": outcome.syscalls,
        "elapsedMs": outcome.elapsed_ms,
    })
}

pub(super) fn unended() -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        "the node did not say how the turn ended",
    )
    .remedy("look with aionctl why AGENT")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outcome(value: Value) -> TurnOutcome {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_not_in_the_answer_is_told_after_it() {
        let partly = outcome(json!({
            "ok": true, "incomplete": true, "notices": ["2 rows were not read"], "noticesBeyond": 3,
        }));
        assert_eq!(
            end(&partly).unwrap(),
            "\n\nNote: 2 rows were not read\n\nNote: 3 more notes were left out."
        );
        let failed = Problem::new(Code::Unreachable, "no model answers");
        let failed = outcome(json!({"ok": false, "problem": failed}));
        assert_eq!(end(&failed).unwrap_err().code, Code::Unreachable);
    }

    #[test]
    fn tokens_are_told_as_those_read_and_those_written() {
        let used = usage(&outcome(
            json!({"ok": true, "tokens": 12, "outputTokens": 5}),
        ));
        let expected = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
        assert_eq!(used, expected);
    }
}

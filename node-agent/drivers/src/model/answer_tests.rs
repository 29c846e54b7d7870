//! What an endpoint may say, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::panic)]

use aion_abi::syscall::model::ToolUse;
use aion_abi::syscall::model::{ChatRequest, ToolSpec};
use serde_json::{Value, json};

use super::*;

fn answer() -> Answer {
    let tool = ToolSpec {
        strict: None,
        name: "calendar.read".into(),
        description: String::new(),
        parameters: json!({}),
    };
    let request = ChatRequest {
        tools: vec![tool],
        ..ChatRequest::default()
    };
    Answer::new(Names::of(&request), 10, false)
}

/// All events of these chunks.
fn events(chunks: &[Value]) -> Vec<ChatEvent> {
    let mut answer = answer();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(answer.take(Chunk::read(chunk).unwrap()).unwrap());
    }
    events.extend(answer.finish().unwrap());
    events
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn call(id: &str, name: &str, arguments: &str) -> ChatEvent {
    ChatEvent::ToolCall(ToolUse {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    })
}

#[test]
fn text_comes_at_once_and_figures_at_the_end() {
    let events = events(&[
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": [{"type": "text", "text": "lo"}]})),
        finish("stop"),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
    ]);
    let usage = Usage {
        input_tokens: 7,
        output_tokens: 2,
        estimated: false,
    };
    assert_eq!(
        events,
        [
            ChatEvent::Delta { text: "Hel".into() },
            ChatEvent::Delta { text: "lo".into() },
            ChatEvent::End {
                finish: Finish::Stop,
                usage
            },
        ]
    );
}

#[test]
fn without_figures_the_usage_is_estimated_and_says_so() {
    let events = events(&[
        delta(json!({"content": "eight chars and so"})),
        finish("length"),
    ]);
    let usage = Usage {
        input_tokens: 10,
        output_tokens: 5,
        estimated: true,
    };
    assert_eq!(
        events[1],
        ChatEvent::End {
            finish: Finish::Length,
            usage
        }
    );
}

#[test]
fn tool_calls_are_put_together_however_the_server_cuts_them() {
    let part = |part: Value| delta(json!({"tool_calls": [part]}));
    let by_index = [
        part(
            json!({"index": 0, "id": "a", "function": {"name": "calendar_read", "arguments": ""}}),
        ),
        part(json!({"index": 1, "id": "b", "function": {"name": "other", "arguments": "{"}})),
        part(json!({"index": 0, "function": {"arguments": "{\"day\":"}})),
        part(json!({"index": 1, "function": {"arguments": "}"}})),
        part(json!({"index": 0, "function": {"arguments": "1}"}})),
        finish("tool_calls"),
    ];
    let events_of = events(&by_index);
    assert_eq!(
        events_of[..2],
        [
            call("a", "calendar.read", "{\"day\":1}"),
            call("b", "other", "{}")
        ]
    );
    assert!(matches!(
        events_of[2],
        ChatEvent::End {
            finish: Finish::ToolCalls,
            ..
        }
    ));

    // All at index 0, whole, arguments as an object, and a finish that says nothing of tools.
    let at_once = [
        part(
            json!({"index": 0, "id": "a", "function": {"name": "calendar_read", "arguments": {"day": 1}}}),
        ),
        part(json!({"index": 0, "id": "b", "function": {"name": "other", "arguments": ""}})),
        finish("stop"),
    ];
    let events_of = events(&at_once);
    assert_eq!(
        events_of[..2],
        [
            call("a", "calendar.read", "{\"day\":1}"),
            call("b", "other", "{}")
        ]
    );
    assert!(matches!(
        events_of[2],
        ChatEvent::End {
            finish: Finish::ToolCalls,
            ..
        }
    ));

    // No index; and no id, which is then made.
    let bare = [
        part(json!({"function": {"name": "calendar_read", "arguments": "{"}})),
        part(json!({"function": {"arguments": "}"}})),
        finish("tool_calls"),
    ];
    let ChatEvent::ToolCall(made) = &events(&bare)[0] else {
        panic!("a call")
    };
    assert!(made.id.starts_with("call_") && made.arguments == "{}");
}

#[test]
fn a_whole_answer_is_read_like_a_stream_of_one() {
    let whole = json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello", "tool_calls": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}
    });
    assert_eq!(
        events(&[whole])[0],
        ChatEvent::Delta {
            text: "Hello".into()
        }
    );
}

#[test]
fn an_error_in_the_stream_and_answers_without_end_are_failures() {
    let failed = |chunk: Value| answer().take(Chunk::read(&chunk).unwrap()).unwrap_err();
    let problem = failed(json!({"error": {"message": "out of memory", "code": 500}}));
    assert_eq!(
        (problem.code, problem.detail.as_str()),
        (Code::UpstreamFailed, "out of memory")
    );
    assert_eq!(failed(json!({"error": "gone"})).detail, "gone");
    failed(delta(json!({"content": "x".repeat(MAX_ANSWER + 1)})));
    let many: Vec<_> = (0..=crate::model::calls::MAX_CALLS)
        .map(|n| json!({"index": n, "function": {"name": "t"}}))
        .collect();
    failed(delta(json!({"tool_calls": many})));
}

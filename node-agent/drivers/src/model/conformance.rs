//! What every model driver must do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_abi::{
    code::Code,
    syscall::model::{ChatEvent, ChatRequest, Finish, Message, Role, ToolSpec, ToolUse, Usage},
};
use serde_json::json;
use tokio::time::Instant;

use super::{Candidate, ModelDriver};
use crate::outbound::Endpoint;

#[cfg(test)]
mod ours;
#[cfg(test)]
pub(super) use ours::{impatient, openai};

/// `model` at `url`.
pub fn candidate(url: &str, model: &str) -> Candidate {
    let endpoint = Endpoint {
        name: "local".into(),
        tenant: "me".into(),
        url: url.into(),
        secret: None,
    };
    Candidate {
        endpoint,
        local: false,
        model: model.into(),
        context_tokens: None,
        timeout: Duration::from_secs(60),
    }
}

/// One message of a user.
pub fn question(text: &str) -> ChatRequest {
    let message = Message {
        role: Role::User,
        content: text.into(),
        tool_calls: vec![],
        tool_call_id: None,
    };
    ChatRequest {
        messages: vec![message],
        ..ChatRequest::default()
    }
}

/// A deadline that no test reaches.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The call that `caller` makes.
pub fn call() -> ToolUse {
    ToolUse {
        id: "c1".into(),
        name: "calendar.read".into(),
        arguments: r#"{"day":"today"}"#.into(),
    }
}

/// All events, and the last usage that was told.
///
/// # Panics
/// Where the driver refuses.
pub async fn heard(
    driver: &dyn ModelDriver,
    candidates: &[Candidate],
    request: ChatRequest,
) -> (Vec<ChatEvent>, Usage) {
    let mut stream = driver.chat(candidates, request, soon()).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = stream.events.recv().await {
        events.push(event);
    }
    let usage = *stream.usage.borrow();
    (events, usage)
}

/// At `url`: `echo` says "Hello there" in two parts (7 and 3 tokens), `caller` calls `calendar.read`,
/// `cut` says "Hel" and breaks off, `slow` says "Hel" and then nothing. Nothing is at `gone`.
///
/// # Panics
/// Where the driver does something else.
pub async fn conforms(driver: &dyn ModelDriver, url: &str, gone: &str) {
    let at = |model: &str| candidate(url, model);
    let away = candidate(gone, "none");
    let usage = Usage {
        input_tokens: 7,
        output_tokens: 3,
        estimated: false,
    };
    let start = |model: &str| ChatEvent::Start {
        model: format!("local/{model}"),
        left_out: Vec::new(),
    };
    let say = |text: &str| ChatEvent::Delta { text: text.into() };

    let (events, last) = heard(driver, &[at("echo")], question("Hi")).await;
    let end = ChatEvent::End {
        finish: Finish::Stop,
        usage,
    };
    assert_eq!(
        events,
        [start("echo"), say("Hello"), say(" there"), end.clone()]
    );
    assert_eq!(last, usage);

    let offered = ToolSpec {
        strict: None,
        name: "calendar.read".into(),
        description: String::new(),
        parameters: json!({"type": "object"}),
    };
    let with_tools = ChatRequest {
        tools: vec![offered],
        ..question("What is on?")
    };
    let (events, _) = heard(driver, &[at("caller")], with_tools).await;
    assert_eq!(
        events,
        [
            start("caller"),
            ChatEvent::ToolCall(call()),
            ChatEvent::End {
                finish: Finish::ToolCalls,
                usage
            }
        ]
    );

    let (events, _) = heard(driver, &[at("cut"), at("echo")], question("Hi")).await;
    assert_eq!(
        events[..2],
        [start("cut"), say("Hel")],
        "no second model once the first has begun"
    );
    assert!(
        matches!(&events[2], ChatEvent::Error(problem) if problem.code == Code::UpstreamFailed)
    );
    assert_eq!(events.len(), 3);

    let (events, _) = heard(driver, &[away.clone(), at("echo")], question("Hi")).await;
    assert_eq!((&events[0], events.last()), (&start("echo"), Some(&end)));

    let problem = driver
        .chat(&[away.clone(), away], question("Hi"), soon())
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::Unreachable);
    let problem = driver
        .chat(
            &[at("echo")],
            ChatRequest {
                messages: vec![],
                ..question("")
            },
            soon(),
        )
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::BadRequest);

    let mut stream = driver
        .chat(&[at("slow")], question("Hi"), soon())
        .await
        .unwrap();
    assert_eq!(stream.events.recv().await, Some(start("slow")));
    assert_eq!(stream.events.recv().await, Some(say("Hel")));
    drop(stream);
}

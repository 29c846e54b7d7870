//! What every model driver must do; run on the fake and on the real one.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    syscall::model::{ChatEvent, ChatRequest, Finish, Message, Role, ToolSpec, ToolUse, Usage},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Candidate, FakeModels, ModelDriver, OpenAiModels, Patience, Script,
    scripted::{Reply, Server, event, figures, finish, text},
};
use crate::drivers::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::HeldSecrets,
};

pub(super) fn candidate(url: &str, model: &str) -> Candidate {
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

pub(super) fn question(text: &str) -> ChatRequest {
    let message = Message {
        role: Role::User,
        content: text.into(),
        tool_calls: vec![],
        tool_call_id: None,
    };
    ChatRequest {
        messages: vec![message],
        tools: vec![],
        max_tokens: None,
        temperature_milli: None,
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(super) fn call() -> ToolUse {
    ToolUse {
        id: "c1".into(),
        name: "calendar.read".into(),
        arguments: r#"{"day":"today"}"#.into(),
    }
}

/// All events, and the last usage that was told.
pub(super) async fn heard(
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
async fn conforms(driver: &dyn ModelDriver, url: &str, gone: &str) {
    let at = |model: &str| candidate(url, model);
    let away = candidate(gone, "none");
    let usage = Usage {
        input_tokens: 7,
        output_tokens: 3,
        estimated: false,
    };
    let start = |model: &str| ChatEvent::Start {
        model: format!("local/{model}"),
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

#[tokio::test]
async fn the_fake_conforms() {
    let driver = FakeModels::default()
        .with("echo", Script::Say(vec!["Hello".into(), " there".into()]))
        .with("caller", Script::Call(call()))
        .with("cut", Script::BreakOff("Hel".into()))
        .with("slow", Script::Hang("Hel".into()));
    conforms(&driver, "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1").await;
    assert_eq!(driver.asked.lock().unwrap().len(), 5);
}

pub(super) fn openai(patience: Patience) -> OpenAiModels {
    let rule = Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    };
    let secrets = HeldSecrets([("me/openai/key".to_owned(), "sk-hunter2".to_owned())].into());
    OpenAiModels::new(Arc::new(Outbound::new(rule)), Arc::new(secrets), patience)
}

pub(super) fn impatient() -> Patience {
    Patience {
        backoff: Duration::from_millis(1),
        ..Patience::default()
    }
}

#[tokio::test]
async fn openai_compatible_endpoints_conform() {
    let server = Server::start().await;
    let part = |delta| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let opened = part(json!({"role": "assistant", "content": ""}));
    server.replies(
        "echo",
        [Reply::Events(vec![
            opened.clone(),
            text("Hello"),
            text(" there"),
            finish("stop"),
            figures(7, 3),
        ])],
    );
    let called = [
        part(
            json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "calendar_read", "arguments": ""}}]}),
        ),
        part(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"day\":"}}]})),
        part(json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"today\"}"}}]})),
        finish("tool_calls"),
        figures(7, 3),
    ];
    server.replies(
        "caller",
        [Reply::Events([vec![opened], called.to_vec()].concat())],
    );
    server.replies("cut", [Reply::Cut(event(&text("Hel")))]);
    server.replies("slow", [Reply::Hang(event(&text("Hel")))]);
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    conforms(
        &openai(impatient()),
        &server.url,
        &format!("http://{nobody}/v1"),
    )
    .await;
    // The one that was dropped in the middle was ended as well.
    server.until_quiet().await;
}
